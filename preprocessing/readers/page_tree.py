"""Reads a page into a tree of its blocks with the amount of their text.

resiliparse's HTML parser repairs the page as browsers do; the tree is built from its serialization, in which every tag is
closed and every attribute quoted. Elements inside of lines (``<b>``, ``<a>``) are counted, not kept.
"""

from __future__ import annotations

import functools
import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from preprocessing.readers.page_words import SENTENCE, is_contact, split_names

_SKIPPED = re.compile(
    r"<(?:!--|\?|(script|style|noscript|template|svg|title|iframe|select|textarea|object|audio|video|canvas|head)(?=[\s>]))"
)
_SEAMLESS = frozenset(
    (None, "script", "style", "noscript", "template", "svg")
)  # no part of a line; None for comments and instructions
_ENDS = {"<!--": "-->", "<?": ">"}  # of comments and of instructions, such as PHP that no server ran
TAG = re.compile(r"<[^<>]*>")
TEXT = re.compile(r">([^<>]*[^<>\s])")
"""Text between two tags."""
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)([^>\"]*(?:\"[^\"]*\"[^>\"]*)*)>")
_QUOTED = re.compile(r"<[a-z][^\s<>]*(?: [^\s=<>\"]+=\"[^\"]*\")*+(?: [^\s=<>]+=\"[^\"]*\")+>")
_ATTRIBUTE = re.compile(r" ([^\s=<>]+)(=\"[^\"]*\")")
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
INLINE = frozenset((
    "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd",
    "mark", "nobr", "q", "rb", "rp", "rt", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time",
    "tt", "u", "var", "picture",
))  # fmt: skip
_INLINE_TAG = re.compile(rf"</?(?:{'|'.join(sorted(INLINE))})(?=[\s/>])[^>\"]*(?:\"[^\"]*\"[^>\"]*)*>")
_VOID = frozenset((
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
    "basefont", "bgsound", "frame", "keygen",
))  # fmt: skip
_SEEN = re.compile(
    r"blind|screen|sr-only|hidden|headerlink|anchor|edit|skip|permalink|material-", re.IGNORECASE
)
_TARGETS = frozenset(("a", "code", "dd", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "p", "pre", "span"))
RUN = "x-links"
"""Name of the element around links that bars set apart, which old pages have in no element of their own."""
_RUN_OF_LINKS = re.compile(
    r"(?:<a\b[^<>]{0,400}>[^<]{1,40}</a>(?:\s|&nbsp;|<br>){0,20}[|·ㆍ/](?:\s|&nbsp;|<br>){0,20}){2,}<a\b[^<>]{0,400}>[^<]{1,40}</a>"
)
_BAR_AFTER_LINK = re.compile(r"</a>(?:\s|&nbsp;|<br>){0,20}[|·ㆍ/]")
FEWEST_BARS = 2
LONGEST_LINK = 1000  # characters of HTML from a bar to the end of the link behind it
NEAR_TARGET = 400  # characters of HTML in which a section links itself at its heading
PROSE = 20  # characters of a text between two tags from which on it counts as prose
LONGEST_FIELD = 40  # characters of a hint in a field to write in; longer ones are code or terms
LONGEST_TEXT = 2000  # characters of HTML whose text is read as a line


@dataclass(eq=False, slots=True)
class Element:
    """A block of a page; ``start`` to ``end`` is its HTML, ``inside`` to ``close`` its content.

    ``own`` counts what is directly in it: characters, those in links, those of longer texts outside of links, and links.
    ``sum_texts`` adds its children's: ``text``, ``linked``, ``prose``, ``links``.
    """

    name: str
    attributes: str
    parent: Element | None
    start: int
    inside: int
    close: int = 0
    end: int = 0
    own: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    text: int = 0
    linked: int = 0
    prose: int = 0
    links: int = 0
    is_cut: bool = False
    is_part: bool = False
    """Whether it is a group of links that the content introduces, all of which stays."""
    is_target: bool = False
    """Whether its id only makes it a target of links, as the words of a heading do."""
    children: list[Element] = field(default_factory=list)
    _names: list[list[str]] | None = None
    _identity: str | None = None

    def ancestors(self) -> Iterator[Element]:
        element = self.parent
        while element is not None:
            yield element
            element = element.parent

    def descendants(self) -> Iterator[Element]:
        """The element and all in it, in document order."""
        pending = [self]
        while pending:
            element = pending.pop()
            yield element
            pending += element.children[::-1]

    def descendants_uncut(self) -> Iterator[Element]:
        """The same without what is cut."""
        pending = [self]
        while pending:
            element = pending.pop()
            if not element.is_cut:
                yield element
                pending += element.children[::-1]

    @property
    def names(self) -> list[list[str]]:
        """Words of each of its classes and its id."""
        if self._names is None:
            self._names = split_names(self._class_and_id())
        return self._names

    def is_called(self, words: frozenset[str]) -> bool:
        """True where one of the words is in its classes or its id."""
        return any(not words.isdisjoint(name) for name in self.names)

    @property
    def whole_names(self) -> list[str]:
        return self._class_and_id().lower().split()

    def _class_and_id(self) -> str:
        if self._identity is None:
            has_any = "class=" in self.attributes or "id=" in self.attributes
            identity = self.get("id") if has_any and not self.is_target and self.name not in _TARGETS else ""
            self._identity = f"{self.get('class') or ''} {identity or ''}" if has_any else ""
        return self._identity

    def get(self, attribute: str) -> str | None:
        """Value of an attribute; the empty text for one without a value."""
        start = self.attributes.find(f' {attribute}="')
        if start < 0:
            return None
        start += len(attribute) + 3
        value = self.attributes[start : self.attributes.find('"', start)]
        return html.unescape(value) if "&" in value else value


@dataclass(slots=True)
class PageTree:
    """``elements`` are in document order, so each parent precedes its children; the first is the page."""

    html: str
    elements: list[Element]
    _texts: dict[Element, str] = field(default_factory=dict)
    _buttons: Counter[str] | None = None

    def has_sentence(self, element: Element) -> bool:
        return SENTENCE.search(self.html, element.inside, element.close) is not None

    def count_buttons(self, text: str) -> int:
        """Number of buttons of the page with a text."""
        if self._buttons is None:
            self._buttons = Counter(self.text_of(part) for part in self.elements if part.name == "button")
        return self._buttons[text]

    def text_of(self, element: Element) -> str:
        """Text of a small element in one line; the empty text where its HTML is longer than LONGEST_TEXT."""
        if element.close - element.inside > LONGEST_TEXT:
            return ""
        if element not in self._texts:
            text = self.html[element.inside : element.close]
            if "<" in text:
                text = _TAG.sub(" ", _INLINE_TAG.sub("", text))
            self._texts[element] = " ".join((html.unescape(text) if "&" in text else text).split())
        return self._texts[element]


def build_tree(page: str) -> PageTree:
    """Builds the tree of a page that resiliparse has serialized."""
    page = _mark_runs(_QUOTED.sub(_unquote_names, _remove_skipped(page)))
    root = Element("", "", None, 0, 0, len(page), len(page))
    elements = [root]
    at, parent, links = 0, root, 0
    stack: list[Element | None] = []  # None for elements inside of lines
    names: list[str] = []
    for match in _TAG.finditer(page):
        start, end = match.span()
        if start > at and (count := len(text := page[at:start].strip())):
            own = parent.own
            own[0] += count
            if links:
                own[1] += count
            elif count >= PROSE and not is_contact(text):
                own[2] += count
        at = end
        closing, name, attributes = match.groups()
        if not closing:
            if name in _VOID:
                continue
            names.append(name)
            if name == "a":
                links += 1
                parent.own[3] += 1
            if (name in INLINE or name == "a") and not ("class=" in attributes and _is_seen(attributes)):
                stack.append(None)
                continue
            element = Element(name, attributes, parent, start, end)
            if "id=" in attributes and name in ("div", "section"):
                element.is_target = f'href="#{element.get("id")}"' in page[end : end + NEAR_TARGET]
            parent.children.append(element)
            elements.append(element)
            stack.append(element)
            parent = element
        elif names and names[-1] == name:
            names.pop()
            links -= name == "a"
            element = stack.pop()
            if element is not None:
                element.close, element.end = start, end
                parent = element.parent or root
    while stack:
        element = stack.pop()
        if element is not None:
            element.close = element.end = len(page)
    return PageTree(page, elements)


def _unquote_names(tag: re.Match[str]) -> str:
    """A tag with a quotation mark too many, which a parser reads as a part of a name, without it."""
    return _ATTRIBUTE.sub(lambda part: " " + part[1].replace('"', "") + part[2], tag[0])


@functools.lru_cache(maxsize=4096)
def _is_seen(attributes: str) -> bool:
    """True for attributes with which an element inside of a line is judged as a block, such as hidden text."""
    return bool(_SEEN.search(attributes))


def _mark_runs(page: str) -> str:
    """Encloses links that bars set apart; only what is around the first and the last bar after a link is searched."""
    bars = [match.span() for match in _BAR_AFTER_LINK.finditer(page)]
    if len(bars) < FEWEST_BARS:
        return page
    start, end = page.rfind("<a", 0, bars[0][0]), bars[-1][1] + LONGEST_LINK
    return page[:start] + _RUN_OF_LINKS.sub(rf"<{RUN}>\g<0></{RUN}>", page[start:end]) + page[end:]


def sum_texts(elements: list[Element]) -> None:
    """Computes the text of elements in document order from what is directly in them, without cut ones."""
    for element in elements:
        element.text, element.linked, element.prose, element.links = element.own
    for element in reversed(elements):
        parent = element.parent
        if parent is not None and not element.is_cut:
            parent.text += element.text
            parent.linked += element.linked
            parent.prose += element.prose
            parent.links += element.links


def weight_of(element: Element) -> int:
    """Characters outside of links; those of prose count four times."""
    return element.text - element.linked + 3 * element.prose


def _remove_skipped(page: str) -> str:
    """Removes comments and elements without text of the page."""
    pieces, at = [], 0
    match = _SKIPPED.search(page)
    while match:
        mark = f"</{match[1]}>" if match[1] else _ENDS[match[0]]
        end = page.find(mark, match.end())
        if end < 0:
            break
        if match[1] == "textarea" and end - page.find(">", match.end()) > LONGEST_FIELD:
            match = _SKIPPED.search(page, end)
            continue
        pieces += [page[at : match.start()], "" if match[1] in _SEAMLESS else " "]
        at = end + len(mark)
        match = _SKIPPED.search(page, at)
    return "".join([*pieces, page[at:]])
