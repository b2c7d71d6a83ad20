"""Tells what the indentation of a line of Markdown means: code, the content of an item, or nothing; and in which item a block of
reStructuredText or Org is.

``markdown`` finds the other structure.
"""

from __future__ import annotations

import re

LIST_MARK = r"(?:[-*+]|[0-9]{1,9}[.)])[ \t]"
_ITEM = re.compile(rf"[ \t]*{LIST_MARK}[ \t]*")
_NUMBER = r"(?:[0-9]{1,3}|#|[A-Za-z가나다라마바사아자차카타파하]|[ivxIVX]{2,4})"
ITEM = re.compile(rf"(?:[-*+•]|{_NUMBER}[.)]|\({_NUMBER}\))[ \t]+")
"""An item of reStructuredText or Org."""
_LONGEST_ITEM = 200  # lines
_HEADING_OR_RULE = re.compile(
    r"#{1,6}(?:[ \t]|\Z)|={3,}\Z|(?P<sign>[-*_])(?:[ \t]*(?P=sign)){2,}\Z|`{3,}\Z|~{3,}\Z"
)  # or the end of a fence: no paragraph, which the next line could continue
_BOX = re.compile(r"(?P<indent>[ \t]*)(?:!!!|\?\?\?\+?|===[!+]?)[ \t]+[\w\"'][^\n]*")
_CONTAINER = re.compile(r"<(/?)(?:table|ul|ol|dl|div|tr|tbody|thead)(?=[\s>])", re.IGNORECASE)
_REFERENCE = re.compile(r"&#?[0-9A-Za-z]{1,31};")
BLOCK_MARK = re.compile("\x7f[0-9]{1,8}\x7f")
_HANGUL = re.compile("[가-힣]")
_TAB_WIDTH = 4
DEEPEST_ITEM = 40  # columns
_FIRST_OF_RULE = frozenset("#=-*_`~")
_FIRST_OF_BOX = frozenset("!?=")
_FIRST_OF_ITEM = frozenset("-*+0123456789")


class Indentation:
    """Tells indented code from nested lists, admonitions, paragraphs, and the source text of HTML."""

    def __init__(self, text: str):
        self._text = text
        self._item = 0  # column of the text of the current list item
        self._box = 0  # column of the text of the current admonition or tab of MkDocs
        self._after_blank = True
        self._tried = 0  # the line before which no code begins
        self._counted, self._open = 0, 0  # containers of HTML that are open at a position

    def end_of_code(self, lines: list[str], n: int, starts: list[int]) -> int:
        """The line after the indented code that line ``n`` begins; 0 without such code."""
        limit = self._item + _TAB_WIDTH
        if not self._after_blank or n < self._tried or not _is_indented(lines[n], limit):
            return 0
        after = n
        for k in range(n, len(lines)):
            if _is_indented(lines[k], limit):
                after = k + 1
            elif lines[k].strip():
                break
        self._tried = after
        if lines[n].lstrip().startswith("<") and self._inside_container(starts[n]):
            return 0
        visible = "".join(_REFERENCE.sub("", "".join(lines[n:after])).split())
        is_prose = visible[:1] != "<" and 2 * len(_HANGUL.findall(visible)) > len(visible)
        return 0 if is_prose else after

    def pass_lines(self, lines: list[str], n: int, after: int) -> None:
        """Follows lists, blank lines, and others that end a paragraph."""
        line = lines[after - 1]
        bare = line.strip()
        if not bare:
            self._after_blank = True
            return
        first, indent = bare[0], _indent(line)
        ends_paragraph = (
            first in _FIRST_OF_RULE
            and indent < self._item + _TAB_WIDTH
            and _HEADING_OR_RULE.match(bare) is not None
        )
        if after - n > 1:
            self._after_blank |= ends_paragraph
            return
        item = _ITEM.match(line) if first in _FIRST_OF_ITEM and not ends_paragraph else None
        box = _BOX.fullmatch(line) if first in _FIRST_OF_BOX else None
        if indent < self._box:
            self._box = 0
        if box:
            self._item = self._box = columns_of(box["indent"]) + _TAB_WIDTH
        elif item:
            self._item = min(columns_of(item[0]), columns_of(item[0].rstrip()) + _TAB_WIDTH)
        elif indent < self._item and (self._after_blank or ends_paragraph):
            self._item = self._box
        self._after_blank = ends_paragraph

    def _inside_container(self, at: int) -> bool:
        for match in _CONTAINER.finditer(self._text, self._counted, at):
            self._open += -1 if match[1] else 1
        self._counted = at
        return self._open > 0


class Items:
    """Follows the list items of a text, line by line. Marks of protected blocks end none, as their text has its own indentation."""

    def __init__(self) -> None:
        self._open: list[int] = []  # columns of the texts of items, each inside of the one before
        self._after_blank = True

    @property
    def column(self) -> int:
        """The column of the text of the innermost item; 0 outside of items."""
        return self._open[-1] if self._open else 0

    def indent_of(self, line: str, begins_block: bool) -> int:
        """The column of the text of the innermost item that contains a line, which may begin a block; 0 outside of items."""
        bare = line.strip()
        if not bare:
            self._after_blank = True
            return 0
        if BLOCK_MARK.fullmatch(bare):
            self._after_blank = False
            return 0
        if not self._open and bare[0] not in _FIRST_OF_ITEM:
            return 0
        column = _indent(line)
        ends_paragraph = bare[0] in _FIRST_OF_RULE and _HEADING_OR_RULE.match(bare) is not None
        may_be_item = bare[0] in _FIRST_OF_ITEM and column < DEEPEST_ITEM and not ends_paragraph
        item = _ITEM.match(line) if may_be_item else None
        begins_block = begins_block or ends_paragraph or item is not None or self._after_blank
        while begins_block and self._open and self._open[-1] > column:
            self._open.pop()
        self._after_blank = False
        if item:
            self._open.append(min(columns_of(item[0]), columns_of(item[0].rstrip()) + _TAB_WIDTH))
        return min(column, self._open[-1]) if self._open else 0


def _indent(line: str) -> int:
    return columns_of(line[: len(line) - len(line.lstrip())]) if line[0] in " \t" else 0


def columns_of(blanks: str) -> int:
    return len(blanks.expandtabs(_TAB_WIDTH))


def _is_indented(line: str, columns: int) -> bool:
    bare = line.lstrip(" \t")
    return bool(bare) and line[:1] in (" ", "\t") and columns_of(line[: len(line) - len(bare)]) >= columns


def indent_of(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def column_of_item(lines: list[str], at: int) -> int:
    """The column of the text of the item that a line begins or continues; 0 outside of items."""
    column = indent_of(lines[at])
    if item := ITEM.match(lines[at], column):
        return item.end()
    for n in range(at - 1, max(-1, at - _LONGEST_ITEM), -1):
        indent = indent_of(lines[n])
        if not column or not lines[n].strip() or indent >= column:
            continue
        item = ITEM.match(lines[n], indent)
        if item and item.end() <= column:
            return item.end()
        column = indent
    return 0


def indented(block: list[str], column: int) -> list[str]:
    """A block with the indentation of the item that contains it."""
    if not column:
        return block
    return [" " * column + line if line.strip() else line for part in block for line in part.split("\n")]
