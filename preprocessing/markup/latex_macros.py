"""Replaces commands that a LaTeX document defines itself by what they stand for, and removes their definitions.

Commands with arguments in braces are replaced where their text shows every argument; others stay for ``latex``, which keeps the
text of their arguments. Code is protected before.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import NamedTuple

_DEFINITION = re.compile(
    r"\\(?:(?:re|provide)?newcommand|renewcommand|providecommand|DeclareRobustCommand|g?def)\*?\s{0,9}"
    r"(?:\{\s{0,9}\\(?P<braced>[A-Za-z@]{1,60})\s{0,9}\}|\\(?P<bare>[A-Za-z@]{1,60}))\s{0,9}"
    r"(?:\[(?P<count>[1-9])\]|(?P<marks>(?:#[1-9]){1,9}))?(?P<default>\[[^\[\]\n]{0,200}\])?\s{0,9}(?=\{)"
)
_ARGUMENT = re.compile("#([1-9])")
_LONGEST = 2000  # characters of a definition or an argument
_MOST_ROUNDS = 4  # of commands whose text has others
_MOST_GROWTH = 4


class _Macro(NamedTuple):
    arguments: int
    text: str


def expand_macros(text: str, known: Container[str]) -> str:
    """Replaces a document's own commands except those that are ``known``."""
    if "command" not in text and "def" not in text:
        return text
    macros, text = _take_definitions(text, known)
    if not macros:
        return text
    call = re.compile(rf"\\({'|'.join(macros)})(?![A-Za-z@])")
    for _ in range(_MOST_ROUNDS):
        expanded = _expand(text, call, macros)
        if expanded == text or len(expanded) > _MOST_GROWTH * len(text) + _LONGEST:
            break
        text = expanded
    return text


def _take_definitions(text: str, known: Container[str]) -> tuple[dict[str, _Macro], str]:
    """The commands that can be replaced, and the text without definitions."""
    macros: dict[str, _Macro] = {}
    pieces, at = [], 0
    for match in _DEFINITION.finditer(text):
        end = end_of_group(text, match.end())
        if match.start() < at or not end:
            continue
        pieces.append(text[at : match.start()])
        at = end
        name = match["braced"] or match["bare"]
        count = int(match["count"]) if match["count"] else len(match["marks"] or "") // 2
        body = text[match.end() + 1 : end - 1].strip()
        shown = {int(number) for number in _ARGUMENT.findall(body)}
        is_simple = not match["default"] and shown == set(range(1, count + 1)) and f"\\{name}" not in body
        if body and is_simple and name not in known:
            macros[name] = _Macro(count, body)
    return macros, "".join([*pieces, text[at:]])


def _expand(text: str, call: re.Pattern[str], macros: dict[str, _Macro]) -> str:
    pieces, at = [], 0
    for match in call.finditer(text):
        macro, end = macros[match[1]], match.end()
        arguments: list[str] = []
        while len(arguments) < macro.arguments and (after := end_of_group(text, end)):
            arguments.append(text[end:after].strip()[1:-1])
            end = after
        if match.start() < at or len(arguments) < macro.arguments:
            continue
        body = _fill(macro.text, arguments)
        if not macro.arguments:
            body, end = _end_name(body, text, end)
        pieces += [text[at : match.start()], body]
        at = end
    return "".join([*pieces, text[at:]])


def _fill(text: str, arguments: list[str]) -> str:
    return _ARGUMENT.sub(lambda mark: arguments[int(mark[1]) - 1], text)


def _end_name(body: str, text: str, end: int) -> tuple[str, int]:
    """The text of a command without arguments, whose name ends with the blanks or the empty braces behind it."""
    spaced = body.removesuffix("\\xspace")
    if text.startswith("{}", end):
        return spaced, end + 2
    while spaced == body and text[end : end + 1] in (" ", "\t"):
        end += 1
    return spaced, end


def end_of_group(text: str, at: int, longest: int = _LONGEST) -> int:
    """Where the group ends that braces open at ``at``, behind blanks; 0 without such a group."""
    while text[at : at + 1].isspace():
        at += 1
    depth, end = 0, min(len(text), at + longest)
    while at < end:
        depth += (text[at] == "{") - (text[at] == "}")
        at += 2 if text[at] == "\\" else 1
        if depth <= 0:
            return at if text[at - 1] == "}" else 0
    return 0
