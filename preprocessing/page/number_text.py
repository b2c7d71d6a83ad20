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


def share_text(share: float) -> str:
    """A share of a whole as percent, near its ends with a decimal: 12%, 0.4%, 99.8%; 0% and 100% are exact."""
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{share:.0%}" if 0.01 <= share < 0.99 or share in (0, 1) else f"{share:.1%}"


def difference(number: float | None) -> str:
    """Two digits of a tiny number; 0 means exactly 0."""
    return "-" if number is None else "0" if number == 0 else f"{number:.2g}"
