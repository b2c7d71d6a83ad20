"""Converts reStructuredText (docutils, Sphinx) to light Markdown: headings, code, notes, roles and links.

Reads blocks line by line; ``_convert_inline`` converts markup inside lines. Tables of signs and lists stay unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from preprocessing.markup.html_text import html_to_text
from preprocessing.markup.markdown import fence_around
from preprocessing.markup.restructured_options import (
    OPTION,
    TITLED_TARGET,
    convert_contents,
    option_of,
    texts_of,
)
from preprocessing.markup.restructured_tables import TABLES, convert_table
from preprocessing.markup.small_text import convert_small_text

ADORNMENT = re.compile(r"([=\-`:'\"~^_*+#<>.])\1{2,}[ \t]*")
DIRECTIVE = re.compile(r"[ \t]*\.\. +(?:([A-Za-z가-힣][\w.:+-]{0,60}?) ?::(?:[ \t]+(.*))?|.*)")
CODE = frozenset((
    "code-block", "code", "sourcecode", "parsed-literal", "literalinclude", "doctest", "testcode",
    "testoutput", "productionlist",
))  # fmt: skip
REMOVED = frozenset((
    "toctree", "index", "image", "figure", "include", "currentmodule", "contents", "highlight",
    "role", "default-role", "raw", "meta", "sectionauthor", "moduleauthor", "tabularcolumns", "audit-event",
    "availability", "pdfembed", "testsetup", "testcleanup", "only-html", "py:currentmodule", "sectnum", "target-notes", "default-domain", "header",
    "footer", "rst-class", "cssclass",
))  # fmt: skip
NOTES = frozenset((
    "note", "warning", "tip", "hint", "important", "caution", "danger", "error", "attention", "seealso",
    "admonition", "deprecated", "versionadded", "versionchanged", "deprecated-removed", "versionremoved",
    "topic", "sidebar", "impl-detail",
))  # fmt: skip
LAYOUT = frozenset(("grid", "grid-item", "container", "tab-set", "tabs", "card-carousel"))
"""Directives that only arrange what they contain; their argument is a number of columns or a class."""
TITLED = frozenset(("grid-item-card", "card", "tab-item", "tab", "group-tab", "dropdown"))
"""Directives whose argument is a title."""
_BLOCKS = LAYOUT | TITLED
MODULES = frozenset(("module", "py:module", "automodule"))
OF_PROGRAMS = MODULES | {"autoclass", "autofunction"}
"""Directives that stand for text of a program; they stay where they contain text."""
KOREAN_NAMES = {
    "집중": "attention", "주의": "caution", "위험": "danger", "오류": "error", "실마리": "hint", "중요한": "important", "비고": "note",
    "팁": "tip", "경고": "warning", "권고": "admonition", "코드": "code", "코드-블록": "code", "소스코드": "code", "이미지": "image",
    "사이드바": "sidebar", "주제": "topic",
}  # fmt: skip
"""Names of directives in Korean documents (docutils, Korean language)."""
_SIGNATURE = re.compile(r"[ \t]*(?!\.\.|:)[\w.]{1,80}[ \t]*\([^가-힣]{0,300}")
_ITEM = re.compile(r"(?:[-*+•]|\w{1,3}[.)]|\(\w{1,3}\)|#[.)])[ \t]")
_NUMBERED = re.compile(r"[ \t]*#[.)][ \t]")
VERSIONS = {
    "versionadded": "Added in version",
    "versionchanged": "Changed in version",
    "deprecated": "Deprecated since version",
    "versionremoved": "Removed in version",
}
_ROLE = re.compile(r":(?:[a-zA-Z][\w+-]{0,30}:){1,2}`([^`\n]{1,500}(?:\n[^`\n]{1,500})?)`")
_ICON = re.compile(r"(?<!`):(?:octicon|fa[bsr]?|material-[a-z]{1,12}):`[^`\n]{1,100}`(?!`)[ \t]*")
_LINK = re.compile(
    r"`([^`<>\n]{1,300}(?:\n[^`<>\n]{1,300})?)\s*(?:<[^<>`\n]{1,500}(?:\n[^<>`\n]{1,500})?>)?`__?(?![\w`])"
)
_NAMED = re.compile(r"(?<![\w`])([^\W_][\w.-]{0,80}[^\W_])__?(?!\w)(?=[\s,.;:!?)\]가-힣\x1f]|$)")
_FOOTNOTE = re.compile(r"[ \t]*\.\. +\[(?:[^\]\n]{1,60}\] +(.*)|[#*]?[\w.-]{0,60}\][ \t]*)")
_LITERAL = re.compile(r"``((?:[^`\n]|`(?!`)){1,1000}`?)``(?!`)")
_SUBSTITUTION = re.compile(r"\|(\w[\w .-]{0,60})\|(?!\|)")
_PROSE_ROLES = frozenset((
    "ref", "doc", "term", "numref", "pep", "rfc", "abbr", "any", "dfn", "title", "title-reference", "eq",
    "guilabel", "menuselection",
))  # fmt: skip
_SMALL = {
    "sup": "sup",
    "superscript": "sup",
    "sub": "sub",
    "subscript": "sub",
}  # roles and their tags of HTML
_LINE_OF_CODE = re.compile(
    r"[ \t]*(?:(?:import|from|def|class|return|for|while|if|else|elif|try|except|with|print|let|const|var|func|public|void)\b(?!.*[가-힣]{2}.*[.다]$)"
    r"|[$%>#@]\s?\S|[{}\])]|[\w.\[\]'\"]{1,80}\s?(?:=|\+=|:=|->)\s?\S|[\w.]{1,80}\(.*\)?[\s:;,{]*$)|.*[;{}]\s*$"
)
_MARK = re.compile("\x7f([0-9]{1,8})\x7f")
_GLUE = re.compile(
    r"(?<=[^\s\\:(\[<\x22\x27][`|\x7f])\\(?:[ \n]|(?=\w))|(?<=[^\s\\][*_])\\(?:[ \n]|(?=[가-힣]))|\\ (?=[*`:|\x7f])"
)
_GLUED = (
    "\x1f"  # replaces a backslash that ends or starts inline markup, until all inline markup is converted
)


def rst_to_markdown(text: str) -> str:
    """Converts a document or a fragment."""
    lines = re.sub(f"[\x7f{_GLUED}]", "", text).expandtabs(8).split("\n")
    markdown = "\n".join(_convert_blocks(lines))
    return re.sub(r"\n{3,}", "\n\n", markdown).strip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _convert_blocks(lines: list[str]) -> Iterator[str]:
    levels: list[str] = []  # adornments in order of appearance
    pending: list[str] = []  # lines of prose
    at = 0
    while at < len(lines):
        line = lines[at]
        title = _read_title(lines, at, levels)
        if title is not None:
            yield from _flush_prose(pending)
            level, words, at = title
            yield from ["", f"{'#' * level} {_convert_inline(words)}", ""]
        elif line.lstrip().startswith(".. ") or line.strip() == "..":
            yield from _flush_prose(pending)
            block, at = _convert_directive(lines, at)
            yield from block
        elif line.rstrip().endswith("::"):
            yield from _flush_prose(pending)
            block, at = _convert_literal_block(lines, at)
            yield from block
        else:
            pending.append(line)
            at += 1
    yield from _flush_prose(pending)


def _flush_prose(pending: list[str]) -> Iterator[str]:
    """Converts the pending lines and clears the list."""
    if pending:
        text = _convert_inline("\n".join(_indent_less(list(_number_items(pending)))))
        pending.clear()
        yield text


def _indent_less(lines: list[str]) -> Iterator[str]:
    """Indents definitions and quotations by two blanks where four and more would make their second paragraph code."""
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.strip() and not _indent(line):
            yield line
            at += 1
        body, end = _read_body(lines, at, 0)
        margin = min((_indent(below) for below in lines[at:end] if below.strip()), default=0)
        if margin >= 4 and not _ITEM.match(line):
            yield from (f"  {below}" if below else "" for below in body)
        else:
            yield from lines[at:end]
        while end < len(lines) and not lines[end].strip():
            yield ""
            end += 1
        at = end


def _number_items(lines: list[str]) -> Iterator[str]:
    """Writes the numbers of items that begin with ``#.``, which counts by itself; other lines stay."""
    numbers: dict[int, int] = {}  # of the last item, by indentation
    for line in lines:
        item = _NUMBERED.match(line)
        indent = _indent(line)
        if line.strip():
            numbers = {column: n for column, n in numbers.items() if column < indent + bool(item)}
        if item:
            numbers[indent] = numbers.get(indent, 0) + 1
            line = f"{line[:indent]}{numbers[indent]}{line[indent + 1 :]}"
        yield line


