"""Converts NamuMark, the syntax of NamuWiki, to Markdown.

Owns braces (``{{{ }}}``), lines, lists and quotations; ``namumark_inline`` converts links, macros, footnotes and emphasis,
``namumark_tables`` tables. Follows the wiki's own description of its syntax. Categories, pictures, videos, contents and inclusions of
other documents are removed; footnotes stay and follow the text. Linear in the length of the text, times the depth of braces.
"""

from __future__ import annotations

import itertools
import re

from preprocessing.markup.html_lists import write_number
from preprocessing.markup.html_text import remove_tags
from preprocessing.markup.markdown import code_span, fence_around
from preprocessing.markup.missing_values import HOLE, remove_holes
from preprocessing.markup.namumark_inline import AUTOMATIC, Inline, is_hidden
from preprocessing.markup.namumark_tables import convert_table, find_table
from preprocessing.markup.wiki_sections import remove_sections

_REDIRECT = re.compile(r"(?:={1,6} [^\n]{0,500}\n)?\s{0,20}#(?:redirect|넘겨주기)\s", re.IGNORECASE)
_BRACES = re.compile(r"\{\{\{|\}\}\}")
_BLOCK = re.compile(r"#!(?P<name>[A-Za-z-]+)[ \t]{0,20}")
_ATTRIBUTES = re.compile(
    r"(?:\s{0,20}[A-Za-z-]{1,40}\s?=\s?(?:\"[^\"\n]{0,2000}\"|'[^'\n]{0,2000}'))*[ \t]{0,20}\n?"
)
_DISPLAY = re.compile(r"\bdisplay\s?:\s?(none|inline)", re.IGNORECASE)
_SIZE_OR_COLOR = re.compile(
    r"(?:[+-][1-5]|#(?!redirect)[A-Za-z0-9]{3,20}(?:,[ ]?#?[A-Za-z0-9]{3,20})?)(?=[ \n])[ \n]"
)
_FOLDING = re.compile(
    r"[\[\]【】\s·•/|-]*(?:(?:펼치기|접기|펼침|보기|숨기기|열기|닫기|더|클릭)[\[\]【】\s·•/|-]*)*"
)
_ASK_TO_FOLD = re.compile(r"(?:[ ·•/|-]{1,9}(?:펼치기|접기|펼침|보기|숨기기|열기|닫기)){1,4}[ \]】]*$")
_HEADING = re.compile(
    r"(?P<marks>={1,6})(?P<folded>#?)[ ]?(?P<title>[^\s=#].*?)[ ]?(?P=folded)(?P=marks)[ \t]*"
)
_RULES = re.compile(r"(?:^|\n)---(?:\n\s{0,40}---)*(?=\n|$)")
_RULE = re.compile(r"-{4,9}[ \t]*")
_ITEM = re.compile(r"(?P<indent>[ ]{1,40})(?P<mark>\*|1\.|[aAiI]\.)(?:#(?P<start>\d{1,6}))?[ ]?(?P<text>.*)")
_MOST_BRACES = 20  # braces within braces that are read
_MOST_QUOTES = 8
_MOST_LINES_OF_NOTE = 20
_FORGED = re.compile(f"[\x02-\x06{HOLE}]")
_TEXT_BOX = re.compile(r"(?<!\{)\{\{\|((?:[^{}|]|\|(?!\}\})){1,5000})\|\}\}(?!\})")
_REFERENCE = re.compile(rf"\[\^({AUTOMATIC}[0-9]+)\]")


def namumark_to_markdown(text: str) -> str:
    """Converts a document or a fragment; a redirection has no text."""
    if _REDIRECT.match(text):
        return ""
    document = _Document()
    text = document.inline.keep_formulas(_FORGED.sub("", text.replace("\r\n", "\n")))
    body = remove_sections(document.blocks(text, 0), ())
    body = document.inline.restore(_RULES.sub("\n\n---\n\n", body).strip().removeprefix("---\n"))
    return re.sub(r"\n{3,}", "\n\n", _with_notes(body, document.inline.notes)).strip("\n")


