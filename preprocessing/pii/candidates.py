"""Selects the rows and lines of a column that may contain personal data, and their patterns.

Owns the two scans of ``matching.Matcher``: over the rows, and over the lines of the matching rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from preprocessing.documents import lines_of
from preprocessing.pii.pattern import WIDE, Pattern, to_plain
from preprocessing.text.matching import Engine, Matcher

# Hints are ASCII except for dashes; texts with wide characters are matched once more, as ASCII.
_WIDE = "wide"
_WIDE_HINT = f"[{WIDE}]"


@dataclass
class Candidate:
    """A row, its patterns in order, and the patterns of each line; ignore ``lines`` when a pattern spans lines."""

    row: int
    patterns: list[Pattern] = field(default_factory=list)
    lines: dict[int, list[Pattern]] = field(default_factory=dict)

    @property
    def spans_lines(self) -> bool:
        return any(pattern.spans_lines for pattern in self.patterns)


class Candidates:
    """Finds candidates for several patterns."""

    def __init__(self, patterns: Sequence[Pattern], engine: Engine | None = None):
        self._patterns = list(patterns)
        named = {_WIDE: _WIDE_HINT}
        for number, pattern in enumerate(self._patterns):
            named[_hint_name(number)] = pattern.hint
            if pattern.needs is not None:
                named[_needs_name(number)] = pattern.needs
        self._matcher = Matcher(named, engine)

    def find(self, column: pa.Array) -> list[Candidate]:
        """The candidates of a large_string column in the order of rows; lines count from 0."""
        by_row: dict[int, Candidate] = {}
        hits = self._match(column)
        for number, pattern in enumerate(self._patterns):
            rows = hits[_hint_name(number)]
            if pattern.needs is not None and len(rows):
                rows = np.intersect1d(rows, hits[_needs_name(number)], assume_unique=True)
            for row in rows.tolist():
                by_row.setdefault(row, Candidate(row)).patterns.append(pattern)
        candidates = [by_row[row] for row in sorted(by_row)]
        if candidates:
            self._add_lines(column, candidates)
        return candidates

    def _match(self, column: pa.Array) -> dict[str, np.ndarray]:
        """Rows by the name of what they match, as they are or, unless the pattern reads them ``as_is``, as plain text."""
        hits = self._matcher.rows(column)
        wide = hits[_WIDE]
        if not len(wide):
            return hits
        texts = column.take(pa.array(wide)).to_pylist()
        found = self._matcher.rows(pa.array(map(to_plain, texts), pa.large_string()))
        for number, pattern in enumerate(self._patterns):
            for name in () if pattern.as_is else (_hint_name(number), _needs_name(number)):
                if len(rows := found.get(name, ())):
                    hits[name] = np.union1d(hits[name], wide[rows])
        return hits

    def _add_lines(self, column: pa.Array, candidates: list[Candidate]) -> None:
        lines, first_lines = lines_of(
            column.take(pa.array([candidate.row for candidate in candidates], pa.int64()))
        )
        hits = self._match(lines)
        for number, pattern in enumerate(self._patterns):
            numbers = hits[_hint_name(number)]
            indices = np.searchsorted(first_lines, numbers, side="right") - 1
            for index, line in zip(indices.tolist(), (numbers - first_lines[indices]).tolist()):
                if pattern in candidates[index].patterns:
                    candidates[index].lines.setdefault(line, []).append(pattern)


def _hint_name(number: int) -> str:
    return f"hint {number}"


def _needs_name(number: int) -> str:
    return f"needs {number}"
