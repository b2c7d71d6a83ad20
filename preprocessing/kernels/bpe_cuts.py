"""Where text may be cut before it is encoded: between characters that no piece has side by side, and around symbols.

Owns the cuts of vocabularies without a pre-tokenizer (SentencePiece). A merge makes a piece, so none crosses such a cut
and both sides are encoded as if the other were not there. U+2581 and the blank are one character.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from preprocessing.kernels.bpe_memory import byte_at, load4
from preprocessing.kernels.compiled import inner, njit
from preprocessing.kernels.tables import find, key_of

# A character is the number that its UTF-8 bytes are, the first one lowest. ``pairs``: bits, by a hash, of pairs that stand
# side by side in a piece; one may be set in vain (a longer stretch, never another id); ``shift``: 64 less its bits.
# ``firsts``: [256] whether a symbol that is matched before anything else starts with the byte. ``nodes``, ``targets``: the
# tree of their bytes; ``ends``: [nodes] id.
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
    """``(end, id)`` of the longest symbol that starts at byte ``i``; ``(i, -1)`` where there is none."""
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
    """``(character, length)`` at byte ``i``; ``last``: where four bytes can be read last."""
    place = min(i, last)
    found = load4(data, place) >> (_EIGHT * np.uint64(i - place))
    if found & _HIGH == 0:
        return found & _BYTE, 1
    size = byte_at(_LENGTHS, found & _BYTE)
    found &= (_ONE << (_EIGHT * size)) - _ONE
    return (BLANK if found == LOWER_BLOCK else found), np.int64(size)


@inner()
def cut_stretches(cuts, data, i, end, stops):
    """Ends of the stretches from byte ``i``, where no symbol starts, up to a symbol, ``end``, or the room of ``stops``.

    ``stops`` has one place more than are used; at least four bytes of ``data``.
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
    """``(pairs, shift)`` of all characters side by side in wanted pieces; ``room``: bits, a power of two."""
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
