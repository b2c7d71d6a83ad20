"""Numbers with their nouns, as messages and reports write them."""

from __future__ import annotations


def format_count(number: int, noun: str) -> str:
    """``1 file``, ``0 files``, ``1,234 entries``; ``noun`` is in the singular."""
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """Regular plural: ``files``, ``entries``, ``micro-batches``."""
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"
