"""Reads text to judge models on or to learn from: plain files, JSON lines, and the files of a corpus.

Owns reading the documents of ``.txt``, ``.md``, ``.py``, ``.parquet`` and ``.jsonl`` (plain, ``.gz``, ``.zst``) files in
order. ``preprocessing`` writes corpora and reads all other formats.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from megatron_ko.errors import CheckpointError, DataError, Problem
from megatron_ko.formats.tokenizer_folder import Tokenizer, TokenizerInfo

PLAIN = (".txt", ".md", ".py")
RECORDS = (".jsonl", ".jsonl.gz", ".jsonl.zst")
TABLE = ".parquet"


def text_files(value: str, option: str) -> list[Path]:
    """The files ``FILE,FILE`` of an option. Raises DataError listing missing files and files of other types."""
    paths = [Path(part.strip()).expanduser() for part in value.split(",") if part.strip()]
    if not paths:
        message = f"names no file; write {option} FILE or {option} FILE,FILE"
        raise DataError([Problem("", option, message, "no-files")])
    problems = []
    for path in paths:
        if not path.is_file():
            problems.append(Problem("", option, f"{path}: no such file; check the path", "missing-file"))
        elif not path.name.endswith((*PLAIN, *RECORDS, TABLE)):
            types = ", ".join((*PLAIN, *RECORDS, TABLE))
            message = f"{path}: unknown file type; convert it to one of {types}"
            problems.append(Problem("", option, message, "unknown-file-type"))
    if problems:
        raise DataError(problems)
    return paths


def documents(path: Path) -> Iterator[str]:
    """Texts that are not empty: a plain file as a whole, or the field ``text`` of each record or row."""
    if path.name.endswith(TABLE):
        yield from filter(str.strip, _column(path))
        return
    if path.name.endswith(PLAIN):
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: is not UTF-8 ({error}); convert the file", rule="not-utf-8") from None
        if text.strip():
            yield text
        return
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            yield from _text(path, number, line)


def first_documents(path: Path, tokenizer: Tokenizer, tokens: int) -> list[str]:
    """The first documents of a file, about ``tokens`` tokens; the last one is cut. Raises CheckpointError for a file without
    text."""
    chosen: list[str] = []
    count = 0
    for text in documents(path):
        ids = tokenizer.encode(text)
        full = count + len(ids) >= tokens
        if full:
            text = text[: max(len(text) * (tokens - count) // len(ids), 1)]
            ids = tokenizer.encode(text)
        chosen.append(text)
        count += len(ids)
        if full:
            break
    if not count:
        raise CheckpointError(
            [Problem("", "--text", f"{path}: contains no text; give another file", "no-text")]
        )
    return chosen


def separator_of(info: TokenizerInfo) -> int:
    """The token that starts a document: eos, as in training, or bos where a tokenizer has no eos."""
    separator = info.eos_id if info.eos_id is not None else info.bos_id
    if separator is None:
        raise CheckpointError(
            f"{info.folder}: has neither an eos nor a bos token to start a document with; set one in "
            "tokenizer_config.json",
            rule="missing-separator-token",
        )
    return separator


def _text(path: Path, number: int, line: bytes) -> Iterator[str]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        message = f"is not valid JSON ({error}); correct the line"
        raise DataError([Problem(f"{path}:{number}", "", message, "invalid-json")]) from None
    text = record.get("text") if isinstance(record, dict) else None
    if not isinstance(text, str):
        message = "must contain a string in the field 'text'; correct the record"
        raise DataError([Problem(f"{path}:{number}", "", message, "missing-text")])
    if text.strip():
        yield text


def _column(path: Path) -> Iterator[str]:
    """The column ``text``, one row group in memory at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            field = next((field for field in file.schema_arrow if field.name == "text"), None)
            if field is None or field.type not in (pa.string(), pa.large_string()):
                message = f"{path}: must contain a column 'text' of strings; name another file"
                raise DataError(message, rule="missing-text")
            for group in range(file.num_row_groups):
                values = file.read_row_group(group, columns=["text"])["text"].to_pylist()
                yield from (value for value in values if value is not None)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({error}); write the file again", rule="unreadable-file"
        ) from None


def _lines(path: Path) -> Iterator[bytes]:
    """Lines of a plain or compressed file, with one block of it in memory at a time."""
    import pyarrow as pa

    rest = b""
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            while block := stream.read(1 << 20):
                *whole, rest = (rest + block).split(b"\n")
                yield from whole
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); copy the file again", rule="unreadable-file"
        ) from None
    if rest:
        yield rest
