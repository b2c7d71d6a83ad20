"""Finds HTML that a note shows without marks of code, whose page would show nothing of it, and keeps it as it is written.

Owns elements without text that a line is about: of the head of a page, empty pairs, comments, and forms. ``html_mentions`` knows
single tags that a sentence mentions.
"""

from __future__ import annotations

import re

from preprocessing.markup.html_tags import BLOCK, INLINE
from preprocessing.markup.indentation import LIST_MARK
from preprocessing.markup.markdown import Protected

_MARKS = rf"[ \t]*(?:(?:>|{LIST_MARK})[ \t]*)*"
_VALUES = r"(?:\s(?:\"[^\"\n]{0,2000}\"|'[^'\n]{0,2000}'|[^<>\"'\n]){0,100})?"
_OF_HEAD = re.compile(
    rf"<(?:(script|style){_VALUES}>[^<\n]{{0,400}}</\1>|(?:link|meta)(?=\s){_VALUES}>)", re.IGNORECASE
)
_EMBEDDED = re.compile("gist|widget|embed", re.IGNORECASE)  # pictures of other sites
_ENDS = frozenset(".!?>")  # of what is before an element that the page does not show
_PAIR = rf"<(?P<name>{BLOCK}|{INLINE}|script|style)>[ \t]*</(?P=name)>"
_EXPLAINED_PAIR = re.compile(
    rf"^(?P<before>{_MARKS})(?P<shown>{_PAIR}|<(?P<block>{BLOCK})(?=\s){_VALUES}>[^<\n]{{0,200}}</(?P=block)>)"
    r"(?=[ \t]*(?::|=>|[=→-][ \t>])[ \t]*\S)"
)
_EMBEDDED_PAIR = re.compile(
    rf"^(?P<before>{_MARKS})(?P<shown><(?P<name>iframe|video|audio|object)(?![^<>\n]{{0,2000}}://)[^<>\n]{{0,2000}}></(?P=name)>)"
    r"(?=[ \t]*:[ \t]*\S)",
    re.IGNORECASE,
)
_BOTH_SIDES = re.compile(r"<(?P<name>[a-z][a-z0-9]{0,9})>(?:와|과|,|~|부터|에서)[ \t]?</(?P=name)>")
_LIST_IN_ITEM = re.compile(
    rf"^(?P<before>[ \t>]*{LIST_MARK}[ \t]*)(?P<shown><(?P<name>[uo]l)>.*</(?P=name)>)"
)
_LISTED_TAG = re.compile(rf"{_MARKS}(?:{_PAIR}|<(?P<void>hr|img|input)[ \t]?/?>)[ \t]*(?:$|:|=>|->)")
_SHOWN_ELEMENTS = (_EXPLAINED_PAIR, _EMBEDDED_PAIR, _LIST_IN_ITEM)
_TAG_OF_HEAD = re.compile(r"<(?:script|style|link|meta)(?=[\s>])", re.IGNORECASE)
_MENTIONED = re.compile(r"<[a-z][a-z0-9]{0,9}>[ \t]?(?:태그|요소|[:,=→]|[은는을를과와](?![가-힣])|</)")
_FEWEST_MENTIONS = 4
_EXPLAINED_INLINE = re.compile(
    rf"^(?P<before>{_MARKS})(?P<shown><(?P<name>b|i|u|s|em|strong|font|a|span|mark|small|big|del|ins|sub|sup|img)(?=[\s>])[^<>\n]{{0,400}}>"
    r"(?:[^<>\n]{0,100}</(?P=name)>)?)(?=[ \t]*(?::|=>|->|[=→-][ \t])[ \t]*\S)"
)
_COMMENT = re.compile(r"<!--(?P<content>[^\n]{0,200}?)-->")
_ABOUT_COMMENTS = re.compile("주석|comment", re.IGNORECASE)
_ABOUT_SCRIPTS = re.compile(r"\bCDN\b|스크립트|\bscript", re.IGNORECASE)
_SENTENCE = re.compile(r"[ \t]*(?![<|\x7f])[^\n]*[가-힣][^\n]*(?<![>|])[ \t]*")
_LONGEST_HEADING = 60
_NEAR = 400  # characters of a line
_WORDS = re.compile(r"[^\W_]")
_FORM = re.compile(
    r"<(?:input|textarea|select)\s(?![^<>\n]{0,200}(?:checkbox|radio))[^<>\n]{0,2000}>|<fieldset\b",
    re.IGNORECASE,
)
_LABEL = re.compile(r"[ \t]*<label(?:\s[^<>]*)?>[^<]*<input\s[^<>]*>[^<]*</label>[ \t]*", re.IGNORECASE)
_NOTE_ON_FORM = re.compile(
    rf"^(?P<before>{_MARKS})(?P<shown>{_FORM.pattern})(?=[ \t]+[가-힣][^<>\n]*$)", re.IGNORECASE
)
_LINE_OF_CODE = re.compile(r"[ \t]*(?:<[/A-Za-z!]|//)")
_TEMPLATE = re.compile(r"<[A-Za-z][^<>\n]{0,2000}=[\"'][^\"'\n]{0,400}\$\{")


