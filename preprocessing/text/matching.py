"""Many patterns over a whole text column at once.

Owns two engines that find the same rows: Hyperscan (x86-64 Linux), which scans the column's UTF-8 buffer, and RE2 inside
pyarrow, which is everywhere. Patterns are written in what both read alike: literals, classes, groups,
alternatives, quantifiers and ``(?i)``, but no assertion (``^``, ``$``, ``\\b``, look-around), no back-reference and no
class by letter (``\\d``, ``\\w``, ``\\s``). What a pattern cannot say is left to whoever looks at the rows it found.
"""

# pyarrow.compute makes its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import logging
import os
import re
from bisect import bisect_right
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preprocessing.documents import utf8_buffer

log = logging.getLogger(__name__)
Engine = Literal["hyperscan", "re2"]
STRETCH_BYTES = (8 << 10, 1 << 10, 1 << 8)

_PLAIN = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\[^0-9A-Za-z]|\\[ntrx]")
_REFUSED = re.compile(r"[\^$]|\(\?(?!i?:|i\))|\\.")
_REFUSED_ANYWHERE = re.compile(r"(?<!\\)(?:\\\\)*(\\[0-9A-Za-mo-qsu-wyz])")


class Matcher:
    """Names to patterns; says in which rows of a column each of them is found.

    Costs one scan of the column, and a second one of the rows near a match. Holds nothing that cannot be sent to
    another process: the patterns are compiled where they are first used. One thread of a process at a time.
    """

    def __init__(self, patterns: Mapping[str, str], engine: Engine | None = None):
        self.patterns = dict(patterns)
        self.engine: Engine = engine or available_engine()
        for name, pattern in self.patterns.items():
            _check(name, pattern)

    def rows(self, column: pa.Array) -> dict[str, np.ndarray]:
        """Row numbers (increasing, int64) by name of the pattern, for a large_string column; null is empty text."""
        found: list[list[int]] = [[] for _ in self.patterns]
        if len(column) and self.patterns:
            _compiled(self.engine, tuple(self.patterns.values()), os.getpid()).add_rows(column, found)
        return {name: np.array(rows, np.int64) for name, rows in zip(self.patterns, found)}


@lru_cache(maxsize=1)
def available_engine() -> Engine:
    """Hyperscan where its package is installed, else RE2."""
    try:
        import hyperscan

        log.debug("patterns are matched by hyperscan %s", getattr(hyperscan, "__version__", ""))
        return "hyperscan"
    except ImportError as error:
        log.debug("patterns are matched by RE2 (%s)", error)
        return "re2"


def _check(name: str, pattern: str) -> None:
    """Raises ValueError for what the engines would read differently."""
    refused = _REFUSED.search(_PLAIN.sub("", pattern)) or _REFUSED_ANYWHERE.search(pattern)
    if refused:
        raise ValueError(
            f"pattern {name!r} holds {refused[0]!r}, which the engines read differently or not at all; "
            "write it without assertions, back-references and classes by letter, and check the rows it finds"
        )
    try:
        empty = pc.match_substring_regex(pa.scalar(""), pattern).as_py()
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"pattern {name!r} is not understood by RE2 ({error}); correct {pattern!r}"
        ) from error
    if empty:
        raise ValueError(
            f"pattern {name!r} matches empty text, so every row; make a part of {pattern!r} obligatory"
        )


@lru_cache(maxsize=64)
def _compiled(engine: Engine, patterns: tuple[str, ...], process: int) -> _Hyperscan | _Re2:
    """Compiled once per process: scratch space of Hyperscan must not be in use on both sides of a fork."""
    return _Hyperscan(patterns) if engine == "hyperscan" else _Re2(patterns)


class _Hyperscan:
    """Scans stretches of many rows in one call, those that hold a match in shorter ones, and in the end rows alone.

    A match in a stretch may reach over the border of two rows; the row alone decides. Without assertions in the patterns
    the reverse holds: what is in a row is in its stretch too. Nothing is read from the order of matches, which Hyperscan
    leaves open (developer reference, "Semantics"); it calls back once per pattern and row at most.
    """

    def __init__(self, patterns: tuple[str, ...]):
        import hyperscan

        self._stopped = hyperscan.ScanTerminated
        self._database = hyperscan.Database()
        flags = hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_SINGLEMATCH
        self._database.compile(
            expressions=[pattern.encode() for pattern in patterns],
            ids=list(range(len(patterns))),
            elements=len(patterns),
            flags=[flags] * len(patterns),
        )

    def add_rows(self, column: pa.Array, found: list[list[int]]) -> None:
        data, offsets = utf8_buffer(column)
        self._add(data.data, offsets.tolist(), 0, len(column), STRETCH_BYTES, found)

    def _add(
        self,
        data: Any,
        starts: list[int],
        first: int,
        end: int,
        sizes: tuple[int, ...],
        found: list[list[int]],
    ) -> None:
        """Rows ``[first, end)`` in stretches of the first size; those with a match again in stretches of the next."""
        while first < end:
            last = first + 1
            if sizes:
                last = min(end, max(last, bisect_right(starts, starts[first] + sizes[0]) - 1))
            if last == first + 1:
                for pattern in self._all(data[starts[first] : starts[last]]):
                    found[pattern].append(first)
            elif self._any(data[starts[first] : starts[last]]):
                self._add(data, starts, first, last, sizes[1:], found)
            first = last

    def _any(self, data: Any) -> bool:
        try:
            self._database.scan(data, match_event_handler=_stop)
        except self._stopped:
            return True
        return False

    def _all(self, data: Any) -> list[int]:
        patterns: list[int] = []
        self._database.scan(data, match_event_handler=lambda pattern, *_: patterns.append(pattern))
        return patterns


def _stop(*_: object) -> bool:
    return True


class _Re2:
    """One alternation over the column, then each pattern over the rows that hold a match of any."""

    def __init__(self, patterns: tuple[str, ...]):
        self._patterns = patterns
        self._any = "|".join(f"(?:{pattern})" for pattern in patterns)

    def add_rows(self, column: pa.Array, found: list[list[int]]) -> None:
        rows = np.flatnonzero(_matches(column, self._any))
        if not len(rows):
            return
        part = column.take(pa.array(rows))
        for number, pattern in enumerate(self._patterns):
            found[number].extend(rows[_matches(part, pattern)].tolist())


def _matches(column: pa.Array, pattern: str) -> np.ndarray:
    return pc.fill_null(pc.match_substring_regex(column, pattern), False).to_numpy(zero_copy_only=False)
