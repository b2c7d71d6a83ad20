"""Converts HTML to plain text with light Markdown, only where tags are present.

A page is HTML as a whole. Any other text is Markdown or plain text with some HTML: its code stays as it is
(``markup.markdown``), so do the indentation of its lists and paragraphs and tags that are only mentioned. Every pattern
is linear in the length of the text, so a hostile page costs no more than any other. ``normalize`` handles whitespace
inside lines.
"""

from __future__ import annotations

import re

from preprocessing.markup.emoji import restore_emoji
from preprocessing.markup.formulas import restore_formulas
from preprocessing.markup.front_matter import flatten_front_matter
from preprocessing.markup.html_containers import end_cut_lines, mark_code_of_items
from preprocessing.markup.html_elements import (
    BREAK,
    ENTITY,
    convert_code,
    hide,
    replace_comments,
    replace_elements,
    unescape,
)
from preprocessing.markup.html_examples import HIDDEN_IN_MARKDOWN, hide_layout, protect_examples
from preprocessing.markup.html_lines import has_paragraphs, join_lines
from preprocessing.markup.html_mentions import NO_BEGINNING, replace_known_tags
from preprocessing.markup.html_quotations import CLOSED, OPENED, mark_quotations
from preprocessing.markup.html_shown import protect_shown
from preprocessing.markup.html_spans import separate_spans
from preprocessing.markup.html_tables import convert_tables
from preprocessing.markup.html_tags import (
    BLOCK,
    CUT,
    EDGE,
    INDENT,
    INLINE,
    JOINED,
    TAG,
    Tags,
    flatten_tags,
    indent_lists,
    shorten_tags,
)
from preprocessing.markup.html_unknown import remove_unknown
from preprocessing.markup.indentation import LIST_MARK, Items
from preprocessing.markup.jsx import protect_jsx
from preprocessing.markup.markdown import Protected, has_structure, protect_code, table_lines
from preprocessing.markup.references import resolve_structure
from preprocessing.markup.template_listings import fence_listings

