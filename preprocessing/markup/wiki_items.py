"""Items of lists of MediaWiki: ``*``, ``#``, ``:`` and ``;`` become marks of Markdown, with the numbers that a page shows."""

from __future__ import annotations

import re

_MARKS = "*#:;"
_BEFORE_TERM = ("\n;", ":;", "*;", "#;")
# A term and the line that defines it: ;term, and below it :definition
_TERM = re.compile(
    r"^(?P<around>[*#:;]{0,20});(?![*#:;])(?P<term>[^\n]*\S)[ \t]*\n(?P=around):[ \t]*(?=[^\s*#:;\x04])",
    re.MULTILINE,
)
MAX_LEVELS = 7  # of lists around an item


def join_terms(text: str) -> str:
    """Writes a term and the line that defines it as ``term: definition``, unless its own line has a definition."""
    return (
        _TERM.sub(_join_term, text) if text[:1] == ";" or any(map(text.__contains__, _BEFORE_TERM)) else text
    )


def _join_term(match: re.Match[str]) -> str:
    if " : " in match["term"]:
        return match[0]
    joint = " " if match["term"].rstrip("'")[-1:] in (":", "：", "?") else ": "
    return f"{match['around']};{match['term']}{joint}"


def is_item(line: str) -> bool:
    return line != "" and line[0] in _MARKS


class Items:
    """Numbers the items of the lists that are open; a line that is no item ends them."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._open = ""  # the marks of the last item

    def end(self) -> bool:
        """Ends the lists that are open; says whether there was one."""
        was_open = self._open != ""
        self._numbers.clear()
        self._open = ""
        return was_open

    def write(self, line: str) -> str:
        """An item of MediaWiki as one of Markdown."""
        text = line.lstrip(_MARKS)
        return self._next_mark(line[: len(line) - len(text)]) + text.strip()

    def _next_mark(self, marks: str) -> str:
        """The mark of Markdown of the next item with these marks, with its indentation.

        ``:`` and ``;`` have none, and stand below the text of the item that they belong to.
        """
        self._numbers = {inner: number for inner, number in self._numbers.items() if marks.startswith(inner)}
        if marks[-1] in ":;":
            around = marks.rstrip(":;")
            return _indent(around) if around and self._open.startswith(around) else ""
        self._open = marks
        indent = _indent(marks[:-1])
        if marks[-1] == "*":
            return f"{indent}- "
        self._numbers[marks] = self._numbers.get(marks, 0) + 1
        return f"{indent}{self._numbers[marks]}. "


def _indent(marks: str) -> str:
    return " " * sum(3 if mark == "#" else 2 for mark in marks[:MAX_LEVELS])
