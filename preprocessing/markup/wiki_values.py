"""Text of the templates whose arguments are a value: measures, numbers, currencies, coordinates, glosses.

Owns the forms of these values. Arguments stay as the author wrote them: nothing is computed or converted to other units.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence

from preprocessing.markup.wiki_arguments import Named
from preprocessing.markup.wiki_functions import FORMATTED_NUMBERS, format_number
from preprocessing.markup.wiki_numbers import NUMBERED

_NUMBER = re.compile(r"[-+−–]?[0-9][0-9,. /]*")
_RANGES = {"-": "–", "–": "–", "~": "~", "to": " to ", "and": " and ", "or": " or ", "x": " × ", "×": " × ", "by": " by ",
           "+/-": " ± ", "±": " ± "}  # fmt: skip
_SUM, _IN_BRACKETS = re.compile(r"\S ?[-+−–±] ?\S"), re.compile(r"\([^()]{0,200}\)")
_COMPASS = frozenset("NSEW")
_GLOSS_NAMES = (
    "hangul", "한글", "hanja", "한자", "kanji", "kana", "t", "s", "c", "tp", "p", "hp", "간체", "번체", "정체", "병음",
    "romaji", "rr", "mr", "로마자", "3", "4", "extra",
)  # fmt: skip


_SYLLABLE_MARKS = str.maketrans("", "", "^_")
_HANGUL = re.compile("[가-힣]{1,10}")
_UNIT_NAMES = {
    "C": "°C",
    "F": "°F",
    "sqkm": "km2",
    "sqm": "m2",
    "sqmi": "sq mi",
    "sqft": "sq ft",
    "kph": "km/h",
}
_EXPONENT = re.compile("([0-9])e([-+−]?[0-9]{1,4})$", re.IGNORECASE)  # 3.2e-5
_PREFIXED = re.compile(r"e(3|6|9|12)([^\W\d_].*)")  # of a unit: 800|e6km


def _format_measure(plain: Sequence[str], named: Named) -> str:
    """``100|km2|sqmi``: the number and its unit; also ranges (5|to|10|km) and two units (6|ft|2|in)."""
    plain = [_UNIT_NAMES.get(text, _PREFIXED.sub(r"×10^\1 \2", text)) for text in plain]
    if len(plain) > 3 and plain[1] in _RANGES:
        return f"{plain[0]}{_RANGES[plain[1]]}{plain[2]} {plain[3]}"
    if len(plain) > 3 and _NUMBER.fullmatch(plain[2]) and not _NUMBER.fullmatch(plain[1]):
        return " ".join(plain[:4])
    return " ".join(filter(None, plain[:2])).replace(" ×", "×")


def _format_value(plain: Sequence[str], named: Named) -> str:
    """``1.5|0.1|e=6|u=km``; also a range: ``2|-|5``."""
    text = _EXPONENT.sub(r"\1×10^\2", plain[0]) if plain else ""
    if len(plain) > 2 and plain[1] in _RANGES:
        text += _RANGES[plain[1]] + plain[2]
    elif len(plain) > 1 and plain[1][:1] in ("(", "+", "-", "−"):
        limits = [part.lstrip("+-−") for part in plain[1:3]]
        text += plain[1] if plain[1][0] == "(" or len(limits) < 2 else _format_tolerance(limits, named)
    elif len(plain) > 1 and _NUMBER.fullmatch(plain[1]):
        text += f"±{plain[1]}"
    if named.get("e"):
        text += f"×10^{named['e']}"
    unit = named.get("u") or named.get("ul") or named.get("단위") or ""
    unit += f"/{named['up']}" if named.get("up") else ""
    return f"{named.get('p', '')}{text} {unit}".strip()


def _format_tolerance(plain: Sequence[str], named: Named) -> str:
    """``3``: ±3; ``3|2``: what may be more and less, one above the other."""
    return f"<sup>+{plain[0]}</sup><sub>−{plain[1]}</sub>" if len(plain) > 1 else "".join(["±", *plain])


def _format_fraction(plain: Sequence[str], named: Named) -> str:
    """``2``: 1/2; ``1|2``: 1/2; ``3|1|2``: 3 1/2; ``1+a|2``: (1+a)/2."""
    plain = [f"({part})" if _SUM.search(_IN_BRACKETS.sub("a", part)) else part for part in plain]
    if len(plain) == 1:
        return f"1/{plain[0]}"
    return f"{plain[0]} {plain[1]}/{plain[2]}" if len(plain) > 2 else "/".join(plain)


def _format_coordinates(plain: Sequence[str], named: Named) -> str:
    """``37|34|N|126|58|E``; empty where they stand in the title of the page."""
    if named.get("display", "inline") in ("title", "t"):
        return ""
    text, sign = "", 0
    for part in plain:
        if part in _COMPASS:
            text, sign = f"{text}{part} ", 0
        elif _NUMBER.fullmatch(part):
            text, sign = f"{text}{part}{'°′″'[min(sign, 2)]}", sign + 1
    return text.strip() if _COMPASS & set(plain) else ", ".join(filter(_NUMBER.fullmatch, plain))


def _format_hours(plain: Sequence[str], named: Named) -> str:
    """``3|30``: hours and minutes; other arguments as a measure."""
    if len(plain) > 1 and all(map(str.isdecimal, plain)):
        return " ".join(map("".join, zip(plain, ("시간", "분", "초"), strict=False)))
    return _format_measure(plain, named)


def _format_marriage(plain: Sequence[str], named: Named) -> str:
    years = "–".join(filter(None, plain[1:3]))
    name = plain[0] if plain else ""
    return f"{name} ({years})" if name and years else name


def _format_goals(plain: Sequence[str], named: Named) -> str:
    """Minutes, each with a note such as that of a penalty: ``11||36|pen.``."""
    pairs = zip(plain[::2], [*plain[1::2], ""], strict=False)
    return ", ".join(f"{minute} ({note})" if note else minute for minute, note in pairs if minute)


def _format_gloss(plain: Sequence[str], named: Named) -> str:
    """A word with its forms in other scripts: word(form, form)."""
    forms = [*plain[1:], *(named[name] for name in _GLOSS_NAMES if named.get(name, "yes") != "yes")]
    forms = list(dict.fromkeys(filter(None, forms)))
    first = plain[0] if plain else ""
    if not first:
        return ", ".join(forms)
    return f"{first}({', '.join(forms)})" if forms else first


def _format_syllables(plain: Sequence[str], named: Named) -> str:
    """As a gloss, without the marks of names and joints for a romanization: ``hangul=^해동_^요순``."""
    plain, named = (
        [text.translate(_SYLLABLE_MARKS) for text in plain],
        {key: text.translate(_SYLLABLE_MARKS) for key, text in named.items()},
    )
    return _format_gloss(plain, named)


def _format_angle(units: str) -> Callable[[Sequence[str], Named], str]:
    return lambda plain, named: " ".join(map("".join, zip(filter(None, plain), units, strict=False)))


def _format_first(plain: Sequence[str], named: Named) -> str:
    """The number, and a word behind it: ``12,000|평``."""
    return (
        plain[0] + "".join(word for word in plain[1:2] if _HANGUL.fullmatch(word) or word == "%")
        if plain
        else ""
    )


def _format_percentage(plain: Sequence[str], named: Named) -> str:
    """``75.2``, or a part, the whole and the number of digits: ``1|3|2``."""
    try:
        part, whole, *digits = [float(text.replace(",", "")) for text in plain[:3]]
        return f"{round(100 * part / whole, int(digits[0]) if digits else 0):.12g}%"
    except (ValueError, ZeroDivisionError):
        return f"{''.join(plain[:1]).rstrip('%')}%"


def _format_density(plain: Sequence[str], named: Named) -> str:
    """``3645257|640081.87|km2``: people, an area and its unit."""
    try:
        people, area = (float(text.replace(",", "")) for text in plain[:2])
        return f"{round(people / area, int(named.get('prec', 0))):.12g}/{''.join(plain[2:3])}"
    except (ValueError, ZeroDivisionError):
        return ""


def _format_share_of_wins(plain: Sequence[str], named: Named) -> str:
    """``79|53``, games won and lost, and those that ended in a tie: .598."""
    try:
        won, lost, *ties = [float(text) for text in plain[:3]]
        return f"{(won + sum(ties) / 2) / (won + lost + sum(ties)):.3f}".removeprefix("0")
    except (ValueError, ZeroDivisionError):
        return ""


def _prefix(mark: str) -> Callable[[Sequence[str], Named], str]:
    return lambda plain, named: mark + plain[0] if plain else mark.strip()


def _format_about(plain: Sequence[str], named: Named) -> str:
    return f"c. {'–'.join(filter(None, plain[:2]))}".strip()


def _format_nuclide(plain: Sequence[str], named: Named) -> str:
    return "-".join(plain[:2])


def _format_old_style(plain: Sequence[str], named: Named) -> str:
    """``2 February|1905|20 January``: the day, the year, and the day of the Julian calendar."""
    day = " ".join(plain[:2])
    return f"{day} ({plain[2]})" if len(plain) > 2 else day


def _suffix(mark: str) -> Callable[[Sequence[str], Named], str]:
    return lambda plain, named: "".join(plain[:1]) + mark


_NUMBERS = ["숫자", "수", "수치", "number", "nowrap_number", "자릿수", "번호"]
_UNITS = [
    "단위", "값단위", "si", "convert", "cvt", "변환", "단위변환", "길이", "넓이", "면적", "무게", "높이", "부피", "속도", "온도", "거리", "질량",
    "측정값", "밀도", "해발", "고도", "기온", "압력", "용량", "currency",
]  # fmt: skip
_CURRENCIES = {"₩": "₩", "원화": "₩", "krw": "₩", "us$": "US$", "usd": "US$", "us달러": "US$", "달러": "$", "미국달러": "US$", "$": "$", "€": "€", "eur": "€", "euro": "€",
               "£": "£", "gbp": "£", "pound_sterling": "£", "¥": "¥", "jpy": "¥", "yen": "¥", "cny": "CN¥", "위안": "CN¥",
               "₹": "₹", "inr": "₹", "유로": "€", "엔": "¥", "파운드": "£", "원": "₩", "미화": "US$"}  # fmt: skip
FORMATS: dict[str, Callable[[Sequence[str], Named], str]] = (
    dict.fromkeys(_NUMBERS, _format_first)
    | dict.fromkeys(FORMATTED_NUMBERS, lambda plain, named: format_number("".join(plain[:1]), plain[1:]))
    | dict.fromkeys(_UNITS, _format_measure)
    | NUMBERED
    | {key: _prefix(sign) for key, sign in _CURRENCIES.items()}
    | dict.fromkeys(("val", "값", "측정"), _format_value)
    | dict.fromkeys(("±", "+-"), _format_tolerance)
    | dict.fromkeys(("frac", "fraction", "sfrac", "분수", "frac2", "tfrac"), _format_fraction)
    | dict.fromkeys(("coord", "좌표"), _format_coordinates)
    | {"배": lambda plain, named: f"{plain[0]}배" if _NUMBER.fullmatch("".join(plain)) else " ".join(filter(None, plain[:2]))}
    | {"시간": _format_hours}
    | dict.fromkeys(("goal", "골"), _format_goals)
    | dict.fromkeys(("gaps", "icd9", "atc", "atccode", "mp", "mpl"), lambda plain, named: "".join(plain))
    | dict.fromkeys(("sortname", "정렬이름"), lambda plain, named: " ".join(plain[:2]))
    | dict.fromkeys(("korean/auto",), _format_syllables)
    | dict.fromkeys(("sclass", "sclass2"), lambda plain, named: f"{plain[0]}-class {''.join(plain[1:2])}".strip() if plain else "")
    | {"su": lambda plain, named: f"<sup>{named.get('p', '')}</sup><sub>{named.get('b', '')}</sub>"}
    | dict.fromkeys(("lit", "lit.", "literally"), _prefix("lit. "))
    | dict.fromkeys(("동위원소", "핵종"), _format_nuclide)
    | dict.fromkeys(("oldstyledate", "oldstyledatedy", "old_style_date"), _format_old_style)
    | dict.fromkeys(("icd10",), lambda plain, named: "".join(plain[:2]) + "".join(f".{part}" for part in plain[2:3] if part))
    | dict.fromkeys(("퍼센트", "percent", "percentage", "백분율"), _format_percentage)
    | dict.fromkeys(("winning_percentage", "winpct", "승률"), _format_share_of_wins)
    | dict.fromkeys(("ship", "선박"), lambda plain, named: " ".join(filter(None, plain[:2])))
    | {ship: _prefix(f"{ship.upper()} ") for ship in ("uss", "hms", "rms", "hmas", "hmcs", "sms", "ss", "mv", "ms", "usns", "uscgc", "roks")}
    | {"ra": _format_angle("hms"), "적경": _format_angle("hms"), "dec": _format_angle("°′″"), "적위": _format_angle("°′″")}
    | dict.fromkeys(("pop_density", "인구밀도"), _format_density)
    | dict.fromkeys(("marriage", "결혼", "혼인"), _format_marriage)
    | dict.fromkeys(
        ("ruby", "루비", "윗주", "덧말", "일본어표기", "ruby-ja", "후리가나", "nihongo", "nihongo2", "zh", "중국어", "중국어표기",
         "한국어표기", "한자", "hanja", "일본어", "영어", "러시아어", "독일어", "프랑스어", "스페인어", "이탈리아어", "라틴어", "그리스어", "아랍어",
         "한국어", "ruby-ko", "nihongo3", "nihongo4", "nihongo_foot", "korean", "chinese"),
        _format_gloss,
    )
    | {
        "oeis": lambda plain, named: f"(OEIS {number})" if (number := "".join(plain[:1]) or named.get("id")) else "",
        "약": _prefix("약 "), "서기": _prefix("서기 "), "기원후": _prefix("기원후 "), "세기": _suffix("세기"), "utc": _prefix("UTC"), "circa": _format_about, "c.": _format_about, "ca.": _format_about, "기원전": _prefix("기원전 "), "10^": _prefix("10^"),
        "bce": _suffix(" BCE"), "bc": _suffix(" BC"), "%": _suffix("%"), "°c": _suffix("°C"), "°f": _suffix("°F"),
    }
)  # fmt: skip
BARE = frozenset(
    ("₩", "€", "$", "£", "¥", "±", "+-", "약", "circa", "c.", "ca.", "%", "퍼센트", "°c", "°f")
)  # also without an argument


@functools.lru_cache(maxsize=4096)
def find_format(key: str) -> Callable[[Sequence[str], Named], str] | None:
    """How the arguments of a template named ``key`` become text; None for one that is not of values."""
    if key.startswith(("zh-", "lang-zh")):
        return _format_gloss
    return FORMATS.get(key) or (_format_nuclide if "nuclide" in key else None)
