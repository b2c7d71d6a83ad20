"""Cache of encoded words: their bytes and ids in one hash table of records of 32 bytes.

Owns the table: a lookup compares all bytes of a word, never its hash alone. Words of more than WORD_BYTES bytes or WORD_IDS
ids are not stored.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.bpe_memory import load8, prefetch
from preprocessing.kernels.compiled import inner, njit

# A record has 4 numbers of 64 bits. 0 to 2: the bytes of the word, with its length in the top byte of 2. 3: the number of
# ids in the top bits; below it up to three ids, or the place of more in ``lists``.
WORD_BYTES, WORD_IDS, ID_BITS = 23, 15, 20
FIRST_ROOM, MOST_PROBES = 1 << 16, 16
_COUNT = np.uint64(3 * ID_BITS)
_ID, _PLACE = np.uint64((1 << ID_BITS) - 1), np.uint64((1 << 3 * ID_BITS) - 1)
_ONE, _TWO = np.uint64(ID_BITS), np.uint64(2 * ID_BITS)
_A, _B, _C, _D = (
    np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xA24BAED4963EE407)
)


@njit()
def new_words(room):
    """An empty table ``(words, lists)``; ``room``: rows, a power of two."""
    return np.zeros((room, 4), np.uint64), np.empty(4 * room, np.uint32)


@inner(forceinline=True)
def pack(data, begin, size):
    """The first three numbers of the record of a word of 1 to WORD_BYTES bytes."""
    a, b, c = np.uint64(0), np.uint64(0), np.uint64(0)
    if begin + 24 <= len(data):
        mask = (np.uint64(1) << np.uint64((size & 7) * 8)) - np.uint64(1)
        a = load8(data, begin)
        if size < 8:
            a &= mask
        else:
            b = load8(data, begin + 8)
            if size < 16:
                b &= mask
            else:
                c = load8(data, begin + 16) & mask
    else:
        for k in range(size):
            byte = np.uint64(data[begin + k]) << np.uint64(8 * (k & 7))
            if k < 8:
                a |= byte
            elif k < 16:
                b |= byte
            else:
                c |= byte
    return a, b, c | (np.uint64(size) << np.uint64(56))


@inner(forceinline=True)
def place_of(room, a, b, c):
    """The row, of ``room``, where the search for a word starts."""
    value = a * _A + b * _B + c * _C
    value = (value ^ (value >> np.uint64(32))) * _D
    return np.int64((value ^ (value >> np.uint64(29))) & np.uint64(room - 1))


@inner(forceinline=True)
def prefetch_word(words, a, b, c):
    """The row where the search for a word starts, which is prefetched."""
    place = place_of(len(words), a, b, c)
    prefetch(words, place << 2)
    return place


@inner(forceinline=True)
def find_word(words, place, a, b, c):
    """The row of the word; without it ``-1 - row`` for a free row, or ``-len(words) - 1`` without a free row."""
    for _ in range(MOST_PROBES):
        if words[place, 2] == c and words[place, 0] == a and words[place, 1] == b:
            return place
        if words[place, 2] == 0:
            return -1 - place
        place = (place + 1) & (len(words) - 1)
    return -len(words) - 1


@inner(forceinline=True)
def copy_ids(packed, lists, out, at):
    """Writes the ids in ``packed``, the last number of a record; returns their end. ``out`` has room for two more."""
    count = np.int64(packed >> _COUNT)
    if count <= 3:
        out[at] = packed & _ID
        out[at + 1] = (packed >> _ONE) & _ID
        out[at + 2] = (packed >> _TWO) & _ID
    else:
        place = np.int64(packed & _PLACE)
        for k in range(count):
            out[at + k] = lists[place + k]
    return at + count


@njit()
def put_word(words, lists, listed, row, a, b, c, out, begin, end):
    """Stores a word and its ids ``out[begin:end]`` in a free row; returns ``(lists, listed)``: the lists and their end."""
    count = end - begin
    words[row, 0], words[row, 1], words[row, 2] = a, b, c
    words[row, 3] = np.uint64(count) << _COUNT
    if count <= 3:
        for k in range(count):
            words[row, 3] |= np.uint64(out[begin + k]) << np.uint64(ID_BITS * k)
        return lists, listed
    if listed + count > len(lists):
        larger = np.empty(2 * len(lists), np.uint32)
        larger[:listed] = lists[:listed]
        lists = larger
    words[row, 3] |= np.uint64(listed)
    lists[listed : listed + count] = out[begin:end]
    return lists, listed + count


@njit()
def grow(words):
    """``(words, kept)``: a table of twice the room; words without a free row near their place are dropped."""
    new = np.zeros((2 * len(words), 4), np.uint64)
    kept = 0
    for row in range(len(words)):
        a, b, c = words[row, 0], words[row, 1], words[row, 2]
        if c != 0:
            free = -1 - find_word(new, place_of(len(new), a, b, c), a, b, c)
            if free < len(new):
                new[free] = words[row]
                kept += 1
    return new, kept
