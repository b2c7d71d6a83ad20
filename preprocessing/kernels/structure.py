"""Distinguishes the lines of documents: prose, headings, rows of tables, links, markup and code, in UTF-8.

Owns where each kind begins and ends; ``kernels.prose`` copies the lines that count. ``preprocessing.judging.prose`` has the
same definitions in plain Python.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.compiled import inner, njit
from preprocessing.kernels.skipped_markup import (
    BACKTICK,
    LESS,
    LONGEST_SKIPPED,
    TILDE,
    after_fence,
    after_skipped,
    run_length,
)  # fmt: skip

BLANK, PROSE, HEADING, TABLE, LINK, MARKUP, CODE = range(7)
KINDS = 7
NO_MARK, BULLET, NUMBERED = range(3)
NUMBER, OUTWARD = 1, 2  # flags of lines: mostly digits; mostly links, to other sites
FRONT_MATTER_LINES = 60
LONGEST_LINK = 1000  # bytes of a label or a target
MIN_CODE_SIGNS = 4
(_VISIBLE, _LETTERS, _DIGITS, _HANGUL, _WIDE, _PIPES, _BRACKETS, _ADDRESSES, _SIGNS, _WORDS, _OTHERS, _DASHES, _STAMPS) = (
    range(13)
)  # fmt: skip
FEATURES = 13
_FEED, _TAB, _SPACE, _GREATER, _HASH, _PIPE = 10, 9, 32, 62, 35, 124
_OPEN, _CLOSE, _OPEN_ROUND, _CLOSE_ROUND = 91, 93, 40, 41


@inner()
def _is_blank(b):
    return b in (_SPACE, _TAB)


@inner()
def is_letter(b):
    return 65 <= b <= 90 or 97 <= b <= 122


@inner()
def is_digit(b):
    return 48 <= b <= 57


@inner()
def _is_rule_sign(b):
    """``- = _ * ~ + | : # < > .`` and the backtick."""
    return (
        b == 45 or b == 61 or b == 95 or b == 42 or b == 126 or b == 43 or b == 124 or b == 58 or b == 35 or b == 60
        or b == 62 or b == 46 or b == 96
    )  # fmt: skip


@inner()
def _sign_weight(b, before):
    """How much a byte after ``before`` suggests code: 2 for = { } and calls, 1 for < > $ \\ & @ | and _ within a name."""
    if b == 61 or b == 123 or b == 125:
        return 2
    named = is_letter(before) or is_digit(before) or before == 95
    if b in (_OPEN_ROUND, _OPEN):
        return 2 if named else 0
    if b == 95:
        return 1 if named else 0
    return 1 if b == 60 or b == 62 or b == 36 or b == 92 or b == 38 or b == 64 or b == 124 else 0


@inner()
def _is_stamp(data, i, start, end):
    """Whether the colon at ``i`` is the first one of a time with seconds: 12:34:56."""
    return (
        i - 2 >= start and i + 6 <= end and data[i + 3] == 58
        and is_digit(data[i - 2]) and is_digit(data[i - 1]) and is_digit(data[i + 1]) and is_digit(data[i + 2])
        and is_digit(data[i + 4]) and is_digit(data[i + 5])
    )  # fmt: skip


@inner()
def _scan(data, start, row_end, f):
    """Writes the features of the line at ``start`` to ``f``; returns ``(begin, end)`` of its text, without blanks before it.

    Local counters stay in registers, and a wide character is one step.
    """
    visible = letters = digits = hangul = wide = pipes = brackets = addresses = signs = words = others = 0
    dashes = stamps = 0
    before = np.int64(_SPACE)
    begin = np.int64(-1)
    i = start
    while 0 <= i < row_end:
        b = np.int64(data[i])
        if b >= 0xE3:
            visible += 1
            others += 1
            wide += b <= 0xED
            hangul += 0xEA <= b <= 0xED
            begin = i if begin < 0 else begin
            before = b
            i += 3 if b < 0xF0 else 4
            continue
        if b <= _SPACE:
            if b == _FEED:
                break
            before = b
        elif b < 0x80 or b >= 0xC0:
            visible += 1
            begin = i if begin < 0 else begin
            if is_letter(b):
                letters += 1
                words += not is_letter(before)
                others += 1
            elif is_digit(b):
                digits += 1
                others += 1
            else:
                signs += _sign_weight(b, before)
                pipes += b == _PIPE
                dashes += b == 45
                brackets += b == _OPEN
                others += not _is_rule_sign(b)
                if b == 58:
                    addresses += i + 2 < row_end and data[i + 1] == 47 and data[i + 2] == 47
                    stamps += _is_stamp(data, i, start, row_end)
            before = b
        i += 1
    signs += 2 * (before == 59)
    f[_VISIBLE], f[_LETTERS], f[_DIGITS], f[_HANGUL], f[_WIDE], f[_PIPES] = (
        visible,
        letters,
        digits,
        hangul,
        wide,
        pipes,
    )
    f[_BRACKETS], f[_ADDRESSES], f[_SIGNS], f[_WORDS] = brackets, addresses, signs, words
    f[_OTHERS], f[_DASHES], f[_STAMPS] = others, dashes, stamps
    return (begin if begin >= 0 else i), i


