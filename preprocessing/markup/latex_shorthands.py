"""Replaces an author's own names for environments and items by those of LaTeX: ``\\be`` for ``\\begin{equation}``, ``\\itm`` for ``\\item``.

Runs before formulas and code are protected, and leaves code as it is. Other commands of an author are those of ``latex_macros``.
"""

from __future__ import annotations

import re
from collections import Counter

from preprocessing.markup.latex_blocks import PROTECTED, set_code_apart
from preprocessing.markup.latex_commands import KNOWN, LISTS

_SHORTHAND = re.compile(
    r"\\(?:(?:re|provide)?newcommand|def)\*?\s{0,9}\{?\s{0,9}\\([A-Za-z@]{1,40})\s{0,9}\}?\s{0,9}"
    r"\{\s{0,9}(\\(begin|end)\s{0,9}\{[A-Za-z]{1,40}\*?\})\s{0,9}\}"
)
_LIST = "|".join(sorted(LISTS))
_OWN_LIST = re.compile(
    r"\\(?:newenvironment\*?\s{0,9}\{([A-Za-z]{1,40})\}(?:\s{0,9}\[([1-9])\](?:\[[^\[\]\n]{0,200}\])?)?\s{0,9}"
    rf"\{{(?:[^{{}}\n]|\{{[^{{}}\n]{{0,200}}\}}|\n(?!\n)){{0,400}}?\\begin\s{{0,5}}\{{({_LIST})\}}"
    rf"|newlist\{{([A-Za-z]{{1,40}})\}}\{{({_LIST})\}})"
)
_USUAL = {"be": "ee", "beq": "eeq", "bea": "eea", "ben": "een", "beqn": "eeqn", "beqa": "eeqa", "bal": "eal"}
"""Names that authors give to the beginning of a formula, with those of its end."""
_USUAL_NAME = re.compile(rf"\\({'|'.join([*_USUAL, *_USUAL.values()])})(?![A-Za-z@])")
_PLAIN_LIST = re.compile(
    rf"(\\begin\s{{0,5}}\{{({_LIST})\}}(?:\[[^\[\]\n]{{0,200}}\])?)"
    rf"((?:[^\\]|\\(?!begin\s{{0,5}}\{{(?:{_LIST})\}}|end\s{{0,5}}\{{(?:{_LIST})\}}|item(?![A-Za-z]))){{0,20000}})(?=\\end\s{{0,5}}\{{\2\}})"
)
_SIGN_OF_ITEM = re.compile(
    r"(\\item)\s{0,5}\[\s{0,5}\$\s{0,5}(?:\\(?:bullet|circ|star|ast|cdot|diamond|square|Rightarrow|rightarrow|to|triangleright"
    r"|blacktriangleright|checkmark)|[-*>])\s{0,5}\$\s{0,5}\]"
)
_MOST_LISTS = 20  # of an author
_FIRST_COMMAND = re.compile(r"^[ \t]*\\([A-Za-z]{1,40})(?![A-Za-z@])", re.MULTILINE)


def expand_shorthands(text: str) -> str:
    """Replaces shorthands that the text defines, usual ones for formulas, own lists, and own items of lists without items."""
    codes: list[str] = []
    text = _expand(set_code_apart(text, codes))
    return PROTECTED.sub(lambda mark: codes[int(mark[1])], text) if codes else text


def _expand(text: str) -> str:
    defined = {match[1]: match[2] for match in _SHORTHAND.finditer(text)} if "\\begin" in text else {}
    if defined:
        text = _SHORTHAND.sub("", text)
        text = re.sub(
            rf"\\({'|'.join(sorted(map(re.escape, defined)))})(?![A-Za-z@])",
            lambda match: defined[match[1]],
            text,
        )
    text = _expand_usual(text)
    for match in (
        list(_OWN_LIST.finditer(text))[:_MOST_LISTS]
        if "\\newenvironment" in text or "\\newlist" in text
        else []
    ):
        text = _expand_list(text, match[1] or match[4], match[3] or match[5], int(match[2] or 0))
    text = _SIGN_OF_ITEM.sub(r"\1", text) if "\\item" in text else text
    return _PLAIN_LIST.sub(_mark_items, text) if any(f"{{{name}}}" in text for name in LISTS) else text


def _expand_usual(text: str) -> str:
    counts = Counter(_USUAL_NAME.findall(text))
    for opening, closing in _USUAL.items():
        if 0 < counts[opening] == counts[closing] and not re.search(
            rf"\{{?\\{opening}\}}?\s*(?:\[|\{{|#)", text
        ):
            name = "equation" if opening in ("be", "beq", "ben", "beqn") else "align"
            text = re.sub(rf"\\{opening}(?![A-Za-z@])", rf"\\begin{{{name}}}", text)
            text = re.sub(rf"\\{closing}(?![A-Za-z@])", rf"\\end{{{name}}}", text)
    return text


def _expand_list(text: str, name: str, kind: str, arguments: int) -> str:
    begin = rf"\\begin\s{{0,5}}\{{{name}\}}(?:\[[^\[\]\n]{{0,200}}\])?(?:\s{{0,9}}\{{[^{{}}\n]{{0,200}}\}}){{{arguments}}}"
    text = re.sub(begin, lambda _: f"\\begin{{{kind}}}", text)
    return re.sub(rf"\\end\s{{0,5}}\{{{name}\}}", lambda _: f"\\end{{{kind}}}", text)


def _mark_items(match: re.Match[str]) -> str:
    """Items of a list that has only those of one command: the one that most of its lines begin with."""
    counts = Counter(name for name in _FIRST_COMMAND.findall(match[3]) if name not in KNOWN)
    if not counts:
        return match[0]
    name = counts.most_common(1)[0][0]
    return match[1] + re.sub(
        rf"^([ \t]*)\\{name}(?![A-Za-z@])[ \t]*", r"\1\\item ", match[3], flags=re.MULTILINE
    )
