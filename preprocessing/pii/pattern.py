"""A pattern of personal data: a hint, an expression, a check, and the text around a match.

Owns the borders of numbers, which are ASCII-only so that adjacent Hangul does not hide a number, the words that may touch
a number ("tel010-..."), and the windows in which context words count. A window covers the line and the end of the line above and ends at a placeholder, so masked
text does not change later decisions.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from preprocessing.pii.table_columns import title_of_column

Match = re.Match[str]
Part = tuple[int, int]
"""Start and end of the characters to mask."""

START = r"(?=[0-9])(?<![0-9])(?<![0-9][-.~])"
"""Start of a number. Letters may touch it; ``is_in_code`` decides about them. The digit is asked for first, because most
characters fail there and Python looks behind slowly."""
END = r"(?![0-9A-Za-z_])(?![-.][0-9])"
DASHES = "-\u2010-\u2015\u2212\uff0d"
"""Characters, for a class in an expression, that are read as a hyphen."""
WIDE = "\u00a0\u2002-\u200a\u202f\u3000\uff01-\uff0c\uff0e-\uff5e"
"""Characters, for a class in an expression, that are read as a blank or as the ASCII of half their width."""

_UNUSUAL = re.compile(f"[{WIDE}{DASHES[1:]}]")

# Words before numbers that belong to things, not to people. The number of an act needs "번호" to be no telephone: "예약 010-...".
_ACTS = "주문|접수|관리|예약|문서|상품|제품|배송|승인|거래|출원|발주|견적|신고|허가|(?<!본인)(?<!본인 )인증|조회|택배|소포|사업자"
_GOODS = (
    "송장|계약|사건|법인 ?등록|사업자 ?등록|일련|항공권|추적|등기|모델|품목|부품|특허|영수증|승차권|탑승권|쿠폰|상품권|기프티콘|기프트카드|바우처|"
    "이용권|시리얼|자산|고지서|증권|도면|바코드|라이선스|전표|품번|규격|좌표|과제|타임스탬프"
)
_LATIN_GOODS = (
    "order|tracking|invoice|serial|part|model|sku|imei|iccid|isbn|issn|sn|ean|upc|barcode|trace|transaction|txn|session|receipt|ticket|"
    "coupon|voucher|asset|case|lot|batch|s/n|ref|reference|commit|sha|hash|uuid|guid|timestamp|doi|patent|item|p/?n"
)
# A word that touches "번호" names a thing, unless it ends with a telephone or with who has one.
_TOUCHES_NUMBER = r"(?<![가-힣])(?P<word>[가-힣]{2,8})번호"
_TELEPHONE = re.compile(
    "(?:전화|폰|휴대|연락|연락처|팩스|안심|가상|대표|직통|내선|비상|긴급|문의|상담|안내|발신|발신자|수신|수신자|착신|개통|무선|유선|통화|문자|카톡|단축|개인|"
    "본인|회사|업무|가게|매장|점포|자택|사무실|엄마|아빠|부모|남편|아내|가족|친구|동생|아들|선생|님|가능|보호자|담당|담당자|예약자|주문자|기사|사장|지인|상대|상대방|거래처|업체|센터|피싱|스팸|국제)\\Z"
)
# ... and these name a number only with "번호"
_OTHERS = (
    "회원|학생|직원|환자|고객|좌석|수험|응시|계량기|기기|단말|차량|차대|고유|입찰|공고|공문|민원|처방|보험|보증서?|우편|전산|참고|식별|납부|카탈로그|시험|예매|도서|청구|심사|"
    "세션|지점|호기|접속|추첨|당첨|객실|사물함|게시물?|글|문항|문제|배치"
)
_NAMES_NUMBER = "(?: ?(?:번호|코드|넘버|키)|명)"
_BETWEEN = r"(?: ?\([^()\n]{1,12}\))?(?:은|는|이|가)?[^0-9A-Za-z가-힣]{0,4}\Z"
_LATIN = rf"(?<![A-Za-z])(?i:{_LATIN_GOODS})(?i:[ _-]?(?:no|num|number|id|code))?s?[ .:#=_>\"'()-]{{0,5}}\Z"
_NUMBER_OF_A_THING = re.compile(
    rf"(?:(?:{_ACTS}|{_GOODS}){_NAMES_NUMBER}?|(?:{_OTHERS}) ?번호){_BETWEEN}|{_LATIN}"
)
_TOUCHING_NUMBER = re.compile(_TOUCHES_NUMBER + _BETWEEN)
_NUMBERED_THING = re.compile(
    rf"(?:(?:{_ACTS}|{_OTHERS}){_NAMES_NUMBER}|(?:{_GOODS}){_NAMES_NUMBER}?|[가-힣]{{2}}(?:코드|기호|부호)){_BETWEEN}|{_LATIN}"
)

_ARROW_BEHIND = re.compile(
    r"<\|(?P<kind>[a-z]{2})[a-z|]*>[\"'`)]{0,2} ?(?:[-=]+>|<[-=]+|[→←⇒➔➜▶►]) ?[\"'`(]{0,2}"
)


_LONGEST_ID = 80
_GROUPS_BEFORE = re.compile("(?<![0-9A-Za-z_])(?:[0-9A-Fa-f]{4,32}-){1,4}\\Z")
_GROUPS_BEHIND = re.compile("(?:-[0-9A-Fa-f]{4,32}){1,4}(?![0-9A-Za-z_])")
_MIXED_GROUP = re.compile("(?:[0-9][A-Fa-f]|[A-Fa-f][0-9])")
_UUID = re.compile("[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


@dataclass(frozen=True, eq=False)
class Pattern:
    """``hint`` and ``needs`` are patterns for ``matching.Matcher``; a text that lacks one has no match.

    ``regex`` searches a line whose full-width characters, dashes and blanks are converted to ASCII of the same length,
    or with ``as_is`` the original line, or with ``spans_lines`` the original text. ``check`` returns the part to mask,
    or None to reject a match. Of a pattern with ``lines_below`` the hint is in other lines than its matches: it tells which lines
    of a text are searched.
    """

    kind: str
    hint: str
    regex: re.Pattern[str]
    check: Callable[[Match], Part | None]
    needs: str | None = None
    as_is: bool = False
    spans_lines: bool = False
    lines_below: Callable[[str], list[int]] | None = None


def to_plain(text: str) -> str:
    """Converts full-width characters, dashes and blanks to ASCII of the same length."""
    return _UNUSUAL.sub(lambda match: _to_ascii(match[0]), text)


def _to_ascii(character: str) -> str:
    if "\uff01" <= character <= "\uff5e":
        return chr(ord(character) - 0xFEE0)
    return "-" if "\u2010" <= character <= "\u2015" or character == "\u2212" else " "


def mask_whole(match: Match) -> Part | None:
    """Accepts every match and masks all of it."""
    return match.span()


def text_before(match: Match, width: int) -> str:
    """Up to ``width`` characters before a match, after the last placeholder."""
    return match.string[max(0, match.start() - width) : match.start()].rpartition("|>")[2]


def text_after(match: Match, width: int) -> str:
    """Up to ``width`` characters after a match, before the next placeholder."""
    return match.string[match.end() : match.end() + width].partition("<|")[0]


def replaces_masked(match: Match, kind: str) -> bool:
    """True behind an arrow from personal data of the same kind: "여권 변경: <|passport|> -> M90218374"."""
    start = match.string.rfind("<|", max(0, match.start() - 80), match.start())
    arrow = _ARROW_BEHIND.fullmatch(match.string, start, match.start()) if start >= 0 else None
    return arrow is not None and kind.startswith(arrow["kind"])


def is_in_id(match: Match) -> bool:
    """True for a part of a UUID, or beside a group of hexadecimal letters and digits: "7137-4174-bd2e"."""
    before = _GROUPS_BEFORE.search(match.string, max(0, match.start() - _LONGEST_ID), match.start())
    behind = _GROUPS_BEHIND.match(match.string, match.end())
    around = (before[0] if before else "", behind[0] if behind else "")
    return any(map(_MIXED_GROUP.search, around)) or bool(_UUID.fullmatch(match[0].join(around)))


def is_number_of_thing(match: Match) -> bool:
    """True when the text right before, or the title of the column, names an order, a parcel, a contract or the like."""
    named = _NUMBER_OF_A_THING.search(text_before(match, 32)) or _NUMBERED_THING.search(
        title_of_column(match)
    )
    return named is not None


def is_numbered_thing(match: Match) -> bool:
    """As ``is_number_of_thing``, but an act alone names no number: "예약 010-..." is a telephone."""
    front = re.sub(r"(?<![A-Za-z])[A-Z]\Z", "", text_before(match, 32))  # "상품코드 P010-..."
    named = _TOUCHING_NUMBER.search(front)
    other = named is not None and _TELEPHONE.search(named["word"]) is None
    return other or any(map(_NUMBERED_THING.search, (front, title_of_column(match))))


def touching(words: str) -> re.Pattern[str]:
    """A pattern for ``is_in_code``: one of ``words`` (an expression, in any case) at the end of a text."""
    return re.compile(rf"(?<![0-9A-Za-z_.-])(?i:{words})_?\Z")


def is_in_code(match: Match, words: re.Pattern[str]) -> bool:
    """True when a letter or an underscore touches the start of a match, unless ``words`` match there."""
    before = text_before(match, 24)
    return re.search(r"[A-Za-z_]\Z", before) is not None and words.search(before) is None


def digits_of(text: str) -> list[int]:
    """The digits in a text, as numbers."""
    return [int(character) for character in text if character.isdigit()]
