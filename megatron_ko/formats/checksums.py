"""Checksums of the files of a checkpoint: xxh3 with 128 bits, streamed.

They reveal damage (flipped bits, blocks of zeros, mixed copies), not an attack: anyone can compute them. xxh3 is an order of
magnitude faster than SHA-256, so that it costs little beside reading the files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

BLOCK_BYTES = 1 << 20
"""A block stays in the cache of a core while it is read, hashed and written."""
ALGORITHM = "xxh3_128"
_STATE = ("*.distcp", "common.pt", ".metadata", "metadata.json")


@dataclass(frozen=True)
class FileFacts:
    """``checksum``: hexadecimal; None in checkpoints that were written before checksums."""

    size: int
    checksum: str | None


def hash_file(path: Path) -> str:
    """xxh3 of the content, 32 hexadecimal digits."""
    import xxhash

    digest, block = xxhash.xxh3_128(), memoryview(bytearray(BLOCK_BYTES))
    with open(path, "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)  # the system reads ahead
        while count := file.readinto(block):
            digest.update(block[:count])
    return digest.hexdigest()


class HashingFile:
    """A binary file that is written from its beginning to its end; hashes what passes, so that it is not read again."""

    def __init__(self, file: IO[bytes]) -> None:
        import xxhash

        self._file, self._digest = file, xxhash.xxh3_128()

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        for begin in range(0, len(view), BLOCK_BYTES):
            block = view[begin : begin + BLOCK_BYTES]
            self._digest.update(block)
            self._file.write(block)
        return len(view)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        self._file.flush()

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()

    def checksum(self) -> str:
        """``hash_file`` of what was written."""
        return self._digest.hexdigest()


def state_files(folder: Path) -> list[str]:
    """Sorted names of the files that hold the state of a checkpoint. The tokenizer has a fingerprint of its own."""
    return sorted(path.name for pattern in _STATE for path in folder.glob(pattern) if path.is_file())


def describe_files(
    folder: Path, names: Iterable[str], known: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """``{name: {"bytes": size, ALGORITHM: checksum}}``, as the marker has it; ``known``: checksums from writing."""
    known = known or {}
    return {
        name: {
            "bytes": (folder / name).stat().st_size,
            ALGORITHM: known[name] if name in known else hash_file(folder / name),
        }
        for name in names
    }


def read_facts(entry: Any) -> FileFacts | None:
    """Reads an entry of the marker: a description, or the size alone of earlier versions; None for anything else."""
    if type(entry) is int:
        return FileFacts(entry, None)
    if isinstance(entry, dict) and type(entry.get("bytes")) is int and isinstance(entry.get(ALGORITHM), str):
        return FileFacts(entry["bytes"], entry[ALGORITHM])
    return None
