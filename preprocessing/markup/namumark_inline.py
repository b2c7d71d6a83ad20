"""Converts the markup inside lines of NamuMark to Markdown: links, macros, footnotes, emphasis, formulas.

Owns the marks that stand for what is already converted, and the footnotes. Every pattern ends with its line, or with the next sign
of its kind.
"""

from __future__ import annotations

import itertools
import re

from preprocessing.markup.missing_values import HOLE, remove_holes
from preprocessing.markup.small_text import convert_small_text

_MARK = re.compile("\x02([0-9]{1,9})\x03")
_BLOCK_MARK = re.compile("(?:(?<! )[ ]{1,40})?\x06([0-9]{1,9})\x06[ ]{0,40}")
_ESCAPED = re.compile(r"\\([^\sA-Za-z0-9가-힣])")
_LINK = re.compile(
    r"\[\[(?P<target>[^\[\]|\n]{0,1000})(?:\|(?P<text>(?:[^\[\]]|\[[^\[\]\n]{0,200}\](?=\]\])|\[(?!\[)|\](?!\])){0,3000}))?\]\]"
)
_HIDDEN_LINK = re.compile(r"(?:분류|category|파일|file|이미지|image):", re.IGNORECASE)
_WEB = re.compile(r"(?:https?|ftp)://|//", re.IGNORECASE)
_ANCHOR = re.compile(r"(?<=.)#s?-?[^#\s]{1,100}$")
_NO_LABEL = re.compile(r"[#\s↗⇗]*|\[?[0-9]{1,2}\]?")
_MACRO = re.compile(
    r"\[(?P<name>[A-Za-z가-힣]{2,20})(?:\((?P<given>(?:[^()\n]|\([^()\n]{0,300}\)){0,3000})\))?\]"
)
_REMOVED = frozenset((
    "목차", "tableofcontents", "toc", "각주", "footnote", "include", "youtube", "kakaotv", "nicovideo", "navertv", "vimeo", "anchor",
    "clearfix", "pstv", "tvpot",
))  # fmt: skip
_OF_WIKI = frozenset(
    ("date", "datetime", "time", "age", "dday", "pagecount", "pagevcount")
)  # which only the wiki computes
_NOTE = re.compile(r"\*(?P<name>\S{0,100})(?P<text>(?:\s.*)?)", re.DOTALL)
_FLAG = re.compile(
    r"틀:국기,(?=.*?국명\s?=(?P<country>[^,]*))(?:.*?출력\s?=(?P<shown>[^,]*))?"
)  # with the name of the country
_BRACKET = re.compile(r"([\[\]])")
_HIDDEN_LINE = re.compile(
    r"(?:\s*\[(?:목차|tableofcontents|toc|각주|footnote|clearfix|include\((?!틀:국기,)(?:[^\n\[\]]|\[\[[^\[\]\n]{0,200}\]\]){0,1000}\))\]"
    r"|\s*\[\[(?:분류|파일):[^\[\]\n]{0,1000}\]\])+\s*",
    re.IGNORECASE,
)
_FORMULA = re.compile(
    r"\[math\((?P<macro>(?:[^\[)]|\[(?!math\()|\)(?!\])){1,5000})\)\]|<math>(?P<tag>(?:[^<]|<(?!/?math>)){1,5000})</math>",
    re.IGNORECASE,
)


def _between(mark: str) -> re.Pattern[str]:
    """Text between two marks without one inside of it, in one line and without blanks at its edges."""
    sign, count = re.escape(mark[0]), len(mark)
    inside = rf"(?:[^{sign}\n]|{sign}(?!{sign * (count - 1)})){{1,3000}}"
    return re.compile(rf"(?<!{sign}){sign * count}(?=[^\s{sign}])({inside})(?<=\S){sign * count}(?!{sign})")


_EMPHASIS = (
    (_between("'''''"), r"***\1***"),
    (_between("'''"), r"**\1**"),
    (re.compile(r"'''(?!')((?:[^'\n]|'(?!'')){1,3000})'''"), r"\1"),
    (_between("''"), r"*\1*"),
    (_between("~~"), r"~~\1~~"),
    (_between("--"), r"~~\1~~"),
    (_between("__"), r"\1"),
    (_between("^^"), r"<sup>\1</sup>"),
    (_between(",,"), r"<sub>\1</sub>"),
)
AUTOMATIC = "\x05"  # begins the name of a footnote that has a number only
_BREAK = "\x04"  # [br], which may be inside of emphasis
_DEEPEST_BRACKET = 50
_ROUNDS = 4  # links within links


def is_hidden(line: str) -> bool:
    """Whether a line has nothing but contents, inclusions, categories and pictures."""
    return "[" in line and _HIDDEN_LINE.fullmatch(line) is not None


