"""Markup to plain text or light Markdown.

Owns HTML (only where tags are present) and MediaWiki. Whitespace inside lines is left to ``normalise``.
"""

from __future__ import annotations

import html
import re

from preprocessing.normalise import outside_fences

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
    rf"<(?P<close>/?)(?P<name>{_BLOCK}|{_INLINE})(?=[\s/>])(?:\"[^\"]*\"|'[^']*'|[^<>\"'])*>", re.IGNORECASE
)
_PRESENT = re.compile(
    rf"</(?:{_BLOCK}|{_INLINE})\s*>|<(?:br|hr|p|img|li|td)\s*/?>|<!--|<!DOCTYPE|<script\b|<style\b"
    r"|<[a-z]+[1-6]?\s+[a-z-]+=[\"']",
    re.IGNORECASE,
)
_HIDDEN = re.compile(
    r"<(head|script|style|noscript|template|svg|iframe)\b[^>]*>.*?</\1\s*>|<!--.*?-->|<!DOCTYPE[^>]*>|<\?xml[^>]*>",
    re.I | re.S,
)
_UNCLOSED = re.compile(r"<(?:script|style)\b[^>]*>.*\Z|<!--.*\Z", re.I | re.S)
_CODE_BLOCK = re.compile(
    r"<(?P<tag>pre|syntaxhighlight|source)\b(?P<attributes>[^>]*)>(?P<code>.*?)</(?P=tag)\s*>", re.I | re.S
)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_HEADING = re.compile(r"h([1-6])", re.I)
_EDGES = re.compile(r"^[ \t\u00a0]+|[ \t\u00a0]+$", re.MULTILINE)
_QUOTED_CODE = re.compile(r"`[^`\n]+`|^(?:```|~~~).*?^(?:```|~~~)", re.S | re.M)
HTML_HINT = r"<[A-Za-z/!?]|&#?[A-Za-z0-9]+;"


def has_html(text: str) -> bool:
    """Whether tags stand in the text itself, not only inside quoted code."""
    return bool(_PRESENT.search(_QUOTED_CODE.sub("", text)))


def unescape(text: str) -> str:
    """Character references with their semicolon, also when escaped twice; ``?a=1&copy=2`` stays."""
    for _ in range(3):
        once = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
        if once == text:
            break
        text = once
    return text


def html_to_text(text: str) -> str:
    """Tags out, blocks to lines, headings and list items to Markdown; text without tags only loses entities."""
    if not has_html(text):
        return unescape(text)
    text = _CODE_BLOCK.sub(_fenced, _UNCLOSED.sub("", _HIDDEN.sub("\n", text)))
    return outside_fences(text, _tags_to_text).strip("\n")


def _tags_to_text(text: str) -> str:
    text = _EDGES.sub("", unescape(_TAG.sub(_replacement, text)))
    return re.sub(r"\n{3,}", "\n\n", text)


def _fenced(match: re.Match[str]) -> str:
    """A code block in Markdown's fences, with its own whitespace."""
    lang = re.search(r"\b(?:lang|language)[=-][\"']?(\w+)", match["attributes"])
    code = unescape(_TAG.sub("", match["code"])).strip("\n")
    return f"\n\n```{lang[1] if lang else ''}\n{code}\n```\n\n" if "```" not in code else code


def _replacement(match: re.Match[str]) -> str:
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
    return "\n\n" if re.fullmatch(_BLOCK, name) else ""


# --- MediaWiki -------------------------------------------------------------------------------------------

_MEDIA = "file|image|media|파일|그림|미디어|category|분류"
_REFERENCE = re.compile(r"<ref\b[^<>]*/>|<ref\b[^<>]*>.*?</ref\s*>", re.I | re.S)
_TEMPLATE = re.compile(r"\{\{(?:[^{}]|\{(?!\{)|\}(?!\}))*\}\}")
_TABLE = re.compile(r"^[ \t:]*\{\|(?:(?!\{\|).)*?^[ \t]*\|\}", re.M | re.S)
_MEDIA_LINK = re.compile(rf"\[\[ *:?(?:{_MEDIA}) *:(?:[^\[\]]|\[\[[^\[\]]*\]\]|\[[^\[\]]*\])*\]\]", re.I)
_LINK = re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]")
_EXTERNAL = re.compile(r"\[(?:https?:)?//[^\s\[\]]+(?: +([^\[\]]*))?\]")
_HEADER = re.compile(r"^(={1,6})[ \t]*(.+?)[ \t]*\1[ \t]*$", re.M)
_MATH = re.compile(r"<math\b[^<>]*>(.*?)</math\s*>", re.I | re.S)
_NOWIKI = re.compile(r"</?nowiki\s*/?>", re.I)
_MAGIC = re.compile(r"__[A-Z]+__|^#(?:REDIRECT|넘겨주기).*$", re.M | re.I)
_LIST = re.compile(r"^([*#:;]+)[ \t]*", re.M)
_CELL_STYLE = re.compile(r"^[^|\[\]]*=[^|\[\]]*\|(?!\|)")


def mediawiki_to_markdown(text: str) -> str:
    """Templates, references and media out; headings, lists, emphasis, links and simple tables to Markdown."""
    text = _CODE_BLOCK.sub(_fenced, re.sub(r"<!--.*?-->", "", text, flags=re.S))
    return re.sub(r"\n{3,}", "\n\n", outside_fences(text, _wiki_to_text)).strip()


def _wiki_to_text(text: str) -> str:
    text = _REFERENCE.sub("", text)
    while (shorter := _TEMPLATE.sub("", text)) != text:
        text = shorter
    text = _MEDIA_LINK.sub("", text)
    text = _LINK.sub(r"\1", text)
    text = _EXTERNAL.sub(lambda match: match[1] or "", text)
    text = _TABLE.sub(lambda match: _table(match[0]), text)
    text = _MAGIC.sub("", _MATH.sub(lambda match: f"${match[1].strip()}$", text))
    text = _LIST.sub(lambda match: _list_mark(match[1]), text)
    text = _HEADER.sub(lambda match: "#" * len(match[1]) + " " + match[2], text)
    text = re.sub(r"'''''(.+?)'''''", r"***\1***", text)
    text = re.sub(r"'''(.+?)'''", r"**\1**", text)
    text = re.sub(r"''(.+?)''", r"*\1*", text)
    text = _NOWIKI.sub("", text)
    return _tags_to_text(text) if has_html(text) else unescape(text)


def _list_mark(marks: str) -> str:
    last, depth = marks[-1], len(marks) - 1
    if last in ":;":
        return ""
    return "  " * depth + ("- " if last == "*" else "1. ")


def _table(source: str) -> str:
    """A Markdown table of the cells; styles are dropped."""
    rows: list[list[str]] = [[]]
    for line in source.splitlines()[1:-1]:
        line = line.strip()
        if line.startswith("|-"):
            rows.append([])
        elif line.startswith("|+") or not line:
            continue
        elif line[0] in "|!":
            cells = re.split(r"\|\||!!" if line[0] == "!" else r"\|\|", line[1:])
            rows[-1] += [_CELL_STYLE.sub("", cell).strip() for cell in cells]
        elif rows[-1]:
            rows[-1][-1] += " " + line
    rows = [row for row in rows if row]
    if not rows:
        return ""
    width = max(map(len, rows))
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])
