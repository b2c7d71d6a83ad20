"""Cuts what surrounds the main content of a page, by tags, roles and names: navigation, side bars, comments, hidden text."""

from __future__ import annotations

import re

from preprocessing.readers.page_hidden import is_above_page, is_hidden, is_policy_popup
from preprocessing.readers.page_replies import keep_replies
from preprocessing.readers.page_tree import HEADINGS, Element, PageTree, sum_texts, weight_of
from preprocessing.readers.page_words import (
    CALLOUTS,
    COMMENTS,
    CONTENT,
    CONTROLS,
    DISCUSSION,
    LISTINGS,
    NAVIGATION,
    NOTICES,
    OFFERS,
    OFFICES,
    OTHER_PAGES,
    PLACES,
    ROLES,
    SURE,
    SURROUNDINGS,
    TAGS,
    WHOLE_NAMES,
    names_own,
)

_CUT_TAGS = frozenset(("nav", "dialog", "menu", "datalist", "map"))
_ATTRIBUTES = ("class=", "id=", "role=", "style=", "hidden")
_DISCUSSION = re.compile(r"schema\.org/(?:QAPage|DiscussionForumPosting|Question|Answer)\b")
_ANSWERED = re.compile(r"accord|faq|question|collaps", re.IGNORECASE)
_MARKING = NAVIGATION | SURROUNDINGS | OTHER_PAGES
_MENUS = NAVIGATION | LISTINGS
_OF_LINKS = OTHER_PAGES  # mark lists of links
_CELLS = frozenset(("li", "dt", "dd", "tr", "th", "td", "thead", "caption"))
_BESIDE = frozenset(("aside", "side"))  # mark what is beside: facts and figures, too

MOST = 0.4  # share of the page's prose that no element with a suspicious name contains
MOST_IF_SURE = 0.9  # the same for comments and names that are sure
LEAST_PROSE = 80  # characters of prose from which on its shares say where the content is
LARGEST_PART = 0.6  # share of the page's prose in one of its parts
LEAST_SENTENCE = 25  # characters of prose without links that no name of a place cuts
LONGEST_OFFICE = 120  # characters of who is in charge of a page
LINKS_OF_INDEX = 0.5  # share of linked characters in the text of a page of links
LINKS_WITHOUT_PROSE = 0.3  # the same where no text is long enough for prose
REST_OF_INDEX = (
    0.3  # text of the content beside a list of links, relative to the list, that makes a page of links
)
LEAST = 0.15  # share of the page's text that remains without its surroundings
LEAST_OF_LINKS = 0.05  # the same for a page of links, whose menus are long
SHORT_PAGE = 4000  # weight of a page for which this share is computed at most


def cut_surroundings(tree: PageTree, around_heading: set[Element]) -> None:
    """Marks what surrounds the main content; elements around the heading of the page stay.

    Blocks of prose that only their names cut stay where they have more prose than the rest of the page: what has most of the
    sentences does not surround anything. Where names would leave too little, only tags and roles count.
    """
    page = tree.elements[0]
    all_text, all_characters = weight_of(page), page.text
    named: dict[Element, int] = {}
    prose: dict[Element, int] = {}
    discussion: dict[Element, int] = {}
    popups = _mark(tree, around_heading, named, prose, discussion)
    above = sum(popups.values())
    sum_texts(tree.elements)
    if discussion and keep_replies(tree, discussion, around_heading):
        discussion = {element: weight for element, weight in discussion.items() if element.is_cut}
    comments = sum(discussion.values())
    _keep_lists_of_content(tree, named)
    if sum(count for element, count in prose.items() if element.is_cut) > page.prose:
        _keep(tree, list(prose))
    if is_page_of_links(page) and page.text - page.own[0] >= LEAST_OF_LINKS * all_characters:
        return
    if weight_of(page) >= LEAST * max(all_text - above - comments, min(all_text - above, SHORT_PAGE)):
        return
    for element in tree.elements:
        element.is_cut = element in popups
    sum_texts(tree.elements)
    _mark(tree, around_heading, None, {}, {})
    sum_texts(tree.elements)


def is_page_of_links(page: Element) -> bool:
    """True where links have most of the text that remains: a directory, a table of contents, an index."""
    text = page.text - page.own[0]  # without the title
    share = LINKS_OF_INDEX if page.prose else LINKS_WITHOUT_PROSE
    return page.links > 2 and page.linked >= max(share * text, page.prose)


def _keep_lists_of_content(tree: PageTree, named: dict[Element, int]) -> None:
    """Keeps a list of links with the name of surroundings that is nearly all of the content, such as a table of contents."""
    kept = []
    for element, text in named.items():
        content = next((parent for parent in element.ancestors() if _is_content(parent)), None)
        if content is not None and not content.is_cut and content.text <= REST_OF_INDEX * text:
            kept.append(element)
    if kept:
        _keep(tree, kept)


def _keep(tree: PageTree, elements: list[Element]) -> None:
    for element in elements:
        for inner in element.descendants():
            inner.is_cut = False
    sum_texts(tree.elements)


def _is_content(element: Element) -> bool:
    if element.name in ("main", "article") or element.get("role") == "main":
        return True
    return element.name in ("div", "section", "td") and any(
        words[-1] in CONTENT for words in element.names if names_own(words)
    )


