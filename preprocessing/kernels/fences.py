"""Finds code in a text of code points (``text: uint32``): fences, like ``find_fences`` of ``preprocessing.text.normalize``,
and code spans.
"""

from __future__ import annotations

from preprocessing.kernels.compiled import inner

_TAB, _FEED, _SPACE = 9, 10, 32
_LONGEST_SPAN = 1000


@inner()
def is_blank(c):
    return c in (_SPACE, _TAB)


@inner()
def fence_end(text, i, length):
    """``(end, may_follow)``: the end of the fenced code that the line at ``i`` opens, or ``i``; whether later lines may open some."""
    j, quoted = _after_prefix(text, i, length)
    j, marks = _after_backticks(text, j, length)
    if marks < 3:
        return i, True
    while j < length and text[j] != _FEED:
        if text[j] == ord("`"):
            return i, True
        j += 1
    while 0 <= j < length:
        k = j + 1
        if quoted:
            k, is_quoted = _after_quotation(text, k, length)
            if j < length and not is_quoted:
                return j, True
        k, closing = _after_backticks(text, k, length)
        if closing >= marks:
            while k < length and is_blank(text[k]):
                k += 1
            if k == length or text[k] == _FEED:
                return k, True
        j += 1
        while j < length and text[j] != _FEED:
            j += 1
    return i, False


@inner()
def span_end(text, i, length, before):
    """The end of the code span that the backticks at ``i`` open, else of these backticks; ``before``: the character before."""
    opened = i
    while opened < length and text[opened] == ord("`"):
        opened += 1
    j = opened
    while 0 <= j < length and text[j] != _FEED and j - opened <= _LONGEST_SPAN and before != ord("\\"):
        start = j
        while j < length and text[j] == ord("`"):
            j += 1
        if j - start == opened - i:
            return j
        j = max(j, start + 1)
    return opened


@inner()
def _after_quotation(text, i, length):
    """``(end, is_quoted)``: the first character after blanks and marks of quotations, and whether there are such marks."""
    quoted = False
    while i < length and (is_blank(text[i]) or text[i] == ord(">")):
        quoted |= text[i] == ord(">")
        i += 1
    return i, quoted


@inner()
def _after_prefix(text, i, length):
    """Same as ``_after_quotation``, also behind one mark of a list."""
    i, quoted = _after_quotation(text, i, length)
    j = i
    if i < length and text[i] in (ord("-"), ord("*"), ord("+")):
        j += 1
    else:
        while j < length and j - i < 9 and ord("0") <= text[j] <= ord("9"):
            j += 1
        is_item = i < j < length and text[j] in (ord("."), ord(")"))
        j = j + 1 if is_item else i
    if i < j < length and is_blank(text[j]):
        i = j
    return i, quoted


@inner()
def _after_backticks(text, i, length):
    """``(end, number)`` of the backticks that begin a line after its blanks."""
    while i < length and is_blank(text[i]):
        i += 1
    start = i
    while i < length and text[i] == ord("`"):
        i += 1
    return i, i - start
