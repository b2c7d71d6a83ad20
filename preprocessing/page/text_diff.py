"""What a cleaning step did to a text, made visible: removed and added pieces, and characters that cannot be seen.

Owns the markup of examples. Input is hostile: every piece is escaped, and control, format and other invisible
characters are written as their code point, so that they cannot reorder the page.
"""

from __future__ import annotations

import difflib
import unicodedata

from markupsafe import Markup, escape

_INVISIBLE = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}
MAX_CHARACTERS = 300
LONGEST_NAME = 18


def visible(text: str) -> Markup:
    """Escaped; invisible characters other than line feeds as ``U+200B`` in a box."""
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
    """What fits beside a chart."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def before_and_after(before: str, after: str) -> tuple[Markup, Markup]:
    """Both texts with the removed pieces in ``<del>`` and the added ones in ``<ins>``."""
    before, after = before[:MAX_CHARACTERS], after[:MAX_CHARACTERS]
    old, new = [], []
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        # both texts are cut at the same length: what is missing at the very end was cut, not changed
        cut = (i2 == len(before) == MAX_CHARACTERS and i1 == i2) or (
            j2 == len(after) and i2 == len(before) == MAX_CHARACTERS
        )
        if kind == "equal" or cut:
            old.append(visible(before[i1:i2]))
            new.append(visible(after[j1:j2]))
            continue
        old.append(_wrapped("del", before[i1:i2]))
        new.append(_wrapped("ins", after[j1:j2]))
    return Markup("").join(old), Markup("").join(new)


def _wrapped(tag: str, text: str) -> Markup:
    if not text:
        return Markup("")
    shown = visible(text) if text.strip() else Markup("").join(_blank(c) for c in text)
    return Markup(f"<{tag}>{shown}</{tag}>")


def _blank(character: str) -> Markup:
    """Blanks that were removed or added, as signs."""
    signs = {"\n": Markup("↵\n"), "\t": Markup("→"), " ": Markup("·"), "\u00a0": Markup("⍽")}
    return signs.get(character) or visible(character)
