"""Writes signs of LaTeX: accents, quotation marks, small text, glosses, numbers with their units (siunitx).

The result is LaTeX that ``latex`` reads; code and formulas are protected before.
"""

from __future__ import annotations

import re
import unicodedata

from preprocessing.markup.small_text import convert_small_text

ACCENTS = {
    "'": "\u0301",
    "`": "\u0300",
    "^": "\u0302",
    '"': "\u0308",
    "~": "\u0303",
    "=": "\u0304",
    ".": "\u0307",
    "c": "\u0327",
    "v": "\u030c",
    "u": "\u0306",
    "H": "\u030b",
    "k": "\u0328",
    "r": "\u030a",
    "d": "\u0323",
}
_ACCENT = re.compile(
    r"(?<!\\)\\(?:(['`^\"~=.])\s{0,3}\{?(?:\\(?=[ij](?![A-Za-z])))?([A-Za-z])\}?|([cvuHkrd])\s{0,3}\{([A-Za-z])\})"
)
_GLOSS = re.compile(r"\\ruby\s{0,5}\{([^{}]{1,200})\}\s{0,5}\{([^{}]{1,200})\}")
_QUANTITY = re.compile(
    r"\\(?:SI|qty)\s{0,5}(?:\[[^\[\]]{0,200}\])?\{([^{}]{1,100})\}\s{0,5}\{([^{}]{1,200})\}"
)
_RANGE = re.compile(r"\\(?:SIrange|qtyrange)\s{0,5}\{([^{}]{1,100})\}\{([^{}]{1,100})\}\{([^{}]{1,200})\}")
_QUOTED = re.compile(r"`([^`'\n\x02-\x04]{1,300})'(?![A-Za-z])")
_SMALL = re.compile(r"\\text(su[bp])(?:er)?script\s{0,3}\{([^{}<>\n]{1,100})\}")
_NAMED_UNITS = {"per": "/", "percent": "%", "degreeCelsius": "°C", "celsius": "°C", "degree": "°"}
_UNIT = re.compile(r"\\(?:si|unit)\s{0,5}(?:\[[^\[\]]{0,200}\])?\{([^{}]{1,200})\}")


def write_signs(text: str) -> str:
    """Glosses become ``word(gloss)``; numbers and units ``5 km``, units that are commands their names."""
    text = _convert_quantities(text) if "\\" in text else text
    text = _ACCENT.sub(_compose_accent, text).replace("``", "“").replace("''", "”")
    return _QUOTED.sub(r"‘\1’", text)


def _convert_quantities(text: str) -> str:
    text = _GLOSS.sub(r"\1(\2)", text)
    if _SMALL.search(text):
        text = convert_small_text(_SMALL.sub(r"<\1>\2</\1>", text))
    text = _UNIT.sub(lambda match: _name_units(match[1]), text)
    text = _RANGE.sub(lambda match: f"{match[1]}–{match[2]} {_name_units(match[3])}", text)
    return _QUANTITY.sub(lambda match: f"{match[1]} {_name_units(match[2])}", text)


def _name_units(units: str) -> str:
    for name, sign in _NAMED_UNITS.items():
        units = re.sub(rf"\\{name}(?![A-Za-z])", sign, units)
    return units.replace("\\", "").replace("~", " ")


def _compose_accent(match: re.Match[str]) -> str:
    """The letter with its accent, unless there is none (``\\c{x}`` of an author)."""
    letter = unicodedata.normalize("NFC", (match[2] or match[4]) + ACCENTS[match[1] or match[3]])
    return letter if match[1] or len(letter) == 1 else match[0]
