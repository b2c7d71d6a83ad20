"""Cuts groups in the content of a page: links to other pages, notices, comments, the posts before and after."""

from __future__ import annotations

import re
from itertools import islice
from typing import NamedTuple

from preprocessing.readers.page_excerpts import (
    LINK_SHARE,
    LINK_SHARE_OUTSIDE,
    LONGEST_INTRODUCTION,
    MOST_PARTS,
    has_cards,
    introduces,
    is_link_group,
    is_row,
    is_section,
    is_title_of,
)
from preprocessing.readers.page_surroundings import is_named
from preprocessing.readers.page_tags import MOST
from preprocessing.readers.page_tree import HEADINGS, RUN, Element, PageTree, weight_of
from preprocessing.readers.page_words import (
    BEFORE_AND_AFTER,
    COMMENTS_HEADING,
    LICENSE_HEADING,
    LINKS_HEADING,
    LONGEST_NOTICE,
    NAMES_NO_POST,
    SENTENCE,
    is_notice,
)

BLOCKS = frozenset(("table", "dl", "ul", "ol", "p", "pre", "blockquote"))
_FACTS = frozenset(("table", "tbody", "tr", "td", "dl", "dt", "dd", "ul", "ol", "li"))
_ANNOUNCING = frozenset((*HEADINGS, *BLOCKS)) - {"table"}
_BARS = " \n\t\u00a0|·ㆍ/"
_LISTINGS = frozenset(("toctree", "footnotes", "footnote", "references", "bibliography"))
_HOST = re.compile(r"href=\"https?://([^/\"]+)")
_TRAIL = re.compile(r"</a>\s*(?:&gt;|[›»])")  # the way from the first page to this one
_NONE = re.compile(r"없습니다\W*\Z")
_DATE = re.compile(r"(?:19|20)[0-9]{2}\s?[.\-/년]\s?[0-9]{1,2}")

CONTENT_SHARE = 0.6  # share of an element's weight in one child that is then the content
LEAST_OF_INDEX = 0.3  # share of a page of links in the content around its heading
LONGEST_HEADING = 60
LONGEST_LABEL = 12  # characters of a link in a menu above the heading, on average
LONGEST_OF_MENU = 40  # characters of a link in a menu, on average
NEAR_HEADING = 4  # blocks below a heading in which code is searched
MOST_SOURCES = 40
LONGEST_REST = 12  # characters beside links, such as "태그:" and commas
FEWEST_OF_COLUMN = 3  # links of a menu beside the content
MOST_ROWS_OF_LAYOUT = 4  # rows of a table that arranges the page
NEAR_RUN = 20  # characters of HTML on both sides of links that bars set apart


class _Page(NamedTuple):
    """What is known of a page while its groups are judged."""

    tree: PageTree
    content: Element
    around_heading: set[Element]
    is_of_links: bool
    """Whether linked text is the content."""
    run: tuple[int, int]
    """Where the first and the last sentence of the content begin."""
    first: Element | None
    """The heading with which the content begins."""


def cut_groups(tree: PageTree, around_heading: set[Element], of_links: bool) -> None:
    """Marks groups of links, notices, and what follows headings of other pages and comments; of a page of links not the groups."""
    content = tree.elements[0]
    first = _first_heading(content)
    page = _Page(tree, content, around_heading, of_links, _find_run(tree), first)
    pending = [content]
    while pending:
        parent = pending.pop()
        if not parent.is_cut and parent.name not in ("pre", "p", *HEADINGS):
            _cut_children(page, parent)
            if not parent.is_cut:
                pending += (child for child in parent.children if not child.is_part)
    if first is not None and not any(above.is_cut for above in first.ancestors()):
        first.is_cut = False  # it is of the page, not of what was cut below it


