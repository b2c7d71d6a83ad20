"""Converts tables of NamuMark, rows of ``||cell||cell||``, to Markdown; a table of one column becomes text."""

from __future__ import annotations

import re
from collections.abc import Callable

from preprocessing.markup.table_layout import Cell, format_table, lay_out

_CAPTION = re.compile(r"\|(?P<text>[^|\n]{1,500})\|(?=[^|])")
_STYLE = re.compile(r"<(?P<style>[-|^v]*\|?[0-9]{1,3}|-[0-9]{1,3}|[:()]|[A-Za-z#][^<>\n]{0,200})>")
_COLUMNS = re.compile(r"-([0-9]{1,3})")
_ROWS = re.compile(r"[v^]?\|([0-9]{1,3})")
_TAG = re.compile(r"</?(?:b|i|s|u|br|sup|sub|math|del|ruby|rt|div|span)[\s/>]", re.IGNORECASE)
_RULE = re.compile(r"\|(?: --- \|)+")
_MOST_LINES = 2000  # of a row


def find_table(lines: list[str], at: int) -> int:
    """The line after the table that begins at line ``at``; 0 where none begins."""
    if not (lines[at].startswith("||") or _CAPTION.match(lines[at])):
        return 0
    end = 0
    while at < len(lines) and (lines[at].startswith("||") or not end):
        first = at
        last = min(len(lines), at + _MOST_LINES)
        while at < last and not (
            lines[at].rstrip().endswith("||") and (at > first or len(lines[at].rstrip()) > 2)
        ):
            at += 1
        if at == last:
            break
        at += 1
        end = at
    return end


def convert_table(lines: list[str], convert: Callable[[str], list[str]]) -> list[str]:
    """The lines of a table as Markdown; ``convert`` returns the lines of a cell."""
    text = "\n".join(line.rstrip() for line in lines)
    caption = _CAPTION.match(text)
    title = convert(caption["text"].strip()) if caption else []
    rows = _read_rows(f"||{text[caption.end() :]}" if caption else text)
    if all(len(row) == 1 for row in rows):
        return [
            *title,
            *(line for ((_, content),) in rows for line in ["", *map(str.rstrip, convert(content)), ""]),
        ]
    converted = [[(convert(content), *_spans(style)) for style, content in row] for row in rows]
    if any(line.startswith("```") for row in converted for lines, *_ in row for line in lines):
        return [*title, *(line for row in converted for lines, *_ in row for line in ["", *lines, ""])]
    cells = [cells for row in converted for cells in _as_rows(row)]
    return [*title, *format_table(list(lay_out(cells)))]


_Piece = tuple[str, str]  # styles and content of a cell


def _read_rows(text: str) -> list[list[_Piece]]:
    rows: list[list[_Piece]] = [[]]
    i = 0
    while i < len(text):
        bars = i
        while bars < len(text) and text[bars] == "|":
            bars += 1
        span = (bars - i) // 2
        if text[bars : bars + 1] in ("\n", ""):  # the end of a row
            rows.append([])
            i = bars + 1
            continue
        start = i + 2 * span
        end = text.find("||", start)
        end = len(text) if end < 0 else end
        style, content = _without_style(text[start:end])
        rows[-1].append((f"-{span} {style}" if span > 1 else style, content))
        i = end
    return [row for row in rows if row]


def _without_style(cell: str) -> _Piece:
    """``(styles, content)`` of a cell."""
    styles, cell = [], cell.lstrip(" ")
    while (style := _STYLE.match(cell)) and not _TAG.match(cell):
        styles.append(style["style"])
        cell = cell[style.end() :].lstrip(" ")
    return " ".join(styles), cell.strip("\n").rstrip()


def _spans(style: str) -> tuple[int, int]:
    """``(columns, rows)`` that a cell spans."""
    columns, rows = 1, 1
    for part in style.split(" "):
        if match := _COLUMNS.fullmatch(part):
            columns = max(1, int(match[1]))
        elif match := _ROWS.fullmatch(part):
            rows = max(1, int(match[1]))
    return columns, rows


def _as_rows(row: list[tuple[list[str], int, int]]) -> list[list[Cell]]:
    """A row, or a row for each line of verses beside each other: at least three lines in each of several cells."""
    verses = [[line for line in "\n".join(lines).strip().split("\n") if line.strip()] for lines, _, _ in row]
    is_parallel = len(row) > 1 and len(verses[0]) > 2 and len({*map(len, verses)}) == 1
    if not is_parallel or any(rows > 1 for _, _, rows in row):
        return [[Cell(_in_one_line(lines), columns, rows) for lines, columns, rows in row]]
    return [
        [Cell(_in_one_line([line]), columns) for line, (_, columns, _) in zip(lines, row)]
        for lines in zip(*verses)
    ]


def _in_one_line(lines: list[str]) -> str:
    """The lines of a cell in one; rows of a table inside of it between semicolons."""
    pieces = []
    for line in map(str.strip, lines):
        if _RULE.fullmatch(line):
            continue
        if line.startswith("| ") and line.endswith(" |"):
            line = ", ".join(filter(None, (cell.strip() for cell in line[1:-1].split("|")))) + ";"
        if line:
            pieces.append(line.removeprefix("- ") if line.startswith("- ") else line)
    return " ".join(pieces).removesuffix(";").replace("\\|", "|").replace("|", "\\|")
