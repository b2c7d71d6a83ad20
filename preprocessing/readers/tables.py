"""Parquet files, and Arrow files as ``datasets`` saves them: one document a row.

Only the columns that the input names are read. A damaged row group is one bad record; the others are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from megatron_ko.errors import first_line
from preprocessing.config.inputs import RecordsInput
from preprocessing.documents import BATCH_BYTES
from preprocessing.readers.bad_records import BadRecord, Quarantine, RecordError
from preprocessing.readers.fields import Fields, Row
from preprocessing.readers.file_ranges import Range

ROWS_AT_ONCE = 1024
ARROW_END = b"\xff\xff\xff\xff\0\0\0\0"
ARROW_FILE_MAGIC = b"ARROW1"
DAMAGE = (pa.ArrowException, ValueError, OSError, MemoryError, OverflowError)


def read_table(
    file: Path, label: str, part: Range | None, item: RecordsInput, fields: Fields, quarantine: Quarantine
) -> Iterator[Row]:
    """The documents of a file, or of the row groups of ``part``."""
    number = part.records_before if part else 0
    for batch in _batches(file, label, part, Fields.all_fields(item), number, quarantine):
        if isinstance(batch, int):
            number += batch  # rows that cannot be read
            continue
        for record in _records(batch):
            number += 1
            try:
                if isinstance(record, RecordError):
                    raise record
                yield fields.row(record, number)
            except RecordError as bad:
                raw = b"" if isinstance(record, RecordError) else orjson.dumps(record, default=repr)
                quarantine(BadRecord(label, number, str(bad), raw))


def _batches(
    file: Path, label: str, part: Range | None, names: list[str], first: int, quarantine: Quarantine
) -> Iterator[pa.RecordBatch | int]:
    """Batches of the columns, and the number of rows that are skipped where the file is damaged."""
    try:
        if file.suffix == ".arrow":
            yield from _arrow_batches(file, names)
        else:
            yield from _parquet_batches(file, label, part, names, first, quarantine)
    except DAMAGE as error:
        _refuse_system_errors(error)
        quarantine(BadRecord(label, first, f"the file cannot be read to its end: {first_line(error)}", b""))


def _refuse_system_errors(error: BaseException) -> None:
    """What the system refuses to read is no damage of the file: another run may succeed."""
    if isinstance(error, OSError) and error.errno is not None:
        raise error


def _wanted(schema: pa.Schema, names: list[str]) -> list[str]:
    """Columns of the table that hold the fields."""
    known = set(schema.names)
    columns = [name if name in known else name.split(".")[0] for name in names]
    return [name for name in dict.fromkeys(columns) if name in known]


def _no_column(schema: pa.Schema, names: list[str]) -> str:
    return f"none of the columns {', '.join(names)} is there; columns: {', '.join(schema.names)[:120]}"


def _parquet_batches(
    file: Path, label: str, part: Range | None, names: list[str], first: int, quarantine: Quarantine
) -> Iterator[pa.RecordBatch | int]:
    with pq.ParquetFile(file) as parquet:
        columns = _wanted(parquet.schema_arrow, names)
        if not columns:
            raise ValueError(_no_column(parquet.schema_arrow, names))
        groups = range(part.start, part.end) if part else range(parquet.num_row_groups)
        declared = sum(parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups))
        if declared != parquet.metadata.num_rows and first == 0:
            cause = f"the file says it has {parquet.metadata.num_rows:,} rows, its row groups {declared:,}"
            quarantine(BadRecord(label, 0, cause, b""))
        done = first
        for group in groups:
            rows, given = parquet.metadata.row_group(group).num_rows, 0
            try:
                for batch in parquet.iter_batches(_rows_at_once(parquet, group), [group], columns):
                    given += batch.num_rows
                    yield batch
                if given != rows:
                    raise ValueError(f"{given:,} rows instead of {rows:,}")
            except DAMAGE as error:
                _refuse_system_errors(error)
                cause = f"row group {group} is damaged ({first_line(error)}); {max(0, rows - given):,} rows were not read"
                quarantine(BadRecord(label, done + given + 1, cause, b""))
                yield max(0, rows - given)
            done += rows


def _rows_at_once(parquet: pq.ParquetFile, group: int) -> int:
    """As many rows as make about one batch."""
    metadata = parquet.metadata.row_group(group)
    size = max(1, metadata.total_byte_size // max(1, metadata.num_rows))
    return max(1, min(ROWS_AT_ONCE, BATCH_BYTES // size))


def _arrow_batches(file: Path, names: list[str]) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(file)) as source:
        is_file = source.read(len(ARROW_FILE_MAGIC)) == ARROW_FILE_MAGIC
        source.seek(0)
        if is_file:
            reader = pa.ipc.open_file(source)
            batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
        else:
            batches = iter(pa.ipc.open_stream(source))
        for batch in batches:
            columns = _wanted(batch.schema, names)
            if not columns:
                raise ValueError(_no_column(batch.schema, names))
            batch = batch.select(columns)
            for column in batch.columns:
                _check_offsets(column)
            for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                yield batch.slice(start, ROWS_AT_ONCE)
        if not is_file:
            _check_end(source)


def _check_end(source: pa.NativeFile) -> None:
    """Raises ValueError when a stream is not at its end mark, the last thing that is written."""
    read, size = source.tell(), source.size()
    source.seek(max(0, size - len(ARROW_END)))
    if read != size or source.read() != ARROW_END:
        raise ValueError(f"it ends at byte {read:,} of {size:,} without the end mark; rows may be missing")


def _check_offsets(column: pa.Array) -> None:
    """Raises ArrowInvalid where reading the column would leave its buffers; wrong UTF-8 is found row by row."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        if "UTF8" not in str(error):
            raise


def _records(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | RecordError]:
    """Rows as mappings; RecordError for those whose text is not UTF-8."""
    batch = pa.RecordBatch.from_arrays(
        [_as_text(column) for column in batch.columns], names=batch.schema.names
    )
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for row in range(batch.num_rows):
            yield _record(batch.slice(row, 1))


def _record(row: pa.RecordBatch) -> dict[str, Any] | RecordError:
    try:
        return row.to_pylist()[0]
    except UnicodeDecodeError as broken:
        return RecordError(f"not UTF-8: {broken.reason} at byte {broken.start}")


def _as_text(column: pa.Array) -> pa.Array:
    """Columns of bytes as text: old writers do not mark text as such."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_binary(kind):
        return column.view(pa.string())
    return column.view(pa.large_string()) if pa.types.is_large_binary(kind) else column
