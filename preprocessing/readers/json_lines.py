"""JSONL: one JSON object a line."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from preprocessing.config.inputs import RecordsInput
from preprocessing.readers.bad_records import BadRecord, Quarantine, RecordError
from preprocessing.readers.fields import Fields, Row
from preprocessing.readers.file_ranges import Range
from preprocessing.readers.json_columns import Block, JsonColumns, has_simple_fields
from preprocessing.readers.lines import line_blocks, too_long

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_json_lines(
    file: Path,
    label: str,
    part: Range | None,
    item: RecordsInput,
    fields: Fields,
    max_bytes: int,
    quarantine: Quarantine,
) -> Iterator[Row | pa.RecordBatch]:
    """The documents of the lines that start in ``part``, one by one or many together; blank lines are none."""
    keys = _quoted_keys(item)
    columns = JsonColumns(item, fields, max_bytes) if has_simple_fields(item) else None

    def one(number: int, raw: bytes) -> Row | None:
        if len(raw) > max_bytes:
            quarantine(too_long(label, number, raw, len(raw), max_bytes))
            return None
        return _row(raw, number, label, fields, keys, quarantine)

    for number, block in line_blocks(file, label, part, max_bytes, quarantine):
        found = columns.read(block, number) if columns else None
        if found is None:
            rows = map(one, itertools.count(number), block[:-1].split(b"\n"))
            yield from (row for row in rows if row is not None)
        else:
            yield from _in_order(found, block, number, one)


def _in_order(
    found: Block, block: bytes, number: int, one: Callable[[int, bytes], Row | None]
) -> Iterator[Row | pa.RecordBatch]:
    """The simple lines of a block together, the others through ``one``."""
    done = 0
    for line in np.flatnonzero(~found.simple).tolist():
        if line > done:
            yield found.documents.slice(done, line - done)
        start = int(found.ends[line - 1]) + 1 if line else 0
        row = one(number + line, block[start : int(found.ends[line])])
        if row is not None:
            yield row
        done = line + 1
    if done < len(found.simple):
        yield found.documents.slice(done)


def _row(
    raw: bytes, number: int, label: str, fields: Fields, keys: list[bytes], quarantine: Quarantine
) -> Row | None:
    """The document of one line, None when there is none."""
    if not _repeats(raw, keys):
        with contextlib.suppress(ValueError, AttributeError):  # the second look says why
            return fields.row(orjson.loads(raw), number)
    return _carefully(raw, number, label, fields, keys, quarantine)


def _quoted_keys(item: RecordsInput) -> list[bytes]:
    """The fields of the text as they stand in a line."""
    names = {name.split(".")[-1] for name in Fields.text_fields(item)}
    return [json.dumps(name, ensure_ascii=False).encode("utf-8") for name in sorted(names)]


def _repeats(raw: bytes, keys: list[bytes]) -> bool:
    """Whether a field of the text may stand twice in the record."""
    return any(raw.count(key) > 1 for key in keys)


def _carefully(
    raw: bytes, number: int, label: str, fields: Fields, keys: list[bytes], quarantine: Quarantine
) -> Row | None:
    """A line that is not plain: its document, or the cause in ``quarantine``, or None for a blank one."""
    if number == 1:
        raw = raw.removeprefix(BYTE_ORDER_MARK)
    raw = raw.rstrip(b"\r\n")
    if not raw.strip():
        return None
    try:
        record = parsed(raw)
        if _repeats(raw, keys):
            _check_keys(raw, keys)
        return fields.row(record, number)
    except RecordError as bad:
        quarantine(BadRecord(label, number, str(bad), raw))
        return None


def parsed(raw: bytes) -> dict[str, Any]:
    """A JSON object. Raises RecordError with the cause."""
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as broken:
            raise RecordError(f"not UTF-8: {broken.reason} at byte {broken.start}") from None
        raise RecordError(f"not JSON: {error}") from None
    if not isinstance(record, dict):
        raise RecordError(f"not a JSON object but {type(record).__name__}")
    return record


def _check_keys(raw: bytes, keys: list[bytes]) -> None:
    """Raises RecordError when an object holds a field of the text twice: which of the two is meant nobody knows."""
    used = {json.loads(key) for key in keys}

    def check(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs if name in used]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise RecordError(f"field {twice!r} stands twice in one object")

    try:
        json.loads(raw, object_pairs_hook=check)
    except RecursionError:
        raise RecordError("not JSON: nested too deeply") from None
