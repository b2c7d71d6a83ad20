"""Web archives (WARC, ISO 28500): the HTML pages among their responses.

Owns records, HTTP headers and bodies. A record that cannot be used is a bad record; after damage the next record is
looked for.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from preprocessing.config.inputs import WarcInput
from preprocessing.readers.bad_records import (
    MAX_RAW_BYTES,
    Bad,
    BadRecord,
    Damaged,
    Quarantine,
    left_out_on_purpose,
)
from preprocessing.readers.fields import Row
from preprocessing.readers.streams import blocks
from preprocessing.readers.web_pages import page_text

HTML_TYPES = ("text/html", "application/xhtml+xml")
MAX_HEADER_BYTES = 1 << 16
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w:.-]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Record:
    """``headers`` have lower-case names; ``body`` is None for one that is longer than allowed."""

    number: int
    offset: int  # in the decompressed file
    headers: dict[str, str]
    beginning: bytes
    size: int
    whole: bool


class _Bytes:
    """A stream of blocks to read from by lines and by sizes."""

    def __init__(self, source: Iterator[bytes]):
        self._source = source
        self._buffer = b""
        self._at = 0
        self.position = 0

    def _fill(self) -> bool:
        block = next(self._source, None)
        if block is None:
            return False
        self._buffer = self._buffer[self._at :] + block
        self._at = 0
        return True

    def line(self) -> bytes:
        """The next line with its end, or MAX_HEADER_BYTES of a longer one; empty at the end."""
        while (end := self._buffer.find(b"\n", self._at, self._at + MAX_HEADER_BYTES)) < 0:
            if len(self._buffer) - self._at >= MAX_HEADER_BYTES or not self._fill():
                end = min(len(self._buffer), self._at + MAX_HEADER_BYTES) - 1
                break
        return self._take(end + 1 - self._at)

    def read(self, size: int) -> bytes:
        """``size`` bytes, fewer at the end."""
        pieces = []
        while size > 0:
            if self._at == len(self._buffer) and not self._fill():
                break
            pieces.append(self._take(min(size, len(self._buffer) - self._at)))
            size -= len(pieces[-1])
        return b"".join(pieces)

    def skip(self, size: int) -> int:
        """Passes over ``size`` bytes; returns how many there were."""
        left = size
        while left > 0 and (piece := self.read(min(left, 1 << 20))):
            left -= len(piece)
        return size - left

    def _take(self, size: int) -> bytes:
        taken = self._buffer[self._at : self._at + size]
        self._at += len(taken)
        self.position += len(taken)
        return taken


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
        except Bad as bad:
            cause = (
                f"{bad} (record at byte {record.offset:,}, {record.headers.get('warc-target-uri', '')[:200]})"
            )
            quarantine(BadRecord(label, record.number, cause, record.beginning, record.size))
            continue
        if made is not None:
            text, facts = made
            meta = {"file": label, "line": record.number, **facts}
            identity = record.headers.get("warc-record-id", "").strip("<>") or f"{label}:{record.number}"
            yield identity, text, source, lang, orjson.dumps(meta).decode()
    left_out_on_purpose(label, others, quarantine)


def _page(record: Record, others: Counter[str], item: WarcInput) -> tuple[str, dict[str, str]] | None:
    """Text and facts of an HTML response; None for other responses. Raises Bad."""
    status, headers, body = http_response(record.beginning)
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    if status != 200:
        others[f"responses with status {status}"] += 1
        return None
    if kind not in HTML_TYPES:
        others["responses that are not HTML"] += 1
        return None
    if not record.whole:
        raise Bad(
            f"record of {record.size:,} bytes is longer than max_record_bytes = {item.max_record_bytes:,}"
        )
    charset = _CHARSET.search(headers.get("content-type", ""))
    text, title = page_text(
        decoded_body(headers, body, item.max_record_bytes), charset and charset[1], item.extractor
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
    data = _Bytes(blocks(file))
    number = 0
    try:
        while line := data.line():
            if not line.strip():
                continue
            number += 1
            offset = data.position - len(line)
            while line and not line.startswith(b"WARC/"):
                line = data.line()
            if data.position - len(line) > offset:
                cause = f"no WARC record at byte {offset:,}; {data.position - len(line) - offset:,} bytes were passed over"
                quarantine(BadRecord(label, number, cause, b""))
                number += 1
                offset = data.position - len(line)
            if not line:
                return
            try:
                yield _record(data, number, offset, max_bytes)
            except Bad as bad:
                quarantine(BadRecord(label, number, f"{bad} (record at byte {offset:,})", b""))
        if not number:
            quarantine(BadRecord(label, 0, "no WARC record in the file; is it a web archive?", b""))
    except Damaged as damage:
        cause = f"the file is damaged or ends early ({damage}) after byte {data.position:,}; nothing after it was read"
        quarantine(BadRecord(label, number + 1, cause, b""))


def _record(data: _Bytes, number: int, offset: int, max_bytes: int) -> Record:
    """Raises Bad."""
    head = []
    while (line := data.line()).strip():
        head.append(line)
        if sum(map(len, head)) > MAX_HEADER_BYTES:
            raise Bad("WARC headers are too long")
    headers = _headers(b"".join(head))
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()) or len(length) > 18:
        raise Bad(f"Content-Length is {length[:30]!r}, not a number of bytes")
    size = int(length)
    whole = size <= max_bytes
    beginning = data.read(size if whole else min(size, MAX_RAW_BYTES))
    present = len(beginning) if whole else len(beginning) + data.skip(size - len(beginning))
    if present < size:
        raise Bad(f"the file ends inside a record: {present:,} of {size:,} bytes are there")
    return Record(number, offset, headers, beginning, size, whole)


def _headers(raw: bytes) -> dict[str, str]:
    found = {}
    for line in raw.decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip().lower(), value.strip())
    return found


# --- HTTP ------------------------------------------------------------------------------------------------


def http_response(raw: bytes) -> tuple[int, dict[str, str], bytes]:
    """``(status, headers, body)`` (RFC 9112). Raises Bad."""
    end = re.search(rb"\r?\n\r?\n", raw[: 16 * MAX_HEADER_BYTES])
    head, body = (raw[: end.start()], raw[end.end() :]) if end else (raw[: 16 * MAX_HEADER_BYTES], b"")
    first, _, rest = head.partition(b"\n")
    match = re.match(rb"HTTP/[0-9.]+ +([0-9]{3})\b", first)
    if not match:
        raise Bad(f"not an HTTP response but {first[:40]!r}")
    return int(match[1]), _headers(rest), body


def decoded_body(headers: dict[str, str], body: bytes, max_bytes: int) -> bytes:
    """Without transfer and content encoding; archives often keep the headers but decode the body. Raises Bad."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _dechunked(body)
    encoding = headers.get("content-encoding", "").lower()
    if encoding in ("gzip", "x-gzip") and body.startswith(b"\x1f\x8b"):
        return _inflated(body, 31, max_bytes)
    if encoding == "deflate" and body[:1] == b"\x78":
        return _inflated(body, 15, max_bytes)
    if encoding == "br" and not re.match(rb"\s*<", body):
        raise Bad("content encoding br is not supported")
    return body


def _inflated(body: bytes, window: int, max_bytes: int) -> bytes:
    decoder = zlib.decompressobj(wbits=window)
    try:
        data = decoder.decompress(body, max_bytes)
    except zlib.error as error:
        raise Bad(f"content encoding is damaged: {error}") from None
    if decoder.unconsumed_tail:
        raise Bad(f"page is longer than max_record_bytes = {max_bytes:,} when decompressed")
    return data


def _dechunked(body: bytes) -> bytes:
    """The body itself when it is not in chunks (already decoded by the archive), and what is there of a cut one."""
    pieces, at = [], 0
    while True:
        end = body.find(b"\n", at, at + 40)
        match = re.fullmatch(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\n]*)?\r?", body[at:end]) if end >= 0 else None
        if not match:
            return b"".join(pieces) if pieces else body
        size = int(match[1], 16)
        if size == 0:
            return b"".join(pieces)
        pieces.append(body[end + 1 : end + 1 + size])
        at = end + 1 + size + 2
