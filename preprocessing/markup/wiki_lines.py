"""Converts lines of wikitext to Markdown: headings, lists, emphasis, tables."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from preprocessing.markup.references import BAR
from preprocessing.markup.table_layout import Cell, format_table, lay_out
from preprocessing.markup.wiki_items import Items, is_item, join_terms

# The bar also stays behind a template that wrote only the style.
_CELL_STYLE = re.compile(r"[^|\[\]]{0,500}=[^|\[\]]{0,500}\|(?!\|)|[ \t]{0,20}(?:nowrap[ \t]{1,20})?\|(?!\|)")
# A template that writes the bar may follow: | rowspan="2" {{yes}}
_CELLS = re.compile(r"[|!][^|!}].{0,2000}?(?:\|\||!!)")  # several in a line
_MARKS_OF_TABLES = frozenset("|!{")
_SPAN_WITHOUT_BAR = re.compile(
    r"[ \t]{0,20}(?:(?:(?:rowspan|colspan)[ \t]{0,5}=[ \t]{0,5}[\"']?[ \t]{0,5}[0-9]{1,3}[ \t]{0,5}[\"']?"
    r"|v?align=[\"']?(?:center|left|right|top|middle|bottom)[\"']?|style=\"[^\"\n]{1,200}\")[ \t]{1,20}){1,4}",
    re.IGNORECASE,
)
_COLUMNS = re.compile(r"colspan\s{0,5}=\s{0,5}[\"']?\s{0,5}([0-9]{1,3})", re.IGNORECASE)
_ROWS = re.compile(r"rowspan\s{0,5}=\s{0,5}[\"']?\s{0,5}([0-9]{1,3})", re.IGNORECASE)
_BOLD_ITALIC = re.compile(r"'''''([^'\n](?:[^\n]*?[^'\n])??)'''''")
_BOLD = re.compile(r"'''([^\n]+?)'''")
_ITALIC = re.compile(r"''([^\n]+?)''")
_ITEM = re.compile(r"[*#]{1,20}(?!\*)[ \t]{0,20}")
_NO_EMPHASIS = re.compile("(?<!')''''(?!')")  # around a template without text
_GLUED_BOLD = re.compile("\\w'''\\w")
_EMPHASIS = re.compile("(?<!')(?:''|'''|''''')(?!')")
_OPEN_EMPHASIS = re.compile("'{2,5}")  # which ends with its line
_TAGS_BEFORE_TABLE = re.compile(
    r"(?:</?(?:div|center|span|small|p)(?:\s[^<>]{0,500})?>\s{0,20}){1,10}(?=\{\|)", re.IGNORECASE
)
_EMPTY_ITEM = re.compile(r"[*#:;]{0,20}[*#][ \t]{0,20}")  # what a template without text leaves
BREAK = re.compile(r"<br\s{0,5}/?>", re.IGNORECASE)
ROW = "\x04"  # before each value of a row that a template wrote: an item, in a table a row of it
MAX_DEPTH = 10  # of nested tables


def lines_to_markdown(text: str) -> str:
    """Converts tables, headings, lists, rules and emphasis."""
    items = Items()
    lines = [
        _convert_line(line, items)
        for line in _convert_tables(join_terms(text).split("\n"))
        if not (is_item(line) and _EMPTY_ITEM.fullmatch(line))
    ]
    text = "\n".join(lines)
    if "''" in text:
        text = _NO_EMPHASIS.sub("", text)
        if "'''" in text and _GLUED_BOLD.search(text):
            text = "\n".join(map(_mark_apostrophe, text.split("\n")))
        text = _BOLD_ITALIC.sub(r"***\1***", text)
        text = _BOLD.sub(r"**\1**", text)
        text = _OPEN_EMPHASIS.sub("", _ITALIC.sub(r"*\1*", text))
    return text


def _mark_apostrophe(line: str) -> str:
    """The line with an apostrophe for the first of three quotes that begin italics in a word: ``l'''amour''``.

    As in MediaWiki, marks of bold and of italics that both do not pair have one of these.
    """
    marks = _EMPHASIS.findall(line) if _GLUED_BOLD.search(line) else []
    both = marks.count("'''''")
    if (marks.count("'''") + both) % 2 and (marks.count("''") + both) % 2:
        return _GLUED_BOLD.sub(lambda mark: f"{mark[0][0]}&#39;''{mark[0][-1]}", line, count=1)
    return line


def _convert_line(line: str, items: Items) -> str:
    if is_item(line):
        return items.write(line)
    was_list = items.end()
    first = line[:1]
    if first == ROW:
        return "- " + ", ".join(line[1:].split(ROW))
    if first == "=":
        return _convert_heading(line)
    if line.startswith("----"):
        line = line[4:].lstrip("-").strip()
    return f"\n{line}" if was_list and line else line  # else the line would continue the last item


def _convert_heading(line: str) -> str:
    body = line.rstrip()
    level = min(6, len(body) - len(body.lstrip("=")), len(body) - len(body.rstrip("=")))
    title = body[level : len(body) - level].strip()
    return f"{'#' * level} {title}" if level and title else line


# --- tables ----------------------------------------------------------------------------------------------


@dataclass
class _Cell:
    """Lines of a cell, and the columns and rows that it spans."""

    lines: list[str]
    columns: int = 1
    rows: int = 1

    def as_text(self) -> Cell:
        """The cell in one line."""
        return Cell(_format_cell(self.lines), self.columns, self.rows)


