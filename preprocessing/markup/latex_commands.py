"""Commands and environments of LaTeX: what each stands for, and how many of its arguments are no text.

An unknown command leaves the text of its arguments.
"""

from __future__ import annotations

HEADINGS = {
    "title": 1, "part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraph": 5,
    "subparagraph": 6, "frametitle": 3,
}  # fmt: skip
# Commands that are removed, each with this many arguments in braces.
REMOVED_COMMANDS = {
    "label": 1, "cite": 1, "citep": 1, "citet": 1, "citealp": 1, "citeauthor": 1, "citeyear": 1, "nocite": 1, "ref": 1,
    "eqref": 1, "autoref": 1, "cref": 1, "Cref": 1, "pageref": 1, "vspace": 1, "hspace": 1, "includegraphics": 1,
    "bibliography": 1, "bibliographystyle": 1, "usepackage": 1, "documentclass": 1, "input": 1, "include": 1,
    "setlength": 2, "addtolength": 2, "addcontentsline": 3, "setcounter": 2, "pagestyle": 1, "thispagestyle": 1, "newtheorem": 2,
    "newenvironment": 3, "DeclareMathOperator": 2, "rowcolor": 1, "cellcolor": 1, "column": 1, "color": 1, "index": 1, "author": 1, "date": 1,
    "thanks": 1, "hypersetup": 1, "graphicspath": 1, "footnotemark": 0, "affiliation": 1, "email": 1, "textwidth": 0,
    "pagenumbering": 1, "addbibresource": 1, "parencite": 1, "textcite": 1, "autocite": 1, "footcite": 1, "citeyearpar": 1,
    "nameref": 1, "vref": 1, "Autoref": 1, "definecolor": 3, "columncolor": 1, "arrayrulecolor": 1, "theoremstyle": 1,
    "numberwithin": 2, "newcounter": 1, "stepcounter": 1, "refstepcounter": 1, "addtocounter": 2, "setstretch": 1,
    "captionsetup": 1, "lstset": 1, "sisetup": 1, "tikzset": 1, "geometry": 1, "selectlanguage": 1, "setmainfont": 1,
    "setmainhangulfont": 1, "includepdf": 1, "lstinputlisting": 1, "verbatiminput": 1, "subfile": 1, "markboth": 2,
    "fontsize": 2, "rule": 2, "phantom": 1, "bibitem": 1, "tag": 1, "newlist": 3, "setlist": 1,
    "newcolumntype": 2, "linespread": 1, "tabto": 1, "import": 2, "subimport": 2, "hline": 0, "centering": 0,
}  # fmt: skip
AROUND = {
    "textbf": ("**", "**"), "emph": ("*", "*"), "textit": ("*", "*"), "texttt": ("`", "`"), "footnote": (" (", ")"),
    "footnotetext": (" (", ")"), "endnote": (" (", ")"), "marginpar": (" (", ")"), "marginnote": (" (", ")"), "sidenote": (" (", ")"),
    "tablefootnote": (" (", ")"), "caption": ("\n\n", "\n\n"), "subtitle": ("\n\n", "\n\n"), "blocktitle": ("**", "**\n\n"), "ang": ("", "°"),
    "textsuperscript": ("^", ""), "url": ("", ""), "enquote": ("“", "”"),
}  # fmt: skip
# Commands whose last argument is the text, each with the number of arguments before it.
ARGUMENTS_BEFORE_TEXT = {
    "href": 1, "textcolor": 1, "colorbox": 1, "fcolorbox": 2, "parbox": 1, "raisebox": 1, "scalebox": 1, "rotatebox": 1,
    "captionof": 1, "adjustbox": 1, "hypertarget": 1, "hyperlink": 1, "resizebox": 2, "multicolumn": 2, "multirow": 2, "foreignlanguage": 1,
}  # fmt: skip
# Environments with arguments that are no text, each with their number.
ARGUMENTS_OF_ENVIRONMENTS = {
    "array": 1, "minipage": 1, "multicols": 1, "column": 1, "adjustbox": 1, "spacing": 1, "subfigure": 1, "wrapfigure": 2,
    "wraptable": 2, "CJK": 2,
}  # fmt: skip
ORDERED = frozenset(("enumerate", "compactenum", "inparaenum", "questions"))
LISTS = frozenset(("itemize", "description", "compactitem", "choices", "checkboxes")) | ORDERED
ITEMS = frozenset(("item", "question", "choice", "CorrectChoice", "correctchoice"))
"""Commands that begin an item, those of exams among them."""
FIXED = {
    "par": "\n\n", "newline": "\n", "ldots": "…", "dots": "…", "textellipsis": "…", "quad": " ",
    "qquad": " ", "LaTeX": "LaTeX", "TeX": "TeX", "BibTeX": "BibTeX", "XeTeX": "XeTeX", "XeLaTeX": "XeLaTeX",
    "LuaTeX": "LuaTeX", "LuaLaTeX": "LuaLaTeX", "textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^",
    "copyright": "©", "textcopyright": "©", "textregistered": "®", "texttrademark": "™", "textendash": "–", "textemdash": "—",
    "S": "§", "P": "¶", "dag": "†", "ddag": "‡", "pounds": "£", "ss": "ß", "o": "ø", "O": "Ø", "ae": "æ", "AE": "Æ", "oe": "œ",
    "OE": "Œ", "aa": "å", "AA": "Å", "l": "ł", "L": "Ł", "i": "ı", "textbar": "|", "textless": "<", "textgreater": ">",
    "textunderscore": "_", "textdollar": "$", "textbraceleft": "{", "textbraceright": "}", "textquotesingle": "'",
    "textquoteleft": "‘", "textquoteright": "’", "textquotedblleft": "“", "textquotedblright": "”", "textbullet": "•",
    "textperiodcentered": "·", "textdegree": "°", "degree": "°", "textcelsius": "℃", "textmu": "µ", "texttimes": "×", "textpm": "±",
    "textwon": "₩", "texteuro": "€", "euro": "€", "textyen": "¥", "textsection": "§", "textparagraph": "¶", "textonehalf": "½",
    "textrightarrow": "→", "textleftarrow": "←", "rightarrow": "→", "leftarrow": "←", "Rightarrow": "⇒", "rarr": "→", "larr": "←",
    "checkmark": "✓", "slash": "/",
}  # fmt: skip
PARTICLES = frozenset("은는이가을를와과로으라")
"""First syllables of the particles that ko.TeX chooses by the word before them: ``\\는``."""
KNOWN = frozenset((
    *HEADINGS, *REMOVED_COMMANDS, *AROUND, *ARGUMENTS_BEFORE_TEXT, *FIXED, *ITEMS, "begin", "end",
)) - {"rarr", "larr", "degree", "euro", "slash", "checkmark"}  # fmt: skip
"""Commands that no document defines otherwise."""
