"""Finds lines whose columns are aligned by blanks, and tables drawn in ASCII, as normalization must keep their blanks.

Owns the definition in plain Python; ``preprocessing.kernels.columns`` does the same on code points. A column begins after
two or more blanks. Two lines that follow each other are aligned when at least half of the columns of the one with fewer
begin in the same place, or end in the same place and one is a number; or when both have as many columns behind tabs. Widths are those of a
terminal, where Korean, Chinese and Japanese characters take two places.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MAX_COLUMNS = 32
_MARK_CHARACTERS = 4
_MARKS = re.compile(r"[\x00-/:-@\[-`{-\x7f\u2010-\u2bff·・]")
_SENTENCE_ENDS = ".!?"


@dataclass
class _Columns:
    """Places where the columns of a line begin and end, and which begin like a number."""

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    numbers: list[bool] = field(default_factory=list)
    tabs: int = 0


def find_aligned_lines(lines: list[str]) -> list[bool]:
    """Which lines keep all of their blanks. Lines have no blanks at their ends."""
    kept = _lines_of_drawn_tables(lines)
    wide = [
        number
        for number, line in enumerate(lines)
        if "  " in line.lstrip(" \t") or "\t" in line.lstrip(" \t")
    ]
    columns = {number: _columns_of(lines[number]) for number in wide}
    for number in wide:
        if number + 1 in columns and _are_aligned(columns[number], columns[number + 1]):
            kept[number] = kept[number + 1] = True
    return kept


def _lines_of_drawn_tables(lines: list[str]) -> list[bool]:
    """Lines between bars in tables that begin with a rule such as ``+---+``."""
    kept, drawn = [False] * len(lines), False
    for number, line in enumerate(lines):
        body = line.lstrip(" \t")
        if body[:2] in ("+-", "+="):
            drawn = True
        elif body[:1] not in ("|", "+"):
            drawn = False
        kept[number] = drawn and body[:1] == "|"
    return kept


def _are_aligned(one: _Columns, other: _Columns) -> bool:
    fewer = min(len(one.starts), len(other.starts))
    shared = min(_count_shared(one, other), _count_shared(other, one))
    return (fewer > 0 and 2 * shared >= fewer) or 0 < one.tabs == other.tabs


def _count_shared(one: _Columns, other: _Columns) -> int:
    """The number of columns of ``one`` that begin or end where one of ``other`` does."""
    ends = set(other.ends)
    ends_of_numbers = {end for end, number in zip(other.ends, other.numbers) if number}
    return sum(
        start in other.starts or end in (ends if number else ends_of_numbers)
        for start, end, number in zip(one.starts, one.ends, one.numbers)
    )


def _columns_of(line: str) -> _Columns:
    """The columns after the first; none in rows of Markdown tables, marks of fences, and after the mark of a list item."""
    found = _Columns()
    if "|" in line or "```" in line:
        return found
    place = blanks = tabs = visible = 0
    before = ""  # the last visible character
    inside = False
    for character in line:
        if character in " \t":
            blanks += 1
            tabs += character == "\t"
            place += 1
            continue
        if visible and blanks and not _is_mark(visible, before):
            if tabs:
                found.tabs += 1
            elif blanks > 1:
                if inside:
                    found.ends[-1] = place - blanks
                inside = False
                if before not in _SENTENCE_ENDS and len(found.starts) < MAX_COLUMNS:
                    found.starts.append(place)
                    found.ends.append(-1)
                    found.numbers.append(character in "0123456789-+$")
                    inside = True
        blanks = tabs = 0
        before = character
        visible += 1
        place += 2 if _is_wide(character) else 1
    if inside:
        found.ends[-1] = place
    return found


def _is_mark(visible: int, before: str) -> bool:
    """Whether the characters so far are the mark of a list item, a quotation or a heading: ``-``, ``12.``, ``(a)``."""
    if visible == 1:
        return bool(_MARKS.match(before))
    return visible <= _MARK_CHARACTERS and before in ".)"


def _is_wide(character: str) -> bool:
    return (
        "\u1100" <= character <= "\u115f"
        or "\u2e80" <= character <= "\ud7a3"
        or "\uf900" <= character <= "\ufaff"
        or "\uff01" <= character <= "\uff60"
        or "\U0001f300" <= character
    )