def protect_shown(text: str, protected: Protected) -> str:
    """Replaces HTML that lines of Markdown show by marks."""
    if "<" not in text:
        return text
    lines = text.split("\n")
    _protect_forms(lines, protected)
    _protect_lists(lines, protected)
    before = ""
    is_about_tags = len(_MENTIONED.findall(text)) >= _FEWEST_MENTIONS
    for n, line in enumerate(lines):
        if "<" in line:
            lines[n] = _protect_line(line, before, is_about_tags, protected)
            if _TAG_OF_HEAD.search(lines[n]):
                _protect_head(lines, n, before, protected)
        before = line if line.strip() else before
    return "\n".join(lines)


def _protect_line(line: str, before: str, is_about_tags: bool, protected: Protected) -> str:
    def protect(match: re.Match[str]) -> str:
        return match["before"] + protected.add(match["shown"])

    line = _EXPLAINED_INLINE.sub(protect, line) if is_about_tags else line
    if "</" in line:
        line = _BOTH_SIDES.sub(lambda match: protected.add(match[0]), line)
        for pattern in _SHOWN_ELEMENTS:
            line = pattern.sub(protect, line)
    line = _NOTE_ON_FORM.sub(protect, line) if _FORM.search(line) else line
    if "<!--" in line:
        is_heading = (
            len(before) < _LONGEST_HEADING and "<!--" not in before and _ABOUT_COMMENTS.search(before)
        )
        line = _COMMENT.sub(
            lambda match: protected.add(match[0]) if is_heading or _is_about(match) else match[0], line
        )
    return line


def _protect_head(lines: list[str], n: int, before: str, protected: Protected) -> None:
    """Keeps elements of the head of a page: of an item, behind words, and below a sentence or what is about them."""
    line, below = lines[n], lines[n - 1] if n else ""
    after = next((other for other in lines[n + 1 : n + 3] if other.strip()), "")
    marks = re.match(_MARKS, line)
    begins = marks.end() if marks else 0
    is_item = line[:begins].strip() or not line.startswith("<", begins)
    is_apart = not _LINE_OF_CODE.match(before) and not _LINE_OF_CODE.match(after)
    is_introduced = (len(before) < _LONGEST_HEADING and _ABOUT_SCRIPTS.search(before)) or _SENTENCE.fullmatch(
        below
    )
    if is_item or is_introduced or (is_apart and (begins > 1 or before.rstrip().endswith(":"))):
        lines[n] = line[:begins] + _OF_HEAD.sub(
            lambda match: protected.add(match[0]) if _is_subject(match) else match[0], line[begins:]
        )


def _is_subject(tag: re.Match[str]) -> bool:
    """Whether a line shows a tag of the head of a page: at its beginning or behind words of the same sentence."""
    return (
        not _EMBEDDED.search(tag[0])
        and tag.string[max(0, tag.start() - 9) : tag.start()].rstrip()[-1:] not in _ENDS
    )


def _is_about(comment: re.Match[str]) -> bool:
    """Whether words of its line are about a comment: ``주석: <!-- 글 -->``; also those behind an empty one."""
    line = comment.string
    before = line[max(0, comment.start() - _NEAR) : comment.start()]
    after = line[comment.end() : comment.end() + _NEAR]
    if "<!--" not in before and _ABOUT_COMMENTS.search(before):
        return True
    is_first = not before.strip(" \t>-*+")
    if is_first and _ABOUT_COMMENTS.search(after[:_LONGEST_HEADING].partition("<!--")[0]):
        return True
    return is_first and (
        after.lstrip().startswith("//") or (not comment["content"].strip() and bool(_WORDS.search(after)))
    )


def _protect_lists(lines: list[str], protected: Protected) -> None:
    """Keeps neighboring lines of empty elements, each of another name, such as ``<p></p>`` and ``<div></div>``."""
    run: list[tuple[int, str]] = []

    def protect() -> None:
        if len({name for _, name in run}) == len(run) > 1:
            for n, _ in run:
                tag = re.search("<[^:=]*>", lines[n].replace("->", "  "))
                if tag:
                    lines[n] = lines[n][: tag.start()] + protected.add(tag[0]) + lines[n][tag.end() :]

    for n, line in enumerate(lines):
        tag = _LISTED_TAG.match(line) if "<" in line else None
        if tag:
            run.append((n, (tag["name"] or tag["void"]).lower()))
        elif line.strip():
            protect()
            run = []
    protect()


def _protect_forms(lines: list[str], protected: Protected) -> None:
    """Keeps paragraphs, also beside fences, that are only lines of code with a form or with expressions of a template in attributes."""
    first = 0
    for n in range(len(lines) + 1):
        if n < len(lines) and lines[n].strip() and "\x7f" not in lines[n]:
            continue
        block = lines[first:n]
        if any(_FORM.search(line) or _TEMPLATE.search(line) for line in block if "<" in line):
            _protect_code(lines, first, n, protected)
        first = n + 1


def _protect_code(lines: list[str], first: int, end: int, protected: Protected) -> None:
    is_code = [bool(_LINE_OF_CODE.match(line)) for line in lines[first:end]]
    for n in range(first, end):
        alone = not (n > first and is_code[n - first - 1]) and not (n + 1 < end and is_code[n - first + 1])
        is_whole = alone and _TEMPLATE.search(lines[n])
        if all(is_code) or (is_code[n - first] and (is_whole or _LABEL.fullmatch(lines[n]))):
            lines[n] = protected.add(lines[n])
