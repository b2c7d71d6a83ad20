"""Normalizes whole columns of UTF-8, with the same result as the plain functions of ``preprocessing.text.normalize``.

Owns one pass over a column: each row is decoded once into a scratch array of code points, changed in place by the
operations that its classes of characters require, and encoded again. Rows with characters that may compose (other than
Hangul) are returned unchanged, because Unicode composition is not implemented here; so are those with tag characters.

The table of characters comes from ``preprocessing.text.character_table``.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import decode
from preprocessing.kernels.columns import MAX_COLUMNS
from preprocessing.kernels.compiled import inner, njit
from preprocessing.kernels.normalize_blanks import end_code, put, put_collapsed
from preprocessing.kernels.normalize_characters import (
    compose_hangul,
    is_plain_vowel,
    join_typed_jamo,
    remove_invisible,
    replace_class,
    spell_stray_jamo,
    to_usual_width,
)
from preprocessing.kernels.normalize_classes import (
    BACKTICK,
    BLANK,
    COMPATIBILITY,
    COMPOSES,
    CONTROL,
    FAMILY,
    JAMO,
    LINE_FEED,
    SINGLE,
    SIZE,
    TAB,
    WIDTH,
)
from preprocessing.kernels.squeeze import squeeze

# Operations that changed a row, in order; UNDONE: the row was left unchanged, because it may need composition.
OPERATIONS = ("control", "full_width", "nfc", "stray_jamo", "typed_jamo", "squeeze", "whitespace")
_CONTROL, _FULL_WIDTH, _NFC, _STRAY, _TYPED, _SQUEEZE, _WHITESPACE, UNDONE = (1 << i for i in range(8))
_COLLAPSE = 1 << 8  # blanks are collapsed while the row is written
# Classes of a whole row, above those of a character: a run of emotion, blanks to collapse, separately typed jamo
_RUN, _BLANKS, _APART = 1 << 16, 1 << 17, 1 << 18


@njit()
def normalize(data, offsets, table, usual, prose, longest, laughs_from, join_typed, keep_old):
    """``(data: uint8, offsets: [rows + 1] int64, changes: [rows] uint8)`` of a column (``data``, ``offsets``).

    ``table`` is ``prose_table()`` or, where ``prose`` is false, ``code_table()``; the other arguments are options of
    ``CleanConfig``.
    """
    rows = len(offsets) - 1
    size = 0
    for r in range(rows):
        size = max(size, offsets[r + 1] - offsets[r])
    text = np.empty(size + 2, np.uint32)  # operations look one or two characters ahead
    spare = np.empty(size + 1, np.uint32)
    places = np.empty((6, MAX_COLUMNS), np.int64)
    out = np.empty(offsets[rows] - offsets[0] + rows, np.uint8)
    ends = np.zeros(rows + 1, np.int64)
    changes = np.zeros(rows, np.uint8)
    at = 0
    for r in range(rows):
        start, end = offsets[r], offsets[r + 1]
        length, seen = _read(data, start, end, text, table)
        if prose:
            length, changed = _prose(
                text, length, seen, spare, table, usual, longest, laughs_from, join_typed, keep_old
            )
        else:
            length, changed = _code(text, length, seen, table, usual)
        if changed & _COLLAPSE:
            at, blanks = put_collapsed(text, length, seen & BACKTICK != 0, places, out, at)
            changed = changed & ~_COLLAPSE | (_WHITESPACE if blanks else 0)
        elif changed & ~UNDONE:
            at = put(text, 0, length, out, at)
        else:
            out[at : at + end - start] = data[start:end]
            at += end - start
        changes[r] = changed
        ends[r + 1] = at
    return out[:at], ends, changes


@inner()
def _read(data, start, end, text, table):
    """Decodes a row into ``text``; returns the number of code points and the classes that occur."""
    length, seen, previous, before = 0, 0, 0, 0
    i = start
    while 0 <= i < end:
        c, step = decode(data, i)
        i += step
        text[length] = c
        length += 1
        if c < SIZE:
            classes = np.int64(table[np.uint32(c)])
        else:
            classes = COMPOSES if 0x2F800 <= c <= 0x2FA1F or 0xE0000 <= c < 0xE0080 else 0
        seen |= classes
        if classes & previous:
            seen |= _pair(c, classes, previous, before)
        before, previous = previous, classes
    if length and (text[0] <= 32 or text[length - 1] <= 32):
        seen |= _BLANKS
    return length, seen


@inner()
def _pair(c, classes, previous, before):
    """Classes of the row that a character adds together with the one or two before it."""
    row_classes = 0
    family = classes & FAMILY
    if family and family == previous & FAMILY:
        row_classes |= _RUN
    if classes & previous & BLANK:
        feed, after_feed = classes & LINE_FEED != 0, previous & LINE_FEED != 0
        if (not feed and not after_feed) or (feed and (not after_feed or before & LINE_FEED)):
            row_classes |= _BLANKS
    elif classes & previous & COMPATIBILITY and is_plain_vowel(c):
        row_classes |= _APART
    return row_classes


@inner()
def _prose(text, length, seen, spare, table, usual, longest, laughs_from, join_typed, keep_old):
    """Applies the operations of prose except the last; returns the new length and the changes, with _COLLAPSE if needed."""
    if seen & COMPOSES or (keep_old and seen & JAMO):
        return length, UNDONE
    changes = 0
    fenced = seen & BACKTICK != 0
    if seen & CONTROL:
        length, changed = remove_invisible(text, length, table, True)
        if changed:
            changes |= _CONTROL
    if seen & WIDTH:
        changes |= _FULL_WIDTH if to_usual_width(text, length, table, WIDTH, usual) else 0
    if seen & SINGLE:
        replace_class(text, length, table, SINGLE, usual)
        changes |= _NFC
    if seen & JAMO:
        composed = compose_hangul(text, length)
        changes |= _NFC if composed < length else 0
        length, spelled = spell_stray_jamo(text, composed, table, usual)
        if length < 0:
            return composed, UNDONE
        changes |= _STRAY if spelled else 0
    closer = changes != 0
    if join_typed and seen & (COMPATIBILITY | JAMO) and (closer or seen & _APART):
        joined = join_typed_jamo(text, length, spare)
        changes |= _TYPED if joined < length else 0
        length = joined
    if closer or seen & _RUN:
        squeezed = squeeze(text, length, table, longest, laughs_from, fenced)
        changes |= _SQUEEZE if squeezed < length else 0
        length = squeezed
    if closer or seen & (_BLANKS | TAB):
        changes |= _COLLAPSE
    return length, changes


@inner()
def _code(text, length, seen, table, usual):
    """Applies the operations of source code; returns the new length and the changes."""
    if seen & COMPOSES:
        return length, UNDONE
    changes = 0
    if seen & CONTROL:
        length, changed = remove_invisible(text, length, table, False)
        if changed:
            changes |= _CONTROL
    if seen & SINGLE:
        replace_class(text, length, table, SINGLE, usual)
        changes |= _NFC
    if seen & JAMO:
        composed = compose_hangul(text, length)
        changes |= _NFC if composed < length else 0
        length = composed
    length, changed = end_code(text, length)
    if changed:
        changes |= _WHITESPACE
    return length, changes
