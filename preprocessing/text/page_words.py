"""The words that readers of a page see: Markdown without what is written for programs.

Owns what is left out before a language is decided by words: front matter, targets of links, web addresses, tags, code spans,
formulas, braces of templates, numbers of issues, marks of emphasis and items, and the bars of tables. Labels of links and
alternative texts of pictures are words, and so are Korean sentences in a fence that names no language.
"""

from __future__ import annotations

import re

import numpy as np

from preprocessing.text.counting import has_at_least

_FRONT_MATTER = re.compile(r"\A\s*(---|\+\+\+)[ \t]*\n((?:.{0,2000}\n){1,100}?)\1[ \t]*(?:\n|\Z)")
_KEY = re.compile(r"^[ \t-]*[\w.-]{1,40}[ \t]*[:=]", re.MULTILINE)
_IS_TEXT = re.compile(
    r"[가-힣]|^[ \t]+(?![\w.-]+[ \t]*[:=]|- )\S+(?:[ \t]+\S+){5}"
)  # or a long line without a key
_ADDRESSES = re.compile(
    r"!?\[(?=[^\[\]\n]{0,400}\][(\[])"  # of a label
    r"|\]\([^()\n]{0,2000}(?:\([^()\n]{0,200}\)[^()\n]{0,2000})?\)"  # target of a link
    r"|\]\[[^\[\]\n]{0,200}\]"  # name of a target
    r"|^[ \t]{0,3}\[[^\[\]\n]{1,200}\]:[ \t]+\S.*$"  # target by name
    r"|\b(?:https?|ftp)://[^\s<>가-힣]{1,2000}",
    re.MULTILINE,
)
_MARKUP = re.compile(
    r"<!--(?:[^<-]|-(?!->)|<(?!!--)){0,4000}-->|</?[A-Za-z][^<>]{0,2000}>"
    r"|\{\{[^{}]{0,1000}\}\}|\{%[^{}]{0,1000}%\}|\{[:#.][^{}\n]{0,200}\}"
)
# each begins with a literal, which is searched fast
_ISSUE = re.compile(r"#(?<![\w&]#)\d{1,9}\b")
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
_STAR = re.compile(r"\n((?:  )*)\*(?= )")  # of an item; a star after an odd indent continues a comment
_FORMULAS = re.compile(
    r"\$\$[^$]{1,4000}\$\$|\$(?![\s$])[^$\n가-힣]{1,400}(?<![\s\\])\$(?!\d)"
    r"|\\\[(?:[^\\]|\\(?![\[\]])){1,4000}\\\]|\\\((?:[^\\\n]|\\(?![()])){1,400}\\\)"
)
FEW_FORMULAS = 2
LONGEST_FORMULA = 400
_RAISED_AND_LOWERED = re.compile(r"(?:[^<>{};\"'`$\\&#@]|</?su[bp]>)*")
_ROW = re.compile(r"^[ \t]*\|.*\|[ \t]*$", re.MULTILINE)
_SPAN = re.compile(r"(?<!`)(`{1,3})(?!`)[^`\n]{1,400}(?<!`)\1(?!`)")
_BARE_FENCE = re.compile(
    r"^([ \t]{0,8})(`{3,9}|~{3,9})[ \t]*\n((?:(?![ \t]*\2).{0,2000}\n){1,200}?)[ \t]*\2[ \t]*$", re.MULTILINE
)
_SYLLABLE, _LETTER, _CODE_SIGN = re.compile("[가-힣]"), re.compile("[A-Za-z0-9]"), re.compile("[={};]")
SYLLABLES_OF_FENCE = 10


def words_of_page(text: str) -> str:
    """The text without its parts for programs; fenced code stays, which the counts of languages leave out."""
    text = _FRONT_MATTER.sub(_values_in_korean, text, count=1)
    for pattern in (_MARKUP, _ADDRESSES, _FORMULAS, _SPAN, _ISSUE):
        text = pattern.sub("", text)
    text = _STAR.sub(r"\n\1-", _BOLD.sub(r"\1", text))
    return _ROW.sub(lambda row: row[0].replace("|", " ").strip(" \t-:"), text)


def open_prose(text: str) -> str:
    """The text with the sentences of fences without a language outside of them."""
    return _BARE_FENCE.sub(_open_fence, text) if "```\n" in text or "~~~\n" in text else text


def _open_fence(match: re.Match[str]) -> str:
    """The lines of a fence if they have more syllables than Latin letters and digits, and hardly any sign of code; otherwise the fence."""
    syllables, letters, signs = (len(p.findall(match[3])) for p in (_SYLLABLE, _LETTER, _CODE_SIGN))
    is_prose = syllables >= max(SYLLABLES_OF_FENCE, letters, 10 * signs)
    return match[3] if is_prose else match[0]


def has_formulas(text: str) -> bool:
    """Whether a text has at least FEW_FORMULAS formulas of LaTeX."""
    return "$" in text and has_at_least(_FORMULAS.finditer(text), FEW_FORMULAS)


def is_formula(text: str) -> bool:
    """True for a short text whose signs are those of a formula with raised and lowered numbers alone: ``x<sub>1</sub> + x<sub>2</sub> = 10``."""
    short = len(text) <= LONGEST_FORMULA and "</su" in text
    return short and _RAISED_AND_LOWERED.fullmatch(text) is not None


def count_syllables(text: np.ndarray) -> int:
    """The number of Hangul syllables of UTF-8 ``text: [bytes] uint8``, by their lead bytes."""
    return int(np.count_nonzero((text >= 0xEA) & (text <= 0xED)))


def _values_in_korean(match: re.Match[str]) -> str:
    """The values of front matter with Hangul, and lines of prose in any language; its keys, dates and names of files are for programs."""
    lines = (_KEY.sub("", line) for line in match[2].split("\n") if _IS_TEXT.search(line))
    return "".join(f"{line}\n" for line in lines) + "\n"
