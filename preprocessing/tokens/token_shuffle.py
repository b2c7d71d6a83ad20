"""Shuffles the documents of token files in bounded memory; the seed alone determines the order.

Owns the two passes: the first distributes documents to buckets in one scratch file, in their original order; the second
orders each bucket in memory. The order is numpy's permutation of all documents, the same for any bucket size.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from megatron_ko.errors import DataError
from preprocessing.tokens.indexed_dataset import new_bin, write_index
from preprocessing.tokens.token_files import BLOCK_TOKENS, Pair, open_pair


def shuffle_documents(
    prefixes: Sequence[Path], target: Path, seed: int, memory_bytes: int = 1 << 30
) -> dict[str, Any]:
    """Writes the documents of all pairs in one random order; returns counts.

    Uses scratch space of the size of the tokens beside ``target``, and memory of ``memory_bytes`` plus 40 bytes per
    document.
    """
    pairs = [open_pair(prefix) for prefix in prefixes]
    _check(pairs)
    lengths = np.concatenate([pair.index.lengths for pair in pairs]).astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(lengths))
    dtype = np.dtype(pairs[0].index.dtype)
    bucket_ends = _bucket_ends(lengths[order], max(memory_bytes // (4 * dtype.itemsize), 1))
    bucket_of = np.empty(len(lengths), np.int64)
    bucket_of[order] = np.searchsorted(bucket_ends, np.arange(len(order)), side="right")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=target.parent) as scratch, new_bin(target, dtype.name) as writer:
        extents = _distribute(pairs, lengths, bucket_of, len(bucket_ends), scratch.fileno(), dtype)
        for bucket, end in enumerate(bucket_ends.tolist()):
            rows = order[bucket_ends[bucket - 1] if bucket else 0 : end]
            ids, sizes = _read_ordered(scratch.fileno(), extents[bucket], rows, lengths, dtype)
            writer.add(ids, sizes)
    write_index(target, dtype.name, [writer.lengths])
    return {"documents": len(lengths), "tokens": writer.tokens, "buckets": len(bucket_ends)}


def _check(pairs: Sequence[Pair]) -> None:
    if len({pair.index.dtype for pair in pairs}) != 1:
        raise DataError(
            "pairs of uint16 and int32 cannot be joined; encode them with the same tokenizer",
            rule="different-token-types",
        )
    for pair in pairs:
        if (
            len(pair.index.documents) != len(pair.index.lengths) + 1
            or (np.diff(pair.index.documents) != 1).any()
        ):
            raise DataError(
                f"{pair.prefix}: its documents have several sequences each; join their sentences first",
                rule="several-sequences",
            )
        if not pair.tokens or int(pair.index.lengths.min()) < 1:
            raise DataError(
                f"{pair.prefix}: contains a document without a token; write the pair again without it",
                rule="empty-document",
            )


def _bucket_ends(lengths: np.ndarray, most_tokens: int) -> np.ndarray:
    """End of each bucket in the new order; a bucket has about ``most_tokens`` and at least one document."""
    number = (np.cumsum(lengths) - lengths) // most_tokens
    return np.append(np.flatnonzero(np.diff(number)) + 1, len(lengths))


def _distribute(
    pairs: Sequence[Pair],
    lengths: np.ndarray,
    bucket_of: np.ndarray,
    buckets: int,
    scratch: int,
    dtype: np.dtype,
) -> list[tuple[int, int]]:
    """Writes every document to its bucket in the scratch file; returns ``(first byte, bytes)`` of each bucket."""
    sizes = np.bincount(bucket_of, weights=lengths, minlength=buckets).astype(np.int64) * dtype.itemsize
    starts = np.cumsum(sizes) - sizes
    at = starts.copy()
    document = 0
    for pair in pairs:
        ends = np.cumsum(pair.index.lengths, dtype=np.int64)
        first = 0
        while first < len(ends):
            begin = int(ends[first - 1]) if first else 0
            last = max(int(np.searchsorted(ends, begin + BLOCK_TOKENS, side="right")), first + 1)
            rows = np.arange(first, last)
            mine = bucket_of[document + first : document + last]
            ids = pair.read(begin, int(ends[last - 1]))
            for bucket in np.unique(mine).tolist():
                chosen = rows[mine == bucket]
                stops = ends[chosen] - begin
                block = np.concatenate(
                    [ids[stop - size : stop] for stop, size in zip(stops, pair.index.lengths[chosen])]
                )
                at[bucket] += _write_at(scratch, block.tobytes(), int(at[bucket]))
            first = last
        document += len(ends)
    return list(zip(starts.tolist(), sizes.tolist()))


def _write_at(descriptor: int, block: bytes, offset: int) -> int:
    written = 0
    while written < len(block):
        written += os.pwrite(descriptor, block[written:], offset + written)
    return written


def _read_at(descriptor: int, offset: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.pread(descriptor, size, offset)
        parts.append(part)
        offset, size = offset + len(part), size - len(part)
    return b"".join(parts)


def _read_ordered(
    scratch: int, extent: tuple[int, int], rows: np.ndarray, lengths: np.ndarray, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """Tokens and lengths of the documents ``rows`` of a bucket, which stores them in their original order."""
    ids = np.frombuffer(_read_at(scratch, *extent), dtype)
    stored = np.argsort(rows, kind="stable")
    ends = np.cumsum(lengths[rows[stored]])
    begins = np.empty(len(rows), np.int64)
    begins[stored] = ends - lengths[rows[stored]]
    sizes = lengths[rows]
    return np.concatenate([ids[begin : begin + size] for begin, size in zip(begins, sizes)]), sizes
