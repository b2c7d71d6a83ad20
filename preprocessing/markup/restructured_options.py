"""Reads the options of directives of reStructuredText, ``:name: value``, and the ``toctree``, whose words are in options and titles.

Owns which options are text that readers see.
"""

from __future__ import annotations

import re
from collections.abc import Callable

OPTION = re.compile(r"[ \t]*:[\w-]{1,40}:(?:[ \t]+.*)?")
TITLED_TARGET = re.compile(r"(.{1,450}?)\s*<[^<>]{1,450}>", re.DOTALL)
"""``title <target>``."""
_VALUE = re.compile(r"[ \t]*:([\w-]{1,40}):[ \t]+(.*)")
_TEXTS = frozenset(("description", "card_description", "intro", "button_text"))  # of a card


def convert_contents(options: list[str], body: list[str], convert: Callable[[str], str]) -> list[str]:
    """The words of a ``toctree`` that no other document has: its caption and the titles of its entries."""
    caption = option_of(options, "caption")
    titles = [convert(match[1]) for match in map(TITLED_TARGET.fullmatch, map(str.strip, body)) if match]
    heading = ["", f"**{convert(caption)}**"] if caption else []
    return [*heading, "", *(f"- {title}" for title in titles), ""] if caption or titles else []


def texts_of(options: list[str]) -> list[str]:
    """What readers see of the options of a card, each with an empty line below."""
    found = (match for match in map(_VALUE.fullmatch, options) if match and match[1] in _TEXTS)
    return [line for match in found for line in (match[2].strip(), "")]


def option_of(options: list[str], *names: str) -> str:
    """The value of the first option with one of the names, ``:name: value``; the empty text without one."""
    found = (match for match in map(_VALUE.fullmatch, options) if match and match[1] in names)
    return next((match[2].strip() for match in found), "")
