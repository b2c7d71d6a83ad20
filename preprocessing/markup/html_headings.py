"""Makes headings of HTML one line: their paragraphs are set apart by blanks, and a list or a table in them follows the line."""

from __future__ import annotations

import re

from preprocessing.markup.html_tags import TAG

_BLOCKS = r"h[1-6]|li|ul|ol|dl|dt|dd|t[dhr]|table|pre|blockquote|section|article"
_HEADING = re.compile(
    rf"(<h[1-6](?:\s[^<>]{{0,2000}})?>)([^<]{{0,2000}}(?:<(?!/?(?:{_BLOCKS})(?=[\s>/]))[^<]{{0,2000}}){{1,40}})(?=</h[1-6]\s{{0,20}}>)",
    re.IGNORECASE,
)
_BLOCK_OF_HEADING = re.compile(r"</?(?:p|div)(?:\s[^<>]{0,2000})?>", re.IGNORECASE)
_BEGIN = re.compile(r"(<h[1-6](?:\s[^<>]{0,2000})?>)\s{1,200}", re.IGNORECASE)
_LONGEST = 20000  # characters of a heading
_FIRST_LINE = re.compile(
    r"(?P<open><(?P<name>h[1-6])(?:\s[^<>]{0,2000})?>)(?:\s{0,200}<(?:p|div)(?:\s[^<>]{0,2000})?>){0,9}"
    rf"(?P<line>[^<]{{0,2000}}(?:<(?!/?(?:{_BLOCKS}|p|div)(?=[\s/>]))[^<]{{0,2000}}){{0,40}})"
    r"(?=</?(?:ul|ol|dl|table|p|div|blockquote|section|article)[\s>])",
    re.IGNORECASE,
)


def join_headings(text: str) -> str:
    """Writes each heading in one line, which ends before its first list, table or section."""
    return _FIRST_LINE.sub(_end_heading, _HEADING.sub(_flatten_heading, _BEGIN.sub(_begin_heading, text)))


def _begin_heading(match: re.Match[str]) -> str:
    """The tag without the blanks behind it; one that opens nothing is a word: ``<h1>~<h6> 제목``."""
    return match[1] if _is_closed(match, match[1][1:3]) else match[0]


def _flatten_heading(match: re.Match[str]) -> str:
    content, blocks = _BLOCK_OF_HEADING.subn(" ", match[2])
    return match[1] + " ".join(content.split()) if blocks else match[0]


def _end_heading(match: re.Match[str]) -> str:
    """The line as a heading of its own; nothing but what is in it where it has no words."""
    if not _is_closed(match, match["name"]):
        return match[0]
    line = " ".join(match["line"].split())
    return f"{match['open']}{line}</{match['name']}>" if TAG.sub("", line).strip() else line


def _is_closed(match: re.Match[str], name: str) -> bool:
    return match.string.find(f"</{name}", match.end(), match.end() + _LONGEST) >= 0
