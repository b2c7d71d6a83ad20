"""Numbers of identity documents: resident and alien registration, passport, driver's license (Republic of Korea).

Facts: a registration number is the date of birth, a digit for sex and century (1-4 citizens, 5-8 aliens, 9 and 0 born
before 1900) and six digits; the last was a check digit until October 2020, when the six became random (Ministry of the
Interior and Safety). Passports are a letter and eight digits, and since December 2021 a letter, three digits, a letter
and four digits (Ministry of Foreign Affairs). Licenses are region, year, six digits and two (Korean National Police).
"""

from __future__ import annotations

import datetime
import re

from preprocessing.pii.pattern import (
    DASHES,
    END,
    START,
    Match,
    Part,
    Pattern,
    is_in_code,
    is_number_of_thing,
    replaces_masked,
    text_after,
    text_before,
    touching,
)
from preprocessing.pii.table_columns import title_of_column

LATEST_BIRTH_YEAR = 2030
OLDEST_UNNAMED = 30
"""Citizens born before 19XX need the name of the number: "240312-1234567" is rather a day of this century and a count."""
_CENTURY = {"9": 1800, "0": 1800, "3": 2000, "4": 2000, "7": 2000, "8": 2000}
_HIDDEN = "*Xx●○•∗■#"
_RRN = re.compile(
    START + r"([0-9]{2})(0[1-9]|1[0-2])([0-3][0-9])( ?- ?| |)"
    rf"(?:([0-9])((?:[0-9]|[{_HIDDEN}](?![0-9])){{6}}|(?![0-9A-Za-z*●○•∗■#]))|[{_HIDDEN}]{{7}})" + END
)
_TOUCHES_RRN = touching("rrn|jumin|ssn|id|no|number|주민(?:등록)?번호")
_RRN_NAMED = re.compile(
    r"주민(?![세센])|외국인 ?등록|외국인 ?번호|거소|(?i:\brrn(?![A-Za-z])|jumin|resident reg)"
)
_RRN_NAMED_BEHIND = re.compile(rf" ?\(? ?(?:{_RRN_NAMED.pattern})")
# "회원번호", "증권번호": the number of something else than a registration
_OTHER_NUMBER = re.compile(
    r"[가-힣](?:(?<!주민)(?<!등록)(?<!식별)(?<!실명)번호| ?코드)[^0-9A-Za-z가-힣]{0,4}\Z"
)
_CORPORATE = re.compile("(?i:corporate|corporation|company|business) (?i:reg)|법인 ?\\Z")
_AMOUNT = re.compile(r" ?(?:원(?![본천고금장생])|명(?![의단])|개(?![인명])|건(?![강물])|호(?![가-힣]))")
_PERSON = re.compile("성명|이름|성함|생년|출생|사망|망인|고인|본인|환자|세대주|상속|할머니|할아버지|어르신")
_PASSPORT = re.compile(
    r"(?:(?<![0-9A-Za-z_])(?<![0-9A-Za-z]-)|(?<=[Pp]assport)|(?<=[Pp]assport_)|(?<=PASSPORT))(?:(?P<new>[MSRGDO][0-9]{3}[A-Z][0-9]{4})|[MSRGDO] [0-9]{8}|[A-Za-z][0-9]{8}|[A-Za-z]{2}[0-9]{7})(?![0-9A-Za-z_]|-(?!-?>))"
)
_PASSPORT_NAMED = re.compile(
    r"여권(?!용)|(?<![가-힣])여 권(?![가-힣])|[旅護护][券照]|(?i:passport|travel doc)"
)
_FLIGHT = re.compile(" ?편(?![가-힣]{2})")
_PASSPORT_FIELD = re.compile(r"(?i:passport)[A-Za-z_]{0,8}[\"'], *[\"']?value[\"']? ?[:=] *[\"']?\Z")
_PASSPORT_LABEL = re.compile(r"(?:여권(?!용)|(?i:passport))[A-Za-z가-힣_ :=\"'\n\[]{0,26}\Z")
_PASSPORT_ABOVE = re.compile(r"<\|pa[a-z|]*>(?:[^\n|]{0,20}|[^\n|]{0,12}\n[^\n가-힣|]{0,8})\Z")
"""A passport that is masked already, in a list of passports in a line or one below the other."""
_PRODUCT = re.compile(r"모델|품번|제품|상품|부품|시리얼|도면|재고|(?i:part|model|sku|serial)")
_PRODUCT_BEFORE = re.compile(rf"(?:{_PRODUCT.pattern})(?: ?번호|명)?[^0-9A-Za-z가-힣]{{0,4}}\Z")
_DRIVER = re.compile(
    START + r"(?:1[1-9]|2[0-8])(?P<s> - |[- .]?)[0-9]{2}(?P=s)[0-9]{6}(?P=s)[0-9]{2}" + END
    + r"|(?P<region>서울|부산|대구|인천|광주|대전|울산|세종|경기|강원|충북|충남|전북|전남|경북|경남|제주)[ -]?[0-9]{2}-[0-9]{6}-[0-9]{2}"
    + END
)  # fmt: skip
_YEARS_OF_NOBODY = frozenset(map(str, range(31, 50)))
"""Years of issue that are long ago or to come."""
_TOUCHES_DRIVER = touching("driver|licen[cs]e|no|number")
_DRIVER_NAMED = re.compile(r"면허(?!세)|(?i:driver(?![ _-]?(?:id|version|build|date|code))|licen[cs]e)")
_CODE_BEHIND = re.compile(r"-[A-Za-z]|\.(?:png|jpe?g|gif|pdf|hwp|txt|zip)(?![A-Za-z])")
_DATED = re.compile("(?:날짜|일자|일시|기간)[^0-9A-Za-z가-힣]{0,4}\\Z")
_ACCOUNT_NAMED = re.compile(r"계좌|통장|은행|뱅크|농협|입금|송금")


