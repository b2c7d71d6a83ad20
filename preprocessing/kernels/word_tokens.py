"""Counts the tokens of counted words: each word is merged alone, and its tokens count as often as the word occurs."""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.bpe_merge import SHORT, merge_stretch
from preprocessing.kernels.compiled import njit
from preprocessing.kernels.shingles import longest_row


@njit()
def count_tokens(rules, data, offsets, counts, out):
    """Adds the tokens of the rows, which are words, ``counts[row]`` times each, to ``out``: [ids] int64."""
    ids = np.empty(longest_row(offsets) + 2, np.uint32)
    symbols, merges = np.empty(SHORT, np.int64), np.empty(SHORT, np.int64)
    for row in range(len(offsets) - 1):
        end = merge_stretch(rules, data, offsets[row], offsets[row + 1], symbols, merges, ids, 0)
        for k in range(end):
            out[ids[k]] += counts[row]
