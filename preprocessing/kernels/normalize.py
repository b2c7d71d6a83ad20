"""Normalizes whole columns of UTF-8, with the same result as the plain functions of ``preprocessing.text``.

Owns one pass over a column: the classes of characters that occur in a row say which operations it requires. Those on characters
work on code points; runs and blanks are found and copied as bytes. Rows with characters that may compose (other than
Hangul) are returned unchanged, because Unicode composition is not implemented here; so are those with tag characters.

The table of characters comes from ``preprocessing.text.character_table``.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import copy, decode, encode
from preprocessing.kernels.columns import MAX_COLUMNS
from preprocessing.kernels.compiled import inner, njit
from preprocessing.kernels.fences import BACKTICKS, NO_FENCES, TILDES
from preprocessing.kernels.hidden_code import hide_code, narrow_backticks, show_code
from preprocessing.kernels.normalize_blanks import put_code, put_collapsed
from preprocessing.kernels.normalize_characters import (
    compose_hangul,
    join_typed_jamo,
    remove_invisible,
    replace_class,
    spell_stray_jamo,
    to_usual_width,
)
from preprocessing.kernels.normalize_classes import (
    BACKTICK,
    COMPATIBILITY,
    COMPOSES,
    CONTROL,
    FAMILY,
    JAMO,
    SINGLE,
    TAB,
    WIDTH,
)
from preprocessing.kernels.row_classes import APART, BLANKS, FENCE_OF_TILDES, INDENTED, RUN, classify
from preprocessing.kernels.squeeze import set_limits, squeeze

# Operations that changed a row, in order; UNDONE: the row was left unchanged, because it may need composition.
OPERATIONS = ("control", "full_width", "nfc", "stray_jamo", "typed_jamo", "squeeze", "whitespace")
_CONTROL, _FULL_WIDTH, _NFC, _STRAY, _TYPED, _SQUEEZE, _WHITESPACE, UNDONE = (1 << i for i in range(8))


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
    text, spare = np.empty(size + 2, np.uint32), np.empty(size + 1, np.uint32)  # operations look ahead
    recoded, squeezed = np.empty(size + 1, np.uint8), np.empty(size + 1, np.uint8)
    runs = np.empty(size // 2 + 1, np.int64)
    limits = np.empty(FAMILY + 1, np.int64)
    set_limits(limits, longest, laughs_from)
    columns = np.empty((6, MAX_COLUMNS), np.int64)
    out = np.empty(offsets[rows] - offsets[0] + rows, np.uint8)
    ends = np.zeros(rows + 1, np.int64)
    changes = np.zeros(rows, np.uint8)
    at = 0
    for r in range(rows):
        row, start, end = data, offsets[r], offsets[r + 1]
        seen, found = classify(row, start, end, table, limits, runs)
        changed = 0
        if seen & COMPOSES or (prose and keep_old and seen & JAMO):
            changed = UNDONE
        elif seen & (CONTROL | SINGLE | JAMO) or (prose and seen & (WIDTH | (APART if join_typed else 0))):
            length = _decode_row(row, start, end, text)
            length, changed = _change_characters(text, length, seen, spare, table, usual, prose, join_typed)
            if changed and not changed & UNDONE:
                row, start, end = recoded, 0, _encode_row(text, length, recoded)
                seen, found = classify(row, start, end, table, limits, runs)
        if changed & UNDONE:
            at = copy(data, offsets[r], offsets[r + 1], out, at)
        elif not prose:
            at, ended = put_code(row, start, end, out, at)
            changed |= _WHITESPACE if ended else 0
        else:
            fenced = BACKTICKS if seen & BACKTICK else NO_FENCES
            fenced |= TILDES if seen & FENCE_OF_TILDES else NO_FENCES
            if seen & RUN:
                options = (longest, laughs_from, seen & INDENTED != 0)
                length = squeeze(row, start, end, table, runs[:found], options, fenced, squeezed, 0)
                changed |= _SQUEEZE if length < end - start else 0
                row, start, end = squeezed, 0, length
            if seen & (BLANKS | TAB):
                at, collapsed = put_collapsed(row, start, end, fenced, columns, out, at)
                changed |= _WHITESPACE if collapsed else 0
            else:
                at = copy(row, start, end, out, at)
        changes[r] = changed
        ends[r + 1] = at
    return out[:at], ends, changes


@inner()
def _change_characters(text, length, seen, spare, table, usual, prose, join_typed):
    """Applies the operations on characters to a text; returns the new length and the changes."""
    changes = 0
    has_code = seen & BACKTICK != 0
    if seen & CONTROL:
        length, changed = remove_invisible(text, length, table, prose)
        if changed:
            changes |= _CONTROL
    if prose and seen & WIDTH:
        narrowed = has_code and narrow_backticks(text, length)
        if has_code:
            hide_code(text, length)
        changed = to_usual_width(text, length, table, WIDTH, usual)
        changes |= _FULL_WIDTH if changed or narrowed else 0
        if has_code:
            show_code(text, length)
    if seen & SINGLE:
        replace_class(text, length, table, SINGLE, usual)
        changes |= _NFC
    if seen & JAMO:
        composed = compose_hangul(text, length)
        changes |= _NFC if composed < length else 0
        length = composed
        if prose:
            if has_code:
                hide_code(text, composed)
            length, spelled = spell_stray_jamo(text, composed, table, usual)
            if length < 0:
                return composed, UNDONE
            changes |= _STRAY if spelled else 0
            if has_code:
                show_code(text, length)
    if prose and join_typed and seen & (COMPATIBILITY | JAMO) and (changes or seen & APART):
        if has_code:
            hide_code(text, length)
        joined = join_typed_jamo(text, length, spare)
        changes |= _TYPED if joined < length else 0
        length = joined
        if has_code:
            show_code(text, length)
    return length, changes


@inner()
def _decode_row(data, start, end, text):
    """Writes the code points of a row; returns their number."""
    length = 0
    i = start
    while 0 <= i < end:
        text[length], step = decode(data, i)
        length += 1
        i += step
    return length


@inner()
def _encode_row(text, length, out):
    """Writes a text of code points as UTF-8; returns its length in bytes."""
    at = 0
    for i in range(length):
        at = encode(text[i], out, at)
    return at
