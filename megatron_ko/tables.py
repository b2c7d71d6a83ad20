"""Tables of aligned columns for a terminal, in its width.

Owns the width of text on a terminal (Hangul takes two columns) and the layout of tables. Standard library only.
"""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Sequence

GAP = "  "
MIN_LAST_COLUMNS = 16
"""A last column that would get less than this is left whole."""


def terminal_columns() -> int | None:
    """Width of the terminal that stdout writes to; None for a file or a pipe, which take lines of any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def width_of(text: str) -> int:
    """Width in terminal columns: wide characters (Hangul, ideographs) take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def table(rows: Sequence[Sequence[str]], left: int = 1, columns: int | None = None) -> list[str]:
    """Aligned lines. The first ``left`` columns and the last one are flush left, the others flush right.

    ``columns`` is the width of the screen (``terminal_columns()``); a last column that does not fit is broken at blanks
    into further lines.
    """
    widths = [max(width_of(row[i]) for row in rows) for i in range(len(rows[0]))]
    before = sum(widths[:-1]) + len(GAP) * (len(widths) - 1)
    room = None if columns is None or columns - before < MIN_LAST_COLUMNS else columns - before
    lines = []
    for row in rows:
        cells = []
        for i, cell in enumerate(row[:-1]):
            gap = " " * (widths[i] - width_of(cell))
            cells.append(cell + gap if i < left else gap + cell)
        first, *further = wrap(row[-1], room)
        lines.append(GAP.join([*cells, first]).rstrip())
        lines += [" " * before + line for line in further]
    return lines


def wrap(text: str, columns: int | None) -> list[str]:
    """Lines of at most ``columns``, broken at blanks; a longer word keeps a line of its own."""
    if columns is None or width_of(text) <= columns:
        return [text]
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and width_of(longer) > columns:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
