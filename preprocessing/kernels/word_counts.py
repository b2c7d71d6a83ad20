"""How often each stretch of text with Hangul stands in a column: text is cut where no piece of a tokenizer can reach across.

Owns the cuts and the table that counts. Two neighbouring characters are held together when they may stand side by side
in a piece: two characters of Hangul, a blank and one, and the pairs of ``bits``; or when the last byte of one and
the first of the other may, in a piece that holds half a character. Merges never cross other places.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import BASIS, PRIME, decode, mix
from preprocessing.kernels.compiled import njit
from preprocessing.kernels.tables import key_of

FIRST_SYLLABLE, LAST_SYLLABLE = 0xAC00, 0xD7A3


@njit()
def is_hangul(c):
    """All of Hangul (as ``vocabulary.hangul``), also what no new piece spells: some bytes of one may stand there too."""
    return (
        (0xAC00 <= c <= 0xD7FF) or (0x3131 <= c <= 0x318E) or (0x1100 <= c <= 0x11FF)
        or (0xA960 <= c <= 0xA97F) or (0xFFA0 <= c <= 0xFFDC)
    )  # fmt: skip


@njit()
def pair_key(before, c):
    return key_of((np.uint64(before) << np.uint64(21)) | np.uint64(c))


@njit()
def bits_of_pairs(before, after, size):
    """``size`` bits (a power of two) with those of the pairs set; a pair that shares its bit is held together too."""
    bits = np.zeros(size // 64, np.uint64)
    for k in range(len(before)):
        place = pair_key(before[k], after[k]) >> np.uint64(20) & np.uint64(size - 1)
        bits[place >> np.uint64(6)] |= np.uint64(1) << (place & np.uint64(63))
    return bits


@njit()
def _held(before, c, bits):
    if is_hangul(c) and (before == 32 or is_hangul(before)):
        return True
    place = pair_key(before, c) >> np.uint64(20) & np.uint64(64 * len(bits) - 1)
    return (bits[place >> np.uint64(6)] >> (place & np.uint64(63))) & np.uint64(1) != 0


@njit()
def _key_of_bytes(data, start, end):
    value = BASIS
    for i in range(start, end):
        value = (value ^ np.uint64(data[i])) * PRIME
    value = mix(value)
    return value if value else np.uint64(1)


@njit()
def _add(data, start, end, keys, numbers, ends, counts, arena, size):
    """Counts a word; returns the number of words, or -1 when there is no room for a new one."""
    key = _key_of_bytes(data, start, end)
    mask = len(keys) - 1
    place = np.int64(key & np.uint64(mask))
    length = end - start
    while keys[place] != 0:
        number = numbers[place]
        if keys[place] == key:
            first = ends[number]
            if ends[number + 1] - first == length:
                same = True
                for k in range(length):
                    if arena[first + k] != data[start + k]:
                        same = False
                        break
                if same:
                    counts[number] += 1
                    return size
        place = (place + 1) & mask
    if 2 * (size + 1) > len(keys) or size + 1 >= len(ends) or ends[size] + length > len(arena):
        return -1
    keys[place], numbers[place] = key, size
    arena[ends[size] : ends[size] + length] = data[start:end]
    ends[size + 1] = ends[size] + length
    counts[size] = 1
    return size + 1


@njit()
def count_words(data, offsets, row, at, bits, byte_pairs, keys, numbers, ends, counts, arena, size):
    """Counts the words of the rows from byte ``at`` of ``row`` on; returns ``(row, at, words in the table)``.

    It ends early, at the beginning of a word, when the table has no room for it: the caller makes a larger one and goes
    on there. Word k of the table is ``arena[ends[k]:ends[k + 1]]``.
    """
    while row < len(offsets) - 1:
        end = offsets[row + 1]
        i = max(at, offsets[row])
        start, before, hangul = i, np.int64(-1), False
        while i < end:
            c, step = decode(data, i)
            if before >= 0 and not (_held(before, c, bits) or byte_pairs[data[i - 1], data[i]]):
                if hangul:
                    added = _add(data, start, i, keys, numbers, ends, counts, arena, size)
                    if added < 0:
                        return row, start, size
                    size = added
                start, hangul = i, False
            hangul = hangul or is_hangul(c)
            before = c
            i += step
        if hangul:
            added = _add(data, start, end, keys, numbers, ends, counts, arena, size)
            if added < 0:
                return row, start, size
            size = added
        row += 1
        at = 0
    return row, at, size


@njit()
def grown_table(keys, numbers, capacity):
    """The same words in ``capacity`` places."""
    new_keys, new_numbers = np.zeros(capacity, np.uint64), np.zeros(capacity, np.int32)
    mask = capacity - 1
    for k in range(len(keys)):
        if keys[k] != 0:
            place = np.int64(keys[k] & np.uint64(mask))
            while new_keys[place] != 0:
                place = (place + 1) & mask
            new_keys[place], new_numbers[place] = keys[k], numbers[k]
    return new_keys, new_numbers


@njit()
def keys_of_words(data, offsets):
    """``[rows] uint64``: a hash of each row."""
    out = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(out)):
        out[row] = _key_of_bytes(data, offsets[row], offsets[row + 1])
    return out


@njit()
def count_syllables(data, offsets, counts):
    """``[11172] int64``: how often each syllable stands in the rows, each as often as its count says."""
    out = np.zeros(LAST_SYLLABLE - FIRST_SYLLABLE + 1, np.int64)
    for row in range(len(offsets) - 1):
        i = offsets[row]
        while i < offsets[row + 1]:
            c, step = decode(data, i)
            if FIRST_SYLLABLE <= c <= LAST_SYLLABLE:
                out[c - FIRST_SYLLABLE] += counts[row]
            i += step
    return out
