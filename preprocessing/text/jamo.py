"""Spells jamo as people type them: conjoining jamo that stand alone, the middle dot that is a letter, syllables typed apart.

``preprocessing.kernels.normalize_characters`` does the same.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata

from preprocessing.kernels.normalize_classes import PARTICLES
from preprocessing.text.fences import change_outside_code

JAMO = "\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7fb"
# U+318D, which Korean keyboards type for a middle dot, between words and numbers or as the mark of an item
DOT_LETTER = "\u318d"
_WORD = "0-9A-Za-z가-힣\u4e00-\u9fff"
_BETWEEN_WORDS = f"(?<=[)\\]}}{_WORD}’”〉》」』]){DOT_LETTER}(?=[(\\[{{{_WORD}‘“〈《「『])"
_BEFORE_ITEM = f"(?m:^(?P<indent>[ \t]*){DOT_LETTER}(?=[ \t]|(?![{PARTICLES}](?![{_WORD}]))[{_WORD}]))"
_DOT = f"{_BETWEEN_WORDS}|{_BEFORE_ITEM}"
_STRAY_JAMO = f"(?<=[\u1100-\u1112])(?P<syllable>[가-힣])(?=[\u1161-\u1175])|[{JAMO}]"
_JAMO_OR_CHANCE = re.compile(_STRAY_JAMO)
_JAMO_CHANCE_OR_DOT = re.compile(f"{_STRAY_JAMO}|(?P<dot>{_DOT})")
_OPEN_SYLLABLES = "".join(map(chr, range(0xAC00, 0xD7A4, 28)))
_OLD_SYLLABLE = re.compile(
    "[\u1100-\u115e\ua960-\ua97c][\u1161-\u11a7\ud7b0-\ud7c6][\u11a8-\u11ff\ud7cb-\ud7fb]?"
    f"|[{_OPEN_SYLLABLES}][\u11a8-\u11ff\ud7cb-\ud7fb]"
)
_LEADING_JAMO = re.compile("[\u1100-\u115e\ua960-\ua97c]")


def _letters_of_jamo() -> dict[int, str]:
    """Compatibility letters by conjoining jamo, which Unicode gives the same name; fillers are empty.

    Keyboards of three vowel keys type U+11A2 for two dots, and U+119E for a middle dot.
    """
    letters = {0x115F: "", 0x1160: "", 0x11A1: "ㆎ", 0x11A2: "‥"}
    for match in re.finditer(f"[{JAMO}]", "".join(map(chr, range(0x1100, 0xD800)))):
        name = unicodedata.name(match[0], "HANGUL UNASSIGNED NONE").split(" ", 2)[2]
        with contextlib.suppress(KeyError):  # half of those of Middle Korean exist as conjoining jamo only
            letters[ord(match[0])] = unicodedata.lookup(f"HANGUL LETTER {name}")
    return letters


LETTERS_OF_JAMO = _letters_of_jamo()
_ARAEA = "\u119e"
_FILLERS = re.compile("[\u115f\u1160]")
INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
FINALS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_TYPED_APART = re.compile("(?<![가-힣ㄱ-ㅣ])[ㄱ-ㅎ][ㅏ-ㅣ][ㄱ-ㅣ]{2,}")
_TYPED_SYLLABLE = re.compile(f"([{INITIALS}])([ㅏ-ㅣ])([{FINALS}](?![ㅏ-ㅣ]))?")


def spell_stray_jamo(text: str) -> str:
    """Converts conjoining jamo that NFC does not compose to the letters that people type: ㅋㅋ, ㅠㅠ, 5·18.

    NFKC leaves them where jamo were typed alone. It also composes ㅋㅋㅠㅠ in the middle, so a syllable between its own
    consonant and its own vowel becomes two letters. Jamo of Middle Korean without such a letter stay. So does U+318D
    where it may be the letter: alone, in quotation marks, beside letters of its kind. Code stays, too.
    """
    return change_outside_code(
        text, lambda part: _JAMO_CHANCE_OR_DOT.sub(_spell_jamo_or_dot, _FILLERS.sub("", part))
    )


def spell_stray_jamo_keep_old(text: str) -> str:
    """Like ``spell_stray_jamo``, but complete syllables of Middle Korean and U+318D stay."""
    return change_outside_code(text, _spell_modern_jamo)


def _spell_modern_jamo(text: str) -> str:
    parts, done = [], 0
    for match in _OLD_SYLLABLE.finditer(text):
        parts += [_JAMO_OR_CHANCE.sub(_spell_jamo, text[done : match.start()]), match[0]]
        done = match.end()
    return "".join(parts) + _JAMO_OR_CHANCE.sub(_spell_jamo, text[done:])


def _spell_jamo_or_dot(match: re.Match[str]) -> str:
    return (match["indent"] or "") + "·" if match["dot"] else _spell_jamo(match)


def _spell_jamo(match: re.Match[str]) -> str:
    text, start, end = match.string, *match.span()
    if match["syllable"]:
        initial, vowel = text[start - 1], text[end]
        chance = unicodedata.normalize("NFC", initial + vowel) == match[0]
        return LETTERS_OF_JAMO[ord(initial)] + LETTERS_OF_JAMO[ord(vowel)] if chance else match[0]
    if match[0] == _ARAEA and not (start and _LEADING_JAMO.match(text[start - 1])):
        return "·"
    return LETTERS_OF_JAMO.get(ord(match[0]), match[0])


def join_typed_jamo(text: str) -> str:
    """Joins syllables that were typed as single jamo (ㅎㅏㄴㄱㅡㄹ), where a whole run of jamo allows no other reading.

    The run must not follow a syllable, must consist of two or more syllables that are not all equal, and must contain
    a vowel that does not express emotion: ㅋㅋㅋ, ㅎㅏㅎㅏ, ㅋㅠㅋㅠ and ㅇㅡㅇ stay. A consonant before a vowel starts a syllable.
    Code stays.
    """
    return change_outside_code(text, lambda part: _TYPED_APART.sub(_join_jamo, part))


def _join_jamo(match: re.Match[str]) -> str:
    parts = list(_TYPED_SYLLABLE.finditer(match[0]))
    syllables = [_syllable(*part.groups()) for part in parts]
    whole = "".join(part[0] for part in parts) == match[0]
    telling = any(part[2] not in "ㅠㅜㅡ" for part in parts)
    return "".join(syllables) if whole and telling and len(set(syllables)) > 1 else match[0]


def _syllable(initial: str, vowel: str, final: str | None) -> str:
    last = FINALS.index(final) + 1 if final else 0
    return chr(0xAC00 + (INITIALS.index(initial) * 21 + ord(vowel) - ord("ㅏ")) * 28 + last)
