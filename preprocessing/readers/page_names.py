"""Judges elements by their names: a name is one kind of evidence of surroundings and needs another one.

The others are links, controls to press, and a place before the first or after the last sentence of the page. Names that are never
given to content need no other one.
"""

from __future__ import annotations

import re
from itertools import islice

from preprocessing.readers.page_excerpts import has_cards, has_titles
from preprocessing.readers.page_hidden import FIELD, is_above_page
from preprocessing.readers.page_links import (
    FEWEST_OF_COLUMN,
    MOST_ROWS_OF_LAYOUT,
    has_header_cells,
    has_heading,
)
from preprocessing.readers.page_listings import is_listing_of_facts
from preprocessing.readers.page_tags import CONTROL, LEAST_PROSE, MOST, MOST_IF_SURE, has_most
from preprocessing.readers.page_tree import HEADINGS, TEXT, Element, PageTree
from preprocessing.readers.page_words import (
    BUTTONS,
    CALLOUTS,
    CARDS,
    CATEGORIES,
    COMMAND,
    COMMENTS,
    CONSENT,
    CONTACT,
    CONTENT,
    CONTROLS,
    FEET,
    HEADERS,
    LISTS_OF_LINKS,
    LOGINS,
    MARKING,
    OFFERS,
    OTHER_PAGES,
    PLACES,
    REPLIES,
    SIDES,
    SLOTS,
    SURE,
    TABS,
    TITLES,
    WHOLE_NAMES,
    is_notice,
    names_own,
)

_CELLS = frozenset(("li", "dt", "dd", "tr", "th", "td", "thead", "tfoot", "caption"))
_ROWS = frozenset(("figcaption", "table"))
_DIGIT = re.compile(r"\d")
_TIME = re.compile(
    r"\d{2,4}\s?[-./]\s?\d{1,2}\s?[-./]\s?\d{1,2}|\d{1,2}:\d{2}|\d\s*(?:초|분|시간|일|주|개월|달|년)\s*전|\bago\b"
)
_COMMENTS = re.compile(r"(?:\s|<[^<>]*>){0,20}(?:댓글|덧글|독자\s*의견|comments?\b|leave\s+a)", re.IGNORECASE)

LEAST_LINKED = 8  # a part of the text of a menu without sentences is linked
MOST_AROUND_HEADING = 6  # elements around a heading
LONGEST_CONTROLS = 20000  # characters of HTML in which a control is searched


def is_named(tree: PageTree, element: Element) -> bool:
    """True for an element with a name of surroundings; cells and items without links, and of tables of data, have only a place or a kind."""
    if element.name in ("button", "label") or not element.names:
        return False
    words = _own_words(element)
    if not words.isdisjoint(TABS):
        return False
    marking = words & MARKING
    if element.name in HEADINGS and marking and marking <= OTHER_PAGES and not TITLES.isdisjoint(words):
        return False  # the title of a post in an archive
    if element.name == "table" and marking and marking <= OTHER_PAGES and has_header_cells(element):
        return False
    is_fact = element.name in _CELLS and _is_of_data(element, words)
    if is_comment(tree, element):
        return not (is_fact and element.name in ("td", "th"))
    if is_fact or (element.name == "aside" and not CALLOUTS.isdisjoint(words)):
        return False
    return not (words.isdisjoint(MARKING) and WHOLE_NAMES.isdisjoint(element.whole_names))


def _is_of_data(element: Element, words: set[str]) -> bool:
    """True for a cell, a term or an item with few links; one with more is a column of a table that arranges the page, or a list."""
    if element.links < FEWEST_OF_COLUMN:
        return not element.links or element.name != "li" or words & MARKING <= OTHER_PAGES
    table = element.parent.parent if element.parent and element.name in ("td", "th") else None
    return table is not None and len(table.children) > MOST_ROWS_OF_LAYOUT


