"""Templates of Korean and English Wikipedia that contain text of the article; all others are removed.

Owns the text that replaces ``{{name|argument|key=value}}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

# The text is the first argument.
FIRST = frozenset((
    "nowrap", "nobr", "줄바꿈방지", "작게", "small", "크게", "big", "larger", "굵게", "기울임", "위첨자", "아래첨자", "sup", "sub",
    "u", "밑줄", "ipa", "발음", "국기", "국기나라", "flag", "국기그림이름", "key", "키", "keypress", "kbd", "abbr", "약자",
    "ill", "interlanguage_link", "임시링크", "hanja", "한자", "zh", "ja", "일본어", "transl", "로마자", "em", "strong",
    "var", "smallcaps", "sfrac", "nihongo", "ruby", "루비", "tooltip", "center", "가운데", "왼쪽", "오른쪽", "noitalic",
    "가로쓰기",
))  # fmt: skip
# The text is the last unnamed argument.
LAST = frozenset((
    "lang", "언어", "llang", "color", "글씨색", "글꼴색", "폰트색", "font_color", "배경색", "bg", "langx", "링크",
))  # fmt: skip
QUOTES = frozenset(("인용문", "quote", "cquote", "blockquote", "인용구", "인용상자", "큰따옴표"))
FORMULAS = frozenset(("수학", "math", "mvar", "수식", "tmath"))
CODES = frozenset(("code", "코드", "mono", "tt", "codett", "javadoc"))
MEASURES = frozenset(("convert", "cvt", "변환", "단위변환"))
_SCRIPT = re.compile(r"<(sup|sub)>([^<>]{0,200})</\1>")
FIXED = {
    "!": "|", "=": "=", "(": "{", ")": "}", "·": " · ", "dot": " · ", "bullet": " • ", "ndash": "–", "mdash": "—",
    "spaced_ndash": " – ", "snd": " – ", "nbsp": " ", "spaces": " ", "물결": "~",
}  # fmt: skip


def template_text(parts: Sequence[str]) -> str:
    """The text of a template, given its name and arguments; empty for a template without text of the article."""
    name = parts[0].strip().lower()
    if len(name) > 80:
        return ""
    name = name.removeprefix("틀:").removeprefix("template:").strip()
    key = name.replace(" ", "_") if name.isascii() else name.replace(" ", "")
    if key in FIXED:
        return FIXED[key]
    plain = [part.strip() for part in parts[1:] if not _is_named(part)] or _numbered_values(parts[1:])
    format_text = _formatter(key)
    return format_text(plain) if format_text and plain else ""


def _formatter(key: str) -> Callable[[list[str]], str] | None:
    if key in FIRST or key.startswith(("lang-", "ipa-", "llang-")):
        return lambda plain: plain[0]
    if key in LAST:
        return lambda plain: plain[-1]
    if key in QUOTES:
        return lambda plain: "\n" + "\n".join(f"> {line}" for line in plain[0].split("\n")) + "\n"
    if key in FORMULAS:
        return lambda plain: f"${_SCRIPT.sub(_format_script, plain[0])}$"
    if key in CODES:
        return lambda plain: f"`{plain[-1]}`" if plain[-1] else ""
    if key in MEASURES:
        return lambda plain: " ".join(plain[:2])
    return None


def _format_script(match: re.Match[str]) -> str:
    return f"{'^' if match[1] == 'sup' else '_'}{{{match[2]}}}"


def _is_named(part: str) -> bool:
    """True for ``key=value``; an equals sign after other punctuation belongs to the text."""
    name, equals, _ = part.partition("=")
    return bool(equals) and (name.strip().replace("-", "").replace("_", "").replace(" ", "").isalnum())


def _numbered_values(parts: Sequence[str]) -> list[str]:
    """Values of ``1=``, ``2=``, ``3=``, in order."""
    values = {}
    for part in parts:
        name, _, value = part.partition("=")
        if name.strip() in ("1", "2", "3"):
            values[name.strip()] = value.strip()
    return [values[name] for name in sorted(values)]
