"""Finds code in a row of UTF-8 that ends at ``end``: fences, like ``find_fences`` of ``preprocessing.text.normalize``, and
code spans.
"""

from __future__ import annotations

from preprocessing.kernels.compiled import inner
from preprocessing.kernels.line_marks import is_blank
from preprocessing.kernels.skipped_markup import BACKTICK

_FEED = 10
_LONGEST_SPAN = 1000  # characters


@inner()
def fence_end(data, i, end):
    """``(end, may_follow)``: the end of the fenced code that the line at ``i`` opens, or ``i``; whether later lines may open some."""
    j, quoted = _after_prefix(data, i, end)
    j, marks = _after_backticks(data, j, end)
    if marks < 3:
        return i, True
    while j < end and data[j] != _FEED:
        if data[j] == BACKTICK:
            return i, True
        j += 1
    while 0 <= j < end:
        k = j + 1
        if quoted:
            k, is_quoted = _after_quotation(data, k, end)
            if j < end and not is_quoted:
                return j, True
        k, closing = _after_backticks(data, k, end)
        if closing >= marks:
            while k < end and is_blank(data[k]):
                k += 1
            if k == end or data[k] == _FEED:
                return k, True
        j += 1
        while j < end and data[j] != _FEED:
            j += 1
    return i, False


@inner()
def span_end(data, i, end, before):
    """The end of the code span that the backticks at ``i`` open, else of these backticks; ``before``: the byte before."""
    opened = i
    while opened < end and data[opened] == BACKTICK:
        opened += 1
    if before == ord("\\"):
        return opened
    j, characters = opened, 0
    while 0 <= j < end and data[j] != _FEED and characters <= _LONGEST_SPAN:
        start = j
        while j < end and data[j] == BACKTICK:
            j += 1
        if j - start == opened - i:
            return j
        characters += j - start
        if j == start:
            characters += (data[j] & 0xC0) != 0x80
            j += 1
    return opened


@inner()
def _after_quotation(data, i, end):
    """``(end, is_quoted)``: the first character after blanks and marks of quotations, and whether there are such marks."""
    quoted = False
    while i < end and (is_blank(data[i]) or data[i] == ord(">")):
        quoted |= data[i] == ord(">")
        i += 1
    return i, quoted


@inner()
def _after_prefix(data, i, end):
    """Same as ``_after_quotation``, also behind one mark of a list."""
    i, quoted = _after_quotation(data, i, end)
    j = i
    if i < end and data[i] in (ord("-"), ord("*"), ord("+")):
        j += 1
    else:
        while j < end and j - i < 9 and ord("0") <= data[j] <= ord("9"):
            j += 1
        is_item = i < j < end and data[j] in (ord("."), ord(")"))
        j = j + 1 if is_item else i
    if i < j < end and is_blank(data[j]):
        i = j
    return i, quoted


@inner()
def _after_backticks(data, i, end):
    """``(end, number)`` of the backticks that begin a line after its blanks."""
    while i < end and is_blank(data[i]):
        i += 1
    start = i
    while i < end and data[i] == BACKTICK:
        i += 1
    return i, i - start
