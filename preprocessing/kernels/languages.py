"""Determines the language of the lines of a document from scripts, function words, and the shape of code.

Fenced code is counted apart; character references and web addresses count as a sign. In sentences with Hangul or English
function words, code spans and tags do not count. A line that begins with a time is an entry of a log, not code; indented text
is a comment except in lists and below headings. One pass over UTF-8, mostly by lead bytes; ``preprocessing.text.language`` decides by these counts.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import begins_syllable
from preprocessing.kernels.compiled import inner, njit
from preprocessing.kernels.language_words import (
    ACCENTED,
    BLANK,
    BRACE,
    DIGIT,
    DOT,
    ENGLISH_MARK,
    EQUALS,
    FACTOR,
    FOREIGN_LETTER,
    HANGUL,
    IDEOGRAPH,
    JAMO_OR_OTHER,
    KANA_OR_JAMO,
    LETTER,
    LONGEST_WORD,
    MARKUP,
    MAYBE_HANGUL,
    NEWLINE,
    OPEN,
    QUIET,
    SHIFT,
    SIGN,
    SYMBOL,
    UNDERSCORE,
)  # fmt: skip
from preprocessing.kernels.line_marks import (
    COLON,
    NO_MARK,
    address_end,
    after_marks,
    after_path,
    heading_level,
    is_stamp,
)
from preprocessing.kernels.skipped_markup import (
    AMPERSAND,
    BACKTICK,
    LESS,
    LONGEST_SKIPPED,
    TILDE,
    after_fence,
    after_reference,
    after_skipped,
    has_hangul_ahead,
    run_length,
)  # fmt: skip

COUNTS = (
    "ko", "latin", "code", "other", "para_ko", "para_latin", "para_code", "para_other",
    "comment", "english_words", "foreign_words", "accents", "latin_words", "fenced",
)  # fmt: skip
(
    _KO,
    _LATIN,
    _CODE,
    _OTHER,
    _PARA_KO,
    _,
    _PARA_CODE,
    _,
    _COMMENT,
    _ENGLISH,
    _FOREIGN,
    _ACCENTS,
    _WORDS,
    _FENCED,
) = range(14)
_STAR = 42
ENGLISH_SENTENCE = 2  # function words of a line that is a sentence, in which tags and code spans do not count


@inner()
def _class_of(data, i, byte_class):
    """Resolves a class that the first byte leaves open."""
    second = data[i + 1]
    if byte_class == MAYBE_HANGUL:
        return HANGUL if second >= 0xB0 else FOREIGN_LETTER
    if byte_class == JAMO_OR_OTHER:
        if 0x84 <= second <= 0x87:
            return HANGUL
        return ACCENTED if 0xB8 <= second <= 0xBB else FOREIGN_LETTER
    if second == 0x80:
        return SYMBOL
    if second <= 0x83:
        return KANA_OR_JAMO
    return HANGUL if second <= 0x86 else (IDEOGRAPH if second >= 0x90 else SYMBOL)


@inner()
def _after_hangul(data, i, end):
    """``(end, blanks)``: the end of the syllables that begin at ``i``, with single blanks between them, and their blanks."""
    blanks = 0
    i += 3
    while 0 <= i < end - 2:
        if begins_syllable(data, i):
            i += 3
        elif data[i] == 32 and begins_syllable(data, i + 1):
            blanks += 1
            i += 4
        else:
            break
    return i, blanks


@inner()
def _language_of_line(seen, words, calls, dots, keyword, logged):
    """_KO, _LATIN, _CODE, _OTHER, or -1 for a line without evidence. A ``logged`` line begins with a time and is no code."""
    hangul, latin, kana, han = seen[HANGUL], seen[LETTER], seen[KANA_OR_JAMO], seen[IDEOGRAPH]
    foreign = seen[FOREIGN_LETTER]
    strong = 2 * (seen[EQUALS] + seen[BRACE] + calls) + 3 * keyword
    signs = strong + seen[UNDERSCORE] + dots + seen[SIGN]
    korean = hangul >= 1 and 4 * hangul >= latin
    if korean and 2 * hangul >= kana + han + foreign and 4 * strong < 3 * hangul:
        return _KO
    if kana + han + foreign > hangul + latin:
        return _OTHER
    if not logged and signs >= 2 and 3 * signs >= words + hangul // 2:
        return _CODE
    if korean:
        return _KO
    return _LATIN if latin >= 2 else -1


@inner()
def _is_bold(data, i, line, end):
    """Whether the star at ``i`` is one of two beside a word, as Markdown marks emphasis."""
    first = i - 1 if i > line and data[i - 1] == _STAR else i
    if first + 1 >= end or data[first + 1] != _STAR:
        return False
    before = data[first - 1] if first > line else np.uint8(32)
    after = data[first + 2] if first + 2 < end else np.uint8(32)
    return (before <= 32) != (after <= 32) and before != 47  # not "2 ** 3", "a**b" and "/**"


@inner()
def _is_item(data, first, end, indent):
    """Whether a line is an item of a list; a star after an odd indent continues a comment."""
    _, mark = after_marks(data, first, end)
    return mark != NO_MARK and (data[first] != 42 or indent % 2 == 0)


@inner()
def _end_paragraph(weights, row):
    best = 0
    for k in range(1, 4):
        if weights[k] > weights[best]:
            best = k
    if weights[best]:
        row[_PARA_KO + best] += 1
    for k in range(4):
        row[k] += weights[k]
        weights[k] = 0


@inner()
def _read(data, start, end, tables, seen, weights, row):
    classes, steps, keys, marks = tables
    seen[:] = 0
    weights[:] = 0
    words = calls = dots = keyword = indent = visible = english = foreign = 0
    sign = logged = False
    listed = outlined = False  # in a list; after a heading of Markdown
    before = NEWLINE
    # of the line: where it begins, whether tags and code spans are skipped, and the words before it
    line, skips, skipped, english_before, foreign_before = start, True, False, 0, 0
    backticks = tildes = LONGEST_SKIPPED  # lengths from which a fence is known to be unclosed
    i = start
    while 0 <= i <= end:
        byte_class = np.int64(classes[data[i]]) if i < end else NEWLINE
        if byte_class == LETTER:
            at = i
            key = np.uint64(0)
            while 0 <= i < end and classes[data[i]] == LETTER:
                key = (key << np.uint64(8)) | np.uint64(data[i] | 32)
                i += 1
            seen[LETTER] += i - at
            words += 1
            if i + 3 < end and data[i] == COLON and data[i + 1] == 47 and data[i + 3] > 32:
                after = address_end(data, at, end)
                if after > at:  # a sign, as its words are nobody's
                    seen[LETTER] -= i - at
                    words -= 1
                    seen[QUIET] += 1
                    visible += 1
                    before = QUIET
                    i = after
                    continue
            if i - at <= LONGEST_WORD:
                slot = np.int64((key * FACTOR) >> SHIFT)
                mark = np.int64(marks[slot]) if keys[slot] == key else 0
                english += mark & ENGLISH_MARK
                if mark & 2 and (i - at == 1 or data[at + 1] & 32):  # "TIL" is no word of Danish
                    foreign += 1
                if visible == 0:
                    keyword = (mark >> 2) & 1
            dots += before == DOT and visible > 1
            visible += i - at
            before = LETTER
            continue
        if HANGUL <= byte_class <= MAYBE_HANGUL and begins_syllable(data, i):
            if visible == 0:
                sign = False
            at = i
            i, blanks = _after_hangul(data, i, end)
            syllables = (i - at - blanks) // 3
            seen[HANGUL] += syllables
            visible += syllables
            before = HANGUL
            continue
        if byte_class == BLANK:
            if visible == 0:
                indent += 4 if data[i] == 9 else 1
            before = BLANK
            i += 1
            continue
        if byte_class == NEWLINE:
            if skipped and seen[HANGUL] == 0 and english < english_before + ENGLISH_SENTENCE:
                i, skips, skipped = line, False, False
                english, foreign = english_before, foreign_before
                seen[:] = 0
                words = calls = dots = keyword = indent = visible = 0
                sign = logged = False
                before = NEWLINE
                continue
            if visible:
                language = _language_of_line(seen, words, calls, dots, keyword, logged)
                if language >= 0:
                    weight = visible + seen[HANGUL] + seen[KANA_OR_JAMO] + seen[IDEOGRAPH]
                    weights[language] += weight
                first = line
                while data[first] in (9, 11, 12, 13, 32):
                    first += 1
                heading = indent == 0 and heading_level(data, first, i) > 1
                outlined |= heading
                if _is_item(data, first, i, indent):
                    listed = True
                elif indent == 0 or (language == _CODE and data[first] not in (LESS, BACKTICK)):
                    listed = False
                marked = (sign and not heading) or (indent > 1 and not listed and not outlined)
                if marked and language >= 0 and language != _CODE:
                    row[_COMMENT] += weight
                row[_WORDS] += words
                row[_ACCENTS] += seen[ACCENTED]
                seen[:] = 0
            if not visible or i >= end:
                _end_paragraph(weights, row)
            words = calls = dots = keyword = indent = visible = 0
            sign = logged = False
            before = NEWLINE
            i += 1
            line, skips, skipped, english_before, foreign_before = i, True, False, english, foreign
            continue
        if byte_class == MARKUP:
            b = data[i]
            byte_class = QUIET if b == BACKTICK else SIGN
            after = i
            if b == AMPERSAND:
                after = after_reference(data, i, end)
                if after > i:
                    seen[QUIET] += 1
                    visible += 1
            elif visible == 0 and not skipped and b != LESS:
                length = run_length(data, i, end)
                if 3 <= length < (tildes if b == TILDE else backticks):
                    after, fenced = after_fence(data, i, end)
                    if after > i:
                        _end_paragraph(weights, row)
                        row[_FENCED] += fenced
                        row[_PARA_CODE] += fenced > 0
                        indent = 0
                    elif fenced < 0 and b == TILDE:
                        tildes = length
                    elif fenced < 0:
                        backticks = length
            if b in (BACKTICK, LESS) and skips and not skipped and seen[HANGUL] == 0:
                skips = english > english_before or has_hangul_ahead(data, i, end)
            if after == i and skips and b in (BACKTICK, LESS):
                after = after_skipped(data, i, end)
                skipped |= after > i
            if after > i:
                before = QUIET
                i = after
                continue
        if byte_class >= MAYBE_HANGUL:
            byte_class = _class_of(data, i, byte_class)
        elif byte_class == OPEN:
            after = after_path(data, i, start, end)
            if after > i:
                before = QUIET
                i = after
                continue
            calls += before in (LETTER, UNDERSCORE, DIGIT)
        elif byte_class == DOT and before not in (LETTER, DIGIT):
            byte_class = QUIET
        elif data[i] == COLON and is_stamp(data, i, line, end):
            logged = logged or not (seen[EQUALS] or seen[BRACE] or calls or keyword)
        elif data[i] == _STAR and _is_bold(data, i, line, end):
            byte_class = QUIET
        if visible == 0:
            sign = data[i] == 35 or (data[i] == 47 and i + 1 < end and data[i + 1] == 47)  # "#", "//"
        seen[np.uint64(byte_class)] += 1
        visible += 1
        before = byte_class
        i += np.int64(steps[data[i]])
    _end_paragraph(weights, row)
    row[_ENGLISH], row[_FOREIGN] = english, foreign


@njit()
def count(data, offsets, tables):
    """``[rows, len(COUNTS)] int64`` of a UTF-8 column; weights of languages count a CJK character twice."""
    rows = len(offsets) - 1
    out = np.zeros((rows, len(COUNTS)), np.int64)
    seen, weights = np.zeros(32, np.int64), np.zeros(4, np.int64)
    for r in range(rows):
        _read(data, offsets[r], offsets[r + 1], tables, seen, weights, out[r])
    return out
