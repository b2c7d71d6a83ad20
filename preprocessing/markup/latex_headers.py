"""Writes what the first lines of environments show: titles of slides, blocks, boxes, theorems and parts of figures.

The result is LaTeX that ``latex`` reads; settings and places (``[htbp]``) stay for it to remove.
"""

from __future__ import annotations

import re

from preprocessing.markup.latex_commands import LISTS
from preprocessing.markup.latex_macros import end_of_group

_HEADER = re.compile(
    r"\\begin\s{0,5}\{(?P<name>[A-Za-z]{1,40})\*?\}(?:<[^<>\n]{1,40}>)?[ \t]{0,9}"
    r"(?P<option>\[(?:[^\[\]{}]|\{[^{}]{0,300}\}|\[[^\[\]]{0,200}\]){0,1000}\])?"
    r"(?:<[^<>\n]{1,40}>)?(?:(?P<brace>\s{0,9}\{)|(?P<label>(?:\s{0,20}\\label\{[^{}\n]{0,200}\})?\s{0,20}))"
)
_TITLE = re.compile(
    r"(?<![\w-])(?:frame)?title\s{0,9}=\s{0,9}(?:\{((?:[^{}]|\{[^{}]{0,200}\}){1,500})\}|([^\s,{}\[\]][^,{}\[\]]{0,500}))"
)
_SETTING = re.compile(r"(?:^|,)\s{0,9}[A-Za-z][\w-]{0,30}(?: [a-z]{2,20})?\s{0,9}=")
_HANGUL = re.compile("[가-힣]")
_BLOCKS = frozenset(("block", "alertblock", "exampleblock"))
_THEOREMS = frozenset((
    "theorem", "thm", "lemma", "lem", "proposition", "prop", "corollary", "cor", "definition", "defn", "example", "remark", "proof",
    "problem", "exercise", "solution", "conjecture", "axiom", "claim",
))  # fmt: skip
_WITH_PLACES = LISTS | {"tabular", "tabularx", "longtable", "figure", "table", "minipage", "frame"}
_SUBFIGURE = re.compile(r"\\(?:subfloat|subfigure|subtable)\s{0,5}\[([^\[\]\n]{1,500})\](?=\s{0,5}\{)")
_LONG_TABLE = re.compile(r"\\begin\s{0,5}\{(?:long|super)table\}(?:\[[a-z]{0,5}\])?")
_CAPTION = re.compile(r"\s{0,20}\\caption\*?\s{0,5}(?:\[[^\[\]\n]{0,500}\])?(?=\{)")
_END_OF_ROW = re.compile(r"(?:\s{0,20}\\label\{[^{}\n]{0,200}\})?\s{0,20}\\(?:\\|tabularnewline(?![A-Za-z]))")
_REPEATED = re.compile(
    r"\\endfirsthead(?![A-Za-z])(?:(?!\\end\{|\\endhead).){0,3000}\\endhead(?![A-Za-z])"
    r"|(?<=\\endhead)(?:(?!\\end[{a-z]).){0,2000}\\end(?:last)?foot(?![A-Za-z])"
    r"|(?<=\\endfoot)(?:(?!\\end[{a-z]).){0,2000}\\endlastfoot(?![A-Za-z])",
    re.DOTALL,
)
"""What each page of a long table repeats: its second head and its feet."""


def write_headers(text: str) -> str:
    """Writes the titles in the headers of environments and parts of figures, and removes the heads that pages of a table repeat."""
    if "\\begin" in text:
        text = _HEADER.sub(_write_header, text)
    if "\\sub" in text:
        text = _SUBFIGURE.sub(r"\n\n\1\n\n", text)
    return _move_captions(_REPEATED.sub(r"\\endhead", text)) if _LONG_TABLE.search(text) else text


def _write_header(match: re.Match[str]) -> str:
    name, option = match["name"], (match["option"] or "")[1:-1].strip()
    brace = "{" if match["brace"] else ""
    if name == "frame" and brace:
        return "\n\\frametitle{"
    if name in _BLOCKS and brace:
        return "\n\n\\blocktitle{"
    title = _TITLE.search(option) if "title" in option else None
    if title:
        return f"\n\n\\blocktitle{{{(title[1] or title[2]).strip()}}}\n{match['brace'] or ''}"
    is_title = bool(_HANGUL.search(option)) or name in _THEOREMS
    if option and is_title and not _SETTING.search(option) and name not in _WITH_PLACES:
        return f"\n\n\\textbf{{{option.rstrip('.')}.}} {brace}"
    if "\n" in (match["option"] or "") and "=" in option:
        return f"\\begin{{{name}}}{match['brace'] or ''}"
    return match[0]


def _move_captions(text: str) -> str:
    """Moves the caption in the first row of a long table before the table."""
    pieces, at = [], 0
    for table in _LONG_TABLE.finditer(text):
        columns = end_of_group(text, table.end())
        caption = _CAPTION.match(text, columns) if columns else None
        end = end_of_group(text, caption.end()) if caption else 0
        row = _END_OF_ROW.match(text, end) if end else None
        if caption and row and table.start() >= at:
            pieces += [
                text[at : table.start()],
                text[caption.start() : end],
                text[table.start() : caption.start()],
            ]
            at = row.end()
    return "".join([*pieces, text[at:]])
