"""Lines of documents: computes their patterns, detects boilerplate, and removes it.

Lines that differ only in numbers, whitespace or case have the same pattern: a run of digits is one 0, whitespace is
collapsed, case is folded. ``preprocessing.steps.lines`` decides which patterns are frequent.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import BASIS, PRIME, decode, is_letter, is_space, mix
from preprocessing.kernels.compiled import inner, njit

BLANK, SIGNS, NUMBERS, WORDED, CODE = range(5)
"""Kinds of a line: no visible character; neither letter nor digit; digits but no letter; a letter; a visible line of code,
which is in a fenced block (three of ` or ~) or indented by four blanks or a tab."""
_FOLDED_BELOW = 0x590  # Latin, Greek, Cyrillic, Armenian
_FOLDED = np.array(
    [ord(f) if len(f := chr(c).casefold()) == 1 else c for c in range(_FOLDED_BELOW)], np.int64
)
_NEWLINE, _ZERO = np.uint8(10), np.int64(48)


@inner()
def _pattern(data, start, end):
    """Kind and hash of a line."""
    value = BASIS
    letters = digits = visible = False
    space = after_digit = False
    i = start
    while i < end:
        c, step = decode(data, i)
        i += step
        if is_space(c):
            space = visible
            after_digit = False
            continue
        if space:
            value = (value ^ np.uint64(32)) * PRIME
            space = False
        digit = 48 <= c <= 57
        if not (digit and after_digit):
            folded = _ZERO if digit else _FOLDED[c] if c < _FOLDED_BELOW else c
            value = (value ^ np.uint64(folded)) * PRIME
        visible = True
        after_digit = digit
        digits |= digit
        letters |= is_letter(c)
    kind = WORDED if letters else NUMBERS if digits else SIGNS if visible else BLANK
    return kind, mix(value)


@inner()
def _fence_at(data, start, end):
    """``(sign, indent)``: the sign of the fence that starts a line after blanks, or 0; the indent in columns (a tab is 4)."""
    i = start
    indent = 0
    while i < end and (data[i] == 32 or data[i] == 9):
        indent += 4 if data[i] == 9 else 1
        i += 1
    if i + 3 > end or (data[i] != 96 and data[i] != 126):
        return 0, indent
    return (np.int64(data[i]) if data[i + 1] == data[i] and data[i + 2] == data[i] else 0), indent


@njit()
def line_table(data, offsets):
    """``(first: [rows + 1], ends, kinds: uint8, patterns: uint64)`` of all lines of a UTF-8 column.

    The lines of row ``r`` are ``first[r]`` to ``first[r + 1]``; line ``k`` ends before byte ``ends[k]``, its newline or the
    end of the row. An unclosed fence extends to the end of its document.
    """
    rows = len(offsets) - 1
    total = rows
    for i in range(offsets[0], offsets[rows]):
        total += data[i] == _NEWLINE
    first = np.zeros(rows + 1, np.int64)
    ends = np.empty(total, np.int64)
    kinds = np.empty(total, np.uint8)
    patterns = np.empty(total, np.uint64)
    line = 0
    for r in range(rows):
        start, fence = offsets[r], 0
        for i in range(offsets[r], offsets[r + 1] + 1):
            if i < offsets[r + 1] and data[i] != _NEWLINE:
                continue
            ends[line] = i
            kinds[line], patterns[line] = _pattern(data, start, i)
            mark, indent = _fence_at(data, start, i)
            if fence or mark or (indent >= 4 and kinds[line] != BLANK):
                kinds[line] = CODE
            if fence == 0 or mark == fence:
                fence = mark if fence == 0 else 0
            start = i + 1
            line += 1
        first[r + 1] = line
    return first, ends, kinds, patterns


@njit()
def distinct_patterns(first, kinds, patterns, counted):
    """``(patterns: uint64, rows: int64)``: each pattern of WORDED lines once per row; rows that are not ``counted`` are skipped."""
    distinct = np.empty(len(patterns), np.uint64)
    owners = np.empty(len(patterns), np.int64)
    size = 0
    for r in range(len(first) - 1):
        if not counted[r]:
            continue
        start = size
        for k in range(first[r], first[r + 1]):
            if kinds[k] == WORDED:
                distinct[size] = patterns[k]
                size += 1
        ordered = np.sort(distinct[start:size])
        size = start
        for k in range(len(ordered)):
            if k == 0 or ordered[k] != ordered[k - 1]:
                distinct[size] = ordered[k]
                owners[size] = r
                size += 1
    return distinct[:size].copy(), owners[:size].copy()


@njit()
def boilerplate(first, kinds, patterns, frequent, min_run, min_edge_run):
    """``[lines] bool``: frequent lines that are boilerplate, and the blank lines and lines of signs between them.

    Boilerplate is a run of at least ``min_run`` frequent lines, or of ``min_edge_run`` at the beginning or end of a document.
    Consecutive lines of one pattern count once: a menu has different lines.
    """
    gone = np.zeros(len(kinds), np.bool_)
    for r in range(len(first) - 1):
        begin, end = first[r], first[r + 1]
        at_head = True
        i = begin
        while i < end:
            if not frequent[i]:
                at_head &= kinds[i] <= SIGNS
                i += 1
                continue
            start = i
            last = count = 0
            while i < end and (frequent[i] or kinds[i] <= SIGNS):
                if frequent[i]:
                    count += count == 0 or patterns[i] != patterns[last - 1]
                    last = i + 1
                i += 1
            if count >= min_run or ((at_head or i == end) and count >= min_edge_run):
                gone[begin if at_head else start : end if i == end else last] = True
            else:
                at_head = False
    return gone


@njit()
def remove_lines(data, offsets, first, ends, kinds, gone, rows):
    """``(bytes: uint8, starts: [len(rows) + 1] int64)``: the selected ``rows`` without the lines that are ``gone``.

    At most one blank line remains where lines were removed, and none at the ends of the document.
    """
    total = 0
    for r in rows:
        total += offsets[r + 1] - offsets[r] + 1
    out = np.empty(total, np.uint8)
    starts = np.zeros(len(rows) + 1, np.int64)
    size = 0
    for n in range(len(rows)):
        r = rows[n]
        solid = size  # end of the last line that is not blank
        cut, blank_before = False, True
        for k in range(first[r], first[r + 1]):
            blank = kinds[k] == BLANK
            if gone[k] or (cut and blank and blank_before):
                cut |= gone[k]
                continue
            if size > starts[n] or (k > first[r] and not cut):
                out[size] = _NEWLINE
                size += 1
            for i in range(offsets[r] if k == first[r] else ends[k - 1] + 1, ends[k]):
                out[size] = data[i]
                size += 1
            blank_before = blank
            if not blank:
                solid, cut = size, False
        size = solid if cut else size
        starts[n + 1] = size
    return out[:size].copy(), starts
