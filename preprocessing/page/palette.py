"""Which color a domain, language or source has: the same one everywhere in the page (classes of ``style.css``)."""

from __future__ import annotations

from collections.abc import Iterable

LANGUAGES = {"ko": "Korean", "en": "English", "code": "code", "mixed": "both languages"}
_KINDS = {
    "ko": ("ko", "korean", "kor"),
    "en": ("en", "english", "eng"),
    "code": ("code", "python", "py", "source"),
    "mixed": ("mixed", "parallel", "bilingual"),
}
OTHER_COLORS = 6
SHADES = ("", "second", "third", "fourth", "fifth")


def color_of(name: str) -> str:
    """The CSS class of a domain, language or source: the same one everywhere in the page."""
    words = name.lower().replace("-", "_").split("_")
    for color, known in _KINDS.items():
        if any(word in known for word in words):
            return color
    return f"other{sum(map(ord, name)) % OTHER_COLORS}"


def shades_of(names: Iterable[str]) -> dict[str, str]:
    """A class per domain: the color of its language, in further shades where several domains share it."""
    return assign_shades((name, color_of(name)) for name in names)


def assign_shades(colors: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A class per name: its color, in further shades where several names share it."""
    found: dict[str, str] = {}
    for name, color in colors:
        same = sum(known.split()[0] == color for known in found.values())
        found[name] = f"{color} {SHADES[min(same, len(SHADES) - 1)]}".strip()
    return found
