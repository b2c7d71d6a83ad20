"""Records that cannot be used, their causes, and their entries in ``quarantine.jsonl``."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

MAX_RAW_BYTES = 1 << 20
LEFT_OUT = "left out on purpose: "


@dataclass(frozen=True)
class BadRecord:
    """A record that could not be read.

    ``line`` counts records from 1 (lines, rows, pages); 0 is the file as a whole. ``raw`` contains its bytes, of which at
    most MAX_RAW_BYTES are written; ``size`` is its true length where ``raw`` is only its beginning. ``rule`` names the
    broken rule and is not written.
    """

    file: str
    line: int
    cause: str
    raw: bytes
    size: int | None = None
    rule: str = ""

    @property
    def is_mistake(self) -> bool:
        """False for records that the configuration leaves out, such as the redirects of a dump."""
        return not self.cause.startswith(LEFT_OUT)

    def to_line(self) -> str:
        """The entry as one line of JSON, with its line feed."""
        raw = self.raw[:MAX_RAW_BYTES].replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
        entry = {"file": self.file, "line": self.line, "cause": self.cause, "raw": raw}
        size = len(self.raw) if self.size is None else self.size
        if size > min(len(self.raw), MAX_RAW_BYTES):
            entry["raw_bytes"] = size
        return json.dumps(entry, ensure_ascii=False) + "\n"


Quarantine = Callable[[BadRecord], None]


class RecordError(ValueError):
    """A record cannot be used: the cause, the name of the rule that it breaks, and the remedy, with which the message ends."""

    def __init__(self, cause: str, rule: str, remedy: str = ""):
        super().__init__(cause + remedy)
        self.rule = rule
        self.cause = cause
        self.remedy = remedy

    def record(self, file: str, line: int, raw: bytes, size: int | None = None) -> BadRecord:
        """The bad record with this cause."""
        return BadRecord(file, line, str(self), raw, size, self.rule)


class DamagedStream(Exception):
    """A stream cannot be read further; its readable bytes were returned before."""


class NotCompressed(DamagedStream):
    """A file whose name ends as those of a codec do, but whose content is something else."""


class DamagedMember(DamagedStream):
    """A member (gzip) or frame (zstd), which starts at byte ``start`` of the file, cannot be read further."""

    def __init__(self, start: int, cause: object):
        super().__init__(str(cause))
        self.start = start


class TruncatedMember(DamagedMember):
    """The file ends inside a member."""


def raw_bytes(escaped: str) -> bytes:
    """The bytes of the field ``raw`` of a quarantine entry."""
    parts = re.split(r"\\(\\|x[0-9a-f]{2})", escaped)
    out = [parts[0].encode("utf-8")]
    for escape, text in zip(parts[1::2], parts[2::2]):
        out.append(b"\\" if escape == "\\" else bytes([int(escape[1:], 16)]))
        out.append(text.encode("utf-8"))
    return b"".join(out)


def report_left_out(file: str, counts: Counter[str], quarantine: Quarantine) -> None:
    """Adds one entry for all records of a file that the configuration leaves out; ``counts``: by their description."""
    if counts:
        groups = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
        quarantine(BadRecord(file, 0, f"{LEFT_OUT}{groups}", b"", rule="left-out"))
