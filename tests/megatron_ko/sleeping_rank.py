"""A rank that prints its process and waits, for tests of what becomes of it."""

from __future__ import annotations

import os
import time


def sleep(rank: int, init_method: str) -> int:
    print(os.getpid(), flush=True)
    time.sleep(600)
    return 0
