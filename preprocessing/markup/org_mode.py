"""Converts Org mode to Markdown: headings, lists, blocks, tables; comments, settings and properties are removed.

Reads blocks line by line; ``org_inline`` converts the markup inside lines. Follows the syntax of Org
(orgmode.org/worg/org-syntax.html). Included files are not read. Linear in the length of the text.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable

from preprocessing.markup.html_text import page_to_text
from preprocessing.markup.indentation import column_of_item, indented
from preprocessing.markup.latex import latex_to_markdown
from preprocessing.markup.markdown import fence_around
from preprocessing.markup.org_inline import convert_inline

_HEADING = re.compile(r"(?P<level>\*+)[ \t]+(?P<title>\S.*)")
_STATE = re.compile(r"(?:TODO|DONE|NEXT|WAIT(?:ING)?|CANCEL(?:L?ED)?)[ \t]+(?=\S)")
_PRIORITY = re.compile(r"\[#[A-Z0-9]\][ \t]*")
_TAGS = re.compile(r"(?<![ \t])[ \t]+:(?:[\w@#%]+:)+[ \t]*$")
_BEGIN = re.compile(r"[ \t]*#\+begin_(?P<name>\S+)(?:[ \t]+(?P<rest>.*))?", re.IGNORECASE)
_END = re.compile(r"[ \t]*#\+end_(?P<name>\S+)[ \t]*", re.IGNORECASE)
_KEYWORD = re.compile(r"[ \t]*#\+(?P<name>[A-Za-z][\w-]*)(?:\[.*?\])?:[ \t]*(?P<value>.*)")
_TITLE = re.compile(r"#\+title:[ \t]*\S", re.IGNORECASE)
_COMMENT = re.compile(r"[ \t]*#(?:[ \t].*)?")
_DRAWER = re.compile(r"[ \t]*:(?P<name>[\w-]+):[ \t]*")
_PLANNING = re.compile(r"[ \t]*(?:(?:SCHEDULED|DEADLINE|CLOSED|CLOCK):[ \t]*[\[<].*)")
_ITEM = re.compile(
    r"(?P<indent>[ \t]*)(?P<mark>[-+]|(?<=[ \t])\*|\d+[.)])[ \t]+(?:\[@\d+\][ \t]*)?(?P<text>\S.*)"
)
_BOX = re.compile(r"\[(?P<mark>[ Xx-])\](?=[ \t])")
_TERM = re.compile(r"(?P<term>\S.*?)(?<![ \t])[ \t]+::(?:[ \t]+|$)")
_RULE_OF_TABLE = re.compile(r"[ \t]*\|-[-+| \t]*")
_WIDTHS = re.compile(r"<(?:[lrc]?\d*)>")
_ESCAPED = re.compile(r"^([ \t]*),(?=,*(?:\*|#\+))", re.MULTILINE)
_FORMULA = re.compile(r"[ \t]*\\(?:begin\{(?P<name>\w+\*?)\}.*|\[)")
_LANGUAGE = re.compile(r"[A-Za-z][\w+#.-]*")
_LEFT_OUT_DRAWERS = ("PROPERTIES", "LOGBOOK")
_SHOWN_KEYWORDS = ("CAPTION", "SUBTITLE")
_CODE_BLOCKS = ("src", "example")
_WRAPPED_LINK = re.compile(r"(\[\[[^\[\]\n]{1,1000}\]\[[^\[\]\n]{1,300})\n[ \t]*([^\[\]\n]{1,300}\]\])")
_MOST_LEVELS = 6
_MOST_ROUNDS = 3  # blocks within blocks that are read
_MOST_LINES = 200  # of a formula


def org_to_markdown(text: str) -> str:
    """Converts a document or a fragment."""
    text = _WRAPPED_LINK.sub(r"\1 \2", text) if "[[" in text else text
    lines = text.split("\n")
    top = 2 if any(_TITLE.match(line) for line in lines if line.startswith("#")) else 1
    return re.sub(r"\n{3,}", "\n\n", "\n".join(_convert(lines, 0, top))).strip("\n")


def _convert(lines: list[str], depth: int, top: int) -> list[str]:
    """The lines as Markdown; ``top`` is the level of the headings with one star, which are below a title."""
    ends, drawers = _ends_of_blocks(lines), _ends_of_drawers(lines)
    places = (
        ["#" if line.startswith("*") else line for line in lines] if ends else lines
    )  # headings end items
    written: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at].rstrip()
        if at in ends:
            block = _convert_block(_BEGIN.fullmatch(line), lines[at + 1 : ends[at]], depth, top)  # type: ignore[arg-type]
            written += indented(block, column_of_item(places, at))
            at = ends[at] + 1
        elif at in drawers:
            is_text = line.strip().strip(":").upper() not in _LEFT_OUT_DRAWERS
            written += _convert(lines[at + 1 : drawers[at]], depth, top) if is_text else []
            at = drawers[at] + 1
        elif end := _end_of_formula(lines, at):
            written += lines[at:end]
            at = end
        elif (read := _reader_of(line)) and (end := _end_of(lines, at, read[0])) > at:
            written += read[1](lines[at:end])
            at = end
        else:
            written += _convert_line(line, top)
            at += 1
    return written


def _ends_of_blocks(lines: list[str]) -> dict[int, int]:
    """Numbers of the lines that open a block, with those of the lines that close it."""
    last: dict[str, list[int]] = {}
    for n in range(len(lines) - 1, -1, -1):
        if "#+" in lines[n] and (end := _END.fullmatch(lines[n])):
            last.setdefault(end["name"].lower(), []).append(n)
    ends, done = {}, 0
    for n, line in enumerate(lines):
        begin = _BEGIN.fullmatch(line.rstrip()) if n >= done and "#+" in line else None
        closing = last.get(begin["name"].lower(), []) if begin else []
        while closing and closing[-1] <= n:
            closing.pop()
        if closing:
            ends[n] = closing[-1]
            done = closing[-1] + 1
    return ends


def _ends_of_drawers(lines: list[str]) -> dict[int, int]:
    """Numbers of the lines that open a drawer, with those of the lines that close it."""
    ends, end = {}, 0
    for n in range(len(lines) - 1, -1, -1):
        drawer = _DRAWER.fullmatch(lines[n].rstrip()) if ":" in lines[n] else None
        if drawer and drawer["name"].upper() == "END":
            end = n
        elif lines[n].startswith("*") and _HEADING.fullmatch(lines[n].rstrip()):
            end = 0
        elif drawer and end:
            ends[n] = end
    return ends


def _convert_block(begin: re.Match[str], body: list[str], depth: int, top: int) -> list[str]:
    name = begin["name"].lower()
    if name == "comment":
        return []
    body = textwrap.dedent("\n".join(body)).split("\n")
    if name in _CODE_BLOCKS:
        first = (begin["rest"] or "").split(" ")[0] if name == "src" else ""
        return _fenced(body, first if _LANGUAGE.fullmatch(first) else "")
    if name == "export":
        return ["", *_convert_export((begin["rest"] or "").lower(), "\n".join(body)), ""]
    inner = _convert(body, depth + 1, top) if depth < _MOST_ROUNDS else body
    if name in ("quote", "verse"):
        inner = [f"> {line}".rstrip() for line in "\n".join(inner).strip("\n").split("\n")]
    return ["", *inner, ""]


def _convert_export(form: str, text: str) -> list[str]:
    """What a block for one form of output shows there; of unknown forms its text."""
    converters = {"html": page_to_text, "latex": latex_to_markdown}
    form = form.partition(" ")[0]
    return (converters[form](text) if form in converters else text).strip("\n").split("\n")


def _fenced(body: list[str], language: str = "") -> list[str]:
    code = _ESCAPED.sub(r"\1", textwrap.dedent("\n".join(body)).rstrip())
    fence = fence_around(code)
    return ["", f"{fence}{language}", code, fence, ""]


# --- runs of lines ---------------------------------------------------------------------------------------

_Run = tuple[Callable[[str], bool], Callable[[list[str]], list[str]]]


def _reader_of(line: str) -> _Run | None:
    """Which lines belong together, and what they become; None for a line by itself."""
    start = line.lstrip()
    if start.startswith("|"):
        return (lambda one: one.lstrip().startswith("|")), _convert_table
    if start == ":" or start.startswith(": "):
        return _is_fixed, lambda run: _fenced([one.lstrip()[2:] for one in run])
    return None


def _end_of_formula(lines: list[str], at: int) -> int:
    """The line after a formula or an environment of LaTeX, which stays as it is; 0 for other lines."""
    formula = _FORMULA.fullmatch(lines[at].rstrip())
    if not formula:
        return 0
    closing = f"\\end{{{formula['name']}}}" if formula["name"] else "\\]"
    last = min(len(lines), at + _MOST_LINES)
    return next((n + 1 for n in range(at, last) if closing in lines[n]), 0)


def _is_fixed(line: str) -> bool:
    return line.strip() == ":" or line.lstrip().startswith(": ")


def _end_of(lines: list[str], at: int, belongs: Callable[[str], bool]) -> int:
    while at < len(lines) and belongs(lines[at]):
        at += 1
    return at


def _convert_table(run: list[str]) -> list[str]:
    rows = []
    for line in run:
        if _RULE_OF_TABLE.fullmatch(line.rstrip()):
            continue
        cells = [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]
        if not all(_WIDTHS.fullmatch(cell) or not cell for cell in cells) or not any(cells):
            rows.append([convert_inline(cell) for cell in cells])
    if not rows:
        return []
    columns = max(map(len, rows))
    shown = [f"| {' | '.join([*row, *[''] * (columns - len(row))])} |" for row in rows]
    return ["", shown[0], f"|{' --- |' * columns}", *shown[1:], ""]


# --- lines -----------------------------------------------------------------------------------------------


def _convert_line(line: str, top: int) -> list[str]:
    if not line.strip():
        return [""]
    if heading := _HEADING.fullmatch(line):
        return ["", _convert_heading(heading, top), ""]
    if "#" in line and (keyword := _KEYWORD.fullmatch(line)):
        return _convert_keyword(keyword["name"].upper(), keyword["value"])
    if _COMMENT.fullmatch(line) or _PLANNING.fullmatch(line):
        return []
    if item := _ITEM.fullmatch(line):
        return [_convert_item(item)]
    if len(line.strip()) >= 5 and not line.strip("- \t"):
        return ["", "---", ""]
    return [convert_inline(line)]


def _convert_heading(heading: re.Match[str], top: int) -> str:
    title = _TAGS.sub("", heading["title"])
    title = _PRIORITY.sub("", _STATE.sub("", title, count=1), count=1)
    level = len(heading["level"]) + top - 1
    return f"{'#' * min(level, _MOST_LEVELS)} {convert_inline(title)}"


def _convert_keyword(name: str, value: str) -> list[str]:
    if name == "TITLE" and value:
        return ["", f"# {convert_inline(value)}", ""]
    return ["", convert_inline(value), ""] if name in _SHOWN_KEYWORDS and value else []


def _convert_item(item: re.Match[str]) -> str:
    mark = "-" if item["mark"] in "-+*" else item["mark"].replace(")", ".")
    text, box = item["text"], _BOX.match(item["text"])
    head = f"{item['indent']}{mark} "
    if box:
        head += "[x]" if box["mark"] in "Xx" else "[ ]"
        text = text[box.end() :]
    term = _TERM.match(text) if "::" in text and mark == "-" else None
    if term:
        text = f"{term['term']}: {text[term.end() :]}"
    return f"{head}{convert_inline(text)}".rstrip()
