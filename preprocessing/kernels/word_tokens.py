"""Tokens of counted words: each word merged on its own, each of its tokens as often as the word stands in the text."""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.bpe_merge import SHORT, merge_stretch
from preprocessing.kernels.compiled import njit
from preprocessing.kernels.shingles import longest_row


@njit()
def count_tokens(rules, data, offsets, counts, out):
    """Adds to ``out``: [ids] int64 what the rows of words, ``counts[row]`` times each, are merged to."""
    ids = np.empty(longest_row(offsets) + 2, np.uint32)
    symbols, found = np.empty(SHORT, np.int64), np.empty(SHORT, np.int64)
    for row in range(len(offsets) - 1):
        end = merge_stretch(rules, data, offsets[row], offsets[row + 1], symbols, found, ids, 0)
        for k in range(end):
            out[ids[k]] += counts[row]
