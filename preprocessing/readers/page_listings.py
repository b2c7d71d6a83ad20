"""Tells lists of goods, places and works by the facts of their items, whatever they are called: carousels, slots of a search."""

from __future__ import annotations

import re
from itertools import islice

from preprocessing.readers.page_tree import Element, PageTree
from preprocessing.readers.page_words import AD_LABEL, CARDS, SLOTS
from preprocessing.text.counting import has_at_least

_ITEMS = frozenset(("li", "tr", "article", "dl"))
_NUMBER = re.compile(r">[^<>]*\d")

FEWEST_ITEMS = 3
LEAST_ITEM = 12  # characters; a number of a page has fewer
MOST_PARTS = 4000  # elements in which items are searched
MOST_BESIDE = 200


def is_listing_of_facts(tree: PageTree, element: Element) -> bool:
    """True for several items of which a third is not linked, and that no reader knows as advertisements, and for a card, or a part
    of it, among others of a list."""
    if element.is_called(CARDS) and any(
        _is_card_among_others(tree, above) for above in (element, *element.ancestors())
    ):
        return True
    items = (
        part
        for part in islice(element.descendants(), MOST_PARTS)
        if part.name in _ITEMS
        and part.text >= LEAST_ITEM
        and 3 * part.linked <= 2 * part.text
        and part.links
        and _has_number(tree, part)
    )
    return has_at_least(items, FEWEST_ITEMS) and not AD_LABEL.search(
        tree.html, element.inside - 1, element.end
    )


def _has_number(tree: PageTree, item: Element) -> bool:
    """True for the text of a rank, a price or an address."""
    return _NUMBER.search(tree.html, item.inside - 1, item.close) is not None


def _is_card_among_others(tree: PageTree, card: Element) -> bool:
    """True for a card with a number beside more such cards that have no name of an advertisement."""
    if card.parent is None or not card.is_called(CARDS) or not _has_number(tree, card):
        return False
    beside = [
        other
        for other in card.parent.children[:MOST_BESIDE]
        if other.name == card.name and other.is_called(CARDS) and 2 * other.text > card.text
    ]
    named = sum(other.is_called(SLOTS) for other in beside)
    return len(beside) - named >= max(FEWEST_ITEMS, named)
