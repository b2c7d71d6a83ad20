"""Replaces the tags of HTML by line ends and marks of Markdown.

Owns the names of elements, and which of them begin lines. ``html_elements`` converts elements with their content before;
``html_mentions`` knows which tags of Markdown are only mentioned.
"""

from __future__ import annotations

import re

from preprocessing.markup.html_lists import OpenLists
from preprocessing.markup.html_quotations import CLOSED, OPENED
from preprocessing.markup.indentation import DEEPEST_ITEM

BLOCK = (
    "p|div|br|hr|li|ul|ol|dl|dt|dd|table|tbody|thead|tfoot|tr|h[1-6]|blockquote|pre|section|article|header|footer|"
    "nav|main|aside|form|fieldset|legend|figure|figcaption|html|body|title|option|select|center|address|details|summary|"
    "dialog|menu|hgroup|optgroup"
)
INLINE = (
    "a|abbr|acronym|b|big|bdi|bdo|button|canvas|caption|cite|code|col|colgroup|del|dfn|em|embed|font|i|iframe|img|input|ins|kbd|label|"
    "link|mark|meta|nobr|noscript|object|param|picture|q|rp|rt|ruby|s|samp|small|source|span|strike|strong|sub|sup|"
    "svg|path|td|th|textarea|time|tt|u|var|video|audio|wbr|base|head|data|map|area|o:p"
)

VOID = frozenset(("br", "hr", "img", "input", "wbr", "col", "embed", "param", "rt", "rp"))
END_OPTIONAL = frozenset((
    "p", "li", "dt", "dd", "td", "th", "tr", "thead", "tbody", "tfoot", "colgroup", "option", "optgroup", "html", "body", "head",
))  # fmt: skip
PAGE = frozenset(("html", "head", "body"))
_STRAY_QUOTE = r"(?:(?<=[\"'][ \n])|(?<=\w))[\"'](?:=\"\")?(?=[ /]{0,9}>)"
"""Of a name without a value, as in ``<a href="y" ">`` and ``<a b">``, or as a parser writes it: ``"=""``."""

LONGEST_VALUE = 4000  # characters


def _tag_with(value: str) -> re.Pattern[str]:
    values = "|".join(value.replace("Q", quote) for quote in "\"'")
    return re.compile(
        rf"<(?P<close>/?)(?P<name>{BLOCK}|{INLINE})(?=[\s/>])(?P<attributes>(?:{_STRAY_QUOTE}|{values}|[^<>\"']){{0,{LONGEST_VALUE}}})>",
        re.IGNORECASE,
    )


TAG = _tag_with(f"Q[^Q]{{0,{LONGEST_VALUE}}}Q")
_LINE_OF_VALUE = rf"[^Q\n]{{0,{LONGEST_VALUE}}}"
TAG_IN_MARKDOWN = _tag_with(rf"Q{_LINE_OF_VALUE}(?:\n(?![ \t]*\n){_LINE_OF_VALUE}){{0,100}}Q")
"""Same as TAG, but a quotation mark that its paragraph does not close begins no value."""
_LONG_VALUE = re.compile(rf"=(?:\"[^\"]{{{LONGEST_VALUE}}}|'[^']{{{LONGEST_VALUE}}})")
_OPENING_TAG = re.compile(
    r"<[A-Za-z][^\s<>\"']*+(?:\s++[^\s=<>\"']++(?:=(?:\"[^\"]*+\"|'[^']*+'|[^\s\"'<>]++))?)*+\s*+/?>"
)
_VALUE = re.compile(r"=(?:\"[^\"]*\"|'[^']*')")
_BLOCKS = frozenset((*BLOCK.replace("h[1-6]", "h1|h2|h3|h4|h5|h6").split("|"),))
_PARENTHESIS = re.compile(r"(?:</?[A-Za-z][^<>\n]{0,200}>){0,9}\(")
_END_OF_LINE = re.compile(r"[ \t]*\n")
CUT = "\x1e"  # marks both sides of a line end that a tag became; removed with the blanks around it
_JOIN = "\x1f"  # after the mark of a list item; removed with the blanks and line ends behind it
JOINED = re.compile("\x1f(?:[\\s\x1e]+(?!\\s|\x1e|\x7f[0-9]+\x7f\x1e?\n\n))?")  # not before a block of code
_LEVEL, _LEVEL_BLANKS = "\x1d", "  "  # one level of nested lists
INDENT = "\x1c"  # one blank of the indentation of an item, which lines from tags keep
_AFTER_INDENT = re.compile(f"(?<={INDENT})[ \t]++")  # of a cell
_ONLY_INDENT = re.compile(f"(?<!{INDENT}){INDENT}++(?=\n|\\Z)")
_BEFORE_NESTED = re.compile(f"\n+(?={INDENT}*{_LEVEL})")
EDGE = " \t\u00a0"


