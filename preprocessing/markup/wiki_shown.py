"""Which arguments of an unknown template are its text: a date, numbers, a country, a word and its forms, the title behind an id."""

from __future__ import annotations

import re
from collections.abc import Sequence

from preprocessing.markup.wiki_arguments import key_of
from preprocessing.markup.wiki_countries import COUNTRIES, country_name
from preprocessing.markup.wiki_dates import format_days, is_date, write_dates

LAST_IS_SHOWN = re.compile(r"색|글꼴|글씨|글자|스타일|정렬|^style|colou?r|font|resize|sort")  # names
GLOSS = re.compile(r"(?=.{0,40}(?:[가-힣\u3040-\u30ff\u3400-\u9fff]|[^\W\d_]{4}))[^=|\n]{1,40}")
NUMBER = re.compile(r"[-+−]?[0-9][0-9,.]{0,15}")
YEAR = re.compile("[12][0-9]{3}")
_NAME_TO_SORT = re.compile(r"sort.{0,5}name|정렬.{0,2}이름|이름.{0,2}정렬")
_LANGUAGE = re.compile("[a-z]{3}(?:-[a-z]{2,12})?")  # a code before the word
_RATING = re.compile("별점|평점|rating")
_RAILWAY = re.compile("(?:지하철|전철|도시철도|노선|국도|지방도|고속도로)$")
_COUNTER = re.compile(
    "[명승패무회위호차대번권편개세일월원화집막절항조기척량석배만억쪽층평초분도]|해리|노트|헥타르|마력|가구|세대|개국|페이지|(?:제곱)?(?:킬로|센티|밀리)?미터|(?:킬로|밀리)?그램|리터|인치|피트|마일|톤"
)
UNITS = {
    unit.lower(): unit
    for unit in (
        "km", "m", "cm", "mm", "nm", "ha", "kg", "g", "mg", "t", "L", "mL", "mg/L", "km/h", "m/s", "rpm", "dB", "kPa", "MPa", "kJ", "kN", "AU", "hp", "kg/m3", "g/cm3", "km2", "m2", "km²", "m²", "㎢", "㎡", "㎞", "㎏", "℃", "℉", "Hz", "kHz",
        "MHz", "GHz", "W", "kW", "MW", "GW", "kB", "MB", "GB", "TB", "Mbps", "Gbps", "V", "hPa", "mi", "ft", "lb",
    )
}  # fmt: skip
_WORK = re.compile(
    "[가-힣](?:사기|유사|유설|실록|통감|승람|지리지)$|고려사$"
)  # templates named as the book that they refer to
_MONUMENT = re.compile("(?:국보|보물|사적|명승|천연기념물|문화재)$")
_PART_OF_WORK = re.compile("[0-9]{1,4}[권장편화막부절]")
_SPECIES, _LATIN = re.compile("학명|^종$|species|taxon"), re.compile(r"[A-Za-z]{2,30}|[A-Z]\.(?: [a-z]\.)?")
_CODE = re.compile("[A-Z]{2,5}")
OF_CODES = re.compile("공항|코드|화폐|통화|airport|code|currency")
_DAY = re.compile("(?:1[0-9]{3}|20[0-9]{2})(?:-[0-9]{2}-[0-9]{2})?")
_WRITTEN_DAY = re.compile("[0-9]{3,4}년(?: [0-9]{1,2}월(?: [0-9]{1,2}일)?)?")
_WITH_UNIT = re.compile("[0-9][0-9,.]{0,15} ?(?!e[mx]|p[tx]|vw)[A-Za-z%]{1,5}")
LARGE = re.compile("[0-9]{1,3}(?:,[0-9]{3})+")
_DATED = re.compile("[0-9]{4}")
_OF_VERSE = re.compile("성경|성서|성구|bible|꾸란|코란")
_WORD, _SHORT = re.compile("[가-힣]{2,10}(?: [가-힣]{1,10}){0,2}"), re.compile("[0-9]{1,3}(?:-[0-9]{1,3})?")
_SIZED = re.compile("그림|사진|파일|국기|나라|국가|이미지|크기|폭|너비|단$|열$|정렬|글|상자")
_VERSE = re.compile(r"[0-9]{1,3}:[0-9][0-9,–-]{0,9}")
_ID = re.compile(r"[a-z]{0,3}[0-9]{4,}|(?=[^0-9]*[0-9])(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])[\w-]{8,20}")
_LARGE_NUMBER = re.compile("(?:[0-9][0-9,.]{0,9}[십백천]?[만억조] ?){1,3}(?:[0-9]{1,4})?")
_UNIT = re.compile(
    r"(?=[^0-9])[A-Za-zµΩ°/²³·^0-9%‰\u2100-\u2109\u3380-\u33df]{1,8}|(?P<counter>[가-힣]|달러|가구|세대|미터)"
)


