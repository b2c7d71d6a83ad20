"""Finds lines with aligned columns in a row of UTF-8, like ``preprocessing.text.columns``."""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import decode
from preprocessing.kernels.compiled import inner
from preprocessing.kernels.line_marks import is_blank

_TAB, _FEED, _SPACE = np.uint8(9), np.uint8(10), np.uint8(32)
MAX_COLUMNS = 32
_MARK_CHARACTERS = 4


@inner()
def is_aligned(data, line, start, end, places):
    """Whether the line at ``line`` is aligned with the line above or below; the row is ``data[start:end]``.

    ``places: [6, MAX_COLUMNS] int64`` is overwritten.
    """
    own, other = places[:3], places[3:]
    line_end, _ = _look_for_gaps(data, line, end)
    above = below = line
    has_above = has_below = False
    if line > start:
        above = line - 1
        while above > start and data[above - 1] != _FEED:
            above -= 1
        _, has_above = _look_for_gaps(data, above, line - 1)
    if line_end < end:
        below, has_below = _look_for_gaps(data, line_end + 1, end)
    if not (has_above or has_below):
        return False
    count, tabs = _columns_of(data, line, line_end, own)
    if count + tabs == 0:
        return False
    if has_above:
        others, their_tabs = _columns_of(data, above, line - 1, other)
        if _are_aligned(own, count, tabs, other, others, their_tabs):
            return True
    if not has_below:
        return False
    others, their_tabs = _columns_of(data, line_end + 1, below, other)
    return _are_aligned(own, count, tabs, other, others, their_tabs)


@inner()
def _are_aligned(one, count, tabs, other, others, their_tabs):
    """Whether enough columns of each line begin or end where one of the other line does."""
    shared = back = 0
    for i in range(count):
        shared += _occurs(one, i, other, others)
    for i in range(others):
        back += _occurs(other, i, one, count)
    fewer = min(count, others)
    return (fewer > 0 and 2 * min(shared, back) >= fewer) or 0 < tabs == their_tabs


@inner()
def _occurs(one, i, other, others):
    found = False
    for j in range(others):
        found |= one[0, i] == other[0, j]
        found |= one[1, i] == other[1, j] and one[2, i] + other[2, j] > 0
    return found


@inner()
def _columns_of(data, i, end, columns):
    """``(count, tabs)`` of the line ``data[i:end]``; ``columns`` takes where columns begin and end, and whether with a number."""
    count = place = last = blanks = tabs = all_tabs = visible = ticks = 0
    before = np.int64(0)
    inside = excluded = False
    while 0 <= i < end:
        c, step = decode(data, i)
        i += step
        if is_blank(c):
            blanks += 1
            tabs += c == _TAB
            place += 1
            continue
        ticks = ticks + 1 if c == ord("`") and blanks == 0 else np.int64(c == ord("`"))
        excluded |= c == ord("|") or ticks == 3
        if visible and blanks and not _is_mark(visible, before):
            if tabs:
                all_tabs += 1
            elif blanks > 1:
                if inside:
                    columns[1, count - 1] = last
                inside = False
                if before not in (ord("."), ord("!"), ord("?")) and count < MAX_COLUMNS:
                    columns[0, count] = place
                    columns[2, count] = ord("0") <= c <= ord("9") or c in (ord("-"), ord("+"), ord("$"))
                    count += 1
                    inside = True
        blanks = tabs = 0
        before = c
        visible += 1
        place += 2 if _is_wide(c) else 1
        last = place
    if inside:
        columns[1, count - 1] = last
    return (0, 0) if excluded else (count, all_tabs)


@inner()
def _look_for_gaps(data, i, end):
    """``(end of the line, has_gaps)``: whether the line has a tab or two blanks in a row."""
    gaps, before = False, _FEED
    while 0 <= i < end and data[i] != _FEED:
        b = data[i]
        gaps |= (b == _TAB) | ((b == _SPACE) & (before == _SPACE))
        before = b
        i += 1
    return i, gaps


@inner()
def _is_mark(visible, before):
    """Whether the characters so far are the mark of a list item, a quotation or a heading; letters and digits are none."""
    if visible == 1:
        return (
            before < 128
            and not (
                ord("0") <= before <= ord("9")
                or ord("A") <= before <= ord("Z")
                or ord("a") <= before <= ord("z")
            )
            or 0x2010 <= before <= 0x2BFF
            or before in (0xB7, 0x30FB)
        )
    return visible <= _MARK_CHARACTERS and before in (ord("."), ord(")"))


@inner()
def _is_wide(c):
    return (
        0x1100 <= c <= 0x115F
        or 0x2E80 <= c <= 0xD7A3
        or 0xF900 <= c <= 0xFAFF
        or 0xFF01 <= c <= 0xFF60
        or c >= 0x1F300
    )