_PRESENT = re.compile(
    rf"</(?:{BLOCK}|{INLINE})\s{{0,20}}>|<(?:br|hr|p|img|li|td)\s{{0,20}}/?>|<!--|<!DOCTYPE|<script\b|<style\b"
    r"|<[a-z]{1,20}[1-6]?\s{1,20}[a-z-]{1,40}=[\"']",
    re.IGNORECASE,
)
_PAGE = re.compile(
    r"\s{0,200}(?:(?:<\?xml[^>]{0,500}>|<!--[^>]{0,500}-->)\s{0,200}){0,4}<(?:!DOCTYPE\s{1,20}html|html|head|body)(?=[\s>])",
    re.IGNORECASE,
)
_HIDDEN = re.compile(r"<(head|script|style|noscript|template|svg|iframe)\b[^>]{0,4000}>", re.IGNORECASE)
_EMBEDDED_DATA = re.compile(r"(?<==)(?:\"data:[^\"<>]*\"|'data:[^'<>]*')", re.IGNORECASE)
_DECLARATION = re.compile(r"<!DOCTYPE[^>]{0,4000}>|<\?xml[^>]{0,4000}>", re.IGNORECASE)
_UNCLOSED = re.compile(r"<(?:script|style)\b[^>]{0,4000}>.*\Z|<!--.*\Z", re.IGNORECASE | re.DOTALL)
_CLOSING_NAME = re.compile(r"</([A-Za-z][A-Za-z0-9:]{0,20})\s{0,20}>")
_BLOCK_TAG = re.compile(rf"[ \t]*</?(?:{BLOCK}|td|th)(?=[\s/>])", re.IGNORECASE)
_INDENTED_TAG = re.compile(
    r"^[ \t]{1,200}(?:</?[A-Za-z]|[^\n]{1,2000}<br[\s/>])", re.MULTILINE | re.IGNORECASE
)
_LAID_OUT = re.compile(r"</(?:p|div|td|li)\s{0,9}>", re.IGNORECASE)
_ONLY_BREAKS = re.compile(r"(?:\s|</?br\s{0,9}/?>)+", re.IGNORECASE)  # between lines of Markdown
_LIST_OR_QUOTATION = re.compile(rf"[ \t]*(?:{LIST_MARK}|\||>[ \t])")  # or a row
_BREAK_OF_TWO_TAGS = re.compile(r"<br\s{0,9}>[ \t]{0,9}</br\s{0,9}>", re.IGNORECASE)
_MISSPELT_BREAK = re.compile(
    rf"<(?:/[bB][rR]|Br|bR|BR)\s{{0,9}}/?>(?![ \t]?(?:태그|{NO_BEGINNING.pattern}))"
)  # which its renderer takes for a line break, too
_BREAK_OF_LABEL = re.compile(
    r"(\[[^\[\]\n<]{1,200})(?:<br\s{0,20}/?>[ \t]{0,20}){1,9}(?=[^\[\]\n]{1,200}\]\()", re.IGNORECASE
)  # of a link, which a line end would cut
_BREAK_OF_EMPHASIS = re.compile(
    r"(?<=\S)[ \t]{0,9}<br\s{0,20}/?>[ \t]{0,9}(?=(?:\*\*|__)[ \t]*$)", re.IGNORECASE | re.MULTILINE
)
_ANCHOR = re.compile(
    r"<a\s{1,9}(?:name|id)=[\"']?[^<>\"']{1,200}[\"']?\s{0,9}>\s{0,9}</a>", re.IGNORECASE
)  # a target
_LABEL_OF_PICTURES = re.compile(
    r"(?<!!)\[\s{0,9}(?:<img\s[^<>]{0,2000}>\s{0,9}){1,9}\]\((?:[^()\s]|\([^()\s]{0,200}\)){0,1000}(?:[ \t]{1,9}[\"'][^\"'\n]{0,200}[\"'])?\)"
)  # a link of which nothing is left
_LINE_OF_PICTURES = re.compile(
    rf"^[ \t]*(?:(?:>[ \t]*)+|(?:{LIST_MARK}|#{{1,6}}[ \t])[ \t]*(?=[^\n]*(?:\Z|\n(?![ \t]+\S))))"
    r"(?:(?:(?:<a\s[^<>]{0,2000}>)?<img\s[^<>]{0,2000}>(?:</a>)?|<(?:video|audio|source)\s[^<>]{0,2000}>|</(?:video|audio)>)"
    r"[ \t]*(?:<br\s{0,9}/?>[ \t]*)?)+(?:\n|\Z)",
    re.IGNORECASE | re.MULTILINE,
)  # an item, a heading or a line of a quotation of which nothing is left
_LINE_OF_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t][^\n]{1,4000}", re.MULTILINE)
_BLOCK_IN_HEADING = re.compile(
    r"<(div|p|center)(?:\s[^<>]{0,2000})?>((?:(?!</?(?:div|p|center)[\s>])[^\n])*)</\1\s{0,9}>", re.IGNORECASE
)
_CELL_OF_BLOCKS = re.compile(
    r"<t[dh](?:\s[^<>]{0,2000})?>[ \t]{0,20}\n[ \t]{0,20}\n(?P<blocks>(?:(?!</?(?:t[dhr]|table)[\s>])[\s\S]){1,50000})</t[dh]\s{0,20}>",
    re.IGNORECASE,
)  # an empty line behind the tag: Markdown again
_BLOCK_OF_MARKDOWN = re.compile(rf"^[ \t]{{0,8}}(?:#{{1,6}}[ \t]|>[ \t]|\||{LIST_MARK})", re.MULTILINE)
_JSX = re.compile(
    r"\sclassName=[{\"']|=>\s{0,9}\(?\s{0,99}<[A-Za-z]|\breturn\s{0,9}\(\s{0,99}<[A-Za-z]"
)  # source code, whose tags are text
_ITEM_OF_CELL = re.compile(
    r"(?P<first>(?:^|(?<=\|))[ \t]{0,99}(?:<[uo]l(?:\s[^<>]{0,200})?>[ \t]{0,99})?)?(?:</li>[ \t]{0,99})?<li(?:\s[^<>]{0,200})?>[ \t]{0,99}",
    re.IGNORECASE,
)
_BREAK_IN_CELL = re.compile(rf"{BREAK.pattern}(?:(?:[ \t]{{0,9}}&nbsp;){{2,99}})?", re.IGNORECASE)
"""With the indentation behind it."""
_OWN_MARKS = {mark: "" for mark in f"{OPENED}{CLOSED}\x7f"} | {mark: " " for mark in "\x1c\x1d\x1e\x1f"}
HTML_HINT = r"<[A-Za-z/!?]|&#?[A-Za-z0-9]+;"


