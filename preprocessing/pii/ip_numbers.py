"""Evidence of four numbers themselves: versions and sections have small ones, addresses any.

Owns the weights of the numbers, in tenths of a logit, and what four numbers of a weight look like. They are chosen by hand, because
in the labeled cases, unlike in the field, versions were drawn to look like addresses.
"""

from __future__ import annotations

import re
from bisect import bisect_left

_RATIOS = (
    (-36, -30, -4, 38, 42),
    (-42, -29, 8, 19, 37),
    (-45, -27, 1, 21, 27),
    (-46, -25, 2, 18, 29),
)
"""For each of the four numbers, by its class (0, to 9, to 31, to 99, above), the log ratio in tenths of a logit of how often
addresses drawn at random have it and how often versions do: 164 versions of four numbers below 256 in a public list of packages
(ScoopInstaller/Extras, 2026-11-28), half a count added to each class."""
RATIO_SHARE, RATIO_LIMIT = 0.15, 20
"""The four numbers of a version depend on each other, so their ratios count only in part."""
PRIVATE = re.compile(r"(?:10|127|0|255)\.|192\.168\.|172\.(?:1[6-9]|2[0-9]|3[01])\.")
"""Matches the start of an address of no network outside, which tells nothing about its neighbors."""


def weight_of_numbers(address: str) -> int:
    """Versions and sections begin with a small number, have another one behind it, and few large ones; many have a 0.

    Of 132 versions of four numbers below 256 in a public list of packages (ScoopInstaller/Extras, 2026-11-28) that begin
    with a number below 32, 90 % have no number from 100 on, 9 % one, 95 % a second number below 32, 80 % only such; of
    addresses drawn at random 6 %, 28 %, 13 % and hardly any. The weights are smaller than these facts allow, because
    versions chosen to look like addresses occur in the cases."""
    numbers = [int(number) for number in address.split(".")]
    first, second, large = numbers[0], numbers[1], sum(number >= 100 for number in numbers)
    weight = -25 if second == 0 else 0
    if 0 in numbers[2:]:
        weight -= 10
    if max(numbers) < 48:
        weight -= 55 if max(numbers) < 32 else 16
    if first < 32:
        weight += (-20, -12, 2, 12)[large] + (14 if second >= 32 else 0)
    elif first >= 150:
        weight += 30
    elif second:
        weight += (3, 8, 12, 12, 12)[large]
    ratio = sum(table[_class_of(number)] for table, number in zip(_RATIOS, numbers, strict=True))
    return weight + max(-RATIO_LIMIT, min(RATIO_LIMIT, round(RATIO_SHARE * ratio)))


def _class_of(number: int) -> int:
    return bisect_left((0, 9, 31, 99), number)


def look_of(weight: int) -> str:
    """What four numbers of a weight look like."""
    return "address" if weight >= 10 else "either" if weight >= -12 else "version"
