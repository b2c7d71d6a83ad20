"""Which colour a domain, language or source has: the same one everywhere in the page (classes of ``style.css``)."""

from __future__ import annotations

from collections.abc import Iterable

LANGUAGES = {"ko": "Korean", "en": "English", "code": "code", "mixed": "both languages"}
_KINDS = {
    "ko": ("ko", "korean", "kor"),
    "en": ("en", "english", "eng"),
    "code": ("code", "python", "py", "source"),
    "mixed": ("mixed", "parallel", "bilingual"),
}
OTHER_COLOURS = 6


def colour_of(name: str) -> str:
    """The CSS class of a domain, language or source: the same one everywhere in the page."""
    words = name.lower().replace("-", "_").split("_")
    for colour, known in _KINDS.items():
        if any(word in known for word in words):
            return colour
    return f"other{sum(map(ord, name)) % OTHER_COLOURS}"


def shades_of(names: Iterable[str]) -> dict[str, str]:
    """A class per domain: the colour of its language, in further shades where several domains share it."""
    shades: dict[str, str] = {}
    for name in names:
        colour = colour_of(name)
        same = sum(known.split()[0] == colour for known in shades.values())
        shades[name] = f"{colour} {('', 'second', 'third')[min(same, 2)]}".strip()
    return shades
