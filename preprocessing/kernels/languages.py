"""Determines the language of the lines of a document from scripts, function words, and the shape of code.

Fenced code is counted apart; character references count as a sign. In lines with Hangul, code spans and tags do not
count. One pass over UTF-8, mostly by lead bytes; ``preprocessing.text.language`` decides by these counts.
"""

from __future__ import annotations

import functools

import numpy as np

from preprocessing.kernels.compiled import inner, njit
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
# Function words and keywords, matched by their letters alone
ENGLISH = (
    "the of and to that for with by this have from at but you which they will can has be not are it its were been "
    "their his her our would there when what who more than these those into such does should about"
)
# German, French, Spanish, Italian, Portuguese, Dutch, Swedish, Danish, Polish, Turkish, Indonesian, Finnish
FOREIGN = (
    "der das und ist nicht ein eine einen dem den des mit von zu auf sich auch wird sind bei nach oder aus wie im zum "
    "le la les et est un une dans que qui pour pas sur du au avec ce sont par il elle ne se plus cette ou "
    "el los las de en por con para es del como lo su una pero fue este al "
    "di che per non sono della del nel gli anche come alla dei delle "
    "os em um uma com da na nos mais foi ao pelo "
    "het een van dat op te zijn niet voor ook maar aan door naar werd "
    "och att som av det til og af ikke jeg har der "
    "nie jest na do oraz ale jak ve bir bu ile yang dan untuk dengan ini itu dari tidak dalam ja oli"
)
KEYWORDS = (
    "def class import from return elif else try except finally raise yield async await lambda public private "
    "static void const let var function struct enum typedef template using package func impl switch case "
    "break while include define ifdef endif select insert update export extends int unsigned char bool if for"
)
_ENGLISH_MARK, _FOREIGN_MARK, _KEYWORD_MARK = 1, 2, 4
LONGEST_WORD = 8
SLOTS = 4096
_FACTOR = np.uint64(0x03B96D91ABA018EB)  # an odd factor that maps each word to its own slot
_SHIFT = np.uint64(64 - 12)

# classes of bytes
(
    BLANK, NEWLINE, LETTER, DIGIT, UNDERSCORE, OPEN, BRACE, EQUALS, DOT, SIGN, QUIET,
    ACCENTED, FOREIGN_LETTER, IDEOGRAPH, SYMBOL, HANGUL, MAYBE_HANGUL, KANA_OR_JAMO, JAMO_OR_OTHER, MARKUP,
) = range(20)  # fmt: skip


@functools.cache
def tables() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """``(classes, steps, keys, marks)``: class and length in bytes of the character that a byte starts; hash table of words.

    ``keys`` are the packed letters of a word, ``marks`` the lists that contain it.
    """
    classes = np.full(256, QUIET, np.uint8)
    for characters, byte_class in (
        (" \t\r\v\f", BLANK), ("\n", NEWLINE), ("0123456789", DIGIT), ("_", UNDERSCORE), ("([", OPEN), ("{};", BRACE),
        ("=", EQUALS), (".", DOT), (">+*|^\\@$#", SIGN), ("<&~`", MARKUP), ("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", LETTER),
    ):  # fmt: skip
        classes[[ord(c) for c in characters]] = byte_class
    for start, stop, byte_class in (
        (0xC0, 0xC3, SYMBOL), (0xC3, 0xCA, ACCENTED), (0xCA, 0xCE, SYMBOL), (0xCE, 0xE1, FOREIGN_LETTER),
        (0xE1, 0xE2, JAMO_OR_OTHER), (0xE2, 0xE3, SYMBOL), (0xE3, 0xE4, KANA_OR_JAMO), (0xE4, 0xEA, IDEOGRAPH),
        (0xEA, 0xEB, MAYBE_HANGUL), (0xEB, 0xEE, HANGUL), (0xEE, 0x100, SYMBOL),
    ):  # fmt: skip
        classes[start:stop] = byte_class
    steps = np.ones(256, np.uint8)
    steps[0xC0:0xE0], steps[0xE0:0xF0], steps[0xF0:] = 2, 3, 4
    keys, marks = np.zeros(SLOTS, np.uint64), np.zeros(SLOTS, np.uint8)
    for words, mark in ((ENGLISH, _ENGLISH_MARK), (FOREIGN, _FOREIGN_MARK), (KEYWORDS, _KEYWORD_MARK)):
        for key in map(_key, words.split()):
            slot = _slot(key)
            assert keys[slot] in (0, key), "two words in one slot; take another _FACTOR"
            keys[slot] = key
            marks[slot] |= mark
    return classes, steps, keys, marks


