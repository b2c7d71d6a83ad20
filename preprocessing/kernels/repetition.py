"""What stands in a sequence more than once: lines, paragraphs, and n-grams of words, without sorting.

Places with the same hash are found by one open-addressing table per pass. An n-gram that stands twice begins with an
(n-1)-gram that stands twice, and so does its successor, so each longer n looks only at the places left by the last.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.compiled import inner

LONGEST_NGRAM = 10
LONGEST_TOP = 4
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_STEP = np.uint64(0xD6E8FEB86659FD93)
_ONE = np.uint64(1)


@inner()
def table_size(count):
    """Slots for ``count`` entries: a power of two, at most half full."""
    size = 16
    while size < 2 * count:
        size *= 2
    return size


@inner()
def _find_owners(values, places, count, table, owner, times):
    """For each place its ``owner``, the first place with the same value; ``times`` counts an owner's places."""
    size = table_size(count)
    table[:size] = -1
    shift = np.uint64(64)
    while size > 1:
        size //= 2
        shift -= np.uint64(1)
    last = (_ONE << (np.uint64(64) - shift)) - _ONE
    for k in range(count):
        i = np.uint64(places[k])
        value = values[i]
        slot = (value * _GOLDEN) >> shift
        while True:
            other = table[slot]
            if other < 0:
                table[slot] = owner[i] = places[k]
                times[i] = 1
                break
            if values[np.uint64(other)] == value:
                owner[i] = other
                times[np.uint64(other)] += 1
                break
            slot = (slot + _ONE) & last


@inner()
def repeats(values, sizes, count, places, table, owner, times):
    """How many of the first ``count`` values were there before, and the sum of their sizes."""
    for k in range(count):
        places[k] = k
    _find_owners(values, places, count, table, owner, times)
    found = size = 0
    for k in range(count):
        if owner[k] != k:
            found += 1
            size += sizes[k]
    return found, size


@inner()
def _top(places, left, n, reach, owner, times):
    """Characters in the occurrences of the most frequent n-gram (of several, the first), joined by blanks."""
    best, most = np.int64(0), 1
    for k in range(left):
        i = np.uint64(places[k])
        if (owner[i] == places[k]) & (times[i] > most):
            best, most = np.int64(places[k]), times[i]
    return most * (reach[best + n] - reach[best] + n - 1) if most > 1 else 0


@inner()
def _duplicates(places, left, n, reach, owner, times):
    """Characters in n-grams seen before, left to right; those that overlap one already counted are passed over."""
    found, free = 0, np.int64(0)
    for k in range(left):
        i = np.int64(places[k])
        first = np.uint64(owner[np.uint64(i)])
        if (i < free) | (times[first] == 1):
            continue
        if times[first] < 0:
            found += reach[np.uint64(i + n)] - reach[np.uint64(i)]
            free = i + n
        else:
            times[first] = -times[first]  # seen
    return found


@inner()
def _longer(places, left, owner, times):
    """Keeps the places where a repeated n-gram is followed by another: only there an (n+1)-gram can repeat."""
    kept = 0
    for k in range(left - 1):
        i, following = places[k], places[k + 1]
        places[kept] = i
        first, second = np.uint64(owner[np.uint64(i)]), np.uint64(owner[np.uint64(following)])
        kept += (following == i + 1) & (times[first] != 1) & (times[second] != 1)
    return kept


@inner()
def _extend(words, n, left, places, rest, keys, table, owner, times):
    """From owners of (n-1)-grams to owners of n-grams.

    Where a place is followed by the same word as its owner, the owner stays: an earlier place with this n-gram would
    have owned the (n-1)-gram. Only the others are looked up, by their old owner and the word that follows.
    """
    others, ahead = 0, np.uint64(n - 1)
    for k in range(left):  # no branch: which case it is cannot be predicted
        i = np.uint64(places[k])
        first = np.uint64(owner[i])
        follows = words[i + ahead]
        same = words[first + ahead] == follows
        times[first] = (0 if first == i else times[first]) + same
        keys[i] = (follows ^ first) * _STEP
        rest[others] = places[k]
        others += not same
    _find_owners(keys, rest, others, table, owner, times)


@inner()
def ngrams(words, reach, count, found, keys, places, rest, table, owner, times):
    """Fills ``found[0]`` with three-word sequences seen before and ``found[n]`` with characters of n-grams, n = 2..10.

    ``words: uint64`` are hashes, ``reach: [count + 1]`` the characters before each word. For n up to 4 the characters
    are those of the most frequent n-gram, from 5 on those of all n-grams seen before (arXiv:2112.11446, table A1).
    """
    left = max(count - 1, 0)
    for i in range(left):
        places[i] = i
        keys[i] = (words[i] + np.uint64(1)) * _STEP + words[i + 1]
    for n in range(2, LONGEST_NGRAM + 1):
        if left < 2:
            return
        if n == 2:
            _find_owners(keys, places, left, table, owner, times)
        else:
            _extend(words, n, left, places, rest, keys, table, owner, times)
        if n == 3:
            for k in range(left):
                found[0] += owner[places[k]] != places[k]
        if n <= LONGEST_TOP:
            found[n] = _top(places, left, n, reach, owner, times)
        else:
            found[n] = _duplicates(places, left, n, reach, owner, times)
        left = _longer(places, left, owner, times)
