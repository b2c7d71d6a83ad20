"""reStructuredText (docutils, Sphinx) to Markdown, lightly: headings, code, notes, roles and links.

Owns blocks, line by line; what stands inside a line is in ``_inline``. Tables and lists stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

ADORNMENT = re.compile(r"([=\-`:'\"~^_*+#<>.])\1{2,}[ \t]*")
DIRECTIVE = re.compile(r"[ \t]*\.\. +(?:([A-Za-z][\w.:+-]{0,60}?)::(?:[ \t]+(.*))?|.*)")
OPTION = re.compile(r"[ \t]*:[\w-]{1,40}:(?:[ \t]+.*)?")
CODE = frozenset((
    "code-block", "code", "sourcecode", "parsed-literal", "literalinclude", "doctest", "testcode",
    "testoutput", "productionlist",
))  # fmt: skip
WITHOUT = frozenset((
    "toctree", "index", "image", "figure", "include", "module", "currentmodule", "contents", "highlight",
    "role", "default-role", "raw", "meta", "sectionauthor", "moduleauthor", "tabularcolumns", "audit-event",
    "availability", "pdfembed", "automodule", "autoclass", "autofunction", "testsetup", "testcleanup",
    "only-html", "py:module", "py:currentmodule", "sectnum", "target-notes", "default-domain", "header",
    "footer",
))  # fmt: skip
NOTES = frozenset((
    "note", "warning", "tip", "hint", "important", "caution", "danger", "error", "attention", "seealso",
    "admonition", "deprecated", "versionadded", "versionchanged", "deprecated-removed", "versionremoved",
    "topic", "sidebar", "impl-detail", "rubric",
))  # fmt: skip
VERSIONS = {
    "versionadded": "Added in version",
    "versionchanged": "Changed in version",
    "deprecated": "Deprecated since version",
    "versionremoved": "Removed in version",
}
_ROLE = re.compile(r":(?:[a-zA-Z][\w+-]{0,30}:){1,2}`([^`\n]{1,500}(?:\n[^`\n]{1,500})?)`")
_TITLED = re.compile(r"(.{1,450}?)\s*<[^<>]{1,450}>", re.DOTALL)
_LINK = re.compile(r"`([^`<>\n]{1,300}(?:\n[^`<>\n]{1,300})?)\s*(?:<[^<>`\n]{1,500}>)?`__?(?![\w`])")
_NAMED = re.compile(r"(?<![\w`])([^\W_][\w.-]{0,80}[^\W_])__?(?!\w)(?=[\s,.;:!?)\]가-힣\x1f]|$)")
_LITERAL = re.compile(r"``((?:[^`\n]|`(?!`)){1,1000})``(?!`)")
_SUBSTITUTION = re.compile(r"\|(\w[\w .-]{0,60})\|(?!\|)")
_PROSE_ROLES = frozenset((
    "ref", "doc", "term", "numref", "pep", "rfc", "abbr", "any", "dfn", "title", "title-reference", "eq",
    "guilabel", "menuselection",
))  # fmt: skip
_MARK = re.compile("\x7f([0-9]{1,8})\x7f")
_GLUE = re.compile(
    r"(?<=[^\s\\:(\[<\x22\x27][`|\x7f])\\(?:[ \n]|(?=\w))|(?<=[^\s\\][*_])\\(?:[ \n]|(?=[가-힣]))|\\ (?=[*`:|\x7f])"
)
_GLUED = "\x1f"  # stands where a backslash ended or began inline markup, until all of it is found


def rst_to_markdown(text: str) -> str:
    """A document or a part of one as Markdown."""
    lines = re.sub(f"[\x7f{_GLUED}]", "", text).expandtabs(8).split("\n")
    shown = "\n".join(_blocks(lines))
    return re.sub(r"\n{3,}", "\n\n", shown).strip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _blocks(lines: list[str]) -> Iterator[str]:
    levels: list[str] = []  # adornments in the order they appear
    pending: list[str] = []  # lines of prose
    at = 0
    while at < len(lines):
        line = lines[at]
        title = _title(lines, at, levels)
        if title is not None:
            yield from _prose(pending)
            level, words, at = title
            yield from ["", f"{'#' * level} {_inline(words)}", ""]
        elif line.lstrip().startswith(".. ") or line.strip() == "..":
            yield from _prose(pending)
            shown, at = _directive(lines, at)
            yield from shown
        elif line.rstrip().endswith("::"):
            yield from _prose(pending)
            shown, at = _literal_block(lines, at)
            yield from shown
        else:
            pending.append(line)
            at += 1
    yield from _prose(pending)


def _prose(pending: list[str]) -> Iterator[str]:
    """The lines gathered so far; the list is emptied."""
    if pending:
        text = _inline("\n".join(pending))
        pending.clear()
        yield text


# --- headings --------------------------------------------------------------------------------------------


def _title(lines: list[str], at: int, levels: list[str]) -> tuple[int, str, int] | None:
    """``(level, title, next line)`` of a title that begins at ``at``, with an underline or both lines."""
    line = lines[at]
    if ADORNMENT.fullmatch(line) and at + 2 < len(lines) and lines[at + 2].strip() == line.strip():
        words, kind, after = lines[at + 1].strip(), line[0] * 2, at + 3
    elif line.strip() and line[0] != " " and at + 1 < len(lines) and ADORNMENT.fullmatch(lines[at + 1]):
        words, kind, after = line.strip(), lines[at + 1][0], at + 2
        if ADORNMENT.fullmatch(line) or "  " in words or len(lines[at + 1].rstrip()) < min(len(words), 4):
            return None
    else:
        return None
    if not words or ADORNMENT.fullmatch(words):
        return None
    if kind not in levels:
        levels.append(kind)
    return min(6, levels.index(kind) + 1), words, after


# --- directives ------------------------------------------------------------------------------------------


def _body(lines: list[str], at: int, indent: int) -> tuple[list[str], int]:
    """The lines indented deeper than ``indent`` from ``at`` on, without that indent, and the line after them."""
    end = at
    while end < len(lines) and (not lines[end].strip() or _indent(lines[end]) > indent):
        end += 1
    while end > at and not lines[end - 1].strip():
        end -= 1
    body = lines[at:end]
    margin = min((_indent(line) for line in body if line.strip()), default=0)
    return [line[margin:] for line in body], end


def _literal_block(lines: list[str], at: int) -> tuple[list[str], int]:
    """A line that ends with ``::`` and the indented text after it as code."""
    line = lines[at].rstrip()
    body, end = _body(lines, at + 1, _indent(line))
    said = line[:-2].rstrip()
    shown = [_inline(said + ("" if said.endswith(":") else ":"))] if said.strip() else []
    return shown + (_fenced("", body) if body else []), end


def _fenced(lang: str, body: list[str]) -> list[str]:
    fence = "~~~~" if any("```" in line for line in body) else "```"
    while body and not body[0].strip():
        body = body[1:]
    return ["", f"{fence}{lang}", *body, fence, ""]


def _directive(lines: list[str], at: int) -> tuple[list[str], int]:
    """What stands for a directive, a comment, a target or a footnote that begins at ``at``."""
    match = DIRECTIVE.fullmatch(lines[at])
    body, end = _body(lines, at + 1, _indent(lines[at]))
    name = match[1].lower() if match and match[1] else ""
    if not name:
        note = re.match(r"[ \t]*\.\. +\[[^\]\n]{1,60}\] +(.*)", lines[at])
        return ([_inline("\n".join([note[1], *body]))] if note else []), end
    argument = (match[2] or "").strip() if match else ""
    while body and OPTION.fullmatch(body[0]):
        del body[0]
    name = name.removeprefix("py:").removeprefix("c:") if name not in WITHOUT else name
    if name in CODE:
        lang = argument.split()[0] if argument and name in ("code-block", "code", "sourcecode") else ""
        return (_fenced(lang, body) if body else []), end
    if name == "math":
        formula = "\n".join(filter(None, [argument, *body])).strip()
        return (["", f"$$\n{formula}\n$$", ""] if formula else []), end
    if name in WITHOUT or "replace" in name:
        return ([_inline("\n".join(body))] if name == "figure" else []), end
    return _described(name, argument, body), end


def _described(name: str, argument: str, body: list[str]) -> list[str]:
    """A note, or a description of a function, class, option: its signature in bold, then its text."""
    inner = list(_flat_blocks(body))
    if name in NOTES:
        return ["", _note(name, _inline(argument)), *inner, ""]
    return ["", *([f"`{argument}`", ""] if argument else []), *inner, ""]


def _note(name: str, argument: str) -> str:
    """``**Note:** text``, ``**Added in version 3.2:** text``."""
    if name in VERSIONS:
        version, _, rest = argument.partition(" ")
        return f"**{VERSIONS[name]} {version}:** {rest}".rstrip()
    return f"**{name.capitalize()}:** {argument}".rstrip()


def _flat_blocks(body: list[str]) -> Iterator[str]:
    """The blocks of a directive's text; directives inside it are taken in without going deeper than the stack allows."""
    text = "\n".join(body)
    if ".. " not in text and "::" not in text:
        yield _inline(text)
        return
    pending: list[str] = []
    at = 0
    while at < len(body):
        line = body[at]
        if line.rstrip().endswith("::") or (line.lstrip().startswith(".. ") and _is_code(line)):
            yield from _prose(pending)
            shown, at = _directive(body, at) if line.lstrip().startswith(".. ") else _literal_block(body, at)
            yield from shown
        elif line.lstrip().startswith(".. "):
            match = DIRECTIVE.fullmatch(line)
            said = match[2] if match and match[2] else ""
            name = match[1] if match and match[1] else ""
            if name in WITHOUT or not name:
                _, at = _body(body, at + 1, _indent(line))
                continue
            pending.append(_note(name, said) if name in NOTES else f"`{said}`")
            at += 1
        else:
            pending.append(line)
            at += 1
    yield from _prose(pending)


