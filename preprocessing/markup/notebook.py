"""Converts Jupyter notebooks (nbformat 3 and 4) to Markdown: cells in order, code in fences with the language of the kernel.

Outputs of cells are left out and counted; on request the ones that are text are kept. Attachments and metadata are left
out; text of cells never is. Follows the description of the format (nbformat.readthedocs.io). Does not read files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

from preprocessing.markup.html_text import html_to_text
from preprocessing.markup.latex import latex_to_markdown
from preprocessing.markup.markdown import fence_around
from preprocessing.markup.restructured_text import rst_to_markdown

NOTEBOOK = "notebook"
"""Name of this markup."""
_NAME = re.compile(r"[A-Za-z][\w+#.-]*")
_KERNEL = re.compile(
    r"(?P<name>python|julia|ir\b|bash|javascript|typescript|ruby|rust|java|scala)", re.IGNORECASE
)
_LANGUAGES_OF_MAGICS = {
    "bash": "bash", "sh": "bash", "shell": "bash", "html": "html", "javascript": "javascript", "js": "javascript",
    "latex": "latex", "sql": "sql", "R": "r", "ruby": "ruby", "perl": "perl", "svg": "xml", "markdown": "markdown",
}  # fmt: skip
_MAGIC = re.compile(r"\s*%%(?P<name>\w+)")
_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CONFLICT = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)
_CONVERTERS = {
    "text/html": html_to_text,
    "text/latex": latex_to_markdown,
    "text/restructuredtext": rst_to_markdown,
    "text/x-rst": rst_to_markdown,
}
"""Of raw cells, by their format."""
_MOST_LEVELS = 6  # of headings
_REMEDY = "save it again in Jupyter, or set markup: none in an input of type text to read it as it is written"


class NotebookError(ValueError):
    """A file is not a notebook: the cause with its remedy, and the name of the rule that it breaks."""

    def __init__(self, cause: str, rule: str):
        super().__init__(f"{cause}; {_REMEDY}")
        self.rule = rule


def notebook_to_markdown(text: str) -> str:
    """Converts a notebook without its outputs; returns any other text unchanged."""
    if not text.lstrip("\ufeff \t\r\n").startswith("{"):
        return text
    try:
        return convert_notebook(text)[0]
    except NotebookError:
        return text


def convert_notebook(text: str, *, with_text_outputs: bool = False) -> tuple[str, int]:
    """Markdown of a notebook, and the number of outputs that are left out. Raises NotebookError."""
    notebook = _load(text)
    language = _language_of(notebook)
    blocks, left_out = [], 0
    for number, cell in enumerate(_cells_of(notebook), 1):
        if not isinstance(cell, dict):
            raise NotebookError(f"cell {number} is {_kind(cell)}, but a cell is an object", "notebook-cell")
        blocks += _convert_cell(cell, number, language)
        kept, count = _convert_outputs(cell, with_text_outputs)
        blocks += kept
        left_out += count
    converted = "\n\n".join(block for block in blocks if block.strip())
    if re.search("[\ud800-\udfff]", converted):
        raise NotebookError("contains half of a surrogate pair, which is not a character", "lone-surrogate")
    return converted, left_out


def _load(text: str) -> dict[str, Any]:
    try:
        notebook = orjson.loads(text)
    except ValueError:
        notebook = _load_leniently(text)
    if not isinstance(notebook, dict):
        raise NotebookError(f"is not a notebook: {_kind(notebook)} instead of an object", "not-a-notebook")
    return notebook


def _load_leniently(text: str) -> Any:
    """Reads the NaN that Python writes into outputs, which JSON does not have."""
    try:
        return json.loads(text)
    except RecursionError:
        raise NotebookError("is not a notebook: its JSON is nested too deeply", "not-a-notebook") from None
    except ValueError as error:
        cause = f"its JSON is damaged ({error})"
        if _CONFLICT.search(text):
            cause = "it contains the marks of a merge conflict (<<<<<<<)"
        raise NotebookError(f"is not a notebook: {cause}", "not-a-notebook") from None


def _cells_of(notebook: dict[str, Any]) -> Iterator[Any]:
    """The cells: of the notebook itself (nbformat 4), or of its worksheets (3)."""
    if isinstance(notebook.get("cells"), list):
        yield from notebook["cells"]
        return
    sheets = notebook.get("worksheets")
    if not isinstance(sheets, list):
        raise NotebookError(
            "is not a notebook: it has no list cells (nbformat 4) or worksheets (3)", "not-a-notebook"
        )
    for number, sheet in enumerate(sheets, 1):
        if not isinstance(sheet, dict) or not isinstance(sheet.get("cells"), list):
            raise NotebookError(f"worksheet {number} has no list cells", "not-a-notebook")
        yield from sheet["cells"]


def _language_of(notebook: dict[str, Any]) -> str:
    """The language of the kernel as the info of a fence; empty if the notebook does not name it."""
    metadata = _object(notebook.get("metadata"))
    kernel = _object(metadata.get("kernelspec"))
    for name in (_object(metadata.get("language_info")).get("name"), kernel.get("language")):
        if isinstance(name, str) and _NAME.fullmatch(name):
            return name.lower()
    known = _KERNEL.match(kernel["name"]) if isinstance(kernel.get("name"), str) else None
    return {"ir": "r"}.get(known["name"].lower(), known["name"].lower()) if known else ""


def _convert_cell(cell: dict[str, Any], number: int, language: str) -> list[str]:
    """The blocks of a cell; a type that is not known is text."""
    kind = cell.get("cell_type")
    source = _join(cell.get("source", cell.get("input", "")), number).replace("\r\n", "\n")
    if kind == "code":
        return _fenced(source, _language_of_cell(cell, source, language))
    if kind == "heading":
        level = cell.get("level")
        level = min(max(level, 1), _MOST_LEVELS) if isinstance(level, int) else 1
        return [f"{'#' * level} {' '.join(source.split())}"] if source.strip() else []
    text = source.strip("\n").rstrip()
    if kind == "markdown":
        return [_close_fence(text)]
    metadata = _object(cell.get("metadata"))
    name = metadata.get("format", metadata.get("raw_mimetype"))
    return [_CONVERTERS[name](text) if isinstance(name, str) and name in _CONVERTERS else text]


def _language_of_cell(cell: dict[str, Any], source: str, language: str) -> str:
    magic = _MAGIC.match(source)
    if magic and magic["name"] in _LANGUAGES_OF_MAGICS:
        return _LANGUAGES_OF_MAGICS[magic["name"]]
    own = cell.get("language")  # nbformat 3
    return language or (own.lower() if isinstance(own, str) and _NAME.fullmatch(own) else "")


def _join(source: Any, number: int) -> str:
    """The text of a cell: a string, or lines with their line feeds; lines that have none are joined by them."""
    if isinstance(source, str):
        return source
    if not isinstance(source, list) or not all(isinstance(line, str) for line in source):
        shown = _kind(source) if not isinstance(source, list) else "a list with other values than strings"
        raise NotebookError(
            f"the source of cell {number} is {shown}, not a text or its lines", "notebook-cell"
        )
    has_ends = len(source) < 2 or any(
        len(line.splitlines()) < len((line + ".").splitlines()) for line in source[:-1]
    )
    return ("" if has_ends else "\n").join(source)


def _close_fence(text: str) -> str:
    """Closes a fence that the cell leaves open, since Jupyter shows each cell by itself."""
    fence = ""
    for line in text.split("\n") if "```" in text or "~~~" in text else ():
        found = _FENCE.fullmatch(line)
        if not fence:
            fence = found["fence"] if found else ""
        elif found and found["fence"].startswith(fence) and not found["info"].strip():
            fence = ""
    return f"{text}\n{fence}" if fence else text


def _fenced(source: str, language: str) -> list[str]:
    code = source.strip("\n").rstrip()
    if not code:
        return []
    fence = fence_around(code)
    return [f"{fence}{language}\n{code}\n{fence}"]


# --- outputs ---------------------------------------------------------------------------------------------


def _convert_outputs(cell: dict[str, Any], with_text: bool) -> tuple[list[str], int]:
    """The blocks of the outputs that are kept, and the number of the others."""
    outputs = cell.get("outputs")
    if not isinstance(outputs, list) or not outputs:
        return [], 0
    blocks, left_out, printed = [], 0, ""
    for output in outputs if with_text else ():
        name, text = _text_of_output(_object(output))
        if name == "stream":  # one output may be written in several parts
            printed += text
            continue
        left_out += not text.strip()
        blocks += [
            *_fenced(_as_shown(printed), ""),
            text if name == "markdown" else "\n".join(_fenced(text, "")),
        ]
        printed = ""
    blocks += _fenced(_as_shown(printed), "")
    return blocks, left_out if with_text else len(outputs)


def _text_of_output(output: dict[str, Any]) -> tuple[str, str]:
    """``(stream | markdown | plain, text)``; the text is empty for pictures, widgets, errors and what stderr received."""
    kind = output.get("output_type")
    if kind == "stream":
        is_shown = output.get("name", output.get("stream", "stdout")) == "stdout"
        return ("stream", _text(output.get("text"))) if is_shown else ("plain", "")
    if kind not in ("execute_result", "display_data", "pyout"):
        return "plain", ""
    data = _object(output.get("data", output))
    if any(name.startswith(("image/", "application/")) or name in ("png", "jpeg", "svg") for name in data):
        return "plain", ""
    if markdown := _text(data.get("text/markdown")):
        return "markdown", _close_fence(markdown.strip("\n"))
    return "plain", _as_shown(_text(data.get("text/plain", data.get("text"))))


def _text(value: Any) -> str:
    """A string, or its lines; empty for any other value."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return value if isinstance(value, str) else ""


def _as_shown(text: str) -> str:
    """Text without colors, and of lines that were overwritten (progress bars) the last state."""
    lines = _ANSI.sub("", text).replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")
