"""Converts tables of AsciiDoc (``|===``, ``,===``, ``:===``, and those with ``format=csv``) to tables of Markdown.

Owns cells, their spans, and the number of columns; ``asciidoc`` finds the tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from preprocessing.markup.table_layout import Cell, read_separated

_CELL = re.compile(
    r"(?:(?:(?<=\s)|^)(?P<spec>[0-9]{0,3}(?:\.[0-9]{1,3})?[+*]?[<^>]?(?:\.[<^>])?[adehlmsv]?))?(?<!\\)\|",
    re.MULTILINE,
)
_COLUMNS = re.compile(r"cols=(?:\"([^\"]*)\"|'([^']*)'|(\w[\w*]*))")
_REPEATED = re.compile(r"([0-9]{1,2})\*.*")
_FORMAT = re.compile(r"format=\"?(csv|tsv|dsv)")
_SEPARATOR = re.compile(r"separator=\"?([^\s\"\]])")
_SEPARATORS = {"csv": ",", "tsv": "\t", "dsv": ":"}
_FORMAT_OF_SIGN = {",": "csv", ":": "dsv"}
_SPAN = re.compile(r"([0-9]{0,3})(?:\.([0-9]{1,3}))?([+*])")
_CODE = re.compile(
    r"(?:^\[(?:source|listing|,)[^\]\n]*\]\n)?^(-{4,}|\.{4,})\n((?:(?!\1$)[^\n]*\n){1,200}?)\1$", re.MULTILINE
)
_ITEM = re.compile(r"^[ \t]*(?:[*-]{1,5}|\.{1,5})[ \t]+(?=\S)", re.MULTILINE)
_NESTED = re.compile(r"(?:^\[[^\]\n]*\]\n)?^!={3,}\n(.{0,5000}?)^!={3,}$", re.MULTILINE | re.DOTALL)
_OF_BLOCKS = re.compile(
    r"(?:^|[,;\"'=*\d<^>.])a(?:[,;\"']|$)"
)  # the style of a column whose cells hold blocks
_BLANK = "\ufdd0"  # a blank of code; no character of a text
_BLANKS_OF_CODE = re.compile("^ +| {2,}")
LARGEST_SPAN = 50


def convert_table(sign: str, attributes: str, lines: list[str], convert: Callable[[str], str]) -> list[str]:
    """The lines of a table. ``sign``: of its delimiter; ``attributes``: its attribute line; ``convert`` converts the markup
    inside a cell."""
    text = "\n".join(lines)
    data_format = _FORMAT_OF_SIGN.get(sign) or (named[1] if (named := _FORMAT.search(attributes)) else "")
    if data_format:
        return _write_rows(_read_rows(text, data_format, attributes, convert), 0) or [convert(text)]
    named = _COLUMNS.search(attributes)
    cells = _read_cells(text, convert, bool(named and _OF_BLOCKS.search(named[0])))
    first = next((line for line in lines if line.strip()), "")
    columns = _count_columns(attributes) or sum(cell.columns for cell in _read_cells(first, str))
    if not cells or not columns:
        return [convert(text)]
    return _write_rows(_place_cells(cells, columns), columns)


def _place_cells(cells: list[Cell], columns: int) -> list[list[str]]:
    """Rows of cells, empty below a cell that spans rows and behind one that spans columns."""
    rows: list[list[str]] = [[]]
    spanned: dict[int, int] = {}  # rows below in which a column is taken

    def pass_spanned() -> None:
        while len(rows[-1]) < columns and spanned.get(len(rows[-1]), 0):
            spanned[len(rows[-1])] -= 1
            rows[-1].append("")

    for cell in cells:
        pass_spanned()
        while len(rows[-1]) >= columns:
            rows.append([])
            pass_spanned()
        for n in range(min(cell.columns, columns - len(rows[-1])) or 1):
            spanned[len(rows[-1])] = cell.rows - 1
            rows[-1].append("" if n else cell.text)
    pass_spanned()
    return rows


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
    return " ".join(convert(content).split()).replace(_BLANK, " ").replace("\\|", "|").replace("|", "\\|")


def _count_columns(attributes: str) -> int:
    match = _COLUMNS.search(attributes)
    if match is None:
        return 0
    count = 0
    for part in re.split("[,;]", match[1] or match[2] or match[3] or ""):
        repeated = _REPEATED.fullmatch(part.strip())
        count += int(repeated[1]) if repeated else 1
    return count


def _read_cells(text: str, convert: Callable[[str], str], has_blocks: bool = False) -> list[Cell]:
    """Cells in their order. ``has_blocks``: the style of a column says so; else that of a cell does."""
    marks = list(_CELL.finditer(text))
    cells: list[Cell] = []
    for mark, following in zip(marks, [*marks[1:], None]):
        content = text[mark.end() : following.start() if following else len(text)].strip()
        spec = mark["spec"] or ""
        text_of_cell = _write_cell(
            _write_blocks(content) if has_blocks or spec.endswith("a") else content, convert
        )
        span = _SPAN.match(spec)
        columns, rows = (min(int(span[n] or 1), LARGEST_SPAN) if span else 1 for n in (1, 2))
        is_repeated = span is not None and span[3] == "*"
        cells += [Cell(text_of_cell)] * columns if is_repeated else [Cell(text_of_cell, columns, rows)]
    return cells


def _write_blocks(content: str) -> str:
    """Code, lists, paragraphs and tables of a cell in one line, between breaks."""
    content = _CODE.sub(
        lambda code: "\n\n" + "\n\n".join(map(_write_code, code[2].split("\n"))) + "\n\n",
        content,
    )
    content = _NESTED.sub(_write_nested, content) if "!===" in content else content
    content = _ITEM.sub("\n\n- ", content)
    return " <br> ".join(part.strip() for part in re.split(r"\n\s*\n", content) if part.strip())


def _write_code(line: str) -> str:
    """A line of code as a span, whose blanks joining the lines of the cell does not change."""
    code = _BLANKS_OF_CODE.sub(lambda blanks: _BLANK * len(blanks[0]), line.rstrip().expandtabs(4))
    return f"`{code}`" if code else ""


def _write_nested(table: re.Match[str]) -> str:
    """The rows of a table in a cell, with commas between their cells."""
    rows = (
        ", ".join(cell.strip() for cell in line.split("!") if cell.strip()) for line in table[1].split("\n")
    )
    return "\n\n" + "\n\n".join(row for row in rows if row) + "\n\n"
