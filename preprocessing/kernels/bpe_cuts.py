"""Cuts text before it is encoded: between characters that are adjacent in no piece, and around symbols.

Owns the cuts of vocabularies without a pre-tokenizer (SentencePiece). A merge yields a piece, so no merge crosses such a
cut, and both sides are encoded independently. U+2581 and the blank count as one character.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from preprocessing.kernels.bpe_memory import byte_at, load4
from preprocessing.kernels.compiled import inner, njit
from preprocessing.kernels.tables import find, key_of

# A character is its UTF-8 bytes as a number, the first byte lowest. ``pairs``: bits, by hash, of pairs that are adjacent in
# a piece; a collision sets one in vain (a longer stretch, never another id). ``shift``: 64 minus the bits of its index.
# ``firsts``: [256] whether a symbol starts with the byte; symbols are matched before anything else. ``nodes``, ``targets``:
# the tree of their bytes; ``ends``: [nodes] id.
Cuts = namedtuple("Cuts", "pairs shift firsts nodes targets ends")  # noqa: PYI024 - numba knows this form
BLANK, LOWER_BLOCK = np.uint64(0x20), np.uint64(0x8196E2)
_LEFT, _RIGHT = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_LENGTHS = np.array([1] * 0xC0 + [2] * 0x20 + [3] * 0x10 + [4] * 0x10, np.uint8)
_ONE, _THREE, _SEVEN, _EIGHT, _BYTE, _HIGH = (np.uint64(n) for n in (1, 3, 7, 8, 0xFF, 0x80))


@inner(forceinline=True)
def _bit(left, right, shift):
    return (left * _LEFT + right * _RIGHT) >> shift


@inner()
def _step(cuts, node, byte):
    place = find(cuts.nodes, key_of(np.uint64(node << 8 | byte)))
    return np.int64(cuts.targets[place]) if place >= 0 else np.int64(-1)


@inner()
def symbol_at(cuts, data, i, end):
    """``(end, id)`` of the longest symbol that starts at byte ``i``; ``(i, -1)`` without one."""
    node, stop, number = np.int64(0), i, np.int64(-1)
    while i < end and node >= 0:
        if data[i] == 0x20:
            node = _step(cuts, node, np.int64(0xE2))
            node = _step(cuts, node, np.int64(0x96)) if node >= 0 else node
            node = _step(cuts, node, np.int64(0x81)) if node >= 0 else node
        else:
            node = _step(cuts, node, np.int64(data[i]))
        i += 1
        if node >= 0 and cuts.ends[node] >= 0:
            stop, number = i, np.int64(cuts.ends[node])
    return stop, number


@inner(forceinline=True)
def _character(data, i, last):
    """``(character, length)`` at byte ``i``; ``last``: the last byte where four bytes can be read."""
    place = min(i, last)
    value = load4(data, place) >> (_EIGHT * np.uint64(i - place))
    if value & _HIGH == 0:
        return value & _BYTE, 1
    size = byte_at(_LENGTHS, value & _BYTE)
    value &= (_ONE << (_EIGHT * size)) - _ONE
    return (BLANK if value == LOWER_BLOCK else value), np.int64(size)


@inner()
def cut_stretches(cuts, data, i, end, stops):
    """Writes the ends of the stretches that start at byte ``i`` and returns their number.

    No symbol starts at ``i``. Stops at a symbol, at ``end``, or when ``stops``, which has one spare place, is full. ``data``
    has at least four bytes.
    """
    last, room = len(data) - 4, len(stops) - 1
    left, size = _character(data, i, last)
    i += size
    count = 0
    while i < end:
        right, size = _character(data, i, last)
        bit = _bit(left, right, cuts.shift)
        joined = (byte_at(cuts.pairs, bit >> _THREE) >> (bit & _SEVEN)) & _ONE
        stops[count] = i
        count += np.int64(joined ^ _ONE)
        if byte_at(cuts.firsts, right & _BYTE) and symbol_at(cuts, data, i, end)[1] >= 0:
            return count + np.int64(joined)
        if count == room:
            return count
        left = right
        i += size
    stops[count] = end
    return count + 1


@njit()
def pairs_of(data, begins, ends, wanted, room):
    """``(pairs, shift)`` of all adjacent characters of wanted pieces; ``room``: bits, a power of two."""
    shift = np.uint64(64)
    for bit in range(63):
        if room >> bit > 1:
            shift -= _ONE
    pairs = np.zeros(room >> 3, np.uint8)
    last = len(data) - 4
    for k in range(len(begins)):
        if not wanted[k]:
            continue
        left, size = _character(data, begins[k], last)
        i = begins[k] + size
        while i < ends[k]:
            right, size = _character(data, i, last)
            bit = _bit(left, right, shift)
            pairs[bit >> _THREE] |= np.uint8(1) << np.uint8(bit & _SEVEN)
            left = right
            i += size
    return pairs, shift
