"""Code, formulas and environments of LaTeX that are converted as a whole, before its commands.

Owns the marks that finished Markdown has until the end of a conversion.
"""

from __future__ import annotations

import re

from preprocessing.markup.markdown import code_span

MATH = frozenset((
    "equation", "align", "gather", "multline", "eqnarray", "displaymath", "math", "alignat", "flalign",
    "dmath", "IEEEeqnarray", "subequations",
))  # fmt: skip
CODE = frozenset((
    "verbatim", "Verbatim", "BVerbatim", "LVerbatim", "SaveVerbatim", "lstlisting", "minted", "alltt", "tcblisting",
))  # fmt: skip
WITHOUT_OPTIONS = frozenset(("verbatim", "alltt"))
WITH_ARGUMENT = frozenset(("minted", "tcblisting", "SaveVerbatim"))
REMOVED = frozenset((
    "thebibliography", "tikzpicture", "comment", "filecontents", "CCSXML", "IEEEkeywords", "pgfpicture", "circuitikz",
    "pspicture", "forest", "asy",
))  # fmt: skip
_CONDITION = re.compile(
    r"\\(if(?:false|true|x|num|dim|odd|case|cat|csname|defined|[hmv]mode)?|else|fi)(?![A-Za-z@])"
)
MAX_FORMULA = 4000  # characters of an inline formula
_BEGIN = re.compile(r"\\begin\s{0,5}\{([A-Za-z]{1,40})(\*?)\}")
# \verb|code|, \lstinline[options]!code!, \lstinline{code}, \mintinline{python}|code|, \url{address}, \href{address}
_SPECIAL = re.compile(
    _BEGIN.pattern + r"|\\(?:verb\*?|lstinline(?:\[[^\[\]\n]{0,200}\])?|mintinline\{\w{1,30}\})"
    r"(?:\{((?:[^{}\n]|\{[^{}\n]{0,200}\}){0,500})\}|([^\w\s*{}\[])([^\n]{0,500}?)\4)"
    r"|\\(?:(?P<shown>url|nolinkurl)|href)\s{0,5}\{(?P<address>(?!#[1-9]\})[^{}\n]{1,2000})\}"  # in which % begins no comment
)
_FORMULA = re.compile(r"\\\[|\\\(|(?<!\\)\$\$?")
_OPTIONS = re.compile(
    r"[ \t]{0,20}\[(?:[^\[\]]|\[[^\[\]]{0,200}\]){0,1000}\]"
)  # of code: in its first line, where the code has not begun
_CAPTION = re.compile(
    r"(?<![\w-])(?:caption|title)\s{0,9}=\s{0,9}(?:\{((?:[^{}]|\{[^{}]{0,200}\}){1,500})\}|([^\s,{}\[\]][^,{}\[\]]{0,500}))"
)  # of a listing
_ARGUMENT = re.compile(r"\s{0,5}\{([^{}\n]{0,300})\}")
_DEFINITION = re.compile(
    r"\\(?:lstnewenvironment|DefineVerbatimEnvironment|newtcblisting|newverbatim)\s{0,9}(?:\[[^\[\]\n]{0,200}\]\s{0,9})?\{([A-Za-z]{1,40})\}"
)  # of an environment for code

PROTECTED = re.compile("\x7f([0-9]{1,8})\x7f")
_THEOREM = re.compile(
    r"\\newtheorem\*?\s{0,9}\{([A-Za-z]{1,40}\*?)\}\s{0,9}(?:\[[^\[\]\n]{0,60}\]\s{0,9})?\{([^{}\n]{1,100})\}(?:\s{0,9}\[[^\[\]\n]{0,60}\])?"
)
_LABEL = r"(?:\s{0,20}\\label\{[^{}\n]{0,200}\})?\s{0,20}"
_MOST_THEOREMS = 50  # kinds of them


def protect(markdown: str, protected: list[str]) -> str:
    """Stores finished Markdown and returns the mark that the end replaces by it."""
    protected.append(markdown)
    return f"\x7f{len(protected) - 1}\x7f"


def convert_environments(text: str, protected: list[str]) -> str:
    """Protects code (also inside lines) and formulas, removes pictures and bibliographies, keeps the content of others."""
    pieces, at = [], 0
    unclosed: set[str] = set()
    codes = CODE.union(_DEFINITION.findall(text))
    match = _SPECIAL.search(text)
    while match:
        name = match[1]
        if name is None:
            code = match[3] or match[5] or ""
            code = code_span(code) if code.strip() else code
            shown = code if match["address"] is None else _show_address(match)
            pieces += [text[at : match.start()], protect(shown, protected)]
            at = match.end()
            match = _SPECIAL.search(text, at)
            continue
        special = name in MATH or name in codes or name in REMOVED
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


