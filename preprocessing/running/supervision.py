"""A process that stands above the program, so that a request to stop works at any moment.

Owns SIGINT, SIGTERM and SIGUSR1 of ``python -m preprocessing``. An exception that a signal handler raises can be lost (in a
callback of a library, in an import, in the middle of starting a worker) or come too late (while a kernel compiles). So the
program runs in a child that ignores these signals. The parent waits; when it is asked to stop, it kills the program and all
that the program started, and ends with exit code 75. Killing is safe: what is on disk is usable at any line.
Imports little before the signals are blocked.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
STOPPED = "stopped; what is finished is kept, the same command continues"
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
# The process of multiprocessing that removes semaphores of killed processes; it ends by itself right after them.
_TRACKER = b"multiprocessing.resource_tracker"
_TRACKER_S = 3.0
_POLL_S = 0.01


def supervise() -> None:
    """Returns in a child, which is the program. The parent stays here and ends with the exit code of the program.

    Call it first: from here on no signal is lost. Elsewhere than on Linux it returns in this process, and a signal becomes a
    KeyboardInterrupt.
    """
    if sys.platform != "linux":
        for number in SIGNALS:
            signal.signal(number, signal.default_int_handler)
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # or children that ended could not be waited for
    asked = {
        number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN
    }  # as under nohup or "&"
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*SIGNALS, signal.SIGCHLD})
    strangers = set(
        _children()
    )  # started before by the program that became this one, such as a shell's "exec"
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # orphans below become children of this process
    supervisor = os.getpid()
    program = os.fork()
    if program == 0:
        _begin_program(supervisor, before)
        return
    code = _wait(program, asked)
    _end_descendants(strangers)
    if code is None:
        from megatron_ko.errors import EXIT_STOPPED

        with suppress(OSError):  # nobody reads any more
            os.write(2, f"{STOPPED}\n".encode())
        code = EXIT_STOPPED
    os._exit(code)


def _begin_program(supervisor: int, mask: set[int] | set[signal.Signals]) -> None:
    """In the child: ends with its parent, leaves the signals to it, and has the tracker clean up without a word."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(1)  # the parent died before the line above
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, {number for number in mask if number not in SIGNALS})
    quiet = "ignore:resource_tracker:UserWarning"
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (os.environ.get("PYTHONWARNINGS"), quiet)))


def _wait(program: int, asked: set[signal.Signals]) -> int | None:
    """The exit code of the program, or None after a request to stop that came before its end."""
    while True:
        number = signal.sigwait({*asked, signal.SIGCHLD})
        for process, status in _ended():
            if process == program:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else _killed(-code)
        if number in asked:
            return None


def _killed(number: int) -> int:
    """What a shell would report."""
    name = signal.strsignal(number) or f"signal {number}"
    advice = (
        "often for lack of memory: fewer processes need less (--workers); "
        if number == signal.SIGKILL
        else ""
    )
    print(
        f"error: the program was ended by a signal ({name}), {advice}what is finished is kept, the same command continues",
        file=sys.stderr, flush=True,
    )  # fmt: skip
    return 128 + number


def _ended() -> Iterator[tuple[int, int]]:
    """Children that ended since the last call, each with its status."""
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if process == 0:
            return
        yield process, status


def _end_descendants(strangers: set[int]) -> None:
    """Kills children, but for ``strangers``, until none is left: when one ends, its own children become this process's."""
    deadline = time.monotonic() + _TRACKER_S
    while True:
        for _ in _ended():
            pass
        children = [process for process in _children() if process not in strangers]
        if not children:
            return
        for process in children:
            if time.monotonic() > deadline or _TRACKER not in _read(f"/proc/{process}/cmdline"):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        time.sleep(_POLL_S)


def _children() -> list[int]:
    """Processes whose parent is this one: the fourth field of ``/proc/PID/stat``, behind the name in parentheses."""
    processes = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    return [
        p
        for p in processes
        if _read(f"/proc/{p}/stat").rpartition(b")")[2].split()[1:2] == [b"%d" % os.getpid()]
    ]


def _read(path: str) -> bytes:
    """Nothing when the process ended meanwhile."""
    with suppress(OSError), open(path, "rb") as file:
        return file.read()
    return b""


def _prctl(option: int, value: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
