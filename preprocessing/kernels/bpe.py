"""Byte-pair encoding of whole columns: text cut, known words looked up, others merged and kept.

Owns the walk over rows and the size of the table of words.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.bpe_cuts import next_cut
from preprocessing.kernels.bpe_merge import SHORT, merge_stretch
from preprocessing.kernels.bpe_words import WORD_BYTES, WORD_IDS, copy_ids, find_word, grown, pack, put_word
from preprocessing.kernels.compiled import njit


@njit(nogil=True)
def encode_rows(data, offsets, cuts, rules, words, kept, most, out):
    """``(bounds: [rows + 1] int64, words, kept)``: the ids of row i are ``out[bounds[i]:bounds[i + 1]]``.

    ``words`` has ``kept`` words and grows to ``most`` rows; full again, it starts anew with what comes next. ``out`` must
    have room for every byte as an id, and for three more.
    """
    rows = len(offsets) - 1
    bounds = np.zeros(rows + 1, np.int64)
    symbols, found = np.empty(SHORT, np.int64), np.empty(SHORT, np.int64)
    at = np.int64(0)
    for r in range(rows):
        i, end = offsets[r], offsets[r + 1]
        while i < end:
            stop, number = next_cut(cuts, data, i, end)
            if number >= 0:
                out[at] = number
                at += 1
            elif stop - i > WORD_BYTES:
                at = merge_stretch(rules, data, i, stop, symbols, found, out, at)
            else:
                a, b, c, d = pack(data, i, stop - i)
                row = find_word(words, a, b, c, d)
                if row >= 0:
                    at = copy_ids(words, row, out, at)
                else:
                    begin = at
                    at = merge_stretch(rules, data, i, stop, symbols, found, out, at)
                    if at - begin <= WORD_IDS and -1 - row < len(words):
                        put_word(words, -1 - row, a, b, c, d, out, begin, at)
                        kept += 1
                        if 2 * kept > len(words):
                            if len(words) < most:
                                words, kept = grown(words)
                            else:
                                words[:] = 0
                                kept = 0
            i = stop
        bounds[r + 1] = at
    return bounds, words, kept
