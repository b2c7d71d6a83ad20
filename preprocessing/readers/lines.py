"""Numbered lines of a file or of a part of it; a line too long to use is never held in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from preprocessing.readers.bad_records import MAX_RAW_BYTES, BadRecord, Damaged, Quarantine
from preprocessing.readers.ranges import Range
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


def numbered_lines(
    file: Path, label: str, part: Range | None, max_bytes: int, quarantine: Quarantine
) -> Iterator[tuple[int, bytes]]:
    """``(number, line)`` without line ends, of the lines that start in ``part``; the number is that in the whole file.

    Lines longer than ``max_bytes`` and the place of damage go to ``quarantine``.
    """
    number = part.first if part else 0
    skipping = bool(part and part.inside)
    open_line = _Line(max_bytes)

    def ended() -> Iterator[tuple[int, bytes]]:
        if open_line.too_long:
            quarantine(_too_long(label, number, open_line, max_bytes))
        else:
            yield number, open_line.take()

    try:
        for block, owned in owned_blocks(file, part):
            if not owned and (skipping or not open_line.size):
                return
            lines = block.split(b"\n") if owned else block.split(b"\n", 1)
            if skipping:
                if len(lines) == 1:
                    continue
                skipping = False
                del lines[0]
            last = lines.pop()
            for line in lines:
                number += 1
                if open_line.size or len(line) > max_bytes:
                    open_line.add(line)
                    yield from ended()
                else:
                    yield number, line
            if not owned and lines:
                return
            open_line.add(last)
        if open_line.size:
            number += 1
            yield from ended()
    except Damaged as damage:
        cause = f"compressed stream is damaged or ends early ({damage}); nothing after this line was read"
        quarantine(BadRecord(label, number + 1, cause, open_line.take()))


def _too_long(label: str, number: int, line: _Line, max_bytes: int) -> BadRecord:
    size = line.size
    cause = f"line of {size:,} bytes is longer than max_record_bytes = {max_bytes:,}"
    return BadRecord(label, number, cause, line.take()[:MAX_RAW_BYTES], size)
