"""Icons of medals as words; a name may have a number, by which a table sorts them: ``금메달``, ``금01``, ``은메달2``, ``gold03``."""

from __future__ import annotations

import re

_MEDALS = {
    "금": "금메달",
    "은": "은메달",
    "동": "동메달",
    "gold": "Gold",
    "silver": "Silver",
    "bronze": "Bronze",
}
_ICON = re.compile(rf"({'|'.join(_MEDALS)})_?(?:(?:메달|medal)_?(?:0?([1-9]))?|0?([1-9]))")


def medal_text(key: str, korean: bool) -> str:
    """The medal that a template named ``key`` shows; a number other than that of its place follows. Empty for other templates."""
    icon = _ICON.fullmatch(key)
    if icon is None:
        return ""
    words, place = [*_MEDALS.values()], [*_MEDALS].index(icon[1]) % 3
    medal = words[place if korean else place + 3]
    number = icon[2] or icon[3] or str(place + 1)
    return medal if int(number) == place + 1 else f"{medal} {number}"
