"""Copies the text of lines that count, without marks of structure, code spans, tags and targets of links, in UTF-8.

Owns the text that the measures of prose read, and counts of its words in lists; ``kernels.structure`` classifies the lines.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import decode
from preprocessing.kernels.compiled import inner, njit
from preprocessing.kernels.skipped_markup import BACKTICK, LESS, after_skipped
from preprocessing.kernels.structure import (
    BLANK,
    BULLET,
    HEADING,
    LINK,
    PROSE,
    TABLE,
    address_end,
    after_marks,
    is_digit,
    is_letter,
    link_at,
)  # fmt: skip

COUNTS = ("bullets", "listed_words", "list_words", "rare_hangul")
_BULLETS, _LISTED, _WORDS, _RARE = range(4)
LIST_PIECE = 2  # words of a piece of a list
_FEED, _SPACE = np.uint8(10), np.uint8(32)
_STAR, _OPEN, _PIPE, _HASH, _BANG, _H = 42, 91, 124, 35, 33, 104


@inner()
def _copy_line(data, i, end, out, size):
    """Appends the text of a line of prose, a heading, a row of a table or a link to ``out``; returns the new size."""
    label_end = link_end = np.int64(-1)
    while i < end:
        b = data[i]
        after = i
        if i == label_end:
            i = link_end
            continue
        if b in (BACKTICK, LESS):
            after = after_skipped(data, i, end)
        elif b == _H:
            after = address_end(data, i, end)
        elif b == _STAR and i + 1 < end and data[i + 1] == _STAR:
            after = i + 2
        elif (b == _OPEN or (b == _BANG and i + 1 < end and data[i + 1] == _OPEN)) and i > link_end:
            opening = i if b == _OPEN else i + 1
            new_label_end, new_link_end = link_at(data, opening, end)
            if new_link_end > opening:
                label_end, link_end = new_label_end, new_link_end
                after = opening + 1
        if after > i:
            i = after
            continue
        out[size] = b
        size += 1
        i += 1
    return size


@inner()
def _is_separator(b):
    """``, / | # ; : >``"""
    return b == 44 or b == 47 or b in (_PIPE, _HASH) or b == 59 or b == 58 or b == 62


@inner()
def _count_words(out, start, end, common, row):
    """Counts the words of a line, those in pieces of few words, and rare syllables."""
    words, lettered = 0, False
    i = start
    while i <= end:
        b = out[i] if i < end else _FEED
        separates = i == end or _is_separator(b)
        if b <= _SPACE or separates:
            words += lettered
            lettered = False
        elif b >= 0x80 or is_letter(b) or is_digit(b):
            lettered = True
        if separates:
            row[_WORDS] += words
            row[_LISTED] += words if words <= LIST_PIECE else 0
            words = 0
        if 0xEA <= b <= 0xED and i < end:
            c, step = decode(out, i)
            if 0xAC00 <= c <= 0xD7A3:
                row[_RARE] += not common[c - 0xAC00]
            i += step
        else:
            i += 1


@njit()
def copy_lines(data, offsets, first, ends, kinds, counted, stripped, common):
    """``(bytes: uint8, starts: [rows + 1] int64, counts: [rows, len(COUNTS)])`` of the lines whose kind is ``counted``.

    ``counted: [rows, KINDS] bool``; ``stripped: [rows] bool``: without marks; ``common: [11172] bool``, the frequent syllables. A blank line
    after a line that is left out is left out, too.
    """
    rows = len(offsets) - 1
    out = np.empty(offsets[rows] - offsets[0] + rows, np.uint8)
    starts = np.zeros(rows + 1, np.int64)
    counts = np.zeros((rows, len(COUNTS)), np.int64)
    size = 0
    for r in range(rows):
        start, left_out = offsets[r], False
        for line in range(first[r], first[r + 1]):
            kind, end = kinds[line], ends[line]
            if not counted[r, kind] or (kind == BLANK and left_out):
                left_out = True
                start = end + 1
                continue
            left_out = False
            begin, at = start, size
            if stripped[r] and PROSE <= kind <= LINK:
                while begin < end and data[begin] <= _SPACE:
                    begin += 1
                if kind == HEADING:
                    while begin < end and (data[begin] == _HASH or data[begin] <= _SPACE):
                        begin += 1
                elif kind != TABLE:
                    begin, mark = after_marks(data, begin, end)
                    counts[r, _BULLETS] += mark == BULLET
                size = _copy_line(data, begin, end, out, size)
                _count_words(out, at, size, common, counts[r])
                if kind == TABLE:
                    for k in range(at, size):
                        if out[k] == _PIPE:
                            out[k] = _SPACE
            else:
                out[size : size + end - begin] = data[begin:end]
                size += end - begin
            if line + 1 < first[r + 1]:
                out[size] = _FEED
                size += 1
            start = end + 1
        starts[r + 1] = size
    return out[:size].copy(), starts, counts
