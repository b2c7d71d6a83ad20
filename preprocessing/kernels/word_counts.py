"""Counts the words with Hangul in a column; text is cut wherever no piece of a tokenizer can cross.

Owns the cuts and the table of counts. Two adjacent characters stay together when they may be adjacent in a piece: two
characters of Hangul, a blank and one, and the pairs in ``bits``; or when the last byte of one and the first of the other may
be adjacent in a piece that contains part of a character. Merges never cross other places.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import decode
from preprocessing.kernels.compiled import inner, njit
from preprocessing.kernels.tables import key_of, key_of_bytes

FIRST_SYLLABLE, LAST_SYLLABLE = 0xAC00, 0xD7A3
# fields of a record, which is half a cache line, so that a word waits little for memory
KEY, COUNT, FIRST, LENGTH = range(4)


@njit()
def is_hangul(c):
    """Whether a character is Hangul (``vocabulary.hangul``), also where no new piece contains it: its bytes may occur in one."""
    return (
        (0xAC00 <= c <= 0xD7FF) or (0x3131 <= c <= 0x318E) or (0x1100 <= c <= 0x11FF)
        or (0xA960 <= c <= 0xA97F) or (0xFFA0 <= c <= 0xFFDC)
    )  # fmt: skip


@inner()
def pair_key(before, c):
    return key_of((np.uint64(before) << np.uint64(21)) | np.uint64(c))


@njit()
def bits_of_pairs(before, after, size):
    """``size`` bits (a power of two) with those of the pairs set; another pair with the same bit stays together, too."""
    bits = np.zeros(size // 64, np.uint64)
    for k in range(len(before)):
        place = pair_key(before[k], after[k]) >> np.uint64(20) & np.uint64(size - 1)
        bits[place >> np.uint64(6)] |= np.uint64(1) << (place & np.uint64(63))
    return bits


@inner()
def _stay_together(before, c, bits):
    if is_hangul(c) and (before == 32 or is_hangul(before)):
        return True
    place = pair_key(before, c) >> np.uint64(20) & np.uint64(64 * len(bits) - 1)
    return (bits[place >> np.uint64(6)] >> (place & np.uint64(63))) & np.uint64(1) != 0


@inner()
def _add(data, start, end, table, letters, size, filled):
    """Counts a word; returns ``(size, filled)``, with size -1 when a new word has no room."""
    key = key_of_bytes(data, start, end)
    mask = len(table) - 1
    place = np.int64(key & np.uint64(mask))
    length = end - start
    while table[place, KEY] != 0:
        if table[place, KEY] == key and table[place, LENGTH] == np.uint64(length):
            first = np.int64(table[place, FIRST])
            same = True
            for k in range(length):
                if letters[first + k] != data[start + k]:
                    same = False
                    break
            if same:
                table[place, COUNT] += np.uint64(1)
                return size, filled
        place = (place + 1) & mask
    if 2 * (size + 1) > len(table) or filled + length > len(letters):
        return -1, filled
    table[place, KEY], table[place, COUNT] = key, np.uint64(1)
    table[place, FIRST], table[place, LENGTH] = np.uint64(filled), np.uint64(length)
    for k in range(length):
        letters[filled + k] = data[start + k]
    return size + 1, filled + length


@njit()
def count_words(data, offsets, row, at, bits, byte_pairs, table, letters, size, filled):
    """Counts the words of the rows, starting at byte ``at`` of ``row``; returns ``(row, at, size, filled)``.

    ``table``: [places, 4] uint64, a record for each of ``size`` words; the first ``filled`` bytes of ``letters`` are the bytes
    of the words in order of first occurrence. Stops early, at the beginning of a word without room: the caller makes room
    and continues there.
    """
    while row < len(offsets) - 1:
        end = offsets[row + 1]
        i = max(at, offsets[row])
        start, before, hangul = i, np.int64(-1), False
        while i < end:
            c, step = decode(data, i)
            if before >= 0 and not (_stay_together(before, c, bits) or byte_pairs[data[i - 1], data[i]]):
                if hangul:
                    added, filled = _add(data, start, i, table, letters, size, filled)
                    if added < 0:
                        return row, start, size, filled
                    size = added
                start, hangul = i, False
            hangul = hangul or is_hangul(c)
            before = c
            i += step
        if hangul:
            added, filled = _add(data, start, end, table, letters, size, filled)
            if added < 0:
                return row, start, size, filled
            size = added
        row += 1
        at = 0
    return row, at, size, filled


@njit()
def grow_table(table):
    """A table of the same words with twice the places."""
    new = np.zeros((2 * len(table), 4), np.uint64)
    mask = len(new) - 1
    for k in range(len(table)):
        if table[k, KEY] != 0:
            place = np.int64(table[k, KEY] & np.uint64(mask))
            while new[place, KEY] != 0:
                place = (place + 1) & mask
            new[place] = table[k]
    return new


@njit()
def keys_of_words(data, offsets):
    """``[rows] uint64``: a hash of each row."""
    out = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(out)):
        out[row] = key_of_bytes(data, offsets[row], offsets[row + 1])
    return out


@njit()
def count_syllables(data, offsets, counts):
    """``[11172] int64``: occurrences of each syllable in the rows, weighted with ``counts: [rows]``."""
    out = np.zeros(LAST_SYLLABLE - FIRST_SYLLABLE + 1, np.int64)
    for row in range(len(offsets) - 1):
        i = offsets[row]
        while i < offsets[row + 1]:
            c, step = decode(data, i)
            if FIRST_SYLLABLE <= c <= LAST_SYLLABLE:
                out[c - FIRST_SYLLABLE] += counts[row]
            i += step
    return out
