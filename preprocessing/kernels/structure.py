"""Distinguishes the lines of documents: prose, headings, rows of tables, links, markup and code, in UTF-8; ``listings``
finds lines of prose that are code without fences.

Owns the kinds and the state that a line inherits: fences, front matter, lists and tables. ``line_features`` and ``line_marks``
read a line alone; ``kernels.prose`` copies the lines that count. ``preprocessing.judging.line_kinds`` has the same definitions
in plain Python.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.compiled import inner, njit
from preprocessing.kernels.line_features import (
    A_COLON,
    BRACKET,
    COMMENT,
    DASH,
    FEATURES,
    HANGUL,
    LETTERS,
    OTHERS,
    PIPE,
    SEEN,
    SLASH,
    VISIBLE,
    WIDE,
    has_second_pipe,
    is_code,
    is_number,
    scan,
)
from preprocessing.kernels.line_marks import (
    after_marks,
    has_address,
    heading_level,
    is_blank,
    is_link,
    is_markup,
)
from preprocessing.kernels.listings import MIN_LINES, SENTENCE
from preprocessing.kernels.skipped_markup import (
    BACKTICK,
    LONGEST_SKIPPED,
    TILDE,
    after_fence,
    run_length,
)

BLANK, PROSE, HEADING, TABLE, LINK, MARKUP, CODE, LISTING = range(8)
KINDS = 8
NUMBER, OUTWARD = 1, 2  # flags of lines: mostly digits; mostly links, to other sites
FRONT_MATTER_LINES = 60
_FEED, _TAB, _PIPE, _LESS, _BRACE, _BRACE_END = 10, 9, 124, 60, 123, 125


@inner()
def _front_matter_end(data, start, end):
    """The end of the last line of the front matter with which a document begins; ``start`` without one."""
    if start + 3 > end or data[start] != 45 or data[start + 1] != 45 or data[start + 2] != 45:
        return start
    i, lines, colon = start, 0, False
    while i < end and lines < FRONT_MATTER_LINES:
        j = i
        while j < end and data[j] != _FEED:
            colon |= lines == 1 and data[j] == 58
            j += 1
        dashes = j - i >= 3 and data[i] == 45 and data[i + 1] == 45 and data[i + 2] == 45
        for k in range(i + 3, j):
            dashes &= is_blank(data[k])
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
def _after_template(data, begin, end, row_end, state):
    """The end of the template of a component that the line opens, ``<Name>{`` and a backtick; ``begin`` without one."""
    last = end - 1
    while last > begin and data[last] <= 32:
        last -= 1
    if not (last - begin >= 3 and data[last] == BACKTICK and data[last - 1] == _BRACE):
        return begin
    if not 65 <= data[begin + 1] <= 90:
        return begin
    i = end
    while 0 <= i < row_end:
        i += 1
        while i < row_end and data[i] <= 32 and data[i] != _FEED:
            i += 1
        closes = i + 1 < row_end and data[i] == BACKTICK and data[i + 1] == _BRACE_END
        while i < row_end and data[i] != _FEED:
            i += 1
        if closes:
            return i
    state[4] = 0
    return begin


@inner()
def _kind_of(data, start, begin, end, row_end, previous, state, f):
    """Kind of a visible line outside of fences and front matter. ``state``: in a list, in a table, lengths of unclosed fences, templates may close."""
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
    if first == _LESS and state[4]:
        after = _after_template(data, begin, end, row_end, state)
        if after > begin:
            return CODE, after
    seen = f[SEEN]
    if f[OTHERS] == 0:
        if seen & PIPE and seen & DASH:
            state[1] = 1
        return MARKUP, start
    if seen & PIPE and (state[1] or (first == _PIPE and has_second_pipe(data, begin, end))):
        state[1] = 1
        return TABLE, start
    state[1] = 0
    if heading_level(data, begin, end):
        return HEADING, start
    text, mark = after_marks(data, begin, end)
    indent = 0
    for k in range(start, begin):
        indent += 4 if data[k] == _TAB else 1
    if mark:
        state[0] = 1
    elif indent == 0 and previous == BLANK:
        state[0] = 0
    if indent >= 4 and not mark and not state[0] and f[WIDE] == 0 and (previous in (BLANK, HEADING, CODE)):
        return CODE, start
    if text < end and is_markup(data, text, end):
        return MARKUP, start
    linked = seen & BRACKET or (seen & A_COLON and seen & SLASH and has_address(data, text, end))
    if linked and is_link(data, text, end):
        return LINK, start
    return CODE if is_code(data, begin, end, f) else PROSE, start


@njit()
def line_kinds(data, offsets):
    """``(first: [rows + 1], ends, kinds: uint8, flags: uint8, visible: [rows, KINDS], may_list: [rows] bool)`` of a UTF-8 column.

    The lines of row ``r`` are ``first[r]`` to ``first[r + 1]``; ``visible`` counts visible characters by kind of line. Rows
    without ``may_list`` have no listing; no line has the kind LISTING yet.
    """
    rows = len(offsets) - 1
    total = rows
    for i in range(np.uint64(offsets[0]), np.uint64(offsets[rows])):
        total += data[i] == _FEED
    first = np.zeros(rows + 1, np.int64)
    ends = np.empty(total, np.int64)
    kinds = np.zeros(total, np.uint8)
    flags = np.zeros(total, np.uint8)
    visible = np.zeros((rows, KINDS), np.int64)
    may_list = np.zeros(rows, np.bool_)
    f, state = np.zeros(FEATURES, np.int64), np.zeros(5, np.int64)
    line = 0
    for r in range(rows):
        row_end = offsets[r + 1]
        state[0], state[1], state[2], state[3], state[4] = 0, 0, LONGEST_SKIPPED, LONGEST_SKIPPED, 1
        front_end = _front_matter_end(data, offsets[r], row_end)
        code_end = start = offsets[r]
        previous, piped, last_visible = BLANK, False, 0
        latin_lines, run, longest_run, is_korean = 0, 0, 0, False
        while start <= row_end:
            begin, end = scan(data, start, row_end, f)
            latin_lines += f[LETTERS] > 0 and f[LETTERS] >= f[WIDE]
            is_korean |= f[HANGUL] >= SENTENCE
            if f[VISIBLE]:
                run = run + 1 if f[WIDE] == 0 or (f[LETTERS] and f[SEEN] & COMMENT) else 0
                longest_run = max(longest_run, run)
            if start < code_end:
                kind = CODE
            elif start < front_end:
                kind = MARKUP
            elif f[VISIBLE] == 0:
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
            flags[line] = NUMBER if PROSE <= kind <= TABLE and is_number(data, begin, end, f) else 0
            if kind == LINK and has_address(data, begin, end):
                flags[line] = OUTWARD
            visible[r, kind] += f[VISIBLE]
            last_visible, piped, previous = f[VISIBLE], (f[SEEN] & PIPE) > 0, kind
            line += 1
            start = end + 1
        first[r + 1] = line
        may_list[r] = is_korean and latin_lines >= MIN_LINES and longest_run >= MIN_LINES
    return first, ends, kinds, flags, visible, may_list
