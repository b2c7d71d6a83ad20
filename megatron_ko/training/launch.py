"""Starts the ranks of one host without torchrun, from a process that has already imported everything.

Owns forking, waiting and ending ranks together: if one fails, the others are stopped, and ranks never outlive the process
that started them. Use torchrun or Slurm for several hosts.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any

from megatron_ko.errors import EXIT_PEER_LOST, EXIT_STOPPED, EXIT_USER_ERROR, exit_code_of, shell_exit_code
from megatron_ko.training import stop

_PR_SET_PDEATHSIG = 1
GRACE_S = 10.0
_EXPLAINED = (EXIT_USER_ERROR, EXIT_STOPPED, EXIT_PEER_LOST)  # exit codes with a message of their own
Target = Callable[[int, str], "int | None"]


def run_ranks(count: int, target: Target, start_method: str = "fork", timeout_s: float | None = None) -> int:
    """Runs ``target(rank, init_method)`` in ``count`` processes and returns the first exit code other than 0.

    With ``fork``, the caller may have imported torch but must not have computed with it or used CUDA. Forwards SIGTERM,
    SIGINT and SIGUSR1 to all ranks. Kills all ranks after ``timeout_s`` (exit code 124).
    """
    context: Any = multiprocessing.get_context(start_method)
    with tempfile.TemporaryDirectory(prefix="megatron_ko-") as folder:
        init_method = f"file://{Path(folder) / 'rendezvous'}"
        # the parent of a rank is the fork server with that method, this process with the others
        arguments = (target, init_method, os.getpid(), start_method != "forkserver", folder)
        ranks = [context.Process(target=_run, args=(rank, *arguments)) for rank in range(count)]
        with _SignalForwarding(ranks) as forwarding:
            forwarding.start_ranks()
            code = _wait(ranks, timeout_s)
            forwarding.ignore()
            _print_errors(Path(folder), count)
        return EXIT_STOPPED if code == EXIT_PEER_LOST and forwarding.requested else code


def _run(rank: int, target: Target, init_method: str, parent: int, is_child: bool, folder: str) -> None:
    """Main function of a rank: dies with its parent, writes its error to ``folder``, exits with the code of ``target``."""
    if is_child:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(1)  # the parent died before the line above
    os.environ["LOCAL_RANK"] = str(rank)
    stop.listen_as_rank()

    def write_error(text: str) -> None:
        (Path(folder) / f"error_{rank}").write_text(text, encoding="utf-8")

    try:
        sys.exit(exit_code_of(lambda: target(rank, init_method), report=write_error))
    finally:
        stop.ignore()


def _print_errors(folder: Path, count: int) -> None:
    """Prints each error once, with its ranks unless all ranks had it."""
    ranks_of: dict[str, list[int]] = {}
    for rank in range(count):
        if (folder / f"error_{rank}").is_file():
            text = (folder / f"error_{rank}").read_text(encoding="utf-8")
            ranks_of.setdefault(text, []).append(rank)
    for text, ranks in ranks_of.items():
        where = "" if len(ranks) == count else f"[rank {', '.join(map(str, ranks))}] "
        print(f"{where}{text}", file=sys.stderr, flush=True)


class _SignalForwarding:
    """Forwards stop signals of this process to its ranks while they run; ``requested`` is the last signal."""

    def __init__(self, ranks: list[BaseProcess]) -> None:
        self.ranks = ranks
        self.old_handlers: dict[int, object] = {}
        self.requested: int | None = None

    def __enter__(self) -> _SignalForwarding:
        if threading.current_thread() is threading.main_thread():
            for number in stop.SIGNALS:
                self.old_handlers[number] = signal.signal(number, self._forward)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self.old_handlers.items():
            if handler is not stop.handle_signal:  # a late signal must not change the exit code to 75
                signal.signal(number, handler)  # type: ignore[arg-type]

    def ignore(self) -> None:
        """Ignores stop requests: the ranks have ended."""
        for number in self.old_handlers:
            signal.signal(number, signal.SIG_IGN)

    def start_ranks(self) -> None:
        """Starts ranks with the signals blocked; each rank unblocks them once it listens."""
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, stop.SIGNALS)
        try:
            for process in self.ranks:
                process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if self.requested is not None:  # another thread received it before all ranks had started
            _signal_all(self.ranks, self.requested)

    def _forward(self, number: int, frame: FrameType | None) -> None:
        self.requested = number
        _signal_all(self.ranks, number)


def _signal_all(ranks: list[BaseProcess], number: int) -> None:
    for process in ranks:
        if process.pid is not None and process.exitcode is None:
            with contextlib.suppress(ProcessLookupError):  # the process may have ended in the meantime
                os.kill(process.pid, number)


def _print_cause(rank: int, code: int) -> None:
    """Prints one line with the rank, its host, and the signal or exit code that ended it."""
    if code > 0:
        cause = f"ended with exit code {code}"
    else:
        often = ", often by the memory limit" if -code == signal.SIGKILL else ""
        cause = f"was killed by {_signal_name(-code)}{often}"
    print(f"rank {rank} on {socket.gethostname()} {cause}; the other ranks end", file=sys.stderr, flush=True)


def _signal_name(number: int) -> str:
    """Name of a signal; real-time signals have only a number."""
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def _wait(ranks: list[BaseProcess], timeout_s: float | None) -> int:
    """Waits for all ranks. After the first failure, kills the others after GRACE_S seconds."""
    first_failure, killed = 0, False
    deadline = time.monotonic() + timeout_s if timeout_s is not None else None
    running = list(ranks)
    while running:
        multiprocessing.connection.wait([process.sentinel for process in running], timeout=0.5)
        for process in [p for p in running if p.exitcode is not None]:
            running.remove(process)
            code = process.exitcode or 0
            # a rank that lost its peer may end before that peer, whose exit code is more informative
            if code and (not first_failure or first_failure == EXIT_PEER_LOST and not killed):
                first_failure = shell_exit_code(code)
                deadline = time.monotonic() + GRACE_S
                if code not in _EXPLAINED:
                    _print_cause(ranks.index(process), code)
        if deadline is not None and time.monotonic() > deadline:
            first_failure, killed = first_failure or 124, True
            _signal_all(running, signal.SIGKILL)
    return first_failure
