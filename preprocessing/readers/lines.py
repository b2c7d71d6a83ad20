"""Reads whole lines of a file or of a part of it, in blocks; a line above the limit is never in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from preprocessing.readers.bad_records import (
    MAX_RAW_BYTES,
    BadRecord,
    DamagedStream,
    NotCompressed,
    Quarantine,
)
from preprocessing.readers.file_ranges import Range
from preprocessing.readers.streams import read_owned_blocks


class _Line:
    """A line that continues in the next block; only the beginning of a line above ``max_bytes`` is stored."""

    def __init__(self, max_bytes: int):
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self._stored = 0
        self.size = 0

    def add(self, part: bytes) -> None:
        if not part:
            return
        self.size += len(part)
        room = (self._max_bytes if self.size <= self._max_bytes else MAX_RAW_BYTES) - self._stored
        if room > 0:
            self._parts.append(part[:room])
            self._stored += len(self._parts[-1])

    @property
    def too_long(self) -> bool:
        return self.size > self._max_bytes

    def take(self) -> bytes:
        """Returns the stored bytes of the line and starts the next one."""
        line = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts, self._stored, self.size = [], 0, 0
        return line


def read_line_blocks(
    file: Path, label: str, part: Range | None, max_bytes: int, quarantine: Quarantine
) -> Iterator[tuple[int, bytes]]:
    """``(number, block)``: whole lines that start in ``part``, each with its line feed.

    ``number`` is the number of the first line of the block in the whole file. Damage goes to ``quarantine``, and so do lines
    longer than ``max_bytes`` that cross blocks; the caller checks those inside a block (``too_long``).
    """
    number = part.records_before + 1 if part else 1
    skipping = bool(part and part.inside)
    open_line = _Line(max_bytes)

    def end_line() -> Iterator[tuple[int, bytes]]:
        if open_line.too_long:
            size = open_line.size
            quarantine(too_long(label, number, open_line.take(), size, max_bytes))
        else:
            yield number, open_line.take() + b"\n"

    try:
        for block, owned in read_owned_blocks(file, part):
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
                    yield from end_line()
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
            yield from end_line()
    except NotCompressed as mistake:
        quarantine(BadRecord(label, 0, str(mistake), b"", rule="other-format"))
    except DamagedStream as damage:
        cause = f"compressed stream is damaged or ends early ({damage}); nothing after this line was read"
        quarantine(BadRecord(label, number, cause, open_line.take(), rule="damaged-file"))


def too_long(label: str, number: int, raw: bytes, size: int, max_bytes: int) -> BadRecord:
    """The bad record of a line of ``size`` bytes; ``raw`` is its beginning."""
    cause = f"line of {size:,} bytes is longer than max_record_bytes = {max_bytes:,}"
    if raw.lstrip().startswith(b"["):
        cause += "; a JSON array instead of JSON lines?"
    return BadRecord(label, number, cause, raw[:MAX_RAW_BYTES], size, "too-long")
