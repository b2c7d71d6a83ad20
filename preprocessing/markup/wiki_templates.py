"""Templates of Korean and English Wikipedia that contain text of the article; all others are removed.

Owns the text that replaces ``{{name|argument|key=value}}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from preprocessing.markup import wiki_values
from preprocessing.markup.wiki_arguments import Named, first_of, is_technical, key_of, read_arguments
from preprocessing.markup.wiki_countries import country_name
from preprocessing.markup.wiki_dates import value_of_time
from preprocessing.markup.wiki_functions import function_text
from preprocessing.markup.wiki_languages import labeled
from preprocessing.markup.wiki_medals import medal_text
from preprocessing.markup.wiki_media import GALLERIES, gallery_template, is_file_name
from preprocessing.markup.wiki_page import WikiPage
from preprocessing.markup.wiki_quotations import format_quotation, is_quotation
from preprocessing.markup.wiki_rows import rows_text
from preprocessing.markup.wiki_shown import UNITS
from preprocessing.markup.wiki_words import word_text

# The text is the first argument, a country or its code.
FLAGS = frozenset((
    "fb", "국기", "국기나라", "flag", "flagcountry", "flagu", "국기국가", "국가", "나라", "축구국가대표팀",
))  # fmt: skip
# The text is the first argument.
FIRST = FLAGS | frozenset((
    "nowrap", "nobr", "줄바꿈방지", "작게", "small", "크게", "big", "larger", "굵게", "기울임",
    "u", "밑줄", "국기그림이름", "abbr", "약자", "툴팁", "설명문", "틀링크", "틀",
    "ill", "interlanguage_link", "임시링크", "ja", "로마자", "국기선수", "국기그림선수", "flagiocathlete", "flagathlete", "flagiocmedalist", "em", "strong",
    "var", "smallcaps", "sm", "tooltip", "center", "가운데", "왼쪽", "오른쪽", "noitalic", "가로쓰기",
    "인명", "이름", "본명", "사람", "사람이름", "저자", "작가", "작품", "작품명", "책", "서명", "강조", "취소선", "s",
    "dfn", "visible_anchor", "vanchor", "앵커글", "괄호", "ja-l", "글씨크게", "글씨작게", "글자크게", "글자작게", "작은글씨", "큰글씨", "굵은글씨", "작은글자", "큰글자", "역명",
    "약어", "유니코드", "unicode", "옛한글", "글자강조", "overline", "윗줄", "윗금",
    "역", "역링크", "stn", "station", "원소기호", "ja-y", "일본어이름", "linktext", "nobold", "strike", "del", "ins", "음", "한국한자",
    "c", "right", "오른쪽정렬", "왼쪽정렬", "가운데정렬", "우측정렬", "중앙정렬", "sc", "smaller", "fine_block", "larger_block",
))  # fmt: skip
LINKS = frozenset(("ill", "interlanguage_link", "임시링크"))  # ``lt`` is the label, or a fourth argument
KEYS = frozenset(("key", "키", "keypress", "key_press", "kbd", "단추", "키누르기"))
SOUNDED = frozenset(("ipa", "발음", "음성"))  # the code of a language may come first
TRANSLATED = frozenset(("llang", "langx"))  # a language and the text; a reading or a translation may follow
# The text is the second argument, behind a language, a color or the state of a version.
SECOND = frozenset((
    "lang", "언어", "범례", "범례2", "범례선", "legend", "legend2", "legend-line", "legend_inline", "색상범례",
    "sort", "정렬", "script", "version", "버전",
))  # fmt: skip
# The text is the last unnamed argument.
LAST = frozenset((
    "color", "글씨색", "글꼴색", "폰트색", "font_color", "배경색", "bg", "링크", "색", "글자색", "글씨색상", "글꼴", "font", "transl",
    "transliteration",
))  # fmt: skip
RAISED = {"위첨자": "sup", "sup": "sup", "아래첨자": "sub", "sub": "sub"}
PROOFS = frozenset(("math_theorem", "math_proof", "수학정리", "정리와증명", "증명", "정리", "정의", "보조정리", "따름정리", "theorem", "proof"))  # fmt: skip
QUOTE_MARKS = {"큰따옴표": "“{}”", "작은따옴표": "‘{}’", "따옴표": "“{}”", "낫표": "「{}」", "홑낫표": "「{}」", "겹낫표": "『{}』", "홑화살괄호": "〈{}〉",
               "겹화살괄호": "《{}》", "qq": "“{}”", "q": "“{}”", '"': "“{}”"}  # fmt: skip
FORMULAS = frozenset(("수학", "math", "mvar", "수식", "tmath"))
ROOTS = frozenset(("sqrt", "제곱근", "radic"))
CHEMICALS = frozenset(("화학식", "chem", "chem2"))
# Cells of tables; the template without an argument has a text of its own, in Korean and English.
ANSWERS = {
    "예": ("예", "Yes"), "네": ("예", "Yes"), "yes": ("예", "Yes"), "아니오": ("아니오", "No"), "아니요": ("아니오", "No"),
    "no": ("아니오", "No"), "부분": ("부분적", "Partial"), "partial": ("부분적", "Partial"), "won": ("수상", "Won"),
    "수상": ("수상", "Won"), "nom": ("후보", "Nominated"), "후보": ("후보", "Nominated"), "n/a": ("해당 없음", "N/A"),
    "해당없음": ("해당 없음", "N/A"), "tba": ("미정", "TBA"), "미정": ("미정", "TBA"), "pending": ("미정", "Pending"),
    "any": ("모두", "Any"), "free": ("무료", "Free"), "무료": ("무료", "Free"), "unknown": ("알 수 없음", "Unknown"),
    "알수없음": ("알 수 없음", "Unknown"), "dunno": ("?", "?"), "draw": ("무승부", "Draw"), "무승부": ("무승부", "Draw"), "sic": ("[원문 그대로]", "[sic]"),
}  # fmt: skip
_SIGN = re.compile(r"[\"' ]{2,5}|[^\w\s\x00-\x7f]|[²³½&?]")  # a template that is named by what it shows
CODES = frozenset(("code", "코드", "mono", "tt", "codett", "javadoc"))
_SOUNDS = {",_": ", ", "_": " ", "lang": ""}
_NO_SOUNDS = frozenset(("-", "pron", "uk", "us", "also", "local", "ipa", "lang", "audio", ""))
_QUOTES = re.compile("'{2,5}")  # italics and bold; a prime is one quote
_MUSIC = dict.fromkeys(("flat", "b", "♭", "플랫"), "♭") | dict.fromkeys(("sharp", "#", "♯", "샤프"), "♯") | {
    "natural": "♮", "n": "♮", "♮": "♮", "doubleflat": "𝄫", "bb": "𝄫", "doublesharp": "𝄪", "x": "𝄪", "quarter": "♩", "quarternote": "♩",
    "4분음표": "♩", "eighth": "♪", "eighthnote": "♪", "8분음표": "♪", "treble": "𝄞", "bass": "𝄢", "alto": "𝄡",
}  # fmt: skip
_COLOR = re.compile(
    "(?:빨간|붉은|파란|푸른|노란|초록|녹|하늘|보라|분홍|주황|회|검은|검정|흰|하얀|갈|남|연두|자주|청|적)색"
)
_LANGUAGE = re.compile("[a-z]{2,3}(?:-[A-Za-z]{2,8})?")
_PLACE_OF_SOUND = re.compile("(?<=[^,]), ([가-힣]{1,9}(?:, [가-힣]{1,9})?)(?=,|$)")
_SCRIPT = re.compile(r"<(sup|sub)>([^<>]{0,200})</\1>")
FIXED = {
    "minus": "−", "pi": "π", "plus": "+", "~": "~", "flat": "♭", "플랫": "♭", "sharp": "♯", "샤프": "♯", "natural": "♮", "내추럴": "♮",
    "!": "|", "!!": "||", "!-": "|-", "(!": "{|", "!)": "|}", "=": "&#61;", "(": "{", ")": "}", ".": " · ", "·": " · ", "·w": " · ", "dot": " · ", "middot": " · ", "가운뎃점": " · ", "bullet": " • ", "*": " • ", ":": ":", "ndash": "–", "mdash": "—",
    "'": "&#39;", "/": "/", "slash": " / ", ",": ",", "em_dash": "—", "en_dash": "–", "endash": "–", "emdash": "—", "—": "—", "–": "–", "increase": "▲", "decrease": "▼", "steady": "—", "증가그림": "▲", "증가": "▲", "감소": "▼", "감소그림": "▼",
    "상승": "▲", "하락": "▼", "유지": "—", "승격": "▲", "강등": "▼", "spaced_ndash": " – ", "snd": " – ", "--": " – ", "dash": " – ", "snds": " – ", "•": " • ", "\\": " / ", ";": "; ", "nbsp": " ", "nnbsp": " ", "thinsp": " ", "thin_space": " ", "hair_space": " ", "hairsp": " ", "ensp": " ", "emsp": " ", "공백": " ", "빈칸": " ", "spaces": " ", "pad": " ", "gap": " ", "물결": "~",
    "dagger": "†", "double_dagger": "‡", "double-dagger": "‡", "올림표": "♯", "내림표": "♭", "제자리표": "♮", "ddagger": "‡", "×": "×", "곱하기": "×", "times": "×", "...": "…", "줄임표": "…", "대시": "—", "vs": "vs ", "vs.": "vs. ",
}  # fmt: skip


def template_text(parts: Sequence[str], page: WikiPage) -> str | None:
    """The text of a template, given its name and arguments; empty for one without text, None for an unknown one.

    Rows, quotations and tables are wikitext, captions of pictures are marked (see ``wiki_media``).
    """
    function = function_text(parts, page)
    if function is not None:
        return function
    key = key_of(parts[0])
    country = country_name(parts[0].strip(), page.korean)
    if not key or country:
        return country
    plain, named = read_arguments(parts[1:])
    if (
        key not in FIXED
        and key not in ANSWERS
        and _SIGN.fullmatch(sign := parts[0].strip())
        and not wiki_values.find_format(key)
    ):
        return f"{plain[0]} {sign}" if plain and key in UNITS else sign + "".join(plain[:1])
    if key in FIXED:
        return FIXED[key] + ("" if FIXED[key].isspace() else "".join(plain[:1]))
    if not plain and (medal := medal_text(key, page.korean)):
        return medal
    if key in ANSWERS:
        return plain[0] if plain and plain[0] else ANSWERS[key][not page.korean]
    for text in (value_of_time(key, plain, named, page), _block_text(key, plain, named, page)):
        if text is not None:
            return text
    if key in ("music", "음악") and plain:
        return "/".join(plain[1:3]) if plain[0] == "time" else _MUSIC.get(plain[0].lower(), "")
    if key in TRANSLATED or key.startswith(("lang-", "llang-")):
        code, texts = (
            (plain[0], plain[1:3]) if key in TRANSLATED and plain else (key.partition("-")[2], plain[:2])
        )
        literal = f"lit. {named['lit']}" if named.get("lit") else ""
        text = ", ".join(dict.fromkeys(filter(None, (*texts, named.get("translit"), literal))))
        return labeled(code, text, first_of(named, ("label", "이름표")), page.korean)
    if key in LINKS and (label := named.get("lt") or "".join(plain[3:4])) and not is_technical(label):
        return label
    if key in ("fbu", "fbu-rt") and len(plain) > 1:
        return f"{country_name(plain[1].upper(), page.korean) or plain[1]} U-{plain[0]}"
    format_text = _formatter(key)
    if format_text is None:
        return None
    text = format_text(plain) if plain else ""
    if key in FLAGS:
        return first_of(named, ("name", "이름")) or country_name(text.upper(), page.korean) or text
    return text


def _block_text(key: str, plain: list[str], named: Named, page: WikiPage) -> str | None:
    """Text of values, formulas, proofs, quotations, pictures and rows; None for another template."""
    if format_value := wiki_values.find_format(key):
        return format_value(plain, named) if plain or named or key in wiki_values.BARE else ""
    if key in ("numblk", "equation_box_1"):
        return "".join(f"\n\n{text}\n\n" for text in [*plain[1:2], named.get("equation", "")] if text)
    if key in PROOFS:
        return _format_proof(plain, named)
    if is_quotation(key, plain):
        return format_quotation(key, plain, named)
    if key in GALLERIES:
        return gallery_template(plain, named)
    text = word_text(key, plain, named, page.korean)
    return rows_text(key, plain, named, page.korean) if text is None else text


def _formatter(key: str) -> Callable[[list[str]], str] | None:
    if key in SOUNDED:
        return _format_sounds
    if key in FIRST or key.startswith(("ipa-", "ipal", "ipab", "link-")):
        return lambda plain: plain[0]
    if key in SECOND:
        return lambda plain: plain[1] if len(plain) > 1 else "" if is_technical(plain[0]) else plain[0]
    if key in RAISED:
        return lambda plain: f"<{RAISED[key]}>{plain[0]}</{RAISED[key]}>"
    if key in ("abs", "절댓값"):
        return lambda plain: f"|{plain[0]}|"
    if key in ("equationnote", "equationref", "식번호"):
        return lambda plain: plain[1] if len(plain) > 1 else f"({plain[0]})"
    if key in LAST or _COLOR.fullmatch(key):
        return lambda plain: plain[-1]
    if key in CHEMICALS:
        return "".join
    if key == "학명":  # and who named it
        return lambda plain: " ".join(filter(None, plain))
    if key in ROOTS:
        return lambda plain: f"$\\sqrt{{{_QUOTES.sub('', plain[0])}}}$" if plain[0] else ""
    if key in QUOTE_MARKS:
        return lambda plain: QUOTE_MARKS[key].format(plain[0])
    if key in FORMULAS:
        return lambda plain: _format_formula(plain[0])
    if key == "ipac-en":
        return lambda plain: (
            f"/{''.join(_SOUNDS.get(sound, sound) for sound in plain if not _is_no_sound(sound))}/"
        )
    if key == "respell":
        return lambda plain: "-".join(filter(None, plain)).replace("-,_-", ", ").replace("-_-", " ")
    if key == "isbn":
        return lambda plain: f"ISBN {plain[0]}"
    if key in ("née", "nee"):
        return lambda plain: f"née {plain[0]}"
    if key in CODES:
        return lambda plain: f"`{max(plain, key=len)}`" if any(plain) else ""
    if key in ("태그", "tag"):
        return lambda plain: f"`&lt;{plain[0]}&gt;`"
    if key in KEYS:
        return lambda plain: (" " if plain[0][:1].isdecimal() and len(plain) > 1 else "+").join(plain)
    return None


def _format_sounds(plain: Sequence[str]) -> str:
    """Sounds and where they are spoken: ``ˈɑːnsə|영|ˈænsɚ|미``."""
    plain = plain[len(plain) > 1 and _LANGUAGE.fullmatch(plain[0]) is not None :]
    sounds = [text for text in plain if text and not is_technical(text) and not _is_no_sound(text.lower())]
    return _PLACE_OF_SOUND.sub(r" (\1)", ", ".join(sounds or plain[:1]))


def _is_no_sound(text: str) -> bool:
    return text in _NO_SOUNDS or is_file_name(text)


def _format_proof(plain: Sequence[str], named: Named) -> str:
    title = first_of(named, ("이름", "제목", "name", "title")) or "".join(plain[:-1][:1])
    texts = [text for text in plain if text != title] or [max(named.values(), key=len, default="")]
    text = "\n\n".join(texts if texts != [title] else ())
    return "\n\n" + ". ".join(filter(None, (title, text))) + "\n\n" if text else ""


def _format_formula(text: str) -> str:
    text = _SCRIPT.sub(_format_script, _QUOTES.sub("", text.replace("$", "")))
    return f"${text}$" if text else ""


def _format_script(match: re.Match[str]) -> str:
    return f"{'^' if match[1] == 'sup' else '_'}{{{match[2]}}}"
