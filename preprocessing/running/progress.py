"""Progress of a step: tasks, documents, MB/s, share of documents kept, time left."""

from __future__ import annotations

from typing import Any

from megatron_ko.progress import ProgressBar
from megatron_ko.wording import format_count


class StepProgress(ProgressBar):
    """Counts finished tasks of a step; ``total_bytes`` is what they read, 0 where they have no size."""

    def __init__(self, step: str, tasks: int, total_bytes: int, finished_bytes: int = 0):
        self._tasks, self._bytes = tasks, total_bytes
        self._tasks_done = self._documents = self._kept = 0
        self._drops = False
        if total_bytes:
            super().__init__(step, total_bytes, "B", finished_bytes)
        else:
            super().__init__(step, tasks, "task")

    def add(self, size: int, summary: dict[str, Any]) -> None:
        """A task of ``size`` bytes ended; its summary may hold ``documents_in`` and ``documents_out``."""
        self._tasks_done += 1
        self._documents += summary.get("documents_in", 0)
        self._kept += summary.get("documents_out", 0)
        self._drops = self._drops or "documents_out" in summary
        facts = f"{_short(self._documents)} docs" if self._documents else ""
        if self._documents and self._drops:
            facts += f", {self._percent_kept():.0f}% kept"
        self.update(size if self._bytes else 1, facts)

    def line(self) -> str:
        parts = [f"{self._tasks_done:,} of {format_count(self._tasks, 'task')}"]
        if self._bytes:
            parts.append(f"{self.count / 1e6:,.0f} of {self._bytes / 1e6:,.0f} MB")
        parts.append(f"{self.elapsed_s:.0f} s")
        rate = (self.count - self.first) / self.elapsed_s
        if self._bytes and rate:
            parts.append(f"{rate / 1e6:.1f} MB/s, {(self._bytes - self.count) / rate:.0f} s left")
        if self._documents:
            parts.append(format_count(self._documents, "document"))
        if self._documents and self._drops:
            parts.append(f"{self._percent_kept():.1f} % kept")
        return ", ".join(parts)

    def _percent_kept(self) -> float:
        return 100 * self._kept / self._documents


def _short(count: int) -> str:
    """At most six characters: 99,999, 123K, 61.7M."""
    if count < 100_000:
        return f"{count:,}"
    for size, prefix in ((1e9, "G"), (1e6, "M")):
        if count >= size:
            return f"{count / size:.3g}{prefix}"
    return f"{count // 1000}K"
