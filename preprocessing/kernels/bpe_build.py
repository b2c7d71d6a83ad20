"""Pieces of a vocabulary as bytes, and all ways to make a piece of two others.

Owns the table that finds a piece by its bytes. Pieces are ``data[begins[i]:ends[i]]``.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import BASIS, PRIME, decode, mix
from preprocessing.kernels.compiled import inner, njit


@inner()
def _find(table, data, begins, ends, begin, end, value):
    """``(piece, place)``: the piece that is ``data[begin:end]``, -1 if none is, and where the search ended."""
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
    """``(table, twice)``: pieces ``wanted`` [pieces] bool by their bytes; ``twice``: a piece there is already, or -1."""
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
    """``(seen, symbols)`` of each code point: whether a wanted piece has it, and the piece that it is, or -1."""
    seen, symbols = np.zeros(0x110000, np.bool_), np.full(0x110000, -1, np.int32)
    for k in range(len(begins)):
        if not wanted[k]:
            continue
        i = begins[k]
        while i < ends[k]:
            c, step = decode(data, i)
            seen[c] = True
            if i == begins[k] and i + step == ends[k]:
                symbols[c] = k
            i += step
    return seen, symbols


@njit()
def splits(table, data, begins, ends, wanted):
    """``[merges, 3] int64``: left, right and made of every cut of a wanted piece into two that the table has."""
    found = np.empty((4 * len(begins) + 16, 3), np.int64)
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
            if count == len(found):
                found = np.concatenate((found, np.empty_like(found)))
            found[count, 0], found[count, 1], found[count, 2] = left, right, k
            count += 1
    return found[:count].copy()
