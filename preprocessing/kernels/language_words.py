"""Tables that ``kernels.languages`` reads: classes of bytes, and the words that tell languages apart."""

from __future__ import annotations

import functools

import numpy as np

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
ENGLISH_MARK, _FOREIGN_MARK, _KEYWORD_MARK = 1, 2, 4
LONGEST_WORD = 8
SLOTS = 4096
FACTOR = np.uint64(0x03B96D91ABA018EB)  # an odd factor that maps each word to its own slot
SHIFT = np.uint64(64 - 12)

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
    for words, mark in ((ENGLISH, ENGLISH_MARK), (FOREIGN, _FOREIGN_MARK), (KEYWORDS, _KEYWORD_MARK)):
        for key in map(_key, words.split()):
            slot = _slot(key)
            assert keys[slot] in (0, key), "two words in one slot; take another FACTOR"
            keys[slot] = key
            marks[slot] |= mark
    return classes, steps, keys, marks


def _key(word: str) -> int:
    return int.from_bytes(word.encode(), "big")


def _slot(key: int) -> int:
    return ((key * int(FACTOR)) & (2**64 - 1)) >> int(SHIFT)
