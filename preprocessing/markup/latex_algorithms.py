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
_CLOSERS = {f"end{name}": f"end {words.split()[0]}" for name, (words, _) in _OPENERS.items()}
_MIDDLE = {"elsif": ("else if ", " then"), "elseif": ("else if ", " then"), "else": ("else", "")}
_STATEMENTS = {
    "state": "", "statex": "", "require": "Require: ", "ensure": "Ensure: ", "input": "Input: ", "output": "Output: ",
    "print": "print ",
}  # fmt: skip
_CALL = re.compile(r"\\Call[ \t]*\{([^{}]{1,200})\}[ \t]*\{([^{}]{0,1000})\}", re.IGNORECASE)
_CALLS_IN_CALLS = 3
_WORD = re.compile(r"\\(and|or|not|to|true|false)(?![A-Za-z@])(?:\{\})?(?P<next>[\w\\\x7f]?)", re.IGNORECASE)
_COMMAND = re.compile(r"\\([A-Za-z]{2,12})(?![A-Za-z@])[ \t]*")
_WITH_ARGUMENT = frozenset((*_OPENERS, *_MIDDLE, "until", "comment"))
_NESTED, _END = "\\begin{itemize}", "\\end{itemize}"


def convert_algorithms(text: str) -> str:
    """Replaces each algorithm by a list; formulas are protected before."""
    pieces = text.split(_CLOSING)
    for n, piece in enumerate(pieces[:-1]):
        begin = _BEGIN.search(piece)
        if begin:
            statements = _write_statements(_write_words(piece[begin.end() :]))
            pieces[n] = f"{piece[: begin.start()]}\n\n{_NESTED}{statements}{_END}\n\n"
        else:
            pieces[n] = piece + _CLOSING
    return "".join(pieces)


def _write_words(text: str) -> str:
    """The words of conditions and the calls of functions."""
    for _ in range(_CALLS_IN_CALLS):
        text = _CALL.sub(r"\1(\2)", text)
    return _WORD.sub(lambda word: f"{word[1].lower()}{' ' * bool(word['next'])}{word['next']}", text)


def _write_statements(text: str) -> str:
    pieces, at, depth = [], 0, 0
    previous = ""
    for match in _COMMAND.finditer(text):
        name, end = match[1].lower(), match.end()
        if match.start() < at:
            continue
        between = text[at : match.start()]
        inner, at_end = _read_argument(name, text, end)
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
        elif name in _CLOSERS and depth:
            piece = f"{_END}\\item {_CLOSERS[name]}"
            depth -= 1
        elif name in _STATEMENTS:
            piece = f"\\item {_STATEMENTS[name]}"
        elif name == "return":
            is_inside = previous in _STATEMENTS and not between.strip()
            piece = "return " if is_inside else "\\item return "
        elif name == "comment":
            piece = f" ({inner})"
        else:
            continue
        previous = name
        pieces += [between if piece == "return " else between.rstrip(), piece]
        at = at_end
    return "".join([*pieces, text[at:], _END * depth])


def _read_argument(name: str, text: str, at: int) -> tuple[str, int]:
    """What a command has in braces behind it, and where that ends; procedures have parameters, too."""
    end = end_of_group(text, at) if name in _WITH_ARGUMENT else 0
    if not end:
        return "", at
    inner = text[at:end].strip()[1:-1]
    second = end_of_group(text, end) if name in ("procedure", "function") else 0
    return (f"{inner}({text[end:second].strip()[1:-1]})", second) if second else (inner, end)
