"""Progress of a step: documents, MB/s, kept share, time left; a bar on a terminal, a log line every 30 s elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

log = logging.getLogger(__name__)
LOG_EVERY_S = 30.0


class StepProgress:
    """Counts finished tasks of a step; ``total`` in bytes, or in tasks where they have no size."""

    def __init__(self, step: str, tasks: int, total_bytes: int, finished_bytes: int = 0):
        self._step, self._tasks, self._total = step, tasks, total_bytes
        self._already = self._bytes = finished_bytes
        self._done = self._documents = self._kept = 0
        self._start = self._said = time.monotonic()
        self._bar: Any = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                desc=step, total=total_bytes or tasks, unit="B" if total_bytes else "task", unit_scale=True,
                initial=finished_bytes, leave=False, dynamic_ncols=True,
            )  # fmt: skip

    def add(self, size: int, summary: dict[str, Any]) -> None:
        """A task of ``size`` bytes ended; its summary may hold ``documents_in`` and ``documents_out``."""
        self._done += 1
        self._bytes += size
        self._documents += summary.get("documents_in", 0)
        self._kept += summary.get("documents_out", 0)
        if self._bar is not None:
            self._bar.set_postfix_str(self._facts(), refresh=False)
            self._bar.update(size if self._total else 1)
        elif time.monotonic() - self._said >= LOG_EVERY_S:
            self._said = time.monotonic()
            log.info("%s: %s", self._step, self._line())

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def rate(self) -> float:
        """MB/s since the start."""
        return (self._bytes - self._already) / 1e6 / max(time.monotonic() - self._start, 1e-9)

    def _facts(self) -> str:
        if not self._documents:
            return ""
        return f"{self._documents:,} documents, {100 * self._kept / self._documents:.1f} % kept"

    def _line(self) -> str:
        parts = [f"{self._done:,} of {self._tasks:,} tasks"]
        if self._total:
            left = (self._total - self._bytes) / 1e6 / max(self.rate(), 1e-9)
            parts += [
                f"{self._bytes / 1e6:,.0f} of {self._total / 1e6:,.0f} MB, {self.rate():.1f} MB/s, {left:.0f} s left"
            ]
        return ", ".join(part for part in (*parts, self._facts()) if part)
