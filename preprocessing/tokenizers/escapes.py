"""How U+2581, which SentencePiece writes for a blank, survives as text.

Owns the two rewritings before a text is cut into pieces, and their reversal: U+2581 is a noncharacter followed by 1,
the noncharacter itself (U+FDD1, no text has a use for it) is followed by 0. Nothing else is changed, so a reader that
does not know of it differs for these two characters only.
"""

from __future__ import annotations

from typing import Any

from megatron_ko.formats.vocabulary import BLANK

MARK = "\ufdd1"
# in this order where they are applied one after the other
NORMALISED = ((MARK, MARK + "0"), (BLANK, MARK + "1"))
DENORMALISED = ((MARK + "1", BLANK), (MARK + "0", MARK))


def as_rules(pairs: tuple[tuple[str, str], ...]) -> str:
    """For SentencePiece: code points in hexadecimal, old and new between a tab."""
    sides = (
        ("".join(f"{ord(character):X} " for character in side).strip() for side in pair) for pair in pairs
    )
    return "".join("\t".join(pair) + "\n" for pair in sides)


def as_replacements(pairs: tuple[tuple[str, str], ...]) -> list[dict[str, Any]]:
    """For ``tokenizers``: steps of a normaliser or decoder."""
    return [{"type": "Replace", "pattern": {"String": old}, "content": new} for old, new in pairs]
