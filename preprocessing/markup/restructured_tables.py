"""Converts the table directives of reStructuredText, ``csv-table`` and ``list-table``, to tables of Markdown.

Owns the rows of these two directives; tables drawn with signs stay unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from preprocessing.markup.table_layout import read_separated

TABLES = frozenset(("csv-table", "list-table", "table"))
_OPTION = re.compile(r"[ \t]*:([\w-]{1,40}):(?:[ \t]+(.*))?")
_ROW_START = re.compile(r"[*+-] +[*+-](?: +(.*))?")
_NEXT_CELL = re.compile(r" {2,4}[*+-](?: +(.*))?")


def convert_table(
    name: str, options: Sequence[str], body: list[str], convert: Callable[[str], str]
) -> list[str]:
    """The lines of a table; ``options``: the lines ``:name: value`` of the directive; ``convert``
    converts the markup inside a cell. Other content is converted as prose."""
    values = {match[1]: match[2] or "" for match in map(_OPTION.fullmatch, options) if match}
    rows: list[list[str]] | None = None
    if name == "csv-table":
        rows = _read_csv(values, body)
    elif name == "list-table":
        rows = _read_list(body)
    if not rows:
        return [convert("\n".join(body))]
    width = max(map(len, rows))
    lines = [
        f"| {' | '.join(_escape(convert(cell)) for cell in [*row, *[''] * (width - len(row))])} |"
        for row in rows
    ]
    return [lines[0], f"|{' --- |' * width}", *lines[1:]]


def _escape(cell: str) -> str:
    return " ".join(cell.split()).replace("|", "\\|")


def _read_csv(values: dict[str, str], body: list[str]) -> list[list[str]]:
    delimiter = {"tab": "\t", "space": " "}.get(values.get("delim", ","), values.get("delim", ","))
    header = [values["header"]] if values.get("header") else []
    lines = [*header, *(line for line in body if line.strip())]
    if len(delimiter) != 1:
        return []
    return read_separated(lines, delimiter, skip_blanks=delimiter != " ")


def _read_list(body: list[str]) -> list[list[str]] | None:
    """Cells by row; None where a cell contains more than a paragraph."""
    rows: list[list[str]] = []
    for number, line in enumerate(body):
        if not line.strip():
            after = next((later for later in body[number:] if later.strip()), "*")
            if not (_ROW_START.fullmatch(after) or _NEXT_CELL.fullmatch(after) or after == "*"):
                return None
        elif row := _ROW_START.fullmatch(line):
            rows.append([row[1] or ""])
        elif rows and (cell := _NEXT_CELL.fullmatch(line)):
            rows[-1].append(cell[1] or "")
        elif rows and line.startswith("    ") and not line.lstrip().startswith(("..", "*", "- ", "+", "|")):
            rows[-1][-1] += f" {line.strip()}"
        else:
            return None
    return rows
