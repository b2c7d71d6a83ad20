"""The columns of statements of SQL: ``INSERT INTO t (id, passport_no) VALUES (1, '...')`` names what each value is.

Owns the form of such a statement. Its rows may follow in lines of their own, whose line above is then the one with the columns.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

LONGEST = 20_000
"""Characters of a line in which values have columns."""
_NAMES = r"\((?P<names>[\w`\"\[\], .]{1,400})\)\s*"
_HEADER = re.compile(rf"{_NAMES}(?i:VALUES?)\s*(?=\()")
_HEADER_ABOVE = re.compile(rf"{_NAMES}(?:(?i:VALUES?)\s*)?\Z")
_ENDS_HEADER = re.compile(r"(?:\A|.*[\s)])(?i:VALUES?)\s*\Z")
_TOKEN = re.compile(r"'(?:[^'\\]++|\\.|'')*+'|\"(?:[^\"\\]++|\\.)*+\"|[(),;]")


class HeaderLines:
    """Finds the line with the columns of a row; ask for lines in their order, so that each is read once."""

    def __init__(self, lines: Sequence[str]):
        self._lines = lines
        self._last, self._header = -1, -1

    def find(self, number: int) -> int:
        """The number of the line with the columns of a line ``(1, '...'),``; -1 for any other line."""
        top = number
        while top >= 0 and self._lines[top].lstrip().startswith("("):
            if top == self._last:
                break
            top -= 1
        if top == number and top != self._last:
            return -1
        header = self._header if top == self._last else self._header_at(top)
        self._last, self._header = number, header
        return header

    def _header_at(self, number: int) -> int:
        if number < 0 or not _ENDS_HEADER.fullmatch(self._lines[number]):
            return -1
        return number if "(" in self._lines[number] else number - 1


def column_of_value(match: re.Match[str]) -> str:
    """The name of the column of a match within the values of a statement; empty elsewhere."""
    starts, names = _columns_of(match.string)
    at = bisect_right(starts, match.start()) - 1
    return names[at] if at >= 0 else ""


@lru_cache(maxsize=4)
def _columns_of(text: str) -> tuple[list[int], list[str]]:
    """Where the values of the last line start, and the names of their columns."""
    starts: list[int] = []
    names: list[str] = []
    above, feed, line = text.rpartition("\n")
    if len(line) > LONGEST:
        return starts, names
    begin = len(above) + len(feed)
    if line.lstrip().startswith("(") and (header := _HEADER_ABOVE.search(above)):
        _add_values(text, begin, header["names"].split(","), starts, names)
    for header in _HEADER.finditer(text, begin):
        _add_values(text, header.end(), header["names"].split(","), starts, names)
    return starts, names


def _add_values(text: str, begin: int, columns: list[str], starts: list[int], names: list[str]) -> None:
    depth = column = 0
    for token in _TOKEN.finditer(text, begin):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if depth < 0 or (depth == 0 and token[0] == ";"):
            return
        if depth == 1 and token[0] in "(,":
            column = 0 if token[0] == "(" else column + 1
            starts.append(token.start())
            names.append(columns[column].strip(' `"[]') if column < len(columns) else "")
        elif depth == 0:
            starts.append(token.start())
            names.append("")
