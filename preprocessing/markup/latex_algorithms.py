"""Writes the statements of algorithms (algorithmicx, algorithmic) as nested lists with the words that LaTeX shows.

The result is LaTeX that ``latex`` reads.
"""

from __future__ import annotations

import re

from preprocessing.markup.latex_macros import end_of_group

_BEGIN = re.compile(r"\\begin\s{0,5}\{algorithmic\}(?:\[[^\[\]\n]{0,20}\])?")
_CLOSING = "\\end{algorithmic}"
_OPENERS = {
    "while": ("while ", " do"), "for": ("for ", " do"), "forall": ("for all ", " do"), "if": ("if ", " then"), "loop": ("loop", ""),
    "repeat": ("repeat", ""), "procedure": ("procedure ", ""), "function": ("function ", ""),
}  # fmt: skip
_MIDDLE = {"elsif": ("else if ", " then"), "elseif": ("else if ", " then"), "else": ("else", "")}
_STATEMENTS = {
    "state": "", "statex": "", "require": "Require: ", "ensure": "Ensure: ", "input": "Input: ", "output": "Output: ",
    "print": "print ",
}  # fmt: skip
_WORDS = {
    "return": "return ",
    "and": "and",
    "or": "or",
    "not": "not",
    "to": "to",
    "true": "true",
    "false": "false",
}
_COMMAND = re.compile(r"\\([A-Za-z]{2,12})(?![A-Za-z@])[ \t]*")
_NESTED, _END = "\\begin{itemize}", "\\end{itemize}"


def convert_algorithms(text: str) -> str:
    """Replaces each algorithm by a list; formulas are protected before."""
    pieces, at = [], 0
    for begin in _BEGIN.finditer(text) if _CLOSING in text else ():
        end = text.find(_CLOSING, begin.end()) if begin.start() >= at else -1
        if end >= 0:
            statements = _write_statements(text[begin.end() : end])
            pieces += [text[at : begin.start()], f"\n\n{_NESTED}{statements}{_END}\n\n"]
            at = end + len(_CLOSING)
    return "".join([*pieces, text[at:]])


def _write_statements(text: str) -> str:
    pieces, at, depth = [], 0, 0
    previous = ""
    for match in _COMMAND.finditer(text):
        name, end = match[1].lower(), match.end()
        if match.start() < at:
            continue
        between = text[at : match.start()]
        argument = (
            end_of_group(text, end)
            if name in _OPENERS | _MIDDLE or name in ("until", "call", "comment")
            else 0
        )
        inner = text[end:argument].strip()[1:-1] if argument else ""
        second = end_of_group(text, argument) if argument and name in ("procedure", "function", "call") else 0
        inner = f"{inner}({text[argument:second].strip()[1:-1]})" if second else inner
        if name in _OPENERS:
            before, after = _OPENERS[name]
            piece = f"\\item {before}{inner}{after}{_NESTED}"
            depth += 1
        elif name in _MIDDLE and depth:
            before, after = _MIDDLE[name]
            piece = f"{_END}\\item {before}{inner}{after}{_NESTED}"
        elif name == "until" and depth:
            piece = f"{_END}\\item until {inner}"
            depth -= 1
        elif name.startswith("end") and name[3:] in _OPENERS and depth:
            piece = f"{_END}\\item end {_OPENERS[name[3:]][0].strip().split()[0]}"
            depth -= 1
        elif name in _STATEMENTS:
            piece = f"\\item {_STATEMENTS[name]}"
        elif name in _WORDS:
            is_own = name == "return" and (previous not in _STATEMENTS or bool(between.strip()))
            piece = f"\\item {_WORDS[name]}" if is_own else f"{_WORDS[name]}{' ' * (match[0][-1] == ' ')}"
            piece = re.sub(" +$", " ", piece)
        elif name == "comment":
            piece = f" ({inner})"
        elif name == "call":
            piece = inner
        else:
            continue
        previous = name
        is_start = "\\item" in piece
        pieces += [between.rstrip() if is_start else between, piece]
        at = max(end, argument, second)
    return "".join([*pieces, text[at:], _END * depth])
