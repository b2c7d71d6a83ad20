"""Detects encoded data in source code: base64, long hexadecimal numbers, lists of bytes, escaped characters.

Follows the filter of StarCoder2 (arXiv:2402.19173), but does not count a ruler of ``=``, a path or a long word.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.compiled import inner
from preprocessing.kernels.source_classes import BASE64, CLASS, DIGIT, HEX, LETTER, SEPARATOR

MIN_BASE64 = 60  # bytes; lines of base64 have 64 or 76 characters (RFC 7468, RFC 2045)
MIN_ESCAPES = 8  # bytes or escapes in a row, as in StarCoder2


@inner()
def base64(data, start, end):
    """``(total, longest, words)``: bytes in words of base64 and in long hexadecimal numbers, those of the longest block, and
    those in all words of the same characters and length.

    Words on consecutive lines are one block. Every word that is long enough covers a byte at a multiple of ``MIN_BASE64``,
    so only these bytes are tested.
    """
    total = longest = words = block = 0
    block_end = start
    probe = start + MIN_BASE64 - 1
    while probe < end:
        if not CLASS[data[probe]] & BASE64:
            probe += MIN_BASE64
            continue
        first, last = probe, probe + 1
        while first > start and CLASS[data[first - 1]] & BASE64:
            first -= 1
        while last < end and CLASS[data[last]] & BASE64:
            last += 1
        long = last - first >= MIN_BASE64
        words += last - first if long else 0
        if long and _is_encoded(data, first, last):
            follows = block > 0 and _newlines(data, block_end, first) <= 1
            block = last - first + (block if follows else 0)
            block_end = last
            total += last - first
            longest = max(longest, block)
        probe = last + MIN_BASE64 - 1
    return total, longest, words


@inner()
def _is_encoded(data, first, last):
    """Whether a word has a digit, and either letters of both cases or hexadecimal digits only: not a word, path or ruler."""
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
    """Number of line feeds in the bytes, at most 2."""
    count = 0
    for i in range(start, end):
        count += data[i] == 10
        if count == 2:
            break
    return count


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
    """``(total, longest)``: bytes in runs of hexadecimal bytes or escaped characters, and those of the longest run.

    Only blanks, commas and quotes separate them.
    """
    total = longest = count = run_start = run_end = length = hexadecimal = 0
    escaped = False
    for i in range(start, end + 1):
        b = data[i] if i < end else np.uint8(0)
        bits = CLASS[b]
        if bits & (LETTER | DIGIT) or b == 95:
            length += 1
            hexadecimal += (bits & HEX) != 0
            continue
        continues = True
        if length and _is_escape(data, i - length, length, hexadecimal, escaped):
            if count == 0:
                run_start = i - length - escaped
            count += 1
            run_end = i
        else:
            continues = length == 0 and not escaped
        if not continues or not (bits & SEPARATOR or b == 92):
            if count >= MIN_ESCAPES:
                total += run_end - run_start
                longest = max(longest, run_end - run_start)
            count = 0
        length = hexadecimal = 0
        escaped = b == 92
    return total, longest