# --- headings --------------------------------------------------------------------------------------------


def _read_title(lines: list[str], at: int, levels: list[str]) -> tuple[int, str, int] | None:
    """``(level, title, next line)`` of a title at ``at``, underlined or also overlined; None for anything else."""
    line = lines[at]
    if ADORNMENT.fullmatch(line) and at + 2 < len(lines) and lines[at + 2].strip() == line.strip():
        words, adornment, after = lines[at + 1].strip(), line[0] * 2, at + 3
    elif line.strip() and line[0] != " " and at + 1 < len(lines) and ADORNMENT.fullmatch(lines[at + 1]):
        words, adornment, after = line.strip(), lines[at + 1][0], at + 2
        if ADORNMENT.fullmatch(line) or "  " in words or len(lines[at + 1].rstrip()) < min(len(words), 4):
            return None
    else:
        return None
    if not words or ADORNMENT.fullmatch(words):
        return None
    if adornment not in levels:
        levels.append(adornment)
    return min(6, levels.index(adornment) + 1), words, after


# --- directives ------------------------------------------------------------------------------------------


def _read_body(lines: list[str], at: int, indent: int) -> tuple[list[str], int]:
    """The lines from ``at`` that are indented deeper than ``indent``, dedented, and the number of the next line."""
    end = at
    while end < len(lines) and (not lines[end].strip() or _indent(lines[end]) > indent):
        end += 1
    while end > at and not lines[end - 1].strip():
        end -= 1
    return _dedent(lines[at:end]), end


