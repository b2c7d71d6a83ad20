"""Runs tasks on this machine: in this process or in a pool of worker processes.

Owns the pool. Workers are forked from a clean server process that has imported the kernels. They leave stop requests to
the parent and end with it, even when it is killed. Below a supervisor (``mko data``) no signal arrives here; elsewhere
SIGINT raises KeyboardInterrupt, which must not interrupt the executor while it starts a worker: it would lose track of it.
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
from preprocessing.running.tasks import Done, RunContext, StepTask, run_task

PRELOADED = ["preprocessing.running.quiet_interrupt", "preprocessing.steps.warm_up"]
_context: RunContext | None = None


def cores() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ProcessRunner:
    """Runs tasks in ``workers`` processes; one worker means this process."""

    leads = True
    shared = False

    def __init__(self, workers: int):
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._lifeline: multiprocessing.connection.Connection | None = None

    def run(self, context: RunContext, tasks: Sequence[StepTask], done: Done) -> None:
        if self.workers == 1 or len(tasks) == 1:
            for task in tasks:
                done(task, run_task(context, task))
            return
        pool = self._pool or self._start(context)
        futures: dict[Future[dict[str, Any]], StepTask] = {}
        try:
            with hold_interrupts():  # submitting the first tasks starts the workers
                for task in tasks:
                    futures[pool.submit(_run_task, task)] = task
            _gather(futures, done)
        except BrokenProcessPool:
            self._end_workers()
            self.close()
            raise DataError(
                f"a worker process was killed, often because memory ran out; finished tasks are kept: run again with "
                f"fewer than {self.workers} workers (--workers)",
                rule="worker-killed",
            ) from None
        except KeyboardInterrupt:
            with hold_interrupts():
                self._end_workers()
                self.close()
            raise
        except BaseException:
            for future in futures:
                future.cancel()
            raise

    def wait_for(self, context: RunContext, marker: Marker, key: str) -> None:
        """Returns at once: this process leads."""

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _start(self, context: RunContext) -> ProcessPoolExecutor:
        self._pool, self._lifeline = forked_pool(self.workers, PRELOADED, _begin, context.for_worker())
        return self._pool

    def _end_workers(self) -> None:
        """Ends the workers in the middle of their tasks, which leave only temporary files."""
        if self._lifeline is not None:
            self._lifeline.close()


@contextlib.contextmanager
def hold_interrupts() -> Iterator[None]:
    """Delays a KeyboardInterrupt until the end of the block."""
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
    """Returns a pool of workers and their lifeline: closing it ends them.

    Workers are forked from a server that has imported ``preloaded``. Each worker starts with ``begin(*arguments, worker_end)``, which calls ``begin_worker(worker_end)``.
    """
    method = multiprocessing.get_context("forkserver")
    method.set_forkserver_preload(list(preloaded))
    worker_end, lifeline = method.Pipe(duplex=False)
    return ProcessPoolExecutor(workers, method, begin, (*arguments, worker_end)), lifeline


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
    """Sets up a worker process: it leaves stop requests to its parent and ends with it."""
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


def _run_task(task: StepTask) -> dict[str, Any]:
    assert _context is not None
    return run_task(_context, task)
