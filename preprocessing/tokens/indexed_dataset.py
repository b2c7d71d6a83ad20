"""megatron-core's indexed dataset: ``PREFIX.bin`` (tokens back to back) and ``PREFIX.idx``.

Owns the bytes of version 1, little-endian: magic, version, dtype code, counts, lengths, byte offsets, document
starts. Writes them with numpy as a stream, without megatron-core.
"""

from __future__ import annotations

import contextlib
import hashlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from megatron_ko.errors import DataError
from megatron_ko.files import atomic_file
from megatron_ko.formats.manifest import DTYPES, HEADER, INDEX_MAGIC

VERSION = 1
# megatron-core writes uint16 below this size; from here to 65,536 its readers disagree, so these sizes are refused
UINT16_BELOW = 65_500
REMEDY = "delete it and write it again with 'mko data encode'"
OTHER_TYPES = {1: "uint8", 2: "int8", 3: "int16", 5: "int64", 6: "float64", 7: "float32"}
"""Codes of megatron-core for types that it never writes for tokens of a vocabulary."""
CHUNK = 1 << 20  # index entries computed at a time


def dtype_for(vocab_size: int) -> str:
    """``uint16`` or ``int32``, by the number of ids including added tokens. Raises DataError for an ambiguous size."""
    if UINT16_BELOW <= vocab_size <= 1 << 16:
        raise DataError(
            f"vocabulary of {vocab_size} tokens: readers of megatron-core disagree on the token type for sizes from 65500 to "
            "65536; use another size",
            rule="ambiguous-token-type",
        )
    return "uint16" if vocab_size < UINT16_BELOW else "int32"


class HashingFile:
    """Hashes a file while writing it."""

    def __init__(self, file: IO[bytes]):
        self._file, self._digest, self.size = file, hashlib.sha256(), 0

    def write(self, block: bytes) -> None:
        self._file.write(block)
        self._digest.update(block)
        self.size += len(block)

    def sha256(self) -> str:
        return self._digest.hexdigest()


class Writer:
    """Appends documents to a ``.bin``; ``lengths`` in tokens."""

    def __init__(self, file: IO[bytes], dtype: str):
        self.dtype = dtype
        self._out = HashingFile(file)
        self._limit = np.iinfo(dtype).max
        self.lengths = array("i")
        self.max_id = -1
        self.tokens = 0

    def add(self, ids: np.ndarray, lengths: np.ndarray) -> None:
        """Appends documents. ``ids``: their tokens back to back; ``lengths``: tokens per document, at least 1."""
        if not len(ids):
            return
        lowest, highest = int(ids.min()), int(ids.max())
        if highest > self._limit or lowest < 0:
            raise ValueError(
                f"token id {highest if highest > self._limit else lowest} does not fit {self.dtype}"
            )
        if (
            int(lengths.min()) < 1
            or int(lengths.max()) > np.iinfo(np.int32).max
            or int(lengths.sum()) != len(ids)
        ):
            raise ValueError("lengths do not cover the tokens")
        self.max_id = max(self.max_id, highest)
        self.tokens += len(ids)
        stored = np.ascontiguousarray(ids, f"<{np.dtype(self.dtype).str[1:]}")
        self._out.write(stored.tobytes())
        self.lengths.frombytes(lengths.astype(np.int32).tobytes())

    def facts(self) -> dict[str, Any]:
        return {"bin_bytes": self._out.size, "sha256": self._out.sha256()}


@contextlib.contextmanager
def new_bin(prefix: Path, dtype: str) -> Iterator[Writer]:
    """Writes ``PREFIX.bin``, which appears when the block ends without an error; call ``write_index`` next."""
    with atomic_file(Path(f"{prefix}.bin")) as file:
        yield Writer(file, dtype)


