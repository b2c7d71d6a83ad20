"""Byte-pair encoding of whole columns: cuts the text into words, looks up known words, merges and stores the others.

Owns the loop over rows and the size of the table of words. Words are processed in blocks: all are cut first and their
records prefetched, then they are looked up.
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
    find_word,
    grow,
    new_words,
    pack,
    place_of,
    prefetch_word,
    put_word,
)
from preprocessing.kernels.compiled import inner, njit

BLOCK = 64


@njit()
def _resize(words, lists, listed, most):
    """``(words, lists, kept, listed)`` in place of a full table: twice the room, or an empty table at ``most`` rows."""
    if len(words) < most:
        larger, kept = grow(words)
        return larger, lists, kept, listed
    empty, empty_lists = new_words(FIRST_ROOM)
    return empty, empty_lists, 0, 0


@inner()
def _prefetch_words(words, data, begin, stops, count, keys, places):
    """Writes the keys of the ``count`` words that start at ``begin``, and the place where the search for each starts."""
    for k in range(count):
        stop = stops[k]
        if stop - begin <= WORD_BYTES:
            a, b, c = pack(data, begin, stop - begin)
            keys[k, 0], keys[k, 1], keys[k, 2] = a, b, c
            places[k] = prefetch_word(words, a, b, c)
        begin = stop


@inner()
def _copy_known(words, lists, begin, stops, k, count, keys, places, out, at):
    """Writes the ids of the words from number ``k`` up to the first unknown one.

    Returns its number (``count`` if all are known), where it begins, the end of the ids, and its row as in ``find_word``.
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

    ``words`` contains ``kept`` words and grows to ``most`` rows; when it is full again it is emptied. ``out`` must have room
    for one id per byte, plus two.
    """
    rows = len(offsets) - 1
    bounds = np.zeros(rows + 1, np.int64)
    symbols, merges = np.empty(SHORT, np.int64), np.empty(SHORT, np.int64)
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
            _prefetch_words(words, data, begin, stops, count, keys, places)
            k = 0
            while True:
                k, begin, at, row = _copy_known(words, lists, begin, stops, k, count, keys, places, out, at)
                if k == count:
                    break
                stop, first = stops[k], at
                at = merge_stretch(rules, data, begin, stop, symbols, merges, out, at)
                if -1 - row < len(words) and at - first <= WORD_IDS:
                    a, b, c = keys[k, 0], keys[k, 1], keys[k, 2]
                    lists, listed = put_word(words, lists, listed, -1 - row, a, b, c, out, first, at)
                    kept += 1
                k += 1
                if 2 * kept > len(words):
                    words, lists, kept, listed = _resize(words, lists, listed, most)
                    for later in range(k, count):
                        places[later] = place_of(len(words), keys[later, 0], keys[later, 1], keys[later, 2])
                begin = stop
        bounds[r + 1] = at
    return bounds, words, lists, kept, listed


@njit(nogil=True)
def rows_with(data, offsets, characters):
    """Rows that contain one of ``characters``, each of three bytes as a number, the first byte lowest."""
    matches = np.empty(len(offsets) - 1, np.int64)
    count = 0
    for r in range(len(offsets) - 1):
        hits = 0
        for i in range(offsets[r], offsets[r + 1] - 2):
            for c in characters:
                hits += data[i] == c & 0xFF and data[i + 1] == (c >> 8) & 0xFF and data[i + 2] == c >> 16
        if hits:
            matches[count] = r
            count += 1
    return matches[:count].copy()
