"""Numbers with a word that only their template has, such as years, ordinals and articles of laws, and what follows them.

Owns these words, and the letters behind a template that belong to its value: ``{{나이|1990|1|1}}세``, ``{{은02}} 은메달``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from preprocessing.markup.wiki_arguments import Named

_BIRTH = re.compile(r"[0-9]{3,4}년(?: [0-9]{1,2}월(?: [0-9]{1,2}일)?)?")
_UNIT = re.compile("[0-9] ?(년|호|번째|시간|분|톤|해리|[만억]|km|kg|ha)$|([금은동]메달)$")
_MEDAL = re.compile("[금은동]메달")
_COUNTER = re.compile("(?:번째)?(?:[회대차호권]|세기|번째)(?![가-힣]{2})")
_KIND_OF_LAW = re.compile(
    "법률|조약|(?:대통령|총리|부|국무총리|고시)령|조례|규칙|고시"
)  # is followed by its own number
_ARTICLE = re.compile("([0-9]{1,5})(?:(?:의|-)([0-9]{1,3}))?")


def join_unit(text: str, before: str, after: str) -> tuple[str, int]:
    """The text of a template, and the number of characters ``after`` it that it has, too.

    The day from which an unknown age counts is not followed by the unit of the age: it is a day of birth. An ordinal before a
    counter is its number: 제3회; a medal that the text names has no name of its own.
    """
    if after[:1] in ("세", "살") and _BIRTH.fullmatch(text):
        return f"{text}생", 1
    if text.endswith("번째") and (before[-1:] == "제" or _COUNTER.match(after)):
        return text.removesuffix("번째"), 0
    if _MEDAL.fullmatch(text) and before.rstrip().endswith(text):
        return "", 0
    if unit := _UNIT.search(text):
        word = unit[1] or f" {unit[2]}"
        return text, len(word) if after.startswith(word) else 0
    return text, 0


def _with_unit(unit: str) -> Callable[[Sequence[str], Named], str]:
    """A number and the word of the template, unless the argument has a word of its own."""
    return lambda plain, named: (text := "".join(plain[:1])) + unit * text[-1:].isdecimal()


def _format_ordinal(plain: Sequence[str], named: Named) -> str:
    number = "".join(plain[:1])
    if not number.isdecimal():
        return number
    is_teen = number[-2:-1] == "1"
    return number + ("th" if is_teen else {"1": "st", "2": "nd", "3": "rd"}.get(number[-1], "th"))


def _format_power(plain: Sequence[str], named: Named) -> str:
    """``9``: ×10^9; ``1.9|30``: 1.9×10^30."""
    return "×10^".join(plain[:2]) if len(plain) > 1 else "".join(["×10^", *plain])


def _format_statute(plain: Sequence[str], named: Named) -> str:
    """``민법|839의2|1``: a law, its article, and the paragraph and item of this."""
    if len(plain) == 1 and plain[0].isdecimal():
        return f"법률 제{plain[0]}호"
    units = "호조항" if plain and _KIND_OF_LAW.fullmatch(plain[0]) else "조항호"
    parts = zip(filter(None, plain[1:4]), units, strict=False)
    return " ".join([*plain[:1], *(_write_article(text, unit) for text, unit in parts)])


def _write_article(text: str, unit: str) -> str:
    article = _ARTICLE.fullmatch(text)
    return f"제{article[1]}{unit}{f'의{article[2]}' if article[2] else ''}" if article else text


def _format_two_calendars(plain: Sequence[str], named: Named) -> str:
    """``1397|5|15|4|10``: a day of the solar calendar, and month and day of the lunar calendar."""
    if not plain[:1] or not plain[0].isdecimal():  # days in words
        return f"{plain[0]} (음력 {plain[1]})" if len(plain) > 1 else "".join(plain)
    solar = " ".join(f"{part}{unit}" for part, unit in zip(plain, "년월일", strict=False) if part)
    lunar = " ".join(f"{part}{unit}" for part, unit in zip(plain[-2:], "월일", strict=False) if part)
    return f"{solar} (음력 {lunar})" if len(plain) > 4 and lunar else solar


def _format_lunar_day(plain: Sequence[str], named: Named) -> str:
    """``1392|7|17``, ``12|4`` or a day in words."""
    if plain and all(map(str.isdecimal, plain)):
        plain = [f"{part}{unit}" for part, unit in zip(plain[:3], "년월일"[-len(plain[:3]) :], strict=True)]
    return f"음력 {' '.join(plain)}" if plain else ""


def _format_airport(plain: Sequence[str], named: Named) -> str:
    codes = zip(("IATA", "ICAO"), plain, strict=False)
    return ", ".join(f"{kind}: {code}" for kind, code in codes if code)


NUMBERED: dict[str, Callable[[Sequence[str], Named], str]] = (
    dict.fromkeys(("연도", "년도", "년"), _with_unit("년"))
    | dict.fromkeys(("법조문", "조문", "법조항", "법령조문", "법령", "법률", "대한민국법령"), _format_statute)
    | dict.fromkeys(("음양력", "양음력"), _format_two_calendars)
    | dict.fromkeys(("음력", "음력날짜"), _format_lunar_day)
    | dict.fromkeys(("airport_codes", "공항코드"), _format_airport)
    | {"서수": _with_unit("번째"), "ordinal": _format_ordinal, "e": _format_power}
)
