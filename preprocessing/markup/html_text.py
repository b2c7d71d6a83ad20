"""Converts HTML to plain text with light Markdown, only where tags are present.

A page is HTML as a whole. Any other text is Markdown or plain text with some HTML: its code stays as it is
(``markup.markdown``), so do the indentation of its lists and paragraphs and tags that are only mentioned. Every pattern
is linear in the length of the text, so a hostile page costs no more than any other. ``normalize`` handles whitespace
inside lines.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable

from preprocessing.markup.markdown import Protected, fence_around, has_structure, protect_code, table_lines
from preprocessing.markup.small_text import convert_small_text

_BLOCK = (
    "p|div|br|hr|li|ul|ol|dl|dt|dd|table|tbody|thead|tfoot|tr|h[1-6]|blockquote|pre|section|article|header|footer|"
    "nav|main|aside|form|fieldset|legend|figure|figcaption|html|body|title|option|select|center|address|details|summary|"
    "dialog|menu|hgroup|optgroup"
)
_INLINE = (
    "a|abbr|acronym|b|big|bdi|bdo|button|canvas|caption|cite|code|col|colgroup|del|dfn|em|embed|font|i|iframe|img|input|ins|kbd|label|"
    "link|mark|meta|nobr|noscript|object|param|picture|q|rp|rt|ruby|s|samp|small|source|span|strike|strong|sub|sup|"
    "svg|path|td|th|textarea|time|tt|u|var|video|audio|wbr|base|head|data|map|area|o:p"
)
_WORDS = frozenset((
    "a", "address", "area", "article", "aside", "audio", "b", "base", "body", "button", "canvas", "caption", "code",
    "col", "data", "details", "dialog", "form", "head", "header", "html", "i", "input", "label", "legend", "link", "main",
    "map", "mark", "menu", "meta", "nav", "object", "option", "param", "path", "picture", "q", "s", "section",
    "select", "source", "style", "summary", "table", "time", "title", "u", "var", "video",
))  # fmt: skip
"""Names of elements that are also names of placeholders, as in ``cp <source> <path>``."""
_TAG = re.compile(
    rf"<(?P<close>/?)(?P<name>{_BLOCK}|{_INLINE})(?=[\s/>])(?P<attributes>(?:\"[^\"]{{0,4000}}\"|'[^']{{0,4000}}'|[^<>\"']){{0,4000}})>",
    re.IGNORECASE,
)
_PRESENT = re.compile(
    rf"</(?:{_BLOCK}|{_INLINE})\s{{0,20}}>|<(?:br|hr|p|img|li|td)\s{{0,20}}/?>|<!--|<!DOCTYPE|<script\b|<style\b"
    r"|<[a-z]{1,20}[1-6]?\s{1,20}[a-z-]{1,40}=[\"']",
    re.IGNORECASE,
)
_PAGE = re.compile(
    r"\s{0,200}(?:<\?xml[^>]{0,500}>|<!--[^>]{0,500}-->|\s{1,200}){0,4}<(?:!DOCTYPE\s{1,20}html|html|head|body)(?=[\s>])",
    re.IGNORECASE,
)
_HIDDEN = re.compile(r"<(head|script|style|noscript|template|svg|iframe)\b[^>]{0,4000}>", re.IGNORECASE)
_HIDDEN_IN_MARKDOWN = re.compile(
    r"<(script|style|noscript|template|svg|iframe)(?=[\s>])[^>]{0,4000}>(?![ \t]{0,9}[가-힣])", re.IGNORECASE
)
_CUSTOM_TAG = re.compile(
    r"</?[a-z][a-z0-9]{0,30}(?:-[a-z0-9]{1,30}){1,4}(?:\s[^<>]{0,4000})?>", re.IGNORECASE
)
_CODE = re.compile(r"<(pre|syntaxhighlight|source)\b([^>]{0,4000})>", re.IGNORECASE)
_INLINE_CODE = re.compile(
    r"<(code|tt|samp|kbd)(?:\s[^<>]{0,200})?>"
    r"((?:[^<`\n\x7f]|<(?![A-Za-z/!?])|</?(?:a|b|em|i|mark|span|strong|su[bp]|u|var)(?:\s[^<>]{0,200})?>){1,300})</\1>",
    re.IGNORECASE,
)
_BETWEEN_CODE = re.compile(
    r"</(code|tt|samp|kbd)\s{0,20}><\1(?:\s[^<>]{0,200})?>", re.IGNORECASE
)  # spans without a blank between them are one
_LINE_ELEMENT = re.compile(
    r"(?P<open><(?P<name>h[1-6]|li|td|th|dt)(?:\s[^<>]{0,2000})?>)(?P<content>[^<]{0,2000}"
    r"(?:<(?!/?(?:h[1-6]|li|ul|ol|dl|dt|dd|t[dhr]|table|p|div|pre|blockquote|section|article)(?=[\s>/]))[^<]{0,2000}){0,40})"
    r"(?P<close></(?P=name)\s{0,20}>)",
    re.IGNORECASE,
)
_EMBEDDED_DATA = re.compile(r"(?<==)(?:\"data:[^\"<>]*\"|'data:[^'<>]*')", re.IGNORECASE)
_BREAK = re.compile(r"<br\s{0,20}/?>", re.IGNORECASE)
_TERM_END = re.compile(
    r"(?P<last>[^\s>]?)(?P<tags>(?:</(?:a|b|code|em|i|span|strong|tt)>|\s){0,8})</dt\s{0,20}>\s{0,200}"
    r"<dd(?:\s[^<>]{0,2000})?>\s{0,200}(?:<p(?:\s[^<>]{0,2000})?>\s{0,200})?(?=[^<\s]|</?(?:a|b|code|em|i|span|strong|tt)[\s>])",
    re.IGNORECASE,
)
_DECLARATION = re.compile(r"<!DOCTYPE[^>]{0,4000}>|<\?xml[^>]{0,4000}>", re.IGNORECASE)
_UNCLOSED = re.compile(r"<(?:script|style)\b[^>]{0,4000}>.*\Z|<!--.*\Z", re.IGNORECASE | re.DOTALL)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_CLOSING_NAME = re.compile(r"</([A-Za-z][A-Za-z0-9:]{0,20})\s{0,20}>")
_MENTION = re.compile(r"[ \t]?(?:태그|요소|엘리먼트|속성|tags?\b|elements?\b)", re.IGNORECASE)
_QUOTES = ("''", '""', "‘’", "“”")
_HEADING = re.compile(r"h([1-6])", re.IGNORECASE)
_IS_BLOCK = re.compile(_BLOCK)
_BLOCK_TAG = re.compile(rf"[ \t]*</?(?:{_BLOCK}|td|th)(?=[\s/>])", re.IGNORECASE)
_LIST_OR_QUOTATION = re.compile(r"[ \t]*(?:[-*+>|][ \t]|[0-9]{1,9}[.)][ \t])")
_END_OF_LINE = re.compile(r"[ \t]*\n")
_EDGE = " \t\u00a0"
_CUT = "\x1e"  # marks both sides of a line end that a tag became; removed with the blanks around it
_JOIN = "\x1f"  # after the mark of a list item; removed with the blanks and line ends behind it
_JOINED = re.compile("\x1f(?:[\\s\x1e]+(?![\\s\x1e\x7f]))?")
_LEVEL = "\x1d"  # one level of nested lists, which becomes two blanks
_BEFORE_NESTED = re.compile(f"\n+(?={_LEVEL})")
_BETWEEN_ITEMS = re.compile(r"(?<=>)\s{1,1000}(?=<(?:li[\s>]|[uo]l[\s>]|/[uo]l\s{0,20}>))", re.IGNORECASE)
_OWN_MARKS = "\x1d\x1e\x1f\x7f"
HTML_HINT = r"<[A-Za-z/!?]|&#?[A-Za-z0-9]+;"


def has_html(text: str) -> bool:
    """True for tags in the text itself, not only inside quoted code."""
    return bool(_PRESENT.search(text)) and bool(_PRESENT.search(protect_code(text, Protected())))


def unescape(text: str) -> str:
    """Resolves character references that end with a semicolon, also when escaped twice; ``?a=1&copy=2`` stays."""
    for _ in range(3 if "&" in text else 0):
        once = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
        if once == text:
            break
        text = once
    return text


def html_to_text(text: str) -> str:
    """Removes tags; blocks become lines, headings and list items Markdown. Resolves only entities in text without tags.

    Code of Markdown stays unchanged: fences, indented code and code spans.
    """
    with_tags = _PRESENT.search(text)
    if not with_tags and not _ENTITY.search(text):
        return text
    if "data:" in text:  # as long as a picture
        text = _EMBEDDED_DATA.sub('""', text)
    for mark in _OWN_MARKS:
        text = text.replace(mark, "")
    if with_tags and _PAGE.match(text):
        return page_to_text(text)
    protected = Protected()
    marked = protect_code(text, protected)
    if not with_tags or not _PRESENT.search(marked):
        return protected.restore(unescape(marked))
    is_fragment = bool(_BLOCK_TAG.match(marked.lstrip())) and not has_structure(marked)
    marked = replace_elements(replace_comments(marked), _HIDDEN_IN_MARKDOWN, _hide)
    marked = _convert_code(marked, protected)
    marked = _strip_lines(marked) if is_fragment else _strip_lines_of_html(marked)
    closed = {name.lower() for name in _CLOSING_NAME.findall(marked)}
    lines = marked.split("\n")
    cells = table_lines(lines) if "|" in marked else set()
    marked = "\n".join(_flatten_tags(line) if n in cells else line for n, line in enumerate(lines))
    tags = _Tags()
    marked = _end_cut_lines(_TAG.sub(lambda match: _replace_known_tag(match, closed, tags), marked))
    marked = _indent_lists(unescape(marked))
    return protected.restore(re.sub(r"\n{3,}", "\n\n", marked)).strip("\n")


def page_to_text(text: str) -> str:
    """Converts a whole page, where only elements make lines and code."""
    protected = Protected()
    text = replace_comments(text)
    text = replace_elements(text, _HIDDEN, _hide)
    text = _CUSTOM_TAG.sub("", text)
    text = _UNCLOSED.sub("", _DECLARATION.sub("\n", text))
    text = _indent_lists(_strip_lines(_without_tags(_convert_code(text, protected))))
    return protected.restore(re.sub(r"\n{3,}", "\n\n", text)).strip("\n")


def remove_tags(text: str) -> str:
    """Replaces tags by line ends and Markdown marks, and resolves character references; other whitespace stays."""
    return _indent_lists(_without_tags(text))


def _without_tags(text: str) -> str:
    return unescape(_JOINED.sub("", _TAG.sub(_Tags().replace, text)).replace(_CUT, ""))


def _convert_code(text: str, protected: Protected) -> str:
    """Converts <pre> and <code>, and small text, which depends on what surrounds it."""
    text = replace_elements(
        text,
        _CODE,
        lambda opening, content: _protect_block(format_code_block(opening[2], content), protected),
    )
    text = _INLINE_CODE.sub(lambda match: _protect_span(match[2], protected), _BETWEEN_CODE.sub("", text))
    text = _join_terms(_LINE_ELEMENT.sub(_join_lines, convert_small_text(text)))
    return _BETWEEN_ITEMS.sub("", text)


def _join_lines(match: re.Match[str]) -> str:
    """Joins the lines of a heading, item, cell or term without blocks, so that its mark and its text are one line."""
    content = match["content"]
    if "\n" not in content or "\n\n\x7f" in content:
        return match[0]
    if match["name"][0] in "hH":
        content = _BREAK.sub(" ", content)
    return match["open"] + " ".join(content.split()) + match["close"]


def _join_terms(text: str) -> str:
    """Writes a term and the paragraph that defines it as ``term: definition``."""
    if "<d" not in text and "<D" not in text:
        return text
    return _TERM_END.sub(
        lambda match: (
            match["last"] + match["tags"].rstrip() + (" " if match["last"] in (":", "：", "?") else ": ")
        ),
        text,
    )


def _hide(opening: re.Match[str], content: str) -> str:
    """What takes the place of an element that the page does not show in its lines."""
    return "\n" if opening[1].lower() in ("head", "iframe") else ""


def _protect_span(code: str, protected: Protected) -> str:
    """A code span; blanks at its ends stay outside of it."""
    span = format_code_span(code)
    before, after = code[:1].isspace(), code[-1:].isspace()
    if not span:
        return " " if before else ""
    return f"{' ' * before}{protected.add(span)}{' ' * after}"


def _protect_block(block: str, protected: Protected) -> str:
    code = block.strip("\n")
    return f"\n\n{protected.add(code)}\n\n" if code else "\n\n"


# --- lines -----------------------------------------------------------------------------------------------


def _strip_lines(text: str) -> str:
    return "\n".join(line.strip(_EDGE) for line in text.split("\n"))


def _strip_lines_of_html(text: str) -> str:
    """Removes the indentation of lines in blocks of HTML, which reach from a line with a tag to an empty line."""
    lines, inside = text.split("\n"), False
    for n, line in enumerate(lines):
        if not line.strip(_EDGE):
            inside = False
            continue
        begins = bool(_BLOCK_TAG.match(line))
        inside |= begins
        if begins or (inside and not _LIST_OR_QUOTATION.match(line)):
            lines[n] = line.strip(_EDGE)
    return "\n".join(lines)


def _end_cut_lines(text: str) -> str:
    """Removes the blanks around line ends that tags became."""
    if _CUT not in text:
        return text
    pieces = _JOINED.sub("", text).split(_CUT)
    for n in range(len(pieces)):
        if n:
            pieces[n] = pieces[n].lstrip(_EDGE)
        if n + 1 < len(pieces):
            pieces[n] = pieces[n].rstrip(_EDGE)
    return "".join(pieces)


# --- tags ------------------------------------------------------------------------------------------------


def _flatten_tags(line: str) -> str:
    """Replaces tags of blocks in a line of a table by blanks."""
    return _TAG.sub(lambda match: " " if _IS_BLOCK.fullmatch(match["name"].lower()) else match[0], line)


def _replace_known_tag(match: re.Match[str], closed: set[str], tags: _Tags) -> str:
    """Replaces a tag of Markdown; a tag that is only mentioned, escaped, or a placeholder or component stays."""
    name, at = match["name"], match.start()
    if name[0].isupper() and name[1:].islower():  # of a component, such as <Button>
        return match[0]
    before, after = match.string[at - 1 : at], match.string[match.end() : match.end() + 1]
    if before == "\\" or before + after in _QUOTES or _is_mentioned(match):
        return match[0]
    if name.lower() in _WORDS and name.lower() not in closed and not match["attributes"].strip(" /"):
        return match[0]
    return tags.replace(match)


def _is_mentioned(match: re.Match[str]) -> bool:
    """True before a word such as ``태그``, unless the tag encloses that word: ``<b>속성</b>``."""
    mention = _MENTION.match(match.string, match.end())
    if mention is None:
        return False
    closing = re.compile(rf"[^\n<]{{0,200}}</{re.escape(match['name'])}\s{{0,20}}>", re.IGNORECASE)
    end = closing.match(match.string, mention.end())
    return bool(match["close"]) or end is None or _MENTION.match(match.string, end.end()) is not None


def format_code_span(code: str) -> str:
    """A code span of Markdown in as many backticks as its content allows."""
    code = unescape(_TAG.sub("", convert_small_text(code))).strip()
    if "`" not in code:
        return f"`{code}`" if code else ""
    marks = "`" * (1 + max(map(len, re.findall("`+", code))))
    return f"{marks} {code} {marks}" if "`" in (code[0], code[-1]) else f"{marks}{code}{marks}"


class _Tags:
    """Replaces the tags of one text, in their order, by line ends and marks of Markdown."""

    def __init__(self) -> None:
        self._lists = 0  # lists that are open

    def replace(self, match: re.Match[str]) -> str:
        name, closing = match["name"].lower(), bool(match["close"])
        heading = _HEADING.fullmatch(name)
        if heading:
            return _line_end(2) if closing else _line_end(2) + "#" * int(heading[1]) + " "
        if name in ("ul", "ol"):
            self._lists = max(0, self._lists - 1) if closing else self._lists + 1
            return "" if self._lists > (0 if closing else 1) else _line_end(1)
        if name == "li":
            return "" if closing else f"{_line_end(1)}{_LEVEL * (self._lists - 1)}- {_JOIN}"
        if name in ("td", "th"):
            return " "
        if name == "br" and _END_OF_LINE.match(match.string, match.end()):
            return ""
        if name in ("br", "tr", "dd", "dt", "option"):
            return _line_end(1)
        return _line_end(2) if _IS_BLOCK.fullmatch(name) else ""


def _indent_lists(text: str) -> str:
    """Indents nested items, without empty lines before them."""
    return _BEFORE_NESTED.sub("\n", text).replace(_LEVEL, "  ") if _LEVEL in text else text


def _line_end(lines: int) -> str:
    return _CUT + "\n" * lines + _CUT


# --- elements --------------------------------------------------------------------------------------------


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


def _end_of_code_line(match: re.Match[str]) -> str:
    """A line end for a tag that ends a line of code; the empty text for others."""
    name = match["name"].lower()
    if name == "br":
        return "\n"
    ends = match["close"] and name in ("div", "li", "p", "tr") and match.end() < len(match.string)
    return "\n" if ends and match.string[match.end()] != "\n" else ""


def format_code_block(attributes: str, code: str) -> str:
    """A fenced Markdown code block; whitespace of the code stays."""
    lang = re.search(r"\b(?:lang|language)[=-][\"']?(\w+)", attributes)
    code = unescape(_TAG.sub(_end_of_code_line, code)).strip("\n")
    fence = fence_around(code)
    return f"\n\n{fence}{lang[1] if lang else ''}\n{code}\n{fence}\n\n"
