"""Normalizes blanks and line ends of a row of UTF-8, the bytes ``data[start:end]``, on the way to ``out``.

``put_collapsed`` has the same result as ``collapse_blanks`` of ``preprocessing.text.blanks``, ``put_code`` as ``end_code``.
Blanks, line feeds and most marks are ASCII, so characters are decoded only where Hangul or drawings count. Indices are
compared with 0, so that the compiler removes the handling of negative ones.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import copy, decode
from preprocessing.kernels.code_lines import is_indented_code, is_session
from preprocessing.kernels.columns import is_aligned
from preprocessing.kernels.compiled import inner
from preprocessing.kernels.fences import fence_end, span_end
from preprocessing.kernels.line_marks import is_blank

_TAB, _FEED, _SPACE = np.uint8(9), np.uint8(10), np.uint8(32)
_PIPE, _PLUS, _DOT, _GREATER, _DRAWING = (
    np.uint8(124),
    np.uint8(43),
    np.uint8(46),
    np.uint8(62),
    np.uint8(0xE2),
)
_TICK, _NONE = np.uint8(96), np.uint8(0)
_BRACE, _TILDE, _CLOSING_BRACE = np.uint8(123), np.uint8(126), np.uint8(125)
_ONE = np.uint64(1)
_STRETCH = 32  # bytes that are checked together


@inner()
def _is_ordinary(b, following, stop):
    """Whether a byte stays: visible and not ``stop``, a single blank, or the end of a line before one that begins with text.

    An expression without branches, so that it vectorizes.
    """
    begins_text = (
        (following > _SPACE)
        & (following != _PIPE)
        & (following != _PLUS)
        & (following != _DOT)
        & (following != _GREATER)
        & (following != _DRAWING)
    )
    return (
        ((b > _SPACE) & (b != stop))
        | ((b == _SPACE) & (following > _SPACE))
        | ((b == _FEED) & begins_text & (stop == _NONE))
    )


@inner()
def _are_ordinary(data, start, stop):
    """``_is_ordinary`` of all bytes of a stretch, whose constant length lets the loop vectorize."""
    other = False
    for i in range(np.uint64(start), np.uint64(start) + np.uint64(_STRETCH)):
        other |= not _is_ordinary(data[i], data[i + _ONE], stop)
    return not other


@inner()
def _after_ordinary(data, i, end, stop):
    """The first byte from ``i`` that is not ordinary; ``end`` without one. The last byte before ``end`` is visible."""
    while 0 <= i < end - _STRETCH and _are_ordinary(data, i, stop):
        i += _STRETCH
    while 0 <= i < end - 1 and _is_ordinary(data[i], data[i + 1], stop):
        i += 1
    return i + 1 if i == end - 1 and data[i] != stop else i


@inner()
def put_collapsed(data, start, end, fenced, places, out, at):
    """Writes the row at ``out[at]`` with its blanks collapsed; returns its end and whether anything changed.

    ``fenced``: the marks of its fences, of ``fences``; with any, code spans are searched, too; ``places``: scratch of ``is_aligned``.
    """
    first, last = _strip(data, start, end)
    begin = _begin_of_code(data, start, first, last)
    i, feeds, blanks = first, 0, 0
    line, opening, changed = True, fenced, last - begin < end - start
    drawn = False  # in a drawn table
    row_at, literal = at, first  # where the row is written; the end of a template literal
    row, known, checked = first, first, np.int64(-1)  # the line of ``known``; the line that is not aligned
    stop = _TICK if fenced else _NONE
    if begin < first:
        i, line = _line_end(data, first, last), False
        at = copy(data, begin, i, out, at)
    while 0 <= i < last:
        if not line and feeds + blanks == 0 and not drawn:
            following = _after_ordinary(data, i, last, stop)
            at = copy(data, i, following, out, at)
            i = following
            if i == last:
                break
        if line and opening:
            fence, opening = fence_end(data, i, last, opening)
            if fence > i:
                changed |= feeds > 2
                at, trimmed = _put_fence(data, i, fence, out, _put_feeds(feeds, out, at))
                changed |= trimmed
                i, feeds, blanks, line, drawn = fence, 0, 0, False, False
                continue
        c = data[i]
        line = c == _FEED
        if line:
            changed |= blanks > 0
            feeds += 1
            blanks = 0
            i += 1
            continue
        if is_blank(c):
            blanks += 1
            i += 1
            continue
        begins = feeds > 0 or i == first
        if begins:
            drawn = _is_drawn(data, i, last, feeds, drawn)
            if feeds and at - row_at >= 2 and out[at - 1] == _TICK and out[at - 2] == _BRACE:
                literal = max(literal, _literal_end(data, i, last))
        following = i + 1
        if feeds:
            changed |= feeds > 2
            at = copy(data, i - blanks, i, out, _put_feeds(feeds, out, at))
        elif blanks:
            if blanks > 1 or data[i - 1] == _TAB:
                row = _line_begin(data, known, i, row)
                known = i
                if row != checked and is_aligned(data, row, begin, last, places):
                    following = _line_end(data, i, last)
                    at = copy(data, i - blanks, following, out, at)
                    i, blanks = following, 0
                    continue
                checked = row
                changed = True
            out[at] = _SPACE
            at += 1
        if begins and (
            i < literal
            or (drawn and c == _PIPE)
            or is_indented_code(data, i - blanks, i, last)
            or _is_preformatted(data, i, last)
        ):
            following = _line_end(data, i, last)
        elif begins and c == _GREATER:
            following = _after_quotation_marks(data, i, last)
        elif c == stop:
            following = span_end(data, i, last, data[i - 1] if i > first else _NONE)
        feeds = blanks = 0
        at = copy(data, i, following, out, at)
        i = following
    return at, changed


@inner()
def _literal_end(data, i, end):
    """Where a template literal (``{`text`}`` of MDX) ends in whose second line ``i`` is; ``i`` if it is none."""
    j = i
    while 0 <= j < end and data[j] != _TICK and data[j] != _TILDE:
        j += 1
    return j + 1 if j + 1 < end and data[j] == _TICK and data[j + 1] == _CLOSING_BRACE else i


@inner()
def _line_begin(data, known, i, row):
    """Where the line of ``i`` begins; ``row``: where that of ``known``, an earlier place, begins."""
    j = i
    while j > known and data[j - 1] != _FEED:
        j -= 1
    return j if j > known else row


@inner()
def _is_drawn(data, i, end, feeds, drawn):
    """Whether a line that begins at ``i`` belongs to a table that began with a rule such as +---+."""
    if data[i] == _PLUS:
        following = data[i + 1] if i + 1 < end else _NONE
        return following == ord("-") or following == ord("=") or (drawn and feeds == 1)
    return drawn and feeds == 1 and data[i] == _PIPE


@inner()
def _is_preformatted(data, i, end):
    """Whether a line that begins at ``i`` is of a Python session, of a drawing, or indented code in a quotation."""
    c = data[i]
    if is_session(data, i, end):
        return True
    if c != _GREATER:
        return c == _DRAWING and 0x2500 <= decode(data, i)[0] <= 0x257F
    j = i + 1
    while j < end and (data[j] == c or (data[j] == _SPACE and j + 1 < end and data[j + 1] == c)):
        j += 1
    if j >= end or data[j] != _SPACE:
        return False
    j += 1
    code = j
    while code < end and is_blank(data[code]):
        code += 1
    return code < end and data[code] != _FEED and is_indented_code(data, j, code, end)


@inner()
def _after_quotation_marks(data, i, end):
    """The first byte behind the marks of quotations that begin a line at ``i``, and behind the indentation of its text."""
    j = last = i
    while 0 <= j < end and (data[j] == _GREATER or is_blank(data[j])):
        j += 1
        if data[j - 1] == _GREATER:
            last = j
    return j if j < end and data[j] != _FEED else last


@inner()
def _line_end(data, i, end):
    """The end of a line without its trailing blanks."""
    j = last = i
    while 0 <= j < end and data[j] != _FEED:
        j += 1
        if not is_blank(data[j - 1]):
            last = j
    return last


@inner()
def _strip(data, start, end):
    """``(start, end)`` of the row without leading and trailing blanks and line feeds."""
    while end > start and (is_blank(data[end - 1]) or data[end - 1] == _FEED):
        end -= 1
    while start < end and (is_blank(data[start]) or data[start] == _FEED):
        start += 1
    return start, end


@inner()
def _begin_of_code(data, start, first, last):
    """Where the first line begins if it is indented code, with an empty or indented line below, otherwise ``first``."""
    begin = first
    while begin > start and data[begin - 1] != _FEED:
        begin -= 1
    if first == last or data[first] == _TICK or not is_indented_code(data, begin, first, last):
        return first
    i = _line_end(data, first, last)
    while i < last and data[i] != _FEED:
        i += 1
    if i == last:
        return first
    below = i + 1
    i = below
    while i < last and is_blank(data[i]):
        i += 1
    return begin if data[i] == _FEED or i - below >= 4 or (i > below and data[i - 1] == _TAB) else first


@inner()
def _put_feeds(feeds, out, at):
    for _ in range(min(feeds, 2)):
        out[at] = _FEED
        at += 1
    return at


@inner()
def _put_fence(data, start, end, out, at):
    """Writes fenced code without trailing blanks; also returns whether it had any."""
    blanks, changed = 0, False
    for i in range(start, end):
        b = data[i]
        if is_blank(b):
            blanks += 1
            continue
        changed |= b == _FEED and blanks > 0
        at = copy(data, i if b == _FEED else i - blanks, i + 1, out, at)
        blanks = 0
    return at, changed or blanks > 0


@inner()
def put_code(data, start, end, out, at):
    """Writes the row without empty lines around it and with one line feed at its end; also returns whether anything changed."""
    first, last = start, end
    while last > first and data[last - 1] == _FEED:
        last -= 1
    while first < last and data[first] == _FEED:
        first += 1
    if first == last:
        return at, start < end
    at = copy(data, first, last, out, at)
    out[at] = _FEED
    return at + 1, first > start or last != end - 1