def write_index(
    prefix: Path, dtype: str, lengths: Sequence[Any], documents: Sequence[np.ndarray] | None = None
) -> dict[str, Any]:
    """Writes ``PREFIX.idx`` for sequences with these lengths, in several arrays; returns its size and hash.

    ``documents``: for each array the sequences at which its documents start, and its end; None: every sequence is a
    document. Uses the memory of one array and a chunk.
    """
    parts = [np.asarray(part, "<i4") for part in lengths]
    sequences = sum(len(part) for part in parts)
    boundaries = sequences + 1 if documents is None else sum(len(part) - 1 for part in documents) + 1
    code, width = DTYPES[dtype]
    with atomic_file(Path(f"{prefix}.idx")) as file:
        out = HashingFile(file)
        out.write(HEADER.pack(INDEX_MAGIC, VERSION, code, sequences, boundaries))
        for part in parts:
            out.write(part.tobytes())
        for block in _offsets(parts, width):
            out.write(block.tobytes())
        for block in _boundaries(parts, documents):
            out.write(block.tobytes())
    return {"idx_bytes": out.size, "sha256": out.sha256()}


def _offsets(parts: Sequence[np.ndarray], width: int) -> Iterator[np.ndarray]:
    """Byte offset of each sequence, in chunks."""
    base = 0
    for part in parts:
        for start in range(0, len(part), CHUNK):
            ends = base + np.cumsum(part[start : start + CHUNK], dtype="<i8") * width
            yield np.concatenate([np.array([base], "<i8"), ends[:-1]])
            base = int(ends[-1])


def _boundaries(parts: Sequence[np.ndarray], documents: Sequence[np.ndarray] | None) -> Iterator[np.ndarray]:
    """Number of the sequence at which each document starts, and the end, in chunks."""
    base = 0
    for number, part in enumerate(parts):
        if documents is not None:
            yield np.asarray(documents[number][:-1], "<i8") + base
        else:
            for start in range(0, len(part), CHUNK):
                yield base + np.arange(start, min(start + CHUNK, len(part)), dtype="<i8")
        base += len(part)
    yield np.array([base], "<i8")


@dataclass(frozen=True)
class Index:
    dtype: str
    lengths: np.ndarray  # [sequences] int32, tokens
    offsets: np.ndarray  # [sequences] int64, bytes
    documents: np.ndarray  # [documents + 1] int64, sequence at which each document starts


def read_index(path: Path) -> Index:
    """Maps the arrays of the file. Raises DataError unless it is complete and of version 1."""
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            header = file.read(HEADER.size)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); check the path", rule="unreadable-file"
        ) from None
    if len(header) < HEADER.size:
        raise DataError(f"{path}: {size} bytes are too few for an index; {REMEDY}", rule="truncated-index")
    magic, version, code, sequences, documents = HEADER.unpack(header)
    names = {number: name for name, (number, _) in DTYPES.items()}
    if magic == INDEX_MAGIC and version == VERSION and code in OTHER_TYPES:
        raise DataError(
            f"{path}: has tokens of type {OTHER_TYPES[code]}, but training reads {' and '.join(sorted(DTYPES))}; encode the "
            "text again",
            rule="unsupported-token-type",
        )
    if magic != INDEX_MAGIC or version != VERSION or code not in names:
        raise DataError(
            f"{path}: is not an index of version {VERSION} with tokens of type {' or '.join(sorted(DTYPES))}; {REMEDY}",
            rule="not-an-index",
        )
    expected = HEADER.size + 12 * sequences + 8 * documents
    if size != expected:
        raise DataError(
            f"{path}: has {size:,} bytes, but {sequences:,} sequences need {expected:,}; {REMEDY}",
            rule="truncated-index",
        )
    data = np.memmap(path, np.uint8, "r")
    at = HEADER.size
    return Index(
        names[code],
        np.frombuffer(data, "<i4", sequences, at),
        np.frombuffer(data, "<i8", sequences, at + 4 * sequences),
        np.frombuffer(data, "<i8", documents, at + 12 * sequences),
    )
