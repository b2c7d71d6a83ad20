"""The documents of token files in a random order that the seed alone decides, in bounded memory.

Owns the two passes: documents are dealt to buckets in one scratch file in the order they stand, then each bucket is
put in order in memory. The order is numpy's permutation of all documents, so it is the same for any size of bucket.
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

    Scratch space beside ``target`` is the size of the tokens; memory is ``memory_bytes`` and 40 bytes per document.
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
        places = _deal(pairs, lengths, bucket_of, len(bucket_ends), scratch.fileno(), dtype)
        for bucket, end in enumerate(bucket_ends.tolist()):
            rows = order[bucket_ends[bucket - 1] if bucket else 0 : end]
            ids, sizes = _in_order(scratch.fileno(), places[bucket], rows, lengths, dtype)
            writer.add(ids, sizes)
    write_index(target, dtype.name, [writer.lengths])
    return {"documents": len(lengths), "tokens": writer.tokens, "buckets": len(bucket_ends)}


def _check(pairs: Sequence[Pair]) -> None:
    if len({pair.index.dtype for pair in pairs}) != 1:
        raise DataError("pairs of uint16 and int32 do not join; encode them with one tokenizer")
    for pair in pairs:
        if (
            len(pair.index.documents) != len(pair.index.lengths) + 1
            or (np.diff(pair.index.documents) != 1).any()
        ):
            raise DataError(f"{pair.prefix}: documents are not one sequence each; join its sentences first")
        if not pair.tokens or int(pair.index.lengths.min()) < 1:
            raise DataError(
                f"{pair.prefix}: holds a document without a token; write the pair again without it"
            )


def _bucket_ends(lengths: np.ndarray, most_tokens: int) -> np.ndarray:
    """Where buckets end in the new order: each holds about ``most_tokens``, one document at least."""
    number = (np.cumsum(lengths) - lengths) // most_tokens
    return np.append(np.flatnonzero(np.diff(number)) + 1, len(lengths))


def _deal(
    pairs: Sequence[Pair],
    lengths: np.ndarray,
    bucket_of: np.ndarray,
    buckets: int,
    scratch: int,
    dtype: np.dtype,
) -> list[tuple[int, int]]:
    """Writes every document into its bucket of the scratch file; returns ``(first byte, bytes)`` of the buckets."""
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


def _write_at(descriptor: int, block: bytes, place: int) -> int:
    written = 0
    while written < len(block):
        written += os.pwrite(descriptor, block[written:], place + written)
    return written


def _read_at(descriptor: int, place: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.pread(descriptor, size, place)
        parts.append(part)
        place, size = place + len(part), size - len(part)
    return b"".join(parts)


def _in_order(
    scratch: int, place: tuple[int, int], rows: np.ndarray, lengths: np.ndarray, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """Tokens and lengths of the documents ``rows``, which lie in the bucket in the order of their numbers."""
    ids = np.frombuffer(_read_at(scratch, *place), dtype)
    lying = np.argsort(rows, kind="stable")
    ends = np.cumsum(lengths[rows[lying]])
    begins = np.empty(len(rows), np.int64)
    begins[lying] = ends - lengths[rows[lying]]
    sizes = lengths[rows]
    return np.concatenate([ids[begin : begin + size] for begin, size in zip(begins, sizes)]), sizes
