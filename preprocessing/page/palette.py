"""Colors of domains, languages and sources, the same everywhere on a page (classes of ``style.css``)."""

from __future__ import annotations

from collections.abc import Iterable

LANGUAGES = {"ko": "Korean", "en": "English", "code": "code", "mixed": "both languages"}
_WORDS = {
    "ko": ("ko", "korean", "kor"),
    "en": ("en", "english", "eng"),
    "code": ("code", "python", "py", "source"),
    "mixed": ("mixed", "parallel", "bilingual"),
}
OTHER_COLORS = 6
SHADES = ("", "second", "third", "fourth", "fifth")


def color_of(name: str) -> str:
    """CSS class of a domain, language or source."""
    words = name.lower().replace("-", "_").split("_")
    for color, known in _WORDS.items():
        if any(word in known for word in words):
            return color
    return f"other{sum(map(ord, name)) % OTHER_COLORS}"


def shades_of(names: Iterable[str]) -> dict[str, str]:
    """CSS class per domain: the color of its language; domains that share a color get different shades."""
    return assign_shades((name, color_of(name)) for name in names)


def assign_shades(colors: Iterable[tuple[str, str]]) -> dict[str, str]:
    """CSS class per name: its color; names that share a color get different shades."""
    classes: dict[str, str] = {}
    for name, color in colors:
        same = sum(other.split()[0] == color for other in classes.values())
        classes[name] = f"{color} {SHADES[min(same, len(SHADES) - 1)]}".strip()
    return classes
