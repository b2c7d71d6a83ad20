"""Templates of specifications, performance or armament that end a section, as lists of what they name.

Owns their names, their place and the form of an item. A box at the side has another name, or stands above text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from preprocessing.markup.wiki_arguments import is_technical
from preprocessing.markup.wiki_media import is_file_name
from preprocessing.markup.wiki_names import NOTE, is_named_as

_NAME = re.compile(
    r"(?:(?!상자|정보|box)[^/\n]){0,30}(?:제원|성능|무장|사양|스펙|요구사항|specs|specifications?)표?(?:_?\([^()]{1,20}\))?"
)
_ENDS_SECTION = re.compile(r"\s*(?:$|==|\{\{|\[\[[^\[\]|:]{2,12}:)")
# The last word of an English name may be the unit.
_UNITS = {unit: unit for unit in ("km", "m", "cm", "mm", "nmi", "mi", "ft", "in", "kg", "lb", "mph", "hp", "shp", "lbf", "min")} | {
    "kmh": "km/h", "kts": "kn", "kw": "kW", "kn": "kN", "sqm": "m²", "sqft": "sq ft", "l": "L", "ms": "m/s", "ftmin": "ft/min",
}  # fmt: skip
_OPTION = re.compile(r"[^=]{1,40}\?|[a-z]{1,10}hide")


def ends_section(key: str, before: str, behind: str) -> bool:
    """Whether a template named ``key`` has specifications and is the last content of a section, which no box at the side is."""
    return bool(before.strip() and _ENDS_SECTION.match(behind) and _NAME.fullmatch(key))


def list_specifications(arguments: Sequence[str]) -> str:
    """An item for each argument that is text: its name, and its values with their units and notes."""
    items: dict[str, list[str]] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        name, value = name.replace("_", " ").strip(), value.strip()
        if not equals or name.isdecimal():
            items[value or name] = []
        elif value and not (_OPTION.fullmatch(name) or is_technical(value) or is_file_name(value)):
            name, value = _read_unit(name, value)
            if not is_named_as(name.lower(), NOTE):
                items.setdefault(name, []).append(value)
    lines = [f"* {_write_item(name, values)}" for name, values in items.items() if name]
    return "\n" + "\n".join(lines) + "\n" if lines else ""


def _read_unit(name: str, value: str) -> tuple[str, str]:
    """``length m``, ``13.14``: length, 13.14 m; the note of a measure is in parentheses."""
    measure, _, word = name.rpartition(" ")
    if not measure:
        return name, value
    if word in _UNITS:
        return measure, f"{value} {_UNITS[word]}"
    return (measure, f"({value})") if word == "note" else (name, value)


def _write_item(name: str, values: Sequence[str]) -> str:
    name = name[:1].upper() + name[1:]
    text = ", ".join(values).replace(", (", " (").replace(" ft, ", " ft ")
    if text.startswith("*"):
        return f"{name}:\n" + "\n".join(
            f"*{line}" if line.startswith("*") else line for line in text.split("\n")
        )
    return f"{name}: {text}" if text else name
