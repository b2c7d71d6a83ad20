"""Parquet files, and Arrow files as saved by ``datasets``: one document per row.

Reads only the columns that the input names. A damaged row group is one bad record; the other row groups are read.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from megatron_ko.errors import first_line
from preprocessing.config.inputs import RecordsInput
from preprocessing.documents import BATCH_BYTES
from preprocessing.readers.bad_records import BadRecord, Quarantine, RecordError
from preprocessing.readers.fields import Fields, Row, find_columns
from preprocessing.readers.file_formats import LONGEST_BEGINNING, find_other_format
from preprocessing.readers.file_ranges import Range

ROWS_AT_ONCE = 1024
ColumnsOf = Callable[[pa.Schema], list[str]]
ARROW_END = b"\xff\xff\xff\xff\0\0\0\0"
ARROW_FILE_MAGIC = b"ARROW1"
PARQUET_MAGIC = b"PAR1"
_NO_TEXT = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_boolean,
    pa.types.is_temporal,
)
DAMAGE = (pa.ArrowException, ValueError, OSError, MemoryError, OverflowError)


def read_table(
    file: Path, label: str, part: Range | None, item: RecordsInput, fields: Fields, quarantine: Quarantine
) -> Iterator[Row]:
    """The documents of a file, or of the row groups of ``part``."""
    number = part.records_before if part else 0
    columns_of = functools.partial(
        _find_columns, fields=Fields.all_fields(item), required=fields.required_fields()
    )
    for batch in _read_batches(file, label, part, columns_of, number, quarantine):
        if isinstance(batch, int):
            number += batch  # unreadable rows
            continue
        for record in _to_records(batch):
            number += 1
            try:
                if isinstance(record, RecordError):
                    raise record
                yield fields.row(record, number)
            except RecordError as error:
                raw = b"" if isinstance(record, RecordError) else orjson.dumps(record, default=repr)
                quarantine(error.record(label, number, raw))


def _read_batches(
    file: Path, label: str, part: Range | None, columns_of: ColumnsOf, first: int, quarantine: Quarantine
) -> Iterator[pa.RecordBatch | int]:
    """Batches of the columns, and the number of rows that were skipped where the file is damaged."""
    try:
        if file.suffix == ".arrow":
            yield from _read_arrow(file, columns_of)
        else:
            yield from _read_parquet(file, label, part, columns_of, first, quarantine)
    except RecordError as error:
        if not first:  # once for a file of several parts
            quarantine(error.record(label, 0, b""))
    except DAMAGE as error:
        _raise_system_errors(error)
        quarantine(_not_a_table(file, error).record(label, first, b""))


def _find_columns(schema: pa.Schema, fields: Sequence[str], required: Mapping[str, str]) -> list[str]:
    """The columns with the fields. Raises RecordError where one is missing, or has numbers or times instead of text."""
    names = find_columns(schema.names, fields, required)
    for field, remedy in required.items():
        index = schema.get_field_index(field)
        if index >= 0 and any(is_other(schema.types[index]) for is_other in _NO_TEXT):
            cause = f"column {field!r} is {schema.types[index]}, not text; columns: {', '.join(schema.names)[:200]}"
            raise RecordError(cause, "not-text", remedy)
    return names


def _not_a_table(file: Path, error: BaseException) -> RecordError:
    """The error of a file that Arrow cannot open: another format, or a damaged file."""
    with open(file, "rb") as opened:
        beginning = opened.read(LONGEST_BEGINNING)
    if beginning.lstrip()[:1] in (b"{", b"["):
        return RecordError("this is JSON, not a table; set type: jsonl for it", "other-format")
    other = find_other_format(beginning)
    is_named = ARROW_FILE_MAGIC if file.suffix == ".arrow" else PARQUET_MAGIC
    if other and not beginning.startswith(is_named):
        return other
    if "magic bytes not found" in str(error) and beginning.startswith(PARQUET_MAGIC):
        return RecordError(
            "the file ends early, as after a download that was cut off; fetch it again", "damaged-file"
        )
    return RecordError(f"the file cannot be read to its end: {first_line(error)}", "damaged-file")


def _raise_system_errors(error: BaseException) -> None:
    """Raises an error of the operating system: the file is not damaged, another run may succeed."""
    if isinstance(error, OSError) and error.errno is not None:
        raise error


def _read_parquet(
    file: Path, label: str, part: Range | None, columns_of: ColumnsOf, first: int, quarantine: Quarantine
) -> Iterator[pa.RecordBatch | int]:
    with pq.ParquetFile(file) as parquet:
        columns = columns_of(parquet.schema_arrow)
        groups = range(part.start, part.end) if part else range(parquet.num_row_groups)
        declared = sum(parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups))
        if declared != parquet.metadata.num_rows and first == 0:
            cause = f"the file declares {parquet.metadata.num_rows:,} rows, but its row groups declare {declared:,}"
            quarantine(BadRecord(label, 0, cause, b"", rule="row-counts-differ"))
        done = first
        for group in groups:
            rows, read = parquet.metadata.row_group(group).num_rows, 0
            try:
                for batch in parquet.iter_batches(_rows_per_batch(parquet, group), [group], columns):
                    read += batch.num_rows
                    yield batch
                if read != rows:
                    raise ValueError(f"{read:,} rows instead of {rows:,}")
            except DAMAGE as error:
                _raise_system_errors(error)
                missing = max(0, rows - read)
                cause = f"row group {group} is damaged ({first_line(error)}); {missing:,} rows were not read"
                quarantine(BadRecord(label, done + read + 1, cause, b"", rule="damaged-row-group"))
                yield missing
            done += rows


def _rows_per_batch(parquet: pq.ParquetFile, group: int) -> int:
    """Rows of the group that fill about one batch."""
    metadata = parquet.metadata.row_group(group)
    size = max(1, metadata.total_byte_size // max(1, metadata.num_rows))
    return max(1, min(ROWS_AT_ONCE, BATCH_BYTES // size))


def _read_arrow(file: Path, columns_of: ColumnsOf) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(file)) as source:
        is_file = source.read(len(ARROW_FILE_MAGIC)) == ARROW_FILE_MAGIC
        source.seek(0)
        if is_file:
            reader = pa.ipc.open_file(source)
            batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
        else:
            batches = iter(pa.ipc.open_stream(source))
        for batch in batches:
            batch = batch.select(columns_of(batch.schema))
            for column in batch.columns:
                _check_offsets(column)
            for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                yield batch.slice(start, ROWS_AT_ONCE)
        if not is_file:
            _check_end(source)


def _check_end(source: pa.NativeFile) -> None:
    """Raises ValueError unless a stream is at its end mark, which is written last."""
    read, size = source.tell(), source.size()
    source.seek(max(0, size - len(ARROW_END)))
    if read != size or source.read() != ARROW_END:
        raise ValueError(f"it ends at byte {read:,} of {size:,} without the end mark; rows may be missing")


def _check_offsets(column: pa.Array) -> None:
    """Raises ArrowInvalid when reading the column would leave its buffers. Invalid UTF-8 is detected row by row later."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        if "UTF8" not in str(error):
            raise


def _to_records(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | RecordError]:
    """Rows as dictionaries; a RecordError for each row whose text is not UTF-8."""
    batch = pa.RecordBatch.from_arrays(
        [_to_text(column) for column in batch.columns], names=batch.schema.names
    )
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for row in range(batch.num_rows):
            yield _to_record(batch.slice(row, 1))


def _to_record(row: pa.RecordBatch) -> dict[str, Any] | RecordError:
    try:
        return row.to_pylist()[0]
    except UnicodeDecodeError as broken:
        return RecordError(f"not UTF-8: {broken.reason} at byte {broken.start}", "not-utf8")


def _to_text(column: pa.Array) -> pa.Array:
    """Converts columns of bytes to text: old writers do not mark text as such."""
    value_type = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_binary(value_type):
        return column.view(pa.string())
    return column.view(pa.large_string()) if pa.types.is_large_binary(value_type) else column
