"""Counts characters and lines in source code, together with ``encoded_data`` and ``comments``.

``code_files`` interprets the counts. ``tests/preprocessing/plain_source_code.py`` is the same in plain Python.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import decode, is_letter
from preprocessing.kernels.comments import comments
from preprocessing.kernels.compiled import inner, njit
from preprocessing.kernels.encoded_data import base64, escapes
from preprocessing.kernels.source_classes import BLANK, CLASS, DIGIT, LETTER, MARK, NUMBER

COLUMNS = (
    "characters", "alphabetic", "alphanumeric", "visible", "lines", "longest_line", "long", "long_blank", "long_marks",
    "data", "table_lines", "encoded", "longest_encoded", "comment", "header_end",
)  # fmt: skip
INDEX = {name: i for i, name in enumerate(COLUMNS)}
(_CHARACTERS, _ALPHABETIC, _ALPHANUMERIC, _VISIBLE, _LINES, _LONGEST, _LONG, _LONG_BLANK, _LONG_MARKS) = (
    range(9)
)
(_DATA, _TABLE_LINES, _ENCODED, _LONGEST_ENCODED, _COMMENT, _HEADER_END) = range(9, 15)
LONG_LINE = 500  # characters; longer lines count as long


@inner()
def _count_characters(data, start, end, row):
    """Counts characters and their classes, and classifies each line."""
    length = shown = letters = digits = numbers = blanks = marks = commas = tabs = before = 0
    i = start
    while i < end:
        b = data[i]
        if b < 0x80:
            bits = CLASS[b]
            i += 1
        else:
            c, step = decode(data, i)
            bits = LETTER if is_letter(c) else np.uint16(0)
            i += step
        if b != 10:
            length += 1
            shown = shown if bits & BLANK else length
            letters += (bits & LETTER) != 0
            digits += (bits & DIGIT) != 0
            numbers += (bits & NUMBER) != 0
            blanks += (bits & BLANK) != 0
            marks += (bits & MARK) != 0
            commas += b == 44
            tabs += b == 9
        if b == 10 or i == end:
            row[_CHARACTERS] += length + (b == 10)
            row[_ALPHABETIC] += letters
            row[_ALPHANUMERIC] += letters + digits
            row[_VISIBLE] += length - blanks
            row[_LINES] += 1
            row[_LONGEST] = max(row[_LONGEST], shown)
            if length > LONG_LINE:
                row[_LONG] += length
                row[_LONG_BLANK] += blanks
                row[_LONG_MARKS] += marks
            before = _count_table(row, length - blanks, letters, digits, numbers, max(commas, tabs), before)
            length = shown = letters = digits = numbers = blanks = marks = commas = tabs = 0


@inner()
def _count_table(row, visible, letters, digits, numbers, separators, before):
    """Counts lines of numbers, and lines with as many fields as the line before; returns the number of separators."""
    if digits * 5 >= visible and numbers * 4 >= visible and digits and letters * 2 <= numbers:
        row[_DATA] += visible
    row[_TABLE_LINES] += separators >= 2 and separators == before
    return separators


@njit()
def count(data, offsets):
    """``[rows, len(COLUMNS)] int64`` counts of a UTF-8 column (``data: uint8``, ``offsets: [rows + 1] int64``)."""
    rows = len(offsets) - 1
    out = np.zeros((rows, len(COLUMNS)), np.int64)
    for r in range(rows):
        start, end, row = offsets[r], offsets[r + 1], out[r]
        _count_characters(data, start, end, row)
        in_words, longest_word, _ = base64(data, start, end)
        in_runs, longest_run = escapes(data, start, end)
        row[_ENCODED] = in_words + in_runs
        row[_LONGEST_ENCODED] = max(longest_word, longest_run)
        row[_COMMENT], row[_HEADER_END] = comments(data, start, end)
    return out
