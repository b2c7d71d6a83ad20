"""Tells what arranges a list of goods or posts, and the ways within a site, from the list: orders, filters, trails with menus."""

from __future__ import annotations

import html
import re
from itertools import islice

from preprocessing.readers.page_tree import HEADINGS, TEXT, Element, PageTree
from preprocessing.text.counting import has_at_least

_ORDER = re.compile(
    r"[^.!?]{1,12}순(?:서|\s*으?로(?:\s*정렬)?)?|으?로(?:\s*정렬)?|정렬(?:\s*(?:기준|방식|순서))?|(?:sort|order)(?:\s+by)?",
    re.IGNORECASE,
)
_MAY_ORDER = re.compile(r"순\s*<")
_PRESSED = re.compile(
    r"<button\b|<input\b[^<>]*\btype=\"(?:checkbox|radio)\"|<a\b(?:(?![^<>]*\shref=)|[^<>]*\srole=\"button\"|[^<>]*\shref=\"(?:#|javascript:))"
)
_FILTERS = frozenset(("filter", "filters"))
_PARTS = frozenset((*HEADINGS[:2], "p", "pre", "table", "dl", "article", "blockquote"))

FEWEST_ORDERS = FEWEST_CHOICES = 3
MOST_ORDERS = 24  # texts of a choice of orders
LONGEST_CHOICE = 24  # characters of a filter for each choice, on average
MOST_PARTS = 2000  # elements of a filter
LONGEST_ORDERS = 20000  # characters of HTML


def has_orders(tree: PageTree) -> bool:
    return has_at_least(_MAY_ORDER.finditer(tree.html), FEWEST_ORDERS)


def is_choice_of_order(tree: PageTree, element: Element) -> bool:
    """True for links or buttons all of which say in which order a list is shown."""
    if element.name in ("td", "th", "tr", "table") or element.close - element.inside > LONGEST_ORDERS:
        return False
    texts = [
        html.unescape(text).strip()
        for text in islice(
            (match[1] for match in TEXT.finditer(tree.html, element.inside - 1, element.close)), MOST_ORDERS
        )
    ]
    if len(texts) < FEWEST_ORDERS or len(texts) == MOST_ORDERS or not all(map(_ORDER.fullmatch, texts)):
        return False
    return element.links > 1 or _has_pressed(tree, element, FEWEST_ORDERS)


def is_filter(tree: PageTree, element: Element) -> bool:
    """True for choices, named as filters, of what a list shows."""
    if not element.is_called(_FILTERS) or tree.has_sentence(element):
        return False
    parts = list(islice(element.descendants(), MOST_PARTS))
    if 2 * element.text > tree.elements[0].text or any(part.name in _PARTS and part.text for part in parts):
        return False
    return _has_pressed(tree, element, max(FEWEST_CHOICES, element.text // LONGEST_CHOICE))


def _has_pressed(tree: PageTree, element: Element, fewest: int) -> bool:
    return has_at_least(_PRESSED.finditer(tree.html, element.inside, element.close), fewest)


def is_trail_with_menus(tree: PageTree, element: Element) -> bool:
    """True for a list of buttons, each of which opens a list that has its own text, too: the way to this page."""
    if element.name not in ("ol", "ul") or not element.links:
        return False
    buttons = [
        (button, item)
        for item in element.children
        for button in item.children[:1]
        if button.name == "button" and button.text and len(item.children) > 1
    ]
    return bool(buttons) and all(
        any(
            tree.text_of(part) == tree.text_of(button)
            for part in islice(item.descendants(), 2, MOST_PARTS)
            if part.name == "li"
        )
        for button, item in buttons
    )
