"""Parts of large files, so that several tasks can read one file.

Owns where a format may be split: at lines of plain files, frames of zstd (RFC 8878), streams of bzip2, row groups of
Parquet, and anywhere in a plain XML dump. A part owns the records that start in it.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK_BYTES = 1 << 20
_ZSTD_MAGIC = 0xFD2FB528
_ZSTD_SKIPPABLE = 0x184D2A50
_BZIP2_STREAM = tuple(b"BZh%d1AY&SY" % level for level in range(1, 10))


@dataclass(frozen=True)
class Range:
    """A part ``[start, end)`` of a file: bytes on disk, or row groups of a Parquet file."""

    start: int
    end: int
    records_before: int = 0
    """Records that start before this part (0 where the format has other numbers for them)."""
    inside: bool = False
    """Whether this part begins inside a record of the previous part."""


def split_evenly(size: int, split_bytes: int) -> list[Range]:
    """Parts that end at multiples of ``split_bytes``."""
    starts = range(0, size, split_bytes)
    return [Range(start, min(start + split_bytes, size)) for start in starts]


def group_sizes(sizes: list[int], split_bytes: int) -> list[tuple[int, int]]:
    """Groups consecutive sizes into runs ``[start, end)``, each of at most ``split_bytes`` or of one size."""
    runs, start, total = [], 0, 0
    for i, size in enumerate(sizes):
        if i > start and total + size > split_bytes:
            runs.append((start, i))
            start, total = i, 0
        total += size
    return [*runs, (start, len(sizes))] if sizes else []


def split_row_groups(file: Path, split_bytes: int) -> list[Range]:
    """Parts of a Parquet file by the compressed size of its row groups. Raises OSError or ValueError when damaged."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as parquet:
        groups = [parquet.metadata.row_group(i) for i in range(parquet.metadata.num_row_groups)]
        sizes = [
            sum(group.column(c).total_compressed_size for c in range(group.num_columns)) for group in groups
        ]
    ranges, rows = [], 0
    for start, end in group_sizes(sizes, split_bytes):
        ranges.append(Range(start, end, rows))
        rows += sum(groups[i].num_rows for i in range(start, end))
    return ranges


def split_bzip2(file: Path, split_bytes: int) -> list[Range]:
    """Parts that begin at the first bzip2 stream at or after each multiple of ``split_bytes``."""
    size = file.stat().st_size
    starts = {0}
    with open(file, "rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for nominal in range(split_bytes, size, split_bytes):
            if nominal > max(starts):
                starts.add(_find_stream(data, nominal, size))
    ordered = sorted(start for start in starts if start < size)
    return [Range(start, end, inside=start > 0) for start, end in zip(ordered, [*ordered[1:], size])]


def _find_stream(data: mmap.mmap, start: int, size: int) -> int:
    """Searches ``BZh``, a level and the magic of the first block: a chance match occurs once in 10^24 bytes."""
    while (at := data.find(b"BZh", start)) >= 0:
        if data[at : at + 10] in _BZIP2_STREAM:
            return at
        start = at + 3
    return size


def find_frame_starts(file: Path) -> list[int]:
    """Starts of the frames of a zstd file, and its size, from the sizes of its blocks, without decompressing.

    Raises ValueError when the file is not a sequence of whole frames.
    """
    with open(file, "rb") as opened:
        if not file.stat().st_size:
            raise ValueError("empty")
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return [*_frames(data), len(data)]


def _frames(data: mmap.mmap) -> Iterator[int]:
    at = 0
    try:
        while at < len(data):
            yield at
            at = find_frame_end(data, at)
            if at > len(data):
                raise ValueError("the last frame is not whole")
    except (struct.error, IndexError):
        raise ValueError("the last frame is not whole") from None


def find_frame_end(data: mmap.mmap, at: int) -> int:
    """End of the frame that starts at byte ``at``. Raises ValueError, struct.error or IndexError when damaged."""
    (magic,) = struct.unpack_from("<I", data, at)
    if magic & 0xFFFFFFF0 == _ZSTD_SKIPPABLE:
        return at + 8 + struct.unpack_from("<I", data, at + 4)[0]
    if magic != _ZSTD_MAGIC:
        raise ValueError(f"no frame at byte {at}")
    descriptor = data[at + 4]
    single_segment = descriptor >> 5 & 1
    content_size = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
    at += 5 + (1 - single_segment) + (0, 1, 2, 4)[descriptor & 3] + content_size
    last = False
    while not last:
        header = int.from_bytes(data[at : at + 3], "little")
        if at + 3 > len(data):
            raise ValueError("a block header is truncated")
        last, block_type, size = bool(header & 1), header >> 1 & 3, header >> 3
        at += 3 + (1 if block_type == 1 else size)
    return at + (4 if descriptor & 4 else 0)
