"""Finds sequences of words of evaluation sets in a column.

Owns the hashes of sequences and the search; words are those of ``shingles``. One lookup per word for sequences of any
length.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import decode, script_of
from preprocessing.kernels.compiled import inner, njit
from preprocessing.kernels.shingles import longest_row, words_of
from preprocessing.kernels.tables import find, key_of

SINGLE = 4
# polynomial hashes modulo 2**64 of hashed words; the factor is odd
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
LONGEST = 63
_POWERS = np.array([pow(0x9E3779B97F4A7C15, k, 1 << 64) for k in range(LONGEST + 1)], np.uint64)


@inner()
def _sums(hashes, count, sums):
    sums[0] = 0
    for i in range(count):
        sums[i + 1] = sums[i] * _FACTOR + hashes[i]


@inner()
def _window(sums, i, length):
    """Key of the words ``i .. i + length``."""
    return key_of((sums[i + length] - sums[i] * _POWERS[length]) ^ (np.uint64(length) << np.uint64(57)))


@njit()
def windows(hashes, length):
    """``[words - length + 1] uint64``: keys of all sequences of ``length`` words."""
    sums = np.empty(len(hashes) + 1, np.uint64)
    _sums(hashes, len(hashes), sums)
    out = np.empty(max(len(hashes) - length + 1, 0), np.uint64)
    for i in range(len(out)):
        out[i] = _window(sums, i, length)
    return out


@njit()
def bits_of(keys):
    """A table of bits by key, at most one in 16 of them set: a key whose bit is not set is not among ``keys``."""
    size = 64
    while size < 16 * len(keys):
        size *= 2
    bits = np.zeros(size // 64, np.uint64)
    for key in keys:
        place = key >> np.uint64(20) & np.uint64(size - 1)
        bits[place >> np.uint64(6)] |= np.uint64(1) << (place & np.uint64(63))
    return bits


@njit()
def _grow(hits):
    out = np.empty((2 * len(hits), 4), np.int64)
    out[: len(hits)] = hits
    return out


@inner()
def _next_hit(sums, count, i, length, left, anchor_words, bits, anchors, lengths, table):
    """``(i, length, left, place in table)`` of the next n-gram in a row of ``count`` words; the place is -1 after the last.

    ``left``: the lengths still to try at word ``i``, starting with ``length``, one bit each.
    """
    mask = np.uint64(64 * len(bits) - 1)
    while True:
        while left and i + length <= count:
            place = find(table, _window(sums, i, length)) if left & np.uint64(1) else -1
            length, left = length + 1, left >> np.uint64(1)
            if place >= 0:
                return i, length, left, place
        i += 1
        if i + anchor_words > count:
            return i, length, left, np.int64(-1)
        key = _window(sums, i, anchor_words)
        bit = key >> np.uint64(20) & mask
        left = np.uint64(0)
        if (bits[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & np.uint64(1):
            anchor = find(anchors, key)
            if anchor >= 0:
                length, left = anchor_words, lengths[anchor] >> np.uint64(anchor_words)


@njit()
def find_ngrams(data, offsets, anchor_words, bits, anchors, lengths, table, numbers):
    """``[hits, 4] int64``: row, number of the n-gram, first word, words of the row; sorted by row and word.

    Every n-gram starts with an anchor, a sequence of ``anchor_words`` words. ``lengths`` contains, at the place of an anchor,
    the lengths of its n-grams (bit k: k words); ``numbers`` are the numbers of n-grams at the places of ``table``.
    """
    longest = longest_row(offsets)
    hashes, sums = np.empty(longest + 1, np.uint64), np.empty(longest + 2, np.uint64)
    hits = np.empty((64, 4), np.int64)
    total = 0
    for r in range(len(offsets) - 1):
        count = words_of(data, offsets[r], offsets[r + 1], hashes)
        _sums(hashes, count, sums)
        i, length, left = np.int64(-1), np.int64(0), np.uint64(0)
        while True:
            i, length, left, place = _next_hit(
                sums, count, i, length, left, anchor_words, bits, anchors, lengths, table
            )
            if place < 0:
                break
            if total == len(hits):
                hits = _grow(hits)
            hits[total, 0], hits[total, 1] = r, numbers[place]
            hits[total, 2], hits[total, 3] = i, count
            total += 1
    return hits[:total].copy()


@njit()
def hash_words(data, offsets):
    """Hashes of the words of a column of one row, as in ``find_ngrams``."""
    out = np.empty(offsets[1] - offsets[0] + 1, np.uint64)
    return out[: words_of(data, offsets[0], offsets[1], out)].copy()


@njit()
def word_spans(data, offsets):
    """``[words, 3] int64`` of a column of one row: first byte, end, and script (``script_of``) of each word of ``words_of``."""
    out = np.empty((offsets[1] - offsets[0] + 1, 3), np.int64)
    count = 0
    before = 0
    i = offsets[0]
    while i < offsets[1]:
        c, step = decode(data, i)
        script = script_of(c)
        if script and script == before and script != SINGLE:
            out[count - 1, 1] = i + step - offsets[0]
        elif script:
            out[count, 0], out[count, 1], out[count, 2] = i - offsets[0], i + step - offsets[0], script
            count += 1
        before = script
        i += step
    return out[:count].copy()
