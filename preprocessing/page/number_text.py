"""Formats numbers for people: 3.93 M, 614 k, 12.3%."""

from __future__ import annotations

from megatron_ko.wording import format_digits


def short(number: float) -> str:
    """Three digits and a letter: 1.23 k, 45.6 M; from 10^15, a power of ten."""
    if abs(number) >= 1e15:
        return f"{number:.1e}"
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{format_digits(number / size)} {letter}"
    return f"{number:,.0f}" if number == int(number) else format_digits(number)


def percent(share: float) -> str:
    return f"{share:.1%}"


def difference(number: float | None) -> str:
    """Two digits of a tiny number; 0 means exactly 0."""
    return "-" if number is None else "0" if number == 0 else f"{number:.2g}"
