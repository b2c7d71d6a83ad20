"""Finds the structure of Markdown, so that conversions of markup leave code unchanged.

Owns which parts of a text are code (fences, indented code, code spans), the marks that replace them during a conversion,
and which lines belong to tables. Follows CommonMark, except that a paragraph of Korean with four leading blanks is prose,
and that an unclosed fence of tildes is text. Every pass is linear in the length of the text.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterator

from preprocessing.markup.indentation import LIST_MARK, Indentation

_FENCE = re.compile(
    rf"(?P<prefix>[ \t]*(?:>[ \t]*|{LIST_MARK}[ \t]*)*)(?P<fence>`{{3,}}(?=[^`]*$)|~{{3,}}(?=[ \t]*[\w+#.{{-]*[ \t]*$))"
)
_STRUCTURE = re.compile(
    rf"^[ \t]{{0,8}}(?:#{{1,6}}[ \t]|```|~~~|>[ \t]|\||{LIST_MARK})|\]\(|\*\*[^*\n]", re.MULTILINE
)
_RAW = re.compile(
    r"[ \t]*<(?P<name>script(?![^>]{0,2000}>[ \t]*[가-힣])|style(?![^>]{0,2000}>[ \t]*[가-힣])|pre|textarea)(?=[\s>])",
    re.IGNORECASE,
)
_MAY_BEGIN = re.compile(
    r"^[ \t>*+\-0-9.)]{0,200}(?:```|~~~)|^[ \t]{0,200}(?:<(?:!--|script|style|pre|textarea)|>>> )",
    re.MULTILINE | re.IGNORECASE,
)
_QUOTED_TAG = re.compile("['\"]<[A-Za-z!/?]")
_LITERAL_BEFORE = re.compile("(?:[=(,\\[+] ?|  )[bfruBFRU]{0,2}['\"]{1,3}\\Z")
_LITERALS = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|//.*")
_MAY_BE_INDENTED = re.compile(r"^(?:    | {0,3}\t)[^\n<&]*[<&]", re.MULTILINE)
_RULE_OF_TABLE = re.compile(
    r"[ \t>]*\|?[ \t]*:?-{1,200}:?[ \t]*(?:\|[ \t]*:?-{1,200}:?[ \t]*){0,400}\|?[ \t]*"
)
_PARAGRAPH_END = re.compile(rf"\n(?=[ \t]*(?:\n|{LIST_MARK}|#{{1,6}}[ \t]|\||>|<!--))")
_BACKTICKS = re.compile("`+")
_HANGUL = re.compile("[가-힣]")
_MARK = re.compile("\x7f([0-9]{1,8})\x7f")


class Protected:
    """Texts that a conversion must not change; a mark of U+007F and a number takes the place of each."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def add(self, text: str) -> str:
        """Returns the mark of ``text``, whose own marks are replaced by their texts."""
        self._texts.append(self.restore(text))
        return f"\x7f{len(self._texts) - 1}\x7f"

    def restore(self, text: str) -> str:
        """Replaces marks by their texts; other marks stay."""
        if "\x7f" not in text:
            return text
        texts = self._texts
        return _MARK.sub(lambda match: texts[int(match[1])] if int(match[1]) < len(texts) else match[0], text)

    def has_lines(self, text: str) -> bool:
        """Whether a mark stands for code of several lines."""
        return "\x7f" in text and any("\n" in self.restore(mark[0]) for mark in _MARK.finditer(text))

    def escape_bars(self, text: str) -> str:
        """The text of a cell, with escaped bars in what its marks stand for."""
        if "\x7f" not in text or self.restore(text).count("|") == text.count("|"):
            return text
        return _MARK.sub(lambda mark: self.add(self.restore(mark[0]).replace("|", "\\|")), text)


def has_structure(text: str) -> bool:
    """Whether a text has headings, lists, tables, quotations, fences, links or emphasis of Markdown."""
    return bool(_STRUCTURE.search(text))


def code_span(code: str) -> str:
    """The code of a line between backticks, two where it has one."""
    return f"`` {code} ``" if "`" in code else f"`{code}`"


def fence_around(code: str) -> str:
    """The backticks of a fence that ``code`` does not close."""
    return "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))


def protect_code(text: str, protected: Protected) -> str:
    """Replaces fences, indented code and code spans by marks."""
    pieces, done = [], 0
    for start, end, is_code in _blocks(text):
        pieces += [_protect_spans(text[done:start], protected)]
        pieces += [protected.add(text[start:end]) if is_code else text[start:end]]
        done = end
    return "".join([*pieces, _protect_spans(text[done:], protected)])


def _protect_spans(text: str, protected: Protected) -> str:
    """Replaces code spans by marks, in paragraphs that may contain markup.

    A span ends with as many backticks as it begins with, in the same paragraph.
    """
    if "`" not in text or ("<" not in text and "&" not in text):
        return text
    paragraphs = _PARAGRAPH_END.split(text)
    for n, paragraph in enumerate(paragraphs):
        if "`" in paragraph and ("<" in paragraph or "&" in paragraph):
            pieces, done = [], 0
            for start, end in _spans(paragraph):
                pieces += [paragraph[done:start], protected.add(paragraph[start:end])]
                done = end
            paragraphs[n] = "".join([*pieces, paragraph[done:]])
    return "\n".join(paragraphs)


