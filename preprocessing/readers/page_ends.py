"""Cuts what the content of a page begins and ends with: menus without links, copyright lines.

A menu is a block of short labels of which several are words of menus ("회원가입", "오시는 길"); other short labels are facts.
"""

from __future__ import annotations

import html
import re

from preprocessing.readers.page_tree import HEADINGS, TAG, Element, PageTree
from preprocessing.readers.page_words import COMMAND, CONTROL_LABEL, MENU_LABEL, POLICY_LABEL, is_notice

_LINE = re.compile(r"(?:(?<=<br>)|(?<=<hr>)|(?<=<br/>)|(?<=<br />))([^<>]+)(?=<br|<hr|</|\Z)")
_LABEL = re.compile(r">([^<>]*\w[^<>]*)(?=<)")
_TRAIL = re.compile(r"(?:HOME|홈)\s*(?:[>›»/·|].{0,80})?", re.IGNORECASE)

_MORE = re.compile(
    r"<a\b[^<>]*>(?:\s|</?(?:span|i|em|strong)\b[^<>]*>)*+"
    r"(?i:더\s*(?:보기|읽기|알아\s*보기)|자세히(?:\s*보기)?|계속\s*읽기|전체\s*보기|(?:read|learn|see|view|show)\s+more|continue\s+reading|view\s+(?:all|details?)|"
    r"back\s+to\s+top|skip\s+to\s+(?:the\s+)?(?:main\s+)?content|(?:본문|주\s*메뉴)\s*(?:으?로)?\s*(?:바로\s*가기|건너\s*뛰기)|맨\s*위로)"
    r"(?:[^\w<>&]|&\w{2,8};|</?(?:span|i|em|strong)\b[^<>]*>)*+</a>(?=\s*+(?:<[bh]r\s?/?>\s*+)*+(?:</?(?:p|div|section|article|footer|ul|ol|a)\b|</span>|<h[1-6]\b))"
)
_BLOCK_ABOVE = re.compile(
    r"(?:</(?:p|div|ul|ol|h[1-6]|figure|section|table|pre|blockquote)>|<(?:body|main|p|div|h[1-6]|section|article|footer)\b[^<>]*>|<[bh]r\s?/?>)\s*\Z"
)

_PRESSED = re.compile(
    r"<a\b(?=[^<>]* role=\"button\")(?![^<>]* href=\"(?!#|javascript:))[^<>]*>(?P<label>(?:[^<]|<(?!/?a\b)){0,400})</a>(?=\s*<)"
)  # a link that leads nowhere
_ONLY_INLINE_ABOVE = re.compile(
    r"(?:</?(?:p|div|[uo]l|li|h[1-6]|section|article|table|t[dr]|dl|d[dt]|figure|button)\b[^<>]*>|<br\s?/?>|</a>)(?:\s|<(?:span|i|em|b|strong)\b[^<>]*>)*\Z"
)
_LETTER = re.compile(r"[^\W\d_]")

NEAR_BLOCK = 400  # characters of HTML before a link in which the block above it ends
LONGEST_END = 800  # characters of HTML at the end in which copyright lines are searched
LONGEST_MENU = 4000  # characters of HTML
LONGEST_LABEL = 15  # characters
FEWEST_LABELS = 4
LABELS_OF_MENU = 0.3  # share of labels with words of menus
MOST_LEVELS = 40  # of elements inside of one another at an edge
REST = 3  # text of the content beside a menu, relative to it


def cut_menus(tree: PageTree, around_heading: set[Element]) -> None:
    """Marks the menus without links with which the content begins, headings aside, and ends."""
    content = tree.elements[0]
    if content.prose:
        for at_end in (False, True):
            _cut_at_edge(tree, content, content, around_heading, at_end, MOST_LEVELS)


def _cut_at_edge(
    tree: PageTree,
    element: Element,
    content: Element,
    around_heading: set[Element],
    at_end: bool,
    levels: int,
) -> bool:
    """Marks menus from one edge of an element on; returns whether it has a block that is neither a menu nor a first heading."""
    for child in reversed(element.children) if at_end else element.children:
        if child.is_cut or not child.text:
            continue
        if child in around_heading and not child.children:
            return at_end
        if child not in around_heading and _is_menu(tree, child, content, at_end):
            child.is_cut = True
        elif at_end or not _is_label(child):
            is_block = not child.children or child.own[0] or not levels
            if is_block or _cut_at_edge(tree, child, content, around_heading, at_end, levels - 1):
                return True
    return False


def _is_label(element: Element) -> bool:
    """True for a heading or a short text above it, such as the name of a section in English."""
    return element.name in HEADINGS or (not element.children and element.text <= LONGEST_LABEL)


def _is_menu(tree: PageTree, element: Element, content: Element, at_end: bool) -> bool:
    """True for short labels of which several are words of menus, and for the way from the first page to this one."""
    if element.prose or element.close - element.inside > LONGEST_MENU or REST * element.text > content.text:
        return False
    if element.name in ("table", "pre", "dl", "th", *HEADINGS):
        return False
    if _TRAIL.fullmatch(tree.text_of(element)):
        return True
    labels = [
        html.unescape(match[1]).strip()
        for match in _LABEL.finditer(tree.html, element.inside - 1, element.end)
    ]
    if not labels or max(map(len, labels)) > LONGEST_LABEL:
        return False
    if any(part.name in HEADINGS for part in element.descendants()):
        return False
    known = sum(MENU_LABEL.fullmatch(label) is not None for label in labels)
    is_several = len(labels) >= FEWEST_LABELS and known >= max(2, LABELS_OF_MENU * len(labels))
    return is_several or all(
        CONTROL_LABEL.fullmatch(label) or (at_end and POLICY_LABEL.fullmatch(label)) for label in labels
    )


def cut_ways_to_more(content: str) -> str:
    """Removes links that say only that there is more and stand in no line with other text."""
    return _MORE.sub(
        lambda link: (
            "" if _BLOCK_ABOVE.search(content, max(0, link.start() - NEAR_BLOCK), link.start()) else link[0]
        ),
        content,
    )


def cut_pressed_links(content: str) -> str:
    """Removes links that are buttons, such as "찜하기 3", and stand in no line with other text."""
    if 'role="button"' not in content:
        return content

    def cut(link: re.Match[str]) -> str:
        label = " ".join(TAG.sub(" ", link["label"]).split())
        is_alone = _ONLY_INLINE_ABOVE.search(content, max(0, link.start() - NEAR_BLOCK), link.start())
        return "" if is_alone and _LETTER.search(label) and COMMAND.fullmatch(label) else link[0]

    return _PRESSED.sub(cut, content)


def cut_last_notices(content: str) -> str:
    """Removes the copyright lines with which the content ends, where they are in no element of their own."""
    start = max(0, len(content) - LONGEST_END)
    lines = list(_LINE.finditer(content, start))
    while lines and (is_notice(text := html.unescape(lines[-1][1]).strip()) or not text):
        line = lines.pop()
        content = content[: line.start(1)] + content[line.end(1) :] if text else content
    return content
