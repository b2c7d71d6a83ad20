"""Cache of facts about input files: hash of the content, and the parts of large files with the lines before each.

Both come from one pass over a file and are valid as long as its size and modification time stay the same.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import xxhash

from megatron_ko.errors import DataError
from megatron_ko.files import write_text
from preprocessing.readers.file_ranges import BLOCK_BYTES, Range, find_frame_starts, group_sizes, split_evenly

Identity = list[Any]  # [size in bytes, xxh3_128 of the content]


class InputHashes:
    """``path`` stores the cache between runs; None keeps it in memory only."""

    def __init__(self, path: Path | None = None):
        self._path = path
        self._entries: dict[str, dict[str, Any]] = {}
        if path is not None and path.is_file():
            try:
                self._entries = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                self._entries = {}  # a damaged cache is built again

    def of(self, file: Path) -> Identity:
        """``[size in bytes, xxh3_128]``."""
        entry = self._entry(file)
        if "hash" not in entry:
            entry["hash"] = _hash_and_count(file, [])[0]
        return [entry["stamp"][0], entry["hash"]]

    def line_ranges(self, file: Path, split_bytes: int) -> list[Range]:
        """Parts of a plain file of lines, or of a zstd file of several frames, with the lines before each.

        One part for a zstd file that is one frame or is damaged.
        """
        entry = self._entry(file)
        cached = entry.setdefault("ranges", {})
        if str(split_bytes) not in cached:
            if file.suffix == ".zst":
                ranges = _split_frames(file, split_bytes)
            else:
                entry["hash"], ranges = _hash_and_count(file, split_evenly(entry["stamp"][0], split_bytes))
            cached[str(split_bytes)] = [dataclasses.astuple(part) for part in ranges]
        return [Range(*part) for part in cached[str(split_bytes)]]

    def save(self) -> None:
        assert self._path is not None, "a cache without a path cannot be saved"
        write_text(self._path, json.dumps(self._entries, indent=0, sort_keys=True))

    def _entry(self, file: Path) -> dict[str, Any]:
        status = file.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        name = str(file.absolute())
        entry = self._entries.get(name)
        if not isinstance(entry, dict) or entry.get("stamp") != stamp:
            entry = self._entries[name] = {"stamp": stamp}
        return entry


def _hash_and_count(file: Path, parts: list[Range]) -> tuple[str, list[Range]]:
    """``(hash, parts)``: hash of the content, and the parts with the lines that start before each."""
    digest = xxhash.xxh3_128()
    counted, lines, last = [], 0, b"\n"
    with _open(file) as opened:
        for part in parts:
            inside = last != b"\n"
            counted.append(Range(part.start, part.end, lines + inside, inside))
            for block in _read_blocks(opened, part.end - part.start):
                digest.update(block)
                lines += block.count(b"\n")
                last = block[-1:]
        for block in _read_blocks(opened, 1 << 62):
            digest.update(block)
    return digest.hexdigest(), counted


def _open(file: Path) -> IO[bytes]:
    try:
        return open(file, "rb")
    except PermissionError as error:
        raise DataError(
            f"{file}: {error.strerror}; make this input readable, or remove it from inputs",
            rule="unreadable-file",
        ) from None


def _read_blocks(opened: Any, size: int) -> Iterator[bytes]:
    while size > 0 and (block := opened.read(min(size, BLOCK_BYTES))):
        size -= len(block)
        yield block


def _split_frames(file: Path, split_bytes: int) -> list[Range]:
    """Groups of whole frames. Counting the lines before a frame requires decompressing all frames before it."""
    from preprocessing.readers.bad_records import DamagedStream
    from preprocessing.readers.streams import read_blocks

    whole = [Range(0, file.stat().st_size)]
    try:
        starts = find_frame_starts(file)
    except ValueError:
        return whole  # damaged: the reader reports the damage
    sizes = [end - start for start, end in zip(starts, starts[1:])]
    groups = group_sizes(sizes, split_bytes)
    if len(groups) == 1:
        return whole
    ranges, lines, last = [], 0, b"\n"
    try:
        for first, end in groups:
            inside = last != b"\n"
            ranges.append(Range(starts[first], starts[end], lines + inside, inside))
            for block in read_blocks(file, starts[first], starts[end]):
                lines += block.count(b"\n")
                last = block[-1:]
    except DamagedStream:
        return whole
    return ranges
