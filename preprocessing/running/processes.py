"""Tasks on this machine: in this process, or in a pool of worker processes.

Owns the pool. Workers are forked from a clean server process that has imported the kernels, leave requests to stop to the
parent, and end with it, also when it is killed. Below a supervisor (``python -m preprocessing``) no signal arrives here;
elsewhere SIGINT is a KeyboardInterrupt, which must not come while the executor starts a worker: it would not know it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from megatron_ko.errors import DataError
from preprocessing.running.markers import Marker
from preprocessing.running.supervision import SIGNALS
from preprocessing.running.tasks import Done, RunContext, StepTask, do

PRELOADED = ["preprocessing.running.quiet_interrupt", "preprocessing.steps.warm_up"]
_context: RunContext | None = None


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ProcessRunner:
    """``workers`` processes; with one, everything happens in this process."""

    leads = True
    shared = False

    def __init__(self, workers: int):
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._lifeline: multiprocessing.connection.Connection | None = None

    def run(self, context: RunContext, keyed: Sequence[StepTask], done: Done) -> None:
        if self.workers == 1 or len(keyed) == 1:
            for one in keyed:
                done(one, do(context, one))
            return
        pool = self._pool or self._start(context)
        futures: dict[Future[dict[str, Any]], StepTask] = {}
        try:
            with hold_interrupts():  # the first tasks make the workers start
                for one in keyed:
                    futures[pool.submit(_do, one)] = one
            _gather(futures, done)
        except BrokenProcessPool:
            self._let_go()
            self.close()
            raise DataError(
                f"a worker process was killed, often for lack of memory; finished tasks are kept: "
                f"run again with fewer than {self.workers} workers (--workers)"
            ) from None
        except KeyboardInterrupt:
            with hold_interrupts():
                self._let_go()
                self.close()
            raise
        except BaseException:
            for future in futures:
                future.cancel()
            raise

    def wait_for(self, context: RunContext, marker: Marker, key: str) -> None:
        """Nobody else leads."""

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _start(self, context: RunContext) -> ProcessPoolExecutor:
        self._pool, self._lifeline = forked_pool(self.workers, PRELOADED, _begin, context.for_worker())
        return self._pool

    def _let_go(self) -> None:
        """Ends the workers in the middle of their tasks, which leave nothing but temporary files."""
        if self._lifeline is not None:
            self._lifeline.close()


@contextlib.contextmanager
def hold_interrupts() -> Iterator[None]:
    """A KeyboardInterrupt that the block would get comes at its end."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    held: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if held:
            signal.raise_signal(signal.SIGINT)


def forked_pool(
    workers: int, preloaded: Sequence[str], begin: Callable[..., None], *arguments: Any
) -> tuple[ProcessPoolExecutor, multiprocessing.connection.Connection]:
    """Workers forked from a server that has imported ``preloaded``, and their lifeline: they end when it is closed.

    Each starts with ``begin(*arguments, held)``, which calls ``begin_worker(held)``.
    """
    method = multiprocessing.get_context("forkserver")
    method.set_forkserver_preload(list(preloaded))
    held, lifeline = method.Pipe(duplex=False)
    return ProcessPoolExecutor(workers, method, begin, (*arguments, held)), lifeline


def _gather(futures: dict[Future[dict[str, Any]], StepTask], done: Done) -> None:
    waiting = set(futures)
    while waiting:
        ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in ended:
            done(futures[future], future.result())


def _begin(context: RunContext, lifeline: multiprocessing.connection.Connection) -> None:
    global _context
    _context = context
    begin_worker(lifeline)


def begin_worker(lifeline: multiprocessing.connection.Connection) -> None:
    """What a worker process does first: it leaves requests to stop to its parent and ends with it."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    import pyarrow as pa

    pa.set_cpu_count(1)  # the processes are the parallelism


def _end_with_parent(lifeline: multiprocessing.connection.Connection) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel, lifeline])
    os._exit(1)


def _do(one: StepTask) -> dict[str, Any]:
    assert _context is not None
    return do(_context, one)
