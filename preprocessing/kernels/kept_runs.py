"""Finds runs in a row of UTF-8 that are no emotion and stay: of drawings, identifiers, formulas, Morse code and data, like
``text.kept_runs``.

``squeeze`` shortens the others. ``row`` is where the row begins and ends in ``data``.
"""

from __future__ import annotations

from preprocessing.kernels.compiled import inner
from preprocessing.kernels.line_marks import is_blank
from preprocessing.kernels.normalize_classes import LONGEST_CELL, LONGEST_ENTRY, LONGEST_MORSE

_SPACE = 32


@inner()
def is_drawn(data, i, start, end):
    """Whether the character at ``i`` draws a box, other than by a horizontal line; False outside of ``start:end``."""
    if i < start or i + 3 > end or data[i] != 0xE2:
        return False
    return data[i + 1] == 0x95 or (data[i + 1] == 0x94 and data[i + 2] >= 0x82)


@inner()
def is_data(data, i, run, row):
    """Whether the run at ``i`` is in a string without blanks of a list: between a bracket or comma and another."""
    start, end = row
    first, last = i, run
    while first > start and first > i - LONGEST_CELL and _is_of_cell(data[first - 1]):
        first -= 1
    while 0 <= last < end and last < run + LONGEST_CELL and _is_of_cell(data[last]):
        last += 1
    k = first - 2
    if k >= start and data[k] == _SPACE:
        k -= 1
    if k < start or last + 1 >= end or not _is_quote(data[first - 1]) or not _is_quote(data[last]):
        return False
    before, behind = data[k], data[last + 1]
    return (before == ord("[") or before == ord(",")) and (behind == ord("]") or behind == ord(","))


@inner()
def _is_of_cell(b):
    return _SPACE < b < 127 and not _is_quote(b)


@inner()
def _is_quote(b):
    return b == 34 or b == 39


@inner()
def is_identifier(before, after):
    is_digit = 48 <= before <= 57
    return (is_digit or 97 <= before | 32 <= 122) and 48 <= after <= 57


@inner()
def is_spacing(before, after):
    """Whether tildes are blanks of a formula: behind ``,``, ``&`` or ``}``, or between a blank and a letter, a digit, ``&`` or a backslash."""
    if before == 44 or before == 38 or before == 125:
        return True
    return before <= _SPACE and (48 <= after <= 57 or 97 <= after | 32 <= 122 or after == 38 or after == 92)


@inner()
def is_before_entry(data, i, run, row):
    """Whether tildes between blanks are before an entry of a formula that ``&`` ends."""
    start, end = row
    if i > start and data[i - 1] > _SPACE:
        return False
    j = _after_blanks(data, run, end)
    k = j
    while 0 <= k < end and 33 <= data[k] <= 126:
        k += 1
    following = _after_blanks(data, k, end)
    return run < j < k <= j + LONGEST_ENTRY and k < following < end and data[following] == ord("&")


@inner()
def _after_blanks(data, i, end):
    """The first character after at most two blanks."""
    j = i
    while 0 <= j < end and j < i + 2 and is_blank(data[j]):
        j += 1
    return j


@inner()
def is_morse(data, i, run, row):
    """Whether the word of the dots at ``i`` is a letter of Morse code: with a dash, or beside another letter."""
    start, end = row
    first, last = i, run
    while first > start and _is_signal(data[first - 1]):
        first -= 1
    while 0 <= last < end and _is_signal(data[last]):
        last += 1
    is_word = (first == start or _is_bound(data[first - 1])) and (last == end or _is_bound(data[last]))
    if not is_word or last - first > LONGEST_MORSE:
        return False
    for k in range(first, last):
        if data[k] == ord("-"):
            return True
    j = k = _after_blanks(data, last, end)
    while 0 <= k < end and _is_signal(data[k]):
        k += 1
    if j > last and (k == end or _is_bound(data[k])) and _is_letter(data, j, k):
        return True
    j = first
    while j > start and j > first - 2 and is_blank(data[j - 1]):
        j -= 1
    k = j
    while k > start and _is_signal(data[k - 1]):
        k -= 1
    return j < first and (k == start or _is_bound(data[k - 1])) and _is_letter(data, k, j)


@inner()
def _is_letter(data, i, end):
    """Whether dots and dashes are a letter of Morse code and no ellipsis or dash."""
    dashes = 0
    for k in range(i, end):
        dashes += data[k] == ord("-")
    return i < end <= i + LONGEST_MORSE and ((dashes > 0 and end > i + 1) or (dashes == 0 and end <= i + 2))


@inner()
def _is_signal(b):
    return b == ord(".") or b == ord("-")


@inner()
def _is_bound(b):
    """Whether a word ends before or after a character: a blank, a quotation mark or a parenthesis."""
    return b <= _SPACE or b == 34 or 39 <= b <= 41