class Tags:
    """Replaces the tags of one text, in their order, by line ends and marks of Markdown."""

    def __init__(self) -> None:
        self._lists = OpenLists()

    def replace(self, match: re.Match[str]) -> str:
        name, closing = match["name"].lower(), bool(match["close"])
        if name in ("ul", "ol"):
            self._lists.read_tag(match)
            return "" if len(self._lists) > (0 if closing else 1) else _line_end(1 + closing)
        if name == "li":
            return "" if closing else self._begin_item(match)
        if name == "br" and _END_OF_LINE.match(match.string, match.end()):
            return ""
        end = (_CLOSED if closing else _OPENED).get(name, "")
        if end[:1] == CUT and self._lists:
            return end.replace("\n" + CUT, "\n" + CUT + INDENT * self._lists.column())
        return end or ("\\" if _would_link(match) else "")

    def _begin_item(self, match: re.Match[str]) -> str:
        around = self._lists[: min(len(self._lists) - 1, DEEPEST_ITEM)] if self._lists else []
        indent = INDENT * sum(outer.indent - len(_LEVEL_BLANKS) for outer in around) + _LEVEL * len(around)
        mark = self._lists.next_mark(match["attributes"], match.string, match.end())
        return f"{_line_end(1)}{indent}{mark}{_JOIN}"


def _would_link(match: re.Match[str]) -> bool:
    """Whether a bracket before and a parenthesis behind tags would be a link without them."""
    text = match.string
    return (
        text[match.start() - 1 : match.start()] == "]" and _PARENTHESIS.match(text, match.end()) is not None
    )


def find_unclosed(text: str) -> set[int]:
    """Where the tags begin that have no partner, of elements that need two."""
    opened: dict[str, list[int]] = {}
    alone = set()
    for tag in TAG_IN_MARKDOWN.finditer(text):
        name = tag["name"].lower()
        if name in VOID or (name in END_OPTIONAL and not tag["close"]):
            continue
        if not tag["close"]:
            opened.setdefault(name, []).append(tag.start())
        elif opened.get(name):
            opened[name].pop()
        elif name not in END_OPTIONAL or name in PAGE:
            alone.add(tag.start())
    return alone.union(*opened.values())


def shorten_tags(page: str) -> str:
    """Empties values that are too long for a tag, such as the settings of a script."""
    if not _LONG_VALUE.search(page):
        return page
    return _OPENING_TAG.sub(
        lambda tag: _VALUE.sub(_empty_if_long, tag[0]) if len(tag[0]) > LONGEST_VALUE else tag[0], page
    )


def _empty_if_long(value: re.Match[str]) -> str:
    return '=""' if len(value[0]) > LONGEST_VALUE else value[0]


def flatten_tags(line: str) -> str:
    """Replaces tags of blocks in a line of a table by blanks."""
    return TAG.sub(lambda match: " " if match["name"].lower() in _BLOCKS else match[0], line)


def indent_lists(text: str) -> str:
    """Indents nested items, without empty lines before them, and lines of items."""
    if INDENT in text:
        text = _ONLY_INDENT.sub("", _AFTER_INDENT.sub("", text))
    nested = _BEFORE_NESTED.sub("\n", text).replace(_LEVEL, _LEVEL_BLANKS) if _LEVEL in text else text
    return nested.replace(INDENT, " ")


def _line_end(lines: int) -> str:
    return CUT + "\n" * lines + CUT


_CLOSED = {
    **dict.fromkeys(_BLOCKS, _line_end(2)),
    **dict.fromkeys(("td", "th"), " "),
    **dict.fromkeys(("br", "tr", "dd", "dt", "option"), _line_end(1)),
}
"""What replaces a closing tag, by its name; lists are in ``Tags.replace``, all others are removed."""
_CLOSED["blockquote"] = _line_end(2) + CLOSED + _line_end(2)
_OPENED = {
    **_CLOSED,
    **{f"h{level}": _line_end(2) + "#" * level + " " for level in range(1, 7)},
    "blockquote": _line_end(2) + OPENED + _line_end(2),
}
