"""Removes sections of a converted page: those with certain titles, and those without any text."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection


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
    if line[:1] != "#":
        return 0
    marks = len(line) - len(line.lstrip("#"))
    return marks if 0 < marks <= 6 and line[marks : marks + 1] == " " else 0


@functools.lru_cache(maxsize=4096)
def _bare_title(title: str) -> str:
    return re.sub(r"[\s*_'`#]+", "", title).casefold()
