"""Finds lines of code without a fence in a row of UTF-8, whose blanks and runs of signs stay, like ``text.code_lines``."""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import decode
from preprocessing.kernels.compiled import inner
from preprocessing.kernels.line_marks import is_blank
from preprocessing.kernels.normalize_classes import LONGEST_CODE_LINE

_TAB, _FEED, _SPACE, _DOT, _GREATER = np.array([9, 10, 32, 46, 62], np.uint8)


@inner()
def is_indented_code(data, start, i, end):
    """Whether a line with the indentation ``start:i`` is indented code: four columns, and not mostly Hangul."""
    if not _is_indented(data, start, i):
        return False
    hangul, visible = 0, 0
    while 0 <= i < end and data[i] != _FEED:
        c, step = decode(data, i)
        hangul += 0xAC00 <= c <= 0xD7A3
        visible += not is_blank(c)
        i += step
    return 2 * hangul <= visible


@inner()
def _is_indented(data, start, i):
    """Whether the blanks ``start:i`` have four columns or a tab."""
    return i - start >= 4 or (
        i > start and (data[i - 1] == _TAB or data[start] == _TAB or data[start + 1] == _TAB)
    )


@inner()
def is_session(data, i, end):
    """Whether a line that begins at ``i`` is of a Python session."""
    c = data[i]
    if i + 3 >= end or (c != _GREATER and c != _DOT):
        return False
    marked = (data[i + 1] == c) & (data[i + 2] == c) & (data[i + 3] == _SPACE)
    if c == _GREATER:
        return marked
    return i + 5 < end and marked & (data[i + 4] == _SPACE) & (data[i + 5] == _SPACE)


@inner()
def is_in_code(data, i, row):
    """Whether the line of ``i`` is indented with more Latin letters than Hangul or none of both.

    ``row``: where the row begins, without blanks before it, and ends. Its first line is not indented, and a line of more
    than LONGEST_CODE_LINE characters is no code.
    """
    start, end = row
    begin, length = i, 0
    while begin > start and data[begin - 1] != _FEED and length <= LONGEST_CODE_LINE:
        begin -= 1
        length += _begins_character(data[begin])
    if length > LONGEST_CODE_LINE:
        return False
    first = begin
    while first < i and is_blank(data[first]):
        first += 1
    if begin == start or not _is_indented(data, begin, first):
        return False
    letters, hangul, others, length = 0, 0, 0, first - begin
    while 0 <= first < end and data[first] != _FEED and length <= LONGEST_CODE_LINE:
        c, step = decode(data, first)
        letters += 97 <= (c | 32) <= 122
        hangul += 0xAC00 <= c <= 0xD7A3 or 0x3131 <= c <= 0x318E
        others += c > 127
        length += 1
        first += step
    return length <= LONGEST_CODE_LINE and (letters > hangul or others == 0)


@inner()
def _begins_character(b):
    return b & np.uint8(0xC0) != 0x80
