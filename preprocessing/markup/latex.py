"""Converts LaTeX to light Markdown: removes comments, preamble and commands; keeps formulas, code, headings and lists.

Owns the table of commands and environments; an unknown command leaves the text of its arguments. One pass over tokens
with a stack of open groups is linear and never recurses.
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
REMOVED = frozenset((
    "thebibliography", "tikzpicture", "comment", "filecontents", "CCSXML", "IEEEkeywords", "pgfpicture",
))  # fmt: skip
HEADINGS = {
    "title": 1, "part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraph": 5,
    "subparagraph": 6,
}  # fmt: skip
# Commands that are removed, each with this many arguments in braces.
REMOVED_COMMANDS = {
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
# Commands whose last argument is the text, each with the number of arguments before it.
ARGUMENTS_BEFORE_TEXT = {
    "href": 1, "textcolor": 1, "colorbox": 1, "fcolorbox": 2, "parbox": 1, "raisebox": 1, "scalebox": 1, "rotatebox": 1,
    "resizebox": 2, "multicolumn": 2, "multirow": 2, "foreignlanguage": 1,
}  # fmt: skip
LISTS = frozenset(("itemize", "enumerate", "description", "compactitem", "compactenum", "inparaenum"))
FIXED = {
    "par": "\n\n", "newline": "\n", "ldots": "…", "dots": "…", "textellipsis": "…", "quad": " ",
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
MAX_DEPTH = 100  # of nested groups; deeper text belongs to the outer group
MAX_FORMULA = 4000  # characters of an inline formula
_COMMENT = re.compile(r"(?<!\\)((?:\\\\){0,50})%[^\n]*(?:\n(?!\s*\n)[ \t]*)?")
_BODY = re.compile(r"\\begin\s{0,5}\{document\}")
_TITLE = re.compile(r"\\title\s{0,5}\{(?:[^{}]{1,500}|\{[^{}]{0,500}\}){0,20}\}")
_BEGIN = re.compile(r"\\begin\s{0,5}\{([A-Za-z]{1,40})(\*?)\}")
# \verb|code|, \lstinline[options]!code!, \lstinline{code}, \mintinline{python}|code|
_SPECIAL = re.compile(
    _BEGIN.pattern + r"|\\(?:verb\*?|lstinline(?:\[[^\[\]\n]{0,200}\])?|mintinline\{\w{1,30}\})"
    r"(?:\{([^{}\n]{0,500})\}|([^\w\s*{}\[])([^\n]{0,500}?)\4)"
)
_GLOSS = re.compile(r"\\ruby\s{0,5}\{([^{}]{1,200})\}\s{0,5}\{([^{}]{1,200})\}")
_QUANTITY = re.compile(
    r"\\(?:SI|qty)\s{0,5}(?:\[[^\[\]]{0,200}\])?\{([^{}]{1,100})\}\s{0,5}\{([^{}]{1,200})\}"
)
_RANGE = re.compile(r"\\(?:SIrange|qtyrange)\s{0,5}\{([^{}]{1,100})\}\{([^{}]{1,100})\}\{([^{}]{1,200})\}")
_FORMULA = re.compile(r"\\\[|\\\(|(?<!\\)\$\$?")
_TOKEN = re.compile(r"\\[A-Za-z@]{1,60}\*?|\\.|[{}~]|[^\\{}~]+|\\", re.DOTALL)
_OPTION = re.compile(r"\s{0,20}\[[^\[\]\n]{0,500}\]")
_MARK = re.compile("\x7f([0-9]{1,8})\x7f")
_LEVEL = "\x01"  # of nested lists, which becomes two blanks


def latex_to_markdown(text: str) -> str:
    """Converts the body of a document, or a fragment."""
    protected: list[str] = []
    text = _convert_environments(text.replace("\x7f", "").replace(_LEVEL, ""), protected)
    text = _COMMENT.sub(r"\1", text)
    title = _TITLE.search(text)
    body = _BODY.search(text)
    if body:
        end = text.rfind("\\end{document}")
        text = (title[0] if title else "") + text[body.end() : end if end > body.end() else len(text)]
    text = _convert_quantities(_convert_formulas(text, protected))
    text = _convert_commands(_ACCENT.sub(_compose_accent, text))
    text = text.replace("---", "—").replace("``", "“").replace("''", "”")
    text = "\n".join(line.strip() if "\x7f" not in line else line.rstrip() for line in text.split("\n"))
    text = re.sub(rf"\n{{1,2}}({_LEVEL}{{0,{MAX_DEPTH}}})- {{1,20}}", r"\n\1- ", text).replace(_LEVEL, "  ")
    text = re.sub(r"\n{3,}", "\n\n", text)
    return _MARK.sub(
        lambda match: protected[int(match[1])] if int(match[1]) < len(protected) else "", text
    ).strip()


def _compose_accent(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFC", match[2] + ACCENTS[match[1]])


def _convert_quantities(text: str) -> str:
    """Glosses become ``word(gloss)``; numbers and units (siunitx) ``5 km``, units that are commands their names."""
    text = _GLOSS.sub(r"\1(\2)", text)
    text = _RANGE.sub(lambda match: f"{match[1]}–{match[2]} {_name_units(match[3])}", text)
    return _QUANTITY.sub(lambda match: f"{match[1]} {_name_units(match[2])}", text)


def _name_units(units: str) -> str:
    return units.replace("\\per", "/").replace("\\", "").replace("~", " ")


def _protect(markdown: str, protected: list[str]) -> str:
    """Stores finished Markdown and returns the mark that the end replaces by it."""
    protected.append(markdown)
    return f"\x7f{len(protected) - 1}\x7f"


# --- environments and formulas ---------------------------------------------------------------------------


def _convert_environments(text: str, protected: list[str]) -> str:
    """Protects code (also inside lines) and formulas, removes pictures and bibliographies, keeps the content of others."""
    pieces, at = [], 0
    unclosed: set[str] = set()
    match = _SPECIAL.search(text)
    while match:
        name = match[1]
        if name is None:
            pieces += [text[at : match.start()], _protect(_code_span(match[3] or match[5] or ""), protected)]
            at = match.end()
            match = _SPECIAL.search(text, at)
            continue
        special = name in MATH or name in CODE or name in REMOVED
        ending = f"\\end{{{name}{match[2]}}}"
        end = text.find(ending, match.end()) if special and ending not in unclosed else -1
        if end < 0:
            if special:
                unclosed.add(ending)
            match = _SPECIAL.search(text, match.end())
            continue
        pieces += [
            text[at : match.start()],
            _convert_environment(match, text[match.end() : end], ending, protected),
        ]
        at = end + len(ending)
        match = _SPECIAL.search(text, at)
    return "".join([*pieces, text[at:]])


def _code_span(code: str) -> str:
    return f"`` {code} ``" if "`" in code else f"`{code}`" if code.strip() else code


def _convert_environment(match: re.Match[str], content: str, ending: str, protected: list[str]) -> str:
    name = match[1]
    if name in REMOVED:
        return "\n"
    if name in MATH:
        formula = re.sub(r"\\label\{[^{}]{0,200}\}", "", content).strip()
        bare = name in ("equation", "displaymath", "math")
        body = formula if bare else f"{match[0]}\n{formula}\n{ending}"
        return "\n\n" + _protect(f"$$\n{body}\n$$", protected) + "\n\n"
    option = _OPTION.match(content)
    lang = re.search(r"language\s{0,5}=\s{0,5}\{?(\w+)", option[0]) if option else None
    content = content[option.end() :] if option else content
    if name == "minted":
        lang = re.match(r"\s{0,5}\{(\w+)\}", content)
        content = content[lang.end() :] if lang else content
    code = content.strip("\n")
    return "\n\n" + _protect(f"```{lang[1].lower() if lang else ''}\n{code}\n```", protected) + "\n\n"


def _convert_formulas(text: str, protected: list[str]) -> str:
    """Protects ``$..$``, ``$$..$$``, ``\\(..\\)``, ``\\[..\\]``; a formula that its paragraph does not close stays text."""
    closing = {"\\[": "\\]", "\\(": "\\)", "$": "$", "$$": "$$"}
    pieces, at = [], 0
    match = _FORMULA.search(text)
    while match:
        opening = match[0]
        limit = text.find("\n\n", match.end(), match.end() + MAX_FORMULA)
        limit = match.end() + MAX_FORMULA if limit < 0 else limit
        end = text.find(closing[opening], match.end(), limit)
        if end < 0:
            match = _FORMULA.search(text, match.end())
            continue
        sign = "$" if opening in ("$", "\\(") else "$$"
        pieces += [
            text[at : match.start()],
            _protect(f"{sign}{text[match.end() : end].strip()}{sign}", protected),
        ]
        at = end + len(closing[opening])
        match = _FORMULA.search(text, at)
    return "".join([*pieces, text[at:]])


# --- commands --------------------------------------------------------------------------------------------


@dataclass
class _Group:
    """An open brace. ``close`` converts its text; ``removed`` counts further arguments of its command to remove."""

    close: Callable[[str], str]
    removed: int = 0
    lists: int = 0  # that are open
    pieces: list[str] = field(default_factory=list)


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
        elif token[0] != "\\" or len(token) == 2 and not token.isascii():
            groups[-1].pieces.append(token)
        elif len(token) == 2 and not token[1].isalpha():
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
    if group.removed and (opening := re.compile(r"\s{0,20}\{").match(text, at)):
        groups.append(_Group(lambda content: "", group.removed - 1))
        return opening.end()
    return at


def _unescape(character: str) -> str:
    if character == "\\":
        return "\n"
    return "" if character in "-/!'\"`^=.@" else " " if character in ",;: \n" else character


def _convert_command(name: str, groups: list[_Group], text: str, at: int) -> int:
    """Converts the command whose name ends at ``at``; returns where reading continues."""
    label = _OPTION.match(text, at)
    while option := _OPTION.match(text, at):
        at = option.end()
    opening = re.compile(r"\s{0,20}\{").match(text, at)
    if name == "item":
        level = _LEVEL * (min(groups[-1].lists, MAX_DEPTH) - 1)
        groups[-1].pieces.append(f"\n{level}- {_convert_label(label[0]) if label else ''}")
        while at < len(text) and text[at] in " \t":
            at += 1
        return at
    if name in FIXED:
        groups[-1].pieces.append(FIXED[name])
        return at
    if name in REMOVED_COMMANDS:
        if REMOVED_COMMANDS[name] and opening:
            groups.append(_Group(lambda content: "", REMOVED_COMMANDS[name] - 1))
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
        return _skip_environment_header(name, groups, text, opening.end())
    elif name in ARGUMENTS_BEFORE_TEXT:
        groups.append(_Group(lambda content: "", ARGUMENTS_BEFORE_TEXT[name] - 1))
    else:
        groups.append(_Group(str))
    return opening.end()


def _convert_label(option: str) -> str:
    """The term before its description, ``term: ``; nothing for a mark, such as a dash or ``(a)``."""
    term = " ".join(_convert_commands(option.strip()[1:-1]).split())
    return f"{term.rstrip(' :')}: " if sum(map(str.isalpha, term)) > 1 else ""


def _skip_environment_header(name: str, groups: list[_Group], text: str, at: int) -> int:
    """Skips ``\\begin{x}[options]{columns}`` or ``\\end{x}`` after its brace; returns where reading continues."""
    groups[-1].pieces.append("\n")
    end = re.compile(r"([A-Za-z*]{1,40})\}").match(text, at)
    if end is None:
        return at
    at = end.end()
    if end[1].rstrip("*") in LISTS:
        groups[-1].lists = max(0, groups[-1].lists + (1 if name == "begin" else -1))
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
