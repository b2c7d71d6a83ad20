"""Progress of long work outside training: a bar on a terminal, a log line every 30 s elsewhere.

Owns how progress looks. The elapsed time runs on while a unit of work takes long, so nothing looks dead.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, TypeVar

from megatron_ko.wording import format_count

T = TypeVar("T")
LOG_EVERY_S = 30.0
REDRAW_EVERY_S = 1.0
BAR = "{desc}: {percentage:3.0f}% {bar} {n_fmt}/{total_fmt} {elapsed}<{remaining} {rate_fmt}{postfix}"
log = logging.getLogger(__name__)


class ProgressBar:
    """Counts up to ``total``, from ``start``; ``unit`` is a noun in the singular, or "B" for bytes.

    Close it, or use it as a context manager.
    """

    def __init__(self, what: str, total: int | None = None, unit: str = "item", start: int = 0):
        self.what, self.total, self.unit = what, total, unit
        self.first = self.count = start
        self.facts = ""
        self._start = time.monotonic()
        shown = sys.stderr.isatty() and not _is_worker()
        self._bar: Any = _new_bar(what, total, unit, start) if shown else None
        self._closed = threading.Event()
        self._clock = threading.Thread(target=self._keep_time, name="progress", daemon=True)
        self._clock.start()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def update(self, amount: int = 1, facts: str = "") -> None:
        """``amount`` more is done; a bar ends with ``facts``."""
        self.count += amount
        self.facts = facts
        if self._bar is not None:
            self._bar.set_postfix_str(facts, refresh=False)
            self._bar.update(amount)

    def close(self) -> None:
        """Removes the bar."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._clock.join()
        if self._bar is not None:
            self._bar.close()

    @property
    def elapsed_s(self) -> float:
        return max(time.monotonic() - self._start, 1e-9)

    def line(self) -> str:
        """State of the work for the log."""
        done = f"{self.count:,} of " if self.total else ""
        facts = f", {self.facts}" if self.facts else ""
        number = self.total or self.count
        units = f"{number:,} B" if self.unit == "B" else format_count(number, self.unit)
        return f"{done}{units}, {self.elapsed_s:.0f} s{facts}"

    def _keep_time(self) -> None:
        pause_s = LOG_EVERY_S if self._bar is None else REDRAW_EVERY_S
        while not self._closed.wait(pause_s):
            if self._bar is None:
                log.info("%s: %s", self.what, self.line())
            else:
                self._bar.refresh()


def progress(items: Iterable[T], what: str, total: int | None = None, unit: str = "item") -> Iterator[T]:
    """Yields ``items`` and shows how many of them are done."""
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # type: ignore[arg-type]
    with ProgressBar(what, total, unit) as bar:
        for item in items:
            yield item
            bar.update()


def progress_bytes(items: Iterable[T], what: str, sizes: Iterable[int]) -> Iterator[T]:
    """Yields ``items`` and shows how many bytes of them are done; ``sizes`` has the bytes of each."""
    items, sizes = list(items), list(sizes)
    with ProgressBar(what, sum(sizes), "B") as bar:
        for item, size in zip(items, sizes, strict=True):
            yield item
            bar.update(size)


def _is_worker() -> bool:
    """Whether another process owns the terminal."""
    module = sys.modules.get("multiprocessing.process")
    return module is not None and module.parent_process() is not None


def _new_bar(what: str, total: int | None, unit: str, start: int) -> Any:
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())  # its own lock is for many processes and starts one more
    return tqdm(
        desc=what, total=total, unit=unit, unit_scale=unit == "B", initial=start, leave=False, dynamic_ncols=True,
        bar_format=BAR if total else None, file=sys.stderr,
    )  # fmt: skip
