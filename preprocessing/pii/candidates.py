"""Selects the rows and lines of a column that may contain personal data, and their patterns.

Owns the scans of ``matching.Matcher``: over the rows for hints, over those with a hint for words that its pattern needs, and over
the lines of the matching rows.
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


class Lines(Sequence[str]):
    """The lines of a row without their line feeds. Each is decoded when it is asked for: few lines of a long text are."""

    def __init__(self, lines: pa.Array):
        self._lines = lines

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, number):
        return self._lines[number].as_py().removesuffix("\n")


@dataclass
class Candidate:
    """A row, its patterns in order, its lines, and the patterns of each line; ignore ``of_lines`` when a pattern spans lines."""

    row: int
    patterns: list[Pattern] = field(default_factory=list)
    of_lines: dict[int, list[Pattern]] = field(default_factory=dict)
    lines: Sequence[str] = ()

    @property
    def spans_lines(self) -> bool:
        return any(pattern.spans_lines for pattern in self.patterns)


class Candidates:
    """Finds candidates for several patterns."""

    def __init__(self, patterns: Sequence[Pattern], engine: Engine | None = None):
        self._patterns = list(patterns)
        hints = {str(number): pattern.hint for number, pattern in enumerate(self._patterns)}
        needs = {str(number): pattern.needs for number, pattern in enumerate(self._patterns) if pattern.needs}
        self._hints = Matcher({_WIDE: _WIDE_HINT, **hints}, engine)
        self._needs = Matcher({_WIDE: _WIDE_HINT, **needs}, engine)

    def find(self, column: pa.Array) -> list[Candidate]:
        """The candidates of a large_string column in the order of rows; lines count from 0."""
        by_row: dict[int, Candidate] = {}
        for pattern, rows in zip(self._patterns, self._rows_of(column)):
            for row in rows.tolist():
                by_row.setdefault(row, Candidate(row)).patterns.append(pattern)
        candidates = [by_row[row] for row in sorted(by_row)]
        if candidates:
            self._add_lines(column, candidates)
        return [candidate for candidate in candidates if candidate.of_lines or candidate.spans_lines]

    def _rows_of(self, column: pa.Array) -> list[np.ndarray]:
        """The rows of each pattern. What a pattern needs is sought only where there is a hint of such a pattern."""
        hints = self._match(column, self._hints)
        needing = {number: hints[number] for number, pattern in enumerate(self._patterns) if pattern.needs}
        searched = np.unique(np.concatenate([np.empty(0, np.int64), *needing.values()]))
        if len(searched):
            needs = self._match(column.take(pa.array(searched)), self._needs)
            for number, rows in needing.items():
                hints[number] = np.intersect1d(rows, searched[needs[number]], assume_unique=True)
        return [hints[number] for number in range(len(self._patterns))]

    def _match(self, column: pa.Array, matcher: Matcher) -> dict[int, np.ndarray]:
        """Rows by the number of the pattern, as they are or, unless the pattern reads them ``as_is``, as plain text."""
        hits = matcher.rows(column)
        wide = hits.pop(_WIDE)
        if len(wide):
            texts = column.take(pa.array(wide)).to_pylist()
            found = matcher.rows(pa.array(map(to_plain, texts), pa.large_string()))
            for name in hits:
                if len(found[name]) and not self._patterns[int(name)].as_is:
                    hits[name] = np.union1d(hits[name], wide[found[name]])
        return {int(name): rows for name, rows in hits.items()}

    def _add_lines(self, column: pa.Array, candidates: list[Candidate]) -> None:
        """Adds the lines with a hint of each pattern, or those that its hint in another line reaches."""
        lines, first_lines = lines_of(
            column.take(pa.array([candidate.row for candidate in candidates], pa.int64()))
        )
        for candidate, first, end in zip(candidates, first_lines, (*first_lines[1:], len(lines))):
            candidate.lines = Lines(lines[first:end])
        hits = self._match(lines, self._hints)
        for number, pattern in enumerate(self._patterns):
            numbers = hits[number]
            if pattern.lines_below:
                for candidate in candidates:
                    if pattern in candidate.patterns:
                        for line in pattern.lines_below(column[candidate.row].as_py()):
                            candidate.of_lines.setdefault(line, []).append(pattern)
                continue
            indices = np.searchsorted(first_lines, numbers, side="right") - 1
            for index, line in zip(indices.tolist(), (numbers - first_lines[indices]).tolist()):
                if pattern in candidates[index].patterns:
                    candidates[index].of_lines.setdefault(line, []).append(pattern)
