"""Keeps lines that tags end inside of the item or quotation of Markdown that contains them.

Owns the marks that lines continue with, and the indentation of blocks of code in items.
"""

from __future__ import annotations

import re

from preprocessing.markup.html_tags import CUT, EDGE, INDENT, JOINED
from preprocessing.markup.indentation import LIST_MARK, Items, columns_of

_CONTAINER = re.compile(
    rf"(?P<quote>(?:[ \t{INDENT}]{{0,40}}>)*)(?P<item>{INDENT}*(?:[ \t]*{LIST_MARK}[ \t]*)?)"
)  # blanks alone are those of cells
_OPENS_CODE = re.compile(r"<(?:pre|syntaxhighlight)(?=[\s>])", re.IGNORECASE)
_CLOSES_CODE = re.compile(r"</(?:pre|syntaxhighlight)\s{0,20}>", re.IGNORECASE)
_ITEM = re.compile(rf"^[ \t]*{LIST_MARK}", re.MULTILINE)


def end_cut_lines(text: str) -> str:
    """Removes the blanks around line ends that tags became.

    What follows continues the item or quotation of its line: ``- a<br>b`` becomes ``- a`` and an indented ``b``. Marks of
    an item or a quotation without text before a tag and the text behind it stay in one line.
    """
    if CUT not in text:
        return text
    pieces = JOINED.sub("", text).split(CUT)
    last, container, marks_at = len(pieces) - 1, "", -1
    for n in range(0, last + 1, 2):  # pieces between them are line ends
        piece = pieces[n].lstrip(EDGE) if n else pieces[0]
        stripped = piece.rstrip(EDGE + INDENT) if n < last else piece
        if stripped and stripped[0] != "\n" and n:
            if marks_at >= 0:
                pieces[marks_at + 1 : n] = [" ", *[""] * (n - marks_at - 2)]
                pieces[n] = stripped
            else:
                pieces[n] = container + stripped
        else:
            pieces[n] = stripped
        if not n or "\n" in piece:
            line = piece[piece.rfind("\n") + 1 :]
            container, is_bare = _continue(line)
            marks_at = n if is_bare else -1
        elif stripped:
            marks_at = -1
    return "".join(pieces)


def _continue(line: str) -> tuple[str, bool]:
    """What a line below begins with in the same item or quotation, and whether the line consists of their marks."""
    match = _CONTAINER.match(line)
    if match is None or not match[0]:
        return "", False
    item = match["item"].replace(INDENT, " ")
    quote = match["quote"].lstrip(EDGE + INDENT)
    quote = (
        INDENT * columns_of(match["quote"][: len(match["quote"]) - len(quote)].replace(INDENT, " ")) + quote
    )
    indent = INDENT * columns_of(item) if not quote else " " * max(1, columns_of(item))
    return quote + indent, bool(match[0].strip(EDGE + INDENT)) and not line[match.end() :].strip(EDGE)


def mark_code_of_items(text: str) -> str:
    """Marks the indentation of the item that contains it before each element of code."""
    if not _OPENS_CODE.search(text) or not _CLOSES_CODE.search(text) or not _ITEM.search(text):
        return text
    lines, items, inside = text.split("\n"), Items(), False
    for n, line in enumerate(lines):
        if inside:
            inside = not _CLOSES_CODE.search(line)
            continue
        opening = _OPENS_CODE.search(line) if "<" in line else None
        begins = opening is not None and not line[: opening.start()].strip()
        indent = items.indent_of(line, begins)
        if opening is None:
            continue
        inside = not _CLOSES_CODE.search(line, opening.end())
        if items.column and (begins and indent or _ITEM.match(line)):
            marks = INDENT * (indent if begins else items.column)
            lines[n] = line[: opening.start()] + marks + line[opening.start() :]
    return "\n".join(lines)