def _dedent(lines: list[str]) -> list[str]:
    margin = min((_indent(line) for line in lines if line.strip()), default=0)
    return [line[margin:] for line in lines]


def _convert_literal_block(lines: list[str], at: int) -> tuple[list[str], int]:
    """Converts a line that ends with ``::``; the indented text below becomes code."""
    line = lines[at].rstrip()
    body, end = _read_body(lines, at + 1, _indent(line))
    words = line[:-2].rstrip()
    prose = [_convert_inline(words + ("" if words.endswith(":") else ":"))] if words.strip() else []
    return prose + (_fence("", body) if body else []), end


def _fence(lang: str, body: list[str]) -> list[str]:
    fence = fence_around("\n".join(body))
    while body and not body[0].strip():
        body = body[1:]
    return ["", f"{fence}{lang}", *body, fence, ""]


def _convert_directive(lines: list[str], at: int) -> tuple[list[str], int]:
    """Converts the directive, comment, target or footnote at ``at``; also returns the number of the next line."""
    match = DIRECTIVE.fullmatch(lines[at])
    body, end = _read_body(lines, at + 1, _indent(lines[at]))
    name = KOREAN_NAMES.get(match[1], match[1].lower()) if match and match[1] else ""
    if not name:
        note = _FOOTNOTE.fullmatch(lines[at])
        if note and not note[1]:
            return ["", *_convert_nested(body), ""], end
        return ([_convert_inline("\n".join([note[1], *body]))] if note else []), end
    argument = (match[2] or "").strip() if match else ""
    if name == "rubric":
        return ["", f"**{_convert_inline(argument)}**", ""] if argument else [], end
    signatures = []
    while (
        body and "(" in argument and lines[at + 1 + len(signatures)].strip() and _SIGNATURE.fullmatch(body[0])
    ):
        signatures.append(body.pop(0).strip())
    if signatures:
        body = _dedent(body)
    options = []
    while body and OPTION.fullmatch(body[0]):
        options.append(body.pop(0))
    if name in TABLES:
        title = [_convert_inline(argument), ""] if argument else []
        return ["", *title, *convert_table(name, options, body, _convert_inline), ""], end
    name = name.removeprefix("py:").removeprefix("c:") if name not in REMOVED else name
    if name in CODE:
        lang = argument.split()[0] if argument and name in ("code-block", "code", "sourcecode") else ""
        caption = option_of(options, "caption")
        title = ["", f"**{_convert_inline(caption)}**"] if caption and body else []
        return [*title, *(_fence(lang, body) if body else [])], end
    if name == "math":
        formula = "\n".join(filter(None, [argument, *body])).strip()
        return (["", f"$$\n{formula}\n$$", ""] if formula else []), end
    if (
        name not in NOTES | _BLOCKS and not argument and _looks_like_code(body)
    ):  # of an extension, such as click:example
        return _fence("", body), end
    if name in ("image", "figure"):
        alternative = option_of(options, "alt")
        picture = ["", f"![{alternative}]({argument})", ""] if alternative else []
        return [*picture, *([_convert_inline("\n".join(body))] if name == "figure" else [])], end
    if name == "raw" and argument.lower() == "html":
        text = html_to_text("\n".join(body)).strip()
        return ["", text, ""] if text else [], end
    if name == "toctree":
        return convert_contents(options, body, _convert_inline), end
    if name in REMOVED or "replace" in name or (name in OF_PROGRAMS and not body):
        return [], end
    texts = texts_of(options)
    if not body and (texts or not argument):  # a card whose text is in its options
        title = option_of(options, "header", "title")
        heading = f"**{title}**" if title else f"`{argument}`" if argument else ""
        return ["", heading, "", *map(_convert_inline, texts), ""], end
    return _convert_note(name, "" if name in MODULES else argument, [*texts, *body], signatures), end


