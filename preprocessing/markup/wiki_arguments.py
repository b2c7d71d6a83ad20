"""The name and the arguments of a template."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence

_TECHNICAL = re.compile(
    r"#[0-9a-f]{6};?|(?=[0-9]{0,5}[a-f])[0-9a-f]{6}|(?:00|33|66|99){3}|#[0-9a-f]{3}|[0-9]{1,4}(?:px|em)|t?(?:left|right|center)|yes|no|on|off|true|none|nome|[a-z-]{3,30}\s{0,3}:[^:]{1,60};?|"
    r"red|blue|green|black|white|gr[ae]y|yellow|orange|purple|pink|brown|gold|silver|(?:orange|yellow);|https?://\S*|(?-i:[a-z]{1,2})",
    re.IGNORECASE,
)
_IN_NAMES = str.maketrans("", "", "-_ °\t\n")
Named = Mapping[str, str]
"""Values of a template by the names of its arguments."""


@functools.lru_cache(maxsize=4096)
def key_of(name: str) -> str:
    """The name in small letters; of a Korean one without blanks. Empty for a name that is too long."""
    name = name.strip().lower()
    if len(name) > 80:
        return ""
    name = name.removeprefix("틀:").removeprefix("template:").strip()
    return name.replace(" ", "_") if name.isascii() else name.replace(" ", "").replace("_", "")


def first_of(named: Named, names: Sequence[str]) -> str:
    """The first value with one of the names that is not empty; the empty text without one."""
    return next((named[name] for name in names if named.get(name)), "")


def read_arguments(parts: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The arguments in their order, which may have a number for a name, and the others by name in small letters.

    An equals sign after punctuation other than that of names belongs to the text.
    """
    plain: list[str] = []
    named: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if equals and (name.isalnum() or name.translate(_IN_NAMES).isalnum()):
            named[name.strip().lower()] = value.strip()
        else:
            plain.append(part.strip())
    numbers = [name for name in named if name.isdecimal() and len(name) < 4]
    for number in sorted(numbers, key=int):
        at = int(number) - 1
        if at < len(plain):
            plain[at] = named.pop(number)
        elif at == len(plain) or not plain:
            plain.append(named.pop(number))
    return plain, named


def is_technical(text: str) -> bool:
    """Whether an argument is a color, a style, a size, an address or the code of a language."""
    return _TECHNICAL.fullmatch(text) is not None
