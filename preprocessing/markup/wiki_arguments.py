"""Names and arguments of templates, and which arguments of an unknown template are text, by its name and its place."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence

# Names of notes, icons, anchors and values of the wiki, whose arguments the page does not show at their place
NEVER_SHOWN = re.compile(
    r"^주$|^주태그|^내용주|^역주|각주|주석|^r$|^refn?|^efn|^sfn|^harv|^rp$|note|cite|출처|근거|그림(?:없음)?$|아이콘|icon|deco|flag$|깃발$|앵커|anchor|anker|ancre|ancla|якорь|소리|"
    r"audio|ogg|여백|공백|간격|빈줄|빈칸|빈문단|인구|inflation|물가변동|데이터|통계|환율|data"
)
# Also those of notices and layout; only where a noun is missing they have text
ASIDE = re.compile(
    rf"{NEVER_SHOWN.pattern}|인용$|노선도|노선기호|역번호|색$|color|분류|동음|다른|구별|혼동|비슷한|참조|보기$|알아보기|공용|넘어옴|^설명(?!문)|알림|안내|편집|보호|병합|합병|분할|삭제|지우기|지움|연구|주관|중립|"
    r"필요|needed|번역|최신$|진행|토막|포털|둘러|(?<!글)상자|정보|틀$|위키|사용자|서명|핑|ping|사진|자매|링크$|좌표|지도|코드|쪽|언제|senseid|^topics$|attention|^rf[a-z]{2}|누가|누구|어디|단락|목차|"
    r"^단$|^표|문서|너비|폭$|크기|제한|들여|테두리|"  # layout
    r"^참고|^본문|^주요|^더보기|^main|^see|^about|^for$|^other|redirect|distinguish|disambig|^hat|^further|^s-|^hs$|hidden_sort|숨은정렬|승계|전임|후임|succession|^bs[0-9e-]{0,3}$|route"
)
_TECHNICAL = re.compile(
    r"#[0-9a-f]{6}|(?=[0-9]{0,5}[a-f])[0-9a-f]{6}|(?:00|33|66|99){3}|#[0-9a-f]{3}|[0-9]{1,4}(?:px|em)|t?(?:left|right|center)|yes|no|on|off|true|none|nome|[a-z-]{3,30}\s{0,3}:[^:]{1,60};?|"
    r"red|blue|green|black|white|gr[ae]y|yellow|orange|purple|pink|brown|gold|silver|https?://\S*|(?-i:[a-z]{1,2})",
    re.IGNORECASE,
)
_IN_NAMES = str.maketrans("", "", "-_ °\t\n")
Named = Mapping[str, str]
"""Values of a template by the names of its arguments."""


@functools.lru_cache(maxsize=4096)
def key_of(name: str) -> str:
    """The name in small letters; of a Korean one without blanks. Empty for a name that is too long."""
    name = name.strip().lower()
    if len(name) > 80:
        return ""
    name = name.removeprefix("틀:").removeprefix("template:").strip()
    return name.replace(" ", "_") if name.isascii() else name.replace(" ", "").replace("_", "")


@functools.lru_cache(maxsize=8192)
def is_named_as(key: str, words: re.Pattern[str]) -> bool:
    """Whether a name contains one of the words of names; pages use few names many times."""
    return words.search(key) is not None


def first_of(named: Named, names: Sequence[str]) -> str:
    """The first value with one of the names that is not empty; the empty text without one."""
    return next((named[name] for name in names if named.get(name)), "")


def read_arguments(parts: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The arguments in their order, which may have a number for a name, and the others by name in small letters.

    An equals sign after punctuation other than that of names belongs to the text.
    """
    plain: list[str] = []
    named: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if equals and (name.isalnum() or name.translate(_IN_NAMES).isalnum()):
            named[name.strip().lower()] = value.strip()
        else:
            plain.append(part.strip())
    numbers = [name for name in named if name.isdecimal() and len(name) < 4]
    for number in sorted(numbers, key=int):
        at = int(number) - 1
        if at < len(plain):
            plain[at] = named.pop(number)
        elif at == len(plain) or not plain:
            plain.append(named.pop(number))
    return plain, named


def is_technical(text: str) -> bool:
    """Whether an argument is a color, a style, a size, an address or the code of a language."""
    return _TECHNICAL.fullmatch(text) is not None
