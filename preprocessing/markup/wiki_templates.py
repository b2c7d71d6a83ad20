"""Templates of Korean and English Wikipedia that contain text of the article; all others are removed.

Owns the text that replaces ``{{name|argument|key=value}}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from preprocessing.markup import wiki_values

# The text is the first argument.
FIRST = frozenset((
    "nowrap", "nobr", "줄바꿈방지", "작게", "small", "크게", "big", "larger", "굵게", "기울임", "위첨자", "아래첨자", "sup", "sub",
    "u", "밑줄", "ipa", "발음", "국기", "국기나라", "flag", "국기그림이름", "key", "키", "keypress", "kbd", "abbr", "약자",
    "ill", "interlanguage_link", "임시링크", "hanja", "한자", "ja", "일본어", "transl", "로마자", "em", "strong",
    "var", "smallcaps", "tooltip", "center", "가운데", "왼쪽", "오른쪽", "noitalic", "가로쓰기", "국가", "나라", "flagcountry",
    "flagu", "국기국가", "인명", "이름", "본명", "사람", "사람이름", "저자", "작가", "작품", "작품명", "책", "서명", "강조", "취소선", "s",
    "dfn", "visible_anchor", "vanchor", "앵커글", "괄호", "ja-l", "글씨크게", "글씨작게", "글자크게", "글자작게", "역명",
    "영어", "러시아어", "독일어", "프랑스어", "스페인어", "이탈리아어", "라틴어", "그리스어", "아랍어", "한국어", "fb", "축구국가대표팀",
    "학명", "원소기호", "ja-y", "일본어이름", "linktext", "nobold", "strike", "del", "ins", "음", "한국한자",
))  # fmt: skip
# The text is the second argument; a reading or a translation may follow.
SECOND = frozenset(("lang", "언어", "llang", "langx"))
# The text is the last unnamed argument.
LAST = frozenset((
    "color", "글씨색", "글꼴색", "폰트색", "font_color", "배경색", "bg", "링크", "색", "글자색", "글씨색상",
))  # fmt: skip
# Templates that show a flag and a name; the text is the code.
COUNTRIES = frozenset(
    re.findall(
        r"\w+",
        "ARG AUS AUT BEL BRA BUL CAN CHI CHN COL CRO CUB CZE DEN EGY ESP EST FIN FRA GBR GER GRE HKG HUN INA IND IRL IRN IRQ ISR "
        "ITA JPN KAZ KOR KSA LTU MAS MEX MGL MNG NED NOR NZL PHI POL POR PRK QAT ROU RSA RUS SGP SIN SRB SUI SVK SWE THA TPE TUR "
        "UAE UKR URU USA UZB VIE VNM",
    )
)
QUOTES = frozenset((
    "인용문", "quote", "cquote", "blockquote", "인용구", "인용상자", "인용문2", "quotation", "rquote", "pquote", "quote_box",
    "poem", "poemquote", "시", "verse", "글상자인용", "따온글",
))  # fmt: skip
QUOTE_MARKS = {"큰따옴표": "“{}”", "작은따옴표": "‘{}’", "따옴표": "“{}”", "낫표": "「{}」", "겹낫표": "『{}』", "홑화살괄호": "〈{}〉",
               "겹화살괄호": "《{}》", "qq": "“{}”", "q": "“{}”", '"': "“{}”"}  # fmt: skip
_QUOTE_NAMES = ("text", "quote", "내용", "인용", "인용문", "본문", "글")
_AUTHOR_NAMES = ("author", "저자", "작가", "말한이", "source", "출처", "sign")
FORMULAS = frozenset(("수학", "math", "mvar", "수식", "tmath"))
ROOTS = frozenset(("sqrt", "제곱근", "radic"))
CHEMICALS = frozenset(("화학식", "chem", "chem2"))
# Cells of tables that compare; the template without an argument has a text of its own.
ANSWERS = {
    "예": "예",
    "네": "예",
    "yes": "예",
    "아니오": "아니오",
    "아니요": "아니오",
    "no": "아니오",
    "부분": "부분적",
    "partial": "부분적",
}
TRACKS = frozenset(("곡목록", "트랙목록", "tracklist", "track_listing", "track_list"))
_TRACK_TITLE = re.compile("(?:제목|title)([0-9]{1,3})")
CODES = frozenset(("code", "코드", "mono", "tt", "codett", "javadoc"))
_QUOTES = re.compile("'{2,5}")  # italics and bold; a prime is one quote
_SCRIPT = re.compile(r"<(sup|sub)>([^<>]{0,200})</\1>")
FIXED = {
    "!": "|", "=": "=", "(": "{", ")": "}", "·": " · ", "dot": " · ", "bullet": " • ", "ndash": "–", "mdash": "—",
    "'": "'", "spaced_ndash": " – ", "snd": " – ", "nbsp": " ", "spaces": " ", "물결": "~",
}  # fmt: skip


def template_text(parts: Sequence[str]) -> str:
    """The text of a template, given its name and arguments; empty for a template without text of the article."""
    name = parts[0].strip().lower()
    if len(name) > 80:
        return ""
    name = name.removeprefix("틀:").removeprefix("template:").strip()
    key = name.replace(" ", "_") if name.isascii() else name.replace(" ", "").replace("_", "")
    if parts[0].strip() in COUNTRIES:
        return parts[0].strip()
    if key in FIXED:
        return FIXED[key]
    function, colon, _ = key.partition(":")
    if colon and function in wiki_values.FUNCTIONS:
        return parts[0].partition(":")[2].strip()
    named = _named_values(parts[1:])
    plain = [part.strip() for part in parts[1:] if not _is_named(part)]
    plain = plain or [named[number] for number in ("1", "2", "3") if number in named]
    if key in wiki_values.FORMATS:
        return wiki_values.FORMATS[key](plain, named) if plain or named else ""
    if key in ANSWERS:
        return plain[0] if plain and plain[0] else ANSWERS[key]
    if key in TRACKS:
        return _format_tracks(named)
    if key in QUOTES:
        return _format_quote(plain, named)
    format_text = _formatter(key)
    if format_text is None and wiki_values.is_of_value(key, plain):
        return " ".join(filter(None, plain))
    return format_text(plain) if format_text and plain else ""


def _formatter(key: str) -> Callable[[list[str]], str] | None:
    if key in FIRST or key.startswith(("lang-", "ipa-", "llang-")):
        return lambda plain: plain[0]
    if key in SECOND:
        return lambda plain: plain[min(1, len(plain) - 1)]
    if key in LAST:
        return lambda plain: plain[-1]
    if key in CHEMICALS:
        return lambda plain: "".join(plain)
    if key in ROOTS:
        return lambda plain: f"\\sqrt{{{plain[0]}}}" if plain[0] else ""
    if key in QUOTE_MARKS:
        return lambda plain: QUOTE_MARKS[key].format(plain[0])
    if key in FORMULAS:
        return lambda plain: f"${_SCRIPT.sub(_format_script, _QUOTES.sub('', plain[0]))}$" if plain[0] else ""
    if key in CODES:
        return lambda plain: f"`{plain[-1]}`" if plain[-1] else ""
    return None


def _format_quote(plain: Sequence[str], named: Mapping[str, str]) -> str:
    """A quotation of Markdown, with its author or source in a line of its own."""
    text = plain[0] if plain else _first_of(named, _QUOTE_NAMES)
    if not text:
        return ""
    author = ", ".join(filter(None, plain[1:3])) or _first_of(named, _AUTHOR_NAMES)
    lines = [*text.split("\n"), *([f"— {author}"] if author else [])]
    return "\n" + "\n".join(f"> {line}" for line in lines) + "\n"


def _format_tracks(named: Mapping[str, str]) -> str:
    """A numbered list of the songs of an album, with their lengths."""
    lines = []
    for name, title in named.items():
        number = _TRACK_TITLE.fullmatch(name)
        if number and title:
            length = _first_of(named, (f"길이{number[1]}", f"length{number[1]}"))
            lines.append(f"# {title} ({length})" if length else f"# {title}")
    return "\n" + "\n".join(lines) + "\n" if lines else ""


def _first_of(named: Mapping[str, str], names: Sequence[str]) -> str:
    return next((named[name] for name in names if named.get(name)), "")


def _format_script(match: re.Match[str]) -> str:
    return f"{'^' if match[1] == 'sup' else '_'}{{{match[2]}}}"


def _is_named(part: str) -> bool:
    """True for ``key=value``; an equals sign after other punctuation belongs to the text."""
    name, equals, _ = part.partition("=")
    return bool(equals) and (name.strip().replace("-", "").replace("_", "").replace(" ", "").isalnum())


def _named_values(parts: Sequence[str]) -> dict[str, str]:
    """Values by name in small letters, in their order."""
    values = {}
    for part in parts:
        if _is_named(part):
            name, _, value = part.partition("=")
            values[name.strip().lower()] = value.strip()
    return values