def has_html(text: str) -> bool:
    """True for tags in the text itself, not only inside quoted code."""
    return bool(_PRESENT.search(text)) and bool(_PRESENT.search(protect_code(text, Protected())))


def html_to_text(text: str) -> str:
    """Removes tags; blocks become lines, headings and list items Markdown. Resolves only entities in text without tags.

    Code of Markdown stays unchanged: fences, indented code and code spans.
    """
    text = fence_listings(text)
    with_tags = _PRESENT.search(text)
    if not with_tags and not ENTITY.search(text):
        return text
    for mark, usual in _OWN_MARKS.items():
        text = text.replace(mark, usual)
    if with_tags and _PAGE.match(text):
        return page_to_text(text)
    text = flatten_front_matter(text) if text.startswith("---") else text
    protected = Protected()
    marked = _EMBEDDED_DATA.sub('"data:"', protect_code(text, protected))  # as long as a picture
    marked = resolve_structure(_CELL_OF_BLOCKS.sub(_open_cell, marked) if "<t" in marked else marked)
    if not with_tags or not _PRESENT.search(marked):
        marked = unescape(marked)
        return protected.restore(marked if has_structure(marked) else unescape(marked))  # often escaped twice
    if ("=>" in marked or "className=" in marked or "return (" in marked) and _is_jsx(marked):
        return text
    marked = protect_jsx(marked, protected)
    is_fragment = bool(_BLOCK_TAG.match(marked.lstrip())) and not has_structure(marked)
    if not is_fragment:
        marked = protect_shown(marked, protected)
        is_field = _LAID_OUT.search(marked) is not None and not has_structure(marked)
        marked = marked if is_field else protect_examples(marked, protected)
    marked = _MISSPELT_BREAK.sub("<br>", _BREAK_OF_TWO_TAGS.sub("<br>", marked))
    marked = restore_emoji(restore_formulas(replace_comments(marked)))
    marked = replace_elements(marked, HIDDEN_IN_MARKDOWN, hide_layout)
    marked = join_lines(marked) if is_fragment and not has_paragraphs(marked) else marked
    marked = separate_spans(convert_code(mark_code_of_items(_ANCHOR.sub("", marked)), protected))
    if "<img" in marked or "<source" in marked or "</video" in marked or "</audio" in marked:
        marked = _LINE_OF_PICTURES.sub("", _LABEL_OF_PICTURES.sub("", marked))
    marked = _BREAK_OF_EMPHASIS.sub("", _BREAK_OF_LABEL.sub(r"\1 ", marked))
    marked = _LINE_OF_HEADING.sub(_flatten_heading, marked)
    marked = _strip_lines(marked) if is_fragment else _strip_lines_of_html(marked)
    closed = {name.lower() for name in _CLOSING_NAME.findall(marked)}
    marked = convert_tables(marked, protected)
    marked = _flatten_cells(marked, protected) if "|" in marked else marked
    marked = end_cut_lines(replace_known_tags(marked, closed))
    marked = indent_lists(unescape(marked))
    return mark_quotations(protected.restore(re.sub(r"\n{3,}", "\n\n", marked)).strip("\n"))


