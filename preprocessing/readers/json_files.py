"""JSON files: one JSON value per file, with the records inside of it, as 모두의 말뭉치 and AI-Hub publish their corpora.

Owns which records a file has. The file is parsed as a whole: a parser of streams (ijson) replaces broken characters in
silence, refuses long numbers and takes memory without a limit for deep nesting.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from preprocessing.config.inputs import JsonInput
from preprocessing.readers.bad_records import MAX_RAW_BYTES, DamagedStream, Quarantine, RecordError
from preprocessing.readers.field_paths import Missing, name_of_type, split_path, step
from preprocessing.readers.fields import Fields, Row
from preprocessing.readers.json_lines import (
    BYTE_ORDER_MARK,
    check_keys,
    find_other_content,
    is_object,
    parse_json,
    quoted_keys,
)
from preprocessing.readers.streams import read_blocks
from preprocessing.readers.text_encodings import decode_text


def read_json_file(
    file: Path, label: str, item: JsonInput, fields: Fields, quarantine: Quarantine
) -> Iterator[Row]:
    """The documents of the records at ``item.records``, in order; the number of a record is its place among them."""
    beginning = b""
    try:
        raw = _read(file, item.max_file_bytes)
        beginning = raw[:MAX_RAW_BYTES]
        records = _find_records(_parse(raw, item), item.records)
    except RecordError as error:
        quarantine(error.record(label, 0, beginning))
        return
    del raw
    for number, record in enumerate(records, 1):
        try:
            if not isinstance(record, dict):
                raise RecordError(f"not a JSON object but {name_of_type(record)}", "not-an-object")
            yield fields.row(record, number)
        except RecordError as error:
            quarantine(error.record(label, number, orjson.dumps(record)))


def _read(file: Path, max_bytes: int) -> bytes:
    """The decompressed file without its byte order mark. Raises RecordError."""
    blocks, size = [], 0
    try:
        for block in read_blocks(file):
            blocks.append(block)
            size += len(block)
            if size > max_bytes:
                cause = (
                    f"the file is longer than max_file_bytes = {max_bytes:,}; raise it, or write the records as "
                    "JSON lines, for example with: jq -c '.[]' IN.json > OUT.jsonl"
                )
                raise RecordError(cause, "too-long")
    except DamagedStream as damage:
        raise RecordError(f"the file cannot be read to its end: {damage}", "damaged-file") from None
    return b"".join(blocks).removeprefix(BYTE_ORDER_MARK)


def _parse(raw: bytes, item: JsonInput) -> Any:
    """The value of the file. Raises RecordError, also where an object has a field of the text twice."""
    if item.encoding != "utf-8":
        raw = decode_text(raw, "", item.encoding).encode("utf-8", "surrogatepass")
    elif other := find_other_content(raw):
        raise other
    try:
        value = parse_json(raw)
    except RecordError as error:
        if error.rule == "is-cp949":
            raise RecordError(error.cause, error.rule, "; set encoding: cp949, or auto") from None
        if is_object(raw.partition(b"\n")[0]):
            raise RecordError(
                "this is JSON lines, not one JSON value; set type: jsonl for it", "json-lines"
            ) from None
        raise
    keys = quoted_keys(item)
    names = [orjson.loads(key) for key in keys]
    if sum(map(raw.count, keys)) > _count_fields(value, names):  # in a string, or a second time in an object
        check_keys(raw, keys)
    return value


def _count_fields(value: Any, names: list[str]) -> int:
    """How many fields with one of the names the objects inside of a value have."""
    count, open_values = 0, [value] if isinstance(value, (dict, list)) else []
    while open_values:
        value = open_values.pop()
        if isinstance(value, dict):
            count += sum(name in value for name in names)
            value = value.values()
        open_values += [one for one in value if isinstance(one, (dict, list))]
    return count


def _find_records(value: Any, path: str) -> list[Any]:
    """The records at ``path``; without one the elements of a list, or the object that the file is. Raises RecordError."""
    if not path:
        return value if isinstance(value, list) else [value]
    values, done = [value], ""
    for name, lists in split_path(path):
        done += ("." if done and name else "") + name
        try:
            values = [step(one, name, done) if name else one for one in values]
        except Missing as error:
            raise RecordError(f"{error}; set records", "missing-field") from None
        for _ in range(lists):
            if other := next((one for one in values if not isinstance(one, list)), None):
                cause = f"{done or 'the file'} is not a list but {name_of_type(other)}; set records"
                raise RecordError(cause, "not-a-list")
            values, done = [one for elements in values for one in elements], f"{done}[]"
    if lists := [one for one in values if isinstance(one, list)]:
        raise RecordError(
            f"{done} is a list of {len(lists[0]):,}; set records: '{done}[]' for its elements", "is-a-list"
        )
    return values
