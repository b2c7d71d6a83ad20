"""Sequences of five words per document: the sets on which every Jaccard similarity is defined.

A word is a run of one script (Hangul, other letters with ``_``, digits) or one ideograph, without case; all other
characters separate words. A document of fewer than five words has one sequence of all its words, so that short texts differ
when one word does.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import BASIS, PRIME, decode, mix, script_of
from preprocessing.kernels.compiled import inner, njit

WORDS = 5
_HANGUL = np.uint8(1)
_SINGLE = np.uint8(4)
_ASCII_SCRIPT = np.array([script_of(c) for c in range(128)], np.uint8)
_ASCII_LOWER = np.array([ord(chr(c).lower()) for c in range(128)], np.uint8)
# powers of an odd constant (2**64 over the golden ratio): the place of a word within its sequence
_POWER_1, _POWER_2, _POWER_3, _POWER_4 = (
    np.uint64(pow(0x9E3779B97F4A7C15, place, 1 << 64)) for place in range(1, WORDS)
)


@inner()
def _syllables(data, i, end, value):
    """Adds the syllables that start at ``i`` to the hash; returns their end and the hash."""
    while 0 <= i < end and 0xEA <= data[i] <= 0xED:
        c, step = decode(data, i)
        if not 0xAC00 <= c <= 0xD7A3:
            break
        value = (value ^ np.uint64(c)) * PRIME
        i += step
    return i, value


@inner()
def words_of(data, start, end, out):
    """Writes hashes of the words of ``data[start:end]`` (mixed FNV-1a of code points) to ``out``; returns their number."""
    count = 0
    script, value = np.uint8(0), BASIS
    i = start
    while 0 <= i < end:
        at = i
        i, hangul = _syllables(data, i, end, value if script == _HANGUL else BASIS)
        if i > at:
            if script and script != _HANGUL:
                out[np.uint64(count)] = mix(value)
                count += 1
            script, value = _HANGUL, hangul
            continue
        if data[i] < 0x80:
            now, c = _ASCII_SCRIPT[data[i]], np.int64(_ASCII_LOWER[data[i]])
            i += 1
        else:
            c, step = decode(data, i)
            now = np.uint8(script_of(c))
            i += step
        if now != script or now == _SINGLE:
            if script:
                out[np.uint64(count)] = mix(value)
                count += 1
            value = BASIS
        script = now
        value = (value ^ np.uint64(c)) * PRIME
    if script:
        out[np.uint64(count)] = mix(value)
        count += 1
    return count


@inner()
def sequences_of(words, count, out):
    """Writes hashes of all sequences of WORDS words in their order, with repetitions; returns their number."""
    if count == 0:
        return 0
    if count < WORDS:
        value = BASIS
        for k in range(count):
            value = value * _POWER_1 + words[k]
        out[0] = mix(value)
        return 1
    for i in range(count - WORDS + 1):
        early = words[i] * _POWER_4 + words[i + 1] * _POWER_3 + words[i + 2] * _POWER_2
        out[i] = mix(early + words[i + 3] * _POWER_1 + words[i + 4])
    return count - WORDS + 1


@inner()
def longest_row(offsets):
    """Bytes of the longest row."""
    longest = 0
    for r in range(len(offsets) - 1):
        longest = max(longest, offsets[r + 1] - offsets[r])
    return longest


@njit()
def _distinct(values, count):
    """Sorts the first ``count`` values and moves the distinct ones to the front; returns their number."""
    ordered = np.sort(values[:count])
    distinct = 0
    for i in range(count):
        if i == 0 or ordered[i] != ordered[i - 1]:
            values[distinct] = ordered[i]
            distinct += 1
    return distinct


@njit()
def sequence_sets(data, offsets):
    """``(hashes: uint64, starts: [rows + 1] int64)``: the sorted set of five-word sequences of each row."""
    rows = len(offsets) - 1
    words = np.empty(longest_row(offsets) + 1, np.uint64)
    flat = np.empty(offsets[rows] - offsets[0] + 1, np.uint64)
    starts = np.zeros(rows + 1, np.int64)
    for r in range(rows):
        count = words_of(data, offsets[r], offsets[r + 1], words)
        here = flat[starts[r] :]
        starts[r + 1] = starts[r] + _distinct(here, sequences_of(words, count, here))
    return flat[: starts[rows]].copy(), starts
