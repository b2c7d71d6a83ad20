"""Converts tables of AsciiDoc (``|===``, ``,===``, ``:===``, and those with ``format=csv``) to tables of Markdown.

Owns cells, their spans, and the number of columns; ``asciidoc`` finds the tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from preprocessing.markup.table_layout import read_separated

_CELL = re.compile(
    r"(?:(?:(?<=\s)|^)(?P<spec>[0-9]{0,3}(?:\.[0-9]{1,3})?[+*]?[<^>]?(?:\.[<^>])?[adehlmsv]?))?(?<!\\)\|",
    re.MULTILINE,
)
_COLUMNS = re.compile(r"cols=(?:\"([^\"]*)\"|'([^']*)'|(\w[\w*]*))")
_REPEATED = re.compile(r"([0-9]{1,2})\*.*")
_HEADER = re.compile(r"%[\w%]*header|options=\"?[^\"\]]*header")
_FORMAT = re.compile(r"format=\"?(csv|tsv|dsv)")
_SEPARATOR = re.compile(r"separator=\"?([^\s\"\]])")
_SEPARATORS = {"csv": ",", "tsv": "\t", "dsv": ":"}
_FORMAT_OF_SIGN = {",": "csv", ":": "dsv"}
LARGEST_SPAN = 50


def convert_table(sign: str, attributes: str, lines: list[str], convert: Callable[[str], str]) -> list[str]:
    """The lines of a table. ``sign``: of its delimiter; ``attributes``: its attribute line; ``convert`` converts the markup
    inside a cell."""
    text = "\n".join(lines)
    data_format = _FORMAT_OF_SIGN.get(sign) or (named[1] if (named := _FORMAT.search(attributes)) else "")
    if data_format:
        return _write_rows(_read_rows(text, data_format, attributes, convert), 0) or [convert(text)]
    cells = _read_cells(text, convert)
    first = next((line for line in lines if line.strip()), "")
    columns = _count_columns(attributes) or len(_read_cells(first, str))
    if not cells or not columns:
        return [convert(text)]
    return _write_rows([cells[at : at + columns] for at in range(0, len(cells), columns)], columns)


def _write_rows(rows: list[list[str]], columns: int) -> list[str]:
    """A table of ``columns``, or of as many as the longest row has; the first row is its head."""
    if not rows:
        return []
    columns = columns or max(map(len, rows))
    written = [f"| {' | '.join([*row, *[''] * (columns - len(row))])} |" for row in rows]
    return [written[0], "|" + " --- |" * columns, *written[1:]]


def _read_rows(
    text: str, data_format: str, attributes: str, convert: Callable[[str], str]
) -> list[list[str]]:
    """Rows of separated values: csv and tsv with quotation marks, dsv with escaped separators."""
    separator = named[1] if (named := _SEPARATOR.search(attributes)) else _SEPARATORS[data_format]
    separator = "\t" if separator == "\\" else separator  # written as \t
    if data_format == "dsv":
        pattern = re.compile(rf"(?<!\\){re.escape(separator)}")
        rows = [
            [cell.replace("\\" + separator, separator) for cell in pattern.split(line)]
            for line in text.split("\n")
        ]
    else:
        rows = read_separated(text.split("\n"), separator, skip_blanks=True)
    return [[_write_cell(cell, convert) for cell in row] for row in rows if any(cell.strip() for cell in row)]


def _write_cell(content: str, convert: Callable[[str], str]) -> str:
    return " ".join(convert(content).split()).replace("\\|", "|").replace("|", "\\|")


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
        cell = _write_cell(content, convert)
        spec = mark["spec"] or ""
        count = re.match("[0-9]+", spec)
        times = (
            min(int(count[0]), LARGEST_SPAN) if count and spec[count.end() :][:1] in ("+", ".", "*") else 1
        )
        cells += [cell] * times if "*" in spec else [cell, *[""] * (times - 1)]
    return cells
