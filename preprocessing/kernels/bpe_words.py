"""Words that were encoded before: their bytes and ids in one table of records of 64 bytes.

Owns the table: a word is found by all its bytes, never by a hash alone. Words of more than WORD_BYTES, or of more than
WORD_IDS ids, are not kept.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from preprocessing.kernels.compiled import njit

# A record is 8 numbers of 64 bits. 0 to 3: the bytes, the length in the top byte of 3. 4 to 7: three ids each, 20 bits
# an id; their number in the top bits of 4.
WORD_BYTES, WORD_IDS, ID_BITS = 31, 12, 20
FIRST_ROOM, MOST_PROBES = 1 << 13, 16
_ID = np.uint64((1 << ID_BITS) - 1)
_A, _B, _C, _D, _E = (
    np.uint64(number)
    for number in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xA24BAED4963EE407)
)  # fmt: skip


@intrinsic
def _load8(typingctx, data, at):
    """The 8 bytes of a uint8 array from ``at``; the caller keeps inside the array."""

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(array.data, [arguments[1]])
        number = ir.IntType(64)
        return builder.load(builder.bitcast(place, number.as_pointer()), align=1)

    return types.uint64(data, types.int64), generate


@njit()
def new_words():
    return np.zeros((FIRST_ROOM, 8), np.uint64)


@njit()
def pack(data, begin, size):
    """The first four numbers of the record of a word of 1 to WORD_BYTES bytes."""
    a, b, c, d = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
    if begin + 32 <= len(data):
        one, eight = np.uint64(1), np.uint64(8)
        rest = np.uint64(size & 7)
        mask = (one << (rest * eight)) - one
        if size < 8:
            a = _load8(data, begin) & mask
        else:
            a = _load8(data, begin)
            if size < 16:
                b = _load8(data, begin + 8) & mask
            else:
                b = _load8(data, begin + 8)
                if size < 24:
                    c = _load8(data, begin + 16) & mask
                else:
                    c = _load8(data, begin + 16)
                    d = _load8(data, begin + 24) & mask
    else:
        for k in range(size):
            byte = np.uint64(data[begin + k]) << np.uint64(8 * (k & 7))
            if k < 8:
                a |= byte
            elif k < 16:
                b |= byte
            elif k < 24:
                c |= byte
            else:
                d |= byte
    return a, b, c, d | (np.uint64(size) << np.uint64(56))


@njit()
def place_of(room, a, b, c, d):
    value = (a * _A + b * _B) + (c * _C + d * _D)
    value = (value ^ (value >> np.uint64(32))) * _E
    return np.int64((value ^ (value >> np.uint64(29))) & np.uint64(room - 1))


@njit()
def find_word(words, a, b, c, d):
    """The row of the word, or minus one minus the free row it may be put in, or ``-len(words) - 1`` if there is none."""
    place = place_of(len(words), a, b, c, d)
    for _ in range(MOST_PROBES):
        if words[place, 3] == d and words[place, 0] == a and words[place, 1] == b and words[place, 2] == c:
            return place
        if words[place, 3] == 0:
            return -1 - place
        place = (place + 1) & (len(words) - 1)
    return -len(words) - 1


@njit()
def copy_ids(words, row, out, at):
    """Writes the ids of a word; returns the place behind them. Three more may be written: ``out`` has room."""
    packed = words[row, 4]
    count = np.int64(packed >> np.uint64(3 * ID_BITS))
    group = 4
    done = 0
    while True:
        out[at + done] = packed & _ID
        out[at + done + 1] = (packed >> np.uint64(ID_BITS)) & _ID
        out[at + done + 2] = (packed >> np.uint64(2 * ID_BITS)) & _ID
        done += 3
        if done >= count:
            return at + count
        group += 1
        packed = words[row, group]


@njit()
def put_word(words, row, a, b, c, d, out, begin, end):
    """Keeps a word and its ids ``out[begin:end]`` in a free row."""
    words[row, 0], words[row, 1], words[row, 2], words[row, 3] = a, b, c, d
    words[row, 4] = np.uint64(end - begin) << np.uint64(3 * ID_BITS)
    for k in range(end - begin):
        words[row, 4 + k // 3] |= np.uint64(out[begin + k]) << np.uint64(ID_BITS * (k % 3))


@njit()
def grown(words):
    """The same words with twice the room; those that find no row near their place are left out."""
    new = np.zeros((2 * len(words), 8), np.uint64)
    kept = 0
    for row in range(len(words)):
        if words[row, 3] == 0:
            continue
        free = -1 - find_word(new, words[row, 0], words[row, 1], words[row, 2], words[row, 3])
        if free < len(new):
            new[free] = words[row]
            kept += 1
    return new, kept
