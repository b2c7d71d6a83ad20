"""Finds notices in the content of a page: copyright lines, registrations, the rows that name the post before and after."""

from __future__ import annotations

import re
from itertools import islice

from preprocessing.readers.page_excerpts import MOST_PARTS
from preprocessing.readers.page_links import Page, has_heading
from preprocessing.readers.page_tree import HEADINGS, Element
from preprocessing.readers.page_words import (
    BEFORE_AND_AFTER,
    CONTACT,
    LICENSE_HEADING,
    LONGEST_NOTICE,
    NAMES_NO_POST,
    is_notice,
)

_FACTS = frozenset(("table", "tbody", "tr", "td", "dl", "dt", "dd", "ul", "ol", "li"))
_NONE = re.compile(r"없습니다\W*\Z")
_DATE = re.compile(r"(?:19|20)[0-9]{2}\s?[.\-/년]\s?[0-9]{1,2}")


def is_remark(page: Page, before: Element | None, element: Element) -> bool:
    """True for a notice, and for a row that names the post before or after."""
    if element.text > LONGEST_NOTICE or (element.name in ("ul", "ol", "dl", "table") and element.prose):
        return False  # of a list the items are judged
    if element.name == "table" and any(
        part.name == "th" for part in islice(element.descendants(), MOST_PARTS)
    ):
        return False
    text = page.tree.text_of(element)
    if _is_before_or_after(element, text):
        return True
    if not is_notice(text) or _is_fact(page, before, element):
        return False
    above = page.tree.text_of(before) if before is not None else ""
    is_license = before is not None and before.name in HEADINGS and LICENSE_HEADING.fullmatch(above)
    return not (is_license or ("쿠키" in above and not is_notice(above)))


def _is_fact(page: Page, before: Element | None, element: Element) -> bool:
    """True for lists, tables and their parts between sentences or below other facts, and for what has a heading, whose parts are judged."""
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


def _is_before_or_after(element: Element, text: str) -> bool:
    """True for a row that names the post before or after: with a link, a date, or the remark that there is none."""
    if element.name in ("td", "th") or not BEFORE_AND_AFTER.fullmatch(text):
        return False
    if _NONE.search(text):
        return True
    return not NAMES_NO_POST.fullmatch(text) and (element.links > 0 or _DATE.search(text) is not None)
