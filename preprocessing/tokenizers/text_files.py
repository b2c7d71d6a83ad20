"""Reads the text of the tokenizer commands: files and folders from the command line, as batches of documents.

Owns the choice of the files, their division into parts of about equal size that any process can read, and the fields of
a record. Uses the readers of the pipeline, but the first bad record ends the command: a tokenizer should be made from
clean text.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa

from megatron_ko.errors import DataError, Problem, first_line
from preprocessing.config.inputs import JsonlInput, ParquetInput
from preprocessing.config.languages import LANGUAGES
from preprocessing.documents import with_column
from preprocessing.readers.bad_records import BadRecord
from preprocessing.readers.batches import Batches
from preprocessing.readers.fields import Fields, Row, text_of
from preprocessing.readers.file_formats import COMPRESSED_SUFFIXES
from preprocessing.readers.file_ranges import Range, group_sizes, split_evenly, split_row_groups
from preprocessing.readers.input_hashes import InputHashes
from preprocessing.readers.input_units import (
    RECORD_SUFFIXES,
    UNCUT_SUFFIXES,
    find_files,
    label_of,
)
from preprocessing.readers.json_lines import read_json_lines
from preprocessing.readers.lines import read_line_blocks
from preprocessing.readers.tables import read_table
from preprocessing.readers.text_encodings import KOREAN_CP949, how_to_convert, is_korean_cp949
from preprocessing.text.language import detect

TEXT = pa.schema([("text", pa.large_string()), ("lang", pa.string())])
SPLIT_BYTES = 64 << 20
PLAIN_SUFFIXES = tuple(f"{name}{packed}" for name in (".txt", ".md", ".py") for packed in ("", ".gz", ".zst"))
KNOWN_SUFFIXES = (".parquet", *RECORD_SUFFIXES, *PLAIN_SUFFIXES)
OTHER_FORMATS = (
    ".json",
    ".csv",
    ".tsv",
    ".arrow",
    ".zip",
    ".tar",
    ".tgz",
    ".7z",
    ".pdf",
    ".docx",
    ".hwp",
    ".html",
    ".bin",
)
LONGEST_BYTES = 1 << 30  # of one record
DOCUMENT_BYTES = 4 << 20  # a longer plain file becomes several documents, split at line feeds
_ITEM: dict[str, Any] = {"paths": ["."], "max_record_bytes": LONGEST_BYTES}


@dataclass(frozen=True)
class TextPart:
    """Several whole files or a range of one; ``size``: bytes on disk."""

    files: tuple[Path, ...]
    size: int
    range: Range | None = None

    @property
    def name(self) -> str:
        """For messages."""
        return (
            str(self.files[0]) if len(self.files) == 1 else f"{self.files[0]} and {len(self.files) - 1} more"
        )

    def identity(self) -> list[Any]:
        """JSON that changes when the text may have changed: path, size and mtime of each file, and the range."""
        stamps = [(file, file.stat()) for file in self.files]
        cut = [self.range.start, self.range.end] if self.range else None
        return [[[str(file.absolute()), s.st_size, s.st_mtime_ns] for file, s in stamps], cut]


# --- files and parts -------------------------------------------------------------------------------------


def parts_of(paths: Sequence[str], split_bytes: int = SPLIT_BYTES) -> list[TextPart]:
    """Parts of the files and patterns, in order; the output folder of a pipeline means its training text.

    Any other folder means all its ``.parquet``, ``.jsonl`` (plain or compressed), ``.txt``, ``.md`` and ``.py`` files.
    Raises DataError for a path without such a file, another format, or a damaged Parquet file.
    """
    files: dict[Path, None] = {}
    for path in paths:
        found = _files_of(path)
        if not found:
            raise DataError(
                f"{path}: contains no text; name .parquet, .jsonl, .txt, .md or .py files (lines also .gz, .zst, .bz2, .xz), "
                "a folder of them, or the output folder of a pipeline",
                rule="no-text",
            )
        files.update(dict.fromkeys(found))
    return list(_cut(list(files), split_bytes))


def _files_of(pattern: str) -> list[Path]:
    path = Path(pattern).expanduser()
    if not path.is_dir():
        files, missing = find_files([pattern])
        if files and missing:
            raise DataError(
                f"{missing[0]}: a link to a file that does not exist; repair the link, or choose patterns that do not match it",
                rule="broken-link",
            )
        for file in files:
            if file.suffix.lower() in OTHER_FORMATS:
                raise DataError(
                    f"{file}: {file.suffix} files are not supported here; convert to .jsonl (one object per line with a field "
                    "text), .parquet (a column text) or plain text",
                    rule="unsupported-format",
                )
        return files
    if (path / "clean").is_dir():
        files = sorted((path / "clean").glob("*_train-[0-9]*.parquet"))
        if not files:
            raise DataError(
                f"{path}: looks like the output folder of a pipeline, but clean/ contains no training text; run "
                "'mko data balance CONFIG.yaml' first",
                rule="no-training-text",
            )
        return files
    return sorted(file for file in path.rglob("*") if file.name.endswith(KNOWN_SUFFIXES) and file.is_file())


def _cut(files: list[Path], split_bytes: int) -> Iterator[TextPart]:
    """Splits large files into ranges and groups adjacent small files."""
    small: list[tuple[Path, int]] = []
    for file in files:
        size = _size_of(file)
        if size <= split_bytes:
            small.append((file, size))
            continue
        yield from _group(small, split_bytes)
        small = []
        ranges = _ranges(file, size, split_bytes)
        yield from (TextPart((file,), size // len(ranges), part) for part in ranges)
    yield from _group(small, split_bytes)


def _group(small: list[tuple[Path, int]], split_bytes: int) -> Iterator[TextPart]:
    sizes = [size for _, size in small]
    for start, end in group_sizes(sizes, split_bytes):
        yield TextPart(tuple(file for file, _ in small[start:end]), sum(sizes[start:end]))


def _size_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise DataError(
            f"{file}: cannot be read ({error.strerror}); check the path and the permissions",
            rule="unreadable-file",
        ) from None


def _ranges(file: Path, size: int, split_bytes: int) -> Sequence[Range | None]:
    """Ranges at which a reader can begin. Lines of a plain file are counted only to report a bad one."""
    if file.suffix == ".parquet":
        try:
            return split_row_groups(file, split_bytes)
        except (OSError, ValueError) as error:
            raise DataError(
                f"{file}: is not a Parquet file or is damaged ({first_line(error)}); write it again",
                rule="not-a-parquet-file",
            ) from None
    if file.suffix == ".zst":
        return InputHashes().line_ranges(file, split_bytes)
    if file.suffix in UNCUT_SUFFIXES:
        return [None]
    return [
        Range(part.start, part.end, 0, part.start > 0 and not _ends_line(file, part.start))
        for part in split_evenly(size, split_bytes)
    ]


def _ends_line(file: Path, end: int) -> bool:
    with open(file, "rb") as opened:
        opened.seek(end - 1)
        return opened.read(1) == b"\n"


# --- documents -------------------------------------------------------------------------------------------


def texts_of(part: TextPart, field: str = "text") -> Iterator[pa.Array]:
    """The text columns of ``documents_of``; ``field``: field of a record that contains its text."""
    return (batch["text"] for batch in _read(part, {**_ITEM, "text_field": field, "lang": "detect"}))


def batches_of(part: TextPart) -> Iterator[pa.RecordBatch]:
    """Batches of ``TEXT``: like ``documents_of``, but faster."""
    for batch in _batches(part, _ITEM):
        yield pa.RecordBatch.from_arrays([batch["text"], batch["lang"]], schema=TEXT)


def documents_of(part: TextPart) -> Iterator[pa.RecordBatch]:
    """Batches of ``DOCUMENT`` with at most BATCH_BYTES of text, or one document.

    Detects a language that is missing or unknown; a missing source becomes the name of the file. Raises DataError for
    the first bad record, with file and line.
    """
    return _batches(part, {**_ITEM, "meta_fields": ["source", "meta"]})


def _batches(part: TextPart, settings: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    return map(_fill_languages, _read(part, settings))


def _read(part: TextPart, settings: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    for file in part.files:
        batches = Batches()
        for rows in _rows(file, part.range, settings):
            yield from batches.add_row(rows) if isinstance(rows, tuple) else batches.add_batch(rows)
        yield from batches.rest()


def _fill_languages(batch: pa.RecordBatch) -> pa.RecordBatch:
    langs = batch["lang"].to_pylist()
    if all(langs):
        return batch
    detected = detect(batch["text"]).languages.tolist()
    filled = pa.array([lang or other for lang, other in zip(langs, detected)], pa.string())
    return with_column(batch, "lang", filled)


class _Record(Fields):
    """Documents of records with the default field names; only the text is required."""

    def required_fields(self) -> dict[str, str]:
        return {self._item.text_field: ""}

    def row(self, record: Mapping[str, Any], number: int) -> Row:
        identity, lang, source, meta = (record.get(name) for name in ("id", "lang", "source", "meta"))
        return (
            identity if isinstance(identity, str) and identity else self._other_identity(record, number),
            text_of(record, self._item.text_field),
            source if isinstance(source, str) and source else self._source,
            lang if lang in LANGUAGES else "",
            meta if isinstance(meta, str) else f"{self._meta_start}{number}}}",
        )


def _rows(file: Path, part: Range | None, settings: dict[str, Any]) -> Iterator[Row | pa.RecordBatch]:
    label = label_of(file)
    source = label_of(Path(file.name.split(".")[0]))

    def refuse(bad: BadRecord) -> NoReturn:
        line = bad.line + (_lines_before(file, part) if bad.line else 0)
        where = f"{label}:{line}" if line else label
        remedy = "; correct or remove the record (step clean of a pipeline sets such records aside)"
        raise DataError([Problem(where, "", bad.cause + (remedy if line else ""), "bad-record")])

    if not _size_of(file):
        return
    if file.suffix == ".parquet":
        item = ParquetInput(type="parquet", **settings)
        yield from read_table(file, label, part, item, _Record(item, source, label, 0, LONGEST_BYTES), refuse)
    elif file.name.endswith(RECORD_SUFFIXES):
        item = JsonlInput(type="jsonl", **settings)
        fields = _Record(item, source, label, 0, LONGEST_BYTES)
        yield from read_json_lines(file, label, part, item, fields, LONGEST_BYTES, refuse)
    else:
        yield from _plain_rows(file, label, source, part, refuse)


def _lines_before(file: Path, part: Range | None) -> int:
    """Number of lines before a range of a plain file."""
    if part is None or part.records_before or file.suffix in (".parquet", ".zst"):
        return 0
    lines, left = int(part.inside), part.start
    with open(file, "rb") as opened:
        while left and (block := opened.read(min(left, 1 << 20))):
            lines, left = lines + block.count(b"\n"), left - len(block)
    return lines


def _plain_rows(file: Path, label: str, source: str, part: Range | None, refuse: Any) -> Iterator[Row]:
    """One document per plain file; a long or compressed file is split at line feeds about every DOCUMENT_BYTES."""
    if part is None and file.suffix not in COMPRESSED_SUFFIXES and _size_of(file) <= DOCUMENT_BYTES:
        blocks = iter([(1, file.read_bytes())])
    else:
        blocks = _join_blocks(read_line_blocks(file, label, part, LONGEST_BYTES, refuse))
    for first, block in blocks:
        try:
            text = block.decode(_encoding_of(file, block) if first == 1 else "utf-8")
        except (UnicodeDecodeError, LookupError, SyntaxError) as error:
            if is_korean_cp949(block):
                refuse(BadRecord(label, 0, f"this is {KOREAN_CP949}; {how_to_convert('cp949')}", b""))
            line = first + block.count(b"\n", 0, getattr(error, "start", 0))
            refuse(BadRecord(label, line, f"not UTF-8 ({first_line(error)}); save the file as UTF-8", b""))
        if "\0" in text:
            refuse(BadRecord(label, first, "contains NUL characters, so it is not text", b""))
        yield f"{label}:{first}", text, source, "", f'{{"line":{first}}}'


def _encoding_of(file: Path, beginning: bytes) -> str:
    """UTF-8 with or without byte order mark, or the encoding that a Python file declares."""
    if file.suffix == ".py":
        return tokenize.detect_encoding(io.BytesIO(beginning).readline)[0]
    return "utf-8-sig"


def _join_blocks(blocks: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Joins blocks of lines to at least DOCUMENT_BYTES: ``(number of the first line, lines with line feeds)``."""
    first, waiting, size = 1, [], 0
    for number, block in blocks:
        first = first if waiting else number
        waiting.append(block)
        size += len(block)
        if size >= DOCUMENT_BYTES:
            yield first, b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield first, b"".join(waiting)
