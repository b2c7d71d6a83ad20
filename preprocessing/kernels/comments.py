"""Detects comments in source code of any language, without a grammar.

Recognizes ``//``, ``/* */``, ``#``, ``--``, ``%``, ``;``, ``<!-- -->`` and triple-quoted texts at the start of a line
(docstrings). Where languages disagree, a sign counts only where it is hardly anything else: at the start of a line, or
after the end of a statement and between blanks. ``#include`` and ``#define`` are code.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.compiled import inner, njit
from preprocessing.kernels.source_classes import BLANK, CLASS, LETTER, SIGN

MAX_BEFORE_HEADER = 80  # visible bytes of code
_NO_BLOCK, _SLASH_STAR, _QUOTES, _APOSTROPHES, _MARKUP = range(5)


@inner()
def _byte(data, i, end):
    return data[i] if i < end else np.uint8(10)


@inner()
def _block_at(data, i, end):
    """``(block, width)``: the block comment that begins at byte ``i``, and the length of its opening sign."""
    b, second, third = data[i], _byte(data, i + 1, end), _byte(data, i + 2, end)
    if b == 47 and second == 42:
        return _SLASH_STAR, 2
    if (b == 34 or b == 39) and second == b and third == b:
        return _QUOTES if b == 34 else _APOSTROPHES, 3
    if b == 60 and second == 33 and third == 45 and _byte(data, i + 3, end) == 45:
        return _MARKUP, 4
    return _NO_BLOCK, 0


@inner()
def _after_block(data, i, end, block):
    """The byte after the end of ``block``; -1 where it continues."""
    while i < end:
        b, second = data[i], _byte(data, i + 1, end)
        if block == _SLASH_STAR:
            if b == 42 and second == 47:
                return i + 2
        elif second == b:
            third = _byte(data, i + 2, end)
            sign = 45 if block == _MARKUP else 34 if block == _QUOTES else 39
            if b == sign and third == (62 if block == _MARKUP else b):
                return i + 3
        i += 1
    return -1


@inner()
def _visible(data, start, end):
    count = 0
    for i in range(start, end):
        count += (CLASS[data[i]] & BLANK) == 0
    return count


@inner()
def _is_line_comment(data, i, end):
    """Whether a line with its first visible byte at ``i`` is a comment in some language: ``//``, ``#``, ``--``, ``%``, ``;``."""
    b, second = data[i], _byte(data, i + 1, end)
    if b == 47:
        return second == 47
    if b == 35:
        return (CLASS[second] & LETTER) == 0
    if b == 45:
        return second == 45 and (CLASS[_byte(data, i + 2, end)] & BLANK) != 0
    return (b == 37 or b == 59) and (second == b or (CLASS[second] & BLANK) != 0)


@inner()
def _is_end_comment(data, i, end, last):
    """Whether a comment begins at byte ``i`` after code: ``#`` between blanks, ``//`` after the end of a statement."""
    if data[i - 1] != 32 and data[i - 1] != 9:
        return False
    if data[i] == 35:
        return (CLASS[_byte(data, i + 1, end)] & BLANK) != 0
    slashes = (
        data[i] == 47 and _byte(data, i + 1, end) == 47 and (CLASS[_byte(data, i + 2, end)] & BLANK) != 0
    )
    return slashes and _ends_statement(last)


@inner()
def _ends_statement(b):
    return b == 59 or b == 123 or b == 125 or b == 41 or b == 44


@inner()
def _scan_line(data, i, end, block, counts):
    """``(comment, code, block, counts)``: visible bytes of each on one line, and the block that continues after it.

    ``counts``: whether the block is a comment. A triple-quoted text is one when it begins its line (a docstring); ``/*`` also
    begins one after a statement.
    """
    comment = code = 0
    last = np.uint8(10)
    while i < end:
        if block != _NO_BLOCK:
            after = _after_block(data, i, end, block)
            stop = end if after < 0 else after
            visible = _visible(data, i, stop)
            comment, code = (comment + visible, code) if counts else (comment, code + visible)
            block = block if after < 0 else _NO_BLOCK
            i, last = stop, np.uint8(10)
            continue
        b = data[i]
        if CLASS[b] & SIGN:
            opened, width = _block_at(data, i, end)
            first = comment + code == 0
            if opened != _NO_BLOCK and (opened != _SLASH_STAR or first or _ends_statement(last)):
                block, counts = opened, first or opened == _SLASH_STAR
                comment, code = (comment + width, code) if counts else (comment, code + width)
                i += width
                continue
            if _is_line_comment(data, i, end) if first else _is_end_comment(data, i, end, last):
                return comment + _visible(data, i, end), code, block, counts
        if not CLASS[b] & BLANK:
            code += 1
            last = b
        i += 1
    return comment, code, block, counts


@njit()
def comments(data, start, end):
    """``(comment, header_end)``: visible bytes in comments, and bytes before the code that follows the first comment.

    Up to MAX_BEFORE_HEADER bytes of code may precede the comment: ``<?php``, ``"use strict"``, an include guard.
    """
    total, before, header_end = 0, 0, -1
    block, counts = _NO_BLOCK, False
    i = start
    while i < end:
        line_end = i
        while line_end < end and data[line_end] != 10:
            line_end += 1
        comment, code, block, counts = _scan_line(data, i, line_end, block, counts)
        before += code
        opens_text = block != _NO_BLOCK and not counts
        if header_end < 0 and code and (total > 0 or before > MAX_BEFORE_HEADER or opens_text):
            header_end = i - start
        total += comment
        i = line_end + 1
    return total, end - start if header_end < 0 else header_end
