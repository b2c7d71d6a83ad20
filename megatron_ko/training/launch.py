"""Starts the ranks of one host without torchrun, from one process that has imported everything already.

Owns forking, waiting and ending ranks together: when one ends with an error the others are stopped, and ranks never
outlive the process that started them. Several hosts are torchrun's or Slurm's business.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any

from megatron_ko.errors import EXIT_PEER_LOST, EXIT_STOPPED, exit_code_of
from megatron_ko.training import stop

_PR_SET_PDEATHSIG = 1
GRACE_S = 10.0
Target = Callable[[int, str], "int | None"]


def run_ranks(count: int, target: Target, start_method: str = "fork", timeout_s: float | None = None) -> int:
    """Runs ``target(rank, init_method)`` in ``count`` processes; returns the first exit code that is not 0.

    With ``fork`` the caller may have imported torch, but must not have computed with it or touched CUDA. SIGTERM,
    SIGINT and SIGUSR1 are passed on to all ranks. After ``timeout_s`` all are killed (exit code 124).
    """
    context: Any = multiprocessing.get_context(start_method)
    with tempfile.TemporaryDirectory(prefix="megatron_ko-") as folder:
        init_method = f"file://{Path(folder) / 'rendezvous'}"
        arguments = (target, init_method, os.getpid(), start_method == "fork", folder)
        ranks = [context.Process(target=_run, args=(rank, *arguments)) for rank in range(count)]
        with _passing_on_signals(ranks) as passing:
            passing.start_ranks()
            code = _wait(ranks, timeout_s)
            passing.ignore()
            _say_errors(Path(folder), count)
        return EXIT_STOPPED if code == EXIT_PEER_LOST and passing.requested else code


def _run(rank: int, target: Target, init_method: str, parent: int, is_child: bool, folder: str) -> None:
    """In the new process: dies with its parent, leaves its error in ``folder``, ends with the exit code of ``target``."""
    if is_child:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(1)  # the parent died before the line above
    os.environ["LOCAL_RANK"] = str(rank)
    stop.listen_as_rank()

    def leave(text: str) -> None:
        (Path(folder) / f"error_{rank}").write_text(text, encoding="utf-8")

    try:
        sys.exit(exit_code_of(lambda: target(rank, init_method), report=leave))
    finally:
        stop.ignore()


def _say_errors(folder: Path, count: int) -> None:
    """Each error once, with the ranks that had it where not all did."""
    ranks_of: dict[str, list[int]] = {}
    for rank in range(count):
        if (folder / f"error_{rank}").is_file():
            text = (folder / f"error_{rank}").read_text(encoding="utf-8")
            ranks_of.setdefault(text, []).append(rank)
    for text, ranks in ranks_of.items():
        where = "" if len(ranks) == count else f"[rank {', '.join(map(str, ranks))}] "
        print(f"{where}{text}", file=sys.stderr, flush=True)


class _passing_on_signals:
    """While ranks run, signals that ask this process to stop go to them, and it waits for their end."""

    def __init__(self, ranks: list[BaseProcess]) -> None:
        self.ranks = ranks
        self.before: dict[int, object] = {}
        self.requested: int | None = None

    def __enter__(self) -> _passing_on_signals:
        if threading.current_thread() is threading.main_thread():
            for number in stop.SIGNALS:
                self.before[number] = signal.signal(number, self._pass_on)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self.before.items():
            if (
                handler is not stop.received
            ):  # a run that has ended with its ranks must not end with 75 after all
                signal.signal(number, handler)  # type: ignore[arg-type]

    def ignore(self) -> None:
        """The ranks have ended: a request changes nothing any more."""
        for number in self.before:
            signal.signal(number, signal.SIG_IGN)

    def start_ranks(self) -> None:
        """Ranks begin with the signals blocked, and unblock them when they listen themselves."""
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, stop.SIGNALS)
        try:
            for process in self.ranks:
                process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if self.requested is not None:  # taken by another thread, when not all ranks were there
            _signal_all(self.ranks, self.requested)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self.requested = number
        _signal_all(self.ranks, number)


def _signal_all(ranks: list[BaseProcess], number: int) -> None:
    for process in ranks:
        if process.pid is not None and process.exitcode is None:
            with contextlib.suppress(ProcessLookupError):  # a handler can come while its end is being noted
                os.kill(process.pid, number)


def _wait(ranks: list[BaseProcess], timeout_s: float | None) -> int:
    """Waits for all; after the first failure the others get GRACE_S seconds, then SIGKILL."""
    first_failure, killed = 0, False
    deadline = time.monotonic() + timeout_s if timeout_s is not None else None
    running = list(ranks)
    while running:
        multiprocessing.connection.wait([process.sentinel for process in running], timeout=0.5)
        for process in [p for p in running if p.exitcode is not None]:
            running.remove(process)
            code = process.exitcode or 0
            # a rank that lost another one may end before the lost one, whose code says more
            if code and (not first_failure or first_failure == EXIT_PEER_LOST and not killed):
                first_failure = code if code > 0 else 128 - code
                deadline = time.monotonic() + GRACE_S
                if code < 0:
                    name = signal.Signals(-code).name
                    print(f"rank {ranks.index(process)} was killed by {name}", file=sys.stderr, flush=True)
        if deadline is not None and time.monotonic() > deadline:
            first_failure, killed = first_failure or 124, True
            _signal_all(running, signal.SIGKILL)
    return first_failure
