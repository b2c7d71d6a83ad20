"""Maps a function over items in worker processes, for commands without a configuration.

Owns the pool. Results arrive in the order of the items, so nothing depends on the number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, TypeVar

from megatron_ko.errors import DataError
from preprocessing.running.processes import begin_worker, forked_pool, hold_interrupts
from preprocessing.running.progress import StepProgress

Item = TypeVar("Item")
Result = TypeVar("Result")
PRELOADED = ["preprocessing.running.quiet_interrupt", "preprocessing.tokenizers.counting"]


class WorkerPool:
    """``with WorkerPool(workers) as pool``; one worker means this process.

    ``preloaded``: modules imported before the workers are forked.
    """

    def __init__(self, workers: int, preloaded: Sequence[str] = PRELOADED):
        self.workers, self._preloaded = workers, preloaded
        self._pool: ProcessPoolExecutor | None = None
        self._lifeline: Any = None

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with hold_interrupts():
            if self._lifeline is not None and error_type is not None:
                self._lifeline.close()  # ends the workers in the middle of their work
            if self._pool is not None:
                self._pool.shutdown(wait=True, cancel_futures=True)

    def map(
        self,
        function: Callable[..., Result],
        items: Sequence[tuple[Any, ...]],
        what: str,
        sizes: Sequence[int] = (),
    ) -> Iterator[Result]:
        """Yields ``function(*item)`` for each item, in order; ``what`` names the progress bar, ``sizes`` are its bytes."""
        progress = StepProgress(what, len(items), sum(sizes))
        try:
            results = self._results(function, items)
            for number, result in enumerate(results):
                progress.add(sizes[number] if sizes else 0, {})
                yield result
        finally:
            progress.close()

    def _results(self, function: Callable[..., Result], items: Sequence[tuple[Any, ...]]) -> Iterator[Result]:
        if self.workers == 1 or len(items) <= 1:
            yield from (function(*item) for item in items)
            return
        pool = self._pool or self._start()
        with hold_interrupts():  # submitting the first items starts the workers
            futures = [pool.submit(function, *item) for item in items]
        try:
            for future in futures:
                yield future.result()
        except BrokenProcessPool:
            raise DataError(
                f"a worker process was killed, often because memory ran out; finished work is kept: run again with fewer "
                f"than {self.workers} workers (--workers)",
                rule="worker-killed",
            ) from None
        finally:
            for future in futures:
                future.cancel()

    def _start(self) -> ProcessPoolExecutor:
        self._pool, self._lifeline = forked_pool(self.workers, self._preloaded, begin_worker)
        return self._pool