def has_checksum(digits: str) -> bool:
    """True when thirteen digits end with the check digit of numbers issued before October 2020."""
    weights = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
    return (11 - sum(int(d) * w for d, w in zip(digits, weights)) % 11) % 10 == int(digits[12])


def _check_rrn(match: Match) -> Part | None:
    """Requires an existing date and a hyphen, the check digit, or the name of the number nearby."""
    year, month, day, separator = match[1], match[2], match[3], match[4]
    gender, rest = match[5], match[6] or ""
    title = title_of_column(match)
    named = _RRN_NAMED.search(text_before(match, 24)) is not None or _RRN_NAMED.search(title) is not None
    named = named or _RRN_NAMED_BEHIND.match(text_after(match, 12)) is not None
    thing = (
        is_number_of_thing(match)
        or _OTHER_NUMBER.search(text_before(match, 12))
        or _CORPORATE.search(text_before(match, 36))
        or _AMOUNT.match(text_after(match, 3))
    )
    if is_in_code(match, _TOUCHES_RRN) or not _is_birthday(year, month, day, gender) or (thing and not named):
        return None
    if gender is None or gender in "90" or not rest:
        return match.span() if named else None
    valid = rest.isdigit() and has_checksum(year + month + day + gender + rest)
    if (
        int(year) < OLDEST_UNNAMED
        and gender in "12"
        and not (named or _PERSON.search(text_before(match, 24)))
    ):
        return None
    certain = named or valid or "-" in separator or replaces_masked(match, "rrn")
    return match.span() if certain else None


def _is_birthday(year: str, month: str, day: str, gender: str | None) -> bool:
    """True for an existing date in the century of the digit of sex, or in either century when that digit is hidden."""
    centuries = (1900, 2000) if gender is None else (_CENTURY.get(gender, 1900),)
    for century in centuries:
        try:
            born = datetime.date(century + int(year), int(month), int(day))
        except ValueError:
            continue
        if born.year <= LATEST_BIRTH_YEAR:
            return True
    return False


def _check_passport(match: Match) -> Part | None:
    """Accepts the format of 2021 unless the text names a product, older formats only where it names a passport."""
    near = text_before(match, 20)
    if (
        re.fullmatch("[A-Z]{1,2} ?0+", match[0])
        or _PRODUCT_BEFORE.search(near)
        or _FLIGHT.match(text_after(match, 4))
    ):
        return None
    title = title_of_column(match)
    named = any(map(_PASSPORT_NAMED.search, (near, text_after(match, 6), title)))
    if named or _PASSPORT_FIELD.search(text_before(match, 32)) or replaces_masked(match, "passport"):
        return match.span()
    thing = (
        _PRODUCT.search(near)
        or _PRODUCT.search(title)
        or _PRODUCT.match(text_after(match, 8).lstrip())
        or is_number_of_thing(match)
    )
    if match[0][0] == "M" and not thing and _PASSPORT_LABEL.search(text_before(match, 32)):
        return match.span()
    listed = _PASSPORT_ABOVE.search(match.string, max(0, match.start() - 40), match.start())
    return match.span() if (match["new"] or listed) and not thing else None


def _check_driver(match: Match) -> Part | None:
    """Accepts a number with hyphens or the name of a region; any other only where the text names a license."""
    if is_in_code(match, _TOUCHES_DRIVER) or _CODE_BEHIND.match(text_after(match, 6)):
        return None
    near = (text_before(match, 16), text_after(match, 8), title_of_column(match))
    if any(map(_DRIVER_NAMED.search, near)) or replaces_masked(match, "driver"):
        return None if text_after(match, 1) == "원" else match.span()
    front = text_before(match, 24)
    if is_number_of_thing(match) or any(
        words.search(front) for words in (_ACCOUNT_NAMED, _DATED, _OTHER_NUMBER)
    ):
        return None
    hyphens = match["s"] == "-" and match[0][3:5] not in _YEARS_OF_NOBODY
    return match.span() if match["region"] or hyphens else None


PATTERNS = (
    Pattern("rrn", rf"[0-9]{{2}}[01][0-9][0-3][0-9] ?[{DASHES}]? ?[0-9][0-9{_HIDDEN}]{{6}}", _RRN, _check_rrn),
    Pattern("rrn", rf"[0-9]{{6}} ?[{DASHES}]? ?[0-9{_HIDDEN}]", _RRN, _check_rrn, "주민|외국인|거소|(?i:rrn|jumin|resident reg)"),
    Pattern("driver", rf"[0-9]{{2}}[{DASHES}][0-9]{{6}}[{DASHES}][0-9]{{2}}", _DRIVER, _check_driver),
    Pattern("driver", rf"[12][0-9](?:[0-9]{{10}}|[ .][0-9]{{2}}[ .][0-9]{{6}}[ .][0-9]{{2}}| ?[{DASHES}] ?[0-9]{{2}} ?[{DASHES}] ?[0-9]{{6}} ?[{DASHES}])", _DRIVER, _check_driver, rf"면허|(?i:driver|licen[cs]e)|[0-9]{{2}}[{DASHES}][0-9]{{6}}[{DASHES}][0-9]{{2}}"),
    Pattern("passport", r"[MSRGDO][0-9]{3}[A-Z][0-9]{4}", _PASSPORT, _check_passport),
    Pattern("passport", r"[0-9]{7}", _PASSPORT, _check_passport, "여 ?권|[旅護护][券照]|(?i:passport|travel doc)|[MSRGDO][0-9]{3}[A-Z][0-9]{4}"),
)  # fmt: skip
