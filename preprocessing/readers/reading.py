"""Reads a unit, its files or parts of files, into record batches of documents and quarantines bad records.

Owns the choice of the reader. A bad record never ends a run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from preprocessing.config.inputs import (
    CsvInput,
    HuggingfaceInput,
    JsonInput,
    JsonlInput,
    ParquetInput,
    TextInput,
    WarcInput,
    WikiDumpInput,
)
from preprocessing.config.pipeline import source_of
from preprocessing.documents import with_column
from preprocessing.readers.bad_records import BadRecord, Quarantine, raw_bytes, report_left_out
from preprocessing.readers.batches import Batches
from preprocessing.readers.fields import Fields, Row
from preprocessing.readers.file_formats import COMPRESSED_SUFFIXES
from preprocessing.readers.file_ranges import Range
from preprocessing.readers.input_units import Unit, has_records

__all__ = ["BadRecord", "Quarantine", "raw_bytes", "read_unit"]


def read_unit(unit: Unit, item: Any, quarantine: Quarantine, seed: int) -> Iterator[pa.RecordBatch]:
    """The documents of a unit in file order, in batches of at most BATCH_BYTES of text (or of one document).

    ``lang`` is empty where the input sets ``lang: detect``. Bad records go to ``quarantine``.
    """
    batches = Batches()
    for rows in _read_rows(unit, item, quarantine, seed):
        yield from batches.add_row(rows) if isinstance(rows, tuple) else batches.add_batch(rows)
    yield from batches.rest()


def _read_rows(unit: Unit, item: Any, quarantine: Quarantine, seed: int) -> Iterator[Row | pa.RecordBatch]:
    source = source_of(unit.input_name, item)
    if isinstance(item, HuggingfaceInput) and not unit.files:
        from preprocessing.readers.huggingface import read_from_hub

        yield from read_from_hub(
            item, Fields(item, source, item.path, seed, item.max_record_bytes), quarantine
        )
        return
    for index, (file, label, part) in enumerate(unit.parts()):
        rows = _read_rows_of_file(unit, file, label, part, item, source, quarantine, seed)
        yield from (_prefix_ids(row, unit.input_name) for row in rows) if index in unit.shared else rows


def prefix_id(identity: str, input_name: str) -> str:
    """The id of a document of a file that an earlier input reads, too."""
    return f"{input_name}/{identity}"


def _prefix_ids(rows: Row | pa.RecordBatch, name: str) -> Row | pa.RecordBatch:
    """Ids of documents of a file that another input reads, too, with the name of this input before them."""
    if isinstance(rows, tuple):
        return prefix_id(rows[0], name), *rows[1:]
    return with_column(
        rows, "id", pa.array([prefix_id(one, name) for one in rows["id"].to_pylist()], pa.string())
    )


def _read_rows_of_file(
    unit: Unit,
    file: Path,
    label: str,
    part: Range | None,
    item: Any,
    source: str,
    quarantine: Quarantine,
    seed: int,
) -> Iterator[Row | pa.RecordBatch]:
    if not has_records(file, item):
        from preprocessing.readers.whole_files import read_whole_file

        yield from read_whole_file(file, label, unit.root, item, source, quarantine)
    elif file.stat().st_size == 0:
        _report_empty(file, label, item, quarantine)
    else:
        yield from _read_file(file, label, part, item, source, quarantine, seed)


def _report_empty(file: Path, label: str, item: Any, quarantine: Quarantine) -> None:
    """Leaves out an empty file of plain lines; any other format has bytes even without a record."""
    if isinstance(item, (JsonlInput, TextInput)) and file.suffix not in COMPRESSED_SUFFIXES:
        report_left_out(label, Counter({"empty file": 1}), quarantine)
    else:
        quarantine(BadRecord(label, 0, "the file is empty", b"", rule="empty-file"))


def _read_file(
    file: Path, label: str, part: Range | None, item: Any, source: str, quarantine: Quarantine, seed: int
) -> Iterator[Row | pa.RecordBatch]:
    if isinstance(item, WarcInput):
        from preprocessing.readers.warc import read_warc

        return read_warc(file, label, item, source, quarantine)
    if isinstance(item, WikiDumpInput):
        from preprocessing.readers.wiki_dumps import read_wiki_dump

        return read_wiki_dump(file, label, part, item, source, quarantine)
    limit = item.max_record_bytes
    if isinstance(item, TextInput):  # a file of records among text files
        item = JsonlInput(type="jsonl", paths=item.paths, lang=item.lang, markup=item.markup)
    fields = Fields(item, source, label, seed, limit)
    if isinstance(item, (ParquetInput, HuggingfaceInput)):
        from preprocessing.readers.tables import read_table

        return read_table(file, label, part, item, fields, quarantine)
    if isinstance(item, CsvInput):
        from preprocessing.readers.separated_values import read_separated_values

        return read_separated_values(file, label, item, fields, limit, quarantine)
    if isinstance(item, JsonInput):
        from preprocessing.readers.json_files import read_json_file

        return read_json_file(file, label, item, fields, quarantine)
    from preprocessing.readers.json_lines import read_json_lines

    return read_json_lines(file, label, part, item, fields, limit, quarantine)
