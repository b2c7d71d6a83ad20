"""Joins the lines of the source of HTML, whose line ends a page shows as blanks.

Owns what keeps its line ends: code, fences, formulas, and elements that are styled so. Typed text stays as it is, as its page may be
styled elsewhere: paragraphs that an empty line sets apart, and lines that begin with the mark of an item.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from preprocessing.markup.html_elements import replace_elements

_VERBATIM = re.compile(
    r"<(pre|code|samp|kbd|tt|textarea|xmp|listing|syntaxhighlight)(?=[\s>])[^<>]{0,4000}>", re.IGNORECASE
)
_KEEPS_LINES = re.compile(r"white-space\s{0,3}:\s{0,3}(?:pre|break-spaces)", re.IGNORECASE)
_STYLED = rf"{_KEEPS_LINES.pattern}|whitespace-pre"
_STYLE = re.compile(r"<style(?:\s[^<>]{0,500})?>(.*?)</style", re.IGNORECASE | re.DOTALL)
_SELECTOR = re.compile(r"\s*(?:[a-z][a-z0-9]{0,20})?([.#])([\w-]{1,100})\s*", re.IGNORECASE)
_LONGEST_SELECTOR = 1000
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


def join_lines(text: str, styles: str = "") -> str:
    """The text with blanks in place of the line ends of its source, and nothing between Chinese or Japanese characters.

    ``styles`` is the page with the rules of its classes and ids.
    """
    if "\n" not in text:
        return text
    text = replace_elements(text, _VERBATIM, _keep_lines)
    names = sorted(set(_find_names(styles, text))) if "white-space" in styles else []
    if names or "white-space" in text or "whitespace-pre" in text:
        text = _keep_lines_of_styled(text, "|".join((_STYLED, *names)))
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


def _find_names(page: str, text: str) -> Iterator[str]:
    """Patterns of the classes and ids in ``text`` to which a style sheet of the page gives lines, each by itself: ``.a``, ``p.a``, ``#a``."""
    for style in _STYLE.findall(page):
        for rule in _KEEPS_LINES.finditer(style):
            opening = style.rfind("{", 0, rule.start())
            first = max(opening - _LONGEST_SELECTOR, 0)
            before = max(style.rfind(end, first, max(opening, 0)) for end in ("{", "}", "*/", ";"))
            for part in style[before + 1 : opening].removeprefix("/").split(","):
                selector = _SELECTOR.fullmatch(part)
                if selector and selector[2] in text:
                    name = re.escape(selector[2])
                    yield (
                        rf"\bclass=[\"'](?:[^\"'<>]{{0,500}}\s)?{name}[\s\"']"
                        if selector[1] == "."
                        else rf"\bid=[\"']{name}[\"']"
                    )


def _keep_lines_of_styled(text: str, style: str) -> str:
    """Marks the line ends of elements with a style, and of all in them."""
    opening = re.compile(
        rf"<([a-z][a-z0-9]{{0,20}})(?=\s[^<>]{{0,2000}}?(?:{style}))[^<>]{{0,4000}}>", re.IGNORECASE
    )
    pieces, at = [], 0
    while (match := opening.search(text, at)) is not None:
        depth, end = 1, len(text)
        for tag in re.compile(rf"<(/?){match[1]}(?=[\s/>])", re.IGNORECASE).finditer(text, match.end()):
            depth += -1 if tag[1] else 1
            if not depth:
                end = tag.start()
                break
        pieces += [text[at : match.start()], text[match.start() : end].replace("\n", _KEPT)]
        at = end
    return "".join([*pieces, text[at:]])
