"""Replaces names of reStructuredText by what they stand for: substitutions by their text, footnotes without a number by one.

Runs before blocks are read. Code stays as it is.
"""

from __future__ import annotations

import itertools
import re
import sys

from preprocessing.markup.indentation import indent_of

_DEFINITION = re.compile(
    r"^[ \t]*\.\. +\|(?P<name>[^|\n]{1,60})\| +(?P<kind>replace|unicode)::[ \t]*(?P<text>[^\n]*(?:\n[ \t]+(?![ \t]|:trim|:ltrim|:rtrim|\.\. )[^\n]+){0,20})$",
    re.MULTILINE,
)
_CODE_POINT = re.compile(r"(?:0x|x|\\x|[Uu]\+?|\\u|&#x)([0-9A-Fa-f]{2,6});?")
_SURROGATES = range(0xD800, 0xE000)
_MOST_NESTED = 3  # substitutions in the text of others
_LONGEST = 1000  # characters of the text of one, which may be written many times
_OPENS_CODE = re.compile(
    r"[ \t]*\.\. +(?:code|code-block|sourcecode|doctest|highlight|math)::.*|(?![ \t]*\.\. ).*::[ \t]*"
)
_NUMBER_OF_NOTE = re.compile(r"^[ \t]*\.\. +\[([0-9]{1,4})\]", re.MULTILINE)
_REFERENCE_WITHOUT_NUMBER = re.compile(r"\[#\]_(?!\w)")
_NOTE_WITHOUT_NUMBER = re.compile(r"^([ \t]*\.\. +)\[#\](?=\s)", re.MULTILINE)


def replace_names(text: str) -> str:
    """The text with the values of its own substitutions, and a number for each footnote that is written as ``[#]``."""
    if "[#]" in text:
        text = _number_notes(text)
    return _substitute(text) if "replace::" in text or "unicode::" in text else text


def _number_notes(text: str) -> str:
    taken = set(map(int, _NUMBER_OF_NOTE.findall(text)))

    def numbers() -> itertools.filterfalse[int]:
        return itertools.filterfalse(taken.__contains__, itertools.count(1))

    notes, references = numbers(), numbers()
    text = _NOTE_WITHOUT_NUMBER.sub(lambda match: f"{match[1]}[{next(notes)}]", text)
    return _REFERENCE_WITHOUT_NUMBER.sub(lambda _: f"[{next(references)}]_", text)


def _substitute(text: str) -> str:
    values = {match["name"].strip(): _value_of(match) for match in _DEFINITION.finditer(text)}
    values = {name: value for name, value in values.items() if len(value) <= _LONGEST}
    if not values:
        return text
    names = "|".join(map(re.escape, sorted(values, key=len, reverse=True)))
    reference = re.compile(rf"``[^`\n]{{1,500}}``|\|({names})\|_{{0,2}}")

    def substitute(line: str) -> str:
        return reference.sub(lambda match: values[match[1]] if match[1] else match[0], line)

    for _ in range(_MOST_NESTED):
        nested = {name: substitute(value) for name, value in values.items() if "|" in value}
        values |= {name: value for name, value in nested.items() if len(value) <= _LONGEST}
    written: list[str] = []
    code: int | None = None  # the indentation of the line that opens code
    for line in text.split("\n"):
        if code is not None and line.strip() and indent_of(line) <= code:
            code = None
        is_text = code is None
        if is_text and "::" in line and _OPENS_CODE.fullmatch(line):
            code = indent_of(line)
            is_text = not line.lstrip().startswith("..")
        if is_text and "|" in line and not _DEFINITION.match(line):
            line = substitute(line)
        written.append(line)
    return "\n".join(written)


def _value_of(match: re.Match[str]) -> str:
    """The text of a definition; of ``unicode::`` the signs of its code points."""
    words = match["text"].split()
    if match["kind"] == "replace":
        return " ".join(words)
    words = list(itertools.takewhile(lambda word: word != "..", words))
    signs = [_sign_of(word) for word in words]
    return ("" if all(map(_CODE_POINT.fullmatch, words)) else " ").join(signs)


def _sign_of(word: str) -> str:
    """The sign of a code point; other words stay, and so do numbers that are no sign."""
    match = _CODE_POINT.fullmatch(word)
    point = int(match[1], 16) if match else 0
    return chr(point) if match and point <= sys.maxunicode and point not in _SURROGATES else word
