"""Reads a file or a part of it as decompressed blocks of bytes.

Owns codecs (gzip, bzip2, xz, zstd; several streams in one file) and damage: every readable byte before the damage is
yielded before ``DamagedStream`` is raised. Memory is one block at any compression ratio.
"""

from __future__ import annotations

import bz2
import contextlib
import io
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from megatron_ko.errors import DataError, first_line
from preprocessing.readers.bad_records import DamagedMember, DamagedStream, NotCompressed, TruncatedMember
from preprocessing.readers.file_formats import LONGEST_BEGINNING, find_wrong_suffix
from preprocessing.readers.file_ranges import Range

BLOCK_BYTES = 1 << 20
READ_BYTES = 1 << 16
CAREFUL_BYTES = 2 * READ_BYTES  # a second pass reads so many bytes before the damage one by one
XZ_MEMORY_BYTES = 1 << 30


class Section(io.RawIOBase):
    """The bytes ``[start, end)`` of a file: READ_BYTES per read, one byte per read from ``careful_from`` on."""

    def __init__(self, file: Path, start: int = 0, end: int | None = None, careful_from: int | None = None):
        self._file = open(file, "rb", buffering=0)  # noqa: SIM115 - closed with this object
        self._file.seek(start)
        self._end = sys.maxsize if end is None else end
        self._careful_from = sys.maxsize if careful_from is None else careful_from
        self.position = start

    def readable(self) -> bool:
        return True

    def read(self, size: int = READ_BYTES) -> bytes:
        size = READ_BYTES if size < 0 else size
        if self.position >= self._careful_from:
            size = min(size, 1)
        data = self._file.read(max(0, min(size, self._end - self.position))) or b""
        self.position += len(data)
        return data

    def peek(self) -> bytes:
        """The next bytes, at most LONGEST_BEGINNING, which the next read returns again."""
        beginning = self._file.read(LONGEST_BEGINNING) or b""
        self._file.seek(self.position)
        return beginning

    def close(self) -> None:
        self._file.close()
        super().close()


def read_blocks(file: Path, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Decompressed content of ``[start, end)``, which must contain whole compressed streams.

    Raises DamagedStream where it cannot be read further, and DataError when the system refuses to read.
    """
    with report_read_errors(file):
        yield from _read_plain_or_decode(file, start, end)


@contextlib.contextmanager
def report_read_errors(file: Path) -> Iterator[None]:
    """Raises DataError when the system refuses to read ``file``."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{file}: cannot be read ({error.strerror or first_line(error)}); check the disk and the permissions, "
            "then run again",
            rule="unreadable-file",
        ) from None


def read_owned_blocks(file: Path, part: Range | None) -> Iterator[tuple[bytes, bool]]:
    """``(block, owned)``: the content of ``part``, then the rest of the file with ``owned`` false."""
    if part is None:
        yield from ((block, True) for block in read_blocks(file))
        return
    yield from ((block, True) for block in read_blocks(file, part.start, part.end))
    yield from ((block, False) for block in read_blocks(file, part.end))


def _read_plain_or_decode(file: Path, start: int, end: int | None) -> Iterator[bytes]:
    decode = _DECODERS.get(file.suffix)
    if decode is None:
        with Section(file, start, end) as section:
            while block := section.read(BLOCK_BYTES):
                yield block
        return
    position = 0
    with Section(file, start, end) as section:
        if not start and (wrong := find_wrong_suffix(file.suffix, section.peek())):
            raise NotCompressed(wrong)
        try:
            for block in decode(section, sys.maxsize):
                position += len(block)
                yield block
            return
        except DamagedStream:
            careful_from = max(start, section.position - CAREFUL_BYTES)
    with Section(file, start, end, careful_from) as section:
        yield from skip_bytes(decode(section, position), position)


def skip_bytes(blocks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The blocks without their first ``size`` bytes."""
    for block in blocks:
        if size < len(block):
            yield block[size:]
        size = max(0, size - len(block))


# --- codecs ----------------------------------------------------------------------------------------------
# ``careful_from``: decompressed bytes that are known to be readable; beyond them a decoder asks for one byte at a time.


def read_gzip_members(section: Section) -> Iterator[tuple[int, bytes]]:
    """``(start of the member, block)``; blocks may be empty. Raises DamagedMember."""
    first = start = section.position
    decoder, pending = None, b""
    while pending or (pending := section.read()):
        if decoder is None:
            is_first = section.position == first + len(pending)
            pending = pending if is_first else pending.lstrip(b"\0")  # padding after a member
            start = section.position - len(pending)
            decoder = zlib.decompressobj(wbits=31) if pending else None
            continue
        try:
            block = decoder.decompress(pending, BLOCK_BYTES)
        except zlib.error as error:
            raise DamagedMember(start, f"gzip: {error}") from None
        pending = decoder.unconsumed_tail
        if decoder.eof:
            pending, decoder = decoder.unused_data, None
        yield start, block
    if decoder is not None:
        raise TruncatedMember(start, "gzip: the file ends inside a member")


def _decode_gzip(section: Section, careful_from: int) -> Iterator[bytes]:
    yield from (block for _, block in read_gzip_members(section) if block)


def _buffering_decoder(new: Callable[[], Any], name: str) -> Callable[[Section, int], Iterator[bytes]]:
    """The decoder for a codec of the standard library that buffers its own output."""

    def decode(section: Section, careful_from: int) -> Iterator[bytes]:
        decoder, pending = None, b""
        while pending or (decoder and not decoder.needs_input) or (pending := section.read()):
            decoder = decoder or new()
            try:
                block = decoder.decompress(pending, BLOCK_BYTES)
            except (OSError, EOFError, lzma.LZMAError, MemoryError) as error:
                raise DamagedStream(f"{name}: {first_line(error)}") from None
            pending = b""
            if decoder.eof:
                pending, decoder = decoder.unused_data, None
            if block:
                yield block
        if decoder is not None:
            raise DamagedStream(f"{name}: the file ends inside a stream")

    return decode


def _decode_zstd(section: Section, careful_from: int) -> Iterator[bytes]:
    """Arrow's decoder returns no byte of a request that it cannot fill, so the last bytes are read one by one."""
    stream = pa.CompressedInputStream(pa.PythonFile(section, mode="r"), "zstd")
    position, last = 0, bytearray()
    while True:
        try:
            block = stream.read(BLOCK_BYTES if position < careful_from else 1)
        except OSError as error:
            if error.errno is not None:
                raise
            if last:
                yield bytes(last)
            raise DamagedStream(f"zstd: {first_line(error)}") from None
        if not block:
            return
        if position < careful_from:
            yield block
        else:
            last += block
        position += len(block)


_DECODERS: dict[str, Callable[[Section, int], Iterator[bytes]]] = {
    ".gz": _decode_gzip,
    ".bz2": _buffering_decoder(bz2.BZ2Decompressor, "bzip2"),
    ".xz": _buffering_decoder(lambda: lzma.LZMADecompressor(memlimit=XZ_MEMORY_BYTES), "xz"),
    ".zst": _decode_zstd,
}
