"""Tables and text that fit the terminal's width.

Owns alignment, wrapping, and the division of a wide table into blocks of columns. Widths are in terminal cells: a Hangul
syllable takes two. Standard library only.
"""

from __future__ import annotations

import shutil
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence

GAPS = ("  ", " ")  # between columns; the narrow one where a table would not fit otherwise
LEAST_TEXT = 20  # cells for a column of sentences


def width_of(text: str) -> int:
    """Width in terminal columns: wide characters (Hangul, ideographs) take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def terminal_width() -> int:
    """Columns of the terminal; 80 when there is none."""
    return shutil.get_terminal_size().columns


def format_table(
    rows: Sequence[Sequence[str]], left: int = 1, *, sentences: bool = False, width: int | None = None
) -> list[str]:
    """Aligned lines of ``rows``, the first of which is the header; its cells may have several lines.

    Aligns the first ``left`` columns left and the others right. With ``sentences`` the last column is text, aligned left
    and wrapped. Columns that do not fit ``width`` (default: the terminal) follow in blocks that repeat the first column.
    """
    width = width or terminal_width()
    cells = [[cell.split("\n") for cell in row] for row in rows]
    sizes = [max(width_of(line) for cell in column for line in cell) for column in zip(*cells)]
    flush_left = set(range(left))
    if sentences:
        room = width - sum(sizes[:-1]) - len(GAPS[0]) * (len(sizes) - 1)
        if room < LEAST_TEXT:  # the sentences get a block of their own
            room = max(width - sizes[0] - len(GAPS[0]), LEAST_TEXT)
        sizes[-1] = min(sizes[-1], room)
        cells = [[*row[:-1], textwrap.wrap(" ".join(row[-1]), room) or [""]] for row in cells]
        flush_left.add(len(sizes) - 1)
    gap = next((gap for gap in GAPS if sum(sizes) + len(gap) * (len(sizes) - 1) <= width), GAPS[0])
    # headings are aligned at the bottom; a first row with a wrapped sentence is not a heading
    headings = 0 if sentences and len(cells[0][-1]) > 1 else 1
    lines: list[str] = []
    for block in _split_columns(sizes, width, gap):
        lines += ["", *_align(cells, block, sizes, flush_left, gap, headings)]
    return lines[1:]


def _split_columns(sizes: Sequence[int], width: int, gap: str) -> Iterator[list[int]]:
    """Groups of columns that fit ``width``, each with the first column."""
    block, used = [0], sizes[0]
    for column in range(1, len(sizes)):
        if used + len(gap) + sizes[column] > width and len(block) > 1:
            yield block
            block, used = [0], sizes[0]
        block.append(column)
        used += len(gap) + sizes[column]
    yield block


def _align(
    cells: Sequence[Sequence[list[str]]],
    columns: Sequence[int],
    sizes: Sequence[int],
    left: set[int],
    gap: str,
    headings: int,
) -> list[str]:
    """Lines of ``cells``; those of the first ``headings`` rows are aligned at the bottom, all others at the top."""
    lines = []
    for number, row in enumerate(cells):
        height = max(len(row[column]) for column in columns)
        for line in range(height):
            parts = []
            for column in columns:
                at = line - (height - len(row[column])) if number < headings else line
                text = row[column][at] if 0 <= at < len(row[column]) else ""
                room = " " * (sizes[column] - width_of(text))
                parts.append(text + room if column in left else room + text)
            lines.append(gap.join(parts).rstrip())
    return lines


def wrap(text: str, indent: str = "", width: int | None = None, *, cuts_words: bool = True) -> list[str]:
    """The lines of ``text``, broken at blanks if possible so that each fits ``width`` (default: the terminal).

    Without ``cuts_words`` a longer word, such as a path, has a line of its own.
    """
    room = max((width or terminal_width()) - len(indent), LEAST_TEXT)
    lines = []
    for line in text.split("\n"):
        while width_of(line) > room:
            end = _prefix(line, room)
            blank = line.rfind(" ", 1, end + 1)
            at_blank = bool(line[: max(blank, 0)].strip())
            if not at_blank and not cuts_words:
                blank = line.find(" ", end)
                if blank < 0:
                    break
                at_blank = True
            cut = blank if at_blank else end
            lines.append(indent + line[:cut].rstrip())
            line = line[cut:].lstrip(" ")
        lines.append((indent + line).rstrip())
    return lines


def hang(line: str, indent: int, width: int | None = None) -> list[str]:
    """The line, whose first ``indent`` cells are a name and blanks, wrapped below its text at blanks (default: to the
    terminal)."""
    head, text = line[:indent], line[indent:]
    first, *rest = wrap(text, " " * indent, width, cuts_words=False)
    return [(head + first[indent:]).rstrip(), *rest]


def _prefix(line: str, room: int) -> int:
    """Number of characters that fit ``room``."""
    used = 0
    for number, character in enumerate(line):
        used += width_of(character)
        if used > room:
            return max(number, 1)
    return len(line)
