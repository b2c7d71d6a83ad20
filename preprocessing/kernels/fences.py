"""Finds code in a row that ends at ``end``, of UTF-8 or of code points: fences, like ``find_fences`` of
``preprocessing.text.fences``, and code spans.
"""

from __future__ import annotations

from preprocessing.kernels.compiled import inner
from preprocessing.kernels.line_marks import is_blank
from preprocessing.kernels.skipped_markup import BACKTICK, TILDE

_FEED, _BRACE = 10, 123
_LONGEST_SPAN = 1000  # characters


# Marks that may open a fence
NO_FENCES, BACKTICKS, TILDES = 0, 1, 2


@inner()
def fence_end(data, i, end, opening):
    """``(end, opening)``: the end of the fenced code that the line at ``i`` opens, or ``i``; the marks that later lines may open
    fences with, of ``opening``. After backticks that never close there is no fence, after such tildes none of tildes.
    """
    j, quoted = _after_prefix(data, i, end)
    j, _ = _after_marks(data, j, end, 0)
    if j >= end:
        return i, opening
    mark = data[j]
    if not (mark == BACKTICK and opening & BACKTICKS) and not (mark == TILDE and opening & TILDES):
        return i, opening
    j, marks = _after_marks(data, j, end, mark)
    if marks < 3 or not _is_info(data, j, end, mark):
        return i, opening
    while j < end and data[j] != _FEED:
        j += 1
    while 0 <= j < end:
        k = j + 1
        if quoted:
            k, is_quoted = _after_quotation(data, k, end)
            if j < end and not is_quoted:
                return j, opening
        k, closing = _after_marks(data, k, end, mark)
        if closing >= marks:
            while k < end and is_blank(data[k]):
                k += 1
            if k == end or data[k] == _FEED:
                return k, opening
        j += 1
        while j < end and data[j] != _FEED:
            j += 1
    if quoted:
        return end, opening
    return i, NO_FENCES if mark == BACKTICK else opening & BACKTICKS


@inner()
def _is_info(data, i, end, mark):
    """Whether the rest of a line may follow the marks of a fence: no backtick after backticks, a name or a brace after tildes."""
    if mark == TILDE:
        while i < end and is_blank(data[i]):
            i += 1
        if i == end or data[i] == _FEED:
            return True
        if not (97 <= data[i] | 32 <= 122 or data[i] == _BRACE or data[i] == ord(".")):
            return False
    while i < end and data[i] != _FEED:
        if data[i] == mark or (mark == TILDE and data[i] > 126):
            return False
        i += 1
    return True


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
            characters += data.itemsize > 1 or (data[j] & 0xC0) != 0x80
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
def _after_marks(data, i, end, mark):
    """``(end, number)`` of the marks that begin a line after its blanks."""
    while i < end and is_blank(data[i]):
        i += 1
    start = i
    while i < end and data[i] == mark:
        i += 1
    return i, i - start
