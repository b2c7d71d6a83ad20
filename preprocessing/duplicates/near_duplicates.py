"""Near duplicates: verified pairs of documents that agree in a band of their signatures.

Owns candidates by band and their verification: the share of equal hashes estimates the Jaccard similarity with a
standard deviation of ``sqrt(t * (1 - t) / num_hashes)`` at similarity ``t`` (Broder 1997). Within MARGIN standard
deviations of the threshold, the sets themselves decide, read again from the documents; outside, the estimate decides. A
document is dropped because of one verified pair, see ``clusters``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preprocessing.documents import read_batches, utf8_buffer
from preprocessing.duplicates.numbering import NOBODY, Numbering, load_array, part_of, rows_of
from preprocessing.duplicates.signatures import band_name, signature_matrix

MARGIN = 3.0
BAND_COST = 48  # bytes per document while a band is sorted
PAIR_COST = 32  # bytes per candidate pair while the bands are merged
SET_COST = 16  # bytes per word of a document whose set is compared
SAMPLE_EVERY = 1024
VERIFIED_PAIR = np.dtype([("pair", np.uint64), ("similarity", np.float32)])


@dataclass(frozen=True)
class Files:
    """Signatures and documents of all units, in order."""

    signatures: list[Path]
    documents: list[Path]


def band_parts(documents: int, memory: int) -> int:
    """Number of ranges of band values, sorted one after another to stay within ``memory``."""
    return 1 + BAND_COST * documents // memory


def band_pairs(
    signatures: Sequence[Path], near: np.ndarray, band: int, part: int, parts: int, max_compared: int
) -> np.ndarray:
    """Sorted candidate pairs (``kernels.buckets``) of one range of the values of one band.

    ``near: [rows] uint32``: numbers from ``near_candidates``. Memory: BAND_COST bytes per document of the range
    and 8 per pair; a document has at most ``max_compared`` pairs in a band.
    """
    from preprocessing.kernels.buckets import bucket_pairs

    batches = [(np.zeros(0, np.uint64), np.zeros(0, np.uint32))]
    row = 0
    for path in signatures:
        for batch in read_batches(path, [band_name(band)]):
            values, numbers = batch[0].to_numpy(), near[row : row + batch.num_rows]
            chosen = (numbers != NOBODY) & part_of(values, part, parts)
            batches.append((values[chosen], numbers[chosen]))
            row += batch.num_rows
    values, numbers = (np.concatenate(column) for column in zip(*batches))
    del batches
    order = np.lexsort((numbers, values))
    pairs = bucket_pairs(values[order], numbers[order], max_compared)
    pairs.sort()
    return pairs


# --- blocks: pairs of all bands together, a range of later documents at a time -------------------------------


def blocks_of(candidates: Sequence[Path], memory: int) -> list[tuple[int, int]]:
    """Ranges of numbers of the later document whose candidate pairs together fit into ``memory``."""
    # copies, so that the memory maps are closed
    sampled = [load_array(path)[::SAMPLE_EVERY].copy() for path in candidates]
    samples = np.sort(np.concatenate([np.zeros(0, np.uint64), *sampled]))
    every = max(1, memory // (PAIR_COST * SAMPLE_EVERY))
    inner = np.unique(samples[every::every] >> np.uint64(32)).tolist()
    bounds = [0, *(bound for bound in inner if bound), int(NOBODY)]
    return list(zip(bounds, bounds[1:]))


def pairs_between(candidates: Sequence[Path], first: int, last: int) -> np.ndarray:
    """Sorted distinct pairs of all bands with ``first <= later < last``."""
    parts = [np.zeros(0, np.uint64)]
    for path in candidates:
        pairs = load_array(path)
        low, high = np.searchsorted(pairs, np.array([first << 32, last << 32], np.uint64))
        parts.append(pairs[low:high])
    return np.unique(np.concatenate(parts))


# --- verification ------------------------------------------------------------------------------------------


def verify_pairs(
    pairs: np.ndarray, files: Files, numbering: Numbering, threshold: float, memory: int
) -> np.ndarray:
    """Returns ``[duplicates] VERIFIED_PAIR``: the pairs whose similarity reaches the threshold, in their order."""
    if not len(pairs):
        return np.zeros(0, VERIFIED_PAIR)
    width = _signature_bytes(files)
    run = max(1, memory // (4 * width))
    runs = [
        _verify_run(pairs[start : start + run], files, numbering, threshold, memory)
        for start in range(0, len(pairs), run)
    ]
    return np.concatenate(runs)


def _signature_bytes(files: Files) -> int:
    import pyarrow.parquet as pq

    return pq.read_schema(files.signatures[0]).field("signature").type.byte_width


def _verify_run(
    pairs: np.ndarray, files: Files, numbering: Numbering, threshold: float, memory: int
) -> np.ndarray:
    from preprocessing.kernels.minhash import agreements

    rows, left, right = _members(pairs, numbering)
    signature, words = _signatures(rows, files, numbering.starts)
    hashes = signature.shape[1]
    similarity = agreements(signature, left, right) / hashes
    del signature
    margin = MARGIN * (threshold * (1 - threshold) / hashes) ** 0.5
    close = np.flatnonzero(np.abs(similarity - threshold) <= margin)
    for part in _parts_of(left[close], right[close], words, memory):
        chosen = close[part]
        similarity[chosen] = _exact(pairs[chosen], files, numbering)
    similar = similarity >= threshold
    out = np.empty(int(similar.sum()), VERIFIED_PAIR)
    out["pair"], out["similarity"] = pairs[similar], similarity[similar]
    return out


def _members(pairs: np.ndarray, numbering: Numbering) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct rows of the pairs, increasing, and the indices of both documents of each pair in them."""
    later = numbering.rows[(pairs >> np.uint64(32)).astype(np.int64)]
    earlier = numbering.rows[(pairs & np.uint64(NOBODY)).astype(np.int64)]
    rows = np.unique(np.concatenate([later, earlier])).astype(np.int64)
    return rows, np.searchsorted(rows, later), np.searchsorted(rows, earlier)


def _signatures(rows: np.ndarray, files: Files, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signatures and numbers of words of ``rows``."""
    signature = np.empty((len(rows), _signature_bytes(files) // 4), np.uint32)
    words = np.empty(len(rows), np.int64)
    for part, batch in rows_of(files.signatures, starts, rows, ["signature", "words"]):
        signature[part] = signature_matrix(batch["signature"])
        words[part] = batch["words"].to_numpy()
    return signature, words


def _parts_of(left: np.ndarray, right: np.ndarray, words: np.ndarray, memory: int) -> Iterator[slice]:
    """Yields runs of pairs whose sets together fit into ``memory``."""
    from preprocessing.kernels.buckets import passes

    if len(left):
        bounds = passes(left, right, SET_COST * words, memory).tolist()
        yield from (slice(start, end) for start, end in zip(bounds, bounds[1:]))


def _exact(pairs: np.ndarray, files: Files, numbering: Numbering) -> np.ndarray:
    """Jaccard similarities of the sets, read again from the documents; takes the memory of the sets of these pairs."""
    from preprocessing.kernels.minhash import jaccards
    from preprocessing.kernels.shingles import sequence_sets

    rows, left, right = _members(pairs, numbering)
    parts, sizes = [], []
    for _, batch in rows_of(files.documents, numbering.starts, rows, ["text"]):
        flat, starts = sequence_sets(*utf8_buffer(batch["text"]))
        parts.append(flat)
        sizes.append(np.diff(starts))
    starts = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64)
    return jaccards(np.concatenate(parts), starts, left, right)
