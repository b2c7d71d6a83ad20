"""Writes tables of HTML as tables of Markdown.

``html_tags`` sets the cells of other tables apart by blanks: of nested ones, those whose cells have code or headings, those of
one row or column, those of a column of marks beside one of texts, and those of lists or long texts in which no cell is empty,
which arrange a page, unless their first row consists of headings. Short lists stay in a table whose rows begin with headings.
Rows and columns without text, with which pages set others apart, are left out, except those with the empty value of a label
before another label, as in a form to fill in.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import chain

from preprocessing.markup.html_lists import TAG_OF_LIST, OpenLists
from preprocessing.markup.html_tags import INDENT, TAG, flatten_tags
from preprocessing.markup.markdown import Protected
from preprocessing.markup.table_layout import Cell, format_table, lay_out

_TABLE = re.compile(r"<table(?=[\s>])[^<>]{0,2000}>", re.IGNORECASE)
_END = re.compile(r"</table\s{0,20}>", re.IGNORECASE)
_BLOCKS = re.compile(
    r"<(?:table|dl|pre|h[1-6]|blockquote|form|details)(?=[\s/>])|\n\n\x7f[0-9]{1,8}\x7f\x1e?\n",
    re.IGNORECASE,
)
_SPAN = re.compile(r"\b(?P<name>col|row)span\s{0,9}=\s{0,9}[\"']?\s{0,9}(?P<count>[0-9]{1,3})", re.IGNORECASE)
_GROUPS = frozenset(("thead", "tbody", "tfoot"))
_OF_ROWS = _GROUPS | {"table", "col", "colgroup"}
_MOST_CELLS = 1_000_000  # of a table, with what its cells span
_LONGEST_INDENT = 200  # characters before a table in which its line begins
_BLANK = "\x1d"  # of an empty value between two labels
_CELLS_OF_TWO_LABELS = 4
_MIN_ROWS = _MIN_CELLS = 2  # rows that have as many cells with text; below a heading one
LONGEST_CELL = 200
"""Characters of a cell, above which a table without empty cells arranges text."""
_WORD = re.compile(r"\w")
_HEADING_ROW = re.compile(
    r"(?:\s{1,200}+|</?(?:thead|tr|tbody|col|colgroup)(?=[\s/>])[^<>]{0,500}>|<caption(?=[\s>])[^<>]{0,500}>(?:(?!</caption)[\s\S]){0,500}+</caption>)"
    r"{1,99}+<th[\s>]",
    re.IGNORECASE,
)
_HEADINGS = re.compile(
    rf"{_HEADING_ROW.pattern}(?:(?!</?t[dr][\s>])[\s\S]){{1,2000}}?<th[\s>]", re.IGNORECASE
)
"""A first row of two and more headings."""
_ROW = re.compile(r"<tr(?=[\s>])[^<>]{0,500}>(?P<label>\s{0,200}+<th[\s>])?", re.IGNORECASE)
_LIST = re.compile(r"<[uo]l[\s>]", re.IGNORECASE)
_LINE_END = re.compile(r"<br\s{0,20}/?>|</p\s{0,20}>\s{0,200}(?=<p[\s>])", re.IGNORECASE)
"""Within a cell."""
_CELL_OF_LINES = re.compile(
    r"<t[dh](?=[\s>])[^<>]{0,2000}>(?:(?!</?t[dhr][\s>]|<br[\s/>])[\s\S]){1,5000}+<br\s{0,20}/?>(?:\s|<(?!/?t[dhr][\s>])[^<>]{0,2000}>){0,99}+[^<\s](?:(?!</?t[dhr][\s>])[\s\S]){0,5000}+</t[dh]\s{0,20}>(?=\s{0,200}<t[dh][\s>])",
    re.IGNORECASE,
)
"""A cell of several lines before another cell."""


def convert_tables(text: str, protected: Protected) -> str:
    """Replaces tables; the marks of indentation before a table begin its lines. Lines and items of a cell are set apart by ``<br>``,
    which is protected. In tables that stay, a line ends behind a cell of several lines.
    """
    pieces, at = [], 0
    opening = _TABLE.search(text)
    end = _END.search(text)
    while opening and end:
        if end.start() < opening.end():
            end = _END.search(text, opening.end())
            continue
        before = text[max(at, opening.start() - _LONGEST_INDENT) : opening.start()]
        line = before[before.rfind("\n") + 1 :]
        is_simple = not line.lstrip().startswith("|")
        inner = text[opening.end() : end.start()]
        is_simple = is_simple and not _BLOCKS.search(inner) and not protected.has_lines(inner)
        lines = _convert(inner, protected) if is_simple else []
        if lines:
            indent = line if not line.strip(INDENT) else ""
            rows = "\n".join(indent + row for row in lines)
            pieces += [text[at : opening.start() - len(indent)], f"\n\n{rows}\n\n"]
            at = end.end()
        elif is_simple and _LINE_END.search(inner):
            pieces += [text[at : opening.end()], _CELL_OF_LINES.sub(r"\g<0><br>", inner)]
            at = end.start()
        opening = _TABLE.search(text, at if lines else opening.end())
    return "".join([*pieces, text[at:]])


def _convert(inner: str, protected: Protected) -> list[str]:
    """The lines of a table; none where it arranges text, where few rows have several cells, or where text is outside of cells."""
    has_lists = _LIST.search(inner) is not None
    has_headings = _HEADINGS.match(inner) is not None
    if has_lists and not has_headings and not all(row["label"] for row in _ROW.finditer(inner)):
        return []
    has_lines = has_lists or _LINE_END.search(inner) is not None
    line_end = protected.add("<br>") if has_lines else ""
    inner = _LINE_END.sub(line_end, inner) if has_lines else inner
    caption, rows = _read(_mark_items(inner, line_end) if has_lists else inner, line_end)
    if rows is None:
        return []
    texts, has_blanks = _lay_out(rows)
    full = sum(sum(map(bool, row)) >= _MIN_CELLS for row in texts)
    fewest = 1 if has_blanks or (len(texts) > 1 and _HEADING_ROW.match(inner)) else _MIN_ROWS
    is_full = all(all(row) and len(row) == len(texts[0]) for row in texts)
    may_arrange = not has_headings and (has_lists or is_full)
    if full < fewest or _is_list(texts):
        return []
    if may_arrange and any(map(_is_long, chain.from_iterable(texts))):
        return []
    texts = [[protected.escape_bars(cell) for cell in row] for row in texts]
    caption = caption.replace(line_end, " ") if has_lines else caption
    return [*([caption, ""] if caption else []), *format_table(texts)]


def _is_list(rows: list[list[str]]) -> bool:
    """True for a column of marks beside one of texts."""
    return all(len(row) == 2 and not _WORD.search(row[0]) for row in rows)


def _is_long(cell: str) -> bool:
    return len(cell) > LONGEST_CELL and len(TAG.sub("", cell)) > LONGEST_CELL


def _lay_out(rows: list[list[Cell]]) -> tuple[list[list[str]], bool]:
    """The texts of rows and columns with text, and whether a value between labels is empty; no rows of a table that spans too many.
    Nothing is multiplied by the longest row."""
    texts, columns, size, has_blanks = [], set(), 0, False
    for row in lay_out(rows):
        filled = [n for n, cell in enumerate(row) if cell]
        columns.update(filled)
        size += len(row)
        if size > _MOST_CELLS:
            return [], False
        if filled:
            has_blanks |= _BLANK in row
            texts.append(row)
    return [
        ["" if cell == _BLANK else cell for n, cell in enumerate(row) if n in columns] for row in texts
    ], has_blanks


def _mark_items(inner: str, line_end: str) -> str:
    """The rows with ``line_end`` and the mark of an item in the place of its tag, and ``line_end`` behind each list."""
    lists = OpenLists()

    def mark(tag: re.Match[str]) -> str:
        if tag["name"].lower() != "li":
            lists.read_tag(tag)
            return "" if lists else line_end
        if tag["close"]:
            return ""
        return line_end + lists.next_mark(tag["attributes"], inner, tag.end())

    return TAG_OF_LIST.sub(mark, inner)


def _read(inner: str, line_end: str) -> tuple[str, list[list[Cell]] | None]:
    """The caption and the rows of a table; None for the rows where text is outside of cells. ``line_end``: between lines of a cell."""
    caption, rows, group = "", [], 0
    span, kinds = (1, 1), []  # of the cells of a row
    name, start = "", 0  # of the cell or the caption that is open
    for kind, attributes, begin, end in _tags(inner):
        closes = kind.startswith("/")
        if kind == f"/{name}" or (name and kind.lstrip("/") in ("td", "th", "tr", *_OF_ROWS)):
            text = _text_of(inner[start:begin], line_end)
            caption = text if name == "caption" else caption
            if name != "caption":
                rows[-1].append(Cell(text, *span))
                kinds.append(name)
                if text and name == "td" and len(kinds) >= _CELLS_OF_TWO_LABELS:
                    _mark_blanks(rows[-1], kinds)
            name, start = "", end if kind == f"/{name}" else begin
        if not name and _text_of(inner[start:begin], line_end):
            return "", None
        if kind.lstrip("/") in _GROUPS:
            group = _end_group(rows, group)
        if kind == "tr" or (kind in ("td", "th") and not rows):
            rows.append([])
            kinds = []
        if not closes and kind in ("td", "th", "caption"):
            name = kind
            counts = {match["name"].lower(): int(match["count"]) for match in _SPAN.finditer(attributes)}
            span = max(1, counts.get("col", 1)), counts.get("row", 1)
        start = end
    _end_group(rows, group)
    return caption, rows if not _text_of(inner[start:], line_end) else None


def _mark_blanks(row: list[Cell], kinds: list[str]) -> None:
    """Marks the empty values of the labels before the last one, whose value the row ends with so far."""
    for n in range(len(row) - 3, 0, -2):
        if kinds[n - 1 : n + 3] != ["th", "td", "th", "td"] or row[n].text or not row[n - 1].text:
            return
        row[n] = row[n]._replace(text=_BLANK)


def _end_group(rows: list[list[Cell]], first: int) -> int:
    """Ends what the cells of the last rows span, from ``first`` on, with their group; 0 rows are all of it. Returns the next row."""
    for n in range(first, len(rows)):
        left = len(rows) - n
        rows[n] = [
            cell._replace(rows=min(cell.rows or left, left)) if cell.rows != 1 else cell for cell in rows[n]
        ]
    return len(rows)


def _tags(inner: str) -> Iterator[tuple[str, str, int, int]]:
    """``(name, attributes, start, end)`` of the tags of the table, with ``/`` before the names of closing ones; ends the table."""
    for match in TAG.finditer(inner):
        name = match["name"].lower()
        if name in ("td", "th", "tr", "caption", *_OF_ROWS):
            yield match["close"] + name, match["attributes"], *match.span()
    yield "/table", "", len(inner), len(inner)


def _text_of(cell: str, line_end: str) -> str:
    """A cell in one line with its inline tags and escaped bars; the empty text for one that shows nothing."""
    if line_end and line_end in cell:
        return line_end.join(filter(None, (_text_of(line, "") for line in cell.split(line_end))))
    line = " ".join(flatten_tags(cell).replace(INDENT, " ").split())
    shown = html.unescape(TAG.sub("", line)).strip() if "<" in line or "&" in line else line
    return line.replace("\\|", "|").replace("|", "\\|") if shown else ""
