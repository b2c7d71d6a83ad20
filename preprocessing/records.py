"""Reading inputs: files to record batches of documents, bad records set aside.

Owns JSONL (plain, gzip, zstd), plain text files and source code, and the entry of ``quarantine.jsonl``. One bad
record never ends a run.
"""

from __future__ import annotations

import contextlib
import json
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import xxhash

from preprocessing.documents import BATCH_BYTES, BATCH_ROWS, DOCUMENT
from preprocessing.files_found import RECORD_SUFFIXES, Unit
from preprocessing.schema import LANGUAGES, JsonlInput, StdlibInput, source_of

MAX_RAW_BYTES = 1 << 20
COMPRESSION = {".gz": "gzip", ".zst": "zstd"}
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class BadRecord:
    """A record that could not be read; ``raw`` are its bytes, at most MAX_RAW_BYTES."""

    file: str
    line: int
    cause: str
    raw: bytes

    def to_line(self) -> str:
        shown = self.raw[:MAX_RAW_BYTES].replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
        entry = {"file": self.file, "line": self.line, "cause": self.cause, "raw": shown}
        if len(self.raw) > MAX_RAW_BYTES:
            entry["raw_bytes"] = len(self.raw)
        return json.dumps(entry, ensure_ascii=False) + "\n"


def raw_bytes(shown: str) -> bytes:
    """The bytes behind ``raw`` of a quarantine entry."""
    parts = re.split(r"\\(\\|x[0-9a-f]{2})", shown)
    out = [parts[0].encode("utf-8")]
    for escape, text in zip(parts[1::2], parts[2::2]):
        out.append(b"\\" if escape == "\\" else bytes([int(escape[1:], 16)]))
        out.append(text.encode("utf-8"))
    return b"".join(out)


class _Bad(ValueError):
    """Why a record cannot be used."""


Quarantine = Callable[[BadRecord], None]
Row = tuple[str, str, str, str, str]  # id, text, source, lang, meta


def read_unit(unit: Unit, item: Any, quarantine: Quarantine, seed: int) -> Iterator[pa.RecordBatch]:
    """The documents of a unit in file order; bad records go to ``quarantine``."""
    rows: list[Row] = []
    size = 0
    for row in _rows(unit, item, quarantine, seed):
        rows.append(row)
        size += len(row[1]) * 2
        if size >= BATCH_BYTES or len(rows) >= BATCH_ROWS:
            yield _batch(rows)
            rows, size = [], 0
    if rows:
        yield _batch(rows)


def _batch(rows: list[Row]) -> pa.RecordBatch:
    columns = [pa.array(values, field.type) for values, field in zip(zip(*rows), DOCUMENT)]
    return pa.RecordBatch.from_arrays(columns, schema=DOCUMENT)


def _rows(unit: Unit, item: Any, quarantine: Quarantine, seed: int) -> Iterator[Row]:
    source = source_of(unit.input_name, item)
    for file, label in zip(unit.files, unit.labels):
        if isinstance(item, JsonlInput) or file.name.endswith(RECORD_SUFFIXES):
            records = (
                item
                if isinstance(item, JsonlInput)
                else JsonlInput(type="jsonl", paths=item.paths, lang=item.lang)
            )
            yield from _records(file, label, source, records, quarantine, seed)
        else:
            yield from _whole_file(file, label, source, item, quarantine)


def _records(
    file: Path, label: str, source: str, item: JsonlInput, quarantine: Quarantine, seed: int
) -> Iterator[Row]:
    for number, raw in _lines(file, label, quarantine):
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        raw = raw.rstrip(b"\r\n")
        if not raw.strip():
            continue
        try:
            yield _row(_parsed(raw), number, label, source, item, seed)
        except _Bad as bad:
            quarantine(BadRecord(label, number, str(bad), raw))


def _lines(file: Path, label: str, quarantine: Quarantine) -> Iterator[tuple[int, bytes]]:
    """Numbered lines of a file, decompressed; a damaged stream becomes a bad record at the line where it ends."""
    number = 0
    try:
        with contextlib.ExitStack() as stack:
            stream: Any = stack.enter_context(open(file, "rb"))
            if file.suffix in COMPRESSION:
                stream = stack.enter_context(pa.CompressedInputStream(stream, COMPRESSION[file.suffix]))
            kept = b""
            while block := stream.read(1 << 20):
                lines = (kept + bytes(block)).split(b"\n")
                kept = lines.pop()
                for line in lines:
                    number += 1
                    yield number, line
            if kept:
                yield number + 1, kept
    except (OSError, EOFError) as error:
        cause = f"compressed stream is damaged or ends early ({error}); nothing after this line was read"
        quarantine(BadRecord(label, number + 1, cause, b""))


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as broken:
            raise _Bad(f"not UTF-8: {broken.reason} at byte {broken.start}") from None
        raise _Bad(f"not JSON: {error}") from None
    if not isinstance(record, dict):
        raise _Bad(f"not a JSON object but {type(record).__name__}")
    return record


def _row(record: dict[str, Any], number: int, label: str, source: str, item: JsonlInput, seed: int) -> Row:
    identity = record.get(item.id_field)
    if not isinstance(identity, (str, int)) or isinstance(identity, bool) or identity == "":
        identity = f"{label}:{number}"
    identity = str(identity)
    if item.templates:
        chosen = xxhash.xxh64_intdigest(identity.encode("utf-8"), seed) % len(item.templates)
        text = _PLACE.sub(lambda place: _text_of(record, place[1]), item.templates[chosen])
    else:
        text = _text_of(record, item.text_field)
    lang = item.lang
    if lang == "record":
        lang = _text_of(record, item.lang_field)
        if lang not in LANGUAGES:
            raise _Bad(f"{item.lang_field} {lang[:20]!r} is none of {', '.join(LANGUAGES)}")
    meta = orjson.dumps({"file": label, "line": number}).decode()
    return identity, text, source, lang, meta


def _text_of(record: dict[str, Any], field: str) -> str:
    if field not in record:
        raise _Bad(f"field {field!r} is missing; fields: {', '.join(map(str, record))[:120]}")
    value = record[field]
    if not isinstance(value, str):
        raise _Bad(f"field {field!r} is not text but {type(value).__name__}")
    return value


def _whole_file(file: Path, label: str, source: str, item: Any, quarantine: Quarantine) -> Iterator[Row]:
    raw = file.read_bytes()
    lang = "code" if isinstance(item, StdlibInput) else item.lang
    try:
        encoding = "utf-8-sig"
        if file.suffix == ".py":
            encoding, _ = tokenize.detect_encoding(iter(raw.splitlines(keepends=True)).__next__)
        text = raw.decode(encoding)
    except (UnicodeDecodeError, SyntaxError, LookupError) as error:
        quarantine(BadRecord(label, 1, f"cannot be decoded: {error}", raw))
        return
    identity = f"{source}/{label}" if isinstance(item, StdlibInput) else label
    yield identity, text, source, lang, orjson.dumps({"file": label}).decode()