@inner()
def address_end(data, i, end):
    """The end of the web address that begins at ``i``; ``i`` without one."""
    if i + 8 > end or data[i] != 104 or data[i + 1] != 116 or data[i + 2] != 116 or data[i + 3] != 112:
        return i
    j = i + 5 if data[i + 4] == 115 else i + 4
    if j + 3 > end or data[j] != 58 or data[j + 1] != 47 or data[j + 2] != 47:
        return i
    while j < end:
        b = data[j]
        if b <= _SPACE or b >= 128 or b == 34 or b in (LESS, _GREATER, _CLOSE_ROUND, _CLOSE, BACKTICK):
            break
        j += 1
    return j


@inner()
def _closing(data, i, end, opening, closing):
    """Position of the bracket that closes the one at ``i``, or -1."""
    depth = 0
    for j in range(i, min(end, i + LONGEST_LINK)):
        if data[j] == opening:
            depth += 1
        elif data[j] == closing:
            depth -= 1
            if depth == 0:
                return j
    return -1


@inner()
def link_at(data, i, end):
    """``(label_end, link_end)`` of the Markdown link or reference whose ``[`` is at ``i``; ``(i, i)`` without one."""
    label_end = _closing(data, i, end, _OPEN, _CLOSE)
    if label_end < 0 or label_end + 1 >= end or data[i + 1] == 94:  # "[^1]" is a footnote
        return i, i
    following = data[label_end + 1]
    if following == _OPEN_ROUND:
        last = _closing(data, label_end + 1, end, _OPEN_ROUND, _CLOSE_ROUND)
    elif following == _OPEN:
        last = _closing(data, label_end + 1, end, _OPEN, _CLOSE)
    else:
        last = -1
    return (label_end, last + 1) if last >= 0 else (i, i)


@inner()
def _is_link(data, i, end):
    """Whether links and addresses are twice as long as the rest of a line."""
    linked = others = 0
    while i < end:
        b = data[i]
        after = i
        if b == _OPEN:
            label_end, after = link_at(data, i, end)
        elif b == 104:
            after = address_end(data, i, end)
        if after > i:
            linked += after - i
            i = after
            continue
        others += b > _SPACE and b != _GREATER and b != LESS and b != 33
        i += 1
    return linked > 0 and 2 * others <= linked


@inner()
def after_marks(data, i, end):
    """``(begin, mark)``: where the text of a line begins, after quotation and list marks at ``i``; the list mark: NO_MARK, BULLET or NUMBERED."""
    while i < end and (data[i] == _GREATER or _is_blank(data[i])):
        i += 1
    j = i
    if j < end and (data[j] == 45 or data[j] == 42 or data[j] == 43):
        j += 1
    elif j + 2 < end and data[j] == 0xE2 and data[j + 1] == 0x80 and data[j + 2] == 0xA2:  # •
        j += 3
    else:
        while j < end and is_digit(data[j]) and j < i + 3:
            j += 1
        if j == i or j >= end or (data[j] != 46 and data[j] != _CLOSE_ROUND):
            return i, NO_MARK
        j += 1
    if j >= end or not _is_blank(data[j]):
        return i, NO_MARK
    mark = NUMBERED if is_digit(data[i]) else BULLET
    while j < end and _is_blank(data[j]):
        j += 1
    return j, mark


@inner()
def _is_markup(data, i, end):
    """Whether a line consists of tags, or begins a directive: ``:::``, ``{%``, ``{{``, ``.. name``."""
    a, b = data[i], data[i + 1] if i + 1 < end else np.uint8(0)
    if a == 58 and b == 58 and i + 2 < end and data[i + 2] == 58:
        return True
    if a == 123 and (b == 37 or b == 123):
        return True
    if a == 46 and b == 46 and i + 3 < end and data[i + 2] == _SPACE:
        return is_letter(data[i + 3]) or data[i + 3] == 95 or data[i + 3] == _OPEN or data[i + 3] == _PIPE
    if a != LESS:
        return False
    while i < end:
        if _is_blank(data[i]):
            i += 1
            continue
        if data[i] != LESS:
            return False
        after = after_skipped(data, i, end)
        if after == i or address_end(data, i + 1, end) > i + 1:
            return False
        i = after
    return True


@inner()
def _front_matter_end(data, start, end):
    """The end of the last line of the front matter with which a document begins; ``start`` without one."""
    i, lines, colon = start, 0, False
    while i < end and lines < FRONT_MATTER_LINES:
        j = i
        while j < end and data[j] != _FEED:
            colon |= lines == 1 and data[j] == 58
            j += 1
        dashes = j - i >= 3 and data[i] == 45 and data[i + 1] == 45 and data[i + 2] == 45
        for k in range(i + 3, j):
            dashes &= _is_blank(data[k])
        if lines == 0 and not dashes:
            return start
        if lines == 1 and not colon:
            return start
        if lines > 1 and dashes:
            return j
        i = j + 1
        lines += 1
    return start


