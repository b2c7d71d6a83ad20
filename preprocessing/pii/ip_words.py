"""Words and tokens around four numbers, in the forms that the weights of ``ip_weights.tsv`` know.

Owns how a text becomes tokens and words, and what the forms of a word share: particles, stems, starts and ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from preprocessing.pii.ip_numbers import PRIVATE

NEAR = 3
"""Tokens on each side whose order counts."""

_TOKEN = re.compile(
    r"(?P<quad>[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9.]))|(?P<number>[0-9]+)|(?P<latin>[A-Za-z]+)|(?P<hangul>[가-힣]+)|(?P<blank>[ \t]+)|(?P<sign>.)",
    re.DOTALL,
)
_WORD = re.compile(r"[A-Za-z]+|[가-힣]+")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
PARTICLE = re.compile("(?<=[가-힣]{2})(?:이|가|은|는|을|를|의|에|로|으로|에서|와|과|도|랑)\\Z")


def tokens_of(text: str, numbers: str) -> list[str]:
    """Words, numbers, blanks and signs of a text around ``numbers``, in order."""
    return [_token(match, numbers) for match in _TOKEN.finditer(text)]


def _token(match: re.Match[str], numbers: str) -> str:
    """A word in small letters, a sign, zeros for a number, or how four other numbers relate to these."""
    kind, text = match.lastgroup, match[0]
    if kind == "quad":
        if PRIVATE.match(text):
            return "<private>"
        near = abs(int(text.split(".")[0]) - int(numbers.split(".")[0])) <= 1
        return "<same>" if text == numbers else "<near>" if near else "<far>"
    if kind == "number":
        return "0" * min(len(text), 4)
    if kind == "blank":
        return " " if len(text) == 1 else "  "
    return "⏎" if text == "\n" else text.lower()


def in_order(side: str, tokens: Sequence[str]) -> Iterator[str]:
    """The nearest tokens, alone with their place and together."""
    for place, token in enumerate(tokens[:NEAR]):
        yield f"{side}{place}:{token}"
    for count in range(2, NEAR + 1):
        yield f"{side}:{'_'.join(tokens[:count])}"


def words_of(text: str) -> list[str]:
    """Words in order; a name in camel case is several."""
    found = []
    for match in _WORD.finditer(text):
        found += _CAMEL.findall(match[0]) if match[0].isascii() else [match[0]]
    return found


def parts_of(word: str) -> Iterator[str]:
    """A word, and of a Korean one the particle, the stem, and the ends and starts that compounds share."""
    if word.isascii():
        yield word.lower()
        return
    yield word
    stem = PARTICLE.sub("", word)
    if stem != word:
        yield f"-{word[len(stem) :]}"
        yield stem
    for count in (1, 2, 3):
        if count < len(stem):
            yield "-" + stem[-count:]
    for count in (2, 3):
        if count < len(word):
            yield word[:count] + "-"


def affixes_of(word: str, counts: Sequence[int]) -> Iterator[str]:
    """The starts and ends of an English word, which unknown names share with known ones."""
    if word.isascii():
        for count in counts:
            if count < len(word):
                yield word[:count].lower() + "-"
                yield "-" + word[-count:].lower()


def starts_of(word: str) -> Iterator[str]:
    """A word, and the first one and two syllables of a Korean one, which may be particles of the numbers."""
    if word.isascii():
        yield word.lower()
        return
    for count in (1, 2):
        if count < len(word):
            yield word[:count] + "-"
    yield word


def stems_of(word: str) -> Iterator[str]:
    """A word, and the pairs of syllables of a Korean one."""
    yield word.lower()
    if not word.isascii():
        for place in range(len(word) - 1):
            yield "~" + word[place : place + 2]
