"""Which set each sample of a stage of training comes from: shares, fixed or moving linearly, without a stored order.

The draws of a set are points in time: the j-th is due when the integral of the set's share reaches j + 1 - phase, with a phase
in [0, 1) for each set. Sample k is the k-th point of all sets. So a set is always within one sample of its share at any
time, a share of 1e-7 is drawn once in ten million samples, and how many samples of a set come before sample k is
computed and not counted. Only the segment of the order that is being read is in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from megatron_ko.planning.permutation import fraction_of

SEGMENT = 1 << 16
"""Length of a segment in time, which is the number of its samples to within the number of sets."""
SEGMENTS_OF_A_MOVE = 256
"""Segments of a stage whose shares move, at least: within a segment they are constant."""
SMALLEST_SEGMENT = 16


@dataclass(frozen=True)
class _Segment:
    first: int
    """Number of its first sample."""
    counts: np.ndarray
    """Samples of each set before it: [sets]."""
    source: np.ndarray
    """Set of each of its samples: [samples]."""
    number: np.ndarray
    """How many samples of the same set come before each: [samples]."""


class Mixing:
    """The set of each sample of one stage, a function of seed, stage and number of the sample.

    ``begin`` contains the share of each set; with ``end``, shares move linearly from ``begin`` to ``end`` over
    ``total`` samples and stay there. Shares are scaled to sum to 1; a set may be missing at either end.
    """

    def __init__(
        self,
        begin: Mapping[str, float],
        end: Mapping[str, float] | None = None,
        total: int | None = None,
        *,
        seed: int,
        stage: int = 0,
    ) -> None:
        self.names = tuple(sorted({**begin, **(end or {})}))
        self._begin = _scale(begin, self.names)
        self._change = _scale(end, self.names) - self._begin if end else None
        self._total, self._length = total, SEGMENT
        if end:
            assert total, "shares that move need the length of the stage"
            self._length = max(SMALLEST_SEGMENT, min(SEGMENT, -(-total // SEGMENTS_OF_A_MOVE)))
        self._phase = np.array([fraction_of(seed, "phase", stage, name) for name in self.names])
        self._segments: dict[int, _Segment] = {}

    def source(self, sample: int) -> tuple[int, int]:
        """Index in ``names`` of the set of ``sample``, and how many samples of that set come before it."""
        segment = self._segment_of(sample)
        place = sample - segment.first
        return int(segment.source[place]), int(segment.number[place])

    def counts(self, sample: int) -> np.ndarray:
        """Samples of each set before ``sample``: [sets] int64."""
        segment = self._segment_of(sample)
        within = segment.source[: sample - segment.first]
        return segment.counts + np.bincount(within, minlength=len(self.names))

    def _due(self, time: int) -> np.ndarray:
        """Integral of each share from 0 to ``time``."""
        if self._change is None or self._total is None:
            return self._begin * float(time)
        moving = float(min(time, self._total))
        later = time - moving
        return moving * (self._begin + self._change * (moving / (2 * self._total))) + later * (
            self._begin + self._change
        )

    def _drawn(self, due: np.ndarray) -> np.ndarray:
        return np.floor(due + self._phase).astype(np.int64)

    def _first_of(self, number: int) -> int:
        """Number of the first sample of a segment."""
        return int(self._drawn(self._due(number * self._length)).sum())

    def _segment_of(self, sample: int) -> _Segment:
        for segment in self._segments.values():
            if segment.first <= sample < segment.first + len(segment.source):
                return segment
        number = sample // self._length
        while self._first_of(number) > sample:
            number -= 1
        while self._first_of(number + 1) <= sample:
            number += 1
        while len(self._segments) > 1:  # a batch may lie across two
            del self._segments[next(iter(self._segments))]
        return self._segments.setdefault(number, self._build(number))

    def _build(self, number: int) -> _Segment:
        due, due_after = (self._due(border * self._length) for border in (number, number + 1))
        before = self._drawn(due)
        counts = self._drawn(due_after) - before
        source = np.repeat(np.arange(len(self.names), dtype=np.int32), counts)
        rank = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
        width = np.where(counts > 0, due_after - due, 1.0)
        time = (rank + (before + 1 - self._phase - due)[source]) / width[source]
        order = np.argsort(time, kind="stable")
        source = source[order]
        return _Segment(int(before.sum()), before, source, rank[order] + before[source])


def _scale(shares: Mapping[str, float], names: tuple[str, ...]) -> np.ndarray:
    found = np.array([shares.get(name, 0.0) for name in names], dtype=np.float64)
    return found / found.sum()
