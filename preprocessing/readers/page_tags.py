"""Finds what surrounds the main content by tags, roles and attributes; an element with most of the page's prose is content."""

from __future__ import annotations

import re

from preprocessing.readers.page_hidden import FIELD, is_hidden
from preprocessing.readers.page_labels import is_text_label
from preprocessing.readers.page_tabs import is_tab
from preprocessing.readers.page_tree import HEADINGS, Element, PageTree
from preprocessing.readers.page_words import (
    AGREEMENT,
    CALLOUTS,
    COMMAND,
    CONTROLLING_ROLES,
    LINE_NUMBERS,
    MENU_LABEL,
    ROLES,
    WINDOWS,
)

_CUT_TAGS = frozenset(("nav", "menu", "datalist", "map"))
_TAGS = frozenset(("aside", "dialog"))  # judged without attributes, too
_ATTRIBUTES = ("class=", "id=", "role=", "style=", "hidden")
CONTROL = re.compile(r"<(?:input|button|form)\b|\bonclick=")
_TEXT = re.compile(r">[^<>]*[^<>\s]")
_NUMBERS = re.compile(r"(?:[0-9\s]|<[^<>]*>|&nbsp;)+")
_NAMED = re.compile(r"accord|faq|question|collaps|=\"[^\"]*\btab|(?:\bdata-(?:bs-)?| )tab", re.IGNORECASE)
_LANGUAGE = re.compile(r" hreflang=\"?([\w-]+)")
_LISTS = frozenset(("dl", "li", "table"))
_CELLS = frozenset(("li", "td", "th", "dt", "dd", "summary", *HEADINGS))

MOST = 0.4  # share of the page's prose that no element with a suspicious name contains
MOST_IF_SURE = 0.9  # the same for comments and names that are sure
LEAST_PROSE = 80  # characters of prose of a page from which shares of it show where the content is
LONGEST_LABEL = 5000  # characters of HTML that are searched
FEWEST_LABELS = 3  # buttons beside each other
MOST_LABELS = 20  # elements beside each other in which they are searched
FEWEST_REPEATS = 5  # buttons of one label
FEWEST_LANGUAGES = 3
LONGEST_LANGUAGE = 30  # characters beside their links
LEAST_CARD = 20  # characters of a button of several texts that is content


def is_cut_by_tag(tree: PageTree, element: Element, is_inside: bool) -> bool:
    """True for tags, roles and attributes of surroundings, and for what the page does not show."""
    name, page = element.name, tree.elements[0]
    if name in _CUT_TAGS:  # nav that is never closed contains the page
        is_menu = 2 * element.linked > element.text and element.prose < LEAST_PROSE
        return name != "nav" or is_menu or not has_most(element, page, MOST)
    if name in ("button", "label"):
        return not (_is_text(tree, element) or has_most(element, page, MOST))
    if _is_line_numbers(tree, element):
        return True
    is_edge = (name == "footer" and (element.links > 0 or not is_inside)) or (
        name == "header" and not is_inside
    )
    if not is_edge and not any(map(element.attributes.__contains__, _ATTRIBUTES)) and name not in _TAGS:
        return False
    if is_hidden(tree, element) and not has_most(element, page, MOST_IF_SURE):  # else a script shows it
        return True
    if has_most(element, page, MOST_IF_SURE if is_edge else MOST):
        return False
    if name == "aside":
        is_callout = element.is_called(CALLOUTS)
        return not (is_callout or (is_inside and (_is_remark(tree, element) or _has_facts(tree, element))))
    if name == "dialog" or element.get("role") in WINDOWS:
        return not _is_read(tree, element)
    role = element.get("role")
    if role in CONTROLLING_ROLES:
        return not tree.has_sentence(element)
    return is_edge or role in ROLES or (role == "complementary" and not _is_remark(tree, element))


def is_choice_of_language(tree: PageTree, element: Element) -> bool:
    """True for links to the same page in other languages, all but one of which say in which; each language once."""
    if element.links < FEWEST_LANGUAGES or element.text - element.linked > LONGEST_LANGUAGE:
        return False
    languages = _LANGUAGE.findall(tree.html, element.inside, element.close)
    return len(set(languages)) == len(languages) >= element.links - 1


def _is_line_numbers(tree: PageTree, element: Element) -> bool:
    """True for the column of numbers beside the lines of code."""
    is_named = element.is_called(LINE_NUMBERS)
    return is_named and _NUMBERS.fullmatch(tree.html, element.inside, element.close) is not None


def _is_text(tree: PageTree, element: Element) -> bool:
    """True for a button or label that is text of the page: sentences, a card, a title of what it folds, a tab, a choice, a cell."""
    if AGREEMENT.search(tree.text_of(element)):
        return False
    if element.prose > 0 or _NAMED.search(element.attributes):
        return True
    if element.name == "label":
        return is_text_label(tree, element)
    texts = _TEXT.findall(tree.html, element.inside - 1, min(element.close, element.inside + LONGEST_LABEL))
    if len(texts) > 1 and element.text >= LEAST_CARD:
        return True
    parent = element.parent
    if parent is None or is_tab(tree, element):
        return parent is not None
    if COMMAND.fullmatch(tree.text_of(element)):
        return False
    if parent.name == "li" and tree.count_buttons(tree.text_of(element)) >= FEWEST_REPEATS:
        return False  # the same of each item
    return parent.name in _CELLS or _is_one_of_labels(tree, parent)


def _is_one_of_labels(tree: PageTree, parent: Element) -> bool:
    """True for an element whose first parts are several buttons that name no command, such as the subjects of books."""
    buttons = [part for part in parent.children[:MOST_LABELS] if part.name == "button" and part.text]
    if len(buttons) < FEWEST_LABELS:
        return False
    texts = (tree.text_of(button) for button in buttons)
    return not any(COMMAND.fullmatch(text) or MENU_LABEL.fullmatch(text) for text in texts)


def _is_remark(tree: PageTree, element: Element) -> bool:
    """True for sentences with few links beside the text of the page."""
    return 2 * element.linked < element.text and tree.has_sentence(element)


def _is_read(tree: PageTree, element: Element) -> bool:
    """True for a window with sentences and nothing to fill in."""
    return tree.has_sentence(element) and not FIELD.search(tree.html, element.inside, element.close)


def _has_facts(tree: PageTree, aside: Element) -> bool:
    """True for a list below a heading beside an article, with few links and nothing to press."""
    names = {part.name for part in aside.descendants() if part.text}
    is_list = (
        not names.isdisjoint(HEADINGS) and not names.isdisjoint(_LISTS) and 2 * aside.linked < aside.text
    )
    return is_list and not CONTROL.search(tree.html, aside.inside, aside.close)


def has_most(element: Element, page: Element, share: float) -> bool:
    """True for an element with more than a share of the page's prose; where that is a line or two, also of its text."""
    if element.prose <= share * page.prose:
        return False
    return page.prose >= LEAST_PROSE or element.text > share * page.text
