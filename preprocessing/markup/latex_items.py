"""Indents what items of LaTeX contain: paragraphs, formulas, code and tables behind an empty line.

Owns the marks of items and lists that the lines have until then.
"""

from __future__ import annotations

import re

INDENT, ITEM, OPEN, CLOSE = "\x01", "\x05", "\x06", "\x0e"
"""A blank before the mark of an item, the beginning of that mark, and those of the beginning and the end of a list."""
ITEM_MARKS = INDENT + ITEM + OPEN + CLOSE
_ITEM_LINE = re.compile(rf"({INDENT}*){ITEM}(\S+) {{0,20}}")


def indent_items(text: str) -> str:
    """Writes the marks of items, below which stands what they contain."""
    if ITEM not in text and OPEN not in text:
        return text
    lines: list[str] = []
    widths: list[int] = []  # of the mark of the last item of each open list, 0 before its first
    is_apart = False  # behind the first paragraph of an item
    for marked in re.sub(rf"\n{{1,2}}(?={INDENT}*{ITEM})", "\n", text).split("\n"):
        line = marked.replace(OPEN, "").replace(CLOSE, "")
        for sign in re.findall(f"[{OPEN}{CLOSE}]", marked):
            widths = [*widths, 0] if sign == OPEN else widths[:-1]
            is_apart = True
        item = _ITEM_LINE.match(line)
        if item:
            mark = f"{' ' * len(item[1])}{item[2]} "
            line = mark + line[item.end() :]
            widths[-1:] = [len(mark)] * bool(widths)
            is_apart = False
        elif line and is_apart:
            line = " " * max(widths, default=0) + line
        elif not marked:
            is_apart = True
        if line or not marked:
            lines.append(line)
    return "\n".join(lines)
