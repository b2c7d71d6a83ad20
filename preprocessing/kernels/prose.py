"""Copies the text of lines that count, without marks of structure, code spans, tags and targets of links, in UTF-8.

Owns the text that the measures of prose read; ``kernels.structure`` classifies the lines.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import copy
from preprocessing.kernels.compiled import inner, njit
from preprocessing.kernels.line_marks import (
    BULLET,
    COLON,
    address_end,
    after_marks,
    is_digit,
    is_letter,
    link_at,
    scheme_before,
)
from preprocessing.kernels.skipped_markup import BACKTICK, LESS, after_skipped
from preprocessing.kernels.structure import BLANK, HEADING, LINK, NUMBER, OUTWARD, PROSE, TABLE

_TAB, _FEED, _SPACE = np.uint8(9), np.uint8(10), np.uint8(32)
_STAR, _OPEN, _PIPE, _HASH, _BANG = 42, 91, 124, 35, 33
_SLASH, _GREATER, _DASH, _PLUS, _BULLET_BYTE, _BULLET_END = 47, 62, 45, 43, 0xE2, 0xA2
_ONE = np.uint64(1)
_STRETCH = 64  # bytes that are checked together
_ORDINARY = np.ones(256, np.bool_)  # bytes that begin nothing that is left out
_ORDINARY[[BACKTICK, LESS, _STAR, _OPEN, _BANG, COLON]] = False


@inner()
def _role_before(data, start, i):
    """The begin of the role of reStructuredText before the code span at ``i``, as in :ref:`a`; ``i`` without one."""
    role = i
    j = i - 2
    if j < start or data[i - 1] != COLON:
        return role
    while j >= start and (is_letter(data[j]) or data[j] == COLON or data[j] == 43 or 45 <= data[j] <= 46):
        if data[j] == COLON:
            role = j
        j -= 1
    return role


@inner()
def _copy_line(data, i, end, out, size):
    """Appends the text of a line of prose, a heading, a row of a table or a link to ``out``; returns the new size."""
    label_end = link_end = np.int64(-1)
    solid = i  # from here to i, all bytes were copied
    while i < end:
        if i == label_end:
            solid = i = link_end
            continue
        limit = label_end if label_end > i else end
        run = i
        while 0 <= i < limit and _ORDINARY[data[i]]:
            out[np.uint64(size)] = data[i]
            size += 1
            i += 1
        if i >= limit:
            continue
        b = data[i]
        after = i
        if b in (BACKTICK, LESS):
            after = after_skipped(data, i, end)
            if after > i and b == BACKTICK:
                size -= i - _role_before(data, solid, i)
        elif b == COLON:
            scheme = scheme_before(data, run, i)
            if scheme:
                after = max(address_end(data, i - scheme, end), i)
                size -= scheme if after > i else 0
        elif b == _STAR and i + 1 < end and data[i + 1] == _STAR:
            after = i + 2
        elif (b == _OPEN or (b == _BANG and i + 1 < end and data[i + 1] == _OPEN)) and i > link_end:
            opening = i if b == _OPEN else i + 1
            new_label_end, new_link_end = link_at(data, opening, end)
            if new_link_end > opening:
                label_end, link_end = new_label_end, new_link_end
                after = opening + 1
        if after > i:
            solid = i = after
            continue
        out[size] = b
        size += 1
        i += 1
    return size


@inner()
def _may_be_left_out(b, following):
    """Whether a byte may begin what ``_copy_line`` leaves out; an expression without branches, so that it vectorizes."""
    return (
        (b == BACKTICK)
        | (b == LESS)
        | (b == _OPEN)
        | ((b == _STAR) & (following == _STAR))
        | ((b == COLON) & (following == _SLASH))
        | ((b == _BANG) & (following == _OPEN))
    )


@inner()
def _is_plain(data, start):
    """Whether nothing is left out of a stretch, whose constant length lets the loop vectorize."""
    other = False
    for i in range(np.uint64(start), np.uint64(start) + np.uint64(_STRETCH)):
        other |= _may_be_left_out(data[i], data[i + _ONE])
    return not other


@inner()
def _begins_text(data, i, end):
    """Whether a line is empty, or begins neither with a blank nor with a mark of a list or a quotation."""
    if i >= end:
        return True
    b = data[i]
    if b == _BULLET_BYTE:
        return i + 2 < end and data[i + 2] != _BULLET_END
    return b > _SPACE and b not in (_GREATER, _DASH, _STAR, _PLUS) and not is_digit(b)


@inner()
def _copy_plain_lines(data, start, end, out, size):
    """Appends lines of prose without marks, ``data[start:end]``, like ``_copy_line``; returns the new size."""
    i = start
    while 0 <= i < end:
        plain = i
        while plain < end - _STRETCH and _is_plain(data, plain):
            plain += _STRETCH
        size = copy(data, i, plain, out, size)
        i = plain
        stop = min(i + _STRETCH, end)
        while 0 <= i < stop and not _may_be_left_out(data[i], data[i + 1] if i + 1 < end else _FEED):
            out[np.uint64(size)] = data[i]
            size += 1
            i += 1
        if i == stop:
            continue
        begin = line_end = i
        while begin > start and data[begin - 1] != _FEED:
            begin -= 1
        while line_end < end and data[line_end] != _FEED:
            line_end += 1
        size = _copy_line(data, begin, line_end, out, size - (i - begin))
        i = line_end
    return size


@njit()
def count_lines(first, kinds, flags):
    """``[rows, 3] int32``: lines of text (``PROSE`` to ``LINK``), of links to other sites, and of numbers."""
    counts = np.zeros((len(first) - 1, 3), np.int32)
    for r in range(len(first) - 1):
        for line in range(first[r], first[r + 1]):
            counts[r, 0] += PROSE <= kinds[line] <= LINK
            counts[r, 1] += flags[line] == OUTWARD
            counts[r, 2] += flags[line] == NUMBER
    return counts


@njit()
def copy_lines(data, offsets, lines, chosen, counted, stripped):
    """``(bytes: uint8, starts: [chosen + 1] int64, bullets: [chosen])`` of the lines whose kind is ``counted``.

    ``lines``: ``first``, ``ends`` and ``kinds`` of ``structure.line_kinds``; ``chosen``: rows; ``counted: [chosen, KINDS] bool``;
    ``stripped: [chosen] bool``: without marks. Between cells of tables a tab remains. A blank
    line after a line that is left out is left out, too.
    """
    first, ends, kinds = lines
    rows = len(chosen)
    total = np.int64(rows)
    for r in chosen:
        total += offsets[r + 1] - offsets[r]
    out = np.empty(total, np.uint8)
    starts = np.zeros(rows + 1, np.int64)
    bullets = np.zeros(rows, np.int64)
    size = 0
    for n in range(rows):
        r = chosen[n]
        start, left_out = offsets[r], False
        waiting = start  # from here to start, there are lines without marks that were not copied yet
        for line in range(first[r], first[r + 1]):
            kind, end = kinds[line], ends[line]
            if (kind == BLANK and not left_out) or (
                kind == PROSE and stripped[n] and _begins_text(data, start, end)
            ):
                left_out = False
                start = end + 1
                continue
            size = _copy_plain_lines(data, waiting, start, out, size)
            waiting = end + 1
            if not counted[n, kind] or (kind == BLANK and left_out):
                left_out = True
                start = end + 1
                continue
            left_out = False
            begin, at = start, size
            if stripped[n] and PROSE <= kind <= LINK:
                while begin < end and data[begin] <= _SPACE:
                    begin += 1
                if kind == HEADING:
                    while begin < end and (data[begin] == _HASH or data[begin] <= _SPACE):
                        begin += 1
                elif kind != TABLE:
                    begin, mark = after_marks(data, begin, end)
                    bullets[n] += mark == BULLET
                size = _copy_line(data, begin, end, out, size)
                if kind == TABLE:
                    for k in range(at, size):
                        if out[k] == _PIPE:
                            out[k] = _TAB
            else:
                out[size : size + end - begin] = data[begin:end]
                size += end - begin
            if line + 1 < first[r + 1]:
                out[size] = _FEED
                size += 1
            start = end + 1
        size = _copy_plain_lines(data, waiting, min(start, offsets[r + 1]), out, size)
        starts[n + 1] = size
    return out[:size], starts, bullets
