"""Finds text of a line that is no prose: character references, tags, code spans, and fenced code, in UTF-8.

Owns where each ends; ``kernels.languages`` decides what is skipped.
"""

from __future__ import annotations

from preprocessing.kernels.compiled import inner

LONGEST_REFERENCE = 32  # bytes after & to ;
LONGEST_SKIPPED = 1000  # bytes of a tag or a code span
BACKTICK, TILDE, AMPERSAND, LESS, _GREATER = 96, 126, 38, 60, 62


@inner()
def _is_letter(b):
    return 65 <= b <= 90 or 97 <= b <= 122


@inner()
def after_reference(data, i, end):
    """The end of the character reference at the ``&`` at ``i``; ``i`` without one."""
    for j in range(i + 1, min(end, i + 1 + LONGEST_REFERENCE)):
        b = data[j]
        if b == 59:  # ";"
            return j + 1 if j > i + 1 else i
        if not (_is_letter(b) or 48 <= b <= 57 or b == 35):
            return i
    return i


@inner()
def after_skipped(data, i, end):
    """The end of the tag or code span at ``i`` in its line; ``i`` without one."""
    limit = min(end, i + LONGEST_SKIPPED)
    if data[i] == LESS:
        if i + 1 >= limit or not (_is_letter(data[i + 1]) or data[i + 1] == 47 or data[i + 1] == 33):
            return i
        for j in range(i + 1, limit):
            if data[j] == _GREATER:
                return j + 1
            if data[j] == LESS or data[j] == 10:
                return i
        return i
    length = run_length(data, i, end)
    j = i + length
    while j < limit and data[j] != 10:
        if data[j] == BACKTICK:
            other = run_length(data, j, end)
            if other == length:
                return j + other
            j += other
        else:
            j += 1
    return i


@inner()
def has_hangul_ahead(data, i, end):
    """Whether the rest of the line may contain Hangul; false positives cost a second reading of the line."""
    while i < end and data[i] != 10:
        if 0xE1 <= data[i] <= 0xED:
            return True
        i += 1
    return False


@inner()
def run_length(data, i, end):
    """How often the byte at ``i`` is repeated."""
    j = i
    while j < end and data[j] == data[i]:
        j += 1
    return j - i


@inner()
def after_fence(data, i, end):
    """``(end, weight)`` of the fenced code that begins at ``i``: the end of its last line and its visible characters.

    ``(i, 0)`` without such code, ``(i, -1)`` for code that never ends.
    """
    length = run_length(data, i, end)
    j = i + length
    while j < end and data[j] != 10:
        b = data[j]
        if data[i] == BACKTICK:
            if b == BACKTICK:
                return i, 0
        elif b not in (9, 13, 32) and not (_is_letter(b) or 48 <= b <= 57):
            return i, 0
        j += 1
    weight = 0
    while j < end:
        j += 1
        line, inside = j, 0
        while j < end and (data[j] == 32 or data[j] == 9):
            j += 1
        if j < end and data[j] == data[i]:
            closing = run_length(data, j, end)
            k = j + closing
            while k < end and (data[k] == 32 or data[k] == 9 or data[k] == 13):
                k += 1
            if closing >= length and (k == end or data[k] == 10):
                return k, weight
        j = line
        while j < end and data[j] != 10:
            inside += data[j] > 32 and data[j] & 0xC0 != 0x80
            j += 1
        weight += inside
    return i, -1
