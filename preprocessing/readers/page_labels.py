"""Tells the labels of fields and choices that a reader of the page sees as its text from those of controls."""

from __future__ import annotations

import re
from itertools import islice

from preprocessing.readers.page_hidden import FIELD
from preprocessing.readers.page_tree import HEADINGS, Element, PageTree
from preprocessing.readers.page_words import FORMS
from preprocessing.text.counting import has_at_least

_CHOICE = re.compile(r"<input\b[^<>]*\btype=\"(?:radio|checkbox)\"", re.IGNORECASE)
_QUESTION = re.compile(r"^\W*(?:Q\s*)?\d{1,2}\s*[.)]|[?？]\W*$")
_LABELED = frozenset(("th", "dt", "caption", "summary", *HEADINGS))
_VALUE = re.compile(r"(?:\s++|[:：]|</?(?:span|strong|b|em|i|p|div|time)\b[^<>]*>){0,9}\w")
_GROUPS = frozenset(("form", "fieldset", "section", "main", "article"))
_WRITTEN = re.compile(
    r"<(?:textarea|select)\b|<input\b(?![^<>]*\btype=\"(?:hidden|submit|button|image|reset|radio|checkbox|search|password)\")",
    re.IGNORECASE,
)
_LABEL = re.compile(r"<label\b")
_DEGREE = re.compile(r"\W*(?:매우\s*)?(?:만족|불만족?|보통)(?:함|해요|합니다|이에요|입니다)?\W*")
_RATING = re.compile(r"(?:페이지|콘텐[츠트]|컨텐츠|정보)[^<>.?!]{0,60}만족")

NEAR_CHOICE = 200  # characters of HTML before and after a label in which its box to check is searched
NEAR_RATING = 3000  # characters of HTML from the question whether a page satisfies to the last of its answers
FEWEST_FIELDS = 3  # of a form whose labels say what it asks for
LEVELS_OF_FORM = 4  # from a label up to the element with its form
LONGEST_FORM = 20000  # characters of HTML in which fields are counted


def is_text_label(tree: PageTree, label: Element) -> bool:
    """True for a question, a choice, the label of a value and those of a form with several fields, outside of searches."""
    text = tree.text_of(label)
    is_kept = (
        _QUESTION.search(text) is not None
        or (_is_choice(tree, label) and not _is_rating(tree, label, text))
        or _names_value(tree, label)
        or _names_field(tree, label)
    )
    return is_kept and not _is_in_search(label)


def _is_choice(tree: PageTree, element: Element) -> bool:
    """True for a label around, after or before a box to check or a button of several to choose from."""
    before = tree.html[max(0, element.start - NEAR_CHOICE) : element.start].rpartition("</label>")[2]
    after = tree.html[element.inside : element.end + NEAR_CHOICE].partition("<label")[0]
    first = _CHOICE.search(after)
    return (first is not None and "<input" not in after[: first.start()]) or bool(
        _CHOICE.match(before, max(0, before.rfind("<input")))
    )


def _is_rating(tree: PageTree, label: Element, text: str) -> bool:
    """True for an answer to the question how much a page satisfies its reader."""
    if not _DEGREE.fullmatch(text):
        return False
    return _RATING.search(tree.html, max(0, label.start - NEAR_RATING), label.start) is not None


def _names_value(tree: PageTree, label: Element) -> bool:
    """True for the label of a row of a table, and of a text beside it that is no field to fill in."""
    parent = label.parent
    if parent is None or parent.name in _LABELED:
        return parent is not None
    beside = tree.html[label.end : min(parent.close, label.end + NEAR_CHOICE)].partition("<label")[0]
    return FIELD.search(beside) is None and _VALUE.match(beside) is not None


def _names_field(tree: PageTree, label: Element) -> bool:
    """True for the label of a field of a form that asks for several things, such as an application."""
    for above in islice(label.ancestors(), LEVELS_OF_FORM):
        end = min(above.close, above.inside + LONGEST_FORM)
        if has_at_least(_WRITTEN.finditer(tree.html, above.inside, end), FEWEST_FIELDS):
            return has_at_least(_LABEL.finditer(tree.html, above.inside, end), FEWEST_FIELDS)
        if above.name in _GROUPS:
            return False
    return False


def _is_in_search(element: Element) -> bool:
    """True inside of a form to search, to filter or to sign in."""
    return any(not FORMS.isdisjoint(words) for above in element.ancestors() for words in above.names)
