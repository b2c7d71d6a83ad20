"""Merges the symbols of a stretch of text pair by pair: the best pair first, the leftmost among equals.

Owns the merge loops and the conversion of symbols to ids. Stretches of up to SHORT symbols are scanned at every step;
longer ones keep their pairs in a heap, so that cost grows as n log n.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from preprocessing.kernels.characters import decode, encode, mix
from preprocessing.kernels.compiled import inner, njit

# ``symbols``: symbol by character (by byte where ``by_bytes``), -1 without one. ``pairs``: open addressing of
# ``left << 44 | right << 24 | merge + 1``. ``merges``: ``rank << 32 | symbol``. ``ids``: id by symbol; a symbol with several
# ids has ``-1 - place`` in ``lists`` (count, then ids). ``byte_ids``: ids by byte, for characters without a symbol.
Merges = namedtuple("Merges", "by_bytes symbols pairs merges ids lists byte_ids")  # noqa: PYI024 - numba knows this form
SYMBOL_BITS, MERGE_BITS = 20, 24
SHORT = 40
NONE = np.int64(1) << 62
_MERGE = np.uint64((1 << MERGE_BITS) - 1)
_SYMBOL = np.int64((1 << 32) - 1)
UNKNOWN = np.int64(1) << SYMBOL_BITS  # plus the code point: a character without a symbol


@njit()
def new_pairs(lefts, rights):
    """Hash table of the pairs ``lefts[i]``, ``rights[i]``; at most half full."""
    room = 16
    while room < 2 * len(lefts):
        room *= 2
    table = np.zeros(room, np.uint64)
    for k in range(len(lefts)):
        key = (np.uint64(lefts[k]) << np.uint64(SYMBOL_BITS)) | np.uint64(rights[k])
        place = np.int64(mix(key) & np.uint64(room - 1))
        while table[place] != 0:
            place = (place + 1) & (room - 1)
        table[place] = (key << np.uint64(MERGE_BITS)) | np.uint64(k + 1)
    return table


@inner()
def merge_of(rules, left, right):
    """``rank << 32 | symbol`` of the merge of two symbols; NONE where they do not merge."""
    if left >= UNKNOWN or right >= UNKNOWN:
        return NONE
    key = (np.uint64(left) << np.uint64(SYMBOL_BITS)) | np.uint64(right)
    mask = len(rules.pairs) - 1
    place = np.int64(mix(key) & np.uint64(mask))
    while rules.pairs[place] != 0:
        entry = rules.pairs[place]
        if entry >> np.uint64(MERGE_BITS) == key:
            return rules.merges[np.int64(entry & _MERGE) - 1]
        place = (place + 1) & mask
    return NONE


@inner()
def _read(rules, data, begin, end, symbols):
    """Writes the symbols of ``data[begin:end]``; returns their number."""
    count = 0
    i = begin
    while i < end:
        if rules.by_bytes:
            c, step = np.int64(data[i]), 1
        else:
            c, step = decode(data, i)
        symbol = np.int64(rules.symbols[c])
        symbols[count] = symbol if symbol >= 0 else UNKNOWN + c
        count += 1
        i += step
    return count


@njit()
def _write(rules, symbol, out, at):
    """Writes the ids of a symbol; returns their end."""
    if symbol >= UNKNOWN:
        utf8 = np.empty(4, np.uint8)
        size = encode(symbol - UNKNOWN, utf8, 0)
        for k in range(size):
            out[at + k] = rules.byte_ids[utf8[k]]
        return at + size
    number = np.int64(rules.ids[symbol])
    if number >= 0:
        out[at] = number
        return at + 1
    place = -1 - number
    count = np.int64(rules.lists[place])
    for k in range(count):
        out[at + k] = rules.lists[place + 1 + k]
    return at + count


@inner()
def merge_stretch(rules, data, begin, end, symbols, merges, out, at):
    """Writes the ids of ``data[begin:end]``; returns their end. Scratch: ``symbols``, ``merges`` [SHORT] int64."""
    if end - begin > SHORT:
        return _merge_long(rules, data, begin, end, out, at)
    count = _read(rules, data, begin, end, symbols)
    for i in range(count - 1):
        merges[i] = merge_of(rules, symbols[i], symbols[i + 1])
    while count > 1:
        best, where = NONE, -1
        for i in range(count - 1):  # ranks alone are compared; the first of equal ranks wins
            if merges[i] >> 32 < best >> 32:
                best, where = merges[i], i
        if where < 0:
            break
        symbols[where] = best & _SYMBOL
        count -= 1
        for i in range(where + 1, count):
            symbols[i] = symbols[i + 1]
            merges[i - 1] = merges[i]
        if where > 0:
            merges[where - 1] = merge_of(rules, symbols[where - 1], symbols[where])
        if where + 1 < count:
            merges[where] = merge_of(rules, symbols[where], symbols[where + 1])
    for i in range(count):
        at = _write(rules, symbols[i], out, at)
    return at


# --- long stretches ---------------------------------------------------------------------------------------


@inner()
def _push(heap, size, value):
    at = size
    while at > 0 and heap[(at - 1) >> 1] > value:
        heap[at] = heap[(at - 1) >> 1]
        at = (at - 1) >> 1
    heap[at] = value
    return size + 1


@inner()
def _pop(heap, size):
    """Removes the smallest value, which the caller has read; returns the new size."""
    size -= 1
    value = heap[size]
    at = 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= value:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = value
    return size


@inner()
def _push_pair(rules, symbols, nexts, merges, heap, size, left):
    """Pushes the merge of the pair at ``left``, if there is one, onto the heap, ordered by rank, then by place."""
    merges[left] = NONE
    if nexts[left] >= 0:
        merges[left] = merge_of(rules, symbols[left], symbols[nexts[left]])
        if merges[left] != NONE:
            return _push(heap, size, (merges[left] >> 32 << 32) | left)
    return size


@njit()
def _merge_long(rules, data, begin, end, out, at):
    symbols = np.empty(end - begin, np.int64)
    count = _read(rules, data, begin, end, symbols)
    before, nexts = np.arange(-1, count - 1), np.arange(1, count + 1)
    nexts[count - 1] = -1
    merges, heap = np.empty(count, np.int64), np.empty(3 * count, np.int64)
    size = 0
    for left in range(count):
        size = _push_pair(rules, symbols, nexts, merges, heap, size, left)
    while size:
        top = heap[0]
        size = _pop(heap, size)
        left = top & _SYMBOL
        if merges[left] == NONE or merges[left] >> 32 != top >> 32:
            continue  # outdated: one of the two was merged with another symbol
        right = nexts[left]
        symbols[left] = merges[left] & _SYMBOL
        nexts[left] = nexts[right]
        if nexts[right] >= 0:
            before[nexts[right]] = left
        merges[right] = NONE
        size = _push_pair(rules, symbols, nexts, merges, heap, size, left)
        if before[left] >= 0:
            size = _push_pair(rules, symbols, nexts, merges, heap, size, before[left])
    left = 0
    while left >= 0:
        at = _write(rules, symbols[left], out, at)
        left = nexts[left]
    return at
