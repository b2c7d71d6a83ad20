"""Numbers the documents that ``filter`` keeps, in the order of their ids.

A row is the index of a document among all documents (units in order, rows in order); a number is its index among the
documents that ``filter`` keeps, sorted by id, equal ids by row. The document with the smaller number survives, so the
survivors do not depend on how files are split into units. Owns the order, its arrays on disk (8 bytes per row, read
through memory maps), and reading selected rows from the files of all units.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from megatron_ko.errors import DataError
from megatron_ko.files import atomic_file

if TYPE_CHECKING:
    from preprocessing.running.context import Context

STEP = "deduplicate"
# names of tasks for all units together; names of units contain no dot
ORDER, CLUSTERS = "all.order", "all.clusters"
NOBODY = np.uint32(0xFFFFFFFF)
MIB = 1 << 20
SAMPLE_EVERY = 1024
ID_COST = 32  # bytes that sorting takes per id, in addition to its text


@dataclass(frozen=True)
class Numbering:
    """``starts: [units + 1] int64``: first row of each unit; ``numbers: [rows] uint32`` (NOBODY where ``filter`` dropped the
    document) and its inverse ``rows: [documents] uint32``."""

    starts: np.ndarray
    numbers: np.ndarray
    rows: np.ndarray


def save_array(path: Path, array: np.ndarray) -> Path:
    with atomic_file(path) as file:
        np.save(file, array)
    return path


def load_array(path: Path) -> np.ndarray:
    """Opens an array as a memory map: only accessed pages are read."""
    return np.load(path, mmap_mode="r")


def array_path(context: Context, name: str, what: str = "") -> Path:
    """Path of an array that the task ``name`` writes."""
    return context.path(STEP, name, f"{what}.npy")


def read_numbering(context: Context) -> Numbering:
    return Numbering(
        *(load_array(array_path(context, ORDER, f".{what}")) for what in ("starts", "numbers", "rows"))
    )


def numbering_of(reasons: Sequence[Path], memory: int) -> Numbering:
    """Numbers every document without a reason. ``reasons``: per unit a table with ``id`` and ``reason``.

    Memory: 12 bytes per row, and ``memory`` bytes for the ids sorted at a time.
    Raises DataError above 4,294,967,295 rows.
    """
    sizes = [pq.read_metadata(path).num_rows for path in reasons]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    if starts[-1] >= NOBODY:
        raise DataError(
            f"{int(starts[-1]):,} documents are too many to deduplicate in one run (at most {int(NOBODY) - 1:,}); "
            "split the inputs into several configurations",
            rule="too-many-documents",
        )

    def ids() -> Iterator[tuple[np.ndarray, pa.Array]]:
        for start, path in zip(starts, reasons):
            yield from _kept_ids(path, int(start))

    rows = np.concatenate([np.zeros(0, np.uint32), *_sorted_rows(ids, memory)])
    numbers = np.full(starts[-1], NOBODY, np.uint32)
    numbers[rows] = np.arange(len(rows), dtype=np.uint32)
    return Numbering(starts, numbers, rows)


def _kept_ids(path: Path, start: int) -> Iterator[tuple[np.ndarray, pa.Array]]:
    """Rows and ids of the documents without a reason, one row group at a time."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, ["id", "reason"]).combine_chunks()
            kept = np.flatnonzero(pc.is_null(table["reason"]).to_numpy())
            identities = table["id"].combine_chunks().cast(pa.large_string()).take(pa.array(kept))
            yield (start + kept).astype(np.uint32), identities
            start += table.num_rows


def _sorted_rows(
    ids: Callable[[], Iterator[tuple[np.ndarray, pa.Array]]], memory: int
) -> Iterator[np.ndarray]:
    """Yields rows in the order of ids, one range of ids that fits into ``memory`` at a time. Reads the ids once per range."""
    cost, sample = 0, []
    for _, identities in ids():
        cost += ID_COST * len(identities) + int(pc.sum(pc.binary_length(identities)).as_py() or 0)
        sample += identities.take(pa.array(np.arange(0, len(identities), SAMPLE_EVERY))).to_pylist()
    parts = 1 + cost // memory
    sample.sort()
    bounds = [None, *(sample[len(sample) * part // parts] for part in range(1, parts)), None]
    for low, high in zip(bounds, bounds[1:]):
        selected = [_between(rows, identities, low, high) for rows, identities in ids()]
        if selected:
            order = pc.sort_indices(pa.chunked_array([identities for _, identities in selected]))
            yield np.concatenate([rows for rows, _ in selected])[order.to_numpy()]


def _between(
    rows: np.ndarray, identities: pa.Array, low: str | None, high: str | None
) -> tuple[np.ndarray, pa.Array]:
    """Rows and ids with ``low <= id < high``; None means no bound."""
    inside = np.ones(len(rows), bool)
    if low is not None:
        inside &= pc.greater_equal(identities, low).to_numpy(zero_copy_only=False)
    if high is not None:
        inside &= pc.less(identities, high).to_numpy(zero_copy_only=False)
    return rows[inside], identities.filter(pa.array(inside))


def rows_of(
    files: Sequence[Path], starts: np.ndarray, rows: np.ndarray, columns: list[str]
) -> Iterator[tuple[slice, pa.RecordBatch]]:
    """Yields the rows ``rows`` (increasing) with their slice of ``rows``; reads only row groups that contain some."""
    for unit in np.unique(np.searchsorted(starts, rows, side="right") - 1):
        with pq.ParquetFile(files[unit]) as file:
            begin = int(starts[unit])
            for group in range(file.num_row_groups):
                end = begin + file.metadata.row_group(group).num_rows
                first, last = np.searchsorted(rows, [begin, end])
                if first < last:
                    table = file.read_row_group(group, columns).take(pa.array(rows[first:last] - begin))
                    yield slice(int(first), int(last)), table.combine_chunks().to_batches()[0]
                begin = end


def part_of(values: np.ndarray, part: int, parts: int) -> np.ndarray:
    """``[values] bool``: the ``part``-th of ``parts`` equal ranges of uint64 hashes."""
    low, high = (np.uint64((1 << 64) * bound // parts - (bound == parts)) for bound in (part, part + 1))
    return (values >= low) & ((values <= high) if part + 1 == parts else (values < high))
