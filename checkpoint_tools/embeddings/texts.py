"""Text that initializations are judged on or learn from: a few megabytes of plain or JSON-lines files.

Owns reading documents of ``.txt``, ``.md``, ``.py`` and ``.jsonl`` (plain, ``.gz``, ``.zst``) files in order.
Corpora belong to ``preprocessing``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from megatron_ko.errors import DataError

PLAIN = (".txt", ".md", ".py")
RECORDS = (".jsonl", ".jsonl.gz", ".jsonl.zst")


def text_files(given: str, key: str) -> list[Path]:
    """The files of a ``key=FILE,FILE`` option. Raises DataError when a path is not a file of a known type."""
    paths = [Path(part.strip()).expanduser() for part in given.split(",") if part.strip()]
    if not paths:
        raise DataError(f"{key}: names no file; write {key}=FILE or {key}=FILE,FILE")
    for path in paths:
        if not path.is_file():
            raise DataError(f"{key}: {path}: no such file; check the path")
        if not path.name.endswith((*PLAIN, *RECORDS)):
            raise DataError(f"{key}: {path}: is not one of {', '.join((*PLAIN, *RECORDS))}; convert it")
    return paths


def documents(path: Path) -> Iterator[str]:
    """Texts that are not empty: a plain file as one, the field ``text`` of each record."""
    if path.name.endswith(PLAIN):
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: is not UTF-8 ({error}); convert the file") from None
        if text.strip():
            yield text
        return
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            yield from _text(path, number, line)


def _text(path: Path, number: int, line: bytes) -> Iterator[str]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}:{number}: not valid JSON ({error}); correct the line") from None
    text = record.get("text") if isinstance(record, dict) else None
    if not isinstance(text, str):
        raise DataError(f"{path}:{number}: has no field text that holds text; correct the record")
    if text.strip():
        yield text


def _lines(path: Path) -> Iterator[bytes]:
    """Lines of a plain or compressed file, a few megabytes in memory at a time."""
    import pyarrow as pa

    rest = b""
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            while block := stream.read(1 << 20):
                *whole, rest = (rest + block).split(b"\n")
                yield from whole
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read ({error}); copy the file again") from None
    if rest:
        yield rest