def _spans(text: str) -> list[tuple[int, int]]:
    runs = [match.span() for match in _BACKTICKS.finditer(text)]
    by_length: dict[int, list[int]] = {}
    for n in range(len(runs) - 1, -1, -1):
        by_length.setdefault(runs[n][1] - runs[n][0], []).append(n)
    spans, n = [], 0
    while n < len(runs):
        first, last = runs[n]
        closers = by_length[last - first]
        while closers and closers[-1] <= n:
            closers.pop()
        if closers and not _is_escaped(text, first):
            spans.append((first, runs[closers[-1]][1]))
            n = closers[-1]
        n += 1
    return spans


def _is_escaped(text: str, at: int) -> bool:
    slashes = 0
    while at - slashes > 0 and text[at - slashes - 1] == "\\" and slashes < 20:
        slashes += 1
    return slashes % 2 == 1


# --- blocks ----------------------------------------------------------------------------------------------


def _blocks(text: str) -> Iterator[tuple[int, int, bool]]:
    """``(start, end, is_code)`` of fences, indented and other code, and of comments and elements without Markdown."""
    candidates = [match.start() for match in _MAY_BEGIN.finditer(text)]
    literals = _lines_with_literals(text)
    indented = Indentation(text) if _MAY_BE_INDENTED.search(text) else None
    if not candidates and not literals and not indented:
        return
    lines = text.split("\n")
    starts = [0, *itertools.accumulate(len(line) + 1 for line in lines)]
    begins = sorted({bisect.bisect_right(starts, at) - 1 for at in [*candidates, *literals]})
    numbers = range(len(lines)) if indented else begins
    unclosed: dict[str, int] = {}
    after = 0
    for n in numbers:
        if n < after:
            continue
        line = lines[n]
        fence = _FENCE.match(line) if "```" in line or "~~~" in line else None
        if fence and (after := _end_of_fence(lines, n, fence, unclosed)):
            yield starts[n] + _code_start(fence), starts[after] - 1, True
        elif indented and (after := indented.end_of_code(lines, n, starts)):
            yield starts[n], starts[after] - 1, True
        elif "<" in line and (end := _end_of_raw(text, starts[n], line, unclosed)):
            after = n + text.count("\n", starts[n], end) + 1
            yield starts[n], starts[after] - 1, False
        elif starts[n] in literals or (">>> " in line and line.lstrip(" \t").startswith(">>> ")):
            after = _end_of_session(lines, n) if starts[n] not in literals else n + 1
            yield starts[n], starts[after] - 1, True
        else:
            after = n + 1
        if indented:
            indented.pass_lines(lines, n, after)


def _lines_with_literals(text: str) -> set[int]:
    """Where lines of code begin that contain tags in a string, such as ``x = '<b>'``, and no Hangul outside of strings and comments."""
    found, done = set(), 0
    for match in _QUOTED_TAG.finditer(text):
        if match.start() < done or not _LITERAL_BEFORE.search(
            text, max(0, match.start() - 6), match.start() + 1
        ):
            continue
        start, end = text.rfind("\n", 0, match.start()) + 1, text.find("\n", match.start())
        done = end if end >= 0 else len(text)
        line = text[start:done]
        if not line.lstrip().startswith("<") and not _HANGUL.search(_LITERALS.sub("", line)):
            found.add(start)
    return found


def _end_of_session(lines: list[str], n: int) -> int:
    """The line after a session of Python's prompt, which ends with an empty line."""
    while n < len(lines) and lines[n].strip():
        n += 1
    return n


def _code_start(fence: re.Match[str]) -> int:
    """Where the code begins in its first line: the indentation belongs to it, list and quotation marks do not."""
    return fence.start("fence") if fence["prefix"].strip() else 0


def _end_of_fence(lines: list[str], n: int, fence: re.Match[str], unclosed: dict[str, int]) -> int:
    """The line after a fence; 0 for an unclosed fence of tildes. An unclosed fence of backticks ends with the text.

    ``unclosed`` contains the shortest fence of tildes that is known to be unclosed.
    """
    sign, length = fence["fence"][0], len(fence["fence"])
    quoted = ">" in fence["prefix"]
    if sign == "~" and not quoted and length >= unclosed.get("~", length + 1):
        return 0
    for after in range(n + 1, len(lines)):
        bare = lines[after].strip(" \t>" if quoted else " \t")
        if bare.startswith(sign * length) and not bare.strip(sign):
            return after + 1
        if quoted and not lines[after].lstrip().startswith(">"):
            return after
    if sign == "`":
        return len(lines)
    unclosed["~"] = min(length, unclosed.get("~", length))
    return 0


def _end_of_raw(text: str, start: int, line: str, unclosed: dict[str, int]) -> int:
    """The end of the comment or element that begins the line; 0 where there is none, or where it never ends."""
    match = _RAW.match(line)
    name = match["name"].lower() if match else "<!--" if line.lstrip().startswith("<!--") else ""
    if not name or name in unclosed:
        return 0
    closing = "-->" if name == "<!--" else rf"</{name}\s{{0,20}}>"
    end = re.compile(closing, re.IGNORECASE).search(text, start + 4)
    if end is None:
        unclosed[name] = start
    return end.end() if end else 0


# --- tables ----------------------------------------------------------------------------------------------


def table_lines(lines: list[str]) -> set[int]:
    """Numbers of the lines of tables: those that begin with a bar, and those around a rule of hyphens and bars."""
    found, inside = set(), False
    for n, line in enumerate(lines):
        if "|" not in line:
            inside = False
        elif inside or line.lstrip(" \t>").startswith("|"):
            found.add(n)
        if n and "|" in line and "-" in line and _RULE_OF_TABLE.fullmatch(line):
            inside = True
            found |= {n - 1, n}
    return found
