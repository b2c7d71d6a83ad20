"""Exact duplicates: documents whose canonical text has the same digest.

Owns the search by digest. Among equal documents, the one with the smallest number survives (``numbering``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from preprocessing.documents import read_batches
from preprocessing.duplicates.numbering import NOBODY, Numbering, part_of

COST = 64  # bytes of memory per sorted document


def exact_duplicates(signatures: Sequence[Path], numbering: Numbering, memory: int) -> np.ndarray:
    """``[duplicates, 2] uint32``: numbers of duplicates, increasing, and of the document that each equals.

    Memory: COST bytes per document, in as many passes over the digests as ``memory`` requires, and 16 per duplicate.
    """
    parts = 1 + COST * len(numbering.rows) // memory
    pairs = np.concatenate([_of_part(signatures, numbering, part, parts) for part in range(parts)])
    return pairs[np.argsort(pairs[:, 0])]


def _of_part(signatures: Sequence[Path], numbering: Numbering, part: int, parts: int) -> np.ndarray:
    numbers, high, low = _digests(signatures, numbering, part, parts)
    order = np.lexsort((numbers, low, high))
    numbers, high, low = numbers[order], high[order], low[order]
    same = np.zeros(len(numbers), bool)
    same[1:] = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
    first = numbers[np.maximum.accumulate(np.where(same, 0, np.arange(len(numbers))))]
    return np.stack([numbers[same], first[same]], axis=1)


def _digests(
    signatures: Sequence[Path], numbering: Numbering, part: int, parts: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers and both halves of the digests in one range of the first half."""
    batches = [(np.zeros(0, np.uint32), np.zeros(0, np.uint64), np.zeros(0, np.uint64))]
    row = 0
    for path in signatures:
        for batch in read_batches(path, ["digest"]):
            numbers = numbering.numbers[row : row + batch.num_rows]
            halves = digest_halves(batch["digest"])
            chosen = (numbers != NOBODY) & part_of(halves[:, 0], part, parts)
            batches.append((numbers[chosen], halves[chosen, 0], halves[chosen, 1]))
            row += batch.num_rows
    numbers, high, low = (np.concatenate(column) for column in zip(*batches))
    return numbers, high, low


def digest_halves(column: pa.Array) -> np.ndarray:
    """``[rows, 2] uint64`` of a column of digests, without a copy."""
    return np.frombuffer(column.buffers()[1], np.uint64).reshape(-1, 2)[column.offset :][: len(column)]


def near_candidates(
    signatures: Sequence[Path], numbering: Numbering, duplicates: np.ndarray
) -> Iterator[np.ndarray]:
    """Yields, per batch of rows, the numbers of the documents that may be near duplicates; NOBODY for documents that
    ``filter`` dropped, exact duplicates, and documents without words."""
    is_duplicate = np.zeros(len(numbering.rows) + 1, bool)
    is_duplicate[duplicates[:, 0]] = True
    row = 0
    for path in signatures:
        for batch in read_batches(path, ["words"]):
            numbers = numbering.numbers[row : row + batch.num_rows]
            wordless = batch["words"].to_numpy() == 0
            index = np.where(numbers == NOBODY, len(is_duplicate) - 1, numbers)
            yield np.where((numbers == NOBODY) | wordless | is_duplicate[index], NOBODY, numbers)
            row += batch.num_rows
