"""Finds the ends of the escapes of terminals: colors, titles, links and sets of characters, as ``text.characters`` defines them."""

from __future__ import annotations

from preprocessing.kernels.compiled import inner

_BELL, _ESCAPE, _LONGEST_TITLE = 7, 27, 300


@inner()
def after_escape(text, i, length):
    """The end of an escape of a terminal at ``i`` (ESC [ parameters letter, ESC ] number ; text BEL, ESC ( letter); ``i + 1`` for any
    other text."""
    j = i + 1
    if j < length and text[j] == ord("["):
        j += 1
        while j < length and (48 <= text[j] <= 57 or text[j] == ord(";") or text[j] == ord("?")):
            j += 1
        if j < length and (65 <= text[j] <= 90 or 97 <= text[j] <= 122):
            return j + 1
    elif j < length and text[j] == ord("]"):
        return _after_title(text, i, j + 1, length)
    elif j + 1 < length and text[j] in (ord("("), ord(")")) and _is_set(text[j + 1]):
        return j + 2
    return i + 1


@inner()
def _is_set(c):
    return 48 <= c <= 50 or 65 <= c <= 66


@inner()
def _after_title(text, i, j, length):
    """The end of the title of a terminal or of a link (ESC ] number ; text) that begins at ``i``; ``i + 1`` without an end."""
    first = j
    while j < length and j < first + 4 and 48 <= text[j] <= 57:
        j += 1
    if j == first or j >= length or text[j] != ord(";"):
        return i + 1
    first = j + 1
    j = first
    while j < length and j < first + _LONGEST_TITLE and _may_be_in_title(text[j]):
        j += 1
    if j < length and text[j] == _BELL:
        return j + 1
    if j + 1 < length and text[j] == _ESCAPE and text[j + 1] == ord("\\"):
        return j + 2
    return i + 1


@inner()
def _may_be_in_title(c):
    return 0x1C <= c < 0x7F or (c > 0x9F and c != 0x2028 and c != 0x2029)