def _first_heading(content: Element) -> Element | None:
    """The heading with which the content begins, after a slogan at most and before most of the prose."""
    prose = 0
    for part in content.descendants():
        if not part.is_cut and part.name in HEADINGS:
            return part
        prose += 0 if part.is_cut else part.own[2]
        if prose > min(LONGEST_INTRODUCTION, content.prose // 2):
            return None
    return None


def _find_run(tree: PageTree) -> tuple[int, int]:
    """Where the first and the last sentence begin, notices aside."""
    parts = [part for part in tree.elements[0].descendants_uncut() if part.own[2]]
    while parts and is_notice(tree.text_of(parts[-1])):
        parts.pop()
    return (parts[0].start, parts[-1].start) if parts else (0, 0)


def _cut_children(page: _Page, parent: Element) -> None:
    children = [child for child in parent.children if not child.is_cut and child.text]
    in_row = is_row(parent, children)
    before, until = None, ""  # the block above; the heading that ends comments or links, h7 for any
    in_links = False
    for n, child in enumerate(children):
        if child in page.around_heading or child.is_part:
            before, until = child, ""
            continue
        is_heading = child.name in HEADINGS
        if until and ((is_heading and child.name <= until) or (in_links and 2 * child.linked < child.text)):
            until = ""
        following = children[n + 1] if n + 1 < len(children) else None
        begins = "" if _is_listing(parent) else _begins_other(page, child, following)
        if begins and any(map(_has_code, children[n + 1 : n + 1 + NEAR_HEADING])):
            begins = ""  # a manual has a chapter about comments or tags
        if begins:
            is_whole = n == 0 and parent is not page.content and parent not in page.around_heading
            if is_whole and parent.prose <= MOST * page.content.prose:
                parent.is_cut = True
                return
            until, in_links = child.name if is_heading else "h7", begins == "links"
        in_other = bool(until) and child.prose <= MOST * page.content.prose
        is_title = following is not None and is_title_of(following, child)
        child.is_part = is_title or (in_row and child.links == 1)
        may_be_other = not child.is_part and 2 * child.text < page.content.text
        child.is_cut = bool(begins) or in_other or (may_be_other and _is_other(page, before, child))
        before = None if child.is_cut else child
    _cut_empty_headings(children, parent)


def _begins_other(page: _Page, element: Element, following: Element | None) -> str:
    """``comments`` or ``links`` for a heading that they follow, else the empty text."""
    if element.text > LONGEST_HEADING or element.name in ("td", "th", "li", "dd"):
        return ""
    text = page.tree.text_of(element)
    if COMMENTS_HEADING.fullmatch(text):
        return "comments"
    if page.is_of_links or following is None or 2 * following.linked <= following.text:
        return ""
    is_other = LINKS_HEADING.fullmatch(text) and not (
        _is_listing(following) or _has_sources(page.tree, following)
    )
    return "links" if is_other else ""


def _is_other(page: _Page, before: Element | None, element: Element) -> bool:
    """True for a group of links that no block of the content announces, and for a notice."""
    tree, run = page.tree, page.run
    if element.name == RUN:
        return not (page.is_of_links or _is_inside_part(element) or _is_part_of_line(tree, element))
    is_between = run[0] < element.start < run[1]
    is_outside = not (is_between or _has_heading(element) or tree.has_sentence(element))
    is_short = element.name == "table" or (
        element.links > 1 and element.text - element.linked <= LONGEST_REST
    )
    share = LINK_SHARE_OUTSIDE if is_outside and is_short else LINK_SHARE
    is_judged = not page.is_of_links or _is_row_of_layout(element) or _is_above_heading(page, element)
    if is_judged and is_link_group(element, share):
        introduced = before is not None and introduces(tree, before, element)
        is_own = (is_section(tree, element) or _has_facts(element)) and not is_named(element)
        element.is_part = introduced or is_own or has_cards(tree, element)
        is_announced = element.name in BLOCKS and before is not None and before.name in _ANNOUNCING
        is_announced = is_announced and not _TRAIL.search(tree.html, element.inside, element.close)
        is_content = (
            (is_between and not is_named(element))
            or element.is_part
            or is_announced
            or _is_inside_part(element)
        )
        if not is_content and not (element.name == "p" and SENTENCE.search(tree.text_of(element))):
            return True
    if element.text > LONGEST_NOTICE or (element.name in ("ul", "ol", "dl", "table") and element.prose):
        return False  # of a list the items are judged
    if element.name == "td" and _is_column_of_links(page, element):
        return True
    if element.name == "table" and any(
        part.name == "th" for part in islice(element.descendants(), MOST_PARTS)
    ):
        return False
    text = tree.text_of(element)
    if _is_before_or_after(element, text):
        return True
    if not is_notice(text) or _is_fact(element, run):
        return False
    above = tree.text_of(before) if before is not None else ""
    is_license = before is not None and before.name in HEADINGS and LICENSE_HEADING.fullmatch(above)
    return not (is_license or ("쿠키" in above and not is_notice(above)))


def _is_fact(element: Element, run: tuple[int, int]) -> bool:
    """True for lists, tables and their parts between sentences, and for what has a heading, whose parts are judged."""
    if element.name in _FACTS:
        around = element.parent if element.name in ("li", "dt", "dd") and element.parent else element
        return around.start < run[1] and run[0] < around.end and run[0] <= element.end
    return _has_heading(element)


def _has_heading(element: Element) -> bool:
    return any(part.name in HEADINGS for part in islice(element.descendants(), MOST_PARTS))


def _is_before_or_after(element: Element, text: str) -> bool:
    """True for a row that names the post before or after: with a link, a date, or the remark that there is none."""
    if element.name in ("td", "th") or not BEFORE_AND_AFTER.fullmatch(text):
        return False
    if _NONE.search(text):
        return True
    return not NAMES_NO_POST.fullmatch(text) and (element.links > 0 or _DATE.search(text) is not None)


def _is_part_of_line(tree: PageTree, element: Element) -> bool:
    """True where text precedes or follows links that bars set apart: ``출처: 가 | 나 | 다``."""
    before = tree.html[max(0, element.start - NEAR_RUN) : element.start].rstrip(_BARS)
    after = tree.html[element.end : element.end + NEAR_RUN].lstrip(_BARS)
    return before[-1:] not in ("", ">") or after[:1] not in ("", "<")


def _is_inside_part(element: Element) -> bool:
    """True for the contents of an item, a definition or a cell of a table of data, which is judged as a whole, and of a toctree."""
    if _is_listing(element):
        return True
    parent = element.parent
    while parent is not None and parent.name in ("p", "div") and len(parent.children) == 1:
        if _is_listing(parent):
            return True
        parent = parent.parent
    if parent is None or parent.name in ("li", "dd"):
        return parent is not None
    table = next((above for above in parent.ancestors() if above.name == "table"), None)
    return parent.name in ("td", "th") and table is not None and is_data_table(table)


def _is_listing(element: Element) -> bool:
    """True for the chapters that Sphinx lists in the content, and for notes at its end."""
    return any(not _LISTINGS.isdisjoint(words) for words in element.names)


def _has_sources(tree: PageTree, element: Element) -> bool:
    """True for a list of links to several other sites, such as the sources of an article."""
    if element.name not in ("ul", "ol") or element.links > MOST_SOURCES:
        return False
    hosts = set(_HOST.findall(tree.html, element.inside, element.close))
    return len(hosts) > 1 and 2 * len(hosts) > element.links


def _has_code(element: Element) -> bool:
    return any(part.name == "pre" for part in islice(element.descendants(), MOST_PARTS))


def _has_facts(element: Element) -> bool:
    """True where a table with headings or a listing of chapters is in it."""
    return any(part.name == "th" or _is_listing(part) for part in islice(element.descendants(), MOST_PARTS))


def _is_above_heading(page: _Page, element: Element) -> bool:
    """True for a menu of a page of links above its heading."""
    heading = max(page.around_heading, key=lambda above: above.start, default=page.first)
    return (
        heading is not None
        and element.end <= heading.start < len(page.tree.html) // 3
        and element.text <= min(LONGEST_LABEL * element.links, page.content.text // 2)
    )


def _is_row_of_layout(element: Element) -> bool:
    """True for a row of a table without a class, which arranged old pages, with the short links of a menu."""
    if element.linked > LONGEST_OF_MENU * element.links:
        return False
    tables = (parent for parent in element.ancestors() if parent.name == "table")
    return element.name == "tr" and all("class=" not in table.attributes for table in tables)


def _is_column_of_links(page: _Page, element: Element) -> bool:
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


def _cut_empty_headings(children: list[Element], parent: Element) -> None:
    """Marks headings below which everything was cut up to the end of the parent."""
    has_cut = False
    for child in reversed(children):
        if child.is_cut:
            has_cut = True
        elif child.name in HEADINGS and has_cut:
            child.is_cut = True
        else:
            return


def is_data_table(element: Element) -> bool:
    """True for a table of data; a table that arranges the page has no headings and most of its text in one cell."""
    if element.name != "table":
        return False
    if any(child.name == "caption" for child in element.children):
        return True
    rows = [row for body in element.children for row in ([body] if body.name == "tr" else body.children)]
    if any(cell.name == "th" and cell.text for row in rows for cell in row.children):
        return True
    heaviest = max((weight_of(cell) for row in rows for cell in row.children if not cell.is_cut), default=0)
    return heaviest < CONTENT_SHARE * weight_of(element)