def show_values(name: str, values: Sequence[str], korean: bool) -> str:
    """The text of the template ``name`` with the arguments ``values``, which have no technical ones."""
    key = key_of(name)
    if len(values) > 1 and _LANGUAGE.fullmatch(values[0]):
        values = values[1:]
    if is_date(values[:3]):
        return write_dates(format_days(values), korean)
    if _NAME_TO_SORT.search(key):
        return " ".join(values[:2])
    if values and (LAST_IS_SHOWN.search(key) or key.endswith("링크")):
        return values[-1]
    if len(values) == 2 and values[0] in COUNTRIES and LARGE.fullmatch(values[1]):
        return f"{country_name(values[0], korean)} {values[1]}"
    if values and values[0] in COUNTRIES and not OF_CODES.search(key):
        return country_name(values[0], korean)
    if len(values) == 2 and _CODE.fullmatch(values[0]) and NUMBER.fullmatch(values[1]):
        return " ".join(values)  # of a currency or a catalog
    if len(values) == 2 and NUMBER.fullmatch(values[0]) and values[1][:-1].startswith(values[0]):
        return f"{name.strip()} {values[1]}" if _PART_OF_WORK.fullmatch(values[1]) else values[1]
    if values and _WORK.search(key):
        return " ".join([name.strip(), *values])
    if len(values) > 1 and _MONUMENT.search(values[0]) and values[1].isdecimal():
        name, key, values = values[0], values[0], values[1:]
    if values and _MONUMENT.search(key) and values[0][:1].isdecimal():
        return " ".join([f"{name.strip()} 제{values[0]}호", *values[1:2]])
    if len(values) == 1 and NUMBER.fullmatch(values[0]):
        return _name_number(name.strip(), key, values[0])
    if all(map(NUMBER.fullmatch, values)):
        return _join_numbers(key, values)
    if len(values) == 2 and all(map(_WRITTEN_DAY.fullmatch, values)):
        return " ~ ".join(values) if korean else "–".join(values)
    if len(values) > 1 and key.endswith(("목록", "list")):
        return ", ".join(values)
    if len(values) > 1 and _VERSE.fullmatch(values[1]):
        return " ".join(values[:2])
    if _SPECIES.search(key) and all(map(_LATIN.fullmatch, values)):
        return " ".join(values)
    if len(values) > 3 and len(values) % 2 == 0 and all(map(_DATED.search, values[1::2])):
        return ", ".join(f"{name}: {value}" for name, value in zip(values[::2], values[1::2], strict=True))
    if len(values) > 2 and _OF_VERSE.search(key) and all(map(NUMBER.fullmatch, values[1:])):
        return f"{values[0]} {':'.join(values[1:3])}" + "".join(f"–{verse}" for verse in values[3:4])
    if len(values) > 2 and not key.isascii() and all(map(NUMBER.fullmatch, values[1:])):
        return f"{values[0]} {', '.join(values[1:])}"
    if len(values) == 2 and _is_numbered(key, values):
        return " ".join(values)
    glosses = [text for text in values[1:] if _is_form(text) and text not in values[0]]
    if glosses and _ID.fullmatch(values[0]):
        return glosses[0]
    return f"{values[0]}{'' if korean else ' '}({', '.join(glosses)})" if glosses else "".join(values[:1])


def measure_text(plain: Sequence[str]) -> str:
    """A number, or the ends of a range, and the unit; the empty text for other arguments."""
    if len(plain) == 2 and _LARGE_NUMBER.fullmatch(plain[0]) and _UNIT.fullmatch(plain[1]):
        return " ".join(plain)
    is_number = 1 < len(plain) < 4 and all(map(NUMBER.fullmatch, plain[:-1]))
    unit = _UNIT.fullmatch(plain[-1]) if is_number else None
    if unit is None:
        return ""
    ends = [float(number.strip("-+−.,").replace(",", "")) for number in plain[:-1]]
    mark = "–" if ends == sorted(ends) else " "
    return f"{mark.join(plain[:-1])}{'' if unit['counter'] else ' '}{plain[-1]}"


def is_written_out(values: Sequence[str]) -> bool:
    """Whether the value is a number or a day as a reader sees it, which a code of the database is not."""
    return bool(values) and (LARGE.fullmatch(values[0]) or _WRITTEN_DAY.fullmatch(values[0])) is not None


def _is_numbered(key: str, values: Sequence[str]) -> bool:
    """Whether a number behind a Korean word belongs to it, as that of a bus does; that of a picture may be its size."""
    return bool(
        not key.isascii() and _WORD.fullmatch(values[0]) and _SHORT.fullmatch(values[1])
    ) and not _SIZED.search(key)


def _is_form(text: str) -> bool:
    """Whether an argument says more about the first one; other numbers may be sizes."""
    return any(form.fullmatch(text) for form in (GLOSS, _DAY, LARGE, _WITH_UNIT))


def _name_number(name: str, key: str, number: str) -> str:
    """A number with the word of the template's name: 2호선, 국도 1호선, 3승."""
    if _RAILWAY.search(key):
        return f"{number}호선" if key.endswith("노선") else f"{name} {number}호선"
    if key in ("조", "항"):
        return f"제{number}{key}"
    if unit := UNITS.get(key):
        return f"{number} {unit}"
    if name.isascii() and name.isupper() and len(name) > 1:
        return f"{name} {number}"  # of a catalog
    if key == "출구":
        return f"{number}번 출구"
    return f"{number}{key}" if _COUNTER.fullmatch(key) else number


def _join_numbers(key: str, numbers: Sequence[str]) -> str:
    """Numbers with what is between them: hours and minutes, a rating, the ends of a span."""
    if key.endswith("조항"):
        return " ".join(f"제{number}{unit}" for number, unit in zip(numbers, "조항호", strict=False))
    is_span = "범위" in key or all(map(YEAR.fullmatch, numbers))
    return (":" if key == "시각" else "/" if _RATING.search(key) else "–" if is_span else " ").join(numbers)
