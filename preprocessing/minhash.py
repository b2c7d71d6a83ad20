"""Five-word sequences, MinHash signatures, and near duplicates.

Owns the numba kernels. Words are runs of one script (Hangul, other letters, digits; ideographs singly), without
case; punctuation separates. Near duplicates are found by bands of the signature and confirmed by the exact
Jaccard similarity of the sets of sequences (Broder 1997; Leskovec et al., Mining of Massive Datasets, ch. 3).
"""

from __future__ import annotations

import numba
import numpy as np

from preprocessing.text_statistics import decode, is_letter

WORDS = 5
_PRIME = np.uint64(0x100000001B3)
_BASIS = np.uint64(0xCBF29CE484222325)


@numba.njit(cache=True, inline="always")
def _mix(x):
    """splitmix64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(cache=True, inline="always")
def _script(c):
    """0 nothing, 1 Hangul, 2 letters, 3 digits, 4 a character that is a word of its own."""
    if 0xAC00 <= c <= 0xD7A3:
        return 1
    if (97 <= c <= 122) or (65 <= c <= 90):
        return 2
    if 48 <= c <= 57:
        return 3
    if (0x3041 <= c <= 0x30FF) or (0x3400 <= c <= 0x9FFF) or (0xF900 <= c <= 0xFAFF):
        return 4
    return 2 if c == 95 or is_letter(c) else 0


@numba.njit(cache=True)
def _words(data, start, end, out):
    """Hashes of the words of one document into ``out``; returns how many."""
    count = 0
    script, value = 0, _BASIS
    i = start
    while i < end:
        c, step = decode(data, i)
        i += step
        now = _script(c)
        if now != script or now == 4:
            if script:
                out[count] = _mix(value)
                count += 1
            value = _BASIS
        script = now
        if now:
            value = (value ^ np.uint64(c + 32 if 65 <= c <= 90 else c)) * _PRIME
    if script:
        out[count] = _mix(value)
        count += 1
    return count


@numba.njit(cache=True)
def _sequences(words, count, out):
    """Sorted distinct hashes of WORDS words in a row (of all words, when there are fewer); returns how many."""
    if count == 0:
        return 0
    length = min(WORDS, count)
    total = count - length + 1
    for i in range(total):
        value = _BASIS
        for k in range(length):
            value = _mix(value + words[i + k] * np.uint64(2 * k + 1))
        out[i] = value
    ordered = np.sort(out[:total])
    distinct = 0
    for i in range(total):
        if i == 0 or ordered[i] != ordered[i - 1]:
            out[distinct] = ordered[i]
            distinct += 1
    return distinct


@numba.njit(cache=True)
def sequence_sets(data, offsets):
    """``(hashes: uint64, starts: [rows + 1] int64)``: the sorted set of five-word sequences of each row."""
    rows = len(offsets) - 1
    longest = 0
    for r in range(rows):
        longest = max(longest, offsets[r + 1] - offsets[r])
    words = np.empty(longest + 1, np.uint64)
    flat = np.empty(offsets[rows] - offsets[0] + 1, np.uint64)
    starts = np.zeros(rows + 1, np.int64)
    for r in range(rows):
        count = _words(data, offsets[r], offsets[r + 1], words)
        starts[r + 1] = starts[r] + _sequences(words, count, flat[starts[r] :])
    return flat[: starts[rows]].copy(), starts


def hash_seeds(num_hashes: int, seed: int) -> np.ndarray:
    """``[2, num_hashes] uint32``: what is added and the odd factor of each hash function."""
    made = np.random.Generator(np.random.PCG64(seed)).integers(0, 1 << 32, (2, num_hashes), np.uint64).astype(np.uint32)
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
