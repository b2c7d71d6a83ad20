"""Child processes that end with the process that started them. Standard library only.

``training/launch.py`` does the same for ranks; it imports next to nothing of ours.
"""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None) -> None:
    """Called in a child: SIGKILL ends it when its parent dies. Exits with 1 if the process ``parent`` no longer is its parent."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(1)  # the parent died before the line above
