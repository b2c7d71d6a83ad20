"""Formats numbers for people: 3.93 M, 614 k, 1.79 MB, 12.3%."""

from __future__ import annotations


def short(number: float) -> str:
    """Three digits and a letter: 1.23 k, 45.6 M; from 10^15, a power of ten."""
    if abs(number) >= 1e15:
        return f"{number:.1e}"
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{_three(number / size)} {letter}"
    return f"{number:,.0f}" if number == int(number) else _three(number)


def size(number: float) -> str:
    """Bytes in decimal units: 512 B, 3.40 kB, 1.79 MB."""
    for unit, letter in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= unit:
            return f"{_three(number / unit)} {letter}"
    return f"{number:.0f} B"


def _three(number: float) -> str:
    digits = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2
    return f"{number:.{digits}f}"


def percent(share: float) -> str:
    return f"{share:.1%}"


def difference(number: float | None) -> str:
    """Two digits of a tiny number; 0 means exactly 0."""
    return "-" if number is None else "0" if number == 0 else f"{number:.2g}"