@inner()
def _is_heading(data, i, end):
    marks = run_length(data, i, end)
    return data[i] == _HASH and marks <= 6 and i + marks < end and _is_blank(data[i + marks])


@inner()
def _kind_of(data, start, begin, end, row_end, previous, state, f):
    """Kind of a visible line outside of fences and front matter. ``state``: in a list, in a table, lengths of unclosed fences."""
    first = data[begin]
    if first in (BACKTICK, TILDE):
        length, of = run_length(data, begin, end), 2 if first == BACKTICK else 3
        if length >= state[of]:
            return MARKUP, start
        if length >= 3:
            after, weight = after_fence(data, begin, row_end)
            if after > begin:
                return CODE, after
            if weight < 0:
                state[of] = length
                return MARKUP, start
    if f[_OTHERS] == 0:
        if f[_PIPES] > 0 and f[_DASHES] > 0:
            state[1] = 1
        return MARKUP, start
    if f[_PIPES] > 0 and ((first == _PIPE and f[_PIPES] > 1) or state[1]):
        state[1] = 1
        return TABLE, start
    state[1] = 0
    if _is_heading(data, begin, end):
        return HEADING, start
    text, mark = after_marks(data, begin, end)
    indent = 0
    for k in range(start, begin):
        indent += 4 if data[k] == _TAB else 1
    if mark:
        state[0] = 1
    elif indent == 0 and previous == BLANK:
        state[0] = 0
    if indent >= 4 and not mark and not state[0] and f[_WIDE] == 0 and (previous in (BLANK, CODE)):
        return CODE, start
    if text < end and _is_markup(data, text, end):
        return MARKUP, start
    if (f[_BRACKETS] or f[_ADDRESSES]) and _is_link(data, text, end):
        return LINK, start
    if f[_WIDE] == 0 and f[_SIGNS] >= MIN_CODE_SIGNS and 2 * f[_SIGNS] >= f[_WORDS]:
        return CODE, start
    return PROSE, start


@inner()
def _is_number(f):
    """Whether a line has at least as many digits as letters, or a time with seconds and at least as many digits as syllables."""
    letters = f[_LETTERS] + f[_WIDE]
    return f[_DIGITS] > 0 and (f[_DIGITS] >= letters or (f[_STAMPS] > 0 and f[_DIGITS] >= f[_HANGUL]))


@njit()
def line_kinds(data, offsets):
    """``(first: [rows + 1], ends, kinds: uint8, flags: uint8, visible: [rows, KINDS])`` of all lines of a UTF-8 column.

    The lines of row ``r`` are ``first[r]`` to ``first[r + 1]``; ``visible`` counts visible characters by kind of line.
    """
    rows = len(offsets) - 1
    total = rows
    for i in range(offsets[0], offsets[rows]):
        total += data[i] == _FEED
    first = np.zeros(rows + 1, np.int64)
    ends = np.empty(total, np.int64)
    kinds = np.zeros(total, np.uint8)
    flags = np.zeros(total, np.uint8)
    visible = np.zeros((rows, KINDS), np.int64)
    f, state = np.zeros(FEATURES, np.int64), np.zeros(4, np.int64)
    line = 0
    for r in range(rows):
        row_end = offsets[r + 1]
        state[0], state[1], state[2], state[3] = 0, 0, LONGEST_SKIPPED, LONGEST_SKIPPED
        front_end = _front_matter_end(data, offsets[r], row_end)
        code_end = start = offsets[r]
        previous, piped, last_visible = BLANK, False, 0
        while start <= row_end:
            begin, end = _scan(data, start, row_end, f)
            if start < code_end:
                kind = CODE
            elif start < front_end:
                kind = MARKUP
            elif f[_VISIBLE] == 0:
                kind, state[1] = BLANK, 0
            else:
                in_table = state[1]
                kind, after = _kind_of(data, start, begin, end, row_end, previous, state, f)
                code_end = max(code_end, after)
                if state[1] and not in_table and kind == MARKUP and piped and (previous in (PROSE, LINK)):
                    kinds[line - 1] = TABLE
                    visible[r, previous] -= last_visible
                    visible[r, TABLE] += last_visible
            ends[line], kinds[line] = end, kind
            flags[line] = NUMBER if PROSE <= kind <= TABLE and _is_number(f) else 0
            if kind == LINK and f[_ADDRESSES]:
                flags[line] = OUTWARD
            visible[r, kind] += f[_VISIBLE]
            last_visible, piped, previous = f[_VISIBLE], f[_PIPES] > 0, kind
            line += 1
            start = end + 1
        first[r + 1] = line
    return first, ends, kinds, flags, visible
