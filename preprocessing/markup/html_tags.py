"""Replaces the tags of HTML by line ends and marks of Markdown.

Owns the names of elements, which of them begin lines, and which tags of Markdown are only mentioned. ``html_elements`` converts
elements with their content before.
"""

from __future__ import annotations

import re

from preprocessing.markup.html_lists import OpenLists
from preprocessing.markup.html_quotations import CLOSED, OPENED

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
_WORDS = frozenset((
    "a", "address", "area", "article", "aside", "audio", "b", "base", "body", "button", "canvas", "caption", "code",
    "col", "data", "details", "dialog", "form", "head", "header", "html", "i", "input", "label", "legend", "link", "main",
    "map", "mark", "menu", "meta", "nav", "object", "option", "param", "path", "picture", "q", "s", "section",
    "select", "source", "style", "summary", "table", "time", "title", "u", "var", "video",
))  # fmt: skip
"""Names of elements that are also names of placeholders, as in ``cp <source> <path>``."""


_STRAY_QUOTE = r"(?<=[\"'][ \n])[\"'](?:=\"\")?(?=[ /]{0,9}>)"
"""Of a name without a value, as in ``<a href="y" ">``, or as a parser writes it: ``"=""``."""


def _tag_with(value: str) -> re.Pattern[str]:
    values = "|".join(value.replace("Q", quote) for quote in "\"'")
    return re.compile(
        rf"<(?P<close>/?)(?P<name>{BLOCK}|{INLINE})(?=[\s/>])(?P<attributes>(?:{_STRAY_QUOTE}|{values}|[^<>\"']){{0,4000}})>",
        re.IGNORECASE,
    )


TAG = _tag_with("Q[^Q]{0,4000}Q")
TAG_IN_MARKDOWN = _tag_with(r"Q[^Q\n]{0,4000}(?:\n(?![ \t]*\n)[^Q\n]{0,4000}){0,100}Q")
"""Same as TAG, but a quotation mark that its paragraph does not close begins no value."""
_MENTION = re.compile(r"[ \t]?(?:태그|요소|엘리먼트|속성|tags?\b|elements?\b)", re.IGNORECASE)
_INSIDE = re.compile("[ \t]?안[에의](?![가-힣])")
_NO_WORDS = re.compile(r"(?:[^\w\n<]|와|과|이?나|및|and|or){0,20}<")  # <b>…</b>, <b>와 </b>
_LONGEST_ELEMENT = 4000
_PARTICLE = re.compile(
    "(?:은|는|이|가|을|를|과|와|의|에|에서|에는|도|만|란|라는|처럼|보다|부터|까지|으로|로|이나|나)(?![가-힣])"
)
_PARTICLE_OF_WORD = re.compile(f"[ \\t]?{_PARTICLE.pattern}")
_SURE_PARTICLE = re.compile("(?:는|를|에서|에는|으로|라는)(?![가-힣])")  # no sentence begins with it
_NO_BEGINNING = re.compile("(?:는|를|을|로|으로|에서|에는|까지|부터|라는|이라는)(?![가-힣])")  # of a line
_OF_HEAD = frozenset(("base", "link", "meta"))
_LEFT_BEHIND = frozenset((
    "p", "div", "span", "a", "b", "i", "em", "strong", "u", "s", "font", "br", "li", "td", "th", "tr", "center", "mark", "small", "big",
))  # fmt: skip
_WORD_BEFORE, _WORD_BEHIND = re.compile(r"[^\W_][ \t,]{0,3}\Z"), re.compile(r"[ \t,]{0,3}[^\W_]")
_VOID = frozenset(("br", "hr", "img", "input", "wbr", "col", "embed", "param", "rt", "rp"))
_END_OPTIONAL = frozenset((
    "p", "li", "dt", "dd", "td", "th", "tr", "thead", "tbody", "tfoot", "colgroup", "option", "optgroup", "html", "body", "head",
))  # fmt: skip
_QUOTES = ("''", '""', "‘’", "“”")
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
        around = self._lists[:-1]
        indent = INDENT * sum(outer.indent - len(_LEVEL_BLANKS) for outer in around) + _LEVEL * len(around)
        mark = "-"
        if self._lists:
            mark = self._lists[-1].next_mark(match["attributes"], match.string, match.end())
        return f"{_line_end(1)}{indent}{mark} {_JOIN}"


def _would_link(match: re.Match[str]) -> bool:
    """Whether a bracket before and a parenthesis behind tags would be a link without them."""
    text = match.string
    return (
        text[match.start() - 1 : match.start()] == "]" and _PARENTHESIS.match(text, match.end()) is not None
    )