def _is_jsx(text: str) -> bool:
    return not has_structure(text) and _JSX.search(text) is not None


def _flatten_heading(line: re.Match[str]) -> str:
    """A heading without the line ends of its elements; a tag without an end is the subject of the heading."""
    return BREAK.sub(" ", _BLOCK_IN_HEADING.sub(r" \2 ", line[0])) if "<" in line[0] else line[0]


def _open_cell(cell: re.Match[str]) -> str:
    """The lists, tables and headings of Markdown in a cell of HTML as blocks, since a row would join their lines."""
    return f"\n\n{cell['blocks'].rstrip()}\n\n" if _BLOCK_OF_MARKDOWN.search(cell["blocks"]) else cell[0]


def _flatten_cells(text: str, protected: Protected) -> str:
    """Keeps the rows of tables of Markdown in their lines, whatever tags are in them.

    ``<br>``, which ends lines of a cell, stays, and sets the items of its lists apart.
    """
    lines = text.split("\n")
    for n in table_lines(text.replace(INDENT, " ").split("\n")):
        if "<" in lines[n]:
            line = lines[n]
            if "<li" in line:
                line = _ITEM_OF_CELL.sub(lambda item: "<br>- " if item["first"] is None else " - ", line)
            lines[n] = flatten_tags(_BREAK_IN_CELL.sub(lambda tag: protected.add(tag[0]), line))
    return "\n".join(lines)


def page_to_text(text: str, source: str | None = None) -> str:
    """Converts a whole page, where only elements make lines and code.

    ``source`` is the page as it was written, where a parser has closed elements in ``text``.
    """
    protected = Protected()
    text = replace_comments(shorten_tags(_EMBEDDED_DATA.sub('""', text)))
    shown = replace_elements(restore_emoji(restore_formulas(text)), _HIDDEN, hide)
    text = join_lines(shown, text if source is None else source)
    text = remove_unknown(text, text if source is None else source)
    text = _UNCLOSED.sub("", _DECLARATION.sub("\n", text))
    text = indent_lists(
        _strip_lines(_without_tags(convert_tables(separate_spans(convert_code(text, protected)), protected)))
    )
    return mark_quotations(protected.restore(re.sub(r"\n{3,}", "\n\n", text)).strip("\n"))


def remove_tags(text: str) -> str:
    """Replaces tags by line ends and Markdown marks, and resolves character references; other whitespace stays."""
    return mark_quotations(indent_lists(_without_tags(text)))


def _without_tags(text: str) -> str:
    return unescape(JOINED.sub("", TAG.sub(Tags().replace, text)).replace(CUT, ""))


def _strip_lines(text: str) -> str:
    return "\n".join(line.strip(EDGE) for line in text.split("\n"))


def _strip_lines_of_html(text: str) -> str:
    """Removes the indentation of lines in blocks of HTML, which reach from a line with a tag to an empty line.

    Marks of the indentation of the item that contains the block take its place.
    """
    lines, inside = text.split("\n"), False
    items = Items() if _INDENTED_TAG.search(text) else None
    for n, line in enumerate(lines):
        begins = "<" in line and bool(_BLOCK_TAG.match(line))
        indent = items.indent_of(line, begins) if items else 0
        if not line.strip(EDGE):
            inside = False
            continue
        inside |= begins and not _ONLY_BREAKS.fullmatch(line)
        is_paragraph = indent > 0 and "<br" in line
        if begins or ((inside or is_paragraph) and not _LIST_OR_QUOTATION.match(line)):
            lines[n] = INDENT * indent + line.strip(EDGE)
    return "\n".join(lines)