def _looks_like_code(body: list[str]) -> bool:
    lines = [line for line in body if line.strip()]
    return 2 * sum(bool(_LINE_OF_CODE.match(line)) for line in lines) >= max(len(lines), 1)


def _convert_note(name: str, argument: str, body: list[str], signatures: list[str]) -> list[str]:
    """A note, or the description of a function, class or option: its signatures as code, then its text."""
    inner = list(_convert_nested(body))
    if name in NOTES:
        return ["", _note_title(name, _convert_inline(argument)), *inner, ""]
    if name in _BLOCKS:
        return ["", _convert_inline(_title_of_nested(name, argument)), "", *inner, ""]
    titles = [line for signature in filter(None, (argument, *signatures)) for line in (f"`{signature}`", "")]
    return ["", *titles, *inner, ""]


def _note_title(name: str, argument: str) -> str:
    """``**Note:** text``, ``**Added in version 3.2:** text``."""
    if name in VERSIONS:
        version, _, rest = argument.partition(" ")
        return f"**{VERSIONS[name]} {version}:** {rest}".rstrip()
    return f"**{name.capitalize()}:** {argument}".rstrip()


def _convert_nested(body: list[str]) -> Iterator[str]:
    """Converts the text of a directive; nested directives are flattened, so that nesting never recurses deeply."""
    text = "\n".join(body)
    if ".. " not in text and "::" not in text:
        yield _convert_inline(text)
        return
    pending: list[str] = []
    at = 0
    while at < len(body):
        line = body[at]
        if line.rstrip().endswith("::") or (line.lstrip().startswith(".. ") and _is_other_markup(line)):
            yield from _flush_prose(pending)
            is_directive = line.lstrip().startswith(".. ")
            block, at = _convert_directive(body, at) if is_directive else _convert_literal_block(body, at)
            yield from block
        elif line.lstrip().startswith(".. "):
            match = DIRECTIVE.fullmatch(line)
            argument = match[2] if match and match[2] else ""
            name = match[1] if match and match[1] else ""
            text, _ = _read_body(body, at + 1, _indent(line))
            if name in REMOVED or not name or (name in OF_PROGRAMS and all(map(OPTION.fullmatch, text))):
                _, at = _read_body(body, at + 1, _indent(line))
                continue
            is_block = name in _BLOCKS
            title = _title_of_nested(name, argument)
            pending += ["", title, ""] if is_block else [title]
            at += 1
            options = at
            while is_block and at < len(body) and OPTION.fullmatch(body[at]):
                at += 1
            pending += texts_of(body[options:at])
        else:
            pending.append(line)
            at += 1
    yield from _flush_prose(pending)