def replace_known_tag(match: re.Match[str], closed: set[str], tags: Tags) -> str:
    """Replaces a tag of Markdown; a tag that is only mentioned, escaped, or a placeholder or component stays."""
    name, at = match["name"], match.start()
    if name[0].isupper() and name[1:].islower():  # of a component, such as <Button>
        return match[0]
    before, after = match.string[at - 1 : at], match.string[match.end() : match.end() + 1]
    if (
        before == "\\"
        or before + after in _QUOTES
        or _is_mentioned(match)
        or _is_named(match, closed)
        or _is_empty(match)
    ):
        return match[0]
    is_column = name.lower() == "col" and (
        "table" in closed or "colgroup" in closed or "/" in match["attributes"]
    )
    if name.lower() in _WORDS and name.lower() not in closed and not match["attributes"].strip(" /"):
        return "" if is_column else match[0]
    return tags.replace(match)


def _is_named(match: re.Match[str], closed: set[str]) -> bool:
    """True for a tag without attributes and end that a particle follows: ``<div>는 블록 요소이다.``; so has the head of a page no
    text behind its tags, and a line break no particle behind a blank: ``<meta name="a">에``, ``개행이 <br>로 바뀐다``."""
    name, text = match["name"].lower(), match.string
    if match["close"] or name in closed:
        return _is_named_apart(match)
    if name in _OF_HEAD:
        return _PARTICLE.match(text, match.end()) is not None
    if match["attributes"].strip(" /"):
        return False
    if name in _VOID:
        is_word = text[max(0, match.start() - 1) : match.start()] in (" ", "\t")
        return is_word and _NO_BEGINNING.match(text, match.end()) is not None
    particle = _SURE_PARTICLE if name in _END_OPTIONAL else _PARTICLE
    return particle.match(text, match.end()) is not None


def _is_named_apart(match: re.Match[str]) -> bool:
    """True for a tag of an element that the text closes elsewhere, behind a blank and before a particle, as no element begins or
    ends: ``<i>를 만나면 </i>를 찾는다``, but not ``나 <b>는</b>`` and ``<b>값 </b>를``."""
    text, name = match.string, match["name"].lower()
    if text[match.start() - 1 : match.start()] not in (" ", "\t") or match["attributes"].strip(" /"):
        return False
    if not match["close"]:
        particle = _SURE_PARTICLE.match(text, match.end())
        return particle is not None and text[particle.end() : particle.end() + 1] == " "
    if not _PARTICLE.match(text, match.end()):
        return False
    line = text[max(text.rfind("\n", 0, match.start()) + 1, match.start() - _LONGEST_ELEMENT) : match.start()]
    last = next((tag for tag in reversed(list(TAG.finditer(line))) if tag["name"].lower() == name), None)
    return last is None or bool(last["close"]) or _is_named_apart(last)


def _is_empty(match: re.Match[str]) -> bool:
    """True for an element without attributes and content inside of a line of words, which would show nothing: ``<body></body> 안에``.

    Elements that editors leave behind are none, unless they are a word of their own with a particle, which may have an id, too:
    ``파일 안의 <div id="root"></div> 가``. Those of a class may be icons.
    """
    text, name = match.string, match["name"]
    if match["close"]:
        first, last = text.rfind("<", max(0, match.start() - _LONGEST_ELEMENT), match.start()), match.end()
        opening = TAG_IN_MARKDOWN.fullmatch(text, max(first, 0), match.start())
        is_empty = opening is not None and opening["name"] == name and not opening["close"]
        attributes = opening["attributes"] if opening else ""
    else:
        first, last = match.start(), match.end() + len(name) + 3
        is_empty, attributes = text[match.end() : last] == f"</{name}>", match["attributes"]
    if not is_empty or "class" in attributes:
        return False
    if name.lower() in _LEFT_BEHIND or attributes.strip():
        return text[first - 1 : first] in (" ", "\t") and _PARTICLE_OF_WORD.match(text, last) is not None
    return bool(_WORD_BEFORE.search(text, max(0, first - 9), first) or _WORD_BEHIND.match(text, last))


def _is_mentioned(match: re.Match[str]) -> bool:
    """True before a word such as ``태그``, unless the tag encloses words: ``<b>속성</b>``, ``<b>href</b> 속성``."""
    text = match.string
    if match["close"]:
        return _MENTION.match(text, match.end()) is not None and not _encloses_words(match)
    mention = _MENTION.match(text, match.end()) or _INSIDE.match(text, match.end())
    if mention is None and not _NO_WORDS.match(text, match.end()):
        return False
    closing = re.compile(rf"[^\n<]{{0,200}}</{re.escape(match['name'])}\s{{0,20}}>", re.IGNORECASE)
    end = closing.match(text, match.end())
    if end is None:
        return mention is not None
    return _MENTION.match(text, end.end()) is not None


def _encloses_words(closing: re.Match[str]) -> bool:
    """Whether a closing tag ends an element of its line with words other than ``속성`` and the like at its beginning."""
    before = closing.string[max(0, closing.start() - _LONGEST_ELEMENT) : closing.start()].rpartition("\n")[2]
    name = closing["name"].lower()
    opening = next((tag for tag in reversed(list(TAG.finditer(before))) if tag["name"].lower() == name), None)
    if opening is None or opening["close"]:
        return False
    words = TAG.sub("", before[opening.end() :])
    return not _MENTION.match(words) and not _NO_WORDS.match(words + "<")


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
