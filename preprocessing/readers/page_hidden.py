"""Tells what a page does not show, such as text for screen readers, and the policies that it shows above itself on request."""

from __future__ import annotations

import re
from itertools import islice

from preprocessing.readers.page_tree import HEADINGS, INLINE, Element, PageTree
from preprocessing.readers.page_words import ANCHORS, HIDDEN, POLICY_HEADING, POPUPS

NO_DISPLAY = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden")
_TEXT = re.compile(r">([^<>]+)")
_STREAMED = re.compile(r" id=\"S:\w+\"")  # what React sends later and a script moves to its place
_SHOWN = re.compile(
    r"[ \"](?:sm|md|lg|xl|2xl):(?:block|inline|flex|grid|table)"
)  # Tailwind, on larger screens
_WAITING = frozenset(("progress", "loading", "loader", "preloader", "spinner"))  # what a page shows meanwhile
_ENTERS = re.compile(
    r" data-(?:aos|sal|scroll|animation?)\b|[ \"](?:wow|animated?|animate__\w+)[ \"]"
)  # what a script moves into view
_NUMBER, _WORD = re.compile(r"\d"), re.compile(r"[^\W_]")
_FOLDED = re.compile(r"tab|accord|collaps|fold|answer|faq|spoiler|panel|toggle|more", re.IGNORECASE)

_TABS = re.compile(r"(?:\b|_)tab|accord|faq", re.IGNORECASE)
FIELD = re.compile(r"<(?:input|form|textarea|select)\b")

LEVELS_OF_TABS = 4  # from a panel up to the element that has the name of tabs
LONGEST_LABEL = 40  # characters of text that is only hidden; a script shows longer ones
LONGEST_HIDDEN = 200  # characters of text for screen readers
LEAST_BESIDE_POPUP = 20  # characters outside of links that a page has beside a policy above it
FIRST_OF_POPUP = 30  # texts between tags in which the heading of a popup is searched
FEWEST_KEYS = 2
MOST_TABS = 100  # lists or tables of which a page shows one at a time


def is_hidden(tree: PageTree, element: Element) -> bool:
    """True for what the page does not show; folded answers, tabs and other texts are shown on request."""
    attributes = element.attributes
    names = HIDDEN.intersection(element.whole_names)
    is_slide = names == {"hidden"} and (
        element.prose > LONGEST_LABEL
        or bool(_SHOWN.search(attributes))
        or _is_of_tabs(element)
        or any(part.name == "h1" for part in element.children)  # a title that a script moves into view
        or bool(_ENTERS.search(tree.html, element.start, element.close))
    )
    if (
        names
        and element.text < LONGEST_HIDDEN
        and not (is_slide or (names <= ANCHORS and _is_of_heading(tree, element)))
    ):
        return True
    is_line = element.name in INLINE and element.prose > LONGEST_LABEL  # hidden from screen readers only
    is_marked = "hidden" in attributes and (
        element.get("hidden") is not None or (element.get("aria-hidden") == "true" and not is_line)
    )
    if not is_marked and not ("style=" in attributes and NO_DISPLAY.search(attributes)):
        return False
    if _STREAMED.search(attributes) or _FOLDED.search(attributes):
        return False
    if element.is_called(_WAITING):
        return True
    if _is_one_of_several(element):
        return False
    if _is_of_tabs(element):
        return False
    is_text = element.prose > LONGEST_LABEL and 2 * element.linked < element.text
    return not (is_text and tree.has_sentence(element)) or bool(
        FIELD.search(tree.html, element.inside, element.close)
    )


def _is_of_heading(tree: PageTree, anchor: Element) -> bool:
    """True for the number of a heading, and for all of its words, in the link from it to itself."""
    text, heading = tree.text_of(anchor), anchor.parent
    is_all = heading is not None and heading.name in HEADINGS and anchor.text == heading.text
    return _NUMBER.search(text) is not None or (is_all and _WORD.search(text) is not None)


def _is_of_tabs(element: Element) -> bool:
    """True for a panel that a tab or a question shows, by its name or a name around it."""
    around = (element, *islice(element.ancestors(), LEVELS_OF_TABS))
    return any(_TABS.search(part.attributes) for part in around)


def _is_one_of_several(element: Element) -> bool:
    """True for a hidden element beside one of the same class that the page shows, such as the panels of tabs."""
    name = (element.get("class") or "").split(" ", 1)[0]
    if not name or element.parent is None or element.name in INLINE or element.name == "a":
        return False
    return any(
        other.name == element.name
        and (other.get("class") or "").split(" ", 1)[0] == name
        and not NO_DISPLAY.search(other.attributes)
        for other in element.parent.children[:MOST_TABS]
    )


def is_above_page(element: Element) -> bool:
    """True for a layer with the name of a popup."""
    return element.is_called(POPUPS)


def is_help_on_keys(tree: PageTree, element: Element) -> bool:
    """True for a layer with the keys that a page answers to."""
    if not element.names or element.links or not is_above_page(element):
        return False
    return tree.html.count("<kbd", element.inside, element.close) >= FEWEST_KEYS


def is_policy_popup(tree: PageTree, element: Element) -> bool:
    """True for a policy that the page shows above itself, which has often more text than the page."""
    if not is_above_page(element):
        return False
    page = tree.elements[0]
    if page.text - page.own[0] - page.linked <= element.text - element.linked + LEAST_BESIDE_POPUP:
        return False
    texts = (text[1].strip() for text in _TEXT.finditer(tree.html, element.inside - 1, element.close))
    first = next((text for text in islice(texts, FIRST_OF_POPUP) if len(text) > 1), "")
    return bool(POLICY_HEADING.fullmatch(first))
