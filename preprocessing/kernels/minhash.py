"""MinHash signatures of documents, their bands, and similarities.

Owns the kernels from text to signature (``shingles`` builds the sequences of words) and the two similarities: the share
of equal hashes, and the exact Jaccard similarity of sorted sets (Broder 1997; Leskovec et al., Mining of Massive
Datasets, chapter 3). Hash ``k`` of a sequence ``x``, a mixed hash itself, is ``x * factor[k] + addend[k]`` modulo 2**32
with an odd factor. A minimum needs no set, so sequences are neither sorted nor deduplicated.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import mix
from preprocessing.kernels.compiled import inner, njit
from preprocessing.kernels.shingles import longest_row, sequences_of, words_of

NONE = np.uint32(0xFFFFFFFF)
_STEP = np.uint64(0x9E3779B97F4A7C15)


def hash_seeds(num_hashes: int, seed: int) -> np.ndarray:
    """``[2, num_hashes] uint32``: addend and odd factor of each hash function."""
    generator = np.random.Generator(np.random.PCG64(seed))
    seeds = generator.integers(0, 1 << 32, (2, num_hashes), np.uint64).astype(np.uint32)
    seeds[1] |= 1
    return seeds


@inner()
def _lower(values, count, addends, factors, least):
    """Lowers ``least[k]`` to the minimum of hash ``k`` of the values; four values at a time, so that it vectorizes."""
    hashes = len(least)
    whole = count - count % 4
    for i in range(0, whole, 4):
        x0, x1, x2, x3 = values[i], values[i + 1], values[i + 2], values[i + 3]
        for k in range(hashes):
            factor, addend = factors[k], addends[k]
            first = min(np.uint32(x0 * factor + addend), np.uint32(x1 * factor + addend))
            second = min(np.uint32(x2 * factor + addend), np.uint32(x3 * factor + addend))
            least[k] = min(least[k], min(first, second))
    for i in range(whole, count):
        for k in range(hashes):
            least[k] = min(least[k], np.uint32(values[i] * factors[k] + addends[k]))


@njit()
def signatures(data, offsets, seeds):
    """``(words: [rows] int32, signatures: [rows, num_hashes] uint32)`` of a UTF-8 column; rows without words are all NONE."""
    rows = len(offsets) - 1
    longest = longest_row(offsets)
    words = np.empty(longest + 1, np.uint64)
    sequences = np.empty(longest + 1, np.uint64)
    values = np.empty(longest + 1, np.uint32)
    counts = np.zeros(rows, np.int32)
    out = np.full((rows, seeds.shape[1]), NONE, np.uint32)
    for r in range(rows):
        counts[r] = words_of(data, offsets[r], offsets[r + 1], words)
        total = sequences_of(words, counts[r], sequences)
        for i in range(total):
            values[i] = np.uint32(sequences[i] >> np.uint64(32))
        _lower(values, total, seeds[0], seeds[1], out[r])
    return counts, out


@njit()
def band_values(signature, bands):
    """``[bands, rows] uint64``: one hash per band of the signature."""
    rows, hashes = signature.shape
    width = hashes // bands
    out = np.empty((bands, rows), np.uint64)
    for r in range(rows):
        for b in range(bands):
            value = np.uint64(b + 1)
            for k in range(b * width, (b + 1) * width):
                value = value * _STEP + np.uint64(signature[r, k])
            out[b, r] = mix(value)
    return out


@njit()
def agreements(signature, left, right):
    """``[pairs] int64``: number of equal hashes of the rows ``left[i]`` and ``right[i]``."""
    out = np.zeros(len(left), np.int64)
    for i in range(len(left)):
        a, b = signature[left[i]], signature[right[i]]
        equal = 0
        for k in range(len(a)):
            equal += a[k] == b[k]
        out[i] = equal
    return out


@njit()
def jaccard(flat, start_a, end_a, start_b, end_b):
    """Exact Jaccard similarity of two sorted sets."""
    shared = 0
    i, j = start_a, start_b
    while i < end_a and j < end_b:
        if flat[i] == flat[j]:
            shared += 1
            i += 1
            j += 1
        elif flat[i] < flat[j]:
            i += 1
        else:
            j += 1
    union = (end_a - start_a) + (end_b - start_b) - shared
    return shared / union if union else 0.0


@njit()
def jaccards(flat, starts, left, right):
    """``[pairs] float64``: exact Jaccard similarity of the sets ``left[i]`` and ``right[i]``."""
    out = np.zeros(len(left))
    for i in range(len(left)):
        a, b = left[i], right[i]
        out[i] = jaccard(flat, starts[a], starts[a + 1], starts[b], starts[b + 1])
    return out
