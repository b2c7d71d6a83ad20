"""Shortens runs of emotion in a row of UTF-8, like ``squeeze`` of ``preprocessing.text.squeeze``.

Only the words with a run that may be too long are read again; the bytes between them are copied. Indices are compared with 0,
so that the compiler removes the handling of negative ones.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import copy, decode
from preprocessing.kernels.code_lines import is_in_code
from preprocessing.kernels.compiled import inner
from preprocessing.kernels.fences import NO_FENCES, fence_end, span_end
from preprocessing.kernels.kept_runs import (
    is_before_entry,
    is_data,
    is_drawn,
    is_identifier,
    is_morse,
    is_spacing,
)
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
    WIDTH,
)

_WWW, _HTTP, _HTTPS = (np.frombuffer(word, np.uint8) for word in (b"www", b"http", b"https"))
_TAB, _FEED, _SPACE, _LINE = 9, 10, 32, 0x2500


@inner()
def set_limits(limits, longest, laughs_from):
    """Writes the shortest run of each family that may be shortened to ``limits: [FAMILY + 1] int64``."""
    for family in range(len(limits)):
        limits[family] = longest + 1
    limits[DOTS] = 4
    limits[ELLIPSIS] = 2
    limits[SYLLABLE] = max(longest + 1, laughs_from)


@inner()
def squeeze(data, start, end, table, places, options, fenced, out, at):
    """Writes ``data[start:end]`` at ``out[at]`` with its runs shortened; returns its end.

    ``places``: bytes inside of the runs that may be shortened, in order; ``options``: ``(longest, laughs_from, indented)``, the
    last whether a line of the row begins with blanks; ``fenced``: the marks of fences in the row, of ``fences``; with any, code spans
    are searched, too.
    """
    row = (_after_blanks(data, start, end), end)
    if fenced:
        return _squeeze_part(data, start, end, row, table, options, fenced, out, at)
    i = start
    for place in places:
        if place < i:
            continue
        begin = place
        while begin > i and data[begin - 1] > _SPACE:
            begin -= 1
        word_end = place
        while 0 <= word_end < end and data[word_end] > _SPACE:
            word_end += 1
        at = copy(data, i, begin, out, at)
        at = _squeeze_part(data, begin, word_end, row, table, options, NO_FENCES, out, at)
        i = word_end
    return copy(data, i, end, out, at)


@inner()
def _squeeze_part(data, i, end, row, table, options, fenced, out, at):
    """Same as ``squeeze`` for a whole row, or for a word of a row without code; ``row``: where the row begins and ends."""
    first, opening = at, fenced
    longest, laughs_from, indented = options
    searched = FAMILY | COLON | ((LINE_FEED | BACKTICK) if fenced else 0)
    if opening:
        fence, opening = fence_end(data, i, end, opening)
        at = copy(data, i, fence, out, at)
        i = fence
    while 0 <= i < end:
        c, step = decode(data, i)
        classes = _classes_of(c, table) & searched
        family = classes & FAMILY
        before = out[at - 1] if at > first else np.uint8(0)
        following = i
        if classes & BACKTICK:
            following = span_end(data, i, end, before)
        elif classes & LINE_FEED and opening:
            following, opening = fence_end(data, i + 1, end, opening)
        elif classes & COLON or (family == DOTS and before == ord("w") and _follows(out, first, at, _WWW)):
            following = _url_end(data, i, end, out, first, at)
        if following == i and family:
            run, count = _run_end(data, i, end, table, family, c)
            if count > 1 and ((indented and is_in_code(data, i, row)) or is_data(data, i, run, row)):
                at = copy(data, i, run, out, at)
                i = run
                continue
            if STARS <= family <= MARKS:
                at = _shorten_group(data, i, run, count, family, longest, out, at)
                i = run
                continue
            after = data[run] if run < end else np.uint8(0)
            if (
                (c == _LINE and (is_drawn(out, at - 3, first, at) or is_drawn(data, run, run, end)))
                or (c == ord(".") and (is_identifier(before, after) or is_morse(data, i, run, row)))
                or (c == ord("~") and (is_spacing(before, after) or is_before_entry(data, i, run, row)))
            ):
                at = copy(data, i, run, out, at)
                i = run
                continue
            kept = _after_characters(data, i, _squeezed_length(family, count, longest, laughs_from))
            at = copy(data, i, kept, out, at)
            i = run
            continue
        following = max(following, i + step)
        at = copy(data, i, following, out, at)
        i = following
    return at


@inner()
def _after_blanks(data, i, end):
    while 0 <= i < end and data[i] in (_TAB, _FEED, _SPACE):
        i += 1
    return i


@inner()
def _classes_of(c, table):
    """The classes of a character; of one that has kept another width, in code or among Chinese, none."""
    classes = classes_of(c, table)
    return np.int64(0) if classes & WIDTH else classes


@inner()
def _run_end(data, i, end, table, family, c):
    """``(end, characters)`` of the run at ``i``, of ``c`` alone where the family repeats one character."""
    count = 0
    while 0 <= i < end:
        following, step = decode(data, i)
        if following != c and (family >= SAME or _classes_of(following, table) & FAMILY != family):
            break
        count += 1
        i += step
    return i, count


@inner()
def _after_characters(data, i, count):
    for _ in range(count):
        i += decode(data, i)[1]
    return i


@inner()
def _shorten_group(data, i, end, characters, family, longest, out, at):
    """Writes a run of stars, hearts or marks with each run of one sign shortened; returns its end."""
    sign, _ = decode(data, i)
    mixed = False
    j = i
    while j < end:
        c, step = decode(data, j)
        mixed |= c != sign
        j += step
    is_rating = characters <= MAX_RATING and (family == STARS or (family == HEARTS and mixed))
    runs, count, last = 0, 0, np.int64(0)
    while i < end:
        c, step = decode(data, i)
        count = count + 1 if c == last else 1
        runs += c != last
        last = c
        if is_rating or (count <= longest and (family != MARKS or runs <= max(2, longest))):
            at = copy(data, i, i + step, out, at)
        i += step
    return at


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
def _url_end(data, i, end, out, first, at):
    """The end of the URL with its colon, or its dot after www, at ``i``; ``i`` without a URL. ``out[first:at]`` is before it."""
    j = i + 1
    if data[i] == ord(":"):
        if not (_follows(out, first, at, _HTTP) or _follows(out, first, at, _HTTPS)):
            return i
        if i + 2 >= end or data[i + 1] != ord("/") or data[i + 2] != ord("/"):
            return i
        j = i + 3
    last = j
    while 0 <= last < end and data[last] > _SPACE:
        last += 1
    return last if last > j else i


@inner()
def _follows(out, first, at, word):
    """Whether what was written so far, ``out[first:at]``, ends with ``word``."""
    same = 0
    for k in range(min(at - first, len(word))):
        same += out[at - 1 - k] == word[len(word) - 1 - k]
    return same == len(word)
