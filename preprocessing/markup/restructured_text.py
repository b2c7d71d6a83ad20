"""Converts reStructuredText (docutils, Sphinx) to light Markdown: headings, code, notes, roles and links.

Owns the order of blocks and the titles; ``restructured_directives`` converts directives, ``restructured_lines`` indented lines,
``restructured_inline`` markup inside lines. Tables of signs and lists stay unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from preprocessing.markup.indentation import column_of_item, indented
from preprocessing.markup.restructured_directives import convert_directive
from preprocessing.markup.restructured_inline import convert_inline, without_marks
from preprocessing.markup.restructured_lines import (
    convert_literal_block,
    flush_prose,
)
from preprocessing.markup.restructured_names import replace_names

_ADORNMENT = re.compile(r"([=\-`:'\"~^_*+#<>.])\1{2,}[ \t]*")


def rst_to_markdown(text: str) -> str:
    """Converts a document or a fragment."""
    lines = replace_names(without_marks(text)).expandtabs(8).split("\n")
    markdown = "\n".join(_convert_blocks(lines))
    return re.sub(r"\n{3,}", "\n\n", markdown).strip()


def _convert_blocks(lines: list[str]) -> Iterator[str]:
    levels: list[str] = []  # adornments in order of appearance
    pending: list[str] = []  # lines of prose
    at = 0
    while at < len(lines):
        line = lines[at]
        title = _read_title(lines, at, levels)
        if title is not None:
            yield from flush_prose(pending)
            level, words, at = title
            yield from ["", f"{'#' * level} {convert_inline(words)}", ""]
        elif line.lstrip().startswith(".. ") or line.strip() == "..":
            yield from flush_prose(pending)
            column = column_of_item(lines, at) if line[0] == " " else 0
            block, at = convert_directive(lines, at)
            yield from indented(block, column)
        elif line.rstrip().endswith("::"):
            yield from flush_prose(pending)
            block, at = convert_literal_block(lines, at)
            yield from block
        else:
            pending.append(line)
            at += 1
    yield from flush_prose(pending)


def _read_title(lines: list[str], at: int, levels: list[str]) -> tuple[int, str, int] | None:
    """``(level, title, next line)`` of a title at ``at``, underlined or also overlined; None for anything else."""
    line = lines[at]
    if _ADORNMENT.fullmatch(line) and at + 2 < len(lines) and lines[at + 2].strip() == line.strip():
        words, adornment, after = lines[at + 1].strip(), line[0] * 2, at + 3
    elif line.strip() and line[0] != " " and at + 1 < len(lines) and _ADORNMENT.fullmatch(lines[at + 1]):
        words, adornment, after = line.strip(), lines[at + 1][0], at + 2
        if _ADORNMENT.fullmatch(line) or "  " in words or len(lines[at + 1].rstrip()) < min(len(words), 4):
            return None
    else:
        return None
    if not words or _ADORNMENT.fullmatch(words):
        return None
    if adornment not in levels:
        levels.append(adornment)
    return min(6, levels.index(adornment) + 1), words, after
