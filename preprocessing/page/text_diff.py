"""Marks the changes that cleaning made to a text: removed and added parts, and invisible characters.

Owns the markup of examples. Input is untrusted: every part is escaped, and control, format and other invisible
characters appear as code points, so that they cannot reorder the page.
"""

from __future__ import annotations

import difflib
import unicodedata

from markupsafe import Markup, escape

_INVISIBLE = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}
MAX_CHARACTERS = 300
LONGEST_NAME = 18


def visible(text: str) -> Markup:
    """Escapes the text; shows invisible characters other than line feeds and tabs as ``U+200B`` in a box."""
    parts: list[Markup] = []
    plain: list[str] = []
    for character in text:
        if character in "\n\t" or unicodedata.category(character) not in _INVISIBLE:
            plain.append(character)
            continue
        parts += [
            escape("".join(plain)),
            Markup('<span class="code-point">U+{}</span>').format(f"{ord(character):04X}"),
        ]
        plain.clear()
    return Markup("").join([*parts, escape("".join(plain))])


def short_name(name: str) -> str:
    """The name, shortened to fit beside a chart."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def before_and_after(before: str, after: str) -> tuple[Markup, Markup]:
    """Both texts, with removed parts in ``<del>`` and added parts in ``<ins>``."""
    before, after = before[:MAX_CHARACTERS], after[:MAX_CHARACTERS]
    old, new = [], []
    for operation, i1, i2, j1, j2 in difflib.SequenceMatcher(
        None, before, after, autojunk=False
    ).get_opcodes():
        # both texts are cut at the same length: text missing at the very end was cut, not changed
        cut = (i2 == len(before) == MAX_CHARACTERS and i1 == i2) or (
            j2 == len(after) and i2 == len(before) == MAX_CHARACTERS
        )
        if operation == "equal" or cut:
            old.append(visible(before[i1:i2]))
            new.append(visible(after[j1:j2]))
            continue
        old.append(mark("del", before[i1:i2]))
        new.append(mark("ins", after[j1:j2]))
    return Markup("").join(old), Markup("").join(new)


def mark(tag: str, text: str, css: str = "", title: str = "") -> Markup:
    """The text in an element; text of blanks alone appears as signs."""
    if not text:
        return Markup("")
    content = visible(text) if text.strip() else Markup("").join(_blank(c) for c in text)
    attributes = Markup("").join(
        Markup(' {}="{}"').format(name, value) for name, value in (("class", css), ("title", title)) if value
    )
    return Markup(f"<{tag}{attributes}>{content}</{tag}>")


def _blank(character: str) -> Markup:
    """A sign for a removed or added blank."""
    signs = {"\n": Markup("↵\n"), "\t": Markup("→"), " ": Markup("·"), "\u00a0": Markup("⍽")}
    return signs.get(character) or visible(character)
