"""Lets an interrupt of the keyboard end the process that imports this, without a traceback.

For the server process that workers are forked from, while it imports and compiles; afterwards it ignores interrupts.
"""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)