class Inline:
    """Converts lines; ``notes`` are the footnotes so far, by their names."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}
        self._numbers = itertools.count()
        self._kept: list[str] = []
        self._formulas: dict[str, str] = {}

    def keep(self, converted: str) -> str:
        """A mark that stands for converted text."""
        self._kept.append(converted)
        return f"\x02{len(self._kept) - 1}\x03"

    def keep_formulas(self, text: str) -> str:
        """The text with marks for its formulas, in which no sign of NamuMark counts."""

        def keep(match: re.Match[str]) -> str:
            formula = " ".join((match["macro"] or match["tag"]).split())
            mark = self.keep(f"${formula}$")
            self._formulas[mark] = match[0]
            return mark

        return _FORMULA.sub(keep, text) if "math" in text.lower() else text

    def source_of(self, text: str) -> str:
        """The text with its formulas as they were written: it is code."""
        return _MARK.sub(lambda mark: self._formulas.get(mark[0], mark[0]), text) if self._formulas else text

    def keep_block(self, converted: str) -> str:
        """A mark of lines of their own; nothing for blank ones."""
        if not converted.strip():
            return ""
        self._kept.append(f"\n\n{converted.strip(chr(10))}\n\n")
        return f"\x06{len(self._kept) - 1}\x06"

    def is_display(self, text: str) -> bool:
        """Whether a text is the mark of a formula in lines of its own."""
        return _MARK.fullmatch(text) is not None and self.restore(text).startswith("$$")

    def restore(self, text: str) -> str:
        """The text with what its marks stand for; no blanks stay beside lines of their own."""
        text = _BLOCK_MARK.sub(self._restore, text) if "\x06" in text else text
        return _MARK.sub(self._restore, text) if "\x02" in text else text

    def _restore(self, mark: re.Match[str]) -> str:
        return self._kept[int(mark[1])]

    def convert(self, text: str) -> str:
        """A line, a title or a cell as Markdown."""
        if "\\" in text:
            text = _ESCAPED.sub(lambda match: self.keep(match[1]), text)
        if "[" in text:
            text = _MACRO.sub(self._macro, self._links(text))
            text = self._footnotes(text)
        for pattern, replacement in _EMPHASIS:
            text = pattern.sub(replacement, text)
        text = text.replace(_BREAK, "\n")
        return re.sub(r"[ \t]+$", "", convert_small_text(text), flags=re.MULTILINE)

    def _links(self, text: str) -> str:
        for _ in range(_ROUNDS):
            before, text = text, _LINK.sub(self._link, text)
            if text == before:
                break
        return text

    def _link(self, link: re.Match[str]) -> str:
        """The label of a link; where its brackets do not pair, none of them counts, as in ``[[address|[1\\]]]``."""
        text = self.restore(link["text"]) if link["text"] and "\x02" in link["text"] else link["text"]
        shown = _shown_text(link["target"].strip(), link["text"], text)
        return (
            shown
            if shown.count("[") == shown.count("]")
            else _BRACKET.sub(lambda one: self.keep(one[1]), shown)
        )

    def _macro(self, match: re.Match[str]) -> str:
        name, given = match["name"].lower(), match["given"] or ""
        if name == "br":
            return _BREAK
        if name == "ruby":
            base, *options = given.split(",")
            reading = next((one.split("=", 1)[1] for one in options if one.strip().startswith("ruby=")), "")
            return f"{base.strip()}({reading.strip()})" if reading.strip() else base.strip()
        if name in _OF_WIKI:
            return HOLE
        if name == "include" and (flag := _FLAG.match(given)):
            country = (flag["shown"] or flag["country"]).strip()
            return "" if match.string[match.end() :].lstrip(" [").startswith(country) else country
        return "" if name in _REMOVED else match[0]

    def _footnotes(self, text: str) -> str:
        """Replaces ``[*name note]`` by ``[^name]``, from the inside out; the note may contain brackets and notes."""
        if "[*" not in text:
            return text
        open_brackets: list[list[str]] = [[]]
        too_deep = 0
        for piece in _BRACKET.split(text):
            if piece == "[" and len(open_brackets) < _DEEPEST_BRACKET:
                open_brackets.append([])
            elif piece == "]" and len(open_brackets) > 1 and not too_deep:
                inside = "".join(open_brackets.pop())
                note = _NOTE.fullmatch(inside)
                open_brackets[-1].append(
                    self._number(note["name"], note["text"].strip()) if note else f"[{inside}]"
                )
            else:
                too_deep += (piece == "[") - (piece == "]" and too_deep > 0)
                open_brackets[-1].append(piece)
        return "[".join(map("".join, open_brackets))

    def _number(self, name: str, content: str) -> str:
        if not content:
            return f"[^{name}]" if name in self.notes else ""
        name = name if name and name not in self.notes else f"{AUTOMATIC}{next(self._numbers)}"
        self.notes[name] = ""  # a note inside of it has a number of its own
        self.notes[name] = remove_holes(" ".join(self.restore(self.convert(content)).split()))[0]
        if not self.notes[name]:
            return self.notes.pop(name)
        return f"[^{name}]"


def _shown_text(target: str, text: str | None, written: str | None) -> str:
    """What a link shows; ``written`` is its text with the escaped signs."""
    if _HIDDEN_LINK.match(target):
        return ""
    if text is not None:
        return "" if _WEB.match(target) and _NO_LABEL.fullmatch((written or "").strip()) else text
    if _WEB.match(target):
        return target
    return _ANCHOR.sub("", target.removeprefix(":")).strip("/") or target
