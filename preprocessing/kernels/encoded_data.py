"""Encoded data in source code: base64, long hexadecimal numbers, lists of bytes, escaped characters.

After the filter of StarCoder2 (arXiv:2402.19173); a ruler of ``=``, a path or a long word is none here.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.compiled import inner
from preprocessing.kernels.source_classes import BASE64, CLASS, DIGIT, HEX, LETTER, SEPARATOR

FEWEST_BASE64 = 60  # base64 is broken into lines of 64 or 76 characters (RFC 7468, RFC 2045)
FEWEST_ESCAPES = 8  # bytes or escapes in a row, as in StarCoder2


@inner()
def base64(data, start, end):
    """``(all, longest)``: bytes in words of base64 and in long hexadecimal numbers.

    Words on lines that follow each other are one block, of which ``longest`` tells. Every word long enough covers a
    byte at a multiple of ``FEWEST_BASE64``, so only those are looked at.
    """
    total = longest = block = 0
    block_end = start
    probe = start + FEWEST_BASE64 - 1
    while probe < end:
        if not CLASS[data[probe]] & BASE64:
            probe += FEWEST_BASE64
            continue
        first, last = probe, probe + 1
        while first > start and CLASS[data[first - 1]] & BASE64:
            first -= 1
        while last < end and CLASS[data[last]] & BASE64:
            last += 1
        if last - first >= FEWEST_BASE64 and _is_encoded(data, first, last):
            follows = block > 0 and _newlines(data, block_end, first) <= 1
            block = last - first + (block if follows else 0)
            block_end = last
            total += last - first
            longest = max(longest, block)
        probe = last + FEWEST_BASE64 - 1
    return total, longest


@inner()
def _is_encoded(data, first, last):
    """A digit, and capital and small letters or nothing beyond hexadecimal: no word, path or ruler."""
    upper = lower = digit = beyond_hexadecimal = False
    for i in range(first, last):
        b = data[i]
        digit |= (CLASS[b] & DIGIT) != 0
        upper |= 65 <= b <= 90
        lower |= 97 <= b <= 122
        beyond_hexadecimal |= (CLASS[b] & HEX) == 0
    return digit and ((upper and lower) or not beyond_hexadecimal)


@inner()
def _newlines(data, start, end):
    """How many of the bytes are line ends; two stand for more."""
    found = 0
    for i in range(start, end):
        found += data[i] == 10
        if found == 2:
            break
    return found


@inner()
def _is_escape(data, start, length, hexadecimal, escaped):
    """Whether a word is one byte in hexadecimal (``1f``, ``0x1f``, ``\\x1f``) or an escaped character (``\\ud55c``)."""
    if escaped:
        first = data[start]
        return (first == 120 and length == 3 and hexadecimal == 2) or (
            first == 117 and length == 5 and hexadecimal == 4
        )
    if length == 2:
        return hexadecimal == 2
    return length == 4 and hexadecimal == 3 and data[start] == 48 and (data[start + 1] | 32) == 120


@inner()
def escapes(data, start, end):
    """``(all, longest)``: bytes in runs of hexadecimal bytes or escaped characters.

    Between them are blanks, commas and quotes only.
    """
    total = longest = found = run_start = run_end = length = hexadecimal = 0
    escaped = False
    for i in range(start, end + 1):
        b = data[i] if i < end else np.uint8(0)
        kind = CLASS[b]
        if kind & (LETTER | DIGIT) or b == 95:
            length += 1
            hexadecimal += (kind & HEX) != 0
            continue
        goes_on = True
        if length and _is_escape(data, i - length, length, hexadecimal, escaped):
            if found == 0:
                run_start = i - length - escaped
            found += 1
            run_end = i
        else:
            goes_on = length == 0 and not escaped
        if not goes_on or not (kind & SEPARATOR or b == 92):
            if found >= FEWEST_ESCAPES:
                total += run_end - run_start
                longest = max(longest, run_end - run_start)
            found = 0
        length = hexadecimal = 0
        escaped = b == 92
    return total, longest
