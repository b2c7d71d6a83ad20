"""Cuts groups in the content of a page: links to other pages, notices, comments."""

from __future__ import annotations

from itertools import islice

from preprocessing.readers.page_excerpts import (
    LONGEST_INTRODUCTION,
    MOST_PARTS,
    has_sources,
    is_row,
    is_title_of,
)
from preprocessing.readers.page_links import (
    Page,
    has_heading,
    is_listing,
    is_tabs,
    leads_elsewhere,
    leads_nowhere,
)
from preprocessing.readers.page_tags import CONTROL, MOST
from preprocessing.readers.page_tree import HEADINGS, Element, PageTree
from preprocessing.readers.page_words import (
    COMMENTS_HEADING,
    CONTACT,
    CONTENTS,
    LICENSE_HEADING,
    LINKS_HEADING,
    LONGEST_NOTICE,
    is_notice,
)

_FACTS = frozenset(("td", "dl", "dt", "dd", "ul", "ol", "li"))
_NO_NOTICES = frozenset(("table", "thead", "tbody", "tfoot", "tr", "figure", "figcaption"))

LONGEST_HEADING = 60
NEAR_HEADING = 4  # blocks below a heading in which examples are searched


def cut_groups(tree: PageTree, around_heading: set[Element], of_links: bool) -> None:
    """Marks groups of links, notices, and what follows headings of other pages and comments; of a page of links not the groups."""
    content = tree.elements[0]
    first = _first_heading(content)
    page = Page(tree, around_heading, of_links, _find_run(tree), first)
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


def _cut_children(page: Page, parent: Element) -> None:
    children = [child for child in parent.children if not child.is_cut and child.text]
    in_row = is_row(parent, children)
    before, until = None, ""  # the block above; the heading that ends comments or links, h7 for any
    in_links, lone = False, []  # articles that are cut for their links alone
    for n, child in enumerate(children):
        if child in page.around_heading or child.is_part:
            before, until = child, ""
            continue
        is_heading = child.name in HEADINGS
        if until and ((is_heading and child.name <= until) or (in_links and 2 * child.linked < child.text)):
            until = ""
        following = children[n + 1] if n + 1 < len(children) else None
        begins = "" if is_listing(parent) else _begins_other(page, child, following)
        if begins and any(_has_examples(page.tree, part) for part in children[n + 1 : n + 1 + NEAR_HEADING]):
            begins = ""  # a manual has a chapter about comments or tags
        if begins:
            is_whole = n == 0 and parent is not page.content and parent not in page.around_heading
            if is_whole and parent.prose <= MOST * page.content.prose:
                parent.is_cut = True
                return
            until, in_links = child.name if is_heading else "h7", begins == "links"
        in_other = bool(until) and child.prose <= MOST * page.content.prose
        is_title = following is not None and is_title_of(page.tree, following, child)
        child.is_part = is_title or (in_row and child.links == 1)
        may_be_other = not child.is_part and 2 * child.text < page.content.text
        is_other = may_be_other and (leads_elsewhere(page, before, child) or _is_remark(page, before, child))
        child.is_cut = bool(begins) or in_other or is_other
        if child.is_cut and child.name == "article" and not (begins or in_other):
            lone.append(child)
        before = None if child.is_cut else child
    articles = [child.is_cut for child in children if child.name == "article"]
    if 2 * sum(articles) < len(articles):
        for child in lone:  # among others that are kept
            child.is_cut, child.is_part = False, True


def _begins_other(page: Page, element: Element, following: Element | None) -> str:
    """``comments`` or ``links`` for a heading that they follow, else the empty text."""
    if element.text > LONGEST_HEADING or element.name in ("td", "th", "li", "dd"):
        return ""
    text = page.tree.text_of(element)
    if COMMENTS_HEADING.fullmatch(text):
        return "comments"
    if page.is_of_links or following is None or 2 * following.linked <= following.text:
        return ""
    if not LINKS_HEADING.fullmatch(text) or (" id=" in element.attributes and not CONTENTS.search(text)):
        return ""  # Markdown gives an id to the headings that an author wrote
    is_content = (
        is_listing(following)
        or has_sources(page.tree, following)
        or is_tabs(page, following)
        or leads_nowhere(page.tree, following)
    )
    return "" if is_content else "links"


def _has_examples(tree: PageTree, element: Element) -> bool:
    """True for code, and for a table with headings and nothing to fill in."""
    names = {part.name for part in islice(element.descendants(), MOST_PARTS)}
    return "pre" in names or ("th" in names and not CONTROL.search(tree.html, element.inside, element.close))


# --- notices --------------------------------------------------------------------------------------------


def _is_remark(page: Page, before: Element | None, element: Element) -> bool:
    """True for a notice."""
    if element.text > LONGEST_NOTICE or (element.name in ("ul", "ol", "dl") and element.prose):
        return False  # of a list the items are judged
    if element.name in _NO_NOTICES:
        return False  # of a table the cells are judged, where a registration is a fact; captions name the owner of a picture
    text = page.tree.text_of(element)
    if not is_notice(text) or _is_fact(page, before, element):
        return False
    above = page.tree.text_of(before) if before is not None else ""
    is_license = before is not None and before.name in HEADINGS and LICENSE_HEADING.fullmatch(above)
    return not (is_license or ("쿠키" in above and not is_notice(above)))


def _is_fact(page: Page, before: Element | None, element: Element) -> bool:
    """True for lists, cells and items between sentences or below other facts, and for what has a heading, whose parts are judged."""
    if element.name not in _FACTS:
        return has_heading(element)
    is_item = element.name in ("li", "dt", "dd")
    first = before if is_item else next((child for child in element.children if child.text), None)
    if (is_item or len(element.children) > 1) and first is not None and first.name in ("li", "dt", "dd"):
        text = page.tree.text_of(first)
        if not (CONTACT.search(text) or is_notice(text)):
            return True
    around = element.parent if is_item and element.parent is not None else element
    return around.start < page.run[1] and page.run[0] < around.end
