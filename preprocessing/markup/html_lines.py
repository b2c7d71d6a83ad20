"""Joins the lines of the source of HTML, whose line ends a page shows as blanks.

Owns what keeps its line ends: code, fences, formulas, and elements that are styled so. Typed text stays as it is, as its page may be
styled elsewhere: paragraphs that an empty line sets apart, and lines that begin with the mark of an item.
"""

from __future__ import annotations

import re

from preprocessing.markup.html_elements import replace_elements

_VERBATIM = re.compile(
    r"<(pre|code|samp|kbd|tt|textarea|xmp|listing|syntaxhighlight)(?=[\s>])[^<>]{0,4000}>", re.IGNORECASE
)
_STYLED = re.compile(
    r"<([a-z][a-z0-9]{0,20})(?=\s[^<>]{0,2000}?(?:white-space\s?:\s?(?:pre|break-spaces)|whitespace-pre))[^<>]{0,4000}>",
    re.IGNORECASE,
)
_FORMULA = re.compile(
    r"\$\$[^$]{1,4000}\$\$|\\\[(?:(?!\\\]).){1,4000}\\\]|\\begin\{(?P<name>\w{1,20}\*?)\}.{1,4000}?\\end\{(?P=name)\}",
    re.DOTALL,
)
_FENCE = re.compile(
    r"\n[ \t>]{0,40}(`{3,20})[^`\n]{0,200}\n[^\x7f]{0,20000}?\n[ \t>]{0,40}\1[ \t]{0,40}(?:\n|\Z)"
)
_KEPT = "\x1e"  # a line end, while others are replaced
_WIDE = "[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff60]"
_BETWEEN_WIDE = re.compile(rf"\n(?<={_WIDE}\n)(?={_WIDE})")
_MARK_OF_ITEM = r"(?:[-–*+•·◦▪▶►※○●■□◆◇☞✔✓]|[0-9]{1,3}[.)])[ \t]|[①-⑳]"
_LINE_END = re.compile(rf"\n(?:(?<=>\n)\n*|\n*(?=<)|(?<!\n\n)(?!\n|{_MARK_OF_ITEM}))")
_PARAGRAPH = re.compile(
    r"[^>\s][ \t]{0,99}\n[ \t]{0,99}\n|\n[ \t]{0,99}\n\s{0,999}[^<\s]|\n[ \t>]{0,99}\x7f[0-9]{1,8}\x7f[ \t]{0,99}(?:\n|\Z)"
)


def join_lines(text: str) -> str:
    """The text with blanks in place of the line ends of its source, and nothing between Chinese or Japanese characters."""
    if "\n" not in text:
        return text
    text = replace_elements(text, _VERBATIM, _keep_lines)
    if "white-space" in text or "whitespace-pre" in text:
        text = replace_elements(text, _STYLED, _keep_lines)
    if "```" in text:
        text = _FENCE.sub(lambda fence: fence[0].replace("\n", _KEPT), text)
    if "$$" in text or "\\[" in text or "\\begin{" in text:
        text = _FORMULA.sub(lambda formula: formula[0].replace("\n", _KEPT), text)
    text = "\n".join(line.strip(" \t") for line in text.split("\n"))
    return _LINE_END.sub(" ", _BETWEEN_WIDE.sub("", text)).replace(_KEPT, "\n")


def has_paragraphs(text: str) -> bool:
    """Whether empty lines set text apart, as in Markdown, and not only tags, code is a line, or a text ends outside of elements."""
    return not text.rstrip().endswith(">") or _PARAGRAPH.search(text.strip()) is not None


def _keep_lines(opening: re.Match[str], content: str) -> str:
    return f"{opening[0]}{content}</{opening[1]}>".replace("\n", _KEPT)
