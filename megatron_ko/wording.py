"""Numbers with their nouns, as messages and reports write them."""

from __future__ import annotations


def format_count(number: int, noun: str) -> str:
    """``1 file``, ``0 files``, ``1,234 entries``; ``noun`` is in the singular."""
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def format_bytes(number: float) -> str:
    """Bytes in powers of 1000, with three digits: ``512 B``, ``3.40 kB``, ``154 MB``."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= unit:
            return f"{format_digits(number / unit)} {name}"
    return f"{number:.0f} B"


def format_digits(number: float) -> str:
    """Three digits: ``1.23``, ``45.6``, ``789``."""
    digits = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2
    return f"{number:.{digits}f}"


def plural(noun: str) -> str:
    """Regular plural: ``files``, ``entries``, ``micro-batches``."""
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"
