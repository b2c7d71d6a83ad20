"""A supervising parent process, so that a stop request works at any moment.

Owns SIGINT, SIGTERM and SIGUSR1 of ``mko data``. An exception raised by a signal handler can get lost (in a library's
callback, during an import, while a worker starts) or arrive too late (while a kernel compiles). So the program runs in a
child that ignores these signals. The parent waits; on a stop request it kills the program and all its descendants and
exits with code 75. Killing is safe: the files on disk are usable at any moment. Imports little before the signals are
blocked.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
STOPPED = "stopped; finished work is kept, run the same command to continue"
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
# multiprocessing's process that removes semaphores of killed processes; it ends by itself right after them
_TRACKER = b"multiprocessing.resource_tracker"
_TRACKER_S = 3.0
_POLL_S = 0.01


def supervise() -> None:
    """Returns in a child, which becomes the program. The parent stays here and exits with the program's exit code.

    Call it first: from then on no signal is lost. Outside Linux it returns in this process, and a signal raises
    KeyboardInterrupt. In a process with other threads it raises RuntimeError: locks that they hold would stay locked in
    the child; such a program calls ``preprocessing.cli.main``.
    """
    if sys.platform != "linux":
        for number in SIGNALS:
            signal.signal(number, signal.default_int_handler)
        return
    if (threads := len(os.listdir("/proc/self/task"))) > 1:
        raise RuntimeError(
            f"this process has {threads} threads and cannot fork; call preprocessing.cli.main, which does not"
        )
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # otherwise ended children could not be waited for
    # signals that are not ignored from the start, as under nohup or "&"
    stop_signals = {number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*SIGNALS, signal.SIGCHLD})
    inherited = set(_children())  # of the program that became this one, such as a shell's "exec"
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # orphaned descendants become children of this process
    supervisor = os.getpid()
    program = os.fork()
    if program == 0:
        _begin_program(supervisor, before)
        return
    code = _wait(program, stop_signals)
    _end_descendants(inherited)
    if code is None:
        from megatron_ko.errors import EXIT_STOPPED

        with suppress(OSError):  # the reader of stderr is gone
            os.write(2, f"{STOPPED}\n".encode())
        code = EXIT_STOPPED
    os._exit(code)


def _begin_program(supervisor: int, mask: set[int] | set[signal.Signals]) -> None:
    """Sets up the child: it ends with its parent, leaves the signals to it, and keeps the resource tracker quiet."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(1)  # the parent died before the line above
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, {number for number in mask if number not in SIGNALS})
    quiet = "ignore:resource_tracker:UserWarning"
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (os.environ.get("PYTHONWARNINGS"), quiet)))


def _wait(program: int, stop_signals: set[signal.Signals]) -> int | None:
    """Returns the exit code of the program, or None after a stop request that came before its end."""
    while True:
        number = signal.sigwait({*stop_signals, signal.SIGCHLD})
        for process, status in _reap():
            if process == program:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else _report_killed(-code)
        if number in stop_signals:
            return None


def _report_killed(number: int) -> int:
    """Prints which signal killed the program; returns the exit code that a shell would report."""
    name = signal.strsignal(number) or f"signal {number}"
    advice = (
        "often because memory ran out: fewer processes need less (--workers); "
        if number == signal.SIGKILL
        else ""
    )
    print(
        f"error: a signal killed the program ({name}), {advice}finished work is kept, run the same command to continue",
        file=sys.stderr, flush=True,
    )  # fmt: skip
    return 128 + number


def _reap() -> Iterator[tuple[int, int]]:
    """Yields the children that ended since the last call, each with its status."""
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if process == 0:
            return
        yield process, status


def _end_descendants(inherited: set[int]) -> None:
    """Kills all children except ``inherited`` until none is left: when one ends, this process inherits its children."""
    deadline = time.monotonic() + _TRACKER_S
    while True:
        for _ in _reap():
            pass
        children = [process for process in _children() if process not in inherited]
        if not children:
            return
        for process in children:
            if time.monotonic() > deadline or _TRACKER not in _read(f"/proc/{process}/cmdline"):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        time.sleep(_POLL_S)


def _children() -> list[int]:
    """Processes whose parent is this one: the fourth field of ``/proc/PID/stat``, after the name in parentheses."""
    processes = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    me = [b"%d" % os.getpid()]
    return [p for p in processes if _read(f"/proc/{p}/stat").rpartition(b")")[2].split()[1:2] == me]


def _read(path: str) -> bytes:
    """Content of the file; empty if the process has ended meanwhile."""
    with suppress(OSError), open(path, "rb") as file:
        return file.read()
    return b""


def _prctl(option: int, value: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
