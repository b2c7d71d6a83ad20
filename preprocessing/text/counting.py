"""Counts no further than it needs to."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice


def has_at_least(found: Iterable[object], fewest: int) -> bool:
    """True for so many or more; reads no more of them."""
    return sum(1 for _ in islice(found, fewest)) == fewest
