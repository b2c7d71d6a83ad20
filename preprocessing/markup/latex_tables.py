"""Tables of LaTeX (``tabular`` and its kin): marks their cells and rows while commands are converted, then writes them as Markdown.

Nested tables become the text of their cell.
"""

from __future__ import annotations

import re

from preprocessing.markup.latex_blocks import PROTECTED
from preprocessing.markup.latex_macros import end_of_group
from preprocessing.markup.table_layout import format_table

_ARGUMENTS = {
    "tabular": 1, "tabular*": 2, "tabularx": 2, "tabulary": 2, "longtable": 1, "tabu": 1, "longtabu": 1, "supertabular": 1,
    "xltabular": 2, "tblr": 1,
}  # fmt: skip
"""Environments, each with the number of arguments in braces."""
_NAME = r"\{(?:tabular[*xy]?|longtabu?|longtable|tabu|supertabular|xltabular|tblr)\}"
_TOKEN = re.compile(
    rf"\\begin\s{{0,5}}(?P<begin>{_NAME})|\\end\s{{0,5}}(?P<end>{_NAME})|\\(?:multicolumn\s{{0,5}}\{{(?P<columns>[0-9]{{1,2}})\}}"
    r"|(?:cmidrule|cline)(?:\[[^\[\]\n]{0,20}\])?(?:\([lr]{0,9}\))?\{[^{}\n]{0,20}\})"
    r"|\\\\\*?(?:\s{0,9}\[[^\[\]\n]{0,20}\])?|\\tabularnewline(?![A-Za-z])|\\.|[&{}]",
    re.DOTALL,
)
_OPTION = re.compile(r"\s{0,9}\[[^\[\]\n]{0,20}\]")
_CELL, _ROW, _EDGE = "\x02", "\x03", "\x04"
MARKS = _CELL + _ROW + _EDGE
_MARKED = re.compile(f"{_EDGE}([^{_EDGE}]*){_EDGE}")


def mark_tables(text: str) -> str:
    """Marks tables, their rows and their cells, one for each column that a cell spans; a table without an end stays."""
    if "\\begin" not in text:
        return text
    pieces, at = [], 0
    braces: list[int] = []  # of each open table, those that are open in it
    spanned = 0  # columns of the cell, beside the first
    first, start = 0, 0  # of the outer table: its first piece, its place
    for match in _TOKEN.finditer(text):
        if match.start() < at or not (braces or match["begin"]):
            continue
        pieces.append(text[at : match.start()])
        at = match.end()
        token = match[0]
        if match["begin"]:
            if not braces:
                first, start = len(pieces), match.start()
            at = _after_arguments(text, at, _ARGUMENTS[match["begin"][1:-1]])
            pieces.append("" if braces else f"\n\n{_EDGE}")
            braces.append(0)
        elif match["end"]:
            braces.pop()
            pieces.append("" if braces else f"{_CELL * spanned}{_EDGE}\n\n")
            spanned = 0 if not braces else spanned
        elif match["columns"]:
            spanned += int(match["columns"]) - 1 if len(braces) == 1 else 0
            pieces.append(token)
        elif token in "{}":
            braces[-1] += 1 if token == "{" else -1
            pieces.append(token)
        elif token == "&" or token.startswith(("\\\\", "\\tabularnewline")):
            is_mark = len(braces) == 1 and braces[0] == 0
            mark = _CELL if token == "&" else _ROW
            pieces.append(_CELL * spanned + mark if is_mark else " ")
            spanned = 0 if is_mark else spanned
        else:
            pieces.append("" if token.startswith(("\\cmidrule", "\\cline")) else token)
    return "".join([*pieces[:first], text[start:]] if braces else [*pieces, text[at:]])


def _after_arguments(text: str, at: int, count: int) -> int:
    for _ in range(count):
        option = _OPTION.match(text, at)
        at = end_of_group(text, option.end() if option else at) or at
    return at


def write_tables(text: str, protected: list[str]) -> str:
    """Writes marked tables, whose first row is the head; of one column its lines. Formulas and code spans of cells are restored."""

    def restore(mark: re.Match[str]) -> str:
        content = protected[int(mark[1])] if int(mark[1]) < len(protected) else ""
        return mark[0] if content.startswith("```") else content

    def write(table: re.Match[str]) -> str:
        rows = [
            [" ".join(PROTECTED.sub(restore, cell).split()).replace("|", "\\|") for cell in row.split(_CELL)]
            for row in table[1].split(_ROW)
        ]
        return "\n".join(format_table(rows))

    return _MARKED.sub(write, text)
