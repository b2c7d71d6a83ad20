"""Finds the tags of Markdown that only an example has: of pages and forms, with attributes of templates, in a line of words.

Owns what no author of Markdown lays out with. ``html_shown`` knows lines of HTML, ``html_mentions`` tags that a sentence is about.
"""

from __future__ import annotations

import re

from preprocessing.markup.html_elements import hide
from preprocessing.markup.html_tags import PAGE, TAG, TAG_IN_MARKDOWN
from preprocessing.markup.markdown import Protected

HIDDEN_IN_MARKDOWN = re.compile(
    r"<(?<!\\<)(?:(?<![^\s>][ \t]<)|(?=\w{1,9}\s))((script|style)|noscript|template|svg|iframe)(?=[\s>])[^>]{0,4000}>"
    r"(?!(?:</\1>)?[ \t]{0,9}(?(2)[가-힣]|(?:은|는|을|를|과|와|로|으로|라는|태그|요소)(?![가-힣])))",
    re.IGNORECASE,
)
"""Not those that a text shows: behind its words without attributes (``ex. <style>``), or before them (``<script>는``). The others may
contain Korean for readers whose browser shows nothing else: ``<noscript>이 페이지는 …``."""
_KOREAN_COMMENT = re.compile(r"/\*[^*]{0,400}[가-힣]|(?<!:)//[^\n]{0,200}[가-힣]")
_KOREAN_RULE = re.compile(
    r"^(?:[^\n\"'가-힣]|\"[^\n\"]*\"|'[^\n']*')*[가-힣]", re.MULTILINE
)  # not in the name of a font
_PAGES_AND_FORMS = PAGE | {
    "title", "form", "fieldset", "legend", "label", "input", "select", "option", "optgroup", "textarea",
}  # fmt: skip
_OF_HEAD = frozenset(("base", "link", "meta"))
_BLOCKS = frozenset((
    "div", "p", "section", "article", "nav", "header", "footer", "main", "aside", "figure", "ul", "ol", "table",
))  # fmt: skip
_CHECKBOX = re.compile(r"\btype\s{0,3}=\s{0,3}[\"']?checkbox", re.IGNORECASE)
_OF_FORM = re.compile(r"\s(?:type|on[a-z]{3,20})\s{0,3}=", re.IGNORECASE)
_OF_TEMPLATE = re.compile(
    r"\s(?:v-[a-z]|[:@][A-Za-z][\w.:-]{0,40}=|th:[a-z]|\*?ng-?[A-Za-z]|\[\(?[A-Za-z]|(?:key|ref|value|on[A-Z]\w{0,20})=\{)"
)
_NAMED = re.compile(r"\s(?:id|class|className|name|on[a-z]{3,20})\s{0,3}=", re.IGNORECASE)
_SOURCE = re.compile(r"\ssrc\s{0,3}=\s{0,3}(?:\"([^\"]*)\"|'([^']*)'|([^\s>]*))", re.IGNORECASE)
_TARGET = re.compile(r"\shref\s{0,3}=\s{0,3}[\"']([^\"']+)[\"']", re.IGNORECASE)
_NO_SOURCE = re.compile(r"[^./{:]*[가-힣][^./{:]*|url|src|path|", re.IGNORECASE)
_OF_LINK = re.compile(r"\s(?:href|name|id|class|title|style|data-[a-z-]{1,30})\s{0,3}=", re.IGNORECASE)
_NAME_IN_BRACES = r"\{\{[ \t]?(?![0-9])\w[\w.$()\[\]'\" |:!?+-]{0,200}\}\}"  # no set of numbers
_WITH_NAME = re.compile(_NAME_IN_BRACES)
_EXPRESSION = re.compile(
    rf"[ \t]{{0,9}}{_NAME_IN_BRACES}[ \t]{{0,9}}</"
    r"|(?:[^<{}$\\=\n]{0,40}[^\w<{}$\\=\n])?\{[A-Za-z_][\w.]{0,60}(?:\(\))?\}[^<{}$\\\n]{0,40}</(?:h[1-6]|p|div|li|span|button)>"
)
_EXAMPLE_BEFORE = re.compile(r"(?:예\)|ex\)|ex[.:]|예[ \t]?:|\breturn|=)[ \t]{1,3}\Z", re.IGNORECASE)
_SHOWN_HEADING = re.compile(r"[^<\n]{1,100}</h[1-6]>(?=[^\s<])")
_TWO_SIDES = re.compile(
    r"(?:여는|닫는|시작|종료)[ \t]?태그|(?:opening|closing|start|end) tags?\b", re.IGNORECASE
)
_WORDS_BEHIND = re.compile(r"[^<\n]{1,100}</\w{1,12}>[ \t]{0,3}[^\W_]")
_HEADINGS = frozenset(f"h{level}" for level in range(1, 7))
_HAS_WORDS = re.compile(r"[^\W_]")
_MARKS = re.compile(r"[ \t>]*(?:(?:[-*+]|[0-9]{1,3}[.)])[ \t]+)*")
_NEAR = 400  # characters of a line
_CELL_OF_TAGS = re.compile(
    r"(?:(?<=\|)|^)[ \t]*(?=[^|\n]*<(?!br\b))(?:</?[a-z][a-z0-9]{0,9}[ \t]?/?>[ \t]*(?:[,~/·][ \t]*|와[ \t]|과[ \t])?){1,9}(?=\|)",
    re.MULTILINE,
)
_BLOCK_OF_CODE = re.compile(
    r"^(?P<indent>[ \t]*)<(?P<name>html|head|body|form|fieldset|select|template|div|ul|ol|table|section|p)(?:\s[^<>\n]*)?>[^\n]*\n"
    r"(?:(?![ \t]*\n|[^\n]*\x7f)[^\n]*\n){0,200}?(?P=indent)</(?P=name)>[ \t]*$",
    re.MULTILINE,
)  # without an empty line