def _with_notes(body: str, notes: dict[str, str]) -> str:
    """The text with its footnotes below it, numbered in the order in which they are mentioned."""
    order = list(dict.fromkeys(re.findall(r"\[\^([^\]]+)\]", "\n".join([body, *notes.values()]))))
    named = list(dict.fromkeys([*(name for name in order if name in notes), *notes]))
    automatic = [name for name in named if name.startswith(AUTOMATIC)]
    free = (number for number in map(str, itertools.count(1)) if number not in notes)
    numbers = dict(zip(automatic, free))
    lines = [body, "", *(f"[^{name}]: {notes[name]}" for name in named)]
    return _REFERENCE.sub(lambda match: f"[^{numbers.get(match[1], '')}]", "\n".join(lines))


class _Document:
    """What the parts of a document share: footnotes, and what is already converted, which marks stand for."""

    def __init__(self) -> None:
        self.inline = Inline()

    def blocks(self, text: str, depth: int) -> str:
        """The blocks of a text as Markdown, with marks of what is converted by itself."""
        lines = self._lines(_join_open_brackets(self._replace_braces(text, depth).split("\n")), depth)
        return remove_holes("\n".join(lines))[0]

    # --- braces ------------------------------------------------------------------------------------------

    def _replace_braces(self, text: str, depth: int) -> str:
        """Replaces ``{{{ }}}``, from the outside in; what never closes stays."""
        text = _TEXT_BOX.sub(r"\1", text) if "{{|" in text else text
        if "{{{" not in text or depth >= _MOST_BRACES:
            return text
        pieces, done = [], 0
        for start, end in _outer_braces(text):
            pieces += [text[done:start], self._replace(text[start + 3 : end - 3], depth)]
            done = end
        return "".join([*pieces, text[done:]])

    def _replace(self, inside: str, depth: int) -> str:
        """The text that replaces braces around ``inside``: NamuMark, or a mark of what is converted."""
        if block := _BLOCK.match(inside):
            return self._replace_block(block["name"].lower(), inside[block.end() :], depth)
        if style := _SIZE_OR_COLOR.match(inside):
            return self._replace_content(inside[style.end() :], depth)
        if "\n" in inside:
            return self._fence("", inside)
        return self.inline.keep(code_span(self.inline.source_of(inside).strip())) if inside.strip() else ""

    def _replace_block(self, name: str, rest: str, depth: int) -> str:
        head, _, body = rest.partition("\n")
        if name == "syntax":
            return self._fence(head.strip(), body)
        if name == "html":
            return self.inline.keep(remove_tags(rest).strip())
        if name in ("latex", "math"):
            return self.inline.keep(f"$${self.inline.source_of(rest).strip()}$$") if rest.strip() else ""
        if name == "folding":
            title = "" if _FOLDING.fullmatch(head) else f"{_ASK_TO_FOLD.sub('', head).strip(' []【】')}\n"
            return self._replace_content(f"\n{title}{body}\n", depth)
        if name.endswith("style"):
            return ""
        if name == "wiki":
            attributes = _ATTRIBUTES.match(rest)
            content = rest[attributes.end() :] if attributes else rest
            displays = _DISPLAY.findall(attributes[0]) if attributes else []
            if displays and displays[-1].lower() == "none":
                return ""
            is_inline = "\n" not in rest or (displays and "\n" not in content.strip("\n"))
            return self._replace_content(content.strip("\n") if is_inline else f"\n{content}", depth)
        return self._replace_content(body, depth)

    def _replace_content(self, content: str, depth: int) -> str:
        """Content of one line without a table belongs to the line around it; other content is converted by itself."""
        if "\n" not in content and "||" not in content:
            return self._replace_braces(content, depth + 1)
        return self.inline.keep_block(self.inline.restore(self.blocks(content, depth + 1)))

    def _fence(self, language: str, code: str) -> str:
        code = self.inline.source_of(code).strip("\n")
        fence = fence_around(code)
        return self.inline.keep_block(f"{fence}{language}\n{code}\n{fence}") if code.strip() else ""

    # --- lines -------------------------------------------------------------------------------------------

    def _lines(self, lines: list[str], depth: int) -> list[str]:
        written: list[str] = []
        bare = [line.lstrip(" ") for line in lines]
        at, content = 0, 0  # where the text of the last item begins; 0 outside of lists
        counts: dict[int, int] = {}  # last number of each level
        while at < len(lines):
            line = lines[at]
            if line.startswith("##") or is_hidden(line):
                at += 1
            elif bare[at].startswith(">"):
                end = next((n for n in range(at, len(lines)) if not bare[n].startswith(">")), len(lines))
                written += self._quotation(bare[at:end], depth)
                at = end
            elif bare[at].startswith("|") and (end := find_table(bare, at)):
                written += ["", *convert_table(bare[at:end], self._cell), ""]
                at = end
            elif item := _ITEM.fullmatch(line):
                mark = _next_mark(item, counts)
                content = _content_of(item, counts)
                written += self._item(item, content, mark)
                at += 1
            else:
                if content and line and not line.startswith(" "):
                    written.append("")  # else the line would continue the last item
                    content, counts = 0, {}
                written += self._line(line, " " * content)
                at += 1
        return written

    def _item(self, item: re.Match[str], content: int, mark: str) -> list[str]:
        text = self.inline.convert(item["text"]).lstrip(" ").replace("\n", "\n" + " " * content)
        return [f"{' ' * max(0, content - len(mark) - 1)}{mark} {text}"] if text else []

    def _line(self, line: str, indent: str) -> list[str]:
        if not line.strip():
            return [""]
        if heading := _HEADING.fullmatch(line):
            return ["", f"{'#' * len(heading['marks'])} {self.inline.convert(heading['title'])}", ""]
        if _RULE.fullmatch(line):
            return ["", "---", ""]
        text = self.inline.convert(line.strip()).lstrip(" ")
        if text[:1] == "\x02" and self.inline.is_display(text):
            return ["", indent + text, ""]
        return [indent + text.replace("\n", f"\n{indent}")] if text else []

    def _quotation(self, lines: list[str], depth: int) -> list[str]:
        inside = [line[1:].removeprefix(" ") for line in lines]
        if depth < _MOST_QUOTES:
            inside = "\n".join(self._lines(inside, depth + 1)).strip("\n").split("\n")
        return ["", *(f"> {line}".rstrip() for line in inside), ""]

    def _cell(self, text: str) -> list[str]:
        """The lines of a cell as Markdown."""
        return self.inline.restore("\n".join(self._lines(text.split("\n"), _MOST_QUOTES))).split("\n")


