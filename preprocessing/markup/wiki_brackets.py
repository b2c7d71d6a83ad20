"""Converts the brackets of wikitext, templates ``{{ }}`` and links ``[[ ]]``, from the inside out.

Owns the open brackets and the place of each template. Linear in the length of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from preprocessing.markup.missing_values import HOLE
from preprocessing.markup.wiki_arguments import key_of
from preprocessing.markup.wiki_lines import ROW
from preprocessing.markup.wiki_links import link_text
from preprocessing.markup.wiki_numbers import join_unit
from preprocessing.markup.wiki_page import WikiPage
from preprocessing.markup.wiki_place import Place
from preprocessing.markup.wiki_rows import FOLDED
from preprocessing.markup.wiki_templates import FLAGS, template_text
from preprocessing.markup.wiki_unknown import is_missing, unknown_text

MAX_DEPTH = 100  # of nested brackets; deeper brackets stay unchanged
_TOKEN = re.compile(r"(\{\{|\}\}|\[\[|\]\]|\|)")
_SHOWN_BEFORE = 20  # pieces, and characters of each, before a template that decide about blanks
_OPENED = re.compile(r"(?:^|\n|\()$|(?:^|[\s(|])'{2,5}$")
_BETWEEN_ROWS = re.compile(r"[ \t]{0,20}\n\s{0,20}(?:\|-[^\n]{0,200}\n\s{0,20})?")
_END_OF_LINE = re.compile(r"[ \t]*(?:\n|$)")
_BEGINS, _ENDS = re.compile("_?(?:시작|start|begin|top)"), re.compile("(?:_?(?:끝|end|bottom))?")
_PARTICLE = re.compile("[가-힣]")
_GOES_ON = re.compile(r"[^\n|}\]=]")
_NOTHING_ELSE = re.compile(
    r"\w\([ ,;·]{0,9}$"
)  # glued to a word, where empty parentheses would be those of a function
_AUTHOR = re.compile("[ \\t]*[—–] ?")
_YEARS = ("연도", "년도")
_BLOCKS = ("범례", "legend")  # stand in lines of their own
_CLOSING = re.compile(r"[ )\],.;:\n]|$")
_OPENING = {"}}": "{{", "]]": "[["}


@dataclass(slots=True)
class _Frame:
    """An open bracket, ``{{`` or ``[[``, and its parts between bars."""

    bracket: str
    parts: list[list[str]] = field(default_factory=lambda: [[]])
    begins: bool = False  # a template without text stands where a line, emphasis or brackets begin
    last: tuple[str, int, int] = ("", 0, 0)  # name of the last template, and where it ends: part and piece

    def add(self, text: str) -> None:
        if self.begins:
            text, self.begins = text.lstrip(" "), False
        self.parts[-1].append(text)

    def follows(self, key: str) -> bool:
        """Whether a template with this name is directly before."""
        name, part, piece = self.last
        return name == key and part == len(self.parts) and not "".join(self.parts[-1][piece:])

    def texts(self) -> list[str]:
        return ["".join(part) for part in self.parts]

    def literal(self) -> str:
        """The source text of a frame that is never closed."""
        return self.bracket + "|".join(self.texts())


def convert_brackets(text: str, page: WikiPage) -> str:
    """Converts templates and links from the inside out. A bracket that is never closed stays unchanged."""
    outer = _Frame("")
    stack = [outer]
    open_brackets = {"{{": 0, "[[": 0}
    tokens = _TOKEN.split(text)
    for number, token in enumerate(tokens):
        if number % 2 == 0:  # the text between two of them
            if token:
                stack[-1].add(token)
        elif token == "|" and stack[-1] is not outer:
            stack[-1].parts.append([])
        elif token in open_brackets and len(stack) <= MAX_DEPTH:
            stack.append(_Frame(token))
            open_brackets[token] += 1
        elif token in _OPENING and open_brackets[_OPENING[token]]:
            while stack[-1].bracket != _OPENING[token]:
                _close_unconverted(stack, open_brackets)
            frame = stack.pop()
            open_brackets[frame.bracket] -= 1
            if frame.bracket == "{{":
                behind = tokens[number + 1 : number + 9]
                written = _add_template(stack[-1], frame.texts(), behind, page)
                tokens[number + 1] = tokens[number + 1][written:]
            elif text := link_text(frame.texts()):
                stack[-1].add(text)
            else:
                _trim(stack[-1].parts[-1], "".join(tokens[number + 1 : number + 3]))
                stack[-1].begins |= "".join(stack[-1].parts[-1][-2:]).endswith("(")
        else:
            stack[-1].add(token)
    while len(stack) > 1:
        _close_unconverted(stack, open_brackets)
    return "".join(outer.parts[0])


def _add_template(around: _Frame, parts: list[str], behind: list[str], page: WikiPage) -> int:
    """Adds the text of a template; where it has none, its argument or no blank too many.

    Returns how many characters behind it the text has, too.
    """
    pieces, after, following = around.parts[-1], behind[0], "".join(behind)
    before = "".join(piece[-_SHOWN_BEFORE:] for piece in pieces[-_SHOWN_BEFORE:])
    text = template_text(parts, page)
    if not text:
        is_repeated = text is None and _is_beside_same(around, key_of(parts[0]), behind)
        is_glued = text is None and around.follows(key_of(parts[0])) and pieces[-1] != ""
        place = Place(before + " " * is_glued, following, after, around.bracket == "{{", is_repeated)
        text = unknown_text(parts, place, page) if text is None else text
        text = f" {text}" if is_glued and text else text
        is_hole = is_missing(parts[0], place) or (behind[0][:1] == ")" and _NOTHING_ELSE.search(before))
        text = text or (HOLE if is_hole else "")
    if text.startswith(("\n* ", "\n" + ROW)) and before[-1:] in ("", "\n"):
        text = text[1:]
    if text.startswith(("* ", ROW)) and after[:1] == "\n":
        text = text[:-1]
    key = key_of(parts[0])
    name = parts[0].strip()
    if text.startswith(f"{name} ") and before.rstrip(" ").endswith(name):
        text = text[len(name) + 1 :]  # the name is written, too
    text, written = join_unit(text, before, after) if text else ("", 0)
    is_quoted = text.startswith("\n> ") and _PARTICLE.match(after)
    if text and (is_quoted or not around.bracket):
        text = _in_line(text, key, before, following)
    if key == "음력" and before[-1:].isalnum():
        text = f"({text})"
    if text[:1] == " " == before[-1:]:
        text = text[1:]
    if text[-1:] == " " == after[:1]:
        text = text[:-1]
    if not text:
        _trim(pieces, following)
    elif (key.startswith(_BLOCKS) or key in FLAGS) and around.follows(key):
        text = f" {text}"
    around.add(text)
    around.begins = not text and _OPENED.search(before) is not None
    around.last = key, len(around.parts), len(pieces)
    return written


def _in_line(text: str, key: str, before: str, behind: str) -> str:
    """The text of a template that shows lines of its own, where it stands inside of a sentence or a cell."""
    line = before.rpartition("\n")[2].strip()
    if line[:1] in ("|", "!") and text.lstrip("\n").startswith(ROW):
        return text.strip(f"\n{ROW}").replace("\n", "").replace(ROW, ", ")
    if text[:1].isdecimal() and before[-1:].isdecimal() and "/" in text:
        return f" {text}"  # 3 and a half
    if text.startswith("\n> ") and _AUTHOR.match(behind):
        return f"{text}>"  # who said it
    if not line and (text.isdecimal() or key.endswith(_YEARS)) and _END_OF_LINE.match(behind):
        return ""  # a box that is named by its year
    if line.strip("*#:; ") and text.strip("\n").startswith(ROW) and text.count("\n") < 3:
        return text.strip(f"\n{ROW}").replace(ROW, ", ")
    if not (
        (line.strip("*#:; ") or _PARTICLE.match(behind))
        and _GOES_ON.match(behind)
        and text[:1] == text[-1:] == "\n"
    ):
        return text
    first, *more = text.strip("\n").split("\n")
    if first.startswith("> ") and all(author.startswith("> — ") for author in more):
        return f"“{first[2:]}”" + "".join(f" ({author[4:]})" for author in more)
    return text if more or key not in FOLDED else first


def _trim(pieces: list[str], behind: str) -> None:
    """Removes the blank before a bracket without text, if another or punctuation is behind it and the line has begun."""
    before = "".join(piece[-_SHOWN_BEFORE:] for piece in pieces[-_SHOWN_BEFORE:])
    if before[-1:] == " " and _CLOSING.match(behind) and before.rpartition("\n")[2].strip():
        ends = " ,;" if behind[:1] == ")" else " "
        while len(pieces) > 1 and not pieces[-1].rstrip(ends):
            pieces.pop()
        pieces[-1] = pieces[-1].rstrip(ends)


def _is_beside_same(around: _Frame, key: str, behind: list[str]) -> bool:
    """Whether the template before or behind has the same name, with nothing but the mark of a row between."""
    name, part, piece = around.last
    if (
        (name == key or _BEGINS.fullmatch(name.removeprefix(key)))
        and part == len(around.parts)
        and _BETWEEN_ROWS.fullmatch("".join(around.parts[-1][piece:]))
    ):
        return True
    opening = behind.index("{{") if "{{" in behind[:-1] else 0
    return bool(
        opening
        and _BETWEEN_ROWS.fullmatch("".join(behind[:opening]))
        and _ENDS.fullmatch(key_of(behind[opening + 1]).removeprefix(key))
    )


def _close_unconverted(stack: list[_Frame], open_brackets: dict[str, int]) -> None:
    frame = stack.pop()
    open_brackets[frame.bracket] -= 1
    stack[-1].add(frame.literal())
