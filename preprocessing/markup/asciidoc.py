"""Converts AsciiDoc to light Markdown: headings, delimited blocks, lists, notes, tables; comments and settings are removed.

Reads blocks line by line; ``asciidoc_inline`` converts the markup inside lines, ``asciidoc_tables`` tables. Follows the
AsciiDoc language documentation (docs.asciidoctor.org). Included files are not read. Linear in the length of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from preprocessing.markup.asciidoc_blocks import (
    HEADING,
    SETTINGS_OF_CODE,
    ends_of_blocks,
    fenced,
    is_prose,
    quotation,
    read_term,
    titles_by_anchor,
    underlined,
)
from preprocessing.markup.asciidoc_inline import convert_inline
from preprocessing.markup.asciidoc_tables import convert_table

_ATTRIBUTE = re.compile(r":(?P<unset>!?)(?P<name>[A-Za-z0-9_][\w-]*)!?:(?:[ \t]+(?P<value>.*))?")
_REFERENCE = re.compile(r"\{([A-Za-z0-9_][\w-]{0,60})\}")
_SETTINGS = re.compile(r"\[(?:|(?:[A-Za-z,\"\[]|[.#%]\w)[^\[\]]*(?:\[[^\[\]]*\])?[^\[\]]*)\]\]?[ \t]*")
_SURE_SETTINGS = re.compile(
    r"\[(?:\[|[#.%]\w|,|(?:source|listing|literal|quote|verse|qanda|horizontal|discrete|example|sidebar|abstract|NOTE|TIP|IMPORTANT|WARNING"
    r"|CAUTION|cols=|options=)(?![\w ]))"
)  # which also end a paragraph
_DIRECTIVE = re.compile(
    r"(?P<name>include|operation|ifdef|ifndef|ifeval|endif|toc)::[^\[\]\n]*\[(?P<text>.*)\][ \t]*"
)
_BLOCK_TITLE = re.compile(r"\.(?P<title>[^\s.].*)")
_ITEM = re.compile(r"[ \t]*(?P<mark>\*{1,6}|-|\.{1,6}|[0-9]{1,9}\.)[ \t]+(?P<text>\S.*)")
_NOTE = re.compile(r"(?P<name>NOTE|TIP|IMPORTANT|WARNING|CAUTION):[ \t]+(?P<text>.*)")
_NOTES = ("NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION")
_CHECKBOX = re.compile(r"\[(?P<mark>[ x*])\][ \t]+")
_LONGEST_SETTINGS = 1000  # characters
_MOST_ROUNDS = 3  # blocks within blocks whose delimiters are read


def asciidoc_to_markdown(text: str) -> str:
    """Converts a document or a fragment."""
    lines = text.replace("\x7f", "").split("\n")
    converter = _Converter(titles_by_anchor(lines))
    converter.convert(lines)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(converter.written)).strip("\n")


@dataclass
class _Converter:
    titles: dict[str, str]
    written: list[str] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    settings: str = ""  # attribute lines before a block
    marks: list[tuple[str, int]] = field(
        default_factory=list
    )  # marks of the open lists, with the last number
    column: int = 0  # of the text of the list item
    prose: list[str] = field(default_factory=list)
    prefix: str = ""  # of the next paragraph, such as a note's
    is_attached: bool = False  # the next block belongs to a list item
    is_header: bool = False  # below the title of the document

    def convert(self, lines: list[str], depth: int = 0) -> None:
        ends = ends_of_blocks(lines)
        at = 0
        while at < len(lines):
            line = lines[at].rstrip()
            end = ends.get(at)
            if end is not None:
                self._flush()
                self._write_block(line, lines[at + 1 : end], depth)
                at = end + 1
            elif not self.prose and (level := underlined(lines, at)):
                self._write_heading(level, line)
                at += 2
            else:
                self._convert_line(line)
                at += 1
        self._flush()

    def _convert_line(self, line: str) -> None:
        if not line.strip():
            self._flush()
            self._write("")
            self.is_header = False
        elif line.startswith("//") and not line.startswith("///"):
            return
        elif line == "+" and (self.marks or self.prose):
            self._flush()
            self.is_attached = True
        elif not self._convert_settings(line):
            self._convert_text(line)

    def _convert_settings(self, line: str) -> bool:
        """Reads attributes, directives and the settings of the next block; False for other lines."""
        if attribute := _ATTRIBUTE.fullmatch(line):
            if self.is_header:
                self._flush()
            if not attribute["unset"]:
                raw = attribute["value"] or ""
                value = _REFERENCE.sub(lambda name: self.attributes.get(name[1], name[0]), raw)
                self.attributes[attribute["name"]] = value if len(value) <= _LONGEST_SETTINGS else raw
            return not self.prose
        if directive := _DIRECTIVE.fullmatch(line):
            if directive["name"].startswith("if") and directive["text"] and directive["name"] != "ifeval":
                self._convert_text(directive["text"])
            return True
        if line == "<<<":
            return True
        if (not self.prose or _SURE_SETTINGS.match(line)) and _SETTINGS.fullmatch(line):
            self._flush()
            name = line[1:-1].split(",")[0].split("%")[0]
            if name in _NOTES:
                self.prefix = f"**{name.capitalize()}:** "
            else:
                self.settings = line if len(self.settings) > _LONGEST_SETTINGS else self.settings + line
            return True
        return False

    def _convert_text(self, line: str) -> None:
        if heading := HEADING.fullmatch(line):
            self._flush()
            self._write_heading(len(heading["level"]), heading["title"])
        elif line == "'" * len(line) and len(line) > 2:
            self._flush()
            self._write_blocks("---")
        elif not self.prose and (title := _BLOCK_TITLE.fullmatch(line)):
            self._write_blocks(f"**{self._inline(title['title'])}**")
        elif (item := _ITEM.fullmatch(line)) and (self._ends_paragraph() or not item["mark"][0].isdigit()):
            self._flush()
            self._begin_item(item["mark"], item["text"])
        elif self._ends_paragraph() and (term := read_term(line)) is not None:
            self._write_term(term)
        elif not self.prose and (note := _NOTE.fullmatch(line)):
            self.prose = [f"**{note['name'].capitalize()}:** {note['text']}"]
        else:
            self.prose.append(line)

    # --- lists -------------------------------------------------------------------------------------------

    def _begin_item(self, mark: str, text: str) -> None:
        """An item whose level follows from the order in which marks appear; numbers of the author are one mark."""
        first, mark = (int(mark[:-1]), "1.") if mark[0].isdigit() else (0, mark)
        level = next((n for n, (known, _) in enumerate(self.marks) if known == mark), None)
        if level is None:
            self.marks.append((mark, 0))
        else:
            del self.marks[level + 1 :]
        number = first or self.marks[-1][1] + 1
        self.marks[-1] = (mark, number)
        indent = "".join("   " if known[0] in ".1" else "  " for known, _ in self.marks[:-1])
        text = _CHECKBOX.sub(lambda box: "[ ] " if box["mark"] == " " else "[x] ", text, count=1)
        head = f"{indent}{f'{number}.' if mark[0] in '.1' else '-'} "
        self.column = len(head)
        self.prose = [f"{head}\x00{text}"]

    def _ends_paragraph(self) -> bool:
        """Whether the line before is empty or belongs to an item."""
        return not self.prose or "\x00" in self.prose[0]

    def _write_term(self, term: re.Match[str]) -> None:
        self._flush()
        name = self._inline(term["term"])
        self.prose = [f"{name}: \x00{term['text'] or ''}"]

    # --- writing -----------------------------------------------------------------------------------------

    def _inline(self, text: str) -> str:
        return convert_inline(text, self.attributes, self.titles)

    def _write(self, line: str) -> None:
        self.written.append(line)

    def _write_blocks(self, *lines: str) -> None:
        """Writes lines between empty ones, in the item that they are attached to."""
        indent = " " * self.column if self.is_attached and self.marks else ""
        self.written += ["", *((indent + line).rstrip() if indent else line for line in lines), ""]

    def _write_heading(self, level: int, title: str) -> None:
        self.marks, self.settings, self.prefix, self.is_attached = [], "", "", False
        self._write_blocks(f"{'#' * level} {self._inline(title).strip()}")
        self.is_header = level == 1

    def _flush(self) -> None:
        """Writes the paragraph or list item that has been read."""
        lines, self.prose = self.prose, []
        if not lines:
            return
        head, mark, first = lines[0].partition("\x00")
        if not mark:
            head, first = "", lines[0]
            is_literal = first[:1] in (" ", "\t") or self.settings.startswith(SETTINGS_OF_CODE)
            if is_literal and not is_prose(lines):
                self._write_code(lines)
                return
            if not self.is_attached and first[:1] not in (" ", "\t"):
                self.marks = []
        text = (
            self._inline("\n".join([first, *lines[1:]]))
            if not self.settings.startswith("[stem")
            else "\n".join(lines)
        )
        parts = [line.strip() if self.marks or mark else line for line in text.split("\n")]
        indent = " " * len(head) if mark and self.marks else ""
        joined = ("\n" + indent).join(part for part in parts if part.strip())
        if self.settings.startswith(("[quote", "[verse")):
            joined = quotation(joined.split("\n"), self.settings)
        if self.is_attached and not mark and joined.strip():
            self._write_blocks(*(self.prefix + joined).rstrip().split("\n"))
        elif joined.strip() or head.strip():
            self._write((self.prefix + head + joined).rstrip())
        self.prefix, self.settings, self.is_attached = "", "", False

    def _write_code(self, body: list[str]) -> None:
        self._write_blocks(*fenced(body, self.settings))
        self.settings, self.is_attached = "", False

    def _write_block(self, delimiter: str, body: list[str], depth: int) -> None:
        sign = delimiter[0]
        if sign == "/":
            return
        if not self.is_attached:
            self.marks = []
        if sign in "-.`":
            body = [line for line in body if not line.startswith("include::")]
            if not any(map(str.strip, body)):  # of other files only
                self.settings, self.is_attached = "", False
                return
        if sign in "|!,:":
            self._write_blocks(*convert_table(sign, self.settings, body, self._inline))
        elif sign == "`":
            self._write_blocks(delimiter, *body, "```")
        elif sign == "+":
            is_formula = self.settings.startswith(("[stem", "[latexmath", "[asciimath"))
            self._write_blocks(*(["$$", *body, "$$"] if is_formula else body))
        elif sign in "-." and len(delimiter) > 2 or self.settings.startswith(SETTINGS_OF_CODE):
            self._write_code(body)
            return
        else:
            self._write_nested(sign, body, depth)
        self.settings, self.is_attached = "", False

    def _write_nested(self, sign: str, body: list[str], depth: int) -> None:
        """The text of a block that contains other blocks."""
        inner = _Converter(self.titles, attributes=self.attributes, prefix=self.prefix)
        if depth < _MOST_ROUNDS:
            inner.convert(body, depth + 1)
        else:
            inner.written = body
        lines = "\n".join(inner.written).strip("\n").split("\n")
        if sign == "_" or self.settings.startswith(("[quote", "[verse")):
            lines = quotation(lines, self.settings).split("\n")
        self._write_blocks(*lines)
        self.prefix = ""
