"""Finds frequent line patterns: counts per document, in runs that are merged by ranges of hashes.

Owns counting and merging; the use of frequent lines belongs to ``lines``.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from preprocessing.documents import utf8_buffer


@dataclass(frozen=True)
class Run:
    """Distinct patterns of some documents of a unit: ``patterns: [n] uint64``, increasing, and ``documents: [n, 2] uint32``,
    the number of documents of each and the row of the first."""

    patterns: np.ndarray
    documents: np.ndarray


@dataclass(frozen=True)
class Frequent:
    """Frequent patterns: ``patterns: [n] uint64``, increasing, and ``keepers: [n, 2] uint32``, unit and row of the document
    that keeps each."""

    patterns: np.ndarray
    keepers: np.ndarray


def runs_of(batches: Iterator[pa.RecordBatch], scope: str, run_lines: int) -> Iterator[Run]:
    """Yields runs of about ``run_lines`` lines, made of whole batches."""
    from preprocessing.kernels.lines import distinct_patterns, line_table

    waiting: list[tuple[np.ndarray, np.ndarray]] = []
    row = size = 0
    for batch in batches:
        first, _, kinds, patterns = line_table(*utf8_buffer(batch["text"]))
        patterns ^= np.repeat(salts_of(batch, scope), np.diff(first))
        distinct, owners = distinct_patterns(first, kinds, patterns, is_prose(batch))
        waiting.append((distinct, (owners + row).astype(np.uint32)))
        row, size = row + batch.num_rows, size + len(distinct)
        if size >= run_lines:
            yield _run(waiting)
            waiting, size = [], 0
    if size:
        yield _run(waiting)


def _run(waiting: list[tuple[np.ndarray, np.ndarray]]) -> Run:
    patterns, rows = (np.concatenate(column) for column in zip(*waiting))
    order = np.argsort(patterns, kind="stable")
    patterns, starts, counts = np.unique(patterns[order], return_index=True, return_counts=True)
    return Run(patterns, np.stack([counts.astype(np.uint32), rows[order][starts]], axis=1))


def is_prose(batch: pa.RecordBatch) -> np.ndarray:
    return pc.not_equal(batch["lang"], "code").to_numpy(zero_copy_only=False)


def salts_of(batch: pa.RecordBatch, scope: str) -> np.ndarray:
    """``[rows] uint64``: salts that distinguish the same line of two sources; zero with scope ``all``."""
    if scope == "all":
        return np.zeros(batch.num_rows, np.uint64)
    names = pc.dictionary_encode(batch["source"])
    salts = [xxhash.xxh64_intdigest(name.encode()) for name in names.dictionary.to_pylist()]
    return np.array(salts, np.uint64)[names.indices.to_numpy()]


def frequent_of(runs: Sequence[tuple[int, Run]], part: int, parts: int, min_documents: int) -> Frequent:
    """Patterns of one range that occur in ``min_documents`` documents; the first run that contains one has its keeper."""
    patterns, documents, keepers = (
        [np.zeros(0, np.uint64)],
        [np.zeros(0, np.int64)],
        [np.zeros((0, 2), np.uint32)],
    )
    for unit, run in runs:
        here = _range_of(run.patterns, part, parts)
        rows = run.documents[here, 1]
        patterns.append(run.patterns[here])
        documents.append(run.documents[here, 0].astype(np.int64))
        keepers.append(np.stack([np.full(len(rows), unit, np.uint32), rows], axis=1))
    every = np.concatenate(patterns)
    order = np.argsort(every, kind="stable")
    distinct, starts = np.unique(every[order], return_index=True)
    if not len(distinct):
        return Frequent(distinct, keepers[0])
    often = np.add.reduceat(np.concatenate(documents)[order], starts) >= min_documents
    return Frequent(distinct[often], np.concatenate(keepers)[order[starts[often]]])


def _range_of(patterns: np.ndarray, part: int, parts: int) -> slice:
    """Slice of increasing patterns in the ``part``-th of ``parts`` equal ranges of uint64."""
    low, high = ((1 << 64) * bound // parts for bound in (part, part + 1))
    first = int(np.searchsorted(patterns, np.uint64(low)))
    return slice(
        first, len(patterns) if part + 1 == parts else int(np.searchsorted(patterns, np.uint64(high)))
    )
