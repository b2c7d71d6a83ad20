"""Finds what surrounds the main content by tags, roles and attributes; an element with most of the page's prose is content."""

from __future__ import annotations

import re

from preprocessing.readers.page_hidden import is_hidden
from preprocessing.readers.page_tree import HEADINGS, Element, PageTree
from preprocessing.readers.page_words import AGREEMENT, CALLOUTS, LINE_NUMBERS, ROLES

_CUT_TAGS = frozenset(("nav", "dialog", "menu", "datalist", "map"))
_ATTRIBUTES = ("class=", "id=", "role=", "style=", "hidden")
_TEXT = re.compile(r">[^<>]*[^<>\s]")
_NUMBERS = re.compile(r"[0-9\s]+")
_ANSWERED = re.compile(r"accord|faq|question|collaps", re.IGNORECASE)

MOST = 0.4  # share of the page's prose that no element with a suspicious name contains
MOST_IF_SURE = 0.9  # the same for comments and names that are sure
LEAST_PROSE = 80  # characters of prose of a page from which shares of it show where the content is
LONGEST_LABEL = 5000  # characters of HTML that are searched
LEAST_CARD = 20  # characters of a button of several texts that is content


def is_cut_by_tag(tree: PageTree, element: Element, is_inside: bool) -> bool:
    """True for tags, roles and attributes of surroundings, and for what the page does not show."""
    name, page = element.name, tree.elements[0]
    if name in _CUT_TAGS:  # nav that is never closed contains the page
        is_menu = 2 * element.linked > element.text and element.prose < LEAST_PROSE
        return name != "nav" or is_menu or not has_most(element, page, MOST)
    if name in ("button", "label"):
        is_text = element.prose > 0 or (name == "button" and _is_card(tree, element))
        is_text = is_text and not AGREEMENT.search(tree.html, element.inside, _end_of_label(element))
        return not (is_text or _is_title_of_fold(element) or has_most(element, page, MOST))
    if _is_line_numbers(tree, element):
        return True
    is_edge = (name == "footer" and (element.links > 0 or not is_inside)) or (
        name == "header" and not is_inside
    )
    if not is_edge and not any(map(element.attributes.__contains__, _ATTRIBUTES)) and name != "aside":
        return False
    if is_hidden(element) and not has_most(element, page, MOST_IF_SURE):  # else a script shows it
        return True
    if has_most(element, page, MOST_IF_SURE if is_edge else MOST):
        return False
    if name == "aside":
        return all(CALLOUTS.isdisjoint(words) for words in element.names)
    return is_edge or element.get("role") in ROLES


def _is_line_numbers(tree: PageTree, element: Element) -> bool:
    """True for the column of numbers beside the lines of code."""
    is_named = any(not LINE_NUMBERS.isdisjoint(words) for words in element.names)
    return is_named and _NUMBERS.fullmatch(tree.text_of(element)) is not None


def _is_card(tree: PageTree, element: Element) -> bool:
    """True for a button of several texts, such as a heading and a description."""
    texts = _TEXT.findall(tree.html, element.inside - 1, _end_of_label(element))
    return len(texts) > 1 and element.text >= LEAST_CARD


def _end_of_label(element: Element) -> int:
    return min(element.close, element.inside + LONGEST_LABEL)


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
