"""From bands to pairs to stars: selects the pairs to compare and the documents to keep.

A pair is one number, ``later << 32 | earlier``, of two documents numbered in the order of their ids. Pairs sorted as
numbers are sorted by the later document, then by the earlier one.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.compiled import njit

_SHIFT, _EARLIER = np.uint64(32), np.uint64(0xFFFFFFFF)


@njit()
def bucket_pairs(values, numbers, max_compared):
    """Pairs of each member of a bucket with at most ``max_compared`` earlier members.

    ``values: uint64`` are sorted, and equal ones (a bucket) by ``numbers: uint32``.
    """
    total = start = 0
    for i in range(len(values)):
        if i and values[i] != values[i - 1]:
            start = i
        total += min(i - start, max_compared)
    out = np.empty(total, np.uint64)
    total = start = 0
    for i in range(len(values)):
        if i and values[i] != values[i - 1]:
            start = i
        for k in range(start, start + min(i - start, max_compared)):
            out[total] = (np.uint64(numbers[i]) << _SHIFT) | np.uint64(numbers[k])
            total += 1
    return out


@njit()
def stars(pairs, similarity, center, alike):
    """Builds greedy stars from sorted pairs of duplicates: a document joins the first earlier document that is a center.

    ``center: [documents] uint32`` starts as each document's own number, ``alike: [documents] float32`` as zeros; both are
    changed in place and may be passed on with the next pairs. No document is dropped because of a third one.
    """
    for i in range(len(pairs)):
        later, earlier = pairs[i] >> _SHIFT, pairs[i] & _EARLIER
        if center[later] == later and center[earlier] == earlier:
            center[later] = earlier
            alike[later] = similarity[i]


@njit()
def passes(left, right, costs, limit):
    """Bounds of runs of pairs: the distinct documents of a run cost at most ``limit`` together, or it is one pair."""
    seen = np.full(len(costs), -1, np.int64)
    starts = [0]
    used = 0
    for i in range(len(left)):
        run = len(starts)
        more = (costs[left[i]] if seen[left[i]] != run else 0) + (
            costs[right[i]] if seen[right[i]] != run else 0
        )
        if used + more > limit and i > starts[-1]:
            starts.append(i)
            run += 1
            used, more = 0, costs[left[i]] + costs[right[i]]
        seen[left[i]] = seen[right[i]] = run
        used += more
    starts.append(len(left))
    return np.array(starts)
