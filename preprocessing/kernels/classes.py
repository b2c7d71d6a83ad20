"""Classes of characters, ends of sentences, and stop words.

Owns the distinctions that ``text_counts`` makes while it reads; scripts and letters come from ``characters``.
"""

from __future__ import annotations

import functools

import numpy as np

from preprocessing.kernels.characters import is_letter, is_space, script_of
from preprocessing.kernels.compiled import inner, njit

(BLANK, NEWLINE, HANGUL, LATIN, JAMO, EMOTION, LETTER, IDEOGRAPH, DIGIT, PLAIN, UNDERSCORE, SYMBOL, WRONG) = (
    range(13)
)
CLASSES = 13
# script of each class of character: 0 separates words, 1 Hangul, 2 letters, 3 digits, 4 a word of its own (as ``script_of``)
SCRIPTS = np.array([0, 0, 1, 2, 2, 2, 2, 4, 3, 4, 2, 4, 4], np.uint8)
ANY_SCRIPT = np.array([0, 0] + [1] * 11, np.uint8)
# Frequent Korean particles, endings and stems (FineWeb-2, kor_Hang) and English function words (Gopher).
KOREAN_STOP_WORDS = (
    "의", "다", "이", "는", "에", "을", "한", "년", "하", "은", "를", "했", "고", "에서", "가", "있", "으로", "인", "월", "로", "되",
)  # fmt: skip
ENGLISH_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
STEMS = ("하", "했", "있", "되")  # also counted before the last syllable: 했다, 있는


@inner()
def _class_of(c):
    if c == 10:
        return NEWLINE
    if is_space(c):
        return BLANK
    if 0xAC00 <= c <= 0xD7A3:
        return HANGUL
    if 48 <= c <= 57:
        return DIGIT
    if c == 95:
        return UNDERSCORE
    if 0x3131 <= c <= 0x318E:  # ㅋ ㅎ ㅠ ㅜ ㅡ
        return EMOTION if c in (0x314B, 0x314E, 0x3160, 0x315C, 0x3161) else JAMO
    if is_letter(c):
        return IDEOGRAPH if script_of(c) == 4 else (LATIN if c < 128 else LETTER)
    if _is_plain(c):
        return PLAIN
    return WRONG if c == 0xFFFD else SYMBOL


@inner()
def _is_plain(c):
    """Punctuation of ordinary prose: . , ! ? ' " ( ) : ; - / % and quotation marks."""
    return (
        c == 46 or c == 44 or c == 33 or c == 63 or c == 39 or c == 34 or c == 40 or c == 41 or c == 58 or c == 59
        or c == 45 or c == 47 or c == 37 or (0x2010 <= c <= 0x201F) or c == 0x2026 or c == 0xB7 or (0x3001 <= c <= 0x3011)
    )  # fmt: skip


@inner()
def is_bullet(c):
    return (
        c == 45 or c == 42 or c == 43 or c == 0x2022 or c == 0xB7 or c == 0x2013 or c == 0x25CF or c == 0x25CB
        or c == 0x25A0 or c == 0x25A1 or c == 0x25B6 or c == 0x25B7 or c == 0x25C6 or c == 0x203B or c == 0x2514
    )  # fmt: skip


@inner()
def is_mark(c):
    """Whether a character ends a sentence."""
    return c == 46 or c == 33 or c == 63 or c == 0x2026 or c == 0x3002 or c == 0xFF01 or c == 0xFF1F


@inner()
def is_closing(c):
    """Whether a character may follow the end of a sentence: closing quotation marks and brackets."""
    return (
        c == 34 or c == 39 or c == 41 or c == 93 or c == 0x201D or c == 0x2019 or c == 0x300D or c == 0x300F
        or c == 0x3009 or c == 0x300B
    )  # fmt: skip


@inner()
def is_final(c):
    """Whether a Korean line that ends in this syllable (다 요 죠 까) ends a sentence without a mark."""
    return c == 0xB2E4 or c == 0xC694 or c == 0xC8E0 or c == 0xAE4C


