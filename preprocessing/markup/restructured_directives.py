"""Converts directives of reStructuredText, comments, targets and footnotes, with the text that they contain.

Owns what a directive is by its name: code, a note, a card, a picture, a description of a program, or nothing that readers see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from preprocessing.markup.html_text import page_to_text
from preprocessing.markup.indentation import column_of_item, indent_of, indented
from preprocessing.markup.restructured_inline import convert_inline, label_of_note
from preprocessing.markup.restructured_lines import (
    convert_literal_block,
    dedent,
    fenced,
    flush_prose,
    read_body,
)
from preprocessing.markup.restructured_options import OPTION, convert_contents, option_of, texts_of
from preprocessing.markup.restructured_tables import TABLES, convert_table

_DIRECTIVE = re.compile(r"[ \t]*\.\. +(?:([A-Za-z가-힣][\w.:+-]{0,60}?) ?::(?:[ \t]+(.*))?|.*)")
_CODE = frozenset((
    "code-block", "code", "sourcecode", "parsed-literal", "literalinclude", "doctest", "testcode",
    "testoutput", "productionlist",
))  # fmt: skip
_REMOVED = frozenset((
    "toctree", "index", "image", "figure", "include", "currentmodule", "contents", "highlight",
    "role", "default-role", "raw", "meta", "sectionauthor", "moduleauthor", "tabularcolumns", "audit-event",
    "availability", "pdfembed", "testsetup", "testcleanup", "only-html", "py:currentmodule", "sectnum", "target-notes", "default-domain", "header",
    "footer", "rst-class", "cssclass",
))  # fmt: skip
_PICTURES = frozenset(("image", "figure", "thumbnail", "video", "youtube", "vimeo", "audio"))
_NOTES = frozenset((
    "note", "warning", "tip", "hint", "important", "caution", "danger", "error", "attention", "seealso",
    "admonition", "deprecated", "versionadded", "versionchanged", "deprecated-removed", "versionremoved",
    "topic", "sidebar", "impl-detail",
))  # fmt: skip
_LAYOUT = frozenset(
    ("grid", "grid-item", "container", "tab-set", "tabs", "card-carousel", "only", "ifconfig")
)
"""Directives that only arrange what they contain; their argument is a number of columns or a class."""
_TITLED = frozenset(("grid-item-card", "card", "tab-item", "tab", "group-tab", "dropdown"))
"""Directives whose argument is a title."""
_BLOCKS = _LAYOUT | _TITLED
_MODULES = frozenset(("module", "py:module", "automodule"))
_OF_PROGRAMS = _MODULES | {"autoclass", "autofunction"}
"""Directives that stand for text of a program; they stay where they contain text."""
_KOREAN_NAMES = {
    "집중": "attention", "주의": "caution", "위험": "danger", "오류": "error", "실마리": "hint", "중요한": "important", "비고": "note",
    "팁": "tip", "경고": "warning", "권고": "admonition", "코드": "code", "코드-블록": "code", "소스코드": "code", "이미지": "image",
    "사이드바": "sidebar", "주제": "topic", "색인": "index",
}  # fmt: skip
"""Names of directives in Korean documents: those of docutils, and those that translators write."""
_VERSIONS = {
    "versionadded": "Added in version",
    "versionchanged": "Changed in version",
    "deprecated": "Deprecated since version",
    "versionremoved": "Removed in version",
}
_SIGNATURE = re.compile(r"[ \t]*(?!\.\.|:)[\w.]{1,80}[ \t]*\([^가-힣]{0,300}")
_FOOTNOTE = re.compile(
    r"[ \t]*\.\. +\[(?P<label>[^\]\n]{1,60}(?=\] )|[#*]?[\w.-]{0,60}(?=\]))\](?: +(?P<text>\S.*)|[ \t]*)"
)
_LINE_OF_CODE = re.compile(
    r"[ \t]*(?:(?:import|from|def|class|return|for|while|if|else|elif|try|except|with|print|let|const|var|func|public|void)\b(?!.*[가-힣]{2}.*[.다]$)"
    r"|[$%>#@]\s?\S|[{}\])]|[\w.\[\]'\"]{1,80}\s?(?:=|\+=|:=|->)\s?\S|[\w.]{1,80}\(.*\)?[\s:;,{]*$)|.*[;{}]\s*$"
)


class _Directive(NamedTuple):
    """``.. name:: argument``, further signatures below it, options, and the text it contains."""

    name: str
    argument: str
    signatures: list[str]
    options: list[str]
    body: list[str]


def convert_directive(lines: list[str], at: int) -> tuple[list[str], int]:
    """Converts the directive, comment, target or footnote at ``at``; also returns the number of the next line.

    Two dots alone before an empty line are an empty comment, which ends the block above and contains nothing.
    """
    if lines[at].strip() == ".." and (at + 1 == len(lines) or not lines[at + 1].strip()):
        return [], at + 1
    match = _DIRECTIVE.fullmatch(lines[at])
    body, end = read_body(lines, at + 1, indent_of(lines[at]))
    if match and match[1]:
        return _convert(_read_directive(_name_of(match), (match[2] or "").strip(), body)), end
    note = _FOOTNOTE.fullmatch(lines[at])
    return (_convert_footnote(note, body) if note else []), end


def _convert_footnote(note: re.Match[str], body: list[str]) -> list[str]:
    """A footnote or citation: its label, then its text, whose further paragraphs are indented."""
    label = label_of_note(note["label"] or "#")
    label = f"{label}:" if label.startswith("[^") else label
    lines = "\n".join(_convert_nested([note["text"] or "", *body])).strip("\n").split("\n")
    rest = indented(lines[1:], 4 * (not all(lines)))
    return (
        ["", f"{label} {lines[0]}".rstrip(), *rest, ""]
        if note["text"] is None
        else [f"{label} {lines[0]}", *rest]
    )


def _name_of(match: re.Match[str] | None) -> str:
    """The English name of the directive; empty without one."""
    name = match[1] if match else None
    return _KOREAN_NAMES.get(name, name.lower()) if name else ""


def _read_directive(name: str, argument: str, body: list[str]) -> _Directive:
    """A directive from the lines below it, which begin with its signatures and options."""
    first = 0
    while "(" in argument and first < len(body) and _SIGNATURE.fullmatch(body[first]):
        first += 1
    signatures, body = [line.strip() for line in body[:first]], dedent(body[first:]) if first else body
    first = next((n for n, line in enumerate(body) if not OPTION.fullmatch(line)), len(body))
    return _Directive(name, argument, signatures, body[:first], body[first:])


def _convert(directive: _Directive) -> list[str]:
    name, argument, signatures, options, body = directive
    if name == "rubric":
        return ["", f"**{convert_inline(argument)}**", ""] if argument else []
    if name in TABLES:
        title = [convert_inline(argument), ""] if argument else []
        return ["", *title, *convert_table(name, options, body, convert_inline), ""]
    name = name.removeprefix("py:").removeprefix("c:") if name not in _REMOVED else name
    if name in _CODE:
        return _convert_code(name, argument, options, body)
    if name == "math":
        formula = "\n".join(filter(None, [argument, *body])).strip()
        return ["", f"$$\n{formula}\n$$", ""] if formula else []
    if name not in _NOTES | _BLOCKS and not argument and _looks_like_code(body):
        return fenced("", body)  # of an extension, such as click:example
    if name in _PICTURES:
        alternative = option_of(options, "alt")
        picture = ["", f"![{alternative}]({argument})", ""] if alternative else []
        return [*picture, *([convert_inline("\n".join(body))] if name != "image" else [])]
    if name == "raw" and argument.lower() == "html":
        text = page_to_text("\n".join(body)).strip()
        return ["", text, ""] if text else []
    if name == "toctree":
        return convert_contents(options, body, convert_inline)
    if name in _REMOVED or "replace" in name or (name in _OF_PROGRAMS and not body):
        return []
    texts = texts_of(options)
    if not body and (texts or not argument):  # a card whose text is in its options
        title = option_of(options, "header", "title")
        heading = f"**{title}**" if title else f"`{argument}`" if argument else ""
        return ["", heading, "", *map(convert_inline, texts), ""]
    return _convert_note(name, "" if name in _MODULES else argument, [*texts, *body], signatures)


def _convert_code(name: str, argument: str, options: list[str], body: list[str]) -> list[str]:
    """Fenced code with its language, below its caption; nothing for code in another file."""
    if not body:
        return []
    lang = argument.split()[0] if argument and name in ("code-block", "code", "sourcecode") else ""
    caption = option_of(options, "caption")
    return [*(["", f"**{convert_inline(caption)}**"] if caption else []), *fenced(lang, body)]


def _looks_like_code(body: list[str]) -> bool:
    lines = [line for line in body if line.strip()]
    return 2 * sum(bool(_LINE_OF_CODE.match(line)) for line in lines) >= max(len(lines), 1)


def _convert_note(name: str, argument: str, body: list[str], signatures: list[str]) -> list[str]:
    """A note, or the description of a function, class or option: its signatures as code, then its text."""
    inner = list(_convert_nested(body))
    if name in _NOTES:
        return ["", _note_title(name, convert_inline(argument)), *inner, ""]
    if name in _BLOCKS:
        return ["", convert_inline(_title_of_nested(name, argument)), "", *inner, ""]
    titles = [line for signature in filter(None, (argument, *signatures)) for line in (f"`{signature}`", "")]
    return ["", *titles, *inner, ""]


def _note_title(name: str, argument: str) -> str:
    """``**Note:** text``, ``**Added in version 3.2:** text``."""
    if name in _VERSIONS:
        version, _, rest = argument.partition(" ")
        return f"**{_VERSIONS[name]} {version}:** {rest}".rstrip()
    return f"**{name.capitalize()}:** {argument}".rstrip()


def _convert_nested(body: list[str]) -> Iterator[str]:
    """Converts the text of a directive; nested directives are flattened, so that nesting never recurses deeply."""
    text = "\n".join(body)
    if ".. " not in text and "::" not in text:
        yield convert_inline(text)
        return
    pending: list[str] = []
    at = 0
    while at < len(body):
        line = body[at]
        if line.rstrip().endswith("::") or (line.lstrip().startswith(".. ") and _is_other_markup(line)):
            yield from flush_prose(pending)
            is_directive = line.lstrip().startswith(".. ")
            column = column_of_item(body, at) if is_directive else 0
            block, at = convert_directive(body, at) if is_directive else convert_literal_block(body, at)
            yield from indented(block, column)
        elif line.lstrip().startswith(".. "):
            heading, at = _open_nested(body, at)
            pending += heading
        else:
            pending.append(line)
            at += 1
    yield from flush_prose(pending)


def _open_nested(body: list[str], at: int) -> tuple[list[str], int]:
    """The title of the directive at ``at`` and the number of the line where its text begins, or the line after what is removed."""
    match = _DIRECTIVE.fullmatch(body[at])
    name, argument = _name_of(match), (match[2] or "") if match else ""
    text, end = read_body(body, at + 1, indent_of(body[at]))
    if name in _REMOVED or not name or (name in _OF_PROGRAMS and all(map(OPTION.fullmatch, text))):
        return [], end
    title, first = _title_of_nested(name, argument), at + 1
    if name not in _BLOCKS:
        return [title], first
    after = first
    while after < len(body) and OPTION.fullmatch(body[after]):
        after += 1
    return ["", title, "", *texts_of(body[first:after])], after


def _title_of_nested(name: str, argument: str) -> str:
    if name in _LAYOUT:
        return ""
    if name == "rubric" or name in _TITLED:
        return f"**{argument.strip()}**" if argument.strip() else ""
    return _note_title(name, argument) if name in _NOTES else f"`{argument}`"


def _is_other_markup(line: str) -> bool:
    return _name_of(_DIRECTIVE.fullmatch(line)) in (*_CODE, "image", "figure", "raw")
