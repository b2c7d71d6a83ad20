"""Numbers with their nouns, as messages and reports write them."""

from __future__ import annotations


def format_count(number: int, noun: str) -> str:
    """``1 file``, ``0 files``, ``1,234 entries``; ``noun`` is in the singular."""
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def format_bytes(number: int) -> str:
    """Bytes in powers of 1000: ``153.6 kB``."""
    value, unit = float(number), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.95 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"


def plural(noun: str) -> str:
    """Regular plural: ``files``, ``entries``, ``micro-batches``."""
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"
