"""Converts lines of wikitext to Markdown: headings, lists, emphasis, tables; removes sections by title."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator

_CELL_STYLE = re.compile(r"[^|\[\]]{0,500}=[^|\[\]]{0,500}\|(?!\|)")
_SPAN = re.compile(r"colspan\s{0,5}=\s{0,5}[\"']?\s{0,5}([0-9]{1,3})", re.IGNORECASE)
_BOLD_ITALIC = re.compile(r"'''''([^'\n](?:[^\n]*?[^'\n])??)'''''")
_BOLD = re.compile(r"'''([^\n]+?)'''")
_ITALIC = re.compile(r"''([^\n]+?)''")
_BREAK = re.compile(r"<br\s{0,5}/?>", re.IGNORECASE)
MAX_SPAN = 50


def lines_to_markdown(text: str) -> str:
    """Converts tables, headings, lists, rules and emphasis."""
    lines = [_convert_line(line) for line in _convert_tables(text.split("\n"))]
    text = "\n".join(lines)
    if "''" in text:
        text = _BOLD_ITALIC.sub(r"***\1***", text)
        text = _BOLD.sub(r"**\1**", text)
        text = _ITALIC.sub(r"*\1*", text)
    return text


def _convert_line(line: str) -> str:
    first = line[:1]
    if first == "=":
        return _convert_heading(line)
    if first and first in "*#:;":
        marks = len(line) - len(line.lstrip("*#:;"))
        return _list_mark(line[:marks]) + line[marks:].strip()
    if line.startswith("----"):
        return line[4:].lstrip("-").strip()
    return line


def _convert_heading(line: str) -> str:
    body = line.rstrip()
    level = min(6, len(body) - len(body.lstrip("=")), len(body) - len(body.rstrip("=")))
    title = body[level : len(body) - level].strip()
    return f"{'#' * level} {title}" if level and title else line


def _list_mark(marks: str) -> str:
    last, depth = marks[-1], min(len(marks), 8) - 1
    if last in ":;":
        return ""
    return "  " * depth + ("- " if last == "*" else "1. ")


# --- tables ----------------------------------------------------------------------------------------------


def _convert_tables(lines: list[str]) -> Iterator[str]:
    """Converts each table ``{| ... |}`` to a Markdown table; a nested table becomes text of its cell."""
    table: list[str] | None = None
    depth = 0
    for line in lines:
        bare = line.strip(" \t:")
        if bare.startswith("{|"):
            depth += 1
            if depth == 1:
                table = []
            continue
        if table is None:
            yield line
        elif bare.startswith("|}"):
            depth -= 1
            if depth == 0:
                yield from ["", *_convert_table(table), "", *filter(None, [bare[2:].strip()])]
                table = None
        else:
            table.append(line.strip() if depth == 1 else line.strip().lstrip("|!-"))
    if table:  # never closed
        yield from _convert_table(table)


def _convert_table(lines: list[str]) -> list[str]:
    """The caption and a Markdown table of the cells, without styles."""
    rows: list[list[list[str]]] = [[]]
    captions: list[str] = []
    for line in lines:
        if line.startswith("|-"):
            rows.append([])
        elif line.startswith("|+"):
            captions.append(_CELL_STYLE.sub("", line[2:], count=1).strip())
        elif line[:1] in ("|", "!"):
            for cell in re.split(r"\|\||!!" if line[0] == "!" else r"\|\|", line[1:]):
                rows[-1] += _read_cell(cell)
        elif line and rows[-1]:
            rows[-1][-1].append(line)
    return [*filter(None, captions), *_format_table([[_format_cell(cell) for cell in row] for row in rows])]


def _read_cell(cell: str) -> list[list[str]]:
    """A cell and the empty cells that it spans."""
    style = _CELL_STYLE.match(cell)
    span = _SPAN.search(style[0]) if style else None
    content = (cell[style.end() :] if style else cell).strip()
    return [[content], *([""] for _ in range(min(MAX_SPAN, int(span[1])) - 1 if span else 0))]


def _format_cell(pieces: list[str]) -> str:
    content = _BREAK.sub(" ", " ".join(filter(None, pieces)))
    return " ".join(content.split()).replace("|", "\\|")


def _format_table(rows: list[list[str]]) -> list[str]:
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


# --- sections --------------------------------------------------------------------------------------------


def remove_sections(text: str, titles: Collection[str]) -> str:
    """Removes the sections with one of the titles, their subsections, and sections without any text."""
    removed = {_bare_title(title) for title in titles}
    lines: list[str] = []
    hidden_level = 0
    for line in text.split("\n"):
        level = _level(line)
        if level:
            if hidden_level and level > hidden_level:
                continue
            hidden_level = level if _bare_title(line[level:]) in removed else 0
            while lines and not hidden_level and _remove_empty_section(lines, level):
                pass
        if not hidden_level:
            lines.append(line)
    while _remove_empty_section(lines, 1):
        pass
    return "\n".join(lines)


def _remove_empty_section(lines: list[str], level: int) -> bool:
    """Removes a heading of ``level`` or deeper from the end of ``lines``; returns whether there was one."""
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    if end and _level(lines[end - 1]) >= level:
        del lines[end - 1 :]
        return True
    return False


def _level(line: str) -> int:
    marks = len(line) - len(line.lstrip("#"))
    return marks if 0 < marks <= 6 and line[marks : marks + 1] == " " else 0


@functools.lru_cache(maxsize=4096)
def _bare_title(title: str) -> str:
    return re.sub(r"[\s*_'`#]+", "", title).casefold()
