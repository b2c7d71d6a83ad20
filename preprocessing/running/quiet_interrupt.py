"""Makes a keyboard interrupt end the importing process without a traceback.

Meant for the server process that workers are forked from, while it imports and compiles; afterwards it ignores
interrupts. Below a supervisor it ignores them from the start.
"""

import signal

if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
