"""Converts elements of HTML together with their content: code, small text, headings, items, terms; and what is hidden.

Owns character references, comments and the search for closing tags; ``html_tags`` replaces the tags that remain.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable

from preprocessing.markup.html_headings import join_headings
from preprocessing.markup.html_listings import remove_line_numbers, remove_numbers_of_lines
from preprocessing.markup.html_lists import OpenLists, mark_tasks
from preprocessing.markup.html_tags import CUT, INDENT, TAG
from preprocessing.markup.indentation import DEEPEST_ITEM
from preprocessing.markup.markdown import Protected, fence_around
from preprocessing.markup.small_text import convert_small_text

_CODE = re.compile(r"<(pre|syntaxhighlight|source)\b([^>]{0,4000})>", re.IGNORECASE)
_INLINE_CODE = re.compile(
    r"<(code|tt|samp|kbd)(?:\s[^<>]{0,200})?>"
    r"((?:[^<`\n\x7f]|\n(?![ \t]{0,200}\n)|<(?![A-Za-z/!?])|</?(?:a|b|em|i|mark|span|strong|su[bp]|u|var)(?:\s[^<>]{0,200})?>){1,300})</\1>",
    re.IGNORECASE,
)
_CODE_OF_BLOCK = re.compile(r"\s{0,20}<code(\s[^<>]{1,2000})>", re.IGNORECASE)
_LANGUAGE = re.compile(r"\b(?:lang|language)[=-][\"']?(\w[\w+#-]{0,30})")
_QUOTATION = re.compile(r"(?:^|\n)((?:[ \t]{0,3}>){1,9}[ \t]*)\Z")
LINES_OF_SPAN = 2
_BETWEEN_CODE = re.compile(
    r"</(code|tt|samp|kbd)\s{0,20}><\1(?:\s[^<>]{0,200})?>", re.IGNORECASE
)  # spans without a blank between them are one
_LINE_ELEMENT = re.compile(
    r"(?P<open><(?P<name>h[1-6]|li|td|th|dt)(?:\s[^<>]{0,2000})?>)(?P<content>[^<]{0,2000}"
    r"(?:<(?!/?(?:h[1-6]|li|ul|ol|dl|dt|dd|t[dhr]|table|p|div|pre|blockquote|section|article)(?=[\s>/]))[^<]{0,2000}){0,40})"
    r"(?P<close></(?P=name)\s{0,20}>)",
    re.IGNORECASE,
)
_PARAGRAPH_OF_CELL = re.compile(
    r"(<t[dh](?:\s[^<>]{0,2000})?>)\s{0,200}<(p|div)(?:\s[^<>]{0,2000})?>"
    r"([^<]{0,2000}(?:<(?!/?(?:p|div|[uo]l|dl|li|table|pre|h[1-6]|blockquote)(?=[\s>/]))[^<]{0,2000}){0,40})"
    r"</\2\s{0,20}>\s{0,200}(?=</t[dh]\s{0,20}>)",
    re.IGNORECASE,
)  # a cell whose only block is a paragraph
BREAK = re.compile(r"<br\s{0,20}/?>", re.IGNORECASE)
_TERM_END = re.compile(
    r"</dt\s{0,20}>\s{0,200}<dd(?:\s[^<>]{0,2000})?>\s{0,200}(?:<p(?:\s[^<>]{0,2000})?>\s{0,200})?"
    r"(?=[^<\s]|</?(?:a|b|code|em|i|span|strong|tt)[\s>])",
    re.IGNORECASE,
)
_LAST_OF_TERM = re.compile(r"([^\s>]?)((?:</(?:a|b|code|em|i|span|strong|tt)>|\s){0,8})\Z", re.IGNORECASE)
_LONGEST_LAST = 1 + 8 * len("</strong>")
_BLOCK_OF_CODE = re.compile(r"\n[ \t]{0,99}\x7f[0-9]{1,8}\x7f[ \t]{0,99}(?:\n|\Z)")
_BETWEEN_CELLS = re.compile(r"(?<=</t[dh]>)\s{1,1000}(?=<t[dh][\s>])", re.IGNORECASE)
_NO_TEXT = r"(?:\s{{1,4000}}+|</?(?:a|b|br|button|div|em|figure|i|img|input|label|p|picture|source|span|strong{})(?=[\s/>])[^<>]{{0,4000}}>){{0,60}}+"
_EMPTY = re.compile(  # items, headings and terms without text, such as those of a picture
    rf"<li(?:\s[^<>]{{0,2000}})?>{_NO_TEXT.format('|h[1-6]')}</li\s{{0,20}}>"
    rf"|<(h[1-6]|dt)(?:\s[^<>]{{0,2000}})?>{_NO_TEXT.format('')}</\1\s{{0,20}}>",
    re.IGNORECASE,
)
ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_BETWEEN_ITEMS = re.compile(
    r"(?<=>)\s{1,1000}(?=<(?:li[\s>]|[uo]l[\s>]|/[uo]l\s{0,20}>)(?!(?<=>)[ \t]?(?:[,~/:]|(?:은|는|을|를|과|와)(?![가-힣])|태그|요소)))",
    re.IGNORECASE,
)  # not before a tag that a line is about


def unescape(text: str) -> str:
    """Resolves character references that end with a semicolon; ``?a=1&copy=2`` stays, and ``&amp;lt;`` shows ``&lt;``."""
    return ENTITY.sub(lambda match: html.unescape(match[0]), text) if "&" in text else text


def convert_code(text: str, protected: Protected) -> str:
    """Converts <pre> and <code>, and small text, which depends on what surrounds it."""
    text = remove_line_numbers(text)
    lists = OpenLists()

    def protect_block(opening: re.Match[str], content: str) -> str:
        quotation = _QUOTATION.search(opening.string, max(0, opening.start() - DEEPEST_ITEM), opening.start())
        if quotation:
            return _protect_quoted_block(opening[2], content, quotation[1], protected)
        column = lists.column_at(opening)
        return _protect_block(opening[2], content, _indent_before(opening), column, protected)

    text = replace_elements(text, _CODE, protect_block)
    text = mark_tasks(_EMPTY.sub("", text))
    text = _INLINE_CODE.sub(lambda match: _protect_code(match, protected), _BETWEEN_CODE.sub("", text))
    text = _PARAGRAPH_OF_CELL.sub(r"\1\3", join_headings(text))
    text = _join_terms(_LINE_ELEMENT.sub(_join_lines, convert_small_text(text)))
    return _BETWEEN_CELLS.sub("", _BETWEEN_ITEMS.sub("", text))


def _join_lines(match: re.Match[str]) -> str:
    """Joins the lines of a heading, item, cell or term without blocks, so that its mark and its text are one line."""
    content = match["content"]
    is_heading = match["name"][0] in "hH"
    if "\n\n\x7f" in content or (not is_heading and _BLOCK_OF_CODE.search(content)):
        return match[0]
    if not ("\n" in content or (is_heading and BREAK.search(content))):
        return match[0]
    if is_heading:
        content = BREAK.sub(" ", content)
    return match["open"] + " ".join(content.split()) + match["close"]


def _join_terms(text: str) -> str:
    """Writes a term and the paragraph that defines it as ``term: definition``."""
    pieces, at = [], 0
    for end in _TERM_END.finditer(text):
        last = _LAST_OF_TERM.search(text, max(at, end.start() - _LONGEST_LAST), end.start())
        assert last is not None  # it matches the empty text
        joint = " " if last[1] in (":", "：", "?") else ": "
        if end[0].endswith("\n\n") and text[end.end()] == "\x7f":  # a block of code
            joint = joint.rstrip() + "\n\n"
        pieces += [text[at : last.start()], last[1], last[2].rstrip(), joint]
        at = end.end()
    return "".join([*pieces, text[at:]])


def hide(opening: re.Match[str], content: str) -> str:
    """What takes the place of an element that the page does not show in its lines."""
    return "\n" if opening[1].lower() in ("head", "iframe") else ""


def _protect_code(match: re.Match[str], protected: Protected) -> str:
    """A code span, whose line end reads as a blank; code of more lines stays text."""
    lines = match[2].strip().split("\n")
    return (
        _protect_span(re.sub(r"\s*\n\s*", " ", match[2]), protected)
        if len(lines) <= LINES_OF_SPAN
        else match[0]
    )


def _protect_span(code: str, protected: Protected) -> str:
    """A code span; blanks at its ends stay outside of it."""
    span = format_code_span(code)
    before, after = code[:1].isspace(), code[-1:].isspace()
    if not span:
        return " " if before else ""
    return f"{' ' * before}{protected.add(span)}{' ' * after}"


def _indent_before(opening: re.Match[str]) -> int:
    """The number of marks of indentation before an element of code."""
    before = opening.string[max(0, opening.start() - DEEPEST_ITEM) : opening.start()]
    return len(before) - len(before.rstrip(INDENT))


def _protect_block(attributes: str, content: str, indent: int, column: int, protected: Protected) -> str:
    """A block of code; inside of an item its lines lose the indentation of the item, and the block has it.

    ``column``: of the text of the item of HTML that contains it, which what follows has, too.
    """
    if indent:
        content = re.sub(rf"\n {{1,{indent}}}", "\n", content)
    code = format_code_block(attributes, content).strip("\n")
    if indent + column:
        code = re.sub(r"^(?=[^\n])", " " * (indent + column), code, flags=re.MULTILINE)
    end = f"{CUT}\n\n{CUT}{INDENT * column}" if column else "\n\n"
    return f"\n\n{protected.add(code) if code else ''}{end}"


def _protect_quoted_block(attributes: str, content: str, marks: str, protected: Protected) -> str:
    """A block of code behind the marks of a quotation, which its lines have, too."""
    content = re.sub(rf"\n(?:[ \t]{{0,3}}>){{1,{marks.count('>')}}} ?", "\n", content)
    code = format_code_block(attributes, content).strip("\n")
    marks = marks if marks[-1] != ">" else marks + " "
    return protected.add(code.replace("\n", "\n" + marks)) if code else ""


def format_code_span(code: str) -> str:
    """A code span of Markdown in as many backticks as its content allows."""
    code = unescape(TAG.sub("", convert_small_text(code))).strip()
    if "`" not in code:
        return f"`{code}`" if code else ""
    marks = "`" * (1 + max(map(len, re.findall("`+", code))))
    return f"{marks} {code} {marks}" if "`" in (code[0], code[-1]) else f"{marks}{code}{marks}"


def replace_comments(text: str, replacement: str = "") -> str:
    """Replaces each ``<!-- ... -->``; an unclosed comment stays, and so does one behind a backslash."""
    pieces, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        if text[start - 1 : start] == "\\":
            end = start + 1
            pieces.append(text[at : end + 3])
        else:
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
    """A fenced Markdown code block; whitespace of the code stays. Nothing for code without text, such as that of pictures."""
    inside = _CODE_OF_BLOCK.match(code)
    lang = _LANGUAGE.search(f"{attributes} {inside[1]}" if inside else attributes)
    code = unescape(TAG.sub(_end_of_code_line, remove_numbers_of_lines(code))).strip("\n")
    if not code.strip():
        return ""
    fence = fence_around(code)
    return f"\n\n{fence}{lang[1] if lang else ''}\n{code}\n{fence}\n\n"
