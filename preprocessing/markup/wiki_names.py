"""What a template is by words of its name: a note, an icon, a notice, a box, the part of a table.

Owns the words, each in one group, and the unions that the readers of templates ask for.
"""

from __future__ import annotations

import functools
import re

_NOTES = r"^주$|^r:|^주태그|^내용주|^역주|각주|주석|^r$|^ref|^efn|^sfn|^harv|^rp$|note|cite|출처|근거"
_CITATIONS = "인용$|citation"
_ICONS = "^rint$|interchange|그림(?:없음)?$|표지$|아이콘|icon|deco|flag$|깃발$"
_ANCHORS = "앵커|anchor|anker|ancre|ancla|якорь|소리|audio|ogg"
_SPACES = "여백|공백|간격|빈줄|빈칸|빈문단"
_LATEST = "최신.{0,4}버전"
_DATA, _FIGURES = f"데이터|data|{_LATEST}", "인구|inflation|물가변동|통계|환율"  # of the wiki or its database
_DOUBTS = "needed|필요|clarify|dubious|의심|모호|불명확|언제|누가|누구|어디"
_NOTICES = "알림|안내|보호|삭제|지우기|지움|토막|stub|위키|틀$"
_REQUESTS = "편집|병합|합병|분할|연구|주관|중립|번역(?!$)|최신$|진행|attention|^rf[a-z]{2}"
_BOXES = "정보|둘러|navbox|infobox|mbox"
_SISTERS = "포털|portal|자매|sister|commons|공용"
_POINTERS = (
    "동음|다른|구별|혼동|비슷한|참조|보기$|알아보기|넘어옴|^참고|^본문|^주요|^더보기|^main|^see|^about|^for$|^other|redirect|distinguish|"
    "disambig|^hat|^further|^intitle|^lookfrom"
)
_ROUTES = "노선도|인접역|adjacent|노선기호|역번호|^s-|^bs[0-9e-]{0,3}$|route|승계|전임|후임|succession"
_MAPS = "지도(?!교수|자$)|좌표"
_PARTS = "start|begin|end$|시작|끝|break|header|머리|^no_|hold"  # of a table
_DATABASES = "imdb|profile|통계|기록실|kbo|mlb"  # of sport and film, to which a template only links
_LAYOUT = (
    "색$|color|분류|^설명(?!문)|사용자|서명|핑|ping|사진|(?:언어|깨진|끊긴|죽은|외부|자매)링크$|코드|쪽|senseid|^topics$|단락|목차|^단$|^표|문서|너비|폭$|크기|제한|들여|테두리|"
    "^hs$|^[nd]tsh$|hidden_sort|숨은정렬|정렬키$"
)


def _any_of(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words))


FIGURE = _any_of(_FIGURES)
ICON, NOTE = _any_of(_ICONS), _any_of(_NOTES)
ICON_OR_SIGN = _any_of(_ICONS, "노선기호")  # shows its word where a cell has nothing else
# A value that only the wiki has, and functions that need its database
OF_WIKI = _any_of(
    r"^#(?!tag|if|switch|vardefine|set\b|lst)",
    "^(?:.{0,40}:)?numberof",
    _FIGURES,
    "population|데이터|문서수",
    _LATEST,
)
DOUBT = _any_of(_DOUBTS)  # about a sentence; an argument may be its text
# The page does not show their arguments at their place.
NEVER_SHOWN = _any_of(_NOTES, _ICONS, _ANCHORS, _SPACES, _DATA, _FIGURES)
# Nor those of these, but where a noun is missing they have text.
ASIDE = _any_of(
    NEVER_SHOWN.pattern, _CITATIONS, _DOUBTS, _NOTICES, _REQUESTS, _BOXES, "(?<![글사부수대이])상자", _SISTERS, _POINTERS, _ROUTES, _MAPS, _LAYOUT
)  # fmt: skip
# Several lines or pictures inside are no text of the article.
NOTICE = _any_of(_NOTES, _CITATIONS, _NOTICES, _BOXES)
# Several of them, one below the other, are no rows.
NO_ROW = _any_of(NOTICE.pattern, _SISTERS, _POINTERS, _ROUTES, _MAPS, _DATA)
# Named as rows, but parts of their table, boxes or links
NO_NAMED_ROW = _any_of(
    _PARTS,
    _BOXES,
    "(?<!경기)(?<![축야농배]구)(?<!핸드볼)(?<![사부수대이])상자",
    "stub|토막|분류|category|list_of",
    _DATABASES,
)


@functools.lru_cache(maxsize=8192)
def is_named_as(key: str, words: re.Pattern[str]) -> bool:
    """Whether a name contains one of the words; pages use few names many times."""
    return words.search(key) is not None
