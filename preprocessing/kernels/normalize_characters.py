"""Normalizes the characters of one text of code points in place: controls, widths, jamo.

``text`` is uint32 with ``length`` code points. Each function has a plain namesake in ``preprocessing.text``
(``replace_class``: ``to_usual_width``) and returns the new length, which never grows. Loops compare indices with 0, so
that the compiler removes the handling of negative indices.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.compiled import inner
from preprocessing.kernels.hidden_code import is_hidden
from preprocessing.kernels.normalize_classes import CONTROL, JAMO, PARTICLES, SIZE
from preprocessing.kernels.terminal_escapes import after_escape

_FEED, _VERTICAL_TAB, _PAGE_BREAK, _RETURN, _ESCAPE = 10, 11, 12, 13, 27
_NON_JOINER, _JOINER, _LOWER_BLOCK = 0x200C, 0x200D, 0x2581
# First letters of the conjoining jamo (leading, vowel, one before the trailing) and of the syllables
_L, _V, _T, _S = 0x1100, 0x1161, 0x11A7, 0xAC00
_ARAEA, _DOT_LETTER = 0x119E, 0x318D
_PARTICLES = tuple(map(ord, PARTICLES))
# Number of the initial and of the final of a compatibility consonant (from U+3131); -1: none
_INITIAL = np.array([0, 1, -1, 2, -1, -1, 3, 4, 5, -1, -1, -1, -1, -1, -1, -1, 6, 7, 8, -1, 9, 10, 11, 12, 13, 14, 15,
                     16, 17, 18], np.int64)  # fmt: skip
_FINAL = np.array([1, 2, 3, 4, 5, 6, 7, -1, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, -1, 18, 19, 20, 21, 22, -1, 23, 24,
                   25, 26, 27], np.int64)  # fmt: skip


@inner()
def classes_of(c, table):
    return np.int64(table[np.uint64(c)]) if c < SIZE else np.int64(0)


@inner()
def _is_emoji(c):
    return (0x2600 <= c <= 0x27BF) or (0x1F000 <= c <= 0x1FAFF)


@inner()
def _is_joined(before, joiner, c):
    """Whether a joiner stays: between two emoji, or between letters of Arabic and Indic scripts."""
    if 0x600 <= before <= 0xDFF:
        return 0x600 <= c <= 0xDFF
    return joiner == _JOINER and _is_emoji(c) and (_is_emoji(before) or before == 0xFE0F)


@inner()
def remove_invisible(text, length, table, prose):
    """Same as ``remove_invisible`` or ``remove_invisible_in_code``; returns the length and whether anything changed."""
    w, i, joiners, joiner, page_break, changed = 0, 0, 0, 0, False, False
    while 0 <= i < length:
        c = text[i]
        if classes_of(c, table) & CONTROL:
            if prose and c in (_NON_JOINER, _JOINER):
                joiners += 1
                joiner = np.int64(c)
                i += 1
                continue
            changed = True
            if c == _RETURN and i + 1 < length and text[i + 1] == _FEED:
                i += 1
                continue
            if prose and c == _PAGE_BREAK:
                page_break = True
                i += 1
                continue
            if c == _RETURN or (prose and c == _VERTICAL_TAB) or c == 0x85 or c == 0x2028 or c == 0x2029:
                c = _FEED
            elif prose and 0x1C <= c <= 0x1F:
                c = ord(" ")
            elif c == _LOWER_BLOCK:
                c = ord("_")
            else:
                i = after_escape(text, i, length) if prose and c == _ESCAPE else i + 1
                continue
        if page_break:
            if w and c != _FEED and text[w - 1] != _FEED:
                text[w] = _FEED
                w += 1
            page_break = False
        if joiners:
            if joiners == 1 and w and _is_joined(text[w - 1], joiner, c):
                text[w] = joiner
                w += 1
            else:
                changed = True
            joiners = 0
        text[w] = c
        w += 1
        i += 1
    return w, changed or joiners > 0


@inner()
def replace_class(text, length, table, replaced, usual):
    """Replaces the characters of the class ``replaced`` by those of the table ``usual``."""
    for i in range(length):
        if classes_of(text[i], table) & replaced:
            text[i] = usual[text[i]]


@inner()
def to_usual_width(text, length, table, replaced, usual):
    """Same as ``replace_class``, except for marks of Chinese and Japanese; returns whether anything changed."""
    changed = False
    i = 0
    while 0 <= i < length:
        end = i
        while end < length and _is_wide_mark(text[end]):
            end += 1
        if (
            end > i > 0
            and _is_east_asian(text[i - 1])
            and (end == length or text[end] == 10 or is_hidden(text[end]) or _is_east_asian(text[end]))
        ):
            i = end
            continue
        end = max(end, i + 1)
        for k in range(i, end):
            if classes_of(text[k], table) & replaced:
                text[k] = usual[text[k]]
                changed = True
        i = end
    return changed


@inner()
def _is_wide_mark(c):
    return c in (0xFF01, 0xFF0C, 0xFF1A, 0xFF1B, 0xFF1F)


@inner()
def _is_east_asian(c):
    return 0x3001 <= c <= 0x30FF or 0x3400 <= c <= 0x4DBF or 0x4E00 <= c <= 0x9FFF


@inner()
def compose_hangul(text, length):
    """Composes conjoining jamo to syllables (Unicode Standard, section 3.12)."""
    w = 0
    for i in range(length):
        c = text[i]
        if w:
            last = text[w - 1]
            if _V <= c < _V + 21 and _L <= last < _L + 19:
                text[w - 1] = _S + ((last - _L) * 21 + c - _V) * 28
                continue
            if _T < c < _T + 28 and _S <= last < _S + 11172 and (last - _S) % 28 == 0:
                text[w - 1] = last + (c - _T)
                continue
        text[w] = c
        w += 1
    return w


@inner()
def spell_stray_jamo(text, length, table, usual):
    """Returns the new length and whether anything changed; the length is -1 where a syllable must become two letters."""
    filled = length
    length = _remove_fillers(text, length)
    w, changed, begins = 0, length < filled, True
    before, previous = np.uint32(0), np.uint32(0)  # the two characters before, as they were
    for i in range(length):
        c = text[i]
        letter = c
        if classes_of(c, table) & JAMO:
            if (
                _V <= c < _V + 21
                and _L <= before < _L + 19
                and previous == _S + ((before - _L) * 21 + c - _V) * 28
            ):
                return -1, True
            letter = usual[c]
            if c == _ARAEA:
                is_dot = not (_L <= previous < 0x115F or 0xA960 <= previous <= 0xA97C)
            else:
                is_dot = c == _DOT_LETTER and i + 1 < length and _is_dot(text, i, length, previous, begins)
            if is_dot:
                letter = np.uint32(ord("·"))
            changed |= letter != c
        before, previous = previous, c
        begins = c == _FEED or is_hidden(c) or (begins and (c == 32 or c == 9))
        if letter:
            text[w] = letter
            w += 1
    return w, changed


@inner()
def _remove_fillers(text, length):
    first = 0
    while first < length and text[first] != 0x115F and text[first] != 0x1160:
        first += 1
    w = first
    for i in range(first, length):
        if text[i] != 0x115F and text[i] != 0x1160:
            text[w] = text[i]
            w += 1
    return w


@inner()
def _is_dot(text, i, length, previous, begins):
    """Whether U+318D at ``i``, before another character, is a middle dot or the mark of an item.

    ``begins``: only blanks are before it in its line or behind code. A particle behind it makes it the letter.
    """
    following = text[i + 1]
    if _is_word(previous) or previous in (0x29, 0x5D, 0x7D, 0x2019, 0x201D, 0x3009, 0x300B, 0x300D, 0x300F):
        return _is_word(following) or following in (
            0x28, 0x5B, 0x7B, 0x2018, 0x201C, 0x3008, 0x300A, 0x300C, 0x300E
        )  # fmt: skip
    if not begins:
        return False
    if following == 32 or following == 9:
        return True
    goes_on = i + 2 < length and _is_word(text[i + 2])
    return _is_word(following) and (goes_on or following not in _PARTICLES)


@inner()
def _is_word(c):
    latin = 48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122
    return latin or _S <= c < _S + 11172 or 0x4E00 <= c <= 0x9FFF


@inner()
def join_typed_jamo(text, length, syllables):
    """Joins compatibility jamo that were typed separately; ``syllables``: scratch for one run."""
    w, i, previous = 0, 0, np.uint32(0)
    while 0 <= i < length:
        c = text[i]
        if not 0x3131 <= c <= 0x3163:
            text[w] = previous = c
            w += 1
            i += 1
            continue
        end = i + 1
        while end < length and 0x3131 <= text[end] <= 0x3163:
            end += 1
        count = 0
        if end - i >= 4 and not _S <= previous < _S + 11172:
            count = _typed_syllables(text, i, end, syllables)
        previous = c
        for k in range(i, end) if count == 0 else range(count):
            text[w] = text[k] if count == 0 else syllables[k]
            w += 1
        i = end
    return w


@inner()
def is_plain_vowel(c):
    """Whether a character is a vowel other than ㅠ, ㅜ and ㅡ, which also express emotion."""
    return 0x314F <= c <= 0x3163 and c != 0x3160 and c != 0x315C and c != 0x3161


@inner()
def _typed_syllables(text, start, end, syllables):
    """Writes the syllables of the run ``start:end``; returns their number, 0 if the run can be anything else."""
    count, i, plain, different = 0, start, False, False
    while 0 <= i < end:
        if i + 1 >= end or text[i] > 0x314E or text[i + 1] < 0x314F:
            return 0
        initial, vowel, final = _INITIAL[text[i] - 0x3131], text[i + 1] - 0x314F, np.int64(0)
        plain |= is_plain_vowel(text[i + 1])
        i += 2
        if i < end and text[i] <= 0x314E and (i + 1 == end or text[i + 1] <= 0x314E):
            final = _FINAL[text[i] - 0x3131]
            i += 1
        if initial < 0 or final < 0:
            return 0
        syllables[count] = _S + (initial * 21 + vowel) * 28 + final
        different |= syllables[count] != syllables[0]
        count += 1
    return count if plain and different else 0
