"""How numbers spread, counted in a table of fixed size: any number of values, added in any order.

Owns the table. A value is counted by the sign, exponent and first eight bits of its float32, so that quantiles are
right to 0.4 % and whole numbers up to 512 exactly.
"""

from __future__ import annotations

import numpy as np

_DROPPED_BITS = 15
_CELLS = 1 << (31 - _DROPPED_BITS)


class Tally:
    """Counts of numbers that are not negative."""

    def __init__(self) -> None:
        self._counts = np.zeros(_CELLS, np.int64)

    def add(self, values: np.ndarray) -> None:
        bits = np.abs(values.astype(np.float32)).view(np.uint32) >> _DROPPED_BITS
        self._counts += np.bincount(bits, minlength=_CELLS)

    @property
    def total(self) -> int:
        return int(self._counts.sum())

    def quantile(self, share: float) -> float:
        """The smallest value below or at which ``share`` of the values are; there must be a value."""
        rank = max(0, int(np.ceil(share * self.total)) - 1)
        return float(_values(np.searchsorted(np.cumsum(self._counts), rank, "right")))

    def by_power(self, highest: float = np.inf) -> dict[int, int]:
        """How many values are in [2^power, 2^(power + 1)), by power; what is below 1 counts as 1, what is above
        ``highest`` as this."""
        cells = np.flatnonzero(self._counts)
        values = _values(cells).clip(1, highest)
        powers = np.floor(np.log2(values)).astype(np.int64)
        found = np.bincount(powers, self._counts[cells]) if len(cells) else np.zeros(0)
        return {power: int(count) for power, count in enumerate(found) if count}

    def by_step(self, edges: np.ndarray) -> list[int]:
        """How many values are between neighbouring ``edges``; values outside count at the ends."""
        cells = np.flatnonzero(self._counts)
        # by the largest value of a cell, so that one equal to an edge is above it
        places = np.searchsorted(edges, np.nextafter(_values(cells + 1), np.float32(0)), "right") - 1
        places = places.clip(0, len(edges) - 2)
        return np.bincount(places, self._counts[cells], len(edges) - 1).astype(np.int64).tolist()


def _values(cells: np.ndarray | np.int64) -> np.ndarray:
    """The smallest value of each cell."""
    return (np.asarray(cells).astype(np.uint32) << _DROPPED_BITS).view(np.float32)
