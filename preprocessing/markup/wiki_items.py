"""Items of lists of MediaWiki: ``*``, ``#``, ``:`` and ``;`` become marks of Markdown, with the numbers that a page shows."""

from __future__ import annotations

_MARKS = "*#:;"
MAX_LEVELS = 7  # of lists around an item


def is_item(line: str) -> bool:
    return line != "" and line[0] in _MARKS


class Items:
    """Numbers the items of the lists that are open; a line that is no item ends them."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def end(self) -> None:
        self._numbers.clear()

    def write(self, line: str) -> str:
        """An item of MediaWiki as one of Markdown."""
        text = line.lstrip(_MARKS)
        return self._next_mark(line[: len(line) - len(text)]) + text.strip()

    def _next_mark(self, marks: str) -> str:
        """The mark of Markdown of the next item with these marks, with its indentation; empty for ``:`` and ``;``."""
        self._numbers = {inner: number for inner, number in self._numbers.items() if marks.startswith(inner)}
        if marks[-1] in ":;":
            return ""
        indent = " " * sum(3 if mark == "#" else 2 for mark in marks[:-1][:MAX_LEVELS])
        if marks[-1] == "*":
            return f"{indent}- "
        self._numbers[marks] = self._numbers.get(marks, 0) + 1
        return f"{indent}{self._numbers[marks]}. "
