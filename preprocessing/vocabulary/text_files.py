"""Text for the tokenizer commands: files and folders named on a command line, as batches with their language.

Owns which paths are meant and how they are cut into parts of about equal size; a part is read alone, by any process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from megatron_ko.errors import DataError
from preprocessing.documents import BATCH_BYTES
from preprocessing.language import detect
from preprocessing.readers.files_found import RECORD_SUFFIXES, find_files
from preprocessing.scoring.training_text import records_of

TEXT = pa.schema([("text", pa.large_string()), ("lang", pa.string())])
PLAIN_SUFFIXES = (".txt", ".md", ".py")


@dataclass(frozen=True)
class TextPart:
    """A file, or row groups ``[first, last)`` of a Parquet file; ``size`` in bytes on disk."""

    path: Path
    size: int
    row_groups: tuple[int, int] | None = None


def parts_of(paths: Sequence[str], split_bytes: int = 64 << 20) -> list[TextPart]:
    """Parts of the files and patterns, in order; the folder of a pipeline stands for its training text.

    Of any other folder all ``.parquet``, ``.jsonl`` (plain or compressed), ``.txt``, ``.md`` and ``.py`` files are meant.
    Raises DataError for a path without such a file.
    """
    found: list[TextPart] = []
    for given in paths:
        files = list(_files_of(given))
        if not files:
            raise DataError(
                f"{given}: no text there; give .parquet, .jsonl (plain, .gz, .zst, .bz2, .xz), {', '.join(PLAIN_SUFFIXES)} "
                "files, a folder of them, or the output folder of a pipeline"
            )
        for path in files:
            found += _cut(path, split_bytes)
    return found


def _files_of(given: str) -> Iterator[Path]:
    path = Path(given).expanduser()
    if not path.is_dir():
        yield from find_files([given])[0]
    elif (path / "clean").is_dir():
        yield from sorted((path / "clean").glob("*_train-[0-9]*.parquet"))
    else:
        known = (*RECORD_SUFFIXES, *PLAIN_SUFFIXES, ".parquet")
        yield from sorted(file for file in path.rglob("*") if file.is_file() and file.name.endswith(known))


def _cut(path: Path, split_bytes: int) -> Iterator[TextPart]:
    size = path.stat().st_size
    if path.suffix != ".parquet" or size <= split_bytes:
        yield TextPart(path, size)
        return
    with pq.ParquetFile(path) as file:
        groups = file.metadata.num_row_groups
    count = min(groups, -(-size // split_bytes))
    bounds = np.linspace(0, groups, count + 1).astype(int).tolist()
    for first, last in zip(bounds, bounds[1:]):
        yield TextPart(path, size * (last - first) // groups, (first, last))


def batches_of(part: TextPart) -> Iterator[pa.RecordBatch]:
    """Batches of ``TEXT`` of at most about BATCH_BYTES; a language that is not given is found."""
    rows: list[tuple[str, str | None]] = []
    size = 0
    for text, lang in _rows(part):
        rows.append((text, lang))
        size += len(text)
        if size >= BATCH_BYTES // 2:
            yield _batch(rows)
            rows, size = [], 0
    if rows:
        yield _batch(rows)


def _rows(part: TextPart) -> Iterator[tuple[str, str | None]]:
    if part.path.suffix == ".parquet":
        with pq.ParquetFile(part.path) as file:
            groups = range(*(part.row_groups or (0, file.metadata.num_row_groups)))
            names = [name for name in ("text", "lang") if name in file.schema_arrow.names]
            if "text" not in names:
                raise DataError(f"{part.path}: has no column text; its columns: {file.schema_arrow.names}")
            for batch in file.iter_batches(1024, row_groups=groups, columns=names):
                langs = batch["lang"].to_pylist() if "lang" in names else [None] * batch.num_rows
                yield from ((text or "", lang) for text, lang in zip(batch["text"].to_pylist(), langs))
    elif part.path.name.endswith(RECORD_SUFFIXES):
        for number, record in records_of(part.path, "jsonl", []):
            if not isinstance(record.get("text"), str):
                raise DataError(
                    f"{part.path}:{number}: has no field text that holds text; correct the record"
                )
            yield record["text"], record.get("lang")
    else:
        try:
            yield part.path.read_bytes().decode("utf-8"), None
        except UnicodeDecodeError as error:
            raise DataError(f"{part.path}: is not UTF-8 ({error}); convert the file") from None


def _batch(rows: list[tuple[str, str | None]]) -> pa.RecordBatch:
    texts = pa.array([text for text, _ in rows], pa.large_string())
    langs = [lang for _, lang in rows]
    if not all(langs):
        langs = [lang or found for lang, found in zip(langs, detect(texts).languages.tolist())]
    return pa.RecordBatch.from_arrays([texts, pa.array(langs, pa.string())], schema=TEXT)
