"""Templates and magic words of wikis that are about time: dates, spans, durations, ages, the present year.

Owns the form of dates and the computation of ages. A Korean page shows 1998년 4월 23일; of other pages, whose language is not known,
dates have the order of ISO 8601; a date in one argument stays as it is written. Where only the beginning of an age is given, the end is the day of the revision.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date

from preprocessing.markup.wiki_arguments import Named, first_of
from preprocessing.markup.wiki_page import WikiPage

_AGES = frozenset(("나이", "만나이", "나이계산", "age", "age_in_years", "경과연수", "years_ago", "연수"))
_OF_AGE = re.compile("(?<![일과와년])(?<![과와]만)나이$|향년$|^age_at")
_DAYS = frozenset(
    ("날수", "일수", "경과일", "경과일수", "age_in_days", "day_difference", "age_in_days_nts", "날짜차이")
)
_NOW = {
    "currentyear": "{0.year}", "현재연도": "{0.year}", "현재년": "{0.year}", "localyear": "{0.year}", "올해": "{0.year}",
    "currentmonth": "{0.month:02}", "현재월": "{0.month:02}", "currentmonth1": "{0.month}", "currentday": "{0.day}",
    "현재일": "{0.day}", "localmonth": "{0.month:02}", "localday": "{0.day}",
}  # fmt: skip
_TITLE_WORDS = frozenset(("pagename", "fullpagename", "문서이름", "basepagename"))
_DATES = frozenset((
    "날짜", "일자", "생년월일", "생일", "date", "날짜와나이", "출생년과나이", "bda", "dda", "dts", "datum", "as_of", "기준일", "기준", "날짜링크",
    "데이터정렬날짜",
))  # fmt: skip
_OF_DATE = re.compile(
    r"(?:출생|사망|시작|종료|끝|개봉|방영|발매|공개|설립|창립|결성|해체|폐지|개통|개교|개관)(?:일|날짜|년월일|년)(?:[과와]만?나이)?|"
    r"(?:birth|death|start|end|film|release)[_-](?:date|year)(?:_and_age)?"
)
_UNITS = re.compile("[연년]월일?|월일|시분초?|분초")  # a name that has a unit for each argument
_SECOND_IS_SHOWN = frozenset(("birth_date_and_age2", "출생일과나이2"))  # the first date is the day of the age
_SPANS = frozenset(("reign", "재위", "재위기간", "생몰년", "생몰", "기간", "dash_year", "r."))
_DURATIONS = frozenset(("duration", "시간길이", "재생시간", "기간"))
_PARTS_OF_DATE = ("[0-9]{3,4}", "0?[1-9]|1[0-2]", "0?[1-9]|[12][0-9]|3[01]")
_ISO_DATE = re.compile(
    r"(?<![\d-])([1-9][0-9]{2,3})-(0?[1-9]|1[0-2])(?:-(0?[1-9]|[12][0-9]|3[01]))?(?![\d-])"
)
_YEAR, _MONTH_AND_DAY = re.compile("[12][0-9]{3}"), re.compile("(?:0[1-9]|1[0-2])-[0-3][0-9]")
_WORD = re.compile("[가-힣]{1,10}")


def value_of_time(key: str, plain: Sequence[str], named: Named, page: WikiPage) -> str | None:
    """The value of a template named ``key``; None for other templates. Keeps dates whose end is unknown."""
    if key in _NOW:
        return _NOW[key].format(page.written_on) if page.written_on else ""
    if key in _TITLE_WORDS and not plain:
        return page.title
    if key in _AGES or key in _DAYS or _OF_AGE.search(key):
        return _format_age(key, plain, named, page)
    format_time = _find_format(key)
    if format_time is None:
        return None
    text = format_time(plain, named)
    if page.korean and (key == "as_of" or _OF_DATE.fullmatch(key)) and _YEAR.fullmatch(text):
        return f"{text}년"
    if page.korean and _MONTH_AND_DAY.fullmatch(text):
        return " ".join(f"{int(part)}{unit}" for part, unit in zip(text.split("-"), "월일", strict=True))
    text = (
        text if text in plain else write_dates(text, page.korean)
    )  # an argument stays as its author wrote it
    if key == "as_of" and text and not page.korean:
        if named.get("alt"):
            return named["alt"]
        lead = "Since" if "since" in named else "As of"
        return f"{lead.lower() if 'lc' in named else lead} {text}"
    return f"r. {text}" if key == "reign" and text and not page.korean else text


def write_dates(text: str, korean: bool) -> str:
    """A text with its dates in the order of ISO 8601 as a page shows them; a span of Korean dates has a tilde."""
    return _ISO_DATE.sub(_write_korean, text).replace("일–", "일 ~ ") if korean else text


def is_date(plain: Sequence[str]) -> bool:
    """Whether three arguments are year, month and day."""
    return len(plain) == 3 and all(map(re.fullmatch, _PARTS_OF_DATE, plain))


def format_days(plain: Sequence[str]) -> str:
    """One day or the span of two: ``1902|9|7|1934|12|24``."""
    return "–".join(_format_date(day, {}) for day in (plain[:3], plain[3:6]) if is_date(day))


@functools.lru_cache(maxsize=4096)
def _find_format(key: str) -> Callable[[Sequence[str], Named], str] | None:
    if key in _SPANS or key in _DURATIONS:
        return _format_span if key in _SPANS else _format_duration
    if key in _SECOND_IS_SHOWN:
        return lambda plain, named: _format_date(plain[3:6] or plain, {})
    if _UNITS.fullmatch(key):
        return lambda plain, named: " ".join(
            f"{part}{unit}" for part, unit in zip(plain, key.replace("연", "년"), strict=False) if part
        )
    return _format_date if key in _DATES or _OF_DATE.fullmatch(key) else None


def _write_korean(day: re.Match[str]) -> str:
    return " ".join(f"{int(part)}{unit}" for part, unit in zip(day.groups(), "년월일", strict=True) if part)


def _format_date(plain: Sequence[str], named: Named) -> str:
    """Year, month and day in the order of ISO 8601; a date in words stays."""
    parts = list(plain[:3]) or [
        value
        for names in (("연", "년", "연도", "year"), ("월", "month"), ("일", "day"))
        if (value := first_of(named, names))
    ]
    if len(parts) > 1 and all(part.isdecimal() for part in parts):
        return "-".join(part.zfill(2) for part in parts)
    return next((part for part in parts if part), "")


def _format_span(plain: Sequence[str], named: Named) -> str:
    """``1902|1934``, a span with its unit (``30|일``), two days, or hours, minutes and seconds by name."""
    if is_date(plain[:3]):
        return format_days(plain)
    if not plain:
        return _format_duration(plain, named)
    return (" " if _WORD.fullmatch("".join(plain[1:2])) else "–").join(plain[:2])


def _format_duration(plain: Sequence[str], named: Named) -> str:
    """``48|12`` or ``m=48|s=12``: 48:12; a part between others that is left out is zero."""
    parts = plain[:3] or [first_of(named, names) for names in (("h", "시", "시간"), ("m", "분"), ("s", "초"))]
    if len(parts) == 1 or not any(parts):
        return parts[0]
    hours, minutes, seconds = ["", *parts][-3:]
    text = f"{minutes or '0'}:{seconds.zfill(2)}"
    return f"{hours}:{text.zfill(5)}" if hours.strip("0") else text


def _format_age(key: str, plain: Sequence[str], named: Mapping[str, str], page: WikiPage) -> str:
    numbers = plain or [named[name] for name in ("연", "월", "일", "year", "month", "day") if name in named]
    start, end = _read_date(numbers[:3]), _read_date(numbers[3:6]) or page.written_on
    if start is None or end is None or end < start:
        day = "-".join(number.zfill(2) for number in numbers[:3] if number.isdecimal())
        return f"{day}년" if page.korean and _YEAR.fullmatch(day) else write_dates(day, page.korean)
    if key in _DAYS:
        return str((end - start).days)
    return str(end.year - start.year - ((end.month, end.day) < (start.month, start.day)))


def _read_date(numbers: Sequence[str]) -> date | None:
    """Year, month and day; the first day or month where they are left out."""
    parts = [int(number) for number in numbers if number.isdecimal() and len(number) < 5]
    if not parts or len(parts) < len(numbers):
        return None
    try:
        return date(*[*parts, 1, 1][:3])
    except ValueError:
        return None
