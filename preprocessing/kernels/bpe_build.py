"""Pieces of a vocabulary as bytes, and all splits of a piece into two others.

Owns the hash table from bytes to pieces. Piece ``i`` is ``data[begins[i]:ends[i]]``.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import BASIS, PRIME, decode, mix
from preprocessing.kernels.compiled import inner, njit


@inner()
def _find(table, data, begins, ends, begin, end, value):
    """``(piece, place)``: the piece with the bytes ``data[begin:end]`` or -1, and the place where the search ended."""
    mask = len(table) - 1
    place = np.int64(mix(value) & np.uint64(mask))
    while table[place] >= 0:
        piece = table[place]
        size = ends[piece] - begins[piece]
        if size == end - begin:
            i = 0
            while i < size and data[begins[piece] + i] == data[begin + i]:
                i += 1
            if i == size:
                return np.int64(piece), place
        place = (place + 1) & mask
    return np.int64(-1), place


@inner()
def _hash(data, begin, end):
    value = BASIS
    for i in range(begin, end):
        value = (value ^ np.uint64(data[i])) * PRIME
    return value


@njit()
def piece_table(data, begins, ends, wanted):
    """``(table, duplicate)``: the pieces ``wanted`` [pieces] bool by their bytes; a piece that occurs twice, or -1."""
    room = 16
    while room < 3 * len(begins):
        room *= 2
    table = np.full(room, -1, np.int32)
    for k in range(len(begins)):
        if wanted[k]:
            value = _hash(data, begins[k], ends[k])
            piece, place = _find(table, data, begins, ends, begins[k], ends[k], value)
            if piece >= 0:
                return table, k
            table[place] = k
    return table, -1


@njit()
def characters_of(data, begins, ends, wanted):
    """``(used, symbols)`` by code point: whether a wanted piece contains it, and the piece with it alone, or -1."""
    used, symbols = np.zeros(0x110000, np.bool_), np.full(0x110000, -1, np.int32)
    for k in range(len(begins)):
        if not wanted[k]:
            continue
        i = begins[k]
        while i < ends[k]:
            c, step = decode(data, i)
            used[c] = True
            if i == begins[k] and i + step == ends[k]:
                symbols[c] = k
            i += step
    return used, symbols


@njit()
def splits(table, data, begins, ends, wanted):
    """``[merges, 3] int64``: left, right and whole piece for every split of a wanted piece into two pieces of the table."""
    merges = np.empty((4 * len(begins) + 16, 3), np.int64)
    count = 0
    for k in range(len(begins)):
        if not wanted[k]:
            continue
        value = BASIS
        for i in range(begins[k], ends[k] - 1):
            value = (value ^ np.uint64(data[i])) * PRIME
            if data[i + 1] & 0xC0 == 0x80:
                continue
            left = _find(table, data, begins, ends, begins[k], i + 1, value)[0]
            if left < 0:
                continue
            right = _find(table, data, begins, ends, i + 1, ends[k], _hash(data, i + 1, ends[k]))[0]
            if right < 0:
                continue
            if count == len(merges):
                merges = np.concatenate((merges, np.empty_like(merges)))
            merges[count, 0], merges[count, 1], merges[count, 2] = left, right, k
            count += 1
    return merges[:count].copy()
