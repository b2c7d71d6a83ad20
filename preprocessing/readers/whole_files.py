"""Reads files that are one document each: text, source code, HTML pages."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from preprocessing.config.inputs import HtmlInput, SourceTreeInput, StdlibInput, TextInput
from preprocessing.markup.conversion import convert
from preprocessing.markup.notebook import NOTEBOOK, NotebookError, convert_notebook
from preprocessing.readers.bad_records import (
    MAX_RAW_BYTES,
    BadRecord,
    Quarantine,
    RecordError,
    report_left_out,
)
from preprocessing.readers.fields import Row
from preprocessing.readers.file_formats import LONGEST_BEGINNING, find_other_format
from preprocessing.readers.input_units import label_of
from preprocessing.readers.source_trees import find_license_file, language_of_tree_file
from preprocessing.readers.text_encodings import decode_text

MARKUP_OF_SUFFIX = {
    ".tex": "latex", ".latex": "latex", ".rst": "rst", ".wiki": "mediawiki", ".namu": "namumark", ".mediawiki": "mediawiki",
    ".adoc": "asciidoc", ".asciidoc": "asciidoc", ".asc": "asciidoc", ".org": "org", ".po": "po", ".ipynb": NOTEBOOK,
}  # fmt: skip
MAX_NOTEBOOK_BYTES = 64 << 20
"""Of a file with its outputs; ``max_record_bytes`` limits the text."""


def markup_of_file(name: str, item: Any) -> str:
    """The markup of a file that its reader converts; empty for others, which step ``clean`` may convert.

    Notebooks are converted in text and source trees of every language, other markup outside of code.
    """
    suffix = Path(name.lower().removesuffix(".txt")).suffix  # Sphinx publishes its sources as x.rst.txt
    by_suffix = MARKUP_OF_SUFFIX.get(suffix, "")
    setting = getattr(item, "markup", "auto")
    if isinstance(item, SourceTreeInput) or (isinstance(item, TextInput) and item.lang == "code"):
        by_suffix = by_suffix if by_suffix == NOTEBOOK else ""
    elif not isinstance(item, TextInput):
        return ""
    return by_suffix if setting == "auto" else setting if setting == NOTEBOOK else ""


def read_whole_file(
    file: Path, label: str, root: Path | None, item: Any, source: str, quarantine: Quarantine
) -> list[Row]:
    """The document of a file; empty when the file goes to ``quarantine``. A file without bytes is left out on purpose."""
    name = label_of(file) if root else label
    longest = getattr(item, "max_record_bytes", 1 << 62)
    limit = max(longest, MAX_NOTEBOOK_BYTES) if markup_of_file(file.name, item) == NOTEBOOK else longest
    size = file.stat().st_size
    if not size:
        report_left_out(name, Counter({"empty file": 1}), quarantine)
        return []
    if size > limit:
        with open(file, "rb") as opened:
            beginning = opened.read(MAX_RAW_BYTES)
        cause = f"file of {size:,} bytes is longer than max_record_bytes = {limit:,}"
        quarantine(BadRecord(name, 1, cause, beginning, size, "too-long"))
        return []
    raw = file.read_bytes()
    meta: dict[str, Any] = {"file": name}
    try:
        text, left_out = _text_of(raw, file, item, meta)
    except RecordError as error:
        quarantine(error.record(name, 1, raw))
        return []
    report_left_out(name, left_out, quarantine)
    if isinstance(item, StdlibInput):
        meta["path"] = label
    elif root is not None:
        meta |= {"path": label, "root": label_of(root)}
        license = find_license_file(root, str(file.relative_to(root)))
        meta |= {"license_file": label_of(Path(license))} if license else {}
    identity = identity_of_file(file, label, root, item, source)
    return [(identity, text, source, _language_of(file, item), orjson.dumps(meta).decode())]


def identity_of_file(file: Path, label: str, root: Path | None, item: Any, source: str) -> str:
    """The id of the document of a file, without the name of an input that shares it."""
    if isinstance(item, StdlibInput):
        return f"{source}/{label}"
    return label_of(file) if root else label  # several roots may contain the same path


def _language_of(file: Path, item: Any) -> str:
    """The language of a file; empty where it is to be detected."""
    if isinstance(item, StdlibInput):
        return "code"
    if isinstance(item, SourceTreeInput):
        return language_of_tree_file(file.name, item.lang)
    return "" if item.lang == "detect" else item.lang


def _text_of(raw: bytes, file: Path, item: Any, meta: dict[str, Any]) -> tuple[str, Counter[str]]:
    """The text of a file, and what is left out of it; adds the title of a page to ``meta``. Raises RecordError."""
    if other := find_other_format(raw[:LONGEST_BEGINNING]):
        raise other
    if isinstance(item, HtmlInput):
        from preprocessing.readers.web_pages import convert_page

        text, title = convert_page(raw, None, item.extractor if item.main_content else None)
        meta |= {"title": title} if title else {}
        return text, Counter()
    text = decode_text(raw, file.suffix, getattr(item, "encoding", "utf-8"))
    markup = markup_of_file(file.name, item)
    if markup == NOTEBOOK:
        return _text_of_notebook(text, item)
    return convert(markup, text) if markup else text, Counter()


def _text_of_notebook(text: str, item: TextInput | SourceTreeInput) -> tuple[str, Counter[str]]:
    try:
        converted, outputs = convert_notebook(text, with_text_outputs=item.notebook_outputs == "text")
    except NotebookError as error:
        raise RecordError(str(error), error.rule) from None
    size = len(converted.encode())
    if size > item.max_record_bytes:
        cause = f"notebook of {size:,} bytes without its outputs is longer than max_record_bytes = "
        raise RecordError(f"{cause}{item.max_record_bytes:,}", "too-long")
    left_out = {"output of a notebook cell" if outputs == 1 else "outputs of notebook cells": outputs}
    return converted, +Counter(left_out)
