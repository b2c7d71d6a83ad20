"""Writes <ruby> of HTML as ``base(reading)``: what an East Asian text prints small above its words follows them."""

from __future__ import annotations

import re

_RUBY = re.compile(
    r"<ruby(?:\s[^<>]{0,500})?>(?P<content>(?:[^<]|<(?!/?ruby[\s>])){0,4000})</ruby\s{0,20}>", re.IGNORECASE
)
_READING = re.compile(
    r"<r(?:t|tc|p)(?:\s[^<>]{0,500})?>[^<]{0,500}(?:</r(?:t|tc|p)\s{0,20}>|(?=<|\Z))", re.IGNORECASE
)
_CONTINUES_WORD = re.compile(r"[\u3400-\u9fff々]\s{0,200}[\u3400-\u9fff々]|[가-힣][가-힣]|[ぁ-ヿ][ぁ-ヿ]")
TAG = re.compile(
    r"</?[A-Za-z][A-Za-z0-9-]{0,30}(?::[A-Za-z]{1,9})?(?:[\s/][^<>]{0,2000})?>"
)  # not an address, such as <https://a.kr>
LETTERS = "A-Za-z\u00c0-\u024f\u0370-\u03ff"


def write_readings(text: str) -> str:
    """Replaces each <ruby>; an unclosed one stays."""
    return _RUBY.sub(_convert_ruby, text)


def _convert_ruby(match: re.Match[str]) -> str:
    """Bases with their readings in parentheses; characters of one word that are read one by one share them: 漢字(かんじ)."""
    content, at = match["content"], 0
    parts: list[tuple[str, list[str]]] = []
    for reading in _READING.finditer(content):
        base, at = TAG.sub("", content[at : reading.start()]), reading.end()
        if base.strip() and not (
            parts and parts[-1][1] and _CONTINUES_WORD.match(parts[-1][0].rstrip()[-1:] + base)
        ):
            parts.append((base, []))
        elif base.strip():
            parts[-1] = parts[-1][0].rstrip() + base.strip(), parts[-1][1]
        word = TAG.sub("", reading[0]).strip()
        if word and reading[0][2:4].lower() != "p>":
            parts = parts or [("", [])]
            parts[-1][1].append(word)
    parts.append((TAG.sub("", content[at:]), []))
    return "".join(_with_reading(*part) for part in parts).strip()


def _with_reading(base: str, words: list[str]) -> str:
    reading = (" " if any(re.match(rf"[{LETTERS}]", word) for word in words) else "").join(words)
    return f"{base.rstrip()}({reading})" if base.strip() and reading else base if base.strip() else reading