def protect_examples(text: str, protected: Protected) -> str:
    """Replaces the tags of examples by marks, with those that close them."""
    if "</" in text:
        text = _BLOCK_OF_CODE.sub(
            lambda block: protected.add(block[0]) if _is_code(block) else block[0], text
        )
    if "|" in text:
        text = _CELL_OF_TAGS.sub(lambda cell: protected.add(cell[0]), text)
    opened: dict[str, list[bool]] = {}
    pieces, at, before = [], 0, 0
    for tag in TAG_IN_MARKDOWN.finditer(text):
        name = tag["name"].lower()
        if tag["close"]:
            stack = opened.get(name)
            is_shown = stack.pop() if stack else name in PAGE
        else:
            is_shown = _is_shown(tag, name, before)
            opened.setdefault(name, []).append(is_shown)
        if is_shown:
            pieces += [text[at : tag.start()], protected.add(tag[0])]
            at = before = tag.end()
    return "".join([*pieces, text[at:]])


def _is_code(block: re.Match[str]) -> bool:
    """Whether a block of lines is a page, a form, or has expressions of a template among its words or attributes."""
    if block["name"] in _PAGES_AND_FORMS:
        return True
    return _WITH_NAME.search(TAG.sub("", block[0])) is not None or any(
        _OF_TEMPLATE.search(tag["attributes"]) for tag in TAG.finditer(block[0])
    )


def hide_layout(opening: re.Match[str], content: str) -> str:
    """What takes the place of a hidden element of Markdown; code with comments in Korean is an example."""
    korean = {"style": _KOREAN_RULE, "script": _KOREAN_COMMENT}.get(opening[1].lower())
    if korean and korean.search(content):
        return f"{opening[0]}{content}</{opening[1]}>"
    return hide(opening, content)


def _is_shown(tag: re.Match[str], name: str, before: int) -> bool:
    attributes = tag["attributes"]
    if name in _PAGES_AND_FORMS:
        return not _CHECKBOX.search(attributes)
    if not attributes.strip(" /"):
        if name == "img":
            return _is_among_words(tag)
        return (
            _EXPRESSION.match(tag.string, tag.end()) is not None
            or _has_two_sides(tag)
            or _is_in_sentence(tag, name, before)
        )
    if name == "img":
        source = _SOURCE.search(attributes)
        value = (source[1] or source[2] or source[3] or "").strip() if source else "."
        return _NO_SOURCE.fullmatch(value) is not None and _is_among_words(tag)
    if _OF_TEMPLATE.search(attributes) or (name == "button" and _OF_FORM.search(attributes)):
        return True
    if name == "a":
        target = _TARGET.search(attributes)
        if target:
            return _NO_SOURCE.fullmatch(target[1]) is not None and _is_among_words(tag)
        return not _OF_LINK.search(attributes)
    if name in _OF_HEAD:
        return _is_among_words(tag)
    return name in _BLOCKS and _NAMED.search(attributes) is not None and _is_behind_words(tag, before)


def _is_in_sentence(tag: re.Match[str], name: str, before: int) -> bool:
    """Whether a heading stands among the words of a line, or a paragraph behind words that announce an example."""
    if _SHOWN_HEADING.match(tag.string, tag.end()):
        return _is_behind_words(tag, before)
    if name not in ("p", "div") and name not in _HEADINGS:
        return False
    return _EXAMPLE_BEFORE.search(tag.string[_first_of_line(tag) : tag.start()]) is not None


def _is_behind_words(tag: re.Match[str], before: int) -> bool:
    """Whether a tag stands in its line behind words or another tag of an example, which ends at ``before``, and not in a row."""
    line = tag.string[_first_of_line(tag) : tag.start()]
    words = line[_MARKS.match(line).end() :]  # type: ignore[union-attr]
    if not _HAS_WORDS.search(TAG.sub("", words)) or line.lstrip()[:1] == "|":
        return False
    near = words.rstrip(" \t,")
    return near[-1:] != ">" or before == _first_of_line(tag) + len(line) - len(words) + len(near)


def _is_among_words(tag: re.Match[str]) -> bool:
    return _HAS_WORDS.search(words_around(tag)) is not None


def _has_two_sides(tag: re.Match[str]) -> bool:
    """Whether an element before words names the tags of its sides: ``<h1>여는 태그</h1>닫는 태그``."""
    return (
        _WORDS_BEHIND.match(tag.string, tag.end()) is not None
        and _TWO_SIDES.search(words_around(tag)) is not None
    )


def words_around(match: re.Match[str]) -> str:
    """The words of the line of a tag, without tags."""
    text, first = match.string, _first_of_line(match)
    last = text.find("\n", match.end(), match.end() + _NEAR)
    return TAG.sub(
        "", f"{text[first : match.start()]} {text[match.end() : last if last >= 0 else match.end() + _NEAR]}"
    )


def _first_of_line(match: re.Match[str]) -> int:
    return max(match.string.rfind("\n", 0, match.start()) + 1, match.start() - _NEAR)
