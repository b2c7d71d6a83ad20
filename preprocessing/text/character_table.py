"""Tables of character classes for the normalization kernel.

Owns one number per code point of the first two planes: the family of emotion in the lowest bits, and the operations
that concern the character in the others. Built from the definitions in ``normalize`` and Python's Unicode data.
"""

from __future__ import annotations

import functools
import re
import unicodedata

import numpy as np

from preprocessing.kernels.normalize_classes import (
    BACKTICK,
    BAR,
    BLANK,
    COLON,
    COMPATIBILITY,
    COMPOSES,
    CONTROL,
    DOTS,
    ELLIPSIS,
    FAMILY,
    HEARTS,
    JAMO,
    LAUGH,
    LINE_FEED,
    MARKS,
    SAME,
    SINGLE,
    SIZE,
    STARS,
    SYLLABLE,
    TAB,
    TEARS,
    TILDE,
    WIDTH,
)
from preprocessing.text import characters, jamo, squeeze


@functools.cache
def prose_table() -> np.ndarray:
    """``[SIZE] uint16`` for prose; a character of another width also has the classes of its replacement."""
    table = _common_table()
    _mark(
        table,
        f"[{characters.INVISIBLE}{characters.LINE_ENDS}{characters.PAGE_BREAK}{characters.JOINERS}{characters.LOWER_BLOCK}]",
        CONTROL,
    )
    _mark(table, f"[{squeeze.SAME_EMOTION}]", SAME)
    _mark(table, f"[{squeeze.LAUGHING_SYLLABLES}]", SYLLABLE)
    for family, members in zip((LAUGH, TEARS, BAR), squeeze.MIXED_EMOTIONS):
        _set_family(table, members, family)
    for family, members in ((STARS, squeeze.STARS), (HEARTS, squeeze.HEARTS), (MARKS, squeeze.MARKS)):
        _set_family(table, members, family)
    _set_family(table, ".", DOTS)
    _set_family(table, "…", ELLIPSIS)
    _mark(table, "[ㄱ-ㅣ]", COMPATIBILITY)
    _mark(table, jamo.DOT_LETTER, JAMO)
    table[ord("`")] |= BACKTICK
    table[ord("~")] |= TILDE
    for character, classes in ((" ", BLANK), ("\t", BLANK | TAB), ("\n", BLANK | LINE_FEED), (":", COLON)):
        table[ord(character)] |= classes
    for code, usual in characters.OTHER_WIDTHS.items():
        table[code] |= table[usual] | WIDTH
    for code, usual in _singles().items():
        table[code] |= table[usual]
    table.setflags(write=False)
    return table


@functools.cache
def code_table() -> np.ndarray:
    """``[SIZE] uint16`` for source code, with controls and composition only."""
    table = _common_table()
    _mark(table, f"[\r{characters.CODE_INVISIBLE}{characters.LOWER_BLOCK}]", CONTROL)
    table.setflags(write=False)
    return table


@functools.cache
def usual_table() -> np.ndarray:
    """``[65536] uint32``: replacements of the classes WIDTH, SINGLE and JAMO (0: none); others map to themselves."""
    table = np.arange(0x10000, dtype=np.uint32)
    for code, usual in (characters.OTHER_WIDTHS | _singles()).items():
        table[code] = usual
    for code, letter in jamo.LETTERS_OF_JAMO.items():
        table[code] = ord(letter) if letter else 0
    return table


@functools.cache
def _singles() -> dict[int, int]:
    """Characters that NFC replaces by a single one of no more bytes, such as ideographs that KS X 1001 encodes twice."""
    singles = {}
    for code in range(0x80, 0x10000):
        one = chr(code)
        usual = unicodedata.normalize("NFC", one)
        if usual != one and len(usual) == 1 and usual <= one and not unicodedata.combining(one):
            singles[code] = ord(usual)
    return {code: usual for code, usual in singles.items() if code not in characters.OTHER_WIDTHS}


def _common_table() -> np.ndarray:
    table = np.zeros(SIZE, np.uint16)
    second = _second_characters()
    for code in range(0x80, SIZE):
        character = chr(code)
        normal = 0xD800 <= code < 0xE000 or unicodedata.is_normalized("NFC", character)
        if code in second or unicodedata.combining(character) or not normal:
            table[code] = COMPOSES
    for code in _singles():
        table[code] = SINGLE
    _mark(table, f"[{jamo.JAMO}]", JAMO)
    table[0x1161:0x1176] &= ~np.uint16(COMPOSES)
    table[0x11A8:0x11C3] &= ~np.uint16(COMPOSES)
    return table


def _second_characters() -> set[int]:
    """Characters that may compose with the previous one, without jamo, which the kernel composes itself."""
    seconds = set()
    for code in range(0x80, SIZE):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            seconds.add(int(parts[1], 16))
    return seconds


def _mark(table: np.ndarray, characters: str, classes: int) -> None:
    for match in re.finditer(characters, _ALL):
        table[ord(match[0])] |= classes


def _set_family(table: np.ndarray, members: str, family: int) -> None:
    for member in members:
        table[ord(member)] = table[ord(member)] & ~np.uint16(FAMILY) | family


_ALL = "".join(map(chr, range(0x10000)))
