"""The rules that choose pieces of a Korean model for merging with a base.

Owns the rules and their descriptions. RedWhale reports that it used rules, but not which; these are our choice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from megatron_ko.errors import ConfigError
from megatron_ko.formats.vocabulary import BLANK
from preprocessing.tokenizers.escapes import MARK
from preprocessing.tokenizers.hangul import BLOCKS, HANGUL

SENTENCES = {
    "special": "control, byte and placeholder pieces come from the base",
    "known": "the base has the piece",
    "foreign": "contains no Hangul: text without Hangul keeps its tokens",
    "digits": "contains a digit, so that numbers stay as in the base",
    "hangul": "is not all Hangul, with or without one leading blank",
    "syllables": "contains jamo, not only syllables",
    "length": "has fewer or more letters than allowed",
    "reach": "the base never merges it, or only by changing other scripts",
    "hand": "dropped by hand",
    "rare": "occurs too rarely",
    "budget": "enough pieces are more frequent",
}
DEFAULT_RULES = "digits,hangul,length=1-8"
_LETTERS = "".join(f"{chr(first)}-{chr(last)}" for first, last in BLOCKS)
_ALL_HANGUL = re.compile(f" ?[{_LETTERS}]+")
_ALL_SYLLABLES = re.compile("[ \uac00-\ud7a3]+")
_DIGIT = re.compile(r"\d")
_LENGTH = re.compile(r"length=(\d+)-(\d+)")


@dataclass(frozen=True)
class Rules:
    """Which pieces of the Korean model are allowed; ``shortest`` and ``longest`` count letters without the blank."""

    digits: bool = False
    hangul: bool = False
    syllables: bool = False
    shortest: int = 1
    longest: int = 1 << 30

    @classmethod
    def of(cls, text: str) -> Rules:
        """Parses comma-separated names, such as ``digits,hangul,length=1-8``. Raises ConfigError."""
        chosen: dict[str, bool] = dict.fromkeys(("digits", "hangul", "syllables"), False)
        shortest, longest = 1, 1 << 30
        for name in filter(None, (part.strip() for part in text.split(","))):
            if name in chosen:
                chosen[name] = True
            elif (bounds := _LENGTH.fullmatch(name)) and 1 <= int(bounds[1]) <= int(bounds[2]):
                shortest, longest = int(bounds[1]), int(bounds[2])
            else:
                raise ConfigError(
                    f"--rules: unknown rule {name!r}; choose from {', '.join(chosen)}, length=1-8",
                    rule="unknown-rule",
                )
        return cls(**chosen, shortest=shortest, longest=longest)

    def broken_by(self, surface: str) -> str | None:
        """Name of the first rule that a surface breaks, or None."""
        letters = len(surface.removeprefix(" "))
        broken = {
            "foreign": not HANGUL.search(surface) or BLANK in surface or MARK in surface,
            "digits": self.digits and _DIGIT.search(surface) is not None,
            "hangul": self.hangul and not _ALL_HANGUL.fullmatch(surface),
            "syllables": self.syllables and not _ALL_SYLLABLES.fullmatch(surface),
            "length": not self.shortest <= letters <= self.longest,
        }
        return next((name for name, value in broken.items() if value), None)


def reason_against(surface: str) -> str | None:
    """Why a piece cannot be kept by hand, or None."""
    if Rules().broken_by(surface) != "foreign":
        return None
    return "without Hangul it would change the ids of other text"
