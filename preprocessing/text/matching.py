"""Matches many patterns on a whole text column at once.

Owns two engines that find the same rows: Hyperscan (x86-64 Linux), which scans the column's UTF-8 buffer, and RE2 inside
pyarrow, which runs everywhere. Patterns use only syntax that both read alike: literals, classes, groups, alternatives,
quantifiers and ``(?i)``, but no assertions (``^``, ``$``, ``\\b``, look-around), back-references or classes by letter
(``\\d``, ``\\w``, ``\\s``). Callers check the matched rows where a pattern is too coarse.
"""

# pyarrow.compute makes its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import logging
import os
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preprocessing.documents import utf8_buffer

log = logging.getLogger(__name__)
Engine = Literal["hyperscan", "re2"]
STRETCH_BYTES = (2 << 10, 16 << 10)
"""The shortest and the longest stretch that Hyperscan scans in one call: short where matches are frequent."""

_PLAIN = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\[^0-9A-Za-z]|\\[ntrx]")
_REJECTED = re.compile(r"[\^$]|\(\?(?!i?:|i\))|\\.")
_REJECTED_ANYWHERE = re.compile(r"(?<!\\)(?:\\\\)*(\\[0-9A-Za-mo-qsu-wyz])")


class Matcher:
    """Finds the rows of a column that match each of several named patterns.

    Scans the column once, and the rows near a match a second time. Can be pickled: each process compiles the patterns
    at first use. Not thread-safe.
    """

    def __init__(self, patterns: Mapping[str, str], engine: Engine | None = None):
        self.patterns = dict(patterns)
        self.engine: Engine = engine or available_engine()
        for name, pattern in self.patterns.items():
            _check(name, pattern)

    def rows(self, column: pa.Array) -> dict[str, np.ndarray]:
        """Matching rows (increasing int64) of a large_string column by the pattern's name; null counts as empty text."""
        rows: list[list[int]] = [[] for _ in self.patterns]
        if len(column) and self.patterns:
            _compile(self.engine, tuple(self.patterns.values()), os.getpid()).add_rows(column, rows)
        return {name: np.array(numbers, np.int64) for name, numbers in zip(self.patterns, rows)}


@lru_cache(maxsize=1)
def available_engine() -> Engine:
    """Hyperscan where its package is installed, otherwise RE2."""
    try:
        import hyperscan

        log.debug("matching patterns with hyperscan %s", getattr(hyperscan, "__version__", ""))
        return "hyperscan"
    except ImportError as error:
        log.debug("matching patterns with RE2 (%s)", error)
        return "re2"


def _check(name: str, pattern: str) -> None:
    """Raises ValueError for a pattern that the engines would read differently."""
    rejected = _REJECTED.search(_PLAIN.sub("", pattern)) or _REJECTED_ANYWHERE.search(pattern)
    if rejected:
        raise ValueError(
            f"pattern {name!r} contains {rejected[0]!r}, which the engines read differently or not at all; "
            "write it without assertions, back-references and classes by letter, and check the rows that it matches"
        )
    try:
        empty = pc.match_substring_regex(pa.scalar(""), pattern).as_py()
    except pa.ArrowInvalid as error:
        raise ValueError(f"pattern {name!r} is not valid in RE2 ({error}); correct {pattern!r}") from error
    if empty:
        raise ValueError(
            f"pattern {name!r} matches empty text and therefore every row; make a part of {pattern!r} mandatory"
        )


@lru_cache(maxsize=64)
def _compile(engine: Engine, patterns: tuple[str, ...], process: int) -> _Hyperscan | _Re2:
    """Compiles once per process: both sides of a fork must not share the scratch space of Hyperscan."""
    return _Hyperscan(patterns) if engine == "hyperscan" else _Re2(patterns)


class _Hyperscan:
    """Scans stretches of many rows in one call; where one has a match, the row in which it ends, and then the rows behind it.

    A match in a stretch may cross the border of two rows, so the scan of the single row decides. Without assertions in
    the patterns, a match in a row also matches in its stretch, and the first match of each pattern is the one that ends
    first (``unordered_matches`` of Hyperscan's ``hs_expr_info``); the order between patterns is undefined and not used.
    """

    def __init__(self, patterns: tuple[str, ...]):
        import hyperscan

        self._database = hyperscan.Database()
        flags = hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_SINGLEMATCH
        self._database.compile(
            expressions=[pattern.encode() for pattern in patterns],
            ids=list(range(len(patterns))),
            elements=len(patterns),
            flags=[flags] * len(patterns),
        )

    def add_rows(self, column: pa.Array, rows: list[list[int]]) -> None:
        """Appends the matching rows of each pattern to its list."""
        data, offsets = utf8_buffer(column)
        starts, first, size = offsets.tolist(), 0, STRETCH_BYTES[0]
        while first < len(column):
            end = min(len(column), max(first + 1, bisect_right(starts, starts[first] + size) - 1))
            found = self._find_first(data.data[starts[first] : starts[end]])
            if not found:
                first, size = end, min(2 * size, STRETCH_BYTES[1])
                continue
            row = bisect_left(starts, starts[first] + min(found.values())) - 1
            if end > first + 1:
                found = self._find_first(data.data[starts[row] : starts[row + 1]])
                size = max(size // 2, STRETCH_BYTES[0])
            for pattern in found:
                rows[pattern].append(row)
            first = row + 1

    def _find_first(self, data: Any) -> dict[int, int]:
        """The end of the first match of each pattern that matches."""
        ends: dict[int, int] = {}

        def note(pattern: int, _: int, end: int, *__: object) -> None:
            ends[pattern] = end

        self._database.scan(data, match_event_handler=note)
        return ends


class _Re2:
    """Matches one alternation on the column, then each pattern on the rows that match."""

    def __init__(self, patterns: tuple[str, ...]):
        self._patterns = patterns
        self._alternation = "|".join(f"(?:{pattern})" for pattern in patterns)

    def add_rows(self, column: pa.Array, rows: list[list[int]]) -> None:
        """Appends the matching rows of each pattern to its list."""
        matching = np.flatnonzero(_match(column, self._alternation))
        if not len(matching):
            return
        part = column.take(pa.array(matching))
        for number, pattern in enumerate(self._patterns):
            rows[number].extend(matching[_match(part, pattern)].tolist())


def _match(column: pa.Array, pattern: str) -> np.ndarray:
    return pc.fill_null(pc.match_substring_regex(column, pattern), False).to_numpy(zero_copy_only=False)
