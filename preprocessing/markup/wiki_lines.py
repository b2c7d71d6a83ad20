"""Lines of wikitext to Markdown: headings, lists, emphasis, tables; and sections that are left out."""

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
    """Tables, headings, lists, rules and emphasis."""
    lines = [_line(line) for line in _without_tables(text.split("\n"))]
    text = "\n".join(lines)
    if "''" in text:
        text = _BOLD_ITALIC.sub(r"***\1***", text)
        text = _BOLD.sub(r"**\1**", text)
        text = _ITALIC.sub(r"*\1*", text)
    return text


def _line(line: str) -> str:
    first = line[:1]
    if first == "=":
        return _heading(line)
    if first and first in "*#:;":
        marks = len(line) - len(line.lstrip("*#:;"))
        return _list_mark(line[:marks]) + line[marks:].strip()
    if line.startswith("----"):
        return line[4:].lstrip("-").strip()
    return line


def _heading(line: str) -> str:
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


def _without_tables(lines: list[str]) -> Iterator[str]:
    """Lines with each table ``{| ... |}`` as a Markdown table; a table in a table becomes text of its cell."""
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
                yield from ["", *_table(table), "", *filter(None, [bare[2:].strip()])]
                table = None
        else:
            table.append(line.strip() if depth == 1 else line.strip().lstrip("|!-"))
    if table:  # never closed
        yield from _table(table)


def _table(lines: list[str]) -> list[str]:
    """A Markdown table of the cells, its caption before it; styles are dropped."""
    rows: list[list[list[str]]] = [[]]
    before: list[str] = []
    for line in lines:
        if line.startswith("|-"):
            rows.append([])
        elif line.startswith("|+"):
            before.append(_CELL_STYLE.sub("", line[2:], count=1).strip())
        elif line[:1] in ("|", "!"):
            for cell in re.split(r"\|\||!!" if line[0] == "!" else r"\|\|", line[1:]):
                rows[-1] += _cells(cell)
        elif line and rows[-1]:
            rows[-1][-1].append(line)
    return [*filter(None, before), *_markdown_table([[_cell(cell) for cell in row] for row in rows])]


def _cells(cell: str) -> list[list[str]]:
    """A cell and the empty ones it spans."""
    style = _CELL_STYLE.match(cell)
    span = _SPAN.search(style[0]) if style else None
    shown = (cell[style.end() :] if style else cell).strip()
    return [[shown], *([""] for _ in range(min(MAX_SPAN, int(span[1])) - 1 if span else 0))]


def _cell(pieces: list[str]) -> str:
    shown = _BREAK.sub(" ", " ".join(filter(None, pieces)))
    return " ".join(shown.split()).replace("|", "\\|")


def _markdown_table(rows: list[list[str]]) -> list[str]:
    rows = [row for row in rows if any(row)]
    if not rows:
        return []
    width = max(map(len, rows))
    if width == 1:
        return [row[0] for row in rows]
    if (
        width * len(rows) > 4 * sum(map(len, rows)) + 64
    ):  # one huge row would fill all others with empty cells
        return ["| " + " | ".join(row) + " |" for row in rows]
    shown = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in rows]
    return [shown[0], "|" + " --- |" * width, *shown[1:]]


# --- sections --------------------------------------------------------------------------------------------


def remove_sections(text: str, titles: Collection[str]) -> str:
    """Leaves out the sections with one of the titles, all below them, and sections without any text."""
    left_out = {_bare(title) for title in titles}
    kept: list[str] = []
    hidden_level = 0
    for line in text.split("\n"):
        level = _level(line)
        if level:
            if hidden_level and level > hidden_level:
                continue
            hidden_level = level if _bare(line[level:]) in left_out else 0
            while kept and not hidden_level and _is_empty_section(kept, level):
                pass
        if not hidden_level:
            kept.append(line)
    while _is_empty_section(kept, 1):
        pass
    return "\n".join(kept)


def _is_empty_section(kept: list[str], level: int) -> bool:
    """Whether ``kept`` ends with a heading of ``level`` or below without text; it is then taken off."""
    end = len(kept)
    while end and not kept[end - 1].strip():
        end -= 1
    if end and _level(kept[end - 1]) >= level:
        del kept[end - 1 :]
        return True
    return False


def _level(line: str) -> int:
    marks = len(line) - len(line.lstrip("#"))
    return marks if 0 < marks <= 6 and line[marks : marks + 1] == " " else 0


@functools.lru_cache(maxsize=4096)
def _bare(title: str) -> str:
    return re.sub(r"[\s*_'`#]+", "", title).casefold()
