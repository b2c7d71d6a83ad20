"""Whole lines of a file or of a part of it, many at a time; a line too long to use is never held in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from preprocessing.readers.bad_records import MAX_RAW_BYTES, BadRecord, DamagedStream, Quarantine
from preprocessing.readers.file_ranges import Range
from preprocessing.readers.streams import owned_blocks


class _Line:
    """The pieces of a line that goes on in the next block; only its beginning is kept when it grows too long."""

    def __init__(self, max_bytes: int):
        self._max_bytes = max_bytes
        self._pieces: list[bytes] = []
        self._kept = 0
        self.size = 0

    def add(self, piece: bytes) -> None:
        if not piece:
            return
        self.size += len(piece)
        room = (self._max_bytes if self.size <= self._max_bytes else MAX_RAW_BYTES) - self._kept
        if room > 0:
            self._pieces.append(piece[:room])
            self._kept += len(self._pieces[-1])

    @property
    def too_long(self) -> bool:
        return self.size > self._max_bytes

    def take(self) -> bytes:
        """What is kept of the line; the next one begins."""
        line = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self._kept, self.size = [], 0, 0
        return line


def line_blocks(
    file: Path, label: str, part: Range | None, max_bytes: int, quarantine: Quarantine
) -> Iterator[tuple[int, bytes]]:
    """``(number, block)``: whole lines, each with its line feed, of those that start in ``part``.

    ``number`` is that of the first of them in the whole file. The place of damage goes to ``quarantine``, and so do lines
    longer than ``max_bytes`` but those within a block, which are left to the caller (``too_long``).
    """
    number = part.records_before + 1 if part else 1
    skipping = bool(part and part.inside)
    open_line = _Line(max_bytes)

    def ended() -> Iterator[tuple[int, bytes]]:
        if open_line.too_long:
            size = open_line.size
            quarantine(too_long(label, number, open_line.take(), size, max_bytes))
        else:
            yield number, open_line.take() + b"\n"

    try:
        for block, owned in owned_blocks(file, part):
            if not owned and (skipping or not open_line.size):
                return
            first = 0
            if skipping or open_line.size:
                first = block.find(b"\n") + 1
                if not skipping:
                    open_line.add(block[: first - 1] if first else block)
                if not first:
                    continue
                if not skipping:
                    yield from ended()
                    number += 1
                skipping = False
            if not owned:
                return
            end = block.rfind(b"\n") + 1
            if end > first:
                lines = block[first:end]
                yield number, lines
                number += int(np.count_nonzero(np.frombuffer(lines, np.uint8) == ord("\n")))
            open_line.add(block[max(first, end) :])
        if open_line.size:
            yield from ended()
    except DamagedStream as damage:
        cause = f"compressed stream is damaged or ends early ({damage}); nothing after this line was read"
        quarantine(BadRecord(label, number, cause, open_line.take()))


def too_long(label: str, number: int, raw: bytes, size: int, max_bytes: int) -> BadRecord:
    """What is said of a line of ``size`` bytes; ``raw`` is its beginning."""
    cause = f"line of {size:,} bytes is longer than max_record_bytes = {max_bytes:,}"
    return BadRecord(label, number, cause, raw[:MAX_RAW_BYTES], size)
