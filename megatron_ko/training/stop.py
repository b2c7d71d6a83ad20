"""Stopping on request: SIGTERM, SIGINT and SIGUSR1 end every process of a run with exit code 75.

Owns these signals. Until a rank makes its first step nothing is worth saving: a request ends the process at once, also while
it imports or waits for the other ranks. From ``StopRequest()`` on a request is noted; the run saves before it ends.
Imports nothing that takes time: it is the first import of ``train.py``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
# A terminal sends Ctrl-C to every process, and the launcher passes it on: within this time it is the same request.
SAME_REQUEST_S = 3.0
_EXIT_STOPPED = 75  # megatron_ko.errors.EXIT_STOPPED, which takes a tenth of a second to import
_noting: StopRequest | None = None
_watched: int | None = None  # the process whose thread waits for signals: a forked one inherits no thread


def under_torchrun() -> bool:
    """torchrun, or slurm/train.sbatch, has started this process as a rank."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


class StopRequest:
    """From here on the first signal is remembered as ``reason``; Ctrl-C once more ends the process at once."""

    def __init__(self) -> None:
        global _noting
        self.reason: str | None = None
        self._since = 0.0
        _noting = self

    def note(self, number: int) -> None:
        if self.reason is None:
            self._since, self.reason = time.monotonic(), signal.Signals(number).name
        elif number == signal.SIGINT and time.monotonic() - self._since > SAME_REQUEST_S:
            _end(number, "before the run could save; its last checkpoint continues")


def listen() -> None:
    """Takes the signals over, as early as a program can: a second call changes nothing."""
    if under_torchrun():
        listen_as_rank()
        return
    for number in SIGNALS:
        signal.signal(number, received)


def listen_as_rank() -> None:
    """Takes the signals over in a rank, blocked ones included. A second call in the same process changes nothing.

    Python runs a handler when the main thread comes back from C code, and a rank waits there for the others: so a thread is
    told by Python's C handler instead.
    """
    import threading

    global _watched
    if _watched == os.getpid():
        return
    _watched = os.getpid()
    read, write = os.pipe()
    os.set_blocking(write, False)
    for number in SIGNALS:
        signal.signal(number, _nothing)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    os.register_at_fork(
        after_in_child=lambda: signal.set_wakeup_fd(-1)
    )  # or workers of a data loader would tell us
    threading.Thread(target=_watch, args=(read,), daemon=True).start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """The whole of a program, also when it is called by its name on the path and could not listen earlier."""
    listen()
    try:
        yield
    finally:
        ignore()


def requested() -> bool:
    """A stop was requested of this rank, which has noted it."""
    return _noting is not None and _noting.reason is not None


def ignore() -> None:
    """The run has ended: a request while the interpreter ends must not change the exit code."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def received(number: int, frame: FrameType | None = None) -> None:
    """The handler of ``listen``."""
    if _noting is not None:
        _noting.note(number)
    else:
        _end(number, "before there was anything to save; run the same command again")


def _nothing(number: int, frame: FrameType | None) -> None:
    """Keeps the signal from killing; the thread acts."""


def _watch(pipe: int) -> None:
    while True:
        for number in os.read(pipe, 64):
            if number in SIGNALS:
                received(number)


def _end(number: int, when: str) -> None:
    try:
        if os.environ.get("RANK", "0") == "0" and os.environ.get("LOCAL_RANK", "0") == "0":
            os.write(2, f"stopped on {signal.Signals(number).name} {when}\n".encode())
    finally:  # also when nobody reads stderr any more
        os._exit(_EXIT_STOPPED)
