"""LaTeX to Markdown, lightly: comments, preamble and commands out; formulae, code, headings and lists kept.

Owns the commands and environments it knows; of an unknown command its arguments' text stays. One pass over tokens with
a stack of open groups, so it is linear and never recurses.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field

MATH = frozenset((
    "equation", "align", "gather", "multline", "eqnarray", "displaymath", "math", "alignat", "flalign",
    "dmath", "IEEEeqnarray", "subequations",
))  # fmt: skip
CODE = frozenset(("verbatim", "Verbatim", "lstlisting", "minted", "alltt"))
LEFT_OUT = frozenset((
    "thebibliography", "tikzpicture", "comment", "filecontents", "CCSXML", "IEEEkeywords", "pgfpicture",
))  # fmt: skip
HEADINGS = {
    "title": 1, "part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraph": 5,
    "subparagraph": 6,
}  # fmt: skip
# Commands that vanish with so many arguments in braces.
WITHOUT = {
    "label": 1, "cite": 1, "citep": 1, "citet": 1, "citealp": 1, "citeauthor": 1, "citeyear": 1, "nocite": 1, "ref": 1,
    "eqref": 1, "autoref": 1, "cref": 1, "Cref": 1, "pageref": 1, "vspace": 1, "hspace": 1, "includegraphics": 1,
    "bibliography": 1, "bibliographystyle": 1, "usepackage": 1, "documentclass": 1, "input": 1, "include": 1,
    "setlength": 2, "addtolength": 2, "setcounter": 2, "pagestyle": 1, "thispagestyle": 1, "newcommand": 2,
    "renewcommand": 2, "providecommand": 2, "newtheorem": 2, "def": 1, "color": 1, "index": 1, "author": 1, "date": 1,
    "thanks": 1, "hypersetup": 1, "graphicspath": 1, "footnotemark": 0, "affiliation": 1, "email": 1, "textwidth": 0,
    "fontsize": 2, "rule": 2, "phantom": 1, "bibitem": 1, "tag": 1, "cline": 1, "cmidrule": 1, "hline": 0, "centering": 0,
}  # fmt: skip
AROUND = {
    "textbf": ("**", "**"), "emph": ("*", "*"), "textit": ("*", "*"), "texttt": ("`", "`"), "footnote": (" (", ")"),
    "caption": ("\n\n", "\n\n"), "textsuperscript": ("^", ""), "url": ("", ""), "enquote": ("“", "”"),
}  # fmt: skip
FIXED = {
    "item": "\n- ", "par": "\n\n", "newline": "\n", "ldots": "…", "dots": "…", "textellipsis": "…", "quad": " ",
    "qquad": " ", "LaTeX": "LaTeX", "TeX": "TeX", "BibTeX": "BibTeX", "textbackslash": "\\", "textasciitilde": "~",
    "copyright": "©", "textendash": "–", "textemdash": "—", "S": "§", "ss": "ß", "o": "ø", "ae": "æ", "oe": "œ",
}  # fmt: skip
ACCENTS = {
    "'": "\u0301",
    "`": "\u0300",
    "^": "\u0302",
    '"': "\u0308",
    "~": "\u0303",
    "=": "\u0304",
    ".": "\u0307",
}
_ACCENT = re.compile(r"(?<!\\)\\(['`^\"~=.])\s{0,3}\{?([A-Za-z])\}?")
MAX_DEPTH = 100  # of groups in groups; what is deeper stands in the outer one
MAX_FORMULA = 4000  # characters of a formula inside a line
_COMMENT = re.compile(r"(?<!\\)((?:\\\\){0,50})%[^\n]*(?:\n(?!\s*\n)[ \t]*)?")
_BODY = re.compile(r"\\begin\s{0,5}\{document\}")
_TITLE = re.compile(r"\\title\s{0,5}\{(?:[^{}]{1,500}|\{[^{}]{0,500}\}){0,20}\}")
_BEGIN = re.compile(r"\\begin\s{0,5}\{([A-Za-z]{1,40})(\*?)\}")
_MATHS = re.compile(r"\\\[|\\\(|(?<!\\)\$\$?")
_TOKEN = re.compile(r"\\[A-Za-z@]{1,60}\*?|\\.|[{}~]|[^\\{}~]+|\\", re.DOTALL)
_OPTION = re.compile(r"\s{0,20}\[[^\[\]\n]{0,500}\]")
_MARK = re.compile("\x7f([0-9]{1,8})\x7f")


def latex_to_markdown(text: str) -> str:
    """The body of a document, or a part of one, as Markdown."""
    kept: list[str] = []
    text = _environments(text.replace("\x7f", ""), kept)
    text = _COMMENT.sub(r"\1", text)
    title = _TITLE.search(text)
    body = _BODY.search(text)
    if body:
        end = text.rfind("\\end{document}")
        text = (title[0] if title else "") + text[body.end() : end if end > body.end() else len(text)]
    text = _commands(_ACCENT.sub(_accented, _maths(text, kept)))
    text = text.replace("---", "—").replace("``", "“").replace("''", "”")
    text = "\n".join(line.strip() if "\x7f" not in line else line.rstrip() for line in text.split("\n"))
    text = re.sub(r"\n{3,}", "\n\n", re.sub(r"\n{1,2}- {1,20}", "\n- ", text))
    return _MARK.sub(lambda match: kept[int(match[1])] if int(match[1]) < len(kept) else "", text).strip()


def _accented(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFC", match[2] + ACCENTS[match[1]])


def _keep(shown: str, kept: list[str]) -> str:
    kept.append(shown)
    return f"\x7f{len(kept) - 1}\x7f"


# --- environments and formulae ---------------------------------------------------------------------------


def _environments(text: str, kept: list[str]) -> str:
    """Code and formulae are kept as they are, pictures and bibliographies left out, of others only the inside stays."""
    pieces, at = [], 0
    unclosed: set[str] = set()
    match = _BEGIN.search(text)
    while match:
        name = match[1]
        special = name in MATH or name in CODE or name in LEFT_OUT
        ending = f"\\end{{{name}{match[2]}}}"
        end = text.find(ending, match.end()) if special and ending not in unclosed else -1
        if end < 0:
            if special:
                unclosed.add(ending)
            match = _BEGIN.search(text, match.end())
            continue
        pieces += [text[at : match.start()], _environment(match, text[match.end() : end], ending, kept)]
        at = end + len(ending)
        match = _BEGIN.search(text, at)
    return "".join([*pieces, text[at:]])


def _environment(match: re.Match[str], content: str, ending: str, kept: list[str]) -> str:
    name = match[1]
    if name in LEFT_OUT:
        return "\n"
    if name in MATH:
        formula = re.sub(r"\\label\{[^{}]{0,200}\}", "", content).strip()
        bare = name in ("equation", "displaymath", "math")
        shown = formula if bare else f"{match[0]}\n{formula}\n{ending}"
        return "\n\n" + _keep(f"$$\n{shown}\n$$", kept) + "\n\n"
    option = _OPTION.match(content)
    lang = re.search(r"language\s{0,5}=\s{0,5}\{?(\w+)", option[0]) if option else None
    content = content[option.end() :] if option else content
    if name == "minted":
        lang = re.match(r"\s{0,5}\{(\w+)\}", content)
        content = content[lang.end() :] if lang else content
    code = content.strip("\n")
    return "\n\n" + _keep(f"```{lang[1].lower() if lang else ''}\n{code}\n```", kept) + "\n\n"


def _maths(text: str, kept: list[str]) -> str:
    """``$..$``, ``$$..$$``, ``\\(..\\)``, ``\\[..\\]``; one that is not closed within a paragraph stays."""
    closing = {"\\[": "\\]", "\\(": "\\)", "$": "$", "$$": "$$"}
    pieces, at = [], 0
    match = _MATHS.search(text)
    while match:
        opening = match[0]
        limit = text.find("\n\n", match.end(), match.end() + MAX_FORMULA)
        limit = match.end() + MAX_FORMULA if limit < 0 else limit
        end = text.find(closing[opening], match.end(), limit)
        if end < 0:
            match = _MATHS.search(text, match.end())
            continue
        sign = "$" if opening in ("$", "\\(") else "$$"
        pieces += [text[at : match.start()], _keep(f"{sign}{text[match.end() : end].strip()}{sign}", kept)]
        at = end + len(closing[opening])
        match = _MATHS.search(text, at)
    return "".join([*pieces, text[at:]])


# --- commands --------------------------------------------------------------------------------------------


@dataclass
class _Group:
    """An open brace: what is done with its text, and how many further arguments of its command vanish."""

    close: Callable[[str], str]
    vanish: int = 0
    pieces: list[str] = field(default_factory=list)


def _commands(text: str) -> str:
    groups = [_Group(str)]
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None, "every character is a token"
        token, at = match[0], match.end()
        if token == "{" and len(groups) <= MAX_DEPTH:
            groups.append(_Group(str))
        elif token in "{}":
            at = _close(groups, text, at) if token == "}" else at
        elif token == "~":
            groups[-1].pieces.append(" ")
        elif token[0] != "\\" or len(token) == 2 and not token.isascii():
            groups[-1].pieces.append(token)
        elif len(token) == 2 and not token[1].isalpha():
            groups[-1].pieces.append(_escaped(token[1]))
        else:
            at = _command(token[1:].rstrip("*"), groups, text, at) if len(groups) <= MAX_DEPTH else at
    while len(groups) > 1:
        _close(groups, "", 0)
    return "".join(groups[0].pieces)


def _close(groups: list[_Group], text: str, at: int) -> int:
    if len(groups) == 1:
        return at
    group = groups.pop()
    groups[-1].pieces.append(group.close("".join(group.pieces)))
    if group.vanish and (opening := re.compile(r"\s{0,20}\{").match(text, at)):
        groups.append(_Group(lambda content: "", group.vanish - 1))
        return opening.end()
    return at


def _escaped(character: str) -> str:
    if character == "\\":
        return "\n"
    return "" if character in "-/!'\"`^=.@" else " " if character in ",;: \n" else character


def _command(name: str, groups: list[_Group], text: str, at: int) -> int:
    """Handles a command that ends at ``at``; returns where reading goes on."""
    while option := _OPTION.match(text, at):
        at = option.end()
    opening = re.compile(r"\s{0,20}\{").match(text, at)
    if name in FIXED:
        groups[-1].pieces.append(FIXED[name])
        return at
    if name in WITHOUT:
        if WITHOUT[name] and opening:
            groups.append(_Group(lambda content: "", WITHOUT[name] - 1))
            return opening.end()
        return at
    if opening is None:
        return at
    if name in HEADINGS:
        marks = "#" * HEADINGS[name]
        groups.append(_Group(lambda content: f"\n\n{marks} {' '.join(content.split())}\n\n"))
    elif name in AROUND:
        before, after = AROUND[name]
        groups.append(_Group(lambda content: f"{before}{content}{after}" if content.strip() else ""))
    elif name in ("begin", "end"):
        return _environment_border(name, groups, text, opening.end())
    elif name == "href":
        groups.append(_Group(lambda content: ""))
    else:
        groups.append(_Group(str))
    return opening.end()


def _environment_border(name: str, groups: list[_Group], text: str, at: int) -> int:
    """``\\begin{x}[options]{columns}`` or ``\\end{x}``, read from behind its brace."""
    groups[-1].pieces.append("\n")
    end = re.compile(r"([A-Za-z*]{1,40})\}").match(text, at)
    if end is None:
        return at
    at = end.end()
    if name == "begin":
        option = _OPTION.match(text, at)
        at = option.end() if option else at
        columns = (
            re.compile(r"\{[^{}\n]{0,200}\}").match(text, at)
            if end[1].startswith(("tabular", "array"))
            else None
        )
        at = columns.end() if columns else at
    return at
