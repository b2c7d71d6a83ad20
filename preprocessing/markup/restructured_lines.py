"""Reads indented lines of reStructuredText and converts those that no directive begins: prose, items and literal blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from preprocessing.markup.indentation import ITEM, column_of_item, indent_of, indented
from preprocessing.markup.markdown import fence_around
from preprocessing.markup.restructured_inline import convert_inline

_NUMBERED = re.compile(r"[ \t]*(?P<number>#|[0-9]{1,9})[.)][ \t]")


def read_body(lines: list[str], at: int, indent: int) -> tuple[list[str], int]:
    """The lines from ``at`` that are indented deeper than ``indent``, dedented, and the number of the next line."""
    end = at
    while end < len(lines) and (not lines[end].strip() or indent_of(lines[end]) > indent):
        end += 1
    while end > at and not lines[end - 1].strip():
        end -= 1
    return dedent(lines[at:end]), end


def dedent(lines: list[str]) -> list[str]:
    """The lines without the blanks that all of them begin with."""
    margin = min((indent_of(line) for line in lines if line.strip()), default=0)
    return [line[margin:] for line in lines]


def fenced(lang: str, body: list[str]) -> list[str]:
    """Fenced code with an empty line on both sides."""
    fence = fence_around("\n".join(body))
    while body and not body[0].strip():
        body = body[1:]
    return ["", f"{fence}{lang}", *body, fence, ""]


def convert_literal_block(lines: list[str], at: int) -> tuple[list[str], int]:
    """Converts a line that ends with ``::``; the indented text below becomes code."""
    line = lines[at].rstrip()
    body, end = read_body(lines, at + 1, indent_of(line))
    words = line[:-2].rstrip()
    prose = [convert_inline(words + ("" if words.endswith(":") else ":"))] if words.strip() else []
    column = column_of_item(lines, at)
    is_inside = all(indent_of(below) >= column for below in lines[at + 1 : end] if below.strip())
    return prose + (indented(fenced("", body), column * is_inside) if body else []), end


def flush_prose(pending: list[str]) -> Iterator[str]:
    """Converts the pending lines and clears the list."""
    if pending:
        text = convert_inline("\n".join(_indent_less(list(_number_items(pending)))))
        pending.clear()
        yield text


def _indent_less(lines: list[str]) -> Iterator[str]:
    """Indents definitions and quotations by two blanks where four and more would make their second paragraph code."""
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.strip() and not indent_of(line):
            yield line
            at += 1
        body, end = read_body(lines, at, 0)
        margin = min((indent_of(below) for below in lines[at:end] if below.strip()), default=0)
        if margin >= 4 and not ITEM.match(line):
            yield from (f"  {below}" if below else "" for below in body)
        else:
            yield from lines[at:end]
        while end < len(lines) and not lines[end].strip():
            yield ""
            end += 1
        at = end


def _number_items(lines: list[str]) -> Iterator[str]:
    """Writes the numbers of items that begin with ``#.``, which counts on from the number before it; other lines stay."""
    numbers: dict[int, int] = {}  # of the last item, by indentation
    for line in lines:
        item = _NUMBERED.match(line)
        indent = indent_of(line)
        if line.strip():
            numbers = {column: n for column, n in numbers.items() if column < indent + bool(item)}
        if item and item["number"] != "#":
            numbers[indent] = int(item["number"])
        elif item:
            numbers[indent] = numbers.get(indent, 0) + 1
            line = f"{line[:indent]}{numbers[indent]}{line[indent + 1 :]}"
        yield line
