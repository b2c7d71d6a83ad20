"""Where text may be cut before it is encoded: between characters that no piece has side by side, and around symbols.

Owns the cuts of vocabularies without a pre-tokenizer (SentencePiece). A merge makes a piece, so none crosses such a cut
and both sides are encoded as if the other were not there. U+2581 and the blank are one character.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from preprocessing.kernels.characters import decode
from preprocessing.kernels.compiled import njit
from preprocessing.kernels.tables import find, key_of

# ``ascii``: [128 * 128] whether the two stand side by side in a piece. ``others``: bits of the same for other pairs, by a
# hash, so that a bit may be set in vain (a longer stretch, never another id). ``firsts``: [256] whether a symbol that is
# matched before anything else starts with the byte. ``nodes``, ``targets``: the tree of their bytes; ``ends``: [nodes] id.
# ``alone``: id of a character that nothing joins, -1 where it has not exactly one.
Cuts = namedtuple("Cuts", "ascii others firsts nodes targets ends alone")  # noqa: PYI024 - numba knows this form
BLANK, LOWER_BLOCK = 32, 0x2581


@njit()
def pair_bit(room, left, right):
    """Bit of a pair of characters among ``room``, a power of two."""
    value = (np.uint64(left) << np.uint64(21) | np.uint64(right)) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64((value ^ (value >> np.uint64(30))) >> np.uint64(8)) & (room - 1)


@njit()
def new_cuts(lefts, rights, room):
    """``(ascii, others)`` of pairs of characters; ``room`` in bits."""
    ascii, others = np.zeros(128 * 128, np.uint8), np.zeros(room >> 3, np.uint8)
    for k in range(len(lefts)):
        left, right = lefts[k], rights[k]
        if left < 128 and right < 128:
            ascii[left << 7 | right] = 1
        else:
            bit = pair_bit(room, left, right)
            others[bit >> 3] |= np.uint8(1 << (bit & 7))
    return ascii, others


@njit()
def _step(cuts, node, byte):
    place = find(cuts.nodes, key_of(np.uint64(node << 8 | byte)))
    return np.int64(cuts.targets[place]) if place >= 0 else np.int64(-1)


@njit()
def symbol_at(cuts, data, i, end):
    """``(end, id)`` of the longest symbol that starts at byte ``i``; ``(i, -1)`` where there is none."""
    node, stop, number = np.int64(0), i, np.int64(-1)
    while i < end and node >= 0:
        if data[i] == BLANK:
            node = _step(cuts, node, np.int64(0xE2))
            node = _step(cuts, node, np.int64(0x96)) if node >= 0 else node
            node = _step(cuts, node, np.int64(0x81)) if node >= 0 else node
        else:
            node = _step(cuts, node, np.int64(data[i]))
        i += 1
        if node >= 0 and cuts.ends[node] >= 0:
            stop, number = i, np.int64(cuts.ends[node])
    return stop, number


@njit(forceinline=True)
def _joined(cuts, left, right):
    """Whether two characters, not both ASCII, may stand side by side in a piece."""
    bit = pair_bit(len(cuts.others) << 3, left, right)
    return (cuts.others[bit >> 3] >> (bit & 7)) & 1


@njit(forceinline=True)
def next_cut(cuts, data, i, end):
    """``(end, id)`` of what starts at byte ``i``: a symbol or a lone character and its id, or a stretch to merge and -1."""
    if cuts.firsts[data[i]]:
        stop, number = symbol_at(cuts, data, i, end)
        if number >= 0:
            return stop, number
    first, step = decode(data, i)
    left = np.int64(BLANK) if first == LOWER_BLOCK else first
    begin = i
    i += step
    while i < end:
        byte = np.int64(data[i])
        if byte < 0x80:
            right, step = byte, 1
            if left < 0x80:
                if not cuts.ascii[left << 7 | right]:
                    break
            elif not _joined(cuts, left, right):
                break
        else:
            right, step = decode(data, i)
            if right == LOWER_BLOCK:
                right = np.int64(BLANK)
            if not _joined(cuts, left, right):
                break
        if cuts.firsts[byte] and symbol_at(cuts, data, i, end)[1] >= 0:
            break
        left = right
        i += step
    number = np.int64(-1)
    if i - begin <= 4:
        if decode(data, begin)[1] == i - begin:
            number = np.int64(cuts.alone[first])
    return i, number