def _outer_braces(text: str) -> list[tuple[int, int]]:
    """``(start, end)`` of braces that close and are not inside of others."""
    open_at: list[int] = []
    outer: list[tuple[int, int]] = []
    for brace in _BRACES.finditer(text):
        if brace[0] == "{{{":
            open_at.append(brace.start())
        elif open_at:
            start = open_at.pop()
            while outer and outer[-1][0] > start:
                outer.pop()
            outer.append((start, brace.end()))
    return outer


def _join_open_brackets(lines: list[str]) -> list[str]:
    """Footnotes and inclusions that go on in the lines below, in one line."""
    joined: list[str] = []
    at = 0
    while at < len(lines):
        end, line = at + 1, lines[at]
        balance = line.count("[") - line.count("]") if "[*" in line or "[include(" in line else 0
        while balance > 0 and end < min(len(lines), at + _MOST_LINES_OF_NOTE) and lines[end].strip():
            balance += lines[end].count("[") - lines[end].count("]")
            end += 1
        end = end if balance <= 0 else at + 1
        joined.append(" ".join(lines[at:end]) if end > at + 1 else line)
        at = end
    return joined


def _next_mark(item: re.Match[str], counts: dict[int, int]) -> str:
    """The mark of an item; numbers count on from the item before it on its level."""
    level = len(item["indent"])
    for deeper in [other for other in counts if other > level]:
        del counts[deeper]
    if item["mark"] == "*":
        counts.pop(level, None)
        return "-"
    counts[level] = int(item["start"]) if item["start"] else counts.get(level, 0) + 1
    return f"{write_number(counts[level], item['mark'][0])}."


def _content_of(item: re.Match[str], counts: dict[int, int]) -> int:
    """Where the text of an item begins: its level is the number of blanks before its mark, and numbers take three columns."""
    levels = range(1, min(len(item["indent"]), 8) + 1)
    return sum(3 if level in counts else 2 for level in levels)
