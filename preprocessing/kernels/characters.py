"""Characters in UTF-8 bytes: decoding, encoding, copying, letters, scripts, and hashing."""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.compiled import inner, njit

PRIME = np.uint64(0x100000001B3)
BASIS = np.uint64(0xCBF29CE484222325)


@inner()
def decode(data, i):
    """Code point at byte ``i`` of valid UTF-8 and its length in bytes."""
    b = data[i]
    if b < 0x80:
        return np.int64(b), 1
    if b < 0xE0:
        return (np.int64(b & 0x1F) << 6) | np.int64(data[i + 1] & 0x3F), 2
    if b < 0xF0:
        return (np.int64(b & 0x0F) << 12) | (np.int64(data[i + 1] & 0x3F) << 6) | np.int64(
            data[i + 2] & 0x3F
        ), 3
    high = (np.int64(b & 0x07) << 18) | (np.int64(data[i + 1] & 0x3F) << 12)
    return high | (np.int64(data[i + 2] & 0x3F) << 6) | np.int64(data[i + 3] & 0x3F), 4


@inner()
def begins_syllable(data, i):
    """Whether a syllable of Hangul begins at byte ``i``; compares two bytes as one number, without a branch on 0xEA and 0xEB."""
    return 0xEAB0 <= (np.uint32(data[i]) << np.uint32(8) | np.uint32(data[i + 1])) < 0xEE00


@njit()
def encode(c, out, at):
    """Writes code point ``c`` as UTF-8 at byte ``at``; returns its end."""
    if c < 0x80:
        out[at] = c
        return at + 1
    if c < 0x800:
        out[at] = 0xC0 | (c >> 6)
        out[at + 1] = 0x80 | (c & 0x3F)
        return at + 2
    if c < 0x10000:
        out[at] = 0xE0 | (c >> 12)
        out[at + 1] = 0x80 | ((c >> 6) & 0x3F)
        out[at + 2] = 0x80 | (c & 0x3F)
        return at + 3
    out[at] = 0xF0 | (c >> 18)
    out[at + 1] = 0x80 | ((c >> 12) & 0x3F)
    out[at + 2] = 0x80 | ((c >> 6) & 0x3F)
    out[at + 3] = 0x80 | (c & 0x3F)
    return at + 4


@inner()
def copy(data, start, end, out, at):
    """Copies the bytes ``data[start:end]`` to ``out[at]``; returns their end."""
    for i in range(np.uint64(end - start)):
        out[np.uint64(at) + i] = data[np.uint64(start) + i]
    return at + end - start


@njit()
def count_characters(data, offsets):
    """``[rows] int64``: code points of each row of a UTF-8 column; several times as fast as Arrow's ``utf8_length``."""
    counts = np.zeros(len(offsets) - 1, np.int64)
    for r in range(len(counts)):
        count = np.int64(0)
        for i in range(np.uint64(offsets[r]), np.uint64(offsets[r + 1])):
            count += (data[i] & 0xC0) != 0x80
        counts[r] = count
    return counts


@inner()
def is_space(c):
    return c == 32 or (9 <= c <= 13) or c == 0xA0 or c == 0x3000 or (0x2000 <= c <= 0x200A)


@njit()
def is_letter(c):
    """Whether a character is a letter of the common scripts; U+00C0 to U+1FFF counts as letters, except two signs."""
    return (
        (97 <= c <= 122) or (65 <= c <= 90) or (0xAC00 <= c <= 0xD7A3) or (0x3131 <= c <= 0x318E)
        or (0xC0 <= c <= 0x1FFF and c != 0xD7 and c != 0xF7) or (0x3041 <= c <= 0x30FF) or (0x3400 <= c <= 0x9FFF)
        or (0xF900 <= c <= 0xFAFF) or (0x20000 <= c <= 0x3FFFF)
    )  # fmt: skip


@inner()
def mix(x):
    """splitmix64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@inner()
def script_of(c):
    """0: none, 1: Hangul, 2: letters, 3: digits, 4: a character that is a word of its own."""
    if 0xAC00 <= c <= 0xD7A3:
        return 1
    if (97 <= c <= 122) or (65 <= c <= 90):
        return 2
    if 48 <= c <= 57:
        return 3
    if (0x3041 <= c <= 0x30FF) or (0x3400 <= c <= 0x9FFF) or (0xF900 <= c <= 0xFAFF):
        return 4
    return 2 if c == 95 or is_letter(c) else 0
