"""Counts repetition: lines, paragraphs, and n-grams of words that occur more than once, without sorting.

One open-addressing table per pass finds places with the same hash. A repeated n-gram begins with a repeated (n-1)-gram, and
so does the n-gram after it, so each longer n visits only the places that the previous one left.
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
    """Slots for ``count`` entries: a power of two, at most a quarter full, so that few entries collide."""
    size = 16
    while size < 4 * count:
        size *= 2
    return size


@inner()
def _shift_to(size):
    """The shift after which a number of 64 bits is below ``size``, a power of two."""
    shift = np.uint64(64)
    while size > 1:
        size //= 2
        shift -= _ONE
    return shift


@inner()
def _find_owners(values, places, count, table, owner, times):
    """For each place its ``owner``, the first place with the same value; ``times`` counts an owner's places."""
    size = table_size(count)
    table[:size] = -1
    shift = _shift_to(size)
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
def _may_repeat(keys, count, hits, places):
    """Writes the places whose key may occur twice to ``places``, without a branch; returns their number.

    The highest bits of a key are its slot in ``hits``, in which other keys may be, too.
    """
    size = table_size(2 * count)
    hits[:size] = 0
    shift = _shift_to(size)
    for i in range(count):
        slot = keys[i] >> shift
        hits[slot] = np.uint8(1) + (hits[slot] > 0)
    left = 0
    for i in range(count):
        places[left] = i
        left += hits[keys[i] >> shift] > 1
    return left


@inner()
def repeats(values, sizes, count, places, table, owner, times):
    """``(repeats, size)``: how many of the first ``count`` values occurred before, and the sum of their ``sizes``."""
    for k in range(count):
        places[k] = k
    _find_owners(values, places, count, table, owner, times)
    total = size = 0
    for k in range(count):
        if owner[k] != k:
            total += 1
            size += sizes[k]
    return total, size


@inner()
def _top(places, left, n, reach, owner, times):
    """Characters in all occurrences of the most frequent n-gram (the first among equals), words joined by blanks."""
    best, most = np.int64(0), 1
    for k in range(left):
        i = np.uint64(places[k])
        if (owner[i] == places[k]) & (times[i] > most):
            best, most = np.int64(places[k]), times[i]
    return most * (reach[best + n] - reach[best] + n - 1) if most > 1 else 0


@inner()
def _duplicates(places, left, n, reach, owner, times):
    """Characters in n-grams that occurred before, left to right; skips those that overlap a counted one."""
    total, free = 0, np.int64(0)
    for k in range(left):
        i = np.int64(places[k])
        first = np.uint64(owner[np.uint64(i)])
        if (i < free) | (times[first] == 1):
            continue
        if times[first] < 0:
            total += reach[np.uint64(i + n)] - reach[np.uint64(i)]
            free = i + n
        else:
            times[first] = -times[first]  # first occurrence visited
    return total


@inner()
def _longer(places, left, owner, times):
    """Keeps the places where a repeated n-gram follows a repeated n-gram: only there can an (n+1)-gram repeat."""
    kept = 0
    for k in range(left - 1):
        i, following = places[k], places[k + 1]
        places[kept] = i
        first, second = np.uint64(owner[np.uint64(i)]), np.uint64(owner[np.uint64(following)])
        kept += (following == i + 1) & (times[first] != 1) & (times[second] != 1)
    return kept


@inner()
def _extend(words, n, left, places, rest, keys, table, owner, times):
    """Updates owners of (n-1)-grams to owners of n-grams.

    A place followed by the same word as its owner keeps this owner: an earlier place with the n-gram would own the (n-1)-gram.
    Only the other places are looked up, by their old owner and the following word.
    """
    others, ahead = 0, np.uint64(n - 1)
    for k in range(left):  # without a branch, which the processor could not predict
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
def ngrams(words, reach, count, out, keys, places, rest, hits, table, owner, times):
    """Writes repeated three-word sequences to ``out[0]`` and characters of n-grams to ``out[n]``, n = 2..10.

    ``words: uint64`` are hashes, ``reach: [count + 1]`` the characters before each word. Up to n = 4 the characters are
    those of the most frequent n-gram, above 4 those of all repeated n-grams (arXiv:2112.11446, table A1).
    """
    pairs = max(count - 1, 0)
    for i in range(pairs):
        keys[i] = (words[i] + np.uint64(1)) * _STEP + words[i + 1]
    left = _may_repeat(keys, pairs, hits, places)
    for n in range(2, LONGEST_NGRAM + 1):
        if left < 2:
            return
        if n == 2:
            _find_owners(keys, places, left, table, owner, times)
        else:
            _extend(words, n, left, places, rest, keys, table, owner, times)
        if n == 3:
            for k in range(left):
                out[0] += owner[places[k]] != places[k]
        if n <= LONGEST_TOP:
            out[n] = _top(places, left, n, reach, owner, times)
        else:
            out[n] = _duplicates(places, left, n, reach, owner, times)
        left = _longer(places, left, owner, times)
