"""Decompresses web archives member by member, so that damage loses only the compressed member it hits.

Owns where a member (RFC 1952) or a frame (RFC 8878) starts, also after damage. An archive has one member per record, one
member for the whole file, or anything between. A run is read without interruption: it begins with the file and with each
member that begins with a record. After damage, reading continues at the next member that begins with a record; the bytes
before it are lost, or the rest of the file where no later member begins with a record. ``warc`` reads the records.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from preprocessing.readers.bad_records import DamagedMember, DamagedStream, TruncatedMember
from preprocessing.readers.file_ranges import find_frame_end
from preprocessing.readers.streams import (
    BLOCK_BYTES,
    READ_BYTES,
    Section,
    read_blocks,
    read_gzip_members,
    report_read_errors,
    skip_bytes,
)

RECORD = b"WARC/"
MAX_LINE_BYTES = 1 << 16
GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"
SKIPPABLE = b"\x2a\x4d\x18"  # bytes 1 to 3 of a skippable frame; byte 0 varies


class Block(NamedTuple):
    """Bytes of the run that begins at byte ``run`` of the file, or the ``damage`` that ends this run early.

    ``begins``: whether a member begins with these bytes.
    """

    run: int
    content: bytes
    damage: str = ""
    begins: bool = False


class RunReader:
    """Reads the runs of a file in order, by lines and by sizes. Raises DamagedStream where a run ends early.

    ``run``: the byte of the file where the run begins; ``position``: decompressed bytes read from it so far.
    """

    def __init__(self, file: Path):
        self._file = file
        self._source = read_blocks_by_run(file)
        self._ahead: Block | None = None
        self._buffer = b""
        self._at = 0
        self._last_member = 0  # the decompressed position in the run where the last member read begins
        self.run = -1
        self.position = 0

    def next_run(self) -> bool:
        """Skips the rest of this run. Returns False after the last run."""
        while (block := self._peek()) is not None and block.run == self.run:
            self._ahead = None
        if block is None:
            return False
        self.run, self.position, self._last_member = block.run, 0, 0
        self._buffer, self._at = b"", 0
        return True

    def go_back(self, position: int) -> None:
        """Moves back to byte ``position`` of this run. The file is opened again, so memory stays at one block."""
        self._source, self._ahead = read_blocks_by_run(self._file, self.run, position), None
        self._buffer, self._at = b"", 0
        self.position, self._last_member = position, 0

    def is_before_last_member(self, position: int) -> bool:
        """Whether a member that begins at ``position`` of this run or later was read: members before it are undamaged."""
        return position <= self._last_member

    def _peek(self) -> Block | None:
        if self._ahead is None:
            self._ahead = next(self._source, None)
        return self._ahead

    def _fill(self) -> bool:
        while (block := self._peek()) is not None and block.run == self.run:
            self._ahead = None
            if block.damage:
                raise DamagedStream(block.damage)
            if block.begins:
                self._last_member = self.position + len(self._buffer) - self._at
            if block.content:
                self._buffer = self._buffer[self._at :] + block.content
                self._at = 0
                return True
        return False

    def line(self) -> bytes:
        """Reads the next line with its line feed, or MAX_LINE_BYTES of a longer one; empty at the end."""
        while (end := self._buffer.find(b"\n", self._at, self._at + MAX_LINE_BYTES)) < 0:
            if len(self._buffer) - self._at >= MAX_LINE_BYTES or not self._fill():
                end = min(len(self._buffer), self._at + MAX_LINE_BYTES) - 1
                break
        return self._take(end + 1 - self._at)

    def read(self, size: int) -> bytes:
        """Reads ``size`` bytes, fewer at the end."""
        parts = []
        while size > 0:
            if self._at == len(self._buffer) and not self._fill():
                break
            parts.append(self._take(min(size, len(self._buffer) - self._at)))
            size -= len(parts[-1])
        return b"".join(parts)

    def skip(self, size: int) -> int:
        """Skips ``size`` bytes. Returns the number of bytes skipped, which is lower at the end."""
        left = size
        while left > 0 and (part := self.read(min(left, BLOCK_BYTES))):
            left -= len(part)
        return size - left

    def unread(self, data: bytes) -> None:
        """Puts back ``data``, which must be the bytes read last."""
        start = self._at - len(data)
        if start >= 0 and self._buffer.startswith(data, start):
            self._at = start  # without a copy of a large buffer
        else:
            self._buffer = data + self._buffer[self._at :]
            self._at = 0
        self.position -= len(data)

    def _take(self, size: int) -> bytes:
        data = self._buffer[self._at : self._at + size]
        self._at += len(data)
        self.position += len(data)
        return data


def read_blocks_by_run(file: Path, run: int = 0, position: int = 0) -> Iterator[Block]:
    """Blocks of the file in order, starting at decompressed byte ``position`` of ``run``; memory is one block.

    Raises DataError when the system refuses to read.
    """
    with report_read_errors(file):
        if file.suffix not in (".gz", ".zst"):
            yield from _read_one_run(file, position)
            return
        for block in _read_members(file, run):
            if block.run == run and position:
                skipped = min(position, len(block.content))
                position -= skipped
                block = block._replace(content=block.content[skipped:], begins=False)
            yield block


def _read_one_run(file: Path, position: int) -> Iterator[Block]:
    try:
        yield from (Block(0, content) for content in read_blocks(file, position))
    except DamagedStream as damage:
        yield Block(0, b"", str(damage))


def _read_members(file: Path, start: int) -> Iterator[Block]:
    members = _read_gzip if file.suffix == ".gz" else _read_zstd
    while start < file.stat().st_size:
        run = member = start
        pending = b""  # the first bytes of a member, until it is known whether they begin a run
        begins = True  # whether ``pending`` is the beginning of the member
        is_known = start > 0
        try:
            for here, block in members(file, start):
                if here != member:
                    yield Block(run, pending, begins=begins)
                    member, pending, is_known, begins = here, b"", False, True
                pending += block
                if not is_known and len(pending) >= len(RECORD):
                    run, is_known = here if pending.startswith(RECORD) else run, True
                if is_known:
                    yield Block(run, pending, begins=begins)
                    pending, begins = b"", False
            yield Block(run, pending, begins=begins)
            return
        except DamagedMember as damage:
            if damage.start != member:
                yield Block(run, pending, begins=begins)
                pending, is_known = b"", False
            # a member too short to decide whether it continues the run is a run of its own
            run = run if is_known else damage.start
            yield Block(run, pending)
            yield Block(run, b"", str(damage))
            start = _find_member(file, damage.start + 1)


# --- members ---------------------------------------------------------------------------------------------


def _read_gzip(file: Path, start: int) -> Iterator[tuple[int, bytes]]:
    """``(start of the member, block)``, starting with the member at byte ``start``. Raises DamagedMember."""
    member, position = start, 0
    with Section(file, start) as section:
        try:
            for here, block in read_gzip_members(section):
                member, position = here, (position if here == member else 0) + len(block)
                yield here, block
        except TruncatedMember:
            raise
        except DamagedMember as damage:
            yield from _read_rest_of_member(file, damage.start, position if damage.start == member else 0)
            raise


def _read_rest_of_member(file: Path, start: int, position: int) -> Iterator[tuple[int, bytes]]:
    """The readable bytes of a damaged member after its first ``position`` bytes."""
    try:
        yield from ((start, block) for block in skip_bytes(read_blocks(file, start), position))
    except DamagedStream:
        return


def _read_zstd(file: Path, start: int) -> Iterator[tuple[int, bytes]]:
    """Same as ``_read_gzip`` for zstd frames; skippable frames contain no data."""
    size = file.stat().st_size
    with open(file, "rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        while start < size:
            try:
                end = min(find_frame_end(data, start), size)
            except (ValueError, IndexError, struct.error):
                end = size  # damaged: the decoder determines how far it can be read
            try:
                if data[start + 1 : start + 4] != SKIPPABLE:
                    yield from ((start, block) for block in read_blocks(file, start, end))
            except DamagedStream as damage:
                raise DamagedMember(start, damage) from None
            start = end


# --- after damage ----------------------------------------------------------------------------------------


def _find_member(file: Path, start: int) -> int:
    """The first member at or after byte ``start`` that begins with a record; the size of the file when there is none."""
    magic = GZIP_MAGIC if file.suffix == ".gz" else ZSTD_MAGIC
    window = b""
    with Section(file, start) as section:
        while block := section.read():
            window += block
            at = window.find(magic)
            while at >= 0:
                member = section.position - len(window) + at
                if _begins_with_record(file, member):
                    return member
                at = window.find(magic, at + 1)
            window = window[-len(magic) + 1 :]
    return file.stat().st_size


def _begins_with_record(file: Path, start: int) -> bool:
    """Whether a member that begins with a record starts here. The magic number alone also occurs by chance."""
    end = start + READ_BYTES
    try:
        if file.suffix == ".zst":
            return next(read_blocks(file, start, end), b"").startswith(RECORD)
        with Section(file, start, end) as section:
            return zlib.decompressobj(wbits=31).decompress(section.read(), len(RECORD)) == RECORD
    except (DamagedStream, zlib.error):
        return False
