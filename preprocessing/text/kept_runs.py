"""Finds runs of one sign that are no emotion and stay: of drawings, identifiers, formulas, Morse code and strings of data.

``preprocessing.kernels.kept_runs`` does the same; ``squeeze`` shortens the others.
"""

from __future__ import annotations

import re

from preprocessing.kernels.normalize_classes import LONGEST_CELL, LONGEST_ENTRY, LONGEST_MORSE

_DRAWING = re.compile("[\u2502-\u257f]|.[\u2502-\u257f]", re.DOTALL)
_IDENTIFIER = re.compile("[0-9A-Za-z][0-9]")
_SPACING = re.compile(r"[,&}]|[\x00-\x20][0-9A-Za-z&\\]")  # of a formula
_ENTRY = re.compile(rf"[ \t]{{1,2}}[!-~]{{1,{LONGEST_ENTRY}}}[ \t]{{1,2}}&")
_BOUNDS = "\x00-\x20\"'()"  # of words
_AFTER_LETTER = re.compile(rf"[ \t]{{1,2}}([.-]{{1,{LONGEST_MORSE}}})(?![^{_BOUNDS}])")
_BEFORE_LETTER = re.compile(rf"(?:\A|[{_BOUNDS}])([.-]{{1,{LONGEST_MORSE}}})[ \t]{{1,2}}\Z")
_DATA_BEFORE = re.compile(rf"[\[,]\x20?[\"'][!#-&(-~]{{0,{LONGEST_CELL}}}\Z")
_DATA_BEHIND = re.compile(rf"[!#-&(-~]{{0,{LONGEST_CELL}}}[\"'][\],]")
_FURTHEST = LONGEST_MORSE + 3  # characters from the beginning of the letter before


def is_data(run: re.Match[str]) -> bool:
    """Whether a run is in a string without blanks of a list, such as ``["..#....", "....."]``."""
    before = run.string[max(0, run.start() - LONGEST_CELL - 3) : run.start()]
    return _DATA_BEFORE.search(before) is not None and _DATA_BEHIND.match(run.string, run.end()) is not None


def is_kept(run: re.Match[str]) -> bool:
    text, sign = run.string, run[0][0]
    before = text[max(0, run.start() - 1) : run.start()]
    around = before + text[run.end() : run.end() + 1]
    if sign == "─":
        return bool(_DRAWING.match(around))
    if sign == "~":
        is_spacing = _SPACING.match(around if before else " " + around)
        return bool(is_spacing) or (before <= " " and bool(_ENTRY.match(text, run.end())))
    return sign == "." and (bool(_IDENTIFIER.match(around)) or _is_morse(text, *run.span()))


def _is_morse(text: str, first: int, last: int) -> bool:
    """Whether the word of a run of dots is a letter of Morse code: with a dash, or beside another letter."""
    while first and text[first - 1] in "-.":
        first -= 1
    while last < len(text) and text[last] in "-.":
        last += 1
    is_word = _is_bound(text[max(0, first - 1) : first]) and _is_bound(text[last : last + 1])
    if not is_word or last - first > LONGEST_MORSE:
        return False
    others = _AFTER_LETTER.match(text, last), _BEFORE_LETTER.search(text[max(0, first - _FURTHEST) : first])
    return "-" in text[first:last] or any(_is_letter(other[1]) for other in others if other)


def _is_letter(word: str) -> bool:
    """Whether dots and dashes are a letter of Morse code and no ellipsis or dash."""
    return len(word) > 1 if "-" in word else len(word) <= 2


def _is_bound(character: str) -> bool:
    return character <= " " or character in "\"'()"
