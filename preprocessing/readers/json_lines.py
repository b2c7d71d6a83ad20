"""JSON lines: one JSON object per line."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from preprocessing.config.inputs import RecordsInput
from preprocessing.readers.bad_records import MAX_RAW_BYTES, Quarantine, RecordError
from preprocessing.readers.field_paths import name_of_type, split_path
from preprocessing.readers.fields import Fields, Row
from preprocessing.readers.file_formats import LONGEST_BEGINNING, find_other_format
from preprocessing.readers.file_ranges import Range
from preprocessing.readers.json_columns import Block, JsonColumns, has_simple_fields
from preprocessing.readers.lines import read_line_blocks, too_long
from preprocessing.readers.other_files import type_of
from preprocessing.readers.streams import read_blocks
from preprocessing.readers.text_encodings import (
    KOREAN_CP949,
    MOST_BYTES_SEEN,
    how_to_convert,
    is_korean_cp949,
    utf16_without_mark,
)

_ARRAY = (
    "this is a JSON array, not JSON lines; write each of its objects on a line of its own, for example with: "
    "jq -c '.[]' IN.json > OUT.jsonl, or set type: json"
)
_OVER_LINES = (
    "this is a JSON object over several lines, not JSON lines; write each object on one line, for example with: "
    "jq -c . IN.json > OUT.jsonl, or set type: json and records"
)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_KNOWN_DAMAGE = (
    (rb"\0", "it contains NUL, as after a crash of the writer: remove it, or write the file again"),
    (rb"[:\[,] *-?(?:NaN|Infinity)\b", "JSON has no NaN and no Infinity: write null"),
    (rb"\}\r[^\n]", "its lines end in CR alone: tr '\\r' '\\n' < IN > OUT"),
)


def read_json_lines(
    file: Path,
    label: str,
    part: Range | None,
    item: RecordsInput,
    fields: Fields,
    max_bytes: int,
    quarantine: Quarantine,
) -> Iterator[Row | pa.RecordBatch]:
    """The documents of the lines that start in ``part``, one by one or in columns. Blank lines are skipped."""
    keys = quoted_keys(item)
    columns = JsonColumns(item, fields, max_bytes) if has_simple_fields(item) else None

    def read_line(number: int, raw: bytes) -> Row | None:
        if len(raw) > max_bytes:
            quarantine(too_long(label, number, raw, len(raw), max_bytes))
            return None
        return _row(raw, number, label, fields, keys, quarantine)

    is_first = part is None or not part.start
    if not is_first and _find_other_lines(next(read_blocks(file), b""), file):
        return  # reported with the first part
    for number, lines in read_line_blocks(file, label, part, max_bytes, quarantine):
        if is_first and number == 1 and (other := _find_other_lines(lines, file)):
            quarantine(other.record(label, 0, lines[:MAX_RAW_BYTES]))
            return
        block = columns.read(lines, number) if columns else None
        if block is None:
            rows = map(read_line, itertools.count(number), lines[:-1].split(b"\n"))
            yield from (row for row in rows if row is not None)
        else:
            yield from _in_order(block, lines, number, read_line)


def _find_other_lines(lines: bytes, file: Path) -> RecordError | None:
    """The error of a file that begins with ``lines`` and whose lines would all be bad records, else None."""
    if type_of(file.name) == "csv" and not is_object(lines.removeprefix(BYTE_ORDER_MARK).partition(b"\n")[0]):
        return RecordError("this is separated values, not JSON lines; set type: csv for it", "other-format")
    return find_other_content(lines) or _find_other_json(lines)


def find_other_content(beginning: bytes) -> RecordError | None:
    """The error of a file that begins so and is no text in UTF-8, else None."""
    name = (
        "utf-16"
        if beginning.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
        else utf16_without_mark(beginning[: min(len(beginning), MOST_BYTES_SEEN) & ~1])
    )
    if name:
        return RecordError("this is text in UTF-16, not UTF-8", "is-utf-16", f"; {how_to_convert(name)}")
    return find_other_format(beginning[:LONGEST_BEGINNING])


def _find_other_json(lines: bytes) -> RecordError | None:
    """The error of a file that begins with ``lines`` and is one JSON array or an object over several lines, else None.

    An array without objects on a line of its own may be a bad record of a file of JSON lines.
    """
    first, _, rest = lines.removeprefix(BYTE_ORDER_MARK).lstrip().partition(b"\n")
    if first.startswith(b"["):
        try:
            array = orjson.loads(first)
            is_array = bool(array) and isinstance(array[0], dict)
        except orjson.JSONDecodeError:
            is_array = first.strip() == b"[" or not is_object(rest.lstrip().partition(b"\n")[0])
        return RecordError(_ARRAY, "json-array") if is_array else None
    return RecordError(_OVER_LINES, "json-over-lines") if first.strip() == b"{" else None


def is_object(line: bytes) -> bool:
    """Whether a line is a JSON object."""
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _in_order(
    block: Block, lines: bytes, number: int, read_line: Callable[[int, bytes], Row | None]
) -> Iterator[Row | pa.RecordBatch]:
    """The simple lines of a block in columns, the others one by one through ``read_line``."""
    done = 0
    for line in np.flatnonzero(~block.simple).tolist():
        if line > done:
            yield block.documents.slice(done, line - done)
        start = int(block.ends[line - 1]) + 1 if line else 0
        row = read_line(number + line, lines[start : int(block.ends[line])])
        if row is not None:
            yield row
        done = line + 1
    if done < len(block.simple):
        yield block.documents.slice(done)


def _row(
    raw: bytes, number: int, label: str, fields: Fields, keys: list[bytes], quarantine: Quarantine
) -> Row | None:
    """The document of one line; None when it has none."""
    if not _repeats(raw, keys):
        with contextlib.suppress(ValueError, AttributeError):  # the careful reader determines the cause
            return fields.row(orjson.loads(raw), number)
    return _read_carefully(raw, number, label, fields, keys, quarantine)


def quoted_keys(item: RecordsInput) -> list[bytes]:
    """The fields of the text, quoted as in a line."""
    names = {split_path(name)[-1][0] for name in Fields.text_fields(item)}
    return [json.dumps(name, ensure_ascii=False).encode("utf-8") for name in sorted(names)]


def _repeats(raw: bytes, keys: list[bytes]) -> bool:
    """Whether the record may contain a field of the text twice."""
    return any(raw.count(key) > 1 for key in keys)


def _read_carefully(
    raw: bytes, number: int, label: str, fields: Fields, keys: list[bytes], quarantine: Quarantine
) -> Row | None:
    """The document of a line that the fast reader refused; None for a blank line or one that goes to ``quarantine``."""
    if number == 1:
        raw = raw.removeprefix(BYTE_ORDER_MARK)
    raw = raw.rstrip(b"\r\n")
    if not raw.strip():
        return None
    try:
        record = parse_object(raw)
        if _repeats(raw, keys):
            check_keys(raw, keys)
        return fields.row(record, number)
    except RecordError as error:
        quarantine(error.record(label, number, raw))
        return None


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parses a JSON object. Raises RecordError with the cause."""
    record = parse_json(raw)
    if not isinstance(record, dict):
        raise RecordError(f"not a JSON object but {name_of_type(record)}", "not-an-object")
    return record


