"""Finds which classes of characters occur in a row of UTF-8, and with them which operations ``normalize`` must run.

Owns the classes of a whole row and one pass over it. Stretches of plain text, in which nothing can change, are checked as bytes;
only the others are read character by character.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import decode
from preprocessing.kernels.compiled import inner
from preprocessing.kernels.normalize_characters import classes_of, is_plain_vowel
from preprocessing.kernels.normalize_classes import (
    BACKTICK,
    BLANK,
    COMPATIBILITY,
    COMPOSES,
    FAMILY,
    LINE_FEED,
    MARKS,
    SIZE,
    TILDE,
)

# Classes of a whole row, above those of a character: a run of emotion, blanks to collapse, separately typed jamo, three tildes
# that may open a fence, a line that begins with a blank
RUN, BLANKS, APART, FENCE_OF_TILDES, INDENTED = (1 << i for i in range(16, 21))
_STRETCH = 32  # bytes that are checked together
_AHEAD = 5  # bytes behind a stretch that are read with it
_FEED, _SPACE, _BACKTICK, _TILDE, _DELETE = (np.uint8(b) for b in (10, 32, 96, 126, 127))
_CONTINUED, _LEAD, _FIRST, _LAST, _AFTER_LAST = (np.uint8(b) for b in (0x80, 0xC0, 0xEA, 0xED, 0xEE))
_AFTER_FIRST, _BEFORE_LAST = (
    np.uint8(0xB0),
    np.uint8(0x9E),
)  # second bytes of the first and after the last syllables
_AFTER_THIRD = np.uint8(0xA4)
_1, _2, _3, _4, _5 = (np.uint64(k) for k in range(1, 6))
_EMOTIONAL = tuple(np.uint8(ord(c)) for c in "!.?^~")  # ASCII with a family


@inner()
def classify(data, start, end, table, limits, runs):
    """``(classes, found)``: the classes that occur in a row; how many runs may be shortened.

    Writes a byte inside of each such run to ``runs``; ``limits``: see ``squeeze.set_limits``. Classes of a character that no
    operation needs may be missing.
    """
    seen, previous, before = 0, 0, 0
    found, run, run_end = 0, np.int64(0), np.int64(-1)
    shortened = limits[MARKS]  # the shortest run of signs that may be shortened
    i = start
    while 0 <= i < end:
        plain, ticks = _after_plain(data, i, end, shortened > 2, shortened > 3)
        if plain > i:
            i = plain
            seen |= BACKTICK if ticks else 0
            at = _begin_before(data, i)
            previous = _classes_of(decode(data, at)[0], table)
            before = _classes_of(decode(data, _begin_before(data, at))[0], table)
            if previous & FAMILY == before & FAMILY:
                run, run_end = np.int64(2), i
        stop = min(i + _STRETCH, end)
        while 0 <= i < stop or (previous and 0 <= i < end):  # no pair may reach into a plain stretch
            c, step = decode(data, i)
            classes = _classes_of(c, table)
            seen |= classes
            if classes & previous:
                family = classes & FAMILY
                if family and family == previous & FAMILY:
                    run = run + 1 if run_end == i else 2
                    run_end = i + step
                    if run == limits[family]:
                        seen |= RUN
                        runs[found] = i
                        found += 1
                seen |= _pair(c, classes, previous, before)
                if classes & previous & TILDE and _begin_fence(data, start, end, i - 1):
                    seen |= FENCE_OF_TILDES
            before, previous = previous, classes
            i += step
    if start < end and (data[start] <= 32 or data[end - 1] <= 32):
        seen |= BLANKS
    return seen, found


@inner()
def _after_plain(data, i, end, pairs, triples):
    """The end of the plain stretches at ``i``, where a character begins, ``i`` without one; whether they may have a backtick."""
    first, ticks = i, False
    while 0 <= i < end - _STRETCH - _AHEAD:
        plain, with_tick = _is_plain(data, i, pairs, triples)
        if not plain:
            break
        ticks |= with_tick
        i += _STRETCH
    while i > first and _CONTINUED <= data[i] < _LEAD:
        i -= 1
    return i, ticks


@inner()
def _is_plain(data, start, pairs, triples):
    """Whether a stretch needs no operation: visible ASCII and syllables, single blanks, at most two line feeds in a row; and whether
    it has a backtick.

    No syllable is repeated, and at most one sign of a family, or two or three where ``pairs`` or ``triples`` stay, are side by side.
    Without branches, so that it vectorizes.
    """
    other = ticks = False
    for i in range(np.uint64(start), np.uint64(start) + np.uint64(_STRETCH)):
        b, n, m, o = data[i], data[i + _1], data[i + _2], data[i + _3]
        visible = (b > _SPACE) & (b < _DELETE)
        ticks |= b == _BACKTICK
        blank = ((b == _SPACE) | (b == _FEED)) & ((n > _SPACE) | ((b == _FEED) & (n == _FEED) & (m > _SPACE)))
        syllable = (b >= _FIRST) & (b < _AFTER_LAST) & ((b != _FIRST) | (n >= _AFTER_FIRST))
        syllable &= (b != _LAST) | (n < _BEFORE_LAST) | ((n == _BEFORE_LAST) & (m < _AFTER_THIRD))
        continued = (b >= _CONTINUED) & (b < _LEAD)
        repeated = (b >= _FIRST) & (b == o) & (n == data[i + _4]) & (m == data[i + _5])
        ordinary = visible | blank | syllable | continued
        run = _is_emotional(b) & _is_emotional(n) & (_is_emotional(m) | (not pairs))
        run &= _is_emotional(o) | (not triples) | (b == _TILDE)  # three tildes may open a fence
        other |= (not ordinary) | repeated | run
    return not other, ticks


@inner()
def _is_emotional(b):
    return (
        (b == _EMOTIONAL[0])
        | (b == _EMOTIONAL[1])
        | (b == _EMOTIONAL[2])
        | (b == _EMOTIONAL[3])
        | (b == _EMOTIONAL[4])
    )


@inner()
def _begin_before(data, i):
    """Where the character before ``i`` begins."""
    i -= 1
    while i > 0 and _CONTINUED <= data[i] < _LEAD:
        i -= 1
    return i


@inner()
def _classes_of(c, table):
    if c < SIZE:
        return classes_of(c, table)
    return COMPOSES if 0x2F800 <= c <= 0x2FA1F or 0xE0000 <= c < 0xE0080 else 0


@inner()
def _pair(c, classes, previous, before):
    """Classes of the row that a character adds together with the one or two before it."""
    if classes & previous & BLANK:
        feed, after_feed = classes & LINE_FEED != 0, previous & LINE_FEED != 0
        if (not feed and not after_feed) or (feed and (not after_feed or before & LINE_FEED)):
            return BLANKS
        if after_feed and not feed:
            return INDENTED
    elif classes & previous & COMPATIBILITY and is_plain_vowel(c):
        return APART
    return 0


@inner()
def _begin_fence(data, start, end, i):
    """Whether the two tildes at ``i`` are the first of three behind a blank, a line feed or a mark of a quotation."""
    return (
        i + 2 < end
        and data[i + 2] == ord("~")
        and (i == start or data[i - 1] <= 32 or data[i - 1] == ord(">"))
    )
