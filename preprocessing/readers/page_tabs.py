"""Tells the labels of tabs from buttons that do something: by the name of their group, or by as many parts that follow it."""

from __future__ import annotations

import re

from preprocessing.readers.page_tree import Element, PageTree
from preprocessing.readers.page_words import CONTROL_LABEL, TABS

_COPIES = re.compile(r"copy|clipboard", re.IGNORECASE)

FEWEST_PANELS = 3
MOST_LABELS = 20  # elements beside each other in which labels and panels are searched


def is_tab(tree: PageTree, button: Element) -> bool:
    """True for a button among others that shows a part of the page, whatever it is called."""
    group = (
        button.parent.parent if button.parent is not None and button.parent.name == "li" else button.parent
    )
    text = tree.text_of(button)
    if group is None or CONTROL_LABEL.fullmatch(text) or not re.search(r"[^\W\d]", text):
        return False
    labels = sum(
        part.name == "button"
        or (part.name == "li" and any(child.name == "button" for child in part.children))
        for part in group.children[:MOST_LABELS]
    )
    is_named = any(not TABS.isdisjoint(words) for part in (group, *_parent_of(group)) for words in part.names)
    return labels > 1 and ((is_named and not _COPIES.search(button.attributes)) or has_panels(group, labels))


def has_panels(group: Element, labels: int) -> bool:
    """True where as many elements of one kind as a group has labels follow it, or are what follows it."""
    parent = group.parent
    if parent is None or labels < FEWEST_PANELS or group not in parent.children[:MOST_LABELS]:
        return False
    at = parent.children.index(group) + 1
    following = [part for part in parent.children[at : at + 2 * MOST_LABELS] if part.text]
    inside = [part for part in following[0].children[: 2 * MOST_LABELS] if part.text] if following else []
    return any(
        sum(part.text for part in parts if _kind_of(part) == _kind_of(parts[0])) > 2 * group.text
        and sum(_kind_of(part) == _kind_of(parts[0]) for part in parts) == labels
        for parts in (following, inside)
        if parts
    )


def _kind_of(element: Element) -> tuple[str, str]:
    return element.name, (element.get("class") or "").partition(" ")[0]


def _parent_of(element: Element) -> tuple[Element, ...]:
    return () if element.parent is None else (element.parent,)
