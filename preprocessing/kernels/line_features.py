"""Counts the characters of a line by their kind, in UTF-8: what ``kernels.structure`` classifies lines by.

Owns the counts and what follows from them alone: whether a line is code or mostly digits. All counts of a line are summed as
one packed number, looked up by byte; what depends on the byte before is counted only in lines where it can matter.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.compiled import inner
from preprocessing.kernels.line_marks import has_stamp, is_digit, is_letter

VISIBLE, OTHERS, LETTERS, DIGITS, WIDE, HANGUL, SIGNS, SEEN = range(8)
"""Visible characters; those that draw no rules; ASCII letters; digits; characters from U+3000; Hangul; at most so many signs of
code; the bits of characters that occur."""
FEATURES = 8
PIPE, DASH, BRACKET, A_COLON = 1, 2, 4, 8  # bits of SEEN
MIN_CODE_SIGNS = 4
_FEED, _SPACE, _SEMICOLON = 10, 32, 59
_LANE = 9  # bits of a count in a packed number
_CHUNK = 255  # bytes that are summed before a count, of at most two per byte, could overflow
_MASK = np.uint64((1 << _LANE) - 1)
_RULES = "-=_*~+|:#<>.`"  # signs that draw rules and tables
_WEIGHTS = {**dict.fromkeys("={}([;", 2), **dict.fromkeys("_<>$\\&@|", 1)}  # of signs of code


def _pack(b: int) -> int:
    visible = 32 < b < 0x80 or b >= 0xC0
    c = chr(b) if b < 0x80 else ""
    counts = (
        visible, visible and (not c or c not in _RULES), c.isalpha(), c.isdigit(), 0xE3 <= b <= 0xED, 0xEA <= b <= 0xED,
        _WEIGHTS.get(c, 0),
    )  # fmt: skip
    return sum(int(count) << _LANE * lane for lane, count in enumerate(counts))


_COUNTS = np.array([_pack(b) for b in range(256)], np.uint64)
_BITS = np.zeros(256, np.uint8)
_BITS[[ord(c) for c in "|-[:"]] = PIPE, DASH, BRACKET, A_COLON


@inner()
def scan(data, start, row_end, f):
    """Writes the features of the line at ``start`` to ``f``; returns ``(begin, end)`` of its text, without blanks before it."""
    i = start
    while 0 <= i < row_end and data[i] <= _SPACE and data[i] != _FEED:
        i += 1
    begin = i
    for k in range(SEEN):
        f[k] = 0
    seen = np.uint8(0)
    while True:
        limit = min(row_end, i + _CHUNK)
        packed = np.uint64(0)
        while 0 <= i < limit:
            b = data[i]
            if b == _FEED:
                break
            packed += _COUNTS[b]
            seen |= _BITS[b]
            i += 1
        for k in range(SEEN):
            f[k] += np.int64((packed >> np.uint64(_LANE * k)) & _MASK)
        if i < limit or i >= row_end:
            break
    f[SEEN] = seen
    return begin, i


@inner()
def _sign_weight(b, before):
    """How much a byte after ``before`` suggests code: 2 for = { } and calls, 1 for < > $ \\ & @ | and _ within a name."""
    if b == 61 or b == 123 or b == 125:
        return 2
    named = is_letter(before) or is_digit(before) or before == 95
    if b == 40 or b == 91:
        return 2 if named else 0
    if b == 95:
        return 1 if named else 0
    return 1 if b == 60 or b == 62 or b == 36 or b == 92 or b == 38 or b == 64 or b == 124 else 0


@inner()
def is_code(data, i, end, f):
    """Whether signs of code outweigh the words of a line without Hangul."""
    if f[WIDE] > 0 or f[SIGNS] < MIN_CODE_SIGNS:
        return False
    signs = words = 0
    before = np.int64(_SPACE)
    for k in range(i, end):
        b = np.int64(data[k])
        if 0x80 <= b < 0xC0:
            continue
        if is_letter(b):
            words += not is_letter(before)
        elif b > _SPACE:
            signs += _sign_weight(b, before)
        before = b
    signs += 2 * (before == _SEMICOLON)
    return signs >= MIN_CODE_SIGNS and 2 * signs >= words


@inner()
def is_number(data, i, end, f):
    """Whether a line has at least as many digits as letters, or a time with seconds and at least as many digits as syllables."""
    digits = f[DIGITS]
    if digits == 0:
        return False
    if digits >= f[LETTERS] + f[WIDE]:
        return True
    return digits >= f[HANGUL] and f[SEEN] & A_COLON and has_stamp(data, i, end)


@inner()
def has_second_pipe(data, begin, end):
    for k in range(begin + 1, end):
        if data[k] == 124:
            return True
    return False
