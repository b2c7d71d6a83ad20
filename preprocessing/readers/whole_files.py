"""Reads files that are one document each: text, source code, HTML pages."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from preprocessing.config.inputs import HtmlInput, SourceTreeInput, StdlibInput, TextInput
from preprocessing.markup.conversion import CONVERTERS
from preprocessing.readers.bad_records import (
    MAX_RAW_BYTES,
    BadRecord,
    Quarantine,
    RecordError,
    report_left_out,
)
from preprocessing.readers.fields import Row
from preprocessing.readers.input_units import label_of
from preprocessing.readers.source_trees import find_license_file, language_of_tree_file
from preprocessing.readers.text_encodings import decode_text

MARKUP_OF_SUFFIX = {
    ".tex": "latex", ".latex": "latex", ".rst": "rst", ".wiki": "mediawiki", ".mediawiki": "mediawiki",
    ".adoc": "asciidoc", ".asciidoc": "asciidoc", ".asc": "asciidoc",
}  # fmt: skip


def read_whole_file(
    file: Path, label: str, root: Path | None, item: Any, source: str, quarantine: Quarantine
) -> list[Row]:
    """The document of a file; empty when the file goes to ``quarantine``. A file without bytes is left out on purpose."""
    name = label_of(file) if root else label
    limit = getattr(item, "max_record_bytes", 1 << 62)
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
        text = _text_of(raw, file, item, meta)
    except RecordError as error:
        quarantine(error.record(name, 1, raw))
        return []
    identity = label
    if isinstance(item, StdlibInput):
        identity = f"{source}/{label}"
        meta["path"] = label
    elif root is not None:
        identity = name  # several roots may contain the same path
        meta |= {"path": label, "root": label_of(root)}
        license = find_license_file(root, str(file.relative_to(root)))
        meta |= {"license_file": label_of(Path(license))} if license else {}
    return [(identity, text, source, _language_of(file, item), orjson.dumps(meta).decode())]


def _language_of(file: Path, item: Any) -> str:
    """The language of a file; empty where it is to be detected."""
    if isinstance(item, StdlibInput):
        return "code"
    if isinstance(item, SourceTreeInput):
        return language_of_tree_file(file.name, item.lang)
    return "" if item.lang == "detect" else item.lang


def _text_of(raw: bytes, file: Path, item: Any, meta: dict[str, Any]) -> str:
    """The text of a file; adds the title of a page to ``meta``. Raises RecordError."""
    if isinstance(item, HtmlInput):
        from preprocessing.readers.web_pages import convert_page

        text, title = convert_page(raw, None, item.extractor if item.main_content else None)
        meta |= {"title": title} if title else {}
        return text
    text = decode_text(raw, file.suffix, getattr(item, "encoding", "utf-8"))
    if isinstance(item, TextInput) and item.markup == "auto" and item.lang != "code":
        convert = CONVERTERS.get(MARKUP_OF_SUFFIX.get(file.suffix.lower(), ""))
        return convert(text) if convert else text
    return text
