"""Which arguments of an unknown template are its text: a date, numbers, a country, a word and its forms, the title behind an id."""

from __future__ import annotations

import re
from collections.abc import Sequence

from preprocessing.markup.wiki_countries import COUNTRIES, country_name
from preprocessing.markup.wiki_dates import format_days, is_date, write_dates

LAST_IS_SHOWN = re.compile(r"색|글꼴|글씨|글자|스타일|정렬|^style|colou?r|font|resize|sort")  # names
GLOSS = re.compile(r"(?=.{0,40}(?:[가-힣\u3040-\u30ff\u3400-\u9fff]|[^\W\d_]{4}))[^=|\n]{1,40}")
NUMBER = re.compile(r"[-+−]?[0-9][0-9,.]{0,15}")
YEAR = re.compile("[12][0-9]{3}")
_NAME_TO_SORT = re.compile(r"sort.{0,5}name|정렬.{0,2}이름|이름.{0,2}정렬")
_LANGUAGE = re.compile("[a-z]{3}(?:-[a-z]{2,12})?")  # a code before the word
_RATING = re.compile("별점|평점|rating")
_VERSE = re.compile(r"[0-9]{1,3}:[0-9][0-9,–-]{0,9}")
_COUNTER = re.compile("[가-힣]|달러|가구|세대|미터")  # behind a number
_ID = re.compile(r"[a-z]{0,3}[0-9]{4,}|(?=[^0-9]*[0-9])(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])[\w-]{8,20}")
# Words in the names of other templates of values, and in the names of notices, citations and navigation
_OF_VALUES = re.compile(
    "단위|수량|횟수|비율|백분율|날짜|일자|시각|연도|숫자|수치|금액|통화|길이|넓이|면적|무게|높이|따옴표"
)
_WITHOUT_TEXT = re.compile(
    "상자|정보|둘러보기|목록|토막글|포털|각주|출처|분류|알림|안내|필요|문서|위치|지도|바$|시작|끝|도움말|저작권|틀|다른|동음|넘|링크$|삭제|표제|양식|"
    "인용$|이동|달력|별|외래어"
)
_LONGEST_VALUE = 100


def show_values(key: str, values: Sequence[str], korean: bool) -> str:
    """The text of a template named ``key`` with the arguments ``values``, which have no technical ones."""
    if len(values) > 1 and _LANGUAGE.fullmatch(values[0]):
        values = values[1:]
    if is_date(values[:3]):
        return write_dates(format_days(values), korean)
    if _NAME_TO_SORT.search(key):
        return " ".join(values[:2])
    if values and LAST_IS_SHOWN.search(key):
        return values[-1]
    if values and values[0] in COUNTRIES:
        return country_name(values[0], korean)
    if values and all(map(NUMBER.fullmatch, values)):
        return join_values(key, values)
    if len(values) > 1 and _VERSE.fullmatch(values[1]):
        return " ".join(values[:2])
    if len(values) == 2 and NUMBER.fullmatch(values[0]) and _COUNTER.fullmatch(values[1]):
        return "".join(values)
    glosses = [text for text in values[1:] if GLOSS.fullmatch(text) and text not in values[0]]
    if glosses and _ID.fullmatch(values[0]):
        return glosses[0]
    return f"{values[0]}{'' if korean else ' '}({', '.join(glosses)})" if glosses else "".join(values[:1])


def join_values(key: str, values: Sequence[str]) -> str:
    """Numbers with what is between them: parts of a rating, the ends of a span."""
    is_span = "범위" in key or (len(values) == 2 and all(map(YEAR.fullmatch, values)))
    return (":" if key == "시각" else "/" if _RATING.search(key) else "–" if is_span else " ").join(
        filter(None, values)
    )


def is_of_value(key: str, plain: Sequence[str]) -> bool:
    """Whether an unknown template has a name of values and one to three short arguments."""
    if not plain or len(plain) > 3 or max(map(len, plain)) > _LONGEST_VALUE:
        return False
    return bool(_OF_VALUES.search(key)) and not _WITHOUT_TEXT.search(key)
