"""Web archives (WARC, ISO 28500): the HTML pages among their responses.

Owns records; ``archive_members`` owns how they are compressed. A record that cannot be used is a bad record, and so is one
with a wrong Content-Length; reading continues at the next record.
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
from preprocessing.readers.file_formats import COMPRESSED_SUFFIXES
from preprocessing.readers.http_responses import decode_body, parse_headers, parse_response
from preprocessing.readers.web_pages import convert_page

HTML_TYPES = ("text/html", "application/xhtml+xml")
MAX_HEADER_BYTES = 1 << 16
_RECORD_LINE = re.compile(rb"WARC/[0-9.]+\r?\n")
_NEXT_RECORD = re.compile(rb"\r?\n\r?\n(" + _RECORD_LINE.pattern + rb")")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w:.-]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Record:
    """A WARC record. ``headers`` have lower-case names; ``size`` counts the bytes of its block.

    ``beginning`` is the ``whole`` block, or the first bytes of one above the limit.
    """

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
    for record in read_records(file, label, item.max_record_bytes, quarantine):
        if record.headers.get("warc-type", "").lower() != "response":
            others[f"records of type {record.headers.get('warc-type', 'none')[:20]}"] += 1
            continue
        try:
            page = _page(record, others, item)
        except RecordError as error:
            cause = f"{error} (record at {record.place}, {record.headers.get('warc-target-uri', '')[:200]})"
            quarantine(BadRecord(label, record.number, cause, record.beginning, record.size, error.rule))
            continue
        if page is not None:
            text, facts = page
            meta = {"file": label, "line": record.number, **facts}
            identity = record.headers.get("warc-record-id", "").strip("<>") or f"{label}:{record.number}"
            yield identity, text, source, lang, orjson.dumps(meta).decode()
    report_left_out(label, others, quarantine)


def _page(record: Record, others: Counter[str], item: WarcInput) -> tuple[str, dict[str, str]] | None:
    """Text and facts of an HTML response; None for other responses. Raises RecordError."""
    status, headers, body = parse_response(record.beginning)
    media_type = headers.get("content-type", "").split(";")[0].strip().lower()
    if status != 200:
        others[f"responses with status {status}"] += 1
        return None
    if media_type not in HTML_TYPES:
        others["responses that are not HTML"] += 1
        return None
    if not record.whole:
        raise RecordError(
            f"record of {record.size:,} bytes is longer than max_record_bytes = {item.max_record_bytes:,}",
            "too-long",
        )
    charset = _CHARSET.search(headers.get("content-type", ""))
    text, title = convert_page(
        decode_body(headers, body, item.max_record_bytes), charset and charset[1], item.extractor
    )
    facts = {
        "url": record.headers.get("warc-target-uri", "").strip("<>"),
        "date": record.headers.get("warc-date", ""),
        "title": title,
    }
    return text, {name: value for name, value in facts.items() if value}


# --- records ---------------------------------------------------------------------------------------------


def read_records(file: Path, label: str, max_bytes: int, quarantine: Quarantine) -> Iterator[Record]:
    """All records of a file; only the beginning of a record longer than ``max_bytes``."""
    number = 0

    def report(cause: str, rule: str) -> None:
        quarantine(BadRecord(label, number, cause, b"", rule=rule))

    data = RunReader(file)
    while data.next_run():
        inside = (
            f" of the data compressed from byte {data.run:,}" if file.suffix in COMPRESSED_SUFFIXES else ""
        )
        is_lost = False
        try:
            while line := data.line():
                offset = data.position - len(line)
                if is_lost or line.strip():
                    skipped = _skip_to_record(data, line)
                    if skipped and not is_lost:
                        number += 1
                        report(
                            f"no WARC record at byte {offset:,}{inside}; {skipped:,} bytes were skipped",
                            "no-record",
                        )
                    is_lost, offset = False, offset + skipped
                    if not data.line():
                        break
                    number += 1
                    try:
                        yield _record(data, number, f"byte {offset:,}{inside}", max_bytes)
                    except RecordError as error:
                        report(f"{error} (record at byte {offset:,}{inside})", error.rule)
                        is_lost = True
        except DamagedStream as damage:
            number += 1
            report(
                f"the file is damaged or ends early ({damage}) at byte {data.position:,}{inside}",
                "damaged-file",
            )
    if not number:
        report("no WARC record in the file; is it a web archive?", "no-record")


def _skip_to_record(data: RunReader, line: bytes) -> int:
    """Reads up to the next line that begins a record, ``line`` or a later one; returns the bytes skipped."""
    skipped = 0
    while line and not line.startswith(RECORD):
        skipped += len(line)
        line = data.line()
    data.unread(line)
    return skipped


def _record(data: RunReader, number: int, place: str, max_bytes: int) -> Record:
    """Reads a record after its first line. Raises RecordError; ``data`` is then where the next record may begin."""
    head, size = [], 0
    while (line := data.line()).strip():
        head.append(line)
        size += len(line)
        if size > MAX_HEADER_BYTES:
            raise RecordError("WARC headers are too long", "headers-too-long")
    headers = parse_headers(b"".join(head))
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()) or len(length) > 18:
        raise RecordError(f"Content-Length is {length[:30]!r}, not a number of bytes", "wrong-length")
    size = int(length)
    whole, block_start = size <= max_bytes, data.position
    try:
        beginning = data.read(size if whole else min(size, MAX_RAW_BYTES))
        present = len(beginning) if whole else len(beginning) + data.skip(size - len(beginning))
        if present == size and _ends_here(data):
            return Record(number, place, headers, beginning, size, whole)
    except DamagedStream as damage:
        data.go_back(block_start)
        _skip_block(data)  # raises DamagedStream again, unless a record begins before the damage
        raise RecordError(
            f"Content-Length is {size:,} and the file is damaged before that ({damage})", "wrong-length"
        ) from None
    if whole:
        beginning += data.line()  # completes the first line of the next record if the length cuts it
        next_record = _NEXT_RECORD.search(beginning)
        data.unread(beginning[next_record.start(1) :] if next_record else b"")
    else:
        data.go_back(block_start)
        _skip_block(data)
    if present < size:
        raise RecordError(
            f"the file ends inside a record: {present:,} of {size:,} bytes are present", "truncated-record"
        )
    raise RecordError(f"Content-Length is {size:,} and the record does not end there", "wrong-length")


def _skip_block(data: RunReader) -> None:
    """Reads up to the line that begins the next record, which follows an empty line; the headers end with one."""
    is_after_empty = True
    while (line := data.line()) and not (is_after_empty and _RECORD_LINE.fullmatch(line)):
        is_after_empty = not line.strip()
    data.unread(line)


def _ends_here(data: RunReader) -> bool:
    """Whether an empty line, the next record, or nothing follows.

    Reads up to the next record, including the checksum of a member that ends here: damage is detected before the record is
    accepted. Damage of a later member leaves the record intact and is found again when reading continues.
    """
    blank, last, end = 0, b"", data.position
    try:
        while (line := data.line()) and not line.strip():
            blank, last = blank + 1, line
    except DamagedStream:
        if not data.is_before_last_member(end):
            raise
        data.go_back(end)
        return True
    data.unread(line)
    if blank > 1 or not line or line.startswith(RECORD):
        return True
    data.unread(last)
    return False
