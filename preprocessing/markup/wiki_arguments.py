"""Names and arguments of templates, and which arguments of an unknown template are text, by its name and its place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from preprocessing.markup.wiki_media import is_file_name

# Names of notes, notices, icons and anchors, whose arguments the page does not show at their place
_ASIDE = re.compile(
    r"^주$|^주태그|^내용주|^역주|각주|주석|^r$|^refn?|^efn|^sfn|^harv|note|cite|인용$|출처|근거|그림$|아이콘|icon|flag|깃발|앵커|anchor|소리|"
    r"audio|ogg|노선|역번호|색$|color|분류|동음|다른|다른뜻|넘어옴|설명|알림|안내|편집|보호|병합|합병|분할|정리|삭제|지우기|지움|연구|주관|중립|"
    r"필요|번역|최신|진행|토막|포털|둘러|상자|정보|틀$|위키|사용자|서명|핑|ping|사진|자매|링크$|좌표|지도|코드|쪽|언제|누가|누구|어디|단락|목차|여백|공백|"
    r"간격|빈줄|빈칸|빈문단|^단$|^표|문서|너비|폭$|크기|제한|들여|테두리"  # layout
)
_SENTENCE = re.compile(r"[가-힣]{2,20} [가-힣0-9A-Za-z ,]{6,200}[가-힣]{1,10}[다요죠음함임까][.?!]")
_LABEL = re.compile(r"(?=.{0,80}[가-힣一-鿿0-9A-Za-zⅠ-Ⅿ])[^\n=]{1,80}")
_KOREAN_NUMBER = re.compile("[0-9][0-9,.]{0,15}[가-힣]{0,3}")
# A template between them has the place of a noun: " {{...}}은 "
_NOUN_BEFORE = re.compile(r"$|[\s(\[\"'“‘·*]")
_NOUN_AFTER = re.compile(
    r"(?:년|월|일|세|살|명|개|대|번|원|위|호|회)?"
    r"(?:은|는|이|가|을|를|의|에|에서|에게|으로|로|와|과|도|만|부터|까지|이다|이며|이고|이라|라고|이라고|(?<=[년월일세살명개대번원위호회]))"
    r"(?![가-힣])"
)
# A template alone in its cell or in quotes
_ALONE_BEFORE = re.compile(r"(?P<quote>[“‘《〈「『])$|(?:(?:^|\n)[|!]|\|\||!!)[ \t]{0,5}$")
_CELL_AFTER = re.compile(r"[ \t]{0,5}(?:\|\||!!|\n[|!])")
_CLOSING_QUOTES = dict(zip("“‘《〈「『", "”’》〉」』", strict=True))
_WORD = re.compile(r"\w")
Named = Mapping[str, str]
"""Values of a template by the names of its arguments."""


def key_of(name: str) -> str:
    """The name in small letters; of a Korean one without blanks. Empty for a name that is too long."""
    name = name.strip().lower()
    if len(name) > 80:
        return ""
    name = name.removeprefix("틀:").removeprefix("template:").strip()
    return name.replace(" ", "_") if name.isascii() else name.replace(" ", "").replace("_", "")


def is_named(part: str) -> bool:
    """True for ``key=value``; an equals sign after other punctuation belongs to the text."""
    name, equals, _ = part.partition("=")
    return bool(equals) and (name.strip().replace("-", "").replace("_", "").replace(" ", "").isalnum())


def named_values(parts: Sequence[str]) -> dict[str, str]:
    """Values by name in small letters, in their order."""
    values = {}
    for part in parts:
        if is_named(part):
            name, _, value = part.partition("=")
            values[name.strip().lower()] = value.strip()
    return values


def first_of(named: Named, names: Sequence[str]) -> str:
    """The first value with one of the names that is not empty; the empty text without one."""
    return next((named[name] for name in names if named.get(name)), "")


def sentences(key: str, plain: Sequence[str], named: Named) -> str:
    """The arguments of an unknown template that are Korean sentences, as paragraphs."""
    if key.isascii() or _ASIDE.search(key):
        return ""
    texts = [*plain, *(value for name, value in named.items() if not _ASIDE.search(name))]
    texts = [text for text in texts if _SENTENCE.search(text)]
    return "\n\n" + "\n\n".join(texts) + "\n\n" if texts else ""


def shown_argument(parts: Sequence[str], before: str, behind: str, after: str) -> str:
    """The first argument of an unknown template in the place of a noun, or alone in a cell or in quotes, or its number.

    ``before`` and ``behind`` are the text around it, ``after`` what is behind it up to a bracket or a bar.
    """
    in_sentence = _NOUN_BEFORE.search(before[-1:]) is not None
    if not (in_sentence and _NOUN_AFTER.match(after)) and not _is_alone(before, behind):
        is_number = len(parts) == 2 and _KOREAN_NUMBER.fullmatch(parts[1].strip())
        if not (is_number and in_sentence and _WORD.search(before.rpartition("\n")[2])) or parts[0].isascii():
            return ""
    key = key_of(parts[0])
    if key[:1] == "#" or _ASIDE.search(key):
        return ""
    plain = [part.strip() for part in parts[1:] if not is_named(part)]
    return plain[0] if plain and _LABEL.fullmatch(plain[0]) and not is_file_name(plain[0]) else ""


def _is_alone(before: str, behind: str) -> bool:
    """Whether a cell or a pair of quotes has nothing but the template."""
    place = _ALONE_BEFORE.search(before)
    if place is None:
        return False
    if place["quote"]:
        return behind[:1] == _CLOSING_QUOTES[place["quote"]]
    return _CELL_AFTER.match(behind) is not None
