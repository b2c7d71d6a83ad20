"""The rules that clean the pieces of a Korean model before they are merged with a base.

Owns what each rule says. RedWhale publishes that there were rules, not which; these are our choice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from megatron_ko.errors import ConfigError
from megatron_ko.formats.vocabulary import BLANK
from preprocessing.tokenizers.escapes import MARK
from preprocessing.tokenizers.hangul import BLOCKS, HANGUL

SENTENCES = {
    "special": "control, byte and placeholder pieces are the base's",
    "known": "the base has the piece",
    "foreign": "holds no Hangul: texts without it keep their tokens",
    "digits": "holds a digit: numbers stay the base's",
    "hangul": "is not all Hangul, with or without one blank before",
    "syllables": "holds single letters (jamo), not syllables alone",
    "length": "has fewer or more letters than asked for",
    "reach": "the base would never merge it, or only by touching other scripts",
    "hand": "dropped by hand",
    "rare": "seen too seldom",
    "budget": "enough more frequent ones were found",
}
DEFAULT_RULES = "digits,hangul,length=1-8"
_LETTERS = "".join(f"{chr(first)}-{chr(last)}" for first, last in BLOCKS)
_ALL_HANGUL = re.compile(f" ?[{_LETTERS}]+")
_ALL_SYLLABLES = re.compile("[ \uac00-\ud7a3]+")
_DIGIT = re.compile(r"\d")
_LENGTH = re.compile(r"length=(\d+)-(\d+)")


@dataclass(frozen=True)
class Rules:
    """Which pieces of the Korean model may be taken; ``shortest`` and ``longest`` count letters without the blank."""

    digits: bool = False
    hangul: bool = False
    syllables: bool = False
    shortest: int = 1
    longest: int = 1 << 30

    @classmethod
    def of(cls, text: str) -> Rules:
        """From names between commas, such as ``digits,hangul,length=1-8``. Raises ConfigError."""
        chosen: dict[str, bool] = dict.fromkeys(("digits", "hangul", "syllables"), False)
        shortest, longest = 1, 1 << 30
        for name in filter(None, (part.strip() for part in text.split(","))):
            if name in chosen:
                chosen[name] = True
            elif (bounds := _LENGTH.fullmatch(name)) and 1 <= int(bounds[1]) <= int(bounds[2]):
                shortest, longest = int(bounds[1]), int(bounds[2])
            else:
                raise ConfigError(
                    f"--rules: {name!r} is no rule; choose from {', '.join(chosen)}, length=1-8"
                )
        return cls(**chosen, shortest=shortest, longest=longest)

    def against(self, surface: str) -> str | None:
        """The name of the first rule that a surface breaks."""
        letters = len(surface.removeprefix(" "))
        broken = {
            "foreign": not HANGUL.search(surface) or BLANK in surface or MARK in surface,
            "digits": self.digits and _DIGIT.search(surface) is not None,
            "hangul": self.hangul and not _ALL_HANGUL.fullmatch(surface),
            "syllables": self.syllables and not _ALL_SYLLABLES.fullmatch(surface),
            "length": not self.shortest <= letters <= self.longest,
        }
        return next((name for name, value in broken.items() if value), None)


def why_impossible(surface: str) -> str | None:
    """Why a piece cannot be kept by hand, or None."""
    if Rules().against(surface) != "foreign":
        return None
    return "without Hangul it would change the ids of other text"