def set_code_apart(text: str, codes: list[str]) -> str:
    """Replaces code, also inside lines, by marks of its index in ``codes``."""
    pieces, at = [], 0
    unclosed: set[str] = set()
    names = CODE.union(_DEFINITION.findall(text))
    for match in _SPECIAL.finditer(text):
        end = match.end() if match[1] is None else 0
        ending = f"\\end{{{match[1]}{match[2]}}}"
        if match[1] in names and match.start() >= at and ending not in unclosed:
            end = text.find(ending, match.end()) + len(ending)
            if end < len(ending):
                unclosed.add(ending)
                end = 0
        if end and match.start() >= at:
            pieces += [text[at : match.start()], protect(text[match.start() : end], codes)]
            at = end
    return "".join([*pieces, text[at:]])


def _show_address(match: re.Match[str]) -> str:
    """That of ``\\url``; the text of a link follows its address, which is not shown."""
    return re.sub(r"\\([%#&_~{}])", r"\1", match["address"]) if match["shown"] else ""


def _convert_environment(match: re.Match[str], content: str, ending: str, protected: list[str]) -> str:
    name = match[1]
    if name in REMOVED:
        return "\n"
    if name in MATH:
        formula = re.sub(r"\\label\{[^{}]{0,200}\}", "", content).strip()
        bare = name in ("equation", "displaymath", "math")
        body = formula if bare else f"{match[0]}\n{formula}\n{ending}"
        return "\n\n" + protect(f"$$\n{body}\n$$", protected) + "\n\n"
    return _convert_listing(name, content, protected)


def _convert_listing(name: str, content: str, protected: list[str]) -> str:
    """A fence, below the caption that its options contain."""
    option = None if name in WITHOUT_OPTIONS else _OPTIONS.match(content)
    content = content[option.end() :] if option else content
    argument = _ARGUMENT.match(content) if name in WITH_ARGUMENT else None
    content = content[argument.end() :] if argument else content
    settings = f"{option[0] if option else ''} {argument[1] if argument and name == 'tcblisting' else ''}"
    lang = re.search(r"language\s{0,5}=\s{0,5}\{?(?:\[[^\[\]]{0,60}\])?(\w[\w+#]*)", settings)
    lang = argument if name == "minted" else lang
    caption = _CAPTION.search(settings)
    head = f"\n\n\\caption{{{(caption[1] or caption[2]).strip()}}}" if caption else ""
    language = lang[1].lower() if lang and re.fullmatch(r"[\w+#]+", lang[1]) else ""
    code = content.strip("\n")
    return f"{head}\n\n" + protect(f"```{language}\n{code}\n```", protected) + "\n\n"


def convert_formulas(text: str, protected: list[str]) -> str:
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
            protect(f"{sign}{text[match.end() : end].strip()}{sign}", protected),
        ]
        at = end + len(closing[opening])
        match = _FORMULA.search(text, at)
    return "".join([*pieces, text[at:]])


def name_theorems(text: str) -> str:
    """Begins what a document defines by ``\\newtheorem{thm}{정리}`` with its name and its title: ``**정리 (피타고라스).**``."""
    names = dict(_THEOREM.findall(text)) if "\\newtheorem" in text else {}
    if not 0 < len(names) <= _MOST_THEOREMS:
        return text
    kinds = "|".join(map(re.escape, names))
    opening = re.compile(rf"\\begin\s{{0,5}}\{{({kinds})\}}(?:\s{{0,20}}\[([^\[\]\n]{{1,500}})\])?{_LABEL}")

    def name(match: re.Match[str]) -> str:
        title = f" ({match[2]})" if match[2] else ""
        return f"\n\n\\textbf{{{names[match[1]]}{title}.}} "

    return opening.sub(name, _THEOREM.sub("", text))


def remove_hidden(text: str) -> str:
    """The text without what ``\\iffalse`` hides up to its ``\\else`` or ``\\fi``."""
    pieces, at = [], 0
    hidden: int | None = None  # where it begins
    depth = 0  # of the conditions in it
    for match in _CONDITION.finditer(text):
        if hidden is None:
            hidden = match.start() if match[1] == "iffalse" else None
        elif match[1].startswith("if"):
            depth += 1
        elif depth:
            depth -= match[1] == "fi"
        else:
            pieces.append(text[at:hidden])
            at, hidden = match.end(), None
    return "".join([*pieces, text[at:]])
