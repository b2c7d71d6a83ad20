"""Collapses blanks between words and empty lines, but not those of code, drawings and aligned columns.

``preprocessing.kernels.normalize_blanks`` does the same.
"""

from __future__ import annotations

import re

from preprocessing.text.code_lines import SESSION, is_mostly_hangul
from preprocessing.text.columns import find_aligned_lines
from preprocessing.text.fences import SPAN, change_outside_fences

_INNER_BLANKS = re.compile(
    rf"(?P<code>{SPAN})|^[ \t]*(?P<kept>(?:{SESSION}|[\u2500-\u257f])[^\n]*)|^(?: {{4}}| {{0,3}}\t)[ \t]*(?P<line>[^ \t\n][^\n]*)"
    r"|^[ \t]*>(?:[ ]?>)*[ ](?:[ ]{4}|[ ]{0,3}\t)[ \t]*(?P<quoted>[^ \t\n][^\n]*)"
    r"|^[ \t]*(?P<marks>>[> \t]*)|(?<=[^ \t\n])[ \t]+(?=[^ \t\n])",
    re.MULTILINE,
)
_BLANKS_OF_WORDS = re.compile(rf"(?P<code>{SPAN})|(?<=[^ \t\n])[ \t]+(?=[^ \t\n])")
_LITERAL = re.compile(r"\{`\n+[^`~]*`\}")  # of MDX
_TRAILING_BLANKS = re.compile(r"[ \t]+$", re.MULTILINE)
_EMPTY_LINES = re.compile(r"\n{3,}")

_CODE_FIRST = re.compile(
    r"[ \t\n]*(?:\n|\A)(?P<code>(?: {0,100}\t[ \t]*| {4,})(?P<line>[^\s`][^\n]*))(?=\n(?:\n| {4}| {0,100}\t))"
)


def collapse_blanks(text: str) -> str:
    """Leaves one blank between words, none at line ends, and at most one empty line.

    Indentation, also behind marks of quotations, fenced code, code spans, template literals of MDX, lines of Python sessions and drawings, lines with
    aligned columns (``columns``), and lines of indented code keep their blanks: those that begin with a tab or four blanks, also behind marks of
    quotations, and are not mostly Hangul. The first line loses its indentation unless it is such code with an empty or
    indented line below.
    """
    text = _TRAILING_BLANKS.sub("", text).rstrip(" \t\n")
    code = _CODE_FIRST.match(text)
    text = text[code.start("code") :] if code and not is_mostly_hangul(code["line"]) else text.lstrip(" \t\n")
    return change_outside_fences(text, lambda part: _EMPTY_LINES.sub("\n\n", _collapse_lines(part)))


def _collapse_lines(text: str) -> str:
    lines = text.split("\n")
    aligned = find_aligned_lines(lines)
    if "{`\n" in text:
        line = place = 0
        for literal in _LITERAL.finditer(text):
            first = line + text.count("\n", place, literal.start()) + 1
            line, place = first + literal[0].count("\n") - 1, literal.end()
            aligned[first : line + 1] = [True] * (line + 1 - first)
    if not any(aligned):
        return _INNER_BLANKS.sub(_collapse_match, text)
    return "\n".join(
        line if kept else _INNER_BLANKS.sub(_collapse_match, line) for line, kept in zip(lines, aligned)
    )


def _collapse_match(match: re.Match[str]) -> str:
    line = match["line"] or match["quoted"]
    if line is None:
        return match["code"] or (match[0] if match["kept"] or match["marks"] else " ")
    if not is_mostly_hangul(line):
        return match[0]
    return match[0][: -len(line)] + _BLANKS_OF_WORDS.sub(lambda inner: inner["code"] or " ", line)


def end_code(text: str) -> str:
    """Removes empty lines around source code and ends it with one line feed; other whitespace stays."""
    stripped = text.strip("\n")
    return stripped + "\n" if stripped else ""
