"""Finds fenced code in a text of code points (``text: uint32``), like ``find_fences`` of ``preprocessing.text.normalize``."""

from __future__ import annotations

from preprocessing.kernels.compiled import inner

_TAB, _FEED, _SPACE = 9, 10, 32


@inner()
def is_blank(c):
    return c in (_SPACE, _TAB)


@inner()
def fence_end(text, i, length):
    """``(end, may_follow)``: the end of the fenced code that the line at ``i`` opens, or ``i``; whether later lines may open some."""
    j = _after_backticks(text, i, length)
    if j < 0:
        return i, True
    while j < length and text[j] != _FEED:
        if text[j] == ord("`"):
            return i, True
        j += 1
    while 0 <= j < length:
        k = _after_backticks(text, j + 1, length)
        if k >= 0:
            while k < length and is_blank(text[k]):
                k += 1
            if k == length or text[k] == _FEED:
                return k, True
        j += 1
        while j < length and text[j] != _FEED:
            j += 1
    return i, False


@inner()
def _after_backticks(text, i, length):
    """The position after the three backticks that begin a line after its blanks; -1 without them."""
    while i < length and is_blank(text[i]):
        i += 1
    if i + 2 < length and text[i] == ord("`") and text[i + 1] == ord("`") and text[i + 2] == ord("`"):
        return i + 3
    return -1
