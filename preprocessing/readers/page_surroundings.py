"""Cuts what surrounds the main content of a page: navigation, side bars, comments, hidden text.

Tags, roles and hidden text are sure. A name is one kind of evidence and needs another one: links, controls to press, or a place
before the first or after the last sentence of the page. Names that are never given to content need no other one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from preprocessing.readers.page_excerpts import has_cards, introduces
from preprocessing.readers.page_headings import keep_introduction
from preprocessing.readers.page_hidden import is_above_page, is_policy_popup
from preprocessing.readers.page_replies import keep_replies
from preprocessing.readers.page_tags import LEAST_PROSE, MOST, MOST_IF_SURE, has_most, is_cut_by_tag
from preprocessing.readers.page_tree import HEADINGS, Element, PageTree, sum_texts, weight_of
from preprocessing.readers.page_words import (
    CALLOUTS,
    COMMENTS,
    CONTACT,
    CONTENT,
    CONTROLS,
    DISCUSSION,
    HEADERS,
    LOGINS,
    MARKING,
    OFFERS,
    OTHER_PAGES,
    PLACES,
    SURE,
    WHOLE_NAMES,
    names_own,
)

_DISCUSSION = re.compile(r"schema\.org/(?:QAPage|DiscussionForumPosting|Question|Answer)\b")
_CELLS = frozenset(("li", "dt", "dd", "tr", "th", "td", "thead", "caption"))
_CONTROL = re.compile(r"<(?:input|button|form)\b|\bonclick=")

LINKS_OF_INDEX = 0.5  # share of linked characters in the text of a page of links
LINKS_WITHOUT_PROSE = 0.3  # the same where no text is long enough for prose
REST_OF_INDEX = (
    0.3  # text that remains in the content, relative to a list cut from it, up to which the list is content
)
LONGEST_BANNER = 20  # characters below the last sentence
LEAST = 0.15  # share of the page's text that remains without its surroundings
LEAST_OF_LINKS = 0.05  # the same for a page of links, whose menus are long
SHORT_PAGE = 4000  # weight of a page for which this share is computed at most


def cut_surroundings(tree: PageTree, around_heading: set[Element]) -> None:
    """Marks what surrounds the main content; elements around the heading of the page stay.

    Where names would leave too little, only tags and roles count.
    """
    page = tree.elements[0]
    all_characters = page.text
    tagged, named, rest = _cut_by_tags(tree, around_heading)
    sum_texts(tree.elements)
    run = _find_run(tree, named)
    cut, lists, discussion = [], {}, {}
    for element in tree.elements[1:]:
        if element.is_cut or (element.parent is not None and element.parent.is_cut):
            element.is_cut = True
        elif element in named:
            element.is_cut = _is_cut_by_name(tree, element, run)
            if element.is_cut and element.start < run[0] and not HEADERS.isdisjoint(_own_words(element)):
                element.is_cut = not keep_introduction(tree, element, bool(around_heading))
            if element.is_cut:
                cut.append(element)
            if element.is_cut and _is_comment(element):
                discussion[element] = weight_of(element)
            elif element.is_cut and element.links > 1 and 2 * element.linked > element.text:
                lists[element] = element.text
    sum_texts(tree.elements)
    if discussion and keep_replies(tree, discussion, around_heading):
        discussion = {element: weight for element, weight in discussion.items() if element.is_cut}
    _keep_lists_of_content(tree, lists, tagged)
    if is_page_of_links(page) and page.text - page.own[0] >= LEAST_OF_LINKS * all_characters:
        return
    if weight_of(page) < LEAST * max(rest - sum(discussion.values()), min(rest, SHORT_PAGE)):
        _keep(tree, cut, tagged)


def is_page_of_links(page: Element) -> bool:
    """True where links have most of the text that remains: a directory, a table of contents, an index."""
    text = page.text - page.own[0]  # without the title
    share = LINKS_OF_INDEX if page.prose else LINKS_WITHOUT_PROSE
    return page.links > 2 and page.linked >= max(share * text, page.prose)


def _keep_lists_of_content(tree: PageTree, lists: dict[Element, int], tagged: set[Element]) -> None:
    """Keeps a list of links with the name of surroundings that is nearly all of the content, such as a table of contents."""
    kept = []
    for element, text in lists.items():
        content = next((parent for parent in element.ancestors() if _is_content(parent)), None)
        if content is not None and not content.is_cut and content.text <= REST_OF_INDEX * text:
            kept.append(element)
    if kept:
        _keep(tree, kept, tagged)


def _keep(tree: PageTree, elements: Iterable[Element], tagged: set[Element]) -> None:
    for element in elements:
        for inner in element.descendants():
            inner.is_cut = inner in tagged
    sum_texts(tree.elements)


def _is_content(element: Element) -> bool:
    if element.name in ("main", "article") or element.get("role") == "main":
        return True
    return element.name in ("div", "section", "td") and any(
        words[-1] in CONTENT for words in element.names if names_own(words)
    )


# --- tags ------------------------------------------------------------------------------------------------


def _is_header(element: Element) -> bool:
    return element.name == "header" or element.get("role") == "banner"


def _cut_by_tags(tree: PageTree, around_heading: set[Element]) -> tuple[set[Element], set[Element], int]:
    """Marks elements by tags, roles and attributes, and policies in popups.

    Returns them with all that is in them, those that have a name to judge, and the weight of the page without policies.
    """
    weight, has_heading = weight_of(tree.elements[0]), bool(around_heading)
    has_discussion = bool(_DISCUSSION.search(tree.html)) or any(
        not DISCUSSION.isdisjoint(words) for element in tree.elements[:4] for words in element.names
    )
    around_main: set[Element] = set()
    for main in (element for element in tree.elements if element.name == "main"):
        around_main.update((main, *main.ancestors()))
    tagged: set[Element] = set()
    named: set[Element] = set()
    inside: set[Element] = set()  # of an article or main element
    for element in tree.elements[1:]:
        parent = element.parent
        if element.is_cut or (parent is not None and parent.is_cut):
            element.is_cut = True
            tagged.add(element)
            continue
        if parent in inside or element.name in ("article", "main") or element.get("role") == "main":
            inside.add(element)
        if element in around_heading or element in around_main or element.name in ("html", "body"):
            continue
        is_popup = bool(element.names) and is_policy_popup(tree, element)
        weight -= weight_of(element) if is_popup else 0
        if is_popup or is_cut_by_tag(tree, element, parent in inside):
            element.is_cut = (
                is_popup or not _is_header(element) or not keep_introduction(tree, element, has_heading)
            )
            if element.is_cut:
                tagged.add(element)
        elif element.text and is_named(element) and not (has_discussion and _is_comment(element)):
            named.add(element)
    return tagged, named, weight


# --- names -----------------------------------------------------------------------------------------------


def is_named(element: Element) -> bool:
    """True for an element with a name of surroundings; cells and items without links have only a place or a kind."""
    if element.name in ("button", "label") or not element.names:
        return False
    if _is_comment(element):
        return True
    words = _own_words(element)
    if (element.name in _CELLS and not element.links) or (
        element.name == "aside" and not CALLOUTS.isdisjoint(words)
    ):
        return False
    return not (words.isdisjoint(MARKING) and WHOLE_NAMES.isdisjoint(element.whole_names))


def _own_words(element: Element) -> set[str]:
    return {word for name in element.names if names_own(name) for word in name}


def _is_comment(element: Element) -> bool:
    """True for names of comments; a paragraph with such a name is a caption or a remark."""
    return element.name != "p" and not COMMENTS.isdisjoint(_own_words(element))


def _find_run(tree: PageTree, named: set[Element]) -> tuple[int, int]:
    """From the first to the last sentence that is neither cut nor named; the whole page where names have most sentences."""
    around: dict[Element, bool] = {}  # whether a name is sure or one of comments
    starts, prose, in_named = [], 0, 0
    for element in tree.elements:
        if element.parent in around:
            around[element] = around[element.parent]
        elif element in named:
            around[element] = _is_sure(element) or _is_comment(element)
        elif element.own[2] and not element.is_cut:
            starts.append(element.start)
            prose += element.own[2]
        if not around.get(element, True) and not element.is_cut:
            in_named += element.own[2]
    if in_named > max(prose, LEAST_PROSE):
        return -1, len(tree.html)
    return (starts[0], starts[-1]) if starts else (0, 0)


def _is_sure(element: Element) -> bool:
    words = _own_words(element)
    return element.name != "p" and not SURE.isdisjoint(words) and CONTENT.isdisjoint(words)


def _is_cut_by_name(tree: PageTree, element: Element, run: tuple[int, int]) -> bool:
    """True for a name of surroundings and other evidence of them."""
    words = _own_words(element) & MARKING | WHOLE_NAMES.intersection(element.whole_names)
    is_comment, is_sure = _is_comment(element), _is_sure(element)
    is_weak = words <= PLACES | OFFERS | OTHER_PAGES
    is_form, is_above = is_comment or not LOGINS.isdisjoint(words), is_above_page(element)
    share = MOST_IF_SURE if is_sure or is_comment or (is_form and is_above) else MOST
    if has_most(element, tree.elements[0], share):
        return False
    if words <= OTHER_PAGES and _is_introduced(tree, element):
        return False
    is_between = run[0] < element.start < run[1]
    if is_sure:
        return not (is_between or _is_of_item(element)) or not _has_facts(tree, element)
    if is_comment and element.start < run[0] and not element.links:
        return False  # comments follow
    if element.links and 2 * element.linked > element.text:
        return not (has_cards(tree, element) and (is_between or not words <= OTHER_PAGES) and not is_comment)
    if is_comment and element.links:
        return True
    if not element.prose and not words.isdisjoint(CONTROLS):
        return True
    is_text = tree.has_sentence(element)
    if (is_form or not (is_weak or is_text)) and _CONTROL.search(tree.html, element.inside, element.close):
        return True
    if is_between:
        return False
    if is_comment:
        return True
    if words <= OFFERS or (is_weak and not element.links):
        is_line = element.text <= LONGEST_BANNER and not any(
            part.name in HEADINGS for part in element.descendants()
        )
        return is_line and words <= OFFERS and element.start > run[1]
    return not is_text or (element.links > 0 and element.prose < max(2 * element.linked, element.text / 2))


def _is_of_item(element: Element) -> bool:
    """True for the end of an item or a post, which is no end of the page."""
    return any(above.name in ("li", "article") for above in element.ancestors())


def _has_facts(tree: PageTree, element: Element) -> bool:
    """True for prose with few links that is no address."""
    is_prose = element.prose > 0 and 2 * element.linked < element.text
    return is_prose and not CONTACT.search(tree.text_of(element))


def _is_introduced(tree: PageTree, element: Element) -> bool:
    """True where a heading with a sentence begins it: what a shop or an agency recommends on its own page."""
    parts = [child for child in element.children if child.text and not child.is_cut]
    return len(parts) > 1 and introduces(tree, parts[0], parts[1])
