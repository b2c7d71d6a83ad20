"""Which lines of which rows of a column can hold personal data, and of which patterns.

Owns the two scans of ``matching.Matcher``: over the rows, and over the lines of the rows that were hit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from preprocessing.documents import lines_of
from preprocessing.pii.pattern import WIDE, Pattern
from preprocessing.text.matching import Engine, Matcher

# Hints are written in ASCII but for dashes: where other characters are read as ASCII, every pattern is tried.
_WIDE = "wide"
_WIDE_HINT = f"[{WIDE}]"


@dataclass
class Candidate:
    """A row: its patterns, in order, and those of its lines; ``lines`` says nothing when a pattern spans lines."""

    row: int
    patterns: list[Pattern] = field(default_factory=list)
    lines: dict[int, list[Pattern]] = field(default_factory=dict)

    @property
    def spans_lines(self) -> bool:
        return any(pattern.spans_lines for pattern in self.patterns)


class Candidates:
    """Finds candidates for a set of patterns."""

    def __init__(self, patterns: Sequence[Pattern], engine: Engine | None = None):
        self._patterns = list(patterns)
        named = {_WIDE: _WIDE_HINT}
        for number, pattern in enumerate(self._patterns):
            named[_hint(number)] = pattern.hint
            if pattern.needs is not None:
                named[_needs(number)] = pattern.needs
        self._matcher = Matcher(named, engine)

    def of(self, column: pa.Array) -> list[Candidate]:
        """Candidates among the rows of a large_string column, in their order; their lines count from 0."""
        found: dict[int, Candidate] = {}
        hits = self._matcher.rows(column)
        for number, pattern in enumerate(self._patterns):
            rows = hits[_hint(number)]
            if pattern.needs is not None:
                rows = np.intersect1d(rows, hits[_needs(number)], assume_unique=True)
            for row in (rows if pattern.as_is else np.union1d(rows, hits[_WIDE])).tolist():
                found.setdefault(row, Candidate(row)).patterns.append(pattern)
        candidates = [found[row] for row in sorted(found)]
        if candidates:
            self._add_lines(column, candidates)
        return candidates

    def _add_lines(self, column: pa.Array, candidates: list[Candidate]) -> None:
        lines, first_lines = lines_of(
            column.take(pa.array([candidate.row for candidate in candidates], pa.int64()))
        )
        hits = self._matcher.rows(lines)
        for number, pattern in enumerate(self._patterns):
            rows = hits[_hint(number)]
            numbers = rows if pattern.as_is else np.union1d(rows, hits[_WIDE])
            places = np.searchsorted(first_lines, numbers, side="right") - 1
            for place, line in zip(places.tolist(), (numbers - first_lines[places]).tolist()):
                if pattern in candidates[place].patterns:
                    candidates[place].lines.setdefault(line, []).append(pattern)


def _hint(number: int) -> str:
    return f"hint {number}"


def _needs(number: int) -> str:
    return f"needs {number}"