def _own_words(element: Element) -> set[str]:
    return {word for name in element.names if names_own(name) for word in name}


def is_comment(tree: PageTree, element: Element) -> bool:
    """True for names of comments, and of replies that begin with a heading of comments; a paragraph with one is a caption or a remark."""
    if element.name == "p" or not element.names:
        return False
    words = _own_words(element)
    is_headed = not words.isdisjoint(REPLIES) and _COMMENTS.match(tree.html, element.inside) is not None
    return is_headed or not words.isdisjoint(COMMENTS)


def find_run(tree: PageTree, named: set[Element]) -> tuple[int, int]:
    """From the first to the last sentence that is neither cut nor named; the whole page where names have most sentences."""
    around: dict[Element, bool] = {}  # whether a name is sure or one of comments
    starts, prose, in_named = [], 0, 0
    for element in tree.elements:
        if element.parent in around:
            around[element] = around[element.parent]
        elif element in named:
            around[element] = has_sure_name(element) or is_comment(tree, element)
        elif element.own[2] and not element.is_cut:
            starts.append(element.start)
            prose += element.own[2]
        if not around.get(element, True) and not element.is_cut:
            in_named += element.own[2]
    if in_named > max(prose, LEAST_PROSE):
        return -1, len(tree.html)
    return (starts[0], starts[-1]) if starts else (0, 0)


def has_sure_name(element: Element) -> bool:
    words = _own_words(element)
    return element.name != "p" and not SURE.isdisjoint(words) and CONTENT.isdisjoint(words)


def is_cut_by_name(tree: PageTree, element: Element, run: tuple[int, int], is_headed: bool) -> bool:
    """True for a name of surroundings and other evidence of them; a page without a heading of its own lists other pages."""
    words = _own_words(element) & MARKING | WHOLE_NAMES.intersection(element.whole_names)
    of_comments, is_sure = is_comment(tree, element), has_sure_name(element)
    is_weak = words <= PLACES | OFFERS | OTHER_PAGES
    is_form, is_above = of_comments or not LOGINS.isdisjoint(words), is_above_page(element)
    share = MOST_IF_SURE if is_sure or of_comments or (is_form and is_above) else MOST
    if has_most(element, tree.elements[0], share):
        return False
    if words and words <= BUTTONS:
        return _has_only_commands(tree, element)
    is_between = run[0] < element.start < run[1]
    if is_between and not element.links and _is_heading(element):
        return False
    if is_between and element.links == 1 and words and words <= CATEGORIES:
        return False
    if words == {"consent"} and (text := tree.text_of(element)) and not CONSENT.search(text):
        return False
    if words and words <= SLOTS and is_listing_of_facts(tree, element):
        return False
    if is_sure:
        is_value = not element.links and _is_of_item(element) and _has_value(tree, element)
        if is_value and not _has_control(tree, element):
            return False
        is_own = is_between or _is_of_item(element) or _is_closing(tree, element)
        return not (is_own and _has_facts(tree, element))
    if of_comments and element.start < run[0] and not element.links:
        return False  # comments follow
    if not element.links and element.linked:
        return False  # a part of a card that is a link
    is_common = not is_form and words.isdisjoint(WHOLE_NAMES)
    is_section = is_common and has_heading(element) and not _is_heading(element)
    is_list = bool(words) and words <= LISTS_OF_LINKS
    if (is_section or is_list) and not (element.links or _has_control(tree, element)):
        return False
    if words and words <= OTHER_PAGES and not is_headed and has_titles(element):
        return False
    if element.links and 2 * element.linked > element.text:
        is_offer = has_titles(element) and bool(words) and words <= OFFERS
        is_card = has_cards(tree, element) and (is_between or not words <= OTHER_PAGES)
        return of_comments or not (is_offer or is_card)
    if of_comments and element.links:
        return True
    is_text = tree.has_sentence(element)
    if not element.prose and not words.isdisjoint(CONTROLS) and not (is_text and words == {"sns"}):
        return True
    control = FIELD if is_above else CONTROL
    if (is_form or not (is_weak or is_text)) and _has_control(tree, element, control):
        return True
    if is_between or (not of_comments and (words <= PLACES | OFFERS or (is_above and not element.links))):
        return False
    if is_common and not element.links and words.isdisjoint(SIDES) and _has_value(tree, element):
        return False
    if of_comments or not is_text:
        return of_comments or not element.links or LEAST_LINKED * element.linked >= element.text
    return element.linked > 0 and element.prose < max(2 * element.linked, element.text / 2)


