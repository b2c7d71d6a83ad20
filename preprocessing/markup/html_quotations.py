"""Marks the lines of ``<blockquote>`` as quotations of Markdown.

Tags leave OPENED and CLOSED on lines of their own; ``mark_quotations`` marks the lines between them at the end, when code is back
in its place. A quotation that begins within a line, as in an item or a cell, one without an end, and one that holds headings or
most of the text, as pages used it to indent everything, has no marks.
"""

from __future__ import annotations

OPENED, CLOSED = "\x19", "\x1a"
MOST = 0.5
"""Share of the characters of a text from which on a quotation arranges the page."""


def _without_marks(text: str) -> str:
    return text.replace(OPENED, "").replace(CLOSED, "")


def mark_quotations(text: str) -> str:
    """The text without OPENED and CLOSED, with ``> `` before the lines of its quotations."""
    if OPENED not in text:
        return _without_marks(text)
    lines = text.split("\n")
    marks = [""] * len(lines)
    for first, last in _find_quotations(lines):
        quoted = lines[first + 1 : last]
        if any(line.startswith("#") for line in quoted) or sum(map(len, quoted)) > MOST * len(text):
            continue
        indent = lines[first].partition(OPENED)[0]
        for n in range(first + 1, last):
            marks[n] = (marks[n] or indent) + "> "
    return "\n".join(_join_marked(lines, marks)).strip("\n")


def _find_quotations(lines: list[str]) -> list[tuple[int, int]]:
    """``(first, last)``: the lines of OPENED and CLOSED of each quotation whose marks stand alone, outer ones first."""
    found, opened = [], []
    for n, line in enumerate(lines):
        for mark in line if OPENED in line or CLOSED in line else "":
            if mark == OPENED:
                opened.append((n, line.strip() == OPENED))
            elif mark == CLOSED and opened:
                first, is_alone = opened.pop()
                if is_alone and line.strip() == CLOSED:
                    found.append((first, n))
    return sorted(found)


def _join_marked(lines: list[str], marks: list[str]) -> list[str]:
    """The lines with their marks; one empty line takes the place of each line of OPENED or CLOSED and those around it."""
    kept: list[tuple[str, str]] = []
    follows_mark = False
    for line, mark in zip(lines, marks):
        is_mark = OPENED in line or CLOSED in line
        line = _without_marks(line) if is_mark else line
        if line.strip():
            kept.append((line, mark))
            follows_mark = False
        elif is_mark:
            while kept and not kept[-1][0].strip():
                kept.pop()
            kept.append(("", ""))
            follows_mark = True
        elif not follows_mark:
            kept.append((line, mark))
    return [_mark(kept, n) for n in range(len(kept))]


def _mark(lines: list[tuple[str, str]], n: int) -> str:
    """A line with its mark; an empty one has the mark that both its neighbors have."""
    line, mark = lines[n]
    if line.strip():
        return mark + line.removeprefix(mark[: len(mark) - len(mark.lstrip())])
    if not mark:
        mark = min(lines[n - 1][1], lines[n + 1][1], key=len) if 0 < n < len(lines) - 1 else ""
    return mark.rstrip() if mark else line
