"""The marks of items of HTML lists: dashes, or the numbers and letters that a page shows, and the boxes of tasks.

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
_OWN_DASH = re.compile(r"(?:\s|<[^<>]{0,300}>|[\x1c-\x1f]){0,12}-\s{1,9}[^\s<-]")
TAG_OF_LIST = re.compile(
    r"<(?P<close>/?)(?P<name>[uo]l|li)(?=[\s>])(?P<attributes>[^<>]{0,2000})>", re.IGNORECASE
)
_CHECK_BOX = re.compile(
    r"(?P<item><li(?:\s[^<>]{0,2000})?>(?:\s|<(?:p|label)(?:\s[^<>]{0,500})?>){0,20})"
    r"<input(?=\s[^<>]{0,2000}?type=[\"']?checkbox)(?P<attributes>[^<>]{1,2000})>\s{0,99}",
    re.IGNORECASE,
)
_DISABLED, _CHECKED = (
    re.compile(rf"(?<![\w-]){name}(?![\w-])", re.IGNORECASE) for name in ("disabled", "checked")
)
_OF_FORM = re.compile(r"(?<![\w-])(?:name|id)=[\"']?[^\s\"']", re.IGNORECASE)
_BACK_LINK = re.compile(
    r"(?:\s|&nbsp;|&#160;){0,9}<a\s[^<>]{0,1000}>\s{0,9}(?:↩|&#8617;|&#x21a9;)(?:[\ufe0e\ufe0f]|&#xfe0[ef];)?(?:<sup>[0-9]{1,3}</sup>)?"
    r"\s{0,9}</a>",
    re.IGNORECASE,
)
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"), (9, "ix"),
    (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip


class List:
    """A list that is open; ``indent`` are the columns that lists inside of its items need."""

    def __init__(self, is_ordered: bool, attributes: str, items: int | None = None) -> None:
        """``items`` of a list whose items count down."""
        start, kind = _START.search(attributes), _TYPE.search(attributes)
        is_reversed = items is not None
        is_numbered = is_ordered and not _UNNUMBERED.search(attributes)
        self.indent = 3 if is_numbered else 2
        self._number = (int(start[1]) if start else items or 1) if is_numbered else None
        self._step = -1 if is_reversed else 1
        self._kind = kind[1] if kind else "1"

    def next_mark(self, attributes: str, text: str, at: int) -> str:
        """The mark of the next item, which has these attributes and begins at ``at`` of the text, and a blank."""
        if self._number is None:
            return _dash_before(text, at)
        value = _VALUE.search(attributes)
        number = int(value[1]) if value else self._number
        self._number = number + self._step
        own = _OWN_MARK.match(text, at)
        is_hidden = own is not None and own["same"] in (None, str(number))
        return _dash_before(text, at) if is_hidden else f"{write_number(number, self._kind)}. "


def _dash_before(text: str, at: int) -> str:
    """The mark of an item; nothing before a dash of its own, as ``- - 글`` would be a list in a list."""
    return "" if _OWN_DASH.match(text, at) else "- "


class OpenLists(list[List]):
    """The lists that are open at a place of one text, from the outside in."""

    _read = 0
    _items: dict[int, int] | None = None  # by the places of lists, once one counts down

    def read_tag(self, tag: re.Match[str]) -> None:
        """Opens or closes a list, by a match with ``close``, ``name`` and ``attributes``."""
        if tag["close"]:
            del self[-1:]
            return
        items = None
        if _REVERSED.search(tag["attributes"]):
            self._items = _count_items(tag.string) if self._items is None else self._items
            items = self._items.get(tag.start(), 0)
        self.append(List(tag["name"].lower() == "ol", tag["attributes"], items))

    def next_mark(self, attributes: str, text: str, at: int) -> str:
        """Same as that of the innermost list, or a dash outside of lists."""
        return self[-1].next_mark(attributes, text, at) if self else _dash_before(text, at)

    def column(self) -> int:
        """The column of the text of an item in the innermost list, at most that of the deepest item; 0 outside of lists."""
        return min(sum(one.indent for one in self[:DEEPEST_ITEM]), DEEPEST_ITEM)

    def column_at(self, element: re.Match[str]) -> int:
        """The column of the text of the item that contains an element; elements in the order of their text."""
        for tag in TAG_OF_LIST.finditer(element.string, self._read, element.start()):
            if tag["name"].lower() != "li":
                self.read_tag(tag)
        self._read = element.start()
        return self.column()


def mark_tasks(text: str) -> str:
    """Writes the boxes of tasks as ``[x]`` and ``[ ]``, not those that a form sends, and removes the arrows back from notes."""
    if "checkbox" in text:
        text = _CHECK_BOX.sub(_mark_task, text)
    return _BACK_LINK.sub("", text) if "↩" in text or "&#8617" in text or "&#x21" in text else text


def _mark_task(box: re.Match[str]) -> str:
    attributes = box["attributes"]
    if _OF_FORM.search(attributes) and not _DISABLED.search(attributes):
        return box[0]
    return f"{box['item']}[{'x' if _CHECKED.search(attributes) else ' '}] "


def _count_items(text: str) -> dict[int, int]:
    """The number of items of each list of a text, by the place of its tag."""
    items: dict[int, int] = {}
    opened: list[int] = []
    for tag in TAG_OF_LIST.finditer(text):
        if tag["name"].lower() != "li":
            if tag["close"]:
                del opened[-1:]
            else:
                opened.append(tag.start())
        elif opened and not tag["close"]:
            items[opened[-1]] = items.get(opened[-1], 0) + 1
    return items


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
