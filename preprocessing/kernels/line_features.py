"""Counts the characters of a line by their kind, in UTF-8: what ``kernels.structure`` classifies lines by.

Owns the counts and what follows from them alone: whether a line is code or mostly digits. All counts of a line are summed as
one packed number, looked up by byte; what depends on the byte before is counted only in lines where it can matter.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.compiled import inner
from preprocessing.kernels.line_marks import has_stamp

VISIBLE, OTHERS, LETTERS, DIGITS, WIDE, HANGUL, SIGNS, SEEN = range(8)
"""Visible characters; those that draw no rules; ASCII letters; digits; characters from U+3000; Hangul; at most so many signs of
code; the bits of characters that occur."""
FEATURES = 8
PIPE, DASH, BRACKET, A_COLON, SLASH, COMMENT = (1 << bit for bit in range(6))
"""Bits of SEEN; COMMENT: signs with which comments begin."""
MIN_CODE_SIGNS = 4
_FEED, _SPACE, _SEMICOLON, _PIPE = 10, 32, 59, 124
_LANE = 8  # bits of a count in a packed number
_CHUNK = 127  # bytes that are summed before a count, of at most two per byte, could overflow
_MASK = np.uint64((1 << _LANE) - 1)
_SEEN_SHIFT = np.uint64(_LANE * SEEN)
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


_BITS = np.zeros(256, np.uint64)
_BITS[[ord(c) for c in "|-[:/"]] = PIPE, DASH, BRACKET, A_COLON, SLASH
_BITS[[ord(c) for c in ";#/-"]] |= COMMENT
# Above the counts, the bits of SEEN: a sum of them means nothing, but all of them are in the union of the numbers.
_PACKED = np.array([_pack(b) for b in range(256)], np.uint64) | _BITS << _SEEN_SHIFT


# of a byte: what it is for signs of code and words. The evidence is looked up by the roles of a byte and of the one before.
_QUIET, _LETTER, _DIGIT, _UNDERSCORE, _CALL, _SIGN, _STRONG, _CONTINUED = range(8)
_ROLES = np.full(256, _QUIET, np.uint8)
_ROLES[[b for b in range(128) if chr(b).isalpha()]] = _LETTER
_ROLES[[ord(c) for c in "0123456789"]] = _DIGIT
_ROLES[[ord(c) for c in "(["]] = _CALL
_ROLES[[ord(c) for c in "<>$\\&@|"]] = _SIGN
_ROLES[[ord(c) for c in "={}"]] = _STRONG
_ROLES[ord("_")] = _UNDERSCORE
_ROLES[0x80:0xC0] = _CONTINUED
_INSIDE, _ROLE, _HALF, _LOW = np.uint64(_CONTINUED), np.uint64(3), np.uint64(32), np.uint64((1 << 32) - 1)


def _evidence() -> np.ndarray:
    """``[64] uint64``: signs of code, and 2^32 for the begin of a word, by 8 * role before + role."""
    table = np.zeros((8, 8), np.uint64)
    named = [_LETTER, _DIGIT, _UNDERSCORE]
    table[:, _LETTER] = 1 << 32
    table[_LETTER, _LETTER] = 0
    table[:, _SIGN], table[:, _STRONG] = 1, 2
    table[named, _UNDERSCORE], table[named, _CALL] = 1, 2
    return table.ravel()


_EVIDENCE = _evidence()


@inner()
def scan(data, start, row_end, f):
    """Writes the features of the line at ``start`` to ``f``; returns ``(begin, end)`` of its text, without blanks before it."""
    i = start
    while 0 <= i < row_end and data[i] <= _SPACE and data[i] != _FEED:
        i += 1
    begin = i
    for k in range(SEEN):
        f[k] = 0
    seen = np.uint64(0)
    while True:
        limit = min(row_end, i + _CHUNK)
        packed = np.uint64(0)
        while 0 <= i < limit - 3:  # four at a time
            p, q, r, s = data[i], data[i + 1], data[i + 2], data[i + 3]
            if (p == _FEED) | (q == _FEED) | (r == _FEED) | (s == _FEED):
                break
            packed += _PACKED[p] + _PACKED[q] + _PACKED[r] + _PACKED[s]
            seen |= _PACKED[p] | _PACKED[q] | _PACKED[r] | _PACKED[s]
            i += 4
        while 0 <= i < limit:
            b = data[i]
            if b == _FEED:
                break
            packed += _PACKED[b]
            seen |= _PACKED[b]
            i += 1
        for k in range(SEEN):
            f[k] += np.int64((packed >> np.uint64(_LANE * k)) & _MASK)
        if i < limit or i >= row_end:
            break
    f[SEEN] = np.int64(seen >> _SEEN_SHIFT)
    return begin, i


@inner()
def is_code(data, i, end, f):
    """Whether signs of code outweigh the words of a line without Hangul."""
    if f[WIDE] > 0 or f[SIGNS] < MIN_CODE_SIGNS:
        return False
    counts = before = np.uint64(0)
    for k in range(np.uint64(i), np.uint64(end)):
        role = np.uint64(_ROLES[data[k]])
        if role != _INSIDE:
            counts += _EVIDENCE[before + role]
            before = role << _ROLE
    signs = np.int64(counts & _LOW) + 2 * (data[end - 1] == _SEMICOLON)
    return signs >= MIN_CODE_SIGNS and 2 * signs >= np.int64(counts >> _HALF)


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
    k = begin + 1
    while k < end and data[k] != _PIPE:
        k += 1
    return k < end
