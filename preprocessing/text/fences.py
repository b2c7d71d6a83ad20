"""Finds fenced code and code spans, and changes a text outside of them.

``preprocessing.kernels.fences`` finds the same in bytes, ``kernels.hidden_code`` in code points.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

# A code span of one line; a backslash before it makes it text.
SPAN = r"(?<![`\\])(?P<ticks>`+)(?!`)[^\n]{1,1000}?(?<!`)(?P=ticks)(?!`)"
_CODE_SPAN = re.compile(SPAN)
_FENCE_OPENS = re.compile(
    r"([ \t>]*)(?:(?:[-*+]|[0-9]{1,9}[.)])[ \t]+)?"
    r"(`{3,}(?=[^`]*\Z)|~{3,}(?=[ \t]*(?:[A-Za-z{.][^~\x7f-\U0010ffff]*)?\Z))[^\n]*"
)
_QUOTED_FENCE_CLOSES = re.compile(r"[ \t>]*(`{3,}|~{3,})[ \t]*")
_FENCE_CLOSES = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*")
MARK_OF_LIST = re.compile(r"[ \t]*(?:[-*+]|[0-9]{1,9}[.)])[ \t]")


def change_outside_fences(text: str, change: Callable[[str], str]) -> str:
    """Applies ``change`` outside of fenced code, which reaches from a line ``` or ```name to the next line ```, or ~~~.

    A fence of more marks ends with at least as many. A fence in a quotation ends with the quotation, or with the text.
    """
    parts, done = [], 0
    for start, end in find_fences(text):
        parts += [change(text[done:start]), text[start:end]]
        done = end
    return "".join(parts) + change(text[done:])


def change_outside_code(text: str, change: Callable[[str], str]) -> str:
    """Applies ``change`` outside of fenced code and of code spans, piece by piece; a text without backticks has no code here,
    because tildes alone are often lines under titles."""
    if "`" not in text:
        return change(text)

    def change_outside_spans(part: str) -> str:
        parts, done = [], 0
        for span in _CODE_SPAN.finditer(part):
            parts += [change(part[done : span.start()]), span[0]]
            done = span.end()
        return "".join(parts) + change(part[done:])

    return change_outside_fences(text, change_outside_spans)


def find_fences(text: str) -> list[tuple[int, int]]:
    """``(start, end)`` of fenced code, without the line feed after it. Ignores a fence that never closes.

    After backticks that never close there is no other fence, after such tildes none of tildes.
    """
    fences: list[tuple[int, int]] = []
    marks = [mark for mark in "`~" if 3 * mark in text]
    if not marks:
        return fences
    lines = text.split("\n")
    starts = [0, *itertools.accumulate(len(line) + 1 for line in lines)]
    n = 0
    while n < len(lines) and marks:
        opened = _FENCE_OPENS.fullmatch(lines[n]) if "```" in lines[n] or "~~~" in lines[n] else None
        n += 1
        if not opened or opened[2][0] not in marks:
            continue
        after = _end_of_fence(lines, n, opened)
        if after:
            fences.append((starts[n - 1], starts[after] - 1))
            n = after
        elif opened[2][0] == "`":
            break
        else:
            marks.remove("~")
    return fences


def _end_of_fence(lines: list[str], n: int, opened: re.Match[str]) -> int:
    """The line after the fence; 0 if it never closes."""
    quoted = ">" in opened[1]
    closes = _QUOTED_FENCE_CLOSES if quoted else _FENCE_CLOSES
    for k in range(n, len(lines)):
        if quoted and not lines[k].lstrip(" \t").startswith(">"):
            return k
        match = closes.fullmatch(lines[k]) if 3 * opened[2][0] in lines[k] else None
        if match and match[1][0] == opened[2][0] and len(match[1]) >= len(opened[2]):
            return k + 1
    return len(lines) if quoted else 0