def _mark(
    tree: PageTree,
    around_heading: set[Element],
    named: dict[Element, int] | None,
    prose: dict[Element, int],
    discussion: dict[Element, int],
) -> dict[Element, int]:
    """Marks elements; returns the policies in popups with their weight.

    ``named`` receives the lists of links that only their name cut, with their text; None where names do not count.
    ``prose`` receives the blocks of prose that only their name cut, with their prose, ``discussion`` the comments with their weight.
    """
    page, popups = tree.elements[0], {}
    has_discussion = bool(_DISCUSSION.search(tree.html)) or any(
        not DISCUSSION.isdisjoint(words) for element in tree.elements[:4] for words in element.names
    )
    inside: set[Element] = set()  # of an article or main element
    for element in tree.elements[1:]:
        parent = element.parent
        if parent is not None and parent.is_cut:
            element.is_cut = True
            continue
        if parent in inside or element.name in ("article", "main") or element.get("role") == "main":
            inside.add(element)
        if element in around_heading or element.name in ("html", "body", "main"):
            continue
        if _is_cut_by_tag(tree, element, parent in inside):
            element.is_cut = True
        elif named is not None and element.names and not (has_discussion and _is_comment(element)):
            is_popup = is_policy_popup(tree, element)
            element.is_cut = is_popup or _is_cut_by_name(element, page)
            if element.is_cut and element.links > 1 and 2 * element.linked > element.text:
                named[element] = element.text
            if is_popup:
                popups[element] = weight_of(element)
            elif element.is_cut and _is_comment(element):
                discussion[element] = weight_of(element)
            elif element.is_cut and _is_block_of_prose(element):
                prose[element] = element.prose
    return popups


def _is_cut_by_tag(tree: PageTree, element: Element, is_inside: bool) -> bool:
    """True for tags, roles and attributes of surroundings, and for what the page does not show."""
    name, page = element.name, tree.elements[0]
    if name in _CUT_TAGS:  # nav that is never closed contains the page
        return name != "nav" or not has_most(element, page, MOST)
    if name in ("button", "label"):
        is_text = name == "button" and element.prose >= LEAST_SENTENCE and tree.has_sentence(element)
        return not (is_text or _is_title_of_fold(element) or has_most(element, page, MOST))
    is_edge = name == "footer" or (name == "header" and not is_inside and not _is_introduction(element))
    if not is_edge and not any(map(element.attributes.__contains__, _ATTRIBUTES)) and name != "aside":
        return False
    if is_hidden(element) and not has_most(element, page, MOST_IF_SURE):  # else a script shows it
        return True
    if has_most(element, page, MOST_IF_SURE if is_edge else MOST):
        return False
    if name == "aside":
        return all(CALLOUTS.isdisjoint(words) for words in element.names)
    return is_edge or element.get("role") in ROLES


def _is_introduction(element: Element) -> bool:
    """True for a header with prose and without links, which belongs to the content below it."""
    return element.prose > 0 and not element.links


def _is_title_of_fold(element: Element) -> bool:
    """True for a button or label that is a heading, a question or a term, which folds what follows."""
    if element.parent is not None and element.parent.name in (*HEADINGS, "summary", "dt"):
        return True
    return "class=" in element.attributes and bool(_ANSWERED.search(element.attributes))


def has_most(element: Element, page: Element, share: float) -> bool:
    """True for an element with more than a share of the page's prose; where that is a line or two, also of its text."""
    if element.prose <= share * page.prose:
        return False
    return page.prose >= LEAST_PROSE or element.text > share * page.text


def _is_comment(element: Element) -> bool:
    """True for names of comments; a paragraph with such a name is a caption or a remark."""
    return element.name != "p" and not COMMENTS.isdisjoint(_own_words(element))


def _is_block_of_prose(element: Element) -> bool:
    """True for more prose than links, whose name may mislead; layers above the page and sure names do not."""
    is_misleading = not is_above_page(element) and not _is_sure(_own_words(element))
    return element.prose > max(element.linked, LEAST_PROSE) and is_misleading


def _own_words(element: Element) -> set[str]:
    return {word for name in element.names if names_own(name) for word in name}


def _is_sure(words: set[str]) -> bool:
    return not SURE.isdisjoint(words) and CONTENT.isdisjoint(words)


def _is_cut_by_name(element: Element, page: Element) -> bool:
    if element.name in ("button", "label"):
        return False  # judged by its tag
    words = _own_words(element)
    is_sure = _is_sure(words)
    is_comment = not COMMENTS.isdisjoint(words) and element.name != "p"
    if has_most(element, page, MOST_IF_SURE if is_sure or is_comment else MOST):
        return False
    if element.name == "aside" and not CALLOUTS.isdisjoint(words):
        return False
    is_text = element.prose >= max(LEAST_SENTENCE, 4 * element.linked) and 2 * element.prose >= element.text
    marks = words & (NOTICES if is_text and element.name == "p" else _MARKING)
    if not element.links or element.prose > 2 * element.linked:
        marks -= OFFERS
    if is_text and not element.links:
        marks -= CONTROLS
    if element.text > LONGEST_OFFICE:
        marks -= OFFICES
    if marks <= _MENUS and not is_sure and element.prose > max(2 * element.linked, LEAST_PROSE):
        marks = frozenset()  # no menu has sentences
    if not element.links and (
        marks <= _BESIDE or (marks <= _OF_LINKS and (element.prose or marks.isdisjoint(TAGS)))
    ):
        marks = frozenset()
    if is_comment or marks:
        return True
    is_inside = is_text or _is_in_part(element, page)
    return not (WHOLE_NAMES - PLACES if is_inside else WHOLE_NAMES).isdisjoint(element.whole_names)


def _is_in_part(element: Element, page: Element) -> bool:
    """True for text without links in a list, in a table, or in a block with some of the sentences of the page, not most."""
    parent = element.parent
    if element.links or parent is None:
        return False
    return element.name in _CELLS or element.prose < parent.prose < LARGEST_PART * page.prose
