"""Templates and magic words of wikis that compute a value from dates: ages, spans of days, the present year.

Owns the computation. Where only the beginning is given, the end is the day of the revision, as the page showed it then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from preprocessing.markup.wiki_page import WikiPage

AGES = frozenset(("나이", "만나이", "나이계산", "age", "age_in_years", "경과연수", "years_ago", "연수"))
DAYS = frozenset(
    ("날수", "일수", "경과일", "경과일수", "age_in_days", "day_difference", "age_in_days_nts", "날짜차이")
)
_NOW = {
    "currentyear": "{0.year}", "현재연도": "{0.year}", "현재년": "{0.year}", "localyear": "{0.year}", "올해": "{0.year}",
    "currentmonth": "{0.month:02}", "현재월": "{0.month:02}", "currentmonth1": "{0.month}", "currentday": "{0.day}",
    "현재일": "{0.day}", "localmonth": "{0.month:02}", "localday": "{0.day}",
}  # fmt: skip
TITLE_WORDS = frozenset(("pagename", "fullpagename", "문서이름", "basepagename"))


def computed_value(key: str, plain: Sequence[str], named: Mapping[str, str], page: WikiPage) -> str | None:
    """The value of a template named ``key``; None for other templates. Keeps dates whose end is unknown."""
    if key in _NOW:
        return _NOW[key].format(page.written_on) if page.written_on else ""
    if key in TITLE_WORDS and not plain:
        return page.title
    if key not in AGES and key not in DAYS:
        return None
    numbers = plain or [named[name] for name in ("연", "월", "일", "year", "month", "day") if name in named]
    start, end = _read_date(numbers[:3]), _read_date(numbers[3:6]) or page.written_on
    if start is None or end is None or end < start:
        return "-".join(number.zfill(2) for number in numbers[:3] if number.isdecimal())
    if key in DAYS:
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
