"""Web archives (WARC, ISO 28500): the HTML pages among their responses.

Owns records; how they are packed is in ``archive_runs``. A record that cannot be used is a bad record, and so is one whose
Content-Length is wrong; the next record is then looked for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from preprocessing.config.inputs import WarcInput
from preprocessing.readers.archive_members import RECORD, RunReader
from preprocessing.readers.bad_records import (
    MAX_RAW_BYTES,
    BadRecord,
    DamagedStream,
    Quarantine,
    RecordError,
    report_left_out,
)
from preprocessing.readers.fields import Row
from preprocessing.readers.http_responses import decode_body, header_fields, http_response
from preprocessing.readers.streams import COMPRESSED_SUFFIXES
from preprocessing.readers.web_pages import page_text

HTML_TYPES = ("text/html", "application/xhtml+xml")
MAX_HEADER_BYTES = 1 << 16
_RECORD_LINE = re.compile(rb"WARC/[0-9.]+\r?\n")
_NEXT_RECORD = re.compile(rb"\r?\n\r?\n(" + _RECORD_LINE.pattern + rb")")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w:.-]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Record:
    """``headers`` have lower-case names; ``beginning`` is the whole block unless it is longer than allowed (``size`` bytes)."""

    number: int
    place: str
    headers: dict[str, str]
    beginning: bytes
    size: int
    whole: bool


def read_warc(file: Path, label: str, item: WarcInput, source: str, quarantine: Quarantine) -> Iterator[Row]:
    """The main content of each HTML page with status 200."""
    lang = "" if item.lang == "detect" else item.lang
    others: Counter[str] = Counter()
    for record in records(file, label, item.max_record_bytes, quarantine):
        if record.headers.get("warc-type", "").lower() != "response":
            others[f"records of type {record.headers.get('warc-type', 'none')[:20]}"] += 1
            continue
        try:
            made = _page(record, others, item)
        except RecordError as bad:
            cause = f"{bad} (record at {record.place}, {record.headers.get('warc-target-uri', '')[:200]})"
            quarantine(BadRecord(label, record.number, cause, record.beginning, record.size))
            continue
        if made is not None:
            text, facts = made
            meta = {"file": label, "line": record.number, **facts}
            identity = record.headers.get("warc-record-id", "").strip("<>") or f"{label}:{record.number}"
            yield identity, text, source, lang, orjson.dumps(meta).decode()
    report_left_out(label, others, quarantine)


def _page(record: Record, others: Counter[str], item: WarcInput) -> tuple[str, dict[str, str]] | None:
    """Text and facts of an HTML response; None for other responses. Raises RecordError."""
    status, headers, body = http_response(record.beginning)
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    if status != 200:
        others[f"responses with status {status}"] += 1
        return None
    if kind not in HTML_TYPES:
        others["responses that are not HTML"] += 1
        return None
    if not record.whole:
        raise RecordError(
            f"record of {record.size:,} bytes is longer than max_record_bytes = {item.max_record_bytes:,}"
        )
    charset = _CHARSET.search(headers.get("content-type", ""))
    text, title = page_text(
        decode_body(headers, body, item.max_record_bytes), charset and charset[1], item.extractor
    )
    facts = {
        "url": record.headers.get("warc-target-uri", "").strip("<>"),
        "date": record.headers.get("warc-date", ""),
        "title": title,
    }
    return text, {name: value for name, value in facts.items() if value}


# --- records ---------------------------------------------------------------------------------------------


def records(file: Path, label: str, max_bytes: int, quarantine: Quarantine) -> Iterator[Record]:
    """All records of a file; of one longer than ``max_bytes`` only the beginning."""
    number = 0

    def bad(cause: str) -> None:
        quarantine(BadRecord(label, number, cause, b""))

    data = RunReader(file)
    while data.next_run():
        inside = (
            f" of what is compressed from byte {data.run:,} on" if file.suffix in COMPRESSED_SUFFIXES else ""
        )
        is_lost = False
        try:
            while line := data.line():
                offset = data.position - len(line)
                if is_lost or line.strip():
                    passed = _pass_over(data, line)
                    if passed and not is_lost:
                        number += 1
                        bad(f"no WARC record at byte {offset:,}{inside}; {passed:,} bytes were passed over")
                    is_lost, offset = False, offset + passed
                    if not data.line():
                        break
                    number += 1
                    try:
                        yield _record(data, number, f"byte {offset:,}{inside}", max_bytes)
                    except RecordError as cause:
                        bad(f"{cause} (record at byte {offset:,}{inside})")
                        is_lost = True
        except DamagedStream as damage:
            number += 1
            bad(f"the file is damaged or ends early ({damage}) at byte {data.position:,}{inside}")
    if not number:
        bad("no WARC record in the file; is it a web archive?")


def _pass_over(data: RunReader, line: bytes) -> int:
    """Looks for the line that begins a record, ``line`` or a later one, and reads up to it; returns how far it was."""
    passed = 0
    while line and not line.startswith(RECORD):
        passed += len(line)
        line = data.line()
    data.unread(line)
    return passed


def _record(data: RunReader, number: int, place: str, max_bytes: int) -> Record:
    """The record behind its first line. Raises RecordError; what follows is then looked for from where it may begin."""
    head, size = [], 0
    while (line := data.line()).strip():
        head.append(line)
        size += len(line)
        if size > MAX_HEADER_BYTES:
            raise RecordError("WARC headers are too long")
    headers = header_fields(b"".join(head))
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()) or len(length) > 18:
        raise RecordError(f"Content-Length is {length[:30]!r}, not a number of bytes")
    size = int(length)
    whole, behind_headers = size <= max_bytes, data.position
    try:
        beginning = data.read(size if whole else min(size, MAX_RAW_BYTES))
        present = len(beginning) if whole else len(beginning) + data.skip(size - len(beginning))
        if present == size and _ends_here(data):
            return Record(number, place, headers, beginning, size, whole)
    except DamagedStream as damage:
        data.go_back(behind_headers)
        _pass_over_block(data)  # raises DamagedStream again, unless a record begins before the damage
        raise RecordError(
            f"Content-Length is {size:,} and the file is damaged before that ({damage})"
        ) from None
    if whole:
        beginning += data.line()  # the rest of the line that begins the next record may be behind the length
        next_record = _NEXT_RECORD.search(beginning)
        data.unread(beginning[next_record.start(1) :] if next_record else b"")
    else:
        data.go_back(behind_headers)
        _pass_over_block(data)
    if present < size:
        raise RecordError(f"the file ends inside a record: {present:,} of {size:,} bytes are there")
    raise RecordError(f"Content-Length is {size:,} and the record does not end there")


def _pass_over_block(data: RunReader) -> None:
    """Reads up to the line that begins a record; an empty one is before it, as headers end with one."""
    is_behind_empty = True
    while (line := data.line()) and not (is_behind_empty and _RECORD_LINE.fullmatch(line)):
        is_behind_empty = not line.strip()
    data.unread(line)


def _ends_here(data: RunReader) -> bool:
    """Whether an empty line follows, the next record, or nothing.

    Reads up to the next record, hence also the checksum of a member that ends here: damage shows before the record counts.
    """
    blank, last = 0, b""
    while (line := data.line()) and not line.strip():
        blank, last = blank + 1, line
    data.unread(line)
    if blank > 1 or not line or line.startswith(RECORD):
        return True
    data.unread(last)
    return False
