"""Shortens runs of emotion in a text of code points in place, like ``squeeze`` of ``preprocessing.text.normalize``.

``text`` is uint32 with ``length`` code points.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.compiled import inner
from preprocessing.kernels.fences import fence_end, span_end
from preprocessing.kernels.normalize_characters import classes_of
from preprocessing.kernels.normalize_classes import (
    BACKTICK,
    COLON,
    DOTS,
    ELLIPSIS,
    FAMILY,
    HEARTS,
    LINE_FEED,
    MARKS,
    MAX_RATING,
    SAME,
    STARS,
    SYLLABLE,
)

_WWW, _HTTP, _HTTPS = (np.frombuffer(word, np.uint8) for word in (b"www", b"http", b"https"))


@inner()
def squeeze(text, length, table, longest, laughs_from, fenced):
    """Returns the new length; ``fenced``: whether the text may contain fenced code."""
    w, i, closes = 0, 0, fenced
    searched = FAMILY | COLON | LINE_FEED | (BACKTICK if fenced else 0)
    if closes:
        i, closes = fence_end(text, 0, length)
        w = i
    while 0 <= i < length:
        classes = classes_of(text[np.uint64(i)], table) & searched
        while classes == 0 or _stays(text, w, i, length, table, classes, closes):
            text[np.uint64(w)] = text[np.uint64(i)]
            w += 1
            i += 1
            if i >= length:
                return w
            classes = classes_of(text[np.uint64(i)], table) & searched
        end, keep = i + 1, 1
        if classes & COLON or (classes & FAMILY == DOTS and _follows(text, w, _WWW)):
            end = _url_end(text, w, i, length)
            keep = end - i
        if STARS <= classes & FAMILY <= MARKS:
            end = _group_end(text, i, length, table, classes & FAMILY)
            w = _shorten_group(text, w, i, end, classes & FAMILY, longest)
            keep = 0
        elif classes & FAMILY and end == i + 1:
            end = _run_end(text, i, length, table, classes & FAMILY)
            keep = _squeezed_length(classes & FAMILY, end - i, longest, laughs_from)
        if classes & BACKTICK:
            end = span_end(text, i, length, text[w - 1] if w else np.uint32(0))
            keep = end - i
        elif classes & LINE_FEED and closes:
            end, closes = fence_end(text, i + 1, length)
            keep = end - i
        for k in range(i, i + keep):
            text[w] = text[k]
            w += 1
        i = end
    return w


@inner()
def _stays(text, w, i, length, table, classes, closes):
    """Whether a quick check rules out that a character begins a run, a URL or fenced code."""
    if classes & LINE_FEED:
        return not closes
    if classes & BACKTICK:
        return False
    before = text[np.uint64(w - 1)] if w else np.uint32(0)
    if classes & COLON:
        return before != ord("p") and before != ord("s")
    if classes == DOTS and before == ord("w"):
        return False
    return i + 1 == length or classes_of(text[np.uint64(i + 1)], table) & FAMILY != classes


@inner()
def _run_end(text, i, length, table, family):
    c, end = text[i], i + 1
    if family < SAME:
        return _group_end(text, i, length, table, family)
    while end < length and text[end] == c:
        end += 1
    return end


@inner()
def _group_end(text, i, length, table, family):
    end = i + 1
    while end < length and classes_of(text[end], table) & FAMILY == family:
        end += 1
    return end


@inner()
def _shorten_group(text, w, i, end, family, longest):
    """Writes a run of stars, hearts or marks at ``w`` with each run of one sign shortened; returns its end."""
    mixed = False
    for k in range(i + 1, end):
        mixed |= text[k] != text[i]
    is_rating = end - i <= MAX_RATING and (family == STARS or (family == HEARTS and mixed))
    runs, count, last = 0, 0, np.uint32(0)
    for k in range(i, end):
        c = text[k]
        count = count + 1 if c == last else 1
        runs += c != last
        last = c
        if is_rating or (count <= longest and (family != MARKS or runs <= max(2, longest))):
            text[w] = c
            w += 1
    return w


@inner()
def _squeezed_length(family, count, longest, laughs_from):
    """Characters that remain of a run of ``count``."""
    if family == DOTS:
        return min(count, 3)
    if family == ELLIPSIS:
        return 1
    if family == SYLLABLE and count < laughs_from:
        return count
    return min(count, longest)


@inner()
def _url_end(text, w, i, length):
    """The end of the URL with its colon, or its dot after www, at ``i``; ``i + 1`` without a URL."""
    j = i + 1
    if text[i] == ord(":"):
        if not (_follows(text, w, _HTTP) or _follows(text, w, _HTTPS)):
            return i + 1
        if i + 2 >= length or text[i + 1] != ord("/") or text[i + 2] != ord("/"):
            return i + 1
        j = i + 3
    end = j
    while 0 <= end < length and text[end] > 32:
        end += 1
    return end if end > j else i + 1


@inner()
def _follows(text, w, word):
    """Whether the text written so far ends with ``word``."""
    same = 0
    for k in range(min(w, len(word))):
        same += text[w - 1 - k] == word[len(word) - 1 - k]
    return same == len(word)
