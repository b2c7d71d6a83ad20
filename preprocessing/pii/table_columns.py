"""The titles of columns: the first line of a table, or the columns of a statement, name what the numbers in the lines below are.

Owns how the lines of a table are recognized: lines of Markdown that begin with a bar, and lines with as many tabs, or with
as many bars, semicolons or commas, as the line above. A title counts for the cell of its column alone.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

from preprocessing.pii.insert_columns import HeaderLines, column_of_value

MAX_TITLE_LINE = 400
"""Characters of a first line that can name columns."""
MAX_TITLE = 24
_CODE = re.compile(r"[={}]|\(\)")  # of a line whose semicolons end statements
_PLACEHOLDER = r"<\|[a-z|]*>"


class TitleLines:
    """Finds the first line of the table of a line; ask for lines in their order, so that each is read once."""

    def __init__(self, lines: Sequence[str]):
        self._lines = lines
        self._last, self._top = -1, -1
        self._headers = HeaderLines(lines)

    def find(self, number: int) -> int:
        """The number of the first line of the table that ``number`` continues; -1 outside of tables and for first lines."""
        header = self._headers.find(number)
        if header >= 0:
            return header
        separator, count = _separator_of(self._lines[number])
        if not separator:
            return -1
        top = number
        while top and self._is_row(top - 1, separator, count):
            top -= 1
            if top == self._last:
                top = self._top
                break
        self._last, self._top = number, top
        return top if top < number and len(self._lines[top]) <= MAX_TITLE_LINE else -1

    def _is_row(self, number: int, separator: str, count: int) -> bool:
        found, others = _separator_of(self._lines[number])
        return found == separator and (separator == "|" or others == count)


def title_of_column(match: re.Match[str]) -> str:
    """The title of the column of a match whose line follows the first line of its table, or whose statement names its columns;
    empty elsewhere."""
    named = column_of_value(match)
    if named:
        return named if len(named) <= MAX_TITLE else ""
    titles, ends = _columns_of(match.string)
    column = bisect_right(ends, match.start())
    title = titles[column].strip() if column < len(titles) else ""
    return title if len(title) <= MAX_TITLE and not _CODE.search(title) else ""


def is_row_below(head: str, line: str) -> bool:
    """True for a line with the columns of the line above it."""
    separator, count = _separator_of(head)
    return separator != "" and _separator_of(line) in ((separator, count), ("|", 0))


@lru_cache(maxsize=4)
def _columns_of(text: str) -> tuple[list[str], list[int]]:
    """The titles in the first line, and where the separators in the second line end; empty outside of tables."""
    above, feed, line = text.partition("\n")
    separator, count = _separator_of(line) if feed else ("", 0)
    others, counted = _separator_of(above)
    if not separator or others != separator or (separator != "|" and count != counted):
        return [], []
    separators = re.finditer(f"{_PLACEHOLDER}|(?P<separator>{re.escape(separator)})", line)
    ends = [len(above) + 1 + found.end() for found in separators if found["separator"]]
    return above.split(separator), ends


def _separator_of(line: str) -> tuple[str, int]:
    """The sign between the columns of a line, and how often it occurs; empty for a line without columns."""
    if line.lstrip(" ").startswith("|"):
        return "|", 0
    for separator in ("\t", " | ", ";", ","):
        if separator in line:
            return separator, line.count(separator)
    return "", 0
