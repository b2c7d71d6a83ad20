"""Removes the tags of a page whose elements no standard has; names between angle brackets that are no tags stay."""

from __future__ import annotations

import re

from preprocessing.markup.html_tags import BLOCK, INLINE

_CUSTOM_TAG = re.compile(
    r"</?[a-z][a-z0-9]{0,30}(?:-[a-z0-9]{1,30}){1,4}(?:\s[^<>]{0,4000})?>", re.IGNORECASE
)
_MOST_NAMES = 50  # names of elements of no standard in a page
_NAME = re.compile(r"<([A-Za-z][A-Za-z0-9]{0,30}(?::[A-Za-z][A-Za-z0-9]{0,30})?)(?=[\s/>])")
_KNOWN = re.compile(
    rf"(?:{BLOCK}|{INLINE}|head|script|style|template|svg|pre|rb|rtc|ruby|frame|frameset|html)", re.IGNORECASE
)
_MISSPELT = re.compile(rf"(?:{BLOCK}|{INLINE})[0-9]{{1,3}}", re.IGNORECASE)


def remove_unknown(text: str, source: str) -> str:
    """Removes tags with a hyphen in their name, ``<my-button>``, and others that are surely tags: with attributes, ``<content class="a">``
    and ``<svg:svg height="9">``, misspelt, ``<span1>``, or closed in the source, which ``List<String>`` is not.

    ``source``: the page as it was written, where a parser has closed elements in ``text``.
    """
    text = _CUSTOM_TAG.sub("", text)
    unknown = sorted(name for name in set(_NAME.findall(text)) if not _KNOWN.fullmatch(name))
    names = [
        name
        for name in unknown[:_MOST_NAMES]
        if _MISSPELT.fullmatch(name)
        or re.search(rf"<{name}\s[A-Za-z:-]{{1,30}}=\"", text)
        or re.search(f"</{name}>", source, re.IGNORECASE)
    ]
    if not names:
        return text
    return re.sub(rf"</?(?:{'|'.join(names)})(?:\s[^<>]{{0,4000}})?>", "", text)
