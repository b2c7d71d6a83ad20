"""Reads the text that models are trained on: files of documents and sources of the corpus.

Owns reading them as batches of text. ``input_units`` finds the files; the trainers use the text.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from megatron_ko.errors import DataError, Problem, first_line
from preprocessing.config.pipeline import source_of
from preprocessing.config.scoring import TextSet
from preprocessing.documents import read_batches
from preprocessing.readers.input_units import Unit, find_files
from preprocessing.running.context import Context

BATCH_ROWS = 1024


def texts_of(context: Context, texts: TextSet, langs: Sequence[str]) -> Iterator[pa.Array]:
    """Text columns (large_string): the files in order, then the sources in the order of the inputs."""
    for path in existing_files(texts.paths):
        yield from _file_texts(path, texts.field)
    if texts.sources:
        for batch in read_languages(context, tasks_of(context, texts.sources), langs):
            yield batch["text"]


def existing_files(patterns: list[str]) -> list[Path]:
    """The files that match. Raises DataError with the patterns that match no file."""
    files, missing = find_files(patterns)
    if missing:
        raise DataError(f"no file matches {', '.join(missing)}; check the paths", rule="missing-file")
    return files


def _file_texts(path: Path, name: str) -> Iterator[pa.Array]:
    rows: list[str] = []
    for number, record in records_of(path, "parquet" if path.suffix == ".parquet" else "jsonl", [name]):
        text = record.get(name)
        if not isinstance(text, str):
            message = f"field {name!r} is {type(text).__name__}, not text; correct the record or 'field'"
            raise DataError([Problem(f"{path}:{number}", "", message, "field-not-text")])
        rows.append(text)
        if len(rows) == BATCH_ROWS:
            yield pa.array(rows, pa.large_string())
            rows = []
    if rows:
        yield pa.array(rows, pa.large_string())


def records_of(path: Path, file_format: str, fields: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """``(number from 1, record)`` of a Parquet file (only ``fields``) or of JSON lines. Raises DataError."""
    try:
        if file_format == "parquet":
            with pq.ParquetFile(path) as file:
                known = [name for name in fields if name in file.schema_arrow.names]
                number = 0
                for batch in file.iter_batches(BATCH_ROWS, columns=known):
                    yield from enumerate(batch.to_pylist(), number + 1)
                    number += batch.num_rows
            return
        for number, line in lines_of(path):
            record = orjson.loads(line)
            if not isinstance(record, dict):
                raise ValueError(f"line {number} is not a JSON object")
            yield number, record
    except (ValueError, OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path}: cannot be read as {file_format} ({first_line(error)}); check the file and its format",
            rule="unreadable-file",
        ) from None


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """``(number, line)`` of the non-blank lines of a file, plain or compressed (.gz, .zst). Raises DataError."""
    try:
        with pa.input_stream(str(path), compression="detect") as file:
            rest = b""
            number = 0
            while block := file.read(1 << 20):
                *lines, rest = (rest + block).split(b"\n")
                for line in lines:
                    number += 1
                    if line.strip():
                        yield number, line.decode("utf-8")
            if rest.strip():
                yield number + 1, rest.decode("utf-8")
    except (UnicodeDecodeError, OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path}: cannot be read ({first_line(error)}); check that it is complete UTF-8 text",
            rule="unreadable-file",
        ) from None


def tasks_of(context: Context, sources: Sequence[str]) -> list[Unit]:
    """The tasks of these sources (of all sources if empty). Raises DataError unless their text is final."""
    tasks = [
        task
        for task in context.units
        if not sources or source_of(task.input_name, context.config.inputs[task.input_name]) in sources
    ]
    if not tasks:
        known = {source_of(name, item) for name, item in context.config.inputs.items()}
        raise DataError(
            f"no input has the source {', '.join(sources)}; known sources: {', '.join(sorted(known))}",
            rule="unknown-source",
        )
    for task in tasks:
        context.upstream(context.text_step, task.name)
    return tasks


def read_languages(context: Context, tasks: Sequence[Unit], langs: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """``id, text, lang`` of the documents of the tasks in these languages."""
    wanted = pa.array(list(langs), pa.string())
    for task in tasks:
        for batch in read_batches(context.documents_path(task), ["id", "text", "lang"]):
            chosen = batch.filter(pc.is_in(batch["lang"], wanted))
            if chosen.num_rows:
                yield chosen
