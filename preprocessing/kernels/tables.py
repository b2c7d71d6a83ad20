"""Hash tables of 64-bit keys: open addressing with linear probing, at most half full."""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import BASIS, PRIME, mix
from preprocessing.kernels.compiled import inner, njit


@inner()
def key_of(packed):
    """Key of a number; never 0, which is an empty place."""
    value = mix(packed + np.uint64(0x9E3779B97F4A7C15))
    return value if value else np.uint64(1)


@inner()
def key_of_bytes(data, start, end):
    """Key of ``data[start:end]``: mixed FNV-1a; never 0."""
    value = BASIS
    for i in range(start, end):
        value = (value ^ np.uint64(data[i])) * PRIME
    value = mix(value)
    return value if value else np.uint64(1)


@njit()
def keys_of(packed):
    out = np.empty(len(packed), np.uint64)
    for i in range(len(packed)):
        out[i] = key_of(packed[i])
    return out


@njit()
def new_table(keys):
    """``(table: uint64, places: [keys] int64)`` of distinct keys other than 0; at most half full."""
    capacity = 16
    while capacity < 2 * len(keys):
        capacity *= 2
    table = np.zeros(capacity, np.uint64)
    places = np.empty(len(keys), np.int64)
    for k in range(len(keys)):
        place = np.int64(keys[k] & np.uint64(capacity - 1))
        while table[place] != 0:
            place = (place + 1) & (capacity - 1)
        table[place] = keys[k]
        places[k] = place
    return table, places


@inner()
def find(table, key):
    """Place of ``key``; -1 when it is missing."""
    mask = len(table) - 1
    place = np.int64(key & np.uint64(mask))
    while table[place] != 0:
        if table[place] == key:
            return place
        place = (place + 1) & mask
    return -1
