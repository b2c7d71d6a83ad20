"""Records that cannot be used: why, and the entry of ``quarantine.jsonl``."""

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
    """A record that could not be read. ``line`` counts records from 1 (lines, rows, pages); ``raw`` are its bytes, of
    which at most MAX_RAW_BYTES are written; ``size`` is its true length where ``raw`` is only the beginning."""

    file: str
    line: int
    cause: str
    raw: bytes
    size: int | None = None

    @property
    def is_mistake(self) -> bool:
        """False for what nobody asked for, such as redirects of a dump."""
        return not self.cause.startswith(LEFT_OUT)

    def to_line(self) -> str:
        shown = self.raw[:MAX_RAW_BYTES].replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
        entry = {"file": self.file, "line": self.line, "cause": self.cause, "raw": shown}
        size = len(self.raw) if self.size is None else self.size
        if size > min(len(self.raw), MAX_RAW_BYTES):
            entry["raw_bytes"] = size
        return json.dumps(entry, ensure_ascii=False) + "\n"


Quarantine = Callable[[BadRecord], None]


class RecordError(ValueError):
    """Why a record cannot be used."""


class DamagedStream(Exception):
    """Why a stream cannot be read further; what was readable has been handed out before."""


def raw_bytes(shown: str) -> bytes:
    """The bytes behind ``raw`` of a quarantine entry."""
    parts = re.split(r"\\(\\|x[0-9a-f]{2})", shown)
    out = [parts[0].encode("utf-8")]
    for escape, text in zip(parts[1::2], parts[2::2]):
        out.append(b"\\" if escape == "\\" else bytes([int(escape[1:], 16)]))
        out.append(text.encode("utf-8"))
    return b"".join(out)


def report_left_out(file: str, kinds: Counter[str], quarantine: Quarantine) -> None:
    """One entry for all records of a file that the configuration does not ask for, with their numbers."""
    if kinds:
        named = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
        quarantine(BadRecord(file, 0, f"{LEFT_OUT}{named}", b""))
