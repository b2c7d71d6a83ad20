"""The marks of items of HTML lists: dashes, or the numbers and letters that a page shows.

An item that begins with a number or a mark of its own has a dash: pages hide the number of the list there.

HTML Standard, section 4.4.5: ``start``, ``reversed`` and ``type`` of a list, ``value`` of an item.
"""

from __future__ import annotations

import re

from preprocessing.markup.indentation import DEEPEST_ITEM

_NUMBER = r"{}\s{{0,9}}=\s{{0,9}}[\"']?\s{{0,9}}(-?[0-9]{{1,9}})(?![0-9])"
_START, _VALUE = (
    re.compile(rf"(?<![\w-]){_NUMBER.format(name)}", re.IGNORECASE) for name in ("start", "value")
)
_TYPE = re.compile(r"(?<![\w-])type\s{0,9}=\s{0,9}[\"']?([aAiI])(?![\w])")
_REVERSED = re.compile(r"(?<![\w-])reversed(?![\w-])", re.IGNORECASE)
_UNNUMBERED = re.compile(
    r"list-style(?:-type)?\s{0,9}:[^;\"']{0,40}\b(?:none|disc|circle|square)\b"
    r"|(?<![\w-])(?:list-(?:style-)?none|list-unstyled|unstyled|list-disc|list-reset|no-bullets?|breadcrumbs?|pagination)(?![\w-])",
    re.IGNORECASE,
)
_OWN_MARK = re.compile(
    r"(?:\s|<[^<>]{0,300}>|[\x1c-\x1f]){0,12}"
    r"(?:[(\[]?\d{1,3}[.)\]](?!\d)|0\d(?!\d)|(?P<same>\d{1,3})(?=[\s<])|[①-⑳㉠-㉻➀-➓]|[-–•·※▶☞]|(?i:step) ?\d)"
)
_TAG_OF_LIST = re.compile(
    r"<(?P<close>/?)(?P<name>[uo]l)(?=[\s>])(?P<attributes>[^<>]{0,2000})>", re.IGNORECASE
)
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"), (9, "ix"),
    (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip


class List:
    """A list that is open; ``indent`` are the columns that lists inside of its items need."""

    def __init__(self, is_ordered: bool, attributes: str) -> None:
        start, kind = _START.search(attributes), _TYPE.search(attributes)
        is_reversed = _REVERSED.search(attributes) is not None
        is_numbered = is_ordered and not _UNNUMBERED.search(attributes) and (start or not is_reversed)
        self.indent = 3 if is_numbered else 2
        self._number = (int(start[1]) if start else 1) if is_numbered else None
        self._step = -1 if is_reversed else 1
        self._kind = kind[1] if kind else "1"

    def next_mark(self, attributes: str, text: str, at: int) -> str:
        """The mark of the next item, which has these attributes and begins at ``at`` of the text."""
        if self._number is None:
            return "-"
        value = _VALUE.search(attributes)
        number = int(value[1]) if value else self._number
        self._number = number + self._step
        own = _OWN_MARK.match(text, at)
        return "-" if own and own["same"] in (None, str(number)) else f"{write_number(number, self._kind)}."


class OpenLists(list[List]):
    """The lists that are open at a place of one text, from the outside in."""

    _read = 0

    def read_tag(self, tag: re.Match[str]) -> None:
        """Opens or closes a list, by a match with ``close``, ``name`` and ``attributes``."""
        if tag["close"]:
            del self[-1:]
        else:
            self.append(List(tag["name"].lower() == "ol", tag["attributes"]))

    def column(self) -> int:
        """The column of the text of an item in the innermost list, at most that of the deepest item; 0 outside of lists."""
        return min(sum(one.indent for one in self[:DEEPEST_ITEM]), DEEPEST_ITEM)

    def column_at(self, element: re.Match[str]) -> int:
        """The column of the text of the item that contains an element; elements in the order of their text."""
        for tag in _TAG_OF_LIST.finditer(element.string, self._read, element.start()):
            self.read_tag(tag)
        self._read = element.start()
        return self.column()


def write_number(number: int, kind: str) -> str:
    """A number as a list of this ``type`` shows it: ``1``, ``a``, ``A``, ``i`` or ``I``."""
    if kind == "1" or not 0 < number < 4000:
        return str(number)
    written = _roman(number) if kind in "iI" else _letters(number)
    return written.upper() if kind.isupper() else written


def _roman(number: int) -> str:
    out = ""
    for value, letters in _ROMAN:
        out += letters * (number // value)
        number %= value
    return out


def _letters(number: int) -> str:
    out = ""
    while number:
        number, last = divmod(number - 1, 26)
        out = chr(ord("a") + last) + out
    return out
