"""Converts HTML to plain text with light Markdown, only where tags are present.

Every pattern is linear in the length of the text, so a hostile page costs no more than any other. ``normalize`` handles
whitespace inside lines.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable

from preprocessing.text.normalize import change_outside_fences

_BLOCK = (
    "p|div|br|hr|li|ul|ol|dl|dt|dd|table|tbody|thead|tfoot|tr|h[1-6]|blockquote|pre|section|article|header|footer|"
    "nav|main|aside|form|fieldset|figure|figcaption|html|body|title|option|select|center|address|details|summary"
)
_INLINE = (
    "a|abbr|b|big|bdi|bdo|button|canvas|caption|cite|code|col|colgroup|del|dfn|em|embed|font|i|iframe|img|input|ins|kbd|label|"
    "legend|link|mark|meta|noscript|object|param|picture|q|rp|rt|ruby|s|samp|small|source|span|strike|strong|sub|sup|"
    "svg|path|td|th|textarea|time|tt|u|var|video|audio|wbr|base|head|data|map|area|o:p"
)
_TAG = re.compile(
    rf"<(?P<close>/?)(?P<name>{_BLOCK}|{_INLINE})(?=[\s/>])(?:\"[^\"]{{0,4000}}\"|'[^']{{0,4000}}'|[^<>\"']){{0,4000}}>",
    re.IGNORECASE,
)
_PRESENT = re.compile(
    rf"</(?:{_BLOCK}|{_INLINE})\s{{0,20}}>|<(?:br|hr|p|img|li|td)\s{{0,20}}/?>|<!--|<!DOCTYPE|<script\b|<style\b"
    r"|<[a-z]{1,20}[1-6]?\s{1,20}[a-z-]{1,40}=[\"']",
    re.IGNORECASE,
)
_HIDDEN = re.compile(r"<(head|script|style|noscript|template|svg|iframe)\b[^>]{0,4000}>", re.IGNORECASE)
_CODE = re.compile(r"<(pre|syntaxhighlight|source)\b([^>]{0,4000})>", re.IGNORECASE)
_DECLARATION = re.compile(r"<!DOCTYPE[^>]{0,4000}>|<\?xml[^>]{0,4000}>", re.IGNORECASE)
_UNCLOSED = re.compile(r"<(?:script|style)\b[^>]{0,4000}>.*\Z|<!--.*\Z", re.IGNORECASE | re.DOTALL)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_HEADING = re.compile(r"h([1-6])", re.IGNORECASE)
_IS_BLOCK = re.compile(_BLOCK)
_QUOTED_CODE = re.compile(r"`[^`\n]+`|^(?:```|~~~).*?^(?:```|~~~)", re.DOTALL | re.MULTILINE)
_EDGE = " \t\u00a0"
HTML_HINT = r"<[A-Za-z/!?]|&#?[A-Za-z0-9]+;"


def has_html(text: str) -> bool:
    """True for tags in the text itself, not only inside quoted code."""
    return bool(_PRESENT.search(text)) and bool(_PRESENT.search(_QUOTED_CODE.sub("", text)))


def unescape(text: str) -> str:
    """Resolves character references that end with a semicolon, also when escaped twice; ``?a=1&copy=2`` stays."""
    for _ in range(3):
        once = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
        if once == text:
            break
        text = once
    return text


def html_to_text(text: str) -> str:
    """Removes tags; blocks become lines, headings and list items Markdown. Resolves only entities in text without tags."""
    if not has_html(text):
        return unescape(text)
    text = replace_comments(text, "\n")
    text = replace_elements(text, _HIDDEN, lambda opening, content: "\n")
    text = _UNCLOSED.sub("", _DECLARATION.sub("\n", text))
    text = replace_elements(text, _CODE, lambda opening, content: format_code_block(opening[2], content))
    return change_outside_fences(text, tags_to_text).strip("\n")


def tags_to_text(text: str) -> str:
    """Converts text outside of code blocks; strips spaces around lines."""
    text = "\n".join(line.strip(_EDGE) for line in remove_tags(text).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text)


def remove_tags(text: str) -> str:
    """Replaces tags by line ends and Markdown marks, and resolves character references; other whitespace stays."""
    return unescape(_TAG.sub(_replace_tag, text))


def replace_comments(text: str, replacement: str = "") -> str:
    """Replaces each ``<!-- ... -->``; an unclosed comment stays."""
    pieces, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        pieces += [text[at:start], replacement]
        at = end + 3
    return "".join([*pieces, text[at:]])


def replace_elements(
    text: str, opening: re.Pattern[str], replace: Callable[[re.Match[str], str], str]
) -> str:
    """Replaces elements from ``opening`` (group 1 is the name) to the next closing tag of that name; unclosed ones stay."""
    pieces, at = [], 0
    unclosed: set[str] = set()
    match = opening.search(text)
    while match:
        name = match[1].lower()
        end = None if name in unclosed else _closing(name).search(text, match.end())
        if end is None:
            unclosed.add(name)
            match = opening.search(text, match.end())
            continue
        pieces += [text[at : match.start()], replace(match, text[match.end() : end.start()])]
        at = end.end()
        match = opening.search(text, at)
    return "".join([*pieces, text[at:]])


@functools.cache
def _closing(name: str) -> re.Pattern[str]:
    return re.compile(rf"</{re.escape(name)}\s{{0,20}}>", re.IGNORECASE)


def format_code_block(attributes: str, code: str) -> str:
    """A fenced Markdown code block; whitespace of the code stays."""
    lang = re.search(r"\b(?:lang|language)[=-][\"']?(\w+)", attributes)
    code = unescape(_TAG.sub("", code)).strip("\n")
    return f"\n\n```{lang[1] if lang else ''}\n{code}\n```\n\n" if "```" not in code else code


def _replace_tag(match: re.Match[str]) -> str:
    name, closing = match["name"].lower(), match["close"]
    heading = _HEADING.fullmatch(name)
    if heading:
        return "\n\n" if closing else "\n\n" + "#" * int(heading[1]) + " "
    if name == "li":
        return "" if closing else "\n- "
    if name in ("td", "th"):
        return " " if closing else ""
    if name in ("br", "tr", "dd", "dt", "option", "ul", "ol"):
        return "\n"
    return "\n\n" if _IS_BLOCK.fullmatch(name) else ""
