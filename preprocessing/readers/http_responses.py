"""HTTP responses of web archives (RFC 9112): status, headers, body without transfer and content encoding."""

from __future__ import annotations

import re
import zlib

from preprocessing.readers.bad_records import RecordError

MAX_HEADER_BYTES = 1 << 20


def parse_headers(raw: bytes) -> dict[str, str]:
    """Values by lower-case name; the first value of a repeated name."""
    fields = {}
    for line in raw.decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return fields


def parse_response(raw: bytes) -> tuple[int, dict[str, str], bytes]:
    """``(status, headers, body)`` (RFC 9112). Raises RecordError."""
    end = re.search(rb"\r?\n\r?\n", raw[:MAX_HEADER_BYTES])
    head, body = (raw[: end.start()], raw[end.end() :]) if end else (raw[:MAX_HEADER_BYTES], b"")
    first, _, rest = head.partition(b"\n")
    match = re.match(rb"HTTP/[0-9.]+ +([0-9]{3})\b", first)
    if not match:
        raise RecordError(f"not an HTTP response but {first[:40]!r}", "not-http")
    return int(match[1]), parse_headers(rest), body


def decode_body(headers: dict[str, str], body: bytes, max_bytes: int) -> bytes:
    """Removes transfer and content encoding, unless the archive decoded the body and kept the headers. Raises RecordError."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _dechunk(body)
    encoding = headers.get("content-encoding", "").lower()
    if encoding in ("gzip", "x-gzip") and body.startswith(b"\x1f\x8b"):
        return _inflate(body, 31, max_bytes)
    if encoding == "deflate" and body[:1] == b"\x78":
        return _inflate(body, 15, max_bytes)
    if encoding == "br" and not re.match(rb"\s*<", body):
        raise RecordError("content encoding br is not supported", "unsupported-encoding")
    return body


def _inflate(body: bytes, window: int, max_bytes: int) -> bytes:
    decoder = zlib.decompressobj(wbits=window)
    try:
        data = decoder.decompress(body, max_bytes)
    except zlib.error as error:
        raise RecordError(f"content encoding is damaged: {error}", "damaged-encoding") from None
    if decoder.unconsumed_tail:
        raise RecordError(
            f"page is longer than max_record_bytes = {max_bytes:,} when decompressed", "too-long"
        )
    return data


def _dechunk(body: bytes) -> bytes:
    """Joins the chunks of a body, also of a truncated one. Returns a body without chunks unchanged (decoded by the archive)."""
    chunks, at = [], 0
    while True:
        end = body.find(b"\n", at, at + 40)
        match = re.fullmatch(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\n]*)?\r?", body[at:end]) if end >= 0 else None
        if not match:
            return b"".join(chunks) if chunks else body
        size = int(match[1], 16)
        if size == 0:
            return b"".join(chunks)
        chunks.append(body[end + 1 : end + 1 + size])
        at = end + 1 + size + 2