def parse_json(raw: bytes) -> Any:
    """Parses a value of JSON. Raises RecordError with the cause."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as broken:
            if is_korean_cp949(raw):
                raise RecordError(KOREAN_CP949, "is-cp949", f"; {how_to_convert('cp949')}") from None
            raise RecordError(f"not UTF-8: {broken.reason} at byte {broken.start}", "not-utf8") from None
        raise RecordError(f"not JSON: {_describe_damage(error, raw)}", "not-json") from None


def _describe_damage(error: orjson.JSONDecodeError, raw: bytes) -> str:
    """What is wrong where, and what to do about mistakes that writers are known for."""
    place = f"line {error.lineno} column {error.colno}" if b"\n" in raw else f"character {error.pos + 1}"
    known = (remedy for pattern, remedy in _KNOWN_DAMAGE if re.search(pattern, raw))
    return f"{error.msg} at {place}" + "".join(f"; {remedy}" for remedy in itertools.islice(known, 1))


def check_keys(raw: bytes, keys: list[bytes]) -> None:
    """Raises RecordError when an object contains a field of the text twice: either could be the intended one."""
    used = {json.loads(key) for key in keys}

    def check(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs if name in used]
        if len(set(names)) < len(names):
            duplicate = next(name for name in names if names.count(name) > 1)
            raise RecordError(f"duplicate field {duplicate!r} in one object", "duplicate-field")

    try:
        json.loads(raw, object_pairs_hook=check)
    except RecursionError:
        raise RecordError("not JSON: nested too deeply", "not-json") from None
