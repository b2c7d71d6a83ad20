"""Escapes U+2581, which SentencePiece uses for a blank, so that it survives as text.

Owns the two replacements before a text is split into pieces, and their reversal: U+2581 becomes the noncharacter U+FDD1
followed by 1, and U+FDD1 itself, which no text needs, is followed by 0. Nothing else changes, so a reader without these
rules differs for these two characters only.
"""

from __future__ import annotations

from typing import Any

from megatron_ko.formats.vocabulary import BLANK

MARK = "\ufdd1"
# the order matters where they are applied one after the other
ESCAPES = ((MARK, MARK + "0"), (BLANK, MARK + "1"))
UNESCAPES = ((MARK + "1", BLANK), (MARK + "0", MARK))


def as_rules(pairs: tuple[tuple[str, str], ...]) -> str:
    """For SentencePiece: hexadecimal code points, old and new separated by a tab."""
    sides = (
        ("".join(f"{ord(character):X} " for character in side).strip() for side in pair) for pair in pairs
    )
    return "".join("\t".join(pair) + "\n" for pair in sides)


def as_replacements(pairs: tuple[tuple[str, str], ...]) -> list[dict[str, Any]]:
    """For ``tokenizers``: parts of a normalizer or decoder."""
    return [{"type": "Replace", "pattern": {"String": old}, "content": new} for old, new in pairs]
