"""Lays out the cells of a table and writes it as Markdown; empty cells take the place of what a cell spans."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import NamedTuple

MAX_COLUMNS, MAX_ROWS = 50, 200  # that a cell spans
LONGEST_FIELD = (1 << 31) - 1
"""Characters of a separated value. The limit of ``csv`` is one of the whole process, so every reader sets the same."""


def read_separated(lines: Iterable[str], delimiter: str, skip_blanks: bool) -> list[list[str]]:
    """Rows of separated values with quotation marks; ``skip_blanks``: behind a delimiter. No rows where they cannot be read."""
    csv.field_size_limit(LONGEST_FIELD)
    try:
        return list(csv.reader(lines, delimiter=delimiter, skipinitialspace=skip_blanks))
    except (csv.Error, ValueError):  # such as a quotation mark as delimiter
        return []


class Cell(NamedTuple):
    """Text of a cell in one line, and the columns and rows that it spans."""

    text: str
    columns: int = 1
    rows: int = 1


def lay_out(rows: Iterable[Iterable[Cell]]) -> Iterator[list[str]]:
    """Texts of the columns of each row."""
    spanned: dict[int, int] = {}  # rows that a cell above still spans, by column
    for row in rows:
        texts: list[str] = []
        below = {column: count - 1 for column, count in spanned.items() if count > 1}
        for cell in row:
            while len(texts) in spanned:
                texts.append("")
            columns, height = min(cell.columns, MAX_COLUMNS), min(cell.rows, MAX_ROWS)
            if height > 1:
                below |= dict.fromkeys(range(len(texts), len(texts) + columns), height - 1)
            texts += [cell.text, *[""] * (columns - 1)]
        while len(texts) in spanned:
            texts.append("")
        spanned = below
        yield texts


def format_table(rows: list[list[str]]) -> list[str]:
    """The lines of a table whose first row is the header; of one column its texts."""
    rows = [row for row in rows if any(row)]
    if not rows:
        return []
    width = max(map(len, rows))
    if width == 1:
        return [row[0] for row in rows]
    if width * len(rows) > 4 * sum(map(len, rows)) + 64:  # padding to one huge row would multiply the text
        return ["| " + " | ".join(row) + " |" for row in rows]
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in rows]
    return [lines[0], "|" + " --- |" * width, *lines[1:]]
