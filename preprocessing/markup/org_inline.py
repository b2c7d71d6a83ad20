"""Converts the markup inside lines of Org mode to Markdown: links, code, emphasis, footnotes. Formulas stay unchanged.

Follows the syntax of Org (orgmode.org/worg/org-syntax.html). Every pattern ends at the next sign of its kind.
"""

from __future__ import annotations

import re

from preprocessing.markup.html_text import page_to_text
from preprocessing.markup.markdown import code_span

_BEFORE = r"(?<![^\s\-({'\"])"
_AFTER = r"(?![^\s\-.,;:!?'\")}\[\\…。·、])"
_INLINE = re.compile(
    rf"{_BEFORE}(?:=(?P<verbatim>[^=\s](?:[^=\n]*[^=\s])?)=|~(?P<code>[^~\s](?:[^~\n]*[^~\s])?)~){_AFTER}"
    r"|(?P<formula>\\\((?:[^\\\n]|\\(?![()]))*\\\)|\\\[(?:[^\\\n]|\\(?![\[\]]))*\\\]|\$[^$\s](?:[^$\n]*[^$\s])?\$)"
    r"|(?<!\w)src_[\w-]{1,30}(?:\[[^\[\]\n]{0,200}\])?\{(?P<source>[^{}\n]{1,500})\}"
    r"|\[\[(?P<target>[^\[\]\n]+)\](?:\[(?P<text>[^\[\]\n]+)\])?\]"
    r"|\[fn:(?P<name>[\w-]*)(?::(?P<note>[^\[\]\n]*))?\]"
    rf"|{_BEFORE}(?:\*(?P<bold>[^*\s](?:[^*\n]*[^*\s])?)\*|/(?P<italic>[^/\s](?:[^/\n]*[^/\s])?)/"
    rf"|\+(?P<struck>[^+\s](?:[^+\n]*[^+\s])?)\+|_(?P<under>[^_\s](?:[^_\n]*[^_\s])?)_){_AFTER}"
)
_SNIPPET = re.compile(r"@@([a-z]{1,20}):([^@\n]{0,500})@@")  # for one form of output
_TARGET = re.compile(
    r"<<<([^<>\n]{1,200})>>>|(?<!\S)<<[\w:.-]{1,100}>>(?!\S)[ \t]?"
)  # with blanks it is text
_DEFINITION = re.compile(r"\[fn:(?P<name>[\w-]+)\][ \t]*(?=\S)")
_PICTURE = re.compile(r".*\.(?:png|jpe?g|gif|svg|webp)", re.IGNORECASE)
_WEB = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|/|\.{1,2}/")


def convert_inline(line: str) -> str:
    """The line or cell as Markdown."""
    line = line.rstrip().removesuffix("\\\\").rstrip()  # a line break
    definition = _DEFINITION.match(line)
    if definition:
        return f"[^{definition['name']}]: {convert_inline(line[definition.end() :])}"
    if "@@" in line:
        line = _SNIPPET.sub(lambda snippet: page_to_text(snippet[2]) if snippet[1] == "html" else "", line)
    return _INLINE.sub(_convert, _TARGET.sub(lambda target: target[1] or "", line) if "<<" in line else line)


def _convert(found: re.Match[str]) -> str:
    if (code := found["verbatim"] or found["code"] or found["source"]) is not None:
        return code_span(code)
    if found["formula"] is not None:
        return found["formula"]
    if found["target"] is not None:
        return _link(found["target"], found["text"])
    for name, mark in (("bold", "**"), ("italic", "*"), ("struck", "~~"), ("under", "")):
        if (text := found[name]) is not None:
            return f"{mark}{_INLINE.sub(_convert, text)}{mark}"
    return f" ({found['note'].strip()})" if found["note"] else f"[^{found['name']}]"


def _link(target: str, text: str | None) -> str:
    """A link; of links within the document only the text."""
    address = re.sub(r"^file:|::.*$", "", target) if target.startswith("file:") else target
    if _PICTURE.fullmatch(address) and (text is None or _PICTURE.fullmatch(text)):
        return f"![]({address})"
    is_inside = target.startswith(("*", "#", "id:")) or not (_WEB.match(target) or target.startswith("file:"))
    if is_inside:
        return text or target.lstrip("*#")
    return f"[{text}]({address})" if text else address