def _is_heading(element: Element) -> bool:
    """True where all of the text is a heading."""
    return any(
        part.name in HEADINGS and part.text == element.text
        for part in islice(element.descendants(), MOST_AROUND_HEADING)
    )


def find_remarks(tree: PageTree, named: set[Element]) -> set[Element]:
    """Elements whose name ends in ``comment``, and those in them, on a page where no other name is one of comments and none of
    these has a link, a control or a time."""
    comments = {element for element in named if is_comment(tree, element)}
    remarks = {element for element in comments if any(words[-1] == "comment" for words in element.names)}
    for element in comments:
        end = min(element.close, element.inside + LONGEST_CONTROLS)
        is_post = element.links or _has_control(tree, element) or _TIME.search(tree.html, element.inside, end)
        if is_post or not (element in remarks or any(above in remarks for above in element.ancestors())):
            return set()
    return {element for element in comments if _own_words(element).isdisjoint(MARKING | REPLIES)}


def _has_control(tree: PageTree, element: Element, control: re.Pattern[str] = CONTROL) -> bool:
    end = min(element.close, element.inside + LONGEST_CONTROLS)
    return control.search(tree.html, element.inside, end) is not None


def _is_of_item(element: Element) -> bool:
    """True for the end of an item or a post, which is no end of the page."""
    return any(above.name in ("li", "article") or above.is_called(CARDS) for above in element.ancestors())


def _is_closing(tree: PageTree, element: Element) -> bool:
    """True for a heading and a sentence with which a page ends in what is called its foot, without a link or a control."""
    if element.links or not _own_words(element) & SURE <= FEET or not tree.text_of(element):
        return False
    return has_heading(element) and tree.has_sentence(element) and not _has_control(tree, element)


def _has_facts(tree: PageTree, element: Element) -> bool:
    """True for prose with few links that is no address."""
    is_prose = 2 * element.linked < element.text and (element.prose > 0 or tree.has_sentence(element))
    return is_prose and not CONTACT.search(tree.text_of(element)) and not is_notice(tree.text_of(element))


def _has_value(tree: PageTree, element: Element) -> bool:
    """True for rows of a table and for a text with a number, such as a price, that is no address."""
    text = tree.text_of(element)
    has_rows = any(part.name in _ROWS for part in islice(element.descendants(), MOST_AROUND_HEADING))
    return has_rows or (_DIGIT.search(text) is not None and not (CONTACT.search(text) or is_notice(text)))


def _has_only_commands(tree: PageTree, element: Element) -> bool:
    if element.close - element.inside > LONGEST_CONTROLS:
        return False
    texts = (text.strip() for text in TEXT.findall(tree.html, element.inside - 1, element.close))
    return all(map(COMMAND.fullmatch, texts))


def is_end(tree: PageTree, element: Element) -> bool:
    """True for links or an address below the content of a page, without a sentence."""
    if element.prose > element.linked or element.close - element.inside > LONGEST_CONTROLS:
        return False
    is_menu = element.links > 1 and 2 * element.linked > element.text
    is_address = CONTACT.search(tree.text_of(element)) is not None
    return (is_menu or is_address) and not tree.has_sentence(element)


def is_called_header(element: Element) -> bool:
    """True for names of what a page begins with."""
    return not HEADERS.isdisjoint(_own_words(element))