def _convert_tables(lines: list[str]) -> Iterator[str]:
    """Converts each table ``{| ... |}`` to a Markdown table; a nested table becomes text of its cell."""
    tables: list[list[str]] = []  # lines of the open tables, from the outside in
    too_deep = 0
    lines = [_TAGS_BEFORE_TABLE.sub("", line, count=1) if "{|" in line else line for line in lines]
    for line in _begin_tables(lines):
        bare = line.strip(" \t:")
        if bare.startswith("{|"):
            too_deep += len(tables) == MAX_DEPTH
            if len(tables) < MAX_DEPTH:
                tables.append([])
        elif not tables:
            yield line
        elif not bare.startswith("|}") or bare.startswith("|}}"):
            tables[-1].append(line.strip())
        elif too_deep:
            too_deep -= 1
        else:
            yield from _close_table(tables, bare[2:].strip())
    while tables:  # never closed
        yield from _close_table(tables, "")


def _begin_tables(lines: list[str]) -> Iterator[str]:
    """The lines with the marks of tables whose beginning or end a template wrote."""
    depth, end = 0, -1  # end: where such a table ends
    for number, line in enumerate(lines):
        if number != end and line.lstrip(" \t:")[:1] not in _MARKS_OF_TABLES:
            yield line
            continue
        bare = line.strip(" \t:")
        if number == end:
            yield "|}"
        elif not depth and number > end and (bare.startswith("|-") or _CELLS.match(bare)):
            end = -1 if bare[0] == "!" and _is_sentence(lines, number) else _end_of_rows(lines, number)
            if end > 0:
                yield "{|"
        if not depth and number >= end and bare == "|}":
            continue
        depth = max(0, depth + bare.startswith("{|") - bare.startswith("|}")) if number >= end else depth
        yield line
    if end == len(lines):
        yield "|}"


def _end_of_rows(lines: list[str], at: int) -> int:
    """The line behind the rows that begin at line ``at``: an end of a table, a heading, or text behind an empty line."""
    for number in range(at + 1, len(lines)):
        bare = lines[number].strip(" \t:")
        is_row = bare[:1] in ("|", "!", ROW)
        if bare.startswith(("|}", "=", "{|")) or (bare and not is_row and not lines[number - 1].strip()):
            return number
    return len(lines)


def _is_sentence(lines: list[str], at: int) -> bool:
    """Whether no other row and no end of a table follows line ``at``, which begins with an exclamation mark."""
    rest = lines[at + 1 : _end_of_rows(lines, at) + 1]
    return not any(line.strip(" \t:")[:1] in ("|", "!", ROW) for line in rest)


def _close_table(tables: list[list[str]], rest: str) -> list[str]:
    """Adds the innermost table as text to the table around it, or returns the lines of an outer table."""
    captions, rows = _read_table(tables.pop())
    if tables:
        text = [*captions, "; ".join(", ".join(filter(None, row)) for row in rows if any(row)), rest]
        tables[-1].append(" " + " ".join(filter(None, text)))  # the blank: no mark of a cell begins the line
        return []
    return ["", *captions, *format_table(rows), "", *filter(None, [rest])]


def _read_table(lines: list[str]) -> tuple[list[str], list[list[str]]]:
    """The caption and the cells of each row without styles; empty cells take the place of what a cell spans."""
    rows: list[list[_Cell]] = [[]]
    captions: list[str] = []
    for line in lines:
        if line.startswith("|-"):
            rows.append([])
        elif line.startswith(ROW):
            rows += [[_Cell([value]) for value in line[1:].split(ROW)], []]
        elif line.startswith("|+"):
            captions.append(_CELL_STYLE.sub("", line[2:], count=1).strip())
        elif line[:1] in ("|", "!"):
            rows[-1] += map(_read_cell, _split_cells(line))
        elif line.strip() and rows[-1]:
            rows[-1][-1].lines.append(line.strip().lstrip(":; "))
        elif line.strip():
            captions.append(line.strip())
    laid_out = lay_out([cell.as_text() for cell in row] for row in rows if row)
    return [*filter(None, captions)], list(laid_out)


def _split_cells(line: str) -> Iterator[str]:
    """The cells of a line; bars with a blank on both sides are meant to divide cells, too, those behind a style only of headings."""
    for cell in re.split(r"\|\||!!" if line[0] == "!" else r"\|\|", line[1:]):
        style = _CELL_STYLE.match(cell)
        content = cell[style.end() :] if style else cell
        is_whole = "`" in cell or content.count("|") > content.count(" | ") or (style and line[0] == "|")
        first, *more = [content] if is_whole else content.split(" | ")
        yield cell[: len(cell) - len(content)] + first
        yield from more


def _read_cell(cell: str) -> _Cell:
    style = _CELL_STYLE.match(cell) or _SPAN_WITHOUT_BAR.match(cell)
    content = (cell[style.end() :] if style else cell).strip()
    if style is None:
        return _Cell([content])
    columns, rows = _COLUMNS.search(style[0]), _ROWS.search(style[0])
    return _Cell(
        [content],
        max(1, int(columns[1])) if columns else 1,
        max(1, int(rows[1])) if rows else 1,
    )


def _format_cell(pieces: list[str]) -> str:
    """One line of the text behind the bar and of the lines below it, which may be items."""
    content = "" if pieces[0].startswith("*") else pieces[0]
    for before, piece in itertools.pairwise(["", *filter(None, pieces[1:] if content else pieces)]):
        mark = _ITEM.match(piece)
        item = piece[mark.end() :] if mark else piece
        between = "" if not content else ", " if item != piece and item and _ITEM.match(before) else " "
        content += between + item
    content = BREAK.sub(" ", content)
    return BAR.sub(r"\\|", " ".join(content.split()).replace("|", "\\|"))
