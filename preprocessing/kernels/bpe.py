"""Byte-pair encoding of whole columns: text cut, known words looked up, others merged and kept.

Owns the walk over rows and the size of the table of words. Words are handled in blocks: cut first, looked up when the
memory of their records had time to come.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.bpe_cuts import cut_stretches, symbol_at
from preprocessing.kernels.bpe_merge import SHORT, merge_stretch
from preprocessing.kernels.bpe_words import (
    FIRST_ROOM,
    WORD_BYTES,
    WORD_IDS,
    copy_ids,
    expect,
    find_word,
    grown,
    new_words,
    pack,
    place_of,
    put_word,
)
from preprocessing.kernels.compiled import inner, njit

BLOCK = 64


@njit()
def _resized(words, lists, listed, most):
    """``(words, lists, kept, listed)`` of a full table: twice the room, or empty where it has ``most`` rows."""
    if len(words) < most:
        larger, kept = grown(words)
        return larger, lists, kept, listed
    fresh, none = new_words(FIRST_ROOM)
    return fresh, none, 0, 0


@inner()
def _expect_words(words, data, begin, stops, count, keys, places):
    """Keys of the ``count`` words from ``begin`` on, and where the search for each starts."""
    for k in range(count):
        stop = stops[k]
        if stop - begin <= WORD_BYTES:
            a, b, c = pack(data, begin, stop - begin)
            keys[k, 0], keys[k, 1], keys[k, 2] = a, b, c
            places[k] = expect(words, a, b, c)
        begin = stop


@inner()
def _copy_known(words, lists, begin, stops, k, count, keys, places, out, at):
    """Writes the ids of the words from number ``k`` on, up to one that is not known.

    Returns its number, ``count`` if there is none, where it begins, the end of the ids, and the row as of ``find_word``.
    """
    while k < count:
        stop = stops[k]
        short = stop - begin <= WORD_BYTES
        row = find_word(words, places[k], keys[k, 0], keys[k, 1], keys[k, 2]) if short else -len(words) - 1
        if row < 0:
            return k, begin, at, row
        at = copy_ids(words[row, 3], lists, out, at)
        begin = stop
        k += 1
    return k, begin, at, 0


@njit(nogil=True)
def encode_rows(data, offsets, cuts, rules, words, lists, kept, listed, most, out):
    """``(bounds: [rows + 1] int64, words, lists, kept, listed)``: the ids of row i are ``out[bounds[i]:bounds[i + 1]]``.

    ``words`` keeps ``kept`` words and grows to ``most`` rows; full again, it starts anew with what comes next. ``out`` must
    have room for every byte as an id, and for two more.
    """
    rows = len(offsets) - 1
    bounds = np.zeros(rows + 1, np.int64)
    symbols, found = np.empty(SHORT, np.int64), np.empty(SHORT, np.int64)
    stops, places = np.empty(BLOCK + 1, np.int64), np.empty(BLOCK, np.int64)
    keys = np.empty((BLOCK, 3), np.uint64)
    at = np.int64(0)
    for r in range(rows):
        begin, end = offsets[r], offsets[r + 1]
        while begin < end:
            if cuts.firsts[data[begin]]:
                stop, number = symbol_at(cuts, data, begin, end)
                if number >= 0:
                    out[at] = number
                    at += 1
                    begin = stop
                    continue
            count = cut_stretches(cuts, data, begin, end, stops)
            _expect_words(words, data, begin, stops, count, keys, places)
            k = 0
            while True:
                k, begin, at, row = _copy_known(words, lists, begin, stops, k, count, keys, places, out, at)
                if k == count:
                    break
                stop, first = stops[k], at
                at = merge_stretch(rules, data, begin, stop, symbols, found, out, at)
                if -1 - row < len(words) and at - first <= WORD_IDS:
                    a, b, c = keys[k, 0], keys[k, 1], keys[k, 2]
                    lists, listed = put_word(words, lists, listed, -1 - row, a, b, c, out, first, at)
                    kept += 1
                k += 1
                if 2 * kept > len(words):
                    words, lists, kept, listed = _resized(words, lists, listed, most)
                    for later in range(k, count):
                        places[later] = place_of(len(words), keys[later, 0], keys[later, 1], keys[later, 2])
                begin = stop
        bounds[r + 1] = at
    return bounds, words, lists, kept, listed


@njit(nogil=True)
def rows_with(data, offsets, characters):
    """Rows with one of the characters, each three bytes as a number, the first one lowest."""
    found = np.empty(len(offsets) - 1, np.int64)
    count = 0
    for r in range(len(offsets) - 1):
        hits = 0
        for i in range(offsets[r], offsets[r + 1] - 2):
            for c in characters:
                hits += data[i] == c & 0xFF and data[i + 1] == (c >> 8) & 0xFF and data[i + 2] == c >> 16
        if hits:
            found[count] = r
            count += 1
    return found[:count].copy()
