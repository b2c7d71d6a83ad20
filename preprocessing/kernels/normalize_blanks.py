"""Normalizes blanks and line ends of a text of code points (``text: uint32``) and encodes it as UTF-8.

``put_collapsed`` has the same result as ``collapse_blanks`` of ``preprocessing.text.normalize``, ``end_code`` as its namesake.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import encode
from preprocessing.kernels.columns import is_aligned
from preprocessing.kernels.compiled import inner
from preprocessing.kernels.fences import fence_end, is_blank, span_end

_TAB, _FEED, _SPACE = 9, 10, 32
_ONE, _TWO, _THREE = np.uint64(1), np.uint64(2), np.uint64(3)


@inner()
def _put_one(c, out, at):
    """Writes a character as UTF-8 at byte ``at: uint64`` (unsigned: indices never count from the end); returns its end."""
    if c < 0x80:
        out[at] = c
        return at + _ONE
    if 0x800 <= c < 0x10000:
        out[at] = 0xE0 | (c >> 12)
        out[at + _ONE] = 0x80 | ((c >> 6) & 0x3F)
        out[at + _TWO] = 0x80 | (c & 0x3F)
        return at + _THREE
    return np.uint64(encode(c, out, np.int64(at)))


@inner()
def put(text, start, end, out, at):
    """Writes ``text[start:end]`` as UTF-8 at byte ``at``; returns its end."""
    place = np.uint64(at)
    for i in range(np.uint64(start), np.uint64(end)):
        place = _put_one(text[i], out, place)
    return np.int64(place)


@inner()
def _put_words(text, start, end, out, at, stop):
    """Same as ``put`` for visible characters except ``stop``, and single blanks; also returns where these end in ``text``."""
    place, i = np.uint64(at), np.uint64(start)
    c = text[i]
    while (i < np.uint64(end)) & (c != stop) & ((c > _SPACE) | ((c == _SPACE) & (text[i + _ONE] > _SPACE))):
        place = _put_one(c, out, place)
        i += _ONE
        c = text[i]
    return np.int64(place), np.int64(i)


@inner()
def put_collapsed(text, length, fenced, places, out, at):
    """Writes the text like ``put`` with its blanks collapsed (``collapse_blanks``); also returns whether anything changed."""
    start, end = _strip(text, length)
    i, feeds, blanks = start, 0, 0
    line, closes, changed = True, fenced, end - start < length
    row, drawn, checked = (
        start,
        False,
        False,
    )  # where the line begins; in a drawn table; whether it is not aligned
    stop = np.uint32(ord("`") if fenced else 0)
    while 0 <= i < end:
        if not line and feeds + blanks == 0:
            at, i = _put_words(text, i, end, out, at, stop)
            if i == end:
                break
        if line and closes:
            fence, closes = fence_end(text, i, end)
            if fence > i:
                changed |= feeds > 2
                at, trimmed = _put_fence(text, i, fence, out, _put_feeds(feeds, out, at))
                changed |= trimmed
                i, feeds, blanks, line = fence, 0, 0, False
                drawn, checked = False, True
                continue
        c = text[i]
        line = c == _FEED
        if line:
            changed |= blanks > 0
            feeds += 1
            blanks = 0
        elif is_blank(c):
            blanks += 1
        else:
            if feeds or i == start:
                row, checked = i - blanks, False
                drawn = _is_drawn(text, i, feeds, drawn)
            if feeds:
                changed |= feeds > 2
                at = put(text, i - blanks, i, out, _put_feeds(feeds, out, at))
            elif blanks and not checked and (blanks > 1 or text[i - 1] == _TAB):
                checked = True
                if is_aligned(text, row, start, end, places):
                    following = _line_end(text, i, end)
                    at = put(text, i - blanks, following, out, at)
                    i, blanks = following, 0
                    continue
                changed = True
                out[at] = _SPACE
                at += 1
            elif blanks:
                changed |= blanks > 1 or text[i - 1] == _TAB
                out[at] = _SPACE
                at += 1
            following = i + 1
            if (feeds or i == start) and (
                (drawn and c == ord("|"))
                or _is_code(text, i - blanks, i, end)
                or _is_preformatted(text, i, end)
            ):
                following = _line_end(text, i, end)
            elif c == stop:
                following = span_end(text, i, end, text[i - 1] if i else np.uint32(0))
            feeds = blanks = 0
            at = put(text, i, following, out, at)
            i = following
            continue
        i += 1
    return at, changed


@inner()
def _is_drawn(text, i, feeds, drawn):
    """Whether a line that begins at ``i`` belongs to a table that began with a rule such as +---+."""
    if text[i] == ord("+"):
        return text[i + 1] == ord("-") or text[i + 1] == ord("=") or (drawn and feeds == 1)
    return drawn and feeds == 1 and text[i] == ord("|")


@inner()
def _is_code(text, start, i, end):
    """Whether a line with the indentation ``start:i`` is indented code: four columns, and not mostly Hangul."""
    if i == start or (
        i - start < 4 and text[i - 1] != _TAB and text[start] != _TAB and text[start + 1] != _TAB
    ):
        return False
    hangul, visible = 0, 0
    while i < end and text[i] != _FEED:
        hangul += 0xAC00 <= text[i] <= 0xD7A3
        visible += not is_blank(text[i])
        i += 1
    return 2 * hangul <= visible


@inner()
def _is_preformatted(text, i, end):
    """Whether a line that begins at ``i`` is of a Python session, of a drawing, or indented code in a quotation."""
    c = text[i]
    if c == ord("."):
        return i + 5 < end and (
            (text[i + 1] == c)
            & (text[i + 2] == c)
            & (text[i + 3] == _SPACE)
            & (text[i + 4] == _SPACE)
            & (text[i + 5] == _SPACE)
        )
    if c != ord(">"):
        return 0x2500 <= c <= 0x257F
    if i + 3 < end and (text[i + 1] == c) & (text[i + 2] == c) & (text[i + 3] == _SPACE):
        return True
    j = i + 1
    while j < end and (text[j] == c or (text[j] == _SPACE and j + 1 < end and text[j + 1] == c)):
        j += 1
    if j >= end or text[j] != _SPACE:
        return False
    j += 1
    code = j
    while code < end and is_blank(text[code]):
        code += 1
    return code < end and text[code] != _FEED and _is_code(text, j, code, end)


@inner()
def _line_end(text, i, end):
    """The end of a line without its trailing blanks."""
    j = last = i
    while j < end and text[j] != _FEED:
        j += 1
        if not is_blank(text[j - 1]):
            last = j
    return last


@inner()
def _strip(text, length):
    """``(start, end)`` of the text without leading and trailing blanks and line feeds."""
    start, end = 0, length
    while end and (is_blank(text[end - 1]) or text[end - 1] == _FEED):
        end -= 1
    while start < end and (is_blank(text[start]) or text[start] == _FEED):
        start += 1
    return start, end


@inner()
def _put_feeds(feeds, out, at):
    for _ in range(min(feeds, 2)):
        out[at] = _FEED
        at += 1
    return at


@inner()
def _put_fence(text, start, end, out, at):
    """Writes fenced code without trailing blanks; also returns whether it had any."""
    blanks, changed = 0, False
    for i in range(start, end):
        c = text[i]
        if is_blank(c):
            blanks += 1
        elif c == _FEED:
            changed |= blanks > 0
            at = put(text, i, i + 1, out, at)
            blanks = 0
        else:
            at = put(text, i - blanks, i + 1, out, at)
            blanks = 0
    return at, changed or blanks > 0


@inner()
def end_code(text, length):
    """Removes empty lines around the text and ends it with one line feed; returns its length and whether anything changed."""
    start, end = 0, length
    while end and text[end - 1] == _FEED:
        end -= 1
    while start < end and text[start] == _FEED:
        start += 1
    if start == end:
        return 0, length > 0
    for i in range(start, end):
        text[i - start] = text[i]
    text[end - start] = _FEED
    return end - start + 1, start > 0 or end != length - 1
