"""Converts LaTeX to light Markdown: removes comments, preamble and commands; keeps formulas, code, headings and lists.

``latex_commands`` owns the commands. One pass over tokens with a stack of open groups is linear and never recurses.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from textwrap import indent

from preprocessing.markup.latex_algorithms import convert_algorithms
from preprocessing.markup.latex_blocks import (
    PROTECTED,
    convert_environments,
    convert_formulas,
    name_theorems,
    remove_hidden,
)
from preprocessing.markup.latex_commands import (
    ARGUMENTS_BEFORE_TEXT,
    ARGUMENTS_OF_ENVIRONMENTS,
    AROUND,
    FIXED,
    HEADINGS,
    ITEMS,
    KNOWN,
    LISTS,
    ORDERED,
    PARTICLES,
    REMOVED_COMMANDS,
)
from preprocessing.markup.latex_document import take_body
from preprocessing.markup.latex_headers import write_headers
from preprocessing.markup.latex_items import CLOSE, INDENT, ITEM, ITEM_MARKS, OPEN, indent_items
from preprocessing.markup.latex_macros import end_of_group, expand_macros
from preprocessing.markup.latex_shorthands import expand_shorthands
from preprocessing.markup.latex_signs import write_signs
from preprocessing.markup.latex_tables import MARKS, mark_tables, write_tables

MAX_DEPTH = 100  # of nested groups; deeper text belongs to the outer group
_COMMENT = re.compile(r"(?<!\\)((?:\\\\){0,50})%[^\n]*(?:\n(?!\s*\n)[ \t]*)?")
_TOKEN = re.compile(
    r"\\[A-Za-z@]{1,60}\*?|\\\\\*?(?:\[-?[0-9.]{1,6}\s?(?:[a-z]{2}|\\[a-z]{1,20})\])?|\\.|[{}~]|[^\\{}~]+|\\",
    re.DOTALL,
)
_INDENTED_MARK = re.compile(rf"^( +){PROTECTED.pattern}$", re.MULTILINE)
_NEXT_ARGUMENT = re.compile(r"\s{0,20}(?:\[[^\[\]\n]{0,500}\]\s{0,20}){0,2}\{")  # of a command to remove
_OPTION = re.compile(r"\s{0,20}\[[^\[\]\n]{0,500}\]")
_OVERLAY = re.compile(
    r"<(?:[a-z]{1,20}[@:])?[0-9+.-][0-9+.,|@ -]{0,20}>"
)  # the slides of beamer that show a command
_BEFORE_ITEM = re.compile(r"[ \t]*(?:\n[ \t]*(?=[^\s\\]|\\[A-Za-z]{0,3}text|\\emph))?")
_START = re.compile(r"\s{0,9}\[(?:[^\[\]]{0,200},)?\s{0,9}start\s{0,5}=\s{0,5}([0-9]{1,4})")
_COUNTER = re.compile(r"\s{0,5}\{enum[iv]{1,3}\}\s{0,5}\{([0-9]{1,4})\}")
_REFERENCE = re.compile(
    r"[ ~]{1,9}(?=\\(?:[Cc]ite[a-z]{0,8}|parencite|textcite|autocite|footcite|label|index)\*?(?:\[[^\[\]\n]{0,200}\]){0,2}"
    r"\{[^{}]{0,500}\}(?:[\s.,;:)!?]|\Z))"
)
_SIGNS_WITHOUT_BLANK = "\\_$^{}~/°"


def latex_to_markdown(text: str) -> str:
    """Converts the body of a document, or a fragment."""
    protected: list[str] = []
    text = expand_shorthands(re.sub(f"[\x7f{ITEM_MARKS}{MARKS}]", "", text))
    text = convert_environments(text, protected)
    text = _COMMENT.sub(r"\1", text)
    text = remove_hidden(text) if "\\iffalse" in text else text
    text = take_body(write_headers(name_theorems(expand_macros(text, KNOWN))))
    text = convert_algorithms(_REFERENCE.sub("", convert_formulas(text, protected)))
    text = _convert_commands(write_signs(mark_tables(text)))
    text = write_tables(text.replace("---", "—"), protected)
    text = "\n".join(map(str.strip, text.split("\n")))
    text = indent_items(text)
    text = re.sub(r"\n{3,}", "\n\n", text)
    text = _INDENTED_MARK.sub(lambda match: indent(_restore(match[2], protected), match[1]), text)
    return PROTECTED.sub(lambda match: _restore(match[1], protected), text).strip()


def _restore(number: str, protected: list[str]) -> str:
    return protected[int(number)] if int(number) < len(protected) else ""


@dataclass
class _Group:
    """An open brace. ``close`` converts its text; ``removed`` counts further arguments of its command to remove.

    ``is_apart``: an argument of an unknown command, which a blank sets apart from the next one.
    """

    close: Callable[[str], str]
    removed: int = 0
    is_apart: bool = False
    is_code: bool = False
    lists: list[int | None] = field(default_factory=list)
    """The open lists: the number of the last item of an ordered one, None for others."""
    pieces: list[str] = field(default_factory=list)

    def next_mark(self) -> str:
        """The mark of the next item of the innermost list, with its indentation."""
        indent = INDENT * sum(2 if number is None else 3 for number in self.lists[:-1][:MAX_DEPTH])
        if not self.lists or self.lists[-1] is None:
            return f"{indent}{ITEM}-"
        self.lists[-1] += 1
        return f"{indent}{ITEM}{self.lists[-1]}."


def _convert_commands(text: str) -> str:
    groups = [_Group(str)]
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None, "every character is a token"
        token, at = match[0], match.end()
        if token == "{" and len(groups) <= MAX_DEPTH:
            groups.append(_Group(str))
        elif token in "{}":
            at = _close_group(groups, text, at) if token == "}" else at
        elif token == "~":
            groups[-1].pieces.append(" ")
        elif token[0] != "\\" or not token.isascii():
            groups[-1].pieces.append(token.removeprefix("\\") if token[1:] in PARTICLES else token)
        elif not token[1].isalpha():
            groups[-1].pieces.append(_unescape(token[1]))
        else:
            at = _convert_command(token[1:].rstrip("*"), groups, text, at) if len(groups) <= MAX_DEPTH else at
    while len(groups) > 1:
        _close_group(groups, "", 0)
    return "".join(groups[0].pieces)


def _close_group(groups: list[_Group], text: str, at: int) -> int:
    if len(groups) == 1:
        return at
    group = groups.pop()
    groups[-1].pieces.append(group.close("".join(group.pieces)))
    if group.removed and (opening := _NEXT_ARGUMENT.match(text, at)):
        groups.append(_Group(lambda content: "", group.removed - 1))
        return opening.end()
    if group.is_apart and text.startswith("{", at) and not text.startswith("{}", at):
        groups[-1].pieces.append(" ")
        groups.append(_Group(str, is_apart=True))
        return at + 1
    return at


def _unescape(character: str) -> str:
    if character == "\\":
        return "\n"
    return "" if character in "-/!'\"`^=.@" else " " if character in ",;: \n" else character


def _convert_command(name: str, groups: list[_Group], text: str, at: int) -> int:
    """Converts the command whose name ends at ``at``; returns where reading continues."""
    if text.startswith("<", at) and (overlay := _OVERLAY.match(text, at)):
        at = overlay.end()
    label = _OPTION.match(text, at)
    while option := _OPTION.match(text, at):
        at = option.end()
    opening = re.compile(r"\s{0,20}\{").match(text, at)
    if name in ITEMS:
        groups[-1].pieces.append(f"\n{groups[-1].next_mark()} {_convert_label(label[0]) if label else ''}")
        return _BEFORE_ITEM.match(text, at).end()  # type: ignore[union-attr]
    if name in FIXED:
        groups[-1].pieces.append(FIXED[name])
        ends_word = (
            FIXED[name].isalpha() or FIXED[name] in _SIGNS_WITHOUT_BLANK
        )  # the blank ends only the command
        return re.compile("[ \t]*").match(text, at).end() if ends_word else at  # type: ignore[union-attr]
    if name in REMOVED_COMMANDS:
        if (
            name == "setcounter"
            and (counter := _COUNTER.match(text, at))
            and groups[-1].lists[-1:] not in ([], [None])
        ):
            groups[-1].lists[-1] = int(counter[1])
        if REMOVED_COMMANDS[name] and opening:
            groups.append(_Group(lambda content: "", REMOVED_COMMANDS[name] - 1))
            return opening.end()
        return at
    if opening is None:
        return at
    if name in HEADINGS:
        marks = "#" * HEADINGS[name]
        groups.append(
            _Group(lambda content: f"\n\n{marks} {' '.join(content.split())}\n\n" if content.strip() else "")
        )
    elif name in AROUND:
        before, after = AROUND[name]
        if "*" in before and any(group.is_code for group in groups):
            before = after = ""  # no emphasis in code
        groups.append(_Group(lambda content: _surround(content, before, after), is_code=before == "`"))
    elif name in ("begin", "end"):
        return _skip_environment_header(name, groups, text, opening.end())
    elif name in ARGUMENTS_BEFORE_TEXT:
        groups.append(_Group(lambda content: "", ARGUMENTS_BEFORE_TEXT[name] - 1))
    else:
        groups.append(_Group(str, is_apart=True))
    return opening.end()


def _surround(content: str, before: str, after: str) -> str:
    """The content between its marks; blanks at its ends are outside of marks that words have."""
    text = content.strip()
    if not text or before[-1:] not in ("*", "`"):
        return f"{before}{content}{after}" if text else ""
    start = content.index(text)
    return f"{content[:start]}{before}{text}{after}{content[start + len(text) :]}"


def _convert_label(option: str) -> str:
    """The term before its description, ``term: ``; a number or letter of the author, ``(a) ``; nothing for a dash or a dot."""
    term = " ".join(_convert_commands(option.strip()[1:-1]).split())
    if sum(map(str.isalpha, term)) > 1 or "\x7f" in term:
        return f"{term.rstrip(' :')}: "
    return f"{term} " if any(map(str.isalnum, term)) else ""


def _skip_environment_header(name: str, groups: list[_Group], text: str, at: int) -> int:
    """Skips ``\\begin{x}[options]{columns}`` or ``\\end{x}`` after its brace; returns where reading continues."""
    groups[-1].pieces.append("\n")
    end = re.compile(r"([\w*-]{1,40})\}").match(text, at)
    if end is None:
        return at
    at = end.end()
    environment = end[1].rstrip("*")
    if environment in LISTS and name == "begin":
        start = _START.match(text, at)
        groups[-1].lists.append((int(start[1]) - 1 if start else 0) if environment in ORDERED else None)
        groups[-1].pieces.append(OPEN)
    elif environment in LISTS:
        del groups[-1].lists[-1:]
        groups[-1].pieces.append(CLOSE)
    if name == "begin":
        option = _OPTION.match(text, at)
        at = option.end() if option else at
        for _ in range(ARGUMENTS_OF_ENVIRONMENTS.get(environment, 0)):
            at = end_of_group(text, at) or at
    return at
