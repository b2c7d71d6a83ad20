"""megatron-core's indexed dataset: ``PREFIX.bin`` (tokens back to back) and ``PREFIX.idx``.

Owns the bytes of version 1, little-endian: magic, version, dtype code, counts, lengths, byte offsets, document
starts. One sequence per document. Written with numpy in a stream; megatron-core is not needed.
"""

from __future__ import annotations

import contextlib
import hashlib
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from megatron_ko.errors import DataError
from megatron_ko.files import atomic_file
from megatron_ko.manifest import DTYPES, INDEX_MAGIC

VERSION = 1
HEADER = struct.Struct("<9sQBQQ")
# megatron-core writes uint16 below this size; up to 65,536 its readers disagree, so we never go there
UINT16_BELOW = 65_500
REMEDY = "write it again with 'python -m preprocessing encode'"


def dtype_for(vocab_size: int) -> str:
    """``uint16`` or ``int32``, by the number of ids including added tokens."""
    if UINT16_BELOW <= vocab_size <= 1 << 16:
        raise DataError(
            f"vocabulary of {vocab_size}: readers disagree on the token type from 65500 to 65536; stay outside"
        )
    return "uint16" if vocab_size < UINT16_BELOW else "int32"


class _Hashed:
    """A file that is hashed while it is written."""

    def __init__(self, file: IO[bytes]):
        self._file, self._digest, self.size = file, hashlib.sha256(), 0

    def write(self, block: bytes) -> None:
        self._file.write(block)
        self._digest.update(block)
        self.size += len(block)

    def sha256(self) -> str:
        return self._digest.hexdigest()


class Writer:
    """Documents appended one by one; ``lengths`` in tokens."""

    def __init__(self, file: IO[bytes], dtype: str):
        self.dtype = dtype
        self._out = _Hashed(file)
        self._limit = np.iinfo(dtype).max
        self.lengths = array("i")
        self.max_id = -1
        self.tokens = 0

    def add(self, ids: np.ndarray, lengths: np.ndarray) -> None:
        """``ids``: the tokens of several documents back to back; ``lengths``: how many each has, none of them 0."""
        if not len(ids):
            return
        highest = int(ids.max())
        if highest > self._limit or int(ids.min()) < 0:
            raise ValueError(f"token id {highest} does not fit {self.dtype}")
        if int(lengths.min()) < 1 or int(lengths.sum()) != len(ids):
            raise ValueError("lengths do not cover the tokens")
        self.max_id = max(self.max_id, highest)
        self.tokens += len(ids)
        self._out.write(ids.astype(f"<{np.dtype(self.dtype).str[1:]}").tobytes())
        self.lengths.extend(lengths.tolist())

    def facts(self) -> dict[str, Any]:
        return {"bin_bytes": self._out.size, "sha256": self._out.sha256()}


@contextlib.contextmanager
def new_bin(prefix: Path, dtype: str) -> Iterator[Writer]:
    """``PREFIX.bin``, there when the block ends without an error; ``write_index`` comes next."""
    with atomic_file(Path(f"{prefix}.bin")) as file:
        yield Writer(file, dtype)


def write_index(prefix: Path, writer: Writer) -> dict[str, Any]:
    """``PREFIX.idx``; returns its size and hash."""
    code, width = DTYPES[writer.dtype]
    lengths = np.asarray(writer.lengths, "<i4")
    offsets = np.zeros(len(lengths), "<i8")
    np.cumsum(lengths[:-1], out=offsets[1:], dtype=np.int64)
    with atomic_file(Path(f"{prefix}.idx")) as file:
        out = _Hashed(file)
        out.write(HEADER.pack(INDEX_MAGIC, VERSION, code, len(lengths), len(lengths) + 1))
        for part in (lengths, offsets * width, np.arange(len(lengths) + 1, dtype="<i8")):
            out.write(part.tobytes())
    return {"idx_bytes": out.size, "sha256": out.sha256()}


@dataclass(frozen=True)
class Index:
    dtype: str
    lengths: np.ndarray  # [sequences] int32, tokens
    offsets: np.ndarray  # [sequences] int64, bytes
    documents: np.ndarray  # [documents + 1] int64, sequence at which each document starts


def read_index(path: Path) -> Index:
    """Raises DataError unless the file is whole and of version 1."""
    data = path.read_bytes()
    if len(data) < HEADER.size:
        raise DataError(f"{path}: {len(data)} bytes are too few for an index; {REMEDY}")
    magic, version, code, sequences, documents = HEADER.unpack_from(data)
    names = {number: name for name, (number, _) in DTYPES.items()}
    if magic != INDEX_MAGIC or version != VERSION or code not in names:
        raise DataError(
            f"{path}: not an index of version {VERSION} with tokens of {sorted(DTYPES)}; {REMEDY}"
        )
    expected = HEADER.size + 12 * sequences + 8 * documents
    if len(data) != expected:
        raise DataError(
            f"{path}: {len(data):,} bytes where {sequences:,} sequences need {expected:,}; {REMEDY}"
        )
    at = HEADER.size
    return Index(
        names[code],
        np.frombuffer(data, "<i4", sequences, at),
        np.frombuffer(data, "<i8", sequences, at + 4 * sequences),
        np.frombuffer(data, "<i8", documents, at + 12 * sequences),
    )