def _is_code(line: str) -> bool:
    match = DIRECTIVE.fullmatch(line)
    return bool(match and match[1] and match[1].lower() in CODE)


# --- inside lines ----------------------------------------------------------------------------------------


def _inline(text: str) -> str:
    """Roles, literals, links and substitutions; emphasis is the same in both languages.

    A backslash between markup and a letter (``*args*\\는``, docutils: inline markup recognition rules) only says where
    the markup ends; Korean has one before most particles.
    """
    if not any(mark in text for mark in "`_|\\"):
        return text
    kept: list[str] = []

    def code(shown: str) -> str:
        kept.append(f"`{shown}`")
        return f"\x7f{len(kept) - 1}\x7f"

    def role(match: re.Match[str]) -> str:
        name = match[0][1:].partition("`")[0].rstrip(":").split(":")[-1]
        return _role(name, match[1], code)

    text = _LITERAL.sub(lambda match: code(match[1]), text)
    text = _GLUE.sub(_GLUED, text)
    text = _ROLE.sub(role, text)
    text = _LINK.sub(lambda match: match[1].strip(), text)
    text = _SUBSTITUTION.sub(r"\1", text)
    text = _NAMED.sub(r"\1", text).replace(_GLUED, "")
    return _MARK.sub(lambda match: kept[int(match[1])], text)


def _role(name: str, content: str, code) -> str:
    titled = _TITLED.fullmatch(content)
    shown = titled[1] if titled else content
    if name in ("pep", "rfc"):
        return shown if titled else f"{name.upper()} {shown}"
    if name == "math":
        return f"${content}$"
    if name in _PROSE_ROLES:
        return shown
    shown = shown.lstrip("!")
    return code(shown[1:].rpartition(".")[2] if shown.startswith("~") else shown)