def _title_of_nested(name: str, argument: str) -> str:
    if name in LAYOUT:
        return ""
    if name == "rubric" or name in TITLED:
        return f"**{argument.strip()}**" if argument.strip() else ""
    return _note_title(name, argument) if name in NOTES else f"`{argument}`"


def _is_other_markup(line: str) -> bool:
    match = DIRECTIVE.fullmatch(line)
    return bool(match and match[1] and match[1].lower() in (*CODE, "image", "figure", "raw"))


# --- inside lines ----------------------------------------------------------------------------------------


def _convert_inline(text: str) -> str:
    """Converts roles, literals, links and substitutions; emphasis is the same in both languages.

    A backslash between markup and a letter (``*args*\\는``, docutils: inline markup recognition rules) only marks the
    end of the markup; Korean text has one before most particles.
    """
    if not any(mark in text for mark in "`_|\\"):
        return text
    codes: list[str] = []

    def protect_code(code: str) -> str:
        blank = " " if code[:1] == "`" or code[-1:] == "`" else ""
        codes.append(f"``{blank}{code}{blank}``" if "`" in code else f"`{code}`")
        return f"\x7f{len(codes) - 1}\x7f"

    def convert_role(match: re.Match[str]) -> str:
        name = match[0][1:].partition("`")[0].rstrip(":").split(":")[-1]
        return _convert_role(name, match[1], protect_code)

    text = _ICON.sub("", _LITERAL.sub(lambda match: protect_code(match[1]), text))
    text = _GLUE.sub(_GLUED, text)
    has_small = any(f":{role}:`" in text for role in _SMALL)
    text = _ROLE.sub(convert_role, text)
    text = _LINK.sub(lambda match: match[1].strip(), text)
    text = _SUBSTITUTION.sub(r"\1", text)
    text = _NAMED.sub(r"\1", text).replace(_GLUED, "")
    text = convert_small_text(text) if has_small else text
    return _MARK.sub(lambda match: codes[int(match[1])], text)


def _convert_role(name: str, content: str, protect_code: Callable[[str], str]) -> str:
    titled = TITLED_TARGET.fullmatch(content)
    title = titled[1] if titled else content
    if name in ("pep", "rfc"):
        return title if titled else f"{name.upper()} {title}"
    if name == "math":
        return f"${content}$"
    if name in _SMALL:
        return f"<{_SMALL[name]}>{content}</{_SMALL[name]}>"
    if name in _PROSE_ROLES or name.startswith("bdg-"):
        return title
    title = title.lstrip("!")
    return protect_code(title[1:].rpartition(".")[2] if title.startswith("~") else title)