def _key(word: str) -> int:
    return int.from_bytes(word.encode(), "big")


def _slot(key: int) -> int:
    return ((key * int(_FACTOR)) & (2**64 - 1)) >> int(_SHIFT)


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
def _is_hangul(data, i):
    """Whether a syllable begins at byte ``i``; compares two bytes as one number, without a branch on 0xEA and 0xEB."""
    return 0xEAB0 <= (np.uint32(data[i]) << np.uint32(8) | np.uint32(data[i + 1])) < 0xEE00


@inner()
def _after_hangul(data, i, end):
    """``(end, blanks)``: the end of the syllables that begin at ``i``, with single blanks between them, and their blanks."""
    blanks = 0
    i += 3
    while 0 <= i < end - 2:
        if _is_hangul(data, i):
            i += 3
        elif data[i] == 32 and _is_hangul(data, i + 1):
            blanks += 1
            i += 4
        else:
            break
    return i, blanks


@inner()
def _language_of_line(seen, words, calls, dots, keyword):
    """_KO, _LATIN, _CODE, _OTHER, or -1 for a line without evidence."""
    hangul, latin, kana, han = seen[HANGUL], seen[LETTER], seen[KANA_OR_JAMO], seen[IDEOGRAPH]
    foreign = seen[FOREIGN_LETTER]
    strong = 2 * (seen[EQUALS] + seen[BRACE] + calls) + 3 * keyword
    signs = strong + seen[UNDERSCORE] + dots + seen[SIGN]
    korean = hangul >= 1 and 4 * hangul >= latin
    if korean and 2 * hangul >= kana + han + foreign and 4 * strong < 3 * hangul:
        return _KO
    if kana + han + foreign > hangul + latin:
        return _OTHER
    if signs >= 2 and 3 * signs >= words + hangul // 2:
        return _CODE
    if korean:
        return _KO
    return _LATIN if latin >= 2 else -1


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
    sign = False
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
            if i - at <= LONGEST_WORD:
                slot = np.int64((key * _FACTOR) >> _SHIFT)
                mark = np.int64(marks[slot]) if keys[slot] == key else 0
                english += mark & _ENGLISH_MARK
                foreign += (mark >> 1) & 1
                if visible == 0:
                    keyword = (mark >> 2) & 1
            dots += before == DOT and visible > 1
            visible += i - at
            before = LETTER
            continue
        if HANGUL <= byte_class <= MAYBE_HANGUL and _is_hangul(data, i):
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
            if skipped and seen[HANGUL] == 0:
                i, skips, skipped = line, False, False
                english, foreign = english_before, foreign_before
                seen[:] = 0
                words = calls = dots = keyword = indent = visible = 0
                sign = False
                before = NEWLINE
                continue
            if visible:
                language = _language_of_line(seen, words, calls, dots, keyword)
                if language >= 0:
                    weight = visible + seen[HANGUL] + seen[KANA_OR_JAMO] + seen[IDEOGRAPH]
                    weights[language] += weight
                    if language != _CODE and (indent > 1 or sign):
                        row[_COMMENT] += weight
                row[_WORDS] += words
                row[_ACCENTS] += seen[ACCENTED]
                seen[:] = 0
            if not visible or i >= end:
                _end_paragraph(weights, row)
            words = calls = dots = keyword = indent = visible = 0
            sign = False
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
                skips = has_hangul_ahead(data, i, end)
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
            calls += before in (LETTER, UNDERSCORE, DIGIT)
        elif byte_class == DOT and before not in (LETTER, DIGIT):
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
