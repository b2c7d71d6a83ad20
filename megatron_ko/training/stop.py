"""Stopping on request: SIGTERM, SIGINT, SIGUSR1 and the death of torchrun end every process of a run with exit code 75.

Owns these signals. Before the first step there is nothing to save, so a request ends the process at once, even while it
imports or waits for other ranks. After ``StopRequest()`` a request is noted, and the run saves before it ends.
Imports nothing slow: this is the first import of ``train.py``.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import time
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
# A terminal sends Ctrl-C to every process, and the launcher forwards it: within this time both are one request.
SAME_REQUEST_S = 3.0
LAUNCHER_CHECK_S = 1.0
_EXIT_STOPPED = 75  # megatron_ko.errors.EXIT_STOPPED, whose import takes a tenth of a second
_request: StopRequest | None = None
_over = False  # the run has ended, and only the interpreter is left to exit
_watched: int | None = None  # the process whose thread waits for signals; a forked process inherits no thread


def under_torchrun() -> bool:
    """Whether torchrun or the job of ``mko submit`` has started this process as a rank."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


class StopRequest:
    """Notes the first signal from now on as ``reason``; a second Ctrl-C ends the process at once."""

    def __init__(self) -> None:
        global _request
        self.reason: str | None = None
        self._since = 0.0
        _request = self

    def note(self, number: int) -> None:
        if self.reason is None:
            self._since, self.reason = time.monotonic(), signal.Signals(number).name
        elif number == signal.SIGINT and time.monotonic() - self._since > SAME_REQUEST_S:
            _end(number, "before the run could save; the same command continues from its last checkpoint")


def listen() -> None:
    """Installs the handlers; call it as early as possible. Idempotent."""
    if under_torchrun():
        listen_as_rank()
        return
    for number in SIGNALS:
        signal.signal(number, handle_signal)


def listen_as_rank() -> None:
    """Installs the handlers in a rank and unblocks the signals. Idempotent in each process.

    Python runs a handler only when the main thread returns from C code, where a rank waits for others. Therefore Python's C
    handler wakes a thread instead. Under torchrun the death of the launcher is a request, too.
    """
    import threading

    global _watched
    if _watched == os.getpid():
        return
    _watched = os.getpid()
    read, write = os.pipe()
    os.set_blocking(write, False)
    for number in SIGNALS:
        signal.signal(number, _do_nothing)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    # otherwise signals to workers of a data loader would wake this thread
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    threading.Thread(target=_watch, args=(read,), daemon=True).start()
    faulthandler.register(
        signal.SIGUSR2, file=2, all_threads=True
    )  # the stacks of a rank that hangs, also within C code
    if under_torchrun():
        threading.Thread(target=_watch_launcher, args=(os.getppid(),), daemon=True).start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Listens during a whole program, also one started as an installed script, which cannot listen earlier."""
    listen()
    try:
        yield
    finally:
        ignore()


def note_requests() -> None:
    """Notes requests from now on, unless it already does."""
    if _request is None:
        StopRequest()


def is_requested() -> bool:
    """Whether this rank has noted a stop request."""
    return _request is not None and _request.reason is not None


def ignore() -> None:
    """Ignores the signals after the run: a request while the interpreter exits must not change the exit code."""
    global _over
    _over = True
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def handle_signal(number: int, frame: FrameType | None = None) -> None:
    """Notes a request, or ends the process if there is nothing to save yet."""
    if _request is not None:
        _request.note(number)
    else:
        _end(number, "before the first step; run the same command again")


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Prevents the default action, which kills; the thread acts."""


def _watch(pipe: int) -> None:
    while True:
        for number in os.read(pipe, 64):
            if number in SIGNALS:
                handle_signal(number)


def _watch_launcher(pid: int) -> None:
    """Requests a stop once the launcher has died, which then cannot end its ranks: they would train on, unseen.

    PR_SET_PDEATHSIG would act on the end of the launcher's thread. A launcher that died before this rank began has taken
    its store with it, and the rank cannot join the others.
    """
    while os.getppid() == pid:
        time.sleep(LAUNCHER_CHECK_S)
    if not _over:
        with contextlib.suppress(OSError):  # nobody may read stderr any more
            os.write(2, f"{_rank_name()}the launcher (process {pid}) has ended; this rank stops\n".encode())
        handle_signal(signal.SIGTERM)


def _rank_name() -> str:
    return f"[rank {os.environ['RANK']}] " if "RANK" in os.environ else ""


def _end(number: int, when: str) -> None:
    try:
        if os.environ.get("RANK", "0") == "0" and os.environ.get("LOCAL_RANK", "0") == "0":
            os.write(2, f"stopped on {signal.Signals(number).name} {when}\n".encode())
    finally:  # even if stderr is closed
        os._exit(_EXIT_STOPPED)
