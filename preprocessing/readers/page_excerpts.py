"""Tells links that are a part of the content from links to other pages: titles of posts, rows of boards, sections of a page."""

from __future__ import annotations

import re
from itertools import islice

from preprocessing.readers.page_headings import leads_home
from preprocessing.readers.page_tree import HEADINGS, TAG, TEXT, Element, PageTree
from preprocessing.readers.page_words import LINE_END, LINKS_HEADING, TITLES
from preprocessing.text.counting import has_at_least

_HEADING = re.compile(
    r"<(?:h[1-6]|strong)\b[^>]*>((?:(?!<a\b)[^<]|<(?!a\b|/h[1-6]|/strong)){1,300})</(?:h[1-6]|strong)>"
)
_PARTS = frozenset((*HEADINGS, "td", "th", "dt", "dd", "li", "tbody", "thead", "caption"))
_HOST = re.compile(r"href=\"https?://([^/\"]+)")
_CURRENT = re.compile(
    r"<(?:li|a)\b[^<>]*\b(?:class=\"(?:[^\"]* )?(?:on|active|current|selected)[ \"]|aria-current=\"page)"
)
_LINK = re.compile(r"<a\b[^<>]*>")
_PAGE = re.compile(r"\shref=\"(?!#|javascript:)")

LINK_SHARE = 0.7  # share of linked characters that makes a group of links
LINK_SHARE_OUTSIDE = 0.5  # the same before the first and after the last sentence of a page
LEAST_CARD = 20  # characters of a link that is a card, on average
LONGEST_INTRODUCTION = 160  # of a list of links: a heading and a sentence
MOST_LINKS_OF_TITLE = 3  # its own, and those of categories
LONGEST_LABEL = 12  # characters of a link of a menu, on average
FEWEST_ROWS = 3
LEVELS_OF_ROW = 3  # from a title and its facts up to the list of such rows
FEWEST_LINKS = 3  # of a section that has no sentence, and of a menu
MOST_PARTS = 200  # elements of which a title or a table is searched
MOST_SOURCES = 40
LONGEST_SECTION = 20000  # characters of HTML


def is_title_of(tree: PageTree, excerpt: Element, element: Element) -> bool:
    """True for a heading, or what is named as a title, that is a link above the beginning of the post that it names."""
    if not 0 < element.links <= MOST_LINKS_OF_TITLE or element.text > LONGEST_INTRODUCTION:
        return False
    if excerpt.prose <= excerpt.linked:
        return False
    return any(
        part.linked and (part.name in HEADINGS or part.is_called(TITLES)) and not leads_home(tree, part)
        for part in islice(element.descendants_uncut(), MOST_PARTS)
    )


def is_row(parent: Element, children: list[Element]) -> bool:
    """True for a row of a list of posts, which has facts beside the title: its number, author or date."""
    if len(children) < 2 or all(child.links for child in children):
        return False
    row = parent
    for above in islice(parent.ancestors(), LEVELS_OF_ROW):
        if sum(child.text > 0 for child in above.children[:MOST_PARTS]) > 1:
            like = (
                other
                for other in above.children[:MOST_PARTS]
                if other.name == row.name and other.text and other.get("class") == row.get("class")
            )
            return has_at_least(like, FEWEST_ROWS)
        row = above
    return False


def introduces(tree: PageTree, element: Element, links: Element) -> bool:
    """True for a heading with a sentence before several links that have no heading of their own."""
    if not element.prose or element.links or element.text > min(LONGEST_INTRODUCTION, 2 * element.prose):
        return False
    first = TEXT.search(tree.html, links.inside - 1, links.close)
    if links.links < 2 or (first and LINKS_HEADING.fullmatch(first[1].strip())):
        return False
    has_heading = _HEADING.search(tree.html, element.inside, element.close) is not None
    return has_heading and tree.has_sentence(element)


def is_section(tree: PageTree, element: Element) -> bool:
    """True for a heading and a sentence or several links: a part of a page that has several, such as its news."""
    if element.name not in ("div", "section", "article"):
        return False
    if element.close - element.inside > LONGEST_SECTION:
        return False
    heading = _HEADING.search(tree.html, element.inside, element.close)
    if heading is None or LINKS_HEADING.fullmatch(TAG.sub("", heading[1]).strip()):
        return False
    parts = islice(element.descendants(), MOST_PARTS) if element.links >= FEWEST_LINKS else ()
    has_list = any(
        part.name in HEADINGS and part.text and not part.is_cut and not leads_home(tree, part)
        for part in parts
    )
    return has_list or tree.has_sentence(element)


def has_cards(tree: PageTree, element: Element) -> bool:
    """True for links that have sentences, such as the services that a front page shows."""
    if not element.links or element.linked < LEAST_CARD * element.links:
        return False
    return 3 * len(LINE_END.findall(tree.html, element.inside, element.close)) >= element.links


def has_sources(tree: PageTree, element: Element) -> bool:
    """True for a list of links to several other sites, such as the sources of an article."""
    if element.name not in ("ul", "ol") or element.links > MOST_SOURCES:
        return False
    hosts = set(_HOST.findall(tree.html, element.inside, element.close))
    return len(hosts) > 1 and 2 * len(hosts) > element.links


def has_titles(element: Element) -> bool:
    """True for links as long as titles, such as the news of a front page."""
    return element.linked > LONGEST_LABEL * element.links > 0


def marks_this_page(tree: PageTree, element: Element) -> bool:
    """True for a menu: short links to several pages of which one is marked as this page."""
    if element.links < FEWEST_LINKS or has_titles(element) or tree.has_sentence(element):
        return False
    marks = list(islice(_CURRENT.finditer(tree.html, element.inside, element.close), 2))
    link = _LINK.search(tree.html, marks[0].start(), element.close) if len(marks) == 1 else None
    return link is not None and _PAGE.search(link[0]) is not None


def is_link_group(element: Element, share: float = LINK_SHARE) -> bool:
    """True for an element that is mostly links, unless it is a part of a list, a table or a heading."""
    if not element.links or element.linked < share * element.text:
        return False
    if element.name == "tr":  # of a table that arranges the page
        return len(element.children) == 1 and element.links > 1
    return element.name not in _PARTS
