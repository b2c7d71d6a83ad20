"""Tells groups of links to other pages from links that belong to the content: menus, lists of posts, the way to a page.

Between the first and the last sentence of a page a group stays unless it is named as surroundings; outside it stays where a
heading announces it or where its links have sentences.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import NamedTuple

from preprocessing.readers.page_excerpts import (
    LINK_SHARE,
    LINK_SHARE_OUTSIDE,
    LONGEST_LABEL,
    MOST_PARTS,
    has_cards,
    has_titles,
    introduces,
    is_link_group,
    is_section,
    marks_this_page,
)
from preprocessing.readers.page_tabs import has_panels
from preprocessing.readers.page_tree import HEADINGS, RUN, TAG, Element, PageTree
from preprocessing.readers.page_words import COMMAND, CONTROL_LABEL, LINKS_HEADING, SENTENCE

_BLOCKS = frozenset(("table", "dl", "ul", "ol", "p", "pre", "blockquote"))
_ANNOUNCING = frozenset((*HEADINGS, *_BLOCKS)) - {"table"}
_LINK = re.compile(r"<a\b((?:[^<>\"]|\"[^\"]*\")*)>(.*?)</a>", re.DOTALL)
_HREF = re.compile(r"\shref=\"([^\"]*)\"")
_FILE = re.compile(
    r"\.(?:hwpx?|pdf|docx?|xlsx?|pptx?|zip|csv|txt|jpe?g|png|gif|mp[34])\b[^<>\"]{0,80}</?(?:a|span|em|i)\b",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"\shref=\"(?:tel|fax|sms|mailto):[^<>]*>(?:\s|<(?!/?a\b)[^<>]*>)*[^<]*[\d@]", re.IGNORECASE
)
_SHOWN = re.compile(
    r"<a\b[^<>]*>(?:\s|<(?!/?a\b)[^<>]*>)*+(?:https?://|www\.)"
)  # an address as the text of its link
_TABS = re.compile(r"\b_?tab|tab(?:s|list|_|-|\b)|\bindicator", re.IGNORECASE)
_LABEL = re.compile(
    r"(?:\s|<(?!a\b)[^<>]*>){0,9}(?:([^<>:：]{1,20})[:：]\s*(?:<(?!a\b)[^<>]*>\s*){0,3}<a\b"
    r"|(?:&\w{2,8};|[^\w<>]|<(?!a\b)[^<>]*>){0,9}<a\b[^<>]*>\s*(?:https?://|www\.))"
)
_DATE = re.compile(
    r"<a\b[^<>]*>\s*(?:<(?!/?(?:a|time)\b)[^<>]*>\s*)*(?:<time\b[^<>]*>[^<>]*</time>|(?:19|20)\d\d\s?[-./년]\s?\d{1,2}\s?[-./월]\s?\d{1,2}[일.]?)\s*"
    r"(?:<(?!/?a\b)[^<>]*>\s*)*</a>"
)
_BARS = " \n\t\u00a0|·ㆍ/"
_WHOLE_LINK = re.compile(r"<a\b.*?</a>", re.DOTALL)
_WORDS = re.compile(r"[가-힣]{2,}(?: [가-힣]+){0,3}")
_LISTINGS = frozenset((
    "toctree", "footnotes", "footnote", "references", "bibliography", "itemizedlist", "orderedlist", "variablelist",
))  # fmt: skip
_TRAIL = re.compile(r"</a>\s*(?:&gt;|[›»])")  # the way from the first page to this one

MOST_PARTS_ABOVE = 6  # elements from a part of a page down to its tabs
NEAR_SENTENCE = 400  # characters of HTML above the labels of tabs in which a sentence is searched
LONGEST_OF_MENU = 40  # characters of a link in a menu, on average
LONGEST_REST = 12  # characters beside links, such as "태그:" and commas
FEWEST_OF_COLUMN = 3  # links of a menu beside the content
MOST_ROWS_OF_LAYOUT = 4  # rows of a table that arranges the page
LONGEST_BAR = 2000  # characters of HTML of a title between links
NEAR_RUN = 20  # characters of HTML on both sides of links that bars set apart


class Page(NamedTuple):
    """What is known of a page while its groups are judged."""

    tree: PageTree
    around_heading: set[Element]
    is_of_links: bool
    """Whether linked text is the content."""
    run: tuple[int, int]
    """Where the first and the last sentence of the content begin."""
    first: Element | None
    """The heading with which the content begins."""

    @property
    def content(self) -> Element:
        return self.tree.elements[0]


def leads_elsewhere(page: Page, before: Element | None, element: Element) -> bool:
    """True for a group of links that no block of the content announces; marks groups of the content as parts."""
    if element.name == RUN:
        return not (page.is_of_links or _is_inside_part(element) or _is_part_of_line(page.tree, element))
    if not element.links:
        return False
    if element.name == "td" and _is_column_of_links(page, element):
        return True
    if page.is_of_links and not (_is_row_of_layout(element) or _is_above_heading(page, element)):
        return False
    is_between = page.run[0] < element.start < page.run[1]
    if not is_link_group(element, LINK_SHARE if is_between else _share_outside(page.tree, element)):
        return False
    if is_tabs(page, element) or leads_nowhere(page.tree, element):
        element.is_part = True
        return False
    if element.start < page.run[0] and _DATE.search(page.tree.html, element.inside, element.close):
        return False  # when a post was written, beside its categories
    if not is_between and marks_this_page(page.tree, element):
        return not any(part.name in HEADINGS and part.text > part.linked for part in element.descendants())
    introduced = before is not None and introduces(page.tree, before, element)
    is_own = (
        is_section(page.tree, element)
        or _has_facts(element)
        or _has_articles(before, element)
        or _has_captions(element)
    )
    element.is_part = introduced or is_own or has_cards(page.tree, element)
    if element.is_part or is_between or _is_labeled(page.tree, element):
        return False
    is_of_page = not page.around_heading and has_titles(element)
    if is_of_page or _is_announced(page.tree, before, element) or _is_inside_part(element):
        return False
    return not (element.name == "p" and SENTENCE.search(page.tree.text_of(element)))


def leads_nowhere(tree: PageTree, element: Element) -> bool:
    """True for links that are named as files or show their addresses, as what is attached to a notice, and for numbers to call
    and addresses to write to."""
    return any(
        len(kind.findall(tree.html, element.inside, element.close)) >= element.links
        for kind in (_FILE, _ADDRESS, _SHOWN)
    )


def is_tabs(page: Page, element: Element) -> bool:
    """True for links to parts of this page that are not its headings, too, and for those of tabs that a script shows,
    by their names or in a list below a sentence."""
    html = page.tree.html
    links = [
        (_HREF.search(link[1]), " ".join(TAG.sub(" ", link[2]).split()))
        for link in _LINK.finditer(html, element.inside, element.close)
    ]
    targets = [href[1] if href else None for href, _ in links]
    if not links or any(target and not target.startswith(("#", "javascript:")) for target in targets):
        return False
    if all(CONTROL_LABEL.fullmatch(label) or label.isdigit() for _, label in links):
        return False
    if all(target and f'id="{target[1:]}"' in html for target in targets):
        return not any(label and html.count(f">{label}<") > 1 for _, label in links[:2])
    around = (*islice(element.ancestors(), 2), *islice(element.descendants(), MOST_PARTS_ABOVE))
    if any(_TABS.search(part.attributes) for part in around) or all(target is None for target in targets):
        return True
    if has_panels(element, len(links)):
        return True
    is_list = len(links) >= FEWEST_OF_COLUMN and any(part.name in ("ul", "ol") for part in around)
    if not is_list or 2 * sum(COMMAND.fullmatch(label) is not None for _, label in links) >= len(links):
        return False
    return SENTENCE.search(html, max(0, element.start - NEAR_SENTENCE), element.start) is not None


def _share_outside(tree: PageTree, element: Element) -> float:
    """Share of linked characters from which on an element before the first or after the last sentence is a group of links."""
    is_short = element.links > 1 and element.text - element.linked <= LONGEST_REST
    if not (is_short or element.name == "table") or 2 * element.linked < element.text:
        return LINK_SHARE
    if has_heading(element) or tree.has_sentence(element) or _has_title_beside(tree, element):
        return LINK_SHARE
    return LINK_SHARE_OUTSIDE


def _is_labeled(tree: PageTree, element: Element) -> bool:
    """True for a fact, a label with a colon before its link or an address that is shown, perhaps behind a sign, unless the label
    announces other pages."""
    fact = _LABEL.match(tree.html, element.inside, element.close)
    return fact is not None and not LINKS_HEADING.fullmatch(fact[1] or "")


def _has_title_beside(tree: PageTree, element: Element) -> bool:
    """True for words beside links that announce no links: the title of a page between controls."""
    if element.own[0] <= element.own[1] or element.close - element.inside > LONGEST_BAR:
        return False
    rest = " ".join(TAG.sub(" ", _WHOLE_LINK.sub("", tree.html[element.inside : element.close])).split())
    return bool(_WORDS.fullmatch(rest)) and not LINKS_HEADING.fullmatch(rest)


def _is_announced(tree: PageTree, before: Element | None, element: Element) -> bool:
    """True for a block below a heading or another block, unless it is the way to the page."""
    if element.name not in _BLOCKS or before is None or before.name not in _ANNOUNCING:
        return False
    return not _TRAIL.search(tree.html, element.inside, element.close)


def _is_part_of_line(tree: PageTree, element: Element) -> bool:
    """True where text precedes or follows links that bars set apart: ``출처: 가 | 나 | 다``."""
    before = tree.html[max(0, element.start - NEAR_RUN) : element.start].rstrip(_BARS)
    after = tree.html[element.end : element.end + NEAR_RUN].lstrip(_BARS)
    return before[-1:] not in ("", ">") or after[:1] not in ("", "<")


def _is_inside_part(element: Element) -> bool:
    """True for the contents of an item, a definition or a cell of a table of data, which is judged as a whole, and of a toctree."""
    if is_listing(element):
        return True
    parent = element.parent
    while parent is not None and parent.name in ("p", "div") and len(parent.children) == 1:
        if is_listing(parent):
            return True
        parent = parent.parent
    if parent is None or parent.name in ("li", "dd"):
        return parent is not None
    table = next((above for above in parent.ancestors() if above.name == "table"), None)
    return parent.name in ("td", "th") and table is not None and _has_facts(table)


def _has_articles(before: Element | None, element: Element) -> bool:
    """True for cards below a paragraph, such as the pages of a chapter."""
    is_below = before is not None and before.name in _ANNOUNCING
    return is_below and any(child.name == "article" for child in element.children[:1])


def _has_captions(element: Element) -> bool:
    """True for pictures whose captions are links and all of the text."""
    captions = [part for part in islice(element.descendants(), MOST_PARTS) if part.name == "figcaption"]
    return len(captions) > 1 and sum(part.text for part in captions) == element.text


def is_listing(element: Element) -> bool:
    """True for lists that Sphinx and DocBook name in the content, and for notes at its end."""
    return element.is_called(_LISTINGS)


def _has_facts(element: Element) -> bool:
    """True where a table with headings or a listing of chapters is in it."""
    return has_header_cells(element) or any(map(is_listing, islice(element.descendants(), MOST_PARTS)))


def has_header_cells(table: Element) -> bool:
    return any(part.name == "th" for part in islice(table.descendants(), MOST_PARTS))


def has_heading(element: Element) -> bool:
    return any(part.name in HEADINGS for part in islice(element.descendants(), MOST_PARTS))


def _is_above_heading(page: Page, element: Element) -> bool:
    """True for a menu of a page of links above its heading."""
    heading = max(page.around_heading, key=lambda above: above.start, default=page.first)
    return (
        heading is not None
        and element.end <= heading.start < 2 * len(page.tree.html) // 3
        and element.text <= min(LONGEST_LABEL * element.links, page.content.text // 2)
    )


def _is_row_of_layout(element: Element) -> bool:
    """True for a row of a table without a class, which arranged old pages, with the short links of a menu."""
    if element.linked > LONGEST_OF_MENU * element.links:
        return False
    tables = (parent for parent in element.ancestors() if parent.name == "table")
    return element.name == "tr" and all("class=" not in table.attributes for table in tables)


def _is_column_of_links(page: Page, element: Element) -> bool:
    """True for a cell of links beside one with sentences, the heading or more text, in a table that arranges the page."""
    row = element.parent
    if element.links < FEWEST_OF_COLUMN or element.prose or element.linked < LINK_SHARE * element.text:
        return False
    if row is None or row.parent is None or len(row.parent.children) > MOST_ROWS_OF_LAYOUT:
        return False
    return any(
        cell.prose or cell in page.around_heading or cell.text >= 2 * element.text
        for cell in row.children
        if cell.name == "td"
    )
