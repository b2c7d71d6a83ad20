"""MinHash signatures of sets, and near duplicates.

Owns the numba kernels over sorted sets of hashes (``text_kernels.sequence_sets`` makes them). Near duplicates are
found by bands of the signature and confirmed by the exact Jaccard similarity (Broder 1997; Leskovec et al., Mining
of Massive Datasets, chapter 3).
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True)
def _mix(x):
    """splitmix64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def hash_seeds(num_hashes: int, seed: int) -> np.ndarray:
    """``[2, num_hashes] uint32``: what is added and the odd factor of each hash function."""
    made = (
        np.random.Generator(np.random.PCG64(seed))
        .integers(0, 1 << 32, (2, num_hashes), np.uint64)
        .astype(np.uint32)
    )
    made[1] |= 1
    return made


@numba.njit(cache=True)
def signatures(flat, starts, seeds):
    """``[rows, num_hashes] uint32`` MinHash signatures; rows without words have the largest value everywhere."""
    rows, hashes = len(starts) - 1, seeds.shape[1]
    out = np.full((rows, hashes), np.uint32(0xFFFFFFFF), np.uint32)
    for r in range(rows):
        least = out[r]
        for i in range(starts[r], starts[r + 1]):
            low = np.uint32(flat[i] & np.uint64(0xFFFFFFFF))
            high = np.uint32(flat[i] >> np.uint64(32))
            for k in range(hashes):
                value = np.uint32((low ^ seeds[0, k]) * seeds[1, k])
                value = np.uint32((value ^ (value >> np.uint32(15)) ^ high) * np.uint32(0x85EBCA6B))
                value = np.uint32(value ^ (value >> np.uint32(13)))
                least[k] = min(least[k], value)
    return out


@numba.njit(cache=True)
def band_values(signature, bands):
    """``[rows, bands] uint64``: one hash per band of the signature."""
    rows, hashes = signature.shape
    width = hashes // bands
    out = np.empty((rows, bands), np.uint64)
    for r in range(rows):
        for b in range(bands):
            value = _mix(np.uint64(b + 1))
            for k in range(b * width, (b + 1) * width):
                value = _mix(value ^ np.uint64(signature[r, k]))
            out[r, b] = value
    return out


@numba.njit(cache=True)
def jaccard(flat, start_a, end_a, start_b, end_b):
    """Exact similarity of two sorted sets."""
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


@numba.njit(cache=True)
def near_duplicates(groups, number_of_groups, flat, starts, threshold, max_compared):
    """For each row, in order: the first surviving row it is a near duplicate of (itself when none), and how similar.

    ``groups: [rows, bands] int64`` holds the number of each row's bucket, -1 where it is alone. A row is compared
    with at most ``max_compared`` survivors of each of its buckets, so the work grows with the rows, not their pairs;
    and every row dropped was itself confirmed against the row that survives, never through a chain.
    """
    rows, bands = groups.shape
    survivor = np.arange(rows)
    similarity = np.zeros(rows)
    head = np.full(number_of_groups, -1, np.int64)
    members = np.zeros(number_of_groups, np.int64)
    following = np.full((rows, bands), -1, np.int64)
    compared_by = np.full(rows, -1, np.int64)
    for i in range(rows):
        best = -1
        for b in range(bands):
            other = head[groups[i, b]] if groups[i, b] >= 0 else -1
            while other >= 0:
                if compared_by[other] != i and (best < 0 or other < best):
                    compared_by[other] = i
                    alike = jaccard(flat, starts[i], starts[i + 1], starts[other], starts[other + 1])
                    if alike >= threshold:
                        best, similarity[i] = other, alike
                other = following[other, b]
        if best >= 0:
            survivor[i] = best
            continue
        for b in range(bands):
            group = groups[i, b]
            if group >= 0 and members[group] < max_compared:
                following[i, b] = head[group]
                head[group] = i
                members[group] += 1
    return survivor, similarity