@njit()
def classes():
    """``[65536] uint8``: the class of each character of the basic plane."""
    table = np.empty(0x10000, np.uint8)
    for c in range(0x10000):
        table[c] = _class_of(c)
    return table


@functools.cache
def tables() -> tuple[np.ndarray, np.ndarray]:
    """``classes()`` and ``korean_endings()``, cached."""
    return classes(), korean_endings()


def stop_words(lang: str) -> int:
    """Bits of the stop words of a language; of both lists when it is neither ``ko`` nor ``en``."""
    korean, every = (1 << _FIRST_ENGLISH) - 1, (1 << _FIRST_ENGLISH + len(ENGLISH_STOP_WORDS)) - 1
    return {"ko": korean, "en": every - korean}.get(lang, every)


def korean_endings() -> np.ndarray:
    """``[11172] uint8``: by last syllable, the number of its stop word, counted from 1; 0: none."""
    numbers = np.zeros(11172, np.uint8)
    for bit, word in enumerate(KOREAN_STOP_WORDS):
        if len(word) == 1:
            numbers[ord(word) - 0xAC00] = bit + 1
    return numbers


_STEM_BITS = np.uint32(sum(1 << KOREAN_STOP_WORDS.index(stem) for stem in STEMS))
_ESEO, _EURO = (np.uint32(1 << KOREAN_STOP_WORDS.index(word)) for word in ("에서", "으로"))
_FIRST_ENGLISH = len(KOREAN_STOP_WORDS)
_LOWER = np.uint64(0x2020202020202020)
_ENGLISH_FACTOR, _ENGLISH_SHIFT = (
    np.uint64(0x1027C4D1C386BBC5),
    np.uint64(60),
)  # gives each word one of 16 slots of its own


def _english_slots() -> tuple[np.ndarray, np.ndarray]:
    """Letters of the English stop words, packed, and their bits."""
    keys, bits = np.zeros(16, np.uint64), np.zeros(16, np.uint32)
    for k, word in enumerate(ENGLISH_STOP_WORDS):
        key = int.from_bytes(word.encode(), "big")
        slot = (key * int(_ENGLISH_FACTOR) & (1 << 64) - 1) >> int(_ENGLISH_SHIFT)
        assert keys[slot] == 0, "two words in one slot; take another _ENGLISH_FACTOR"
        keys[slot], bits[slot] = key, 1 << _FIRST_ENGLISH + k
    return keys, bits


_ENGLISH_KEYS, _ENGLISH_BITS = _english_slots()


@inner()
def _bit_of(number):
    """Bit of a stop word by its number in ``korean_endings``."""
    return np.uint32(np.uint32(1) << np.uint32(number) >> np.uint32(1))


@inner()
def korean_bits(endings, last, before):
    """Bits of a word that ends in the syllable ``last`` after the character ``before``."""
    bits = _bit_of(endings[last - 0xAC00])
    if 0xAC00 <= before <= 0xD7A3:
        bits |= _bit_of(endings[before - 0xAC00]) & _STEM_BITS
        if last == 0xC11C and before == 0xC5D0:  # 에서
            bits |= _ESEO
        if last == 0xB85C and before == 0xC73C:  # 으로
            bits |= _EURO
    return bits


@inner()
def english_bits(key, length):
    """Bits of a word of up to seven ASCII letters, packed in ``key``; case is ignored."""
    key |= _LOWER & ((np.uint64(1) << np.uint64(8 * length)) - np.uint64(1))
    slot = np.int64(key * _ENGLISH_FACTOR >> _ENGLISH_SHIFT)
    return _ENGLISH_BITS[slot] if key == _ENGLISH_KEYS[slot] else np.uint32(0)


@inner()
def stop_bits(endings, last_class, last, before, key, length):
    """Bits of the stop words that a word equals or ends in.

    ``last_class``, ``last``: class and code point of its last character, ``before``: the character before it.
    """
    if last_class == HANGUL:
        return korean_bits(endings, last, before if length > 1 else 0)
    if last_class == LATIN and 2 <= length <= 4:
        return english_bits(key, length)
    return np.uint32(0)


@inner()
def count_bits(bits):
    count = 0
    while bits:
        bits &= bits - 1
        count += 1
    return count
