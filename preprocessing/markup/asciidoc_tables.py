"""Converts tables of AsciiDoc (``|===``) to tables of Markdown.

Owns cells, their spans, and the number of columns; ``asciidoc`` finds the tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_CELL = re.compile(
    r"(?:(?:(?<=\s)|^)(?P<spec>[0-9]{0,3}(?:\.[0-9]{1,3})?[+*]?[<^>]?(?:\.[<^>])?[adehlmsv]?))?(?<!\\)\|",
    re.MULTILINE,
)
_COLUMNS = re.compile(r"cols=(?:\"([^\"]*)\"|'([^']*)'|(\w[\w*]*))")
_REPEATED = re.compile(r"([0-9]{1,2})\*.*")
_HEADER = re.compile(r"%[\w%]*header|options=\"?[^\"\]]*header")
LARGEST_SPAN = 50


def convert_table(attributes: str, lines: list[str], convert: Callable[[str], str]) -> list[str]:
    """The lines of a table. ``attributes``: its attribute line; ``convert`` converts the markup inside a cell."""
    text = "\n".join(lines)
    cells = _read_cells(text, convert)
    first = next((line for line in lines if line.strip()), "")
    columns = _count_columns(attributes) or len(_read_cells(first, str))
    if not cells or not columns:
        return [convert(text)]
    rows = [cells[at : at + columns] for at in range(0, len(cells), columns)]
    rows[-1] += [""] * (columns - len(rows[-1]))
    written = [f"| {' | '.join(row)} |" for row in rows]
    return [written[0], "|" + " --- |" * columns, *written[1:]]


def _count_columns(attributes: str) -> int:
    match = _COLUMNS.search(attributes)
    if match is None:
        return 0
    count = 0
    for part in re.split("[,;]", match[1] or match[2] or match[3] or ""):
        repeated = _REPEATED.fullmatch(part.strip())
        count += int(repeated[1]) if repeated else 1
    return count


def _read_cells(text: str, convert: Callable[[str], str]) -> list[str]:
    """Cells in their order; one that spans columns is followed by empty ones."""
    marks = list(_CELL.finditer(text))
    cells = []
    for mark, following in zip(marks, [*marks[1:], None]):
        content = text[mark.end() : following.start() if following else len(text)].strip()
        cell = " ".join(convert(content).split()).replace("\\|", "|").replace("|", "\\|")
        spec = mark["spec"] or ""
        count = re.match("[0-9]+", spec)
        times = (
            min(int(count[0]), LARGEST_SPAN) if count and spec[count.end() :][:1] in ("+", ".", "*") else 1
        )
        cells += [cell] * times if "*" in spec else [cell, *[""] * (times - 1)]
    return cells
