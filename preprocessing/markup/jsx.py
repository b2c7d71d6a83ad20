"""Keeps the JSX of MDX as it is written: tags of components over several lines, and expressions with elements in them.

A page shows what a program makes of them, so their tags and their indentation are code. Linear in the length of the text.
"""

from __future__ import annotations

import re

from preprocessing.markup.markdown import Protected

_STRING = r"\"[^\"]{0,4000}\"|'[^'\n]{0,4000}'"
_BRACES = r"\{(?:[^{}`]|`[^`]{0,20000}`|\{(?:[^{}]|\{[^{}]{0,2000}\}){0,2000}\}){0,20000}\}"
_COMPONENT = re.compile(
    rf"(?:^[ \t]{{0,99}})?<[A-Z][\w.]{{0,60}}(?=\s)(?:{_STRING}|{_BRACES}|[^<>{{}}\"'])*+>", re.MULTILINE
)
_EXPRESSION = re.compile(r"^[ \t]{0,99}\{(?=[^\n{}]{0,400}(?:=>|&&|\?))", re.MULTILINE)
_ELEMENT = re.compile(r"<[A-Za-z]")
_BRACE = re.compile(r"[{}]|\n[ \t]*\n")


def protect_jsx(text: str, protected: Protected) -> str:
    """Replaces components that have attributes in several lines, and expressions that begin a line, by marks."""
    if "=>" in text or "&&" in text:
        pieces, at, ends = [], 0, _ends_of_braces(text)
        for match in _EXPRESSION.finditer(text):
            end = ends.get(match.end() - 1, 0) if match.start() >= at else 0
            if end and _ELEMENT.search(text, match.end(), end):
                pieces += [text[at : match.start()], protected.add(text[match.start() : end])]
                at = end
        text = "".join([*pieces, text[at:]])
    return _COMPONENT.sub(lambda tag: protected.add(tag[0]) if "\n" in tag[0].strip() else tag[0], text)


def _ends_of_braces(text: str) -> dict[int, int]:
    """Where pairs of braces begin and end that no empty line cuts."""
    ends, opened = {}, []
    for brace in _BRACE.finditer(text):
        if brace[0] == "{":
            opened.append(brace.start())
        elif brace[0] != "}":
            opened.clear()
        elif opened:
            ends[opened.pop()] = brace.end()
    return ends
