"""MediaWiki dumps (export schema 0.10 and 0.11): converts pages to Markdown, one by one.

A page is cut out of the stream as bytes and parsed alone: a damaged page affects only itself, a part of a file can be read
from any position, and no document type declaration (hence no custom entity) applies.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson

from preprocessing.config.inputs import WikiDumpInput
from preprocessing.markup.wiki_page import WikiPage
from preprocessing.markup.wikitext import mediawiki_to_markdown
from preprocessing.readers.bad_records import (
    MAX_RAW_BYTES,
    BadRecord,
    DamagedStream,
    Quarantine,
    RecordError,
    report_left_out,
)
from preprocessing.readers.fields import Row
from preprocessing.readers.file_ranges import Range
from preprocessing.readers.streams import read_owned_blocks

_START = re.compile(rb"<page(?=[\s>])")
_END = b"</page>"
_REDIRECT = re.compile(r"\s*#\s*(?:redirect|넘겨주기)\b", re.IGNORECASE)
WIKITEXT = ("wikitext", "", None)


def read_wiki_dump(
    file: Path, label: str, part: Range | None, item: WikiDumpInput, source: str, quarantine: Quarantine
) -> Iterator[Row]:
    """The pages of the configured namespaces that start in ``part``; redirects and other pages are counted."""
    lang = "" if item.lang == "detect" else item.lang
    others: Counter[str] = Counter()
    for number, raw in read_pages(file, label, part, item.max_record_bytes, quarantine):
        try:
            page = parse_page(raw)
            reason = _reason_to_skip(page, item)
            if reason:
                others[reason] += 1
                continue
            text = _document(page, item, others)
        except RecordError as error:
            quarantine(error.record(label, number, raw))
            continue
        meta = {
            "file": label,
            "line": number,
            "title": page["title"],
            "page": page["id"],
            "date": page["timestamp"],
        }
        meta = {name: value for name, value in meta.items() if value}
        yield f"{label}:{page['id']}", text, source, lang, orjson.dumps(meta).decode()
    report_left_out(label, others, quarantine)


def read_pages(
    file: Path, label: str, part: Range | None, max_bytes: int, quarantine: Quarantine
) -> Iterator[tuple[int, bytes]]:
    """``(number, <page>...</page>)`` of the pages that start in ``part``, numbered from 1 within it."""
    cutter = _PageCutter(label, max_bytes, quarantine)
    try:
        for block, owned in read_owned_blocks(file, part):
            yield from cutter.cut(block, owned)
            if not owned and not cutter.open:
                return
        cutter.finish("the file ends inside a page", "truncated-page")
        if part is None and not cutter.number:
            cause = "no <page> in the file; is it a MediaWiki dump?"
            quarantine(BadRecord(label, 0, cause, b"", rule="no-page"))
    except DamagedStream as damage:
        cutter.number += not cutter.open
        cutter.open = True
        cutter.finish(
            f"the file is damaged or ends early ({damage}); nothing after this page was read", "damaged-file"
        )


class _PageCutter:
    """Cuts pages out of blocks. ``open`` is true between the beginning and the end of a page."""

    def __init__(self, label: str, max_bytes: int, quarantine: Quarantine):
        self._label = label
        self._max_bytes = max_bytes
        self._quarantine = quarantine
        self._buffer = bytearray()
        self._searched = 0  # bytes of the buffer already searched for the end of the page
        self._dropped = 0  # bytes of a page above the limit that were removed from the buffer
        self.number = 0
        self.open = False

    def cut(self, block: bytes, owned: bool) -> Iterator[tuple[int, bytes]]:
        """The pages that end in ``block``; no page begins beyond the part (``owned`` false)."""
        border = len(self._buffer)  # pages that begin before it belong to the part
        self._buffer += block
        at = 0
        while True:
            if not self.open:
                match = _START.search(self._buffer, at)
                if match is None or not (owned or match.start() < border):
                    self._drop(max(at, len(self._buffer) - 6) if owned else len(self._buffer))
                    return
                at = match.start()
                self.open, self._searched, self._dropped = True, at, 0
                self.number += 1
            end = self._buffer.find(_END, self._searched)
            if end < 0:
                self._drop(at)
                self._searched = max(0, len(self._buffer) - len(_END))
                self._shrink()
                return
            end += len(_END)
            size = self._dropped + end - at
            self.open = False
            if size > self._max_bytes:
                self._report_too_long(bytes(self._buffer[at : min(end, at + MAX_RAW_BYTES)]), size)
            else:
                yield self.number, bytes(self._buffer[at:end])
            at = end

    def finish(self, cause: str, rule: str) -> None:
        """Quarantines a page that never ends."""
        if self.open:
            raw = bytes(self._buffer[:MAX_RAW_BYTES])
            size = self._dropped + len(self._buffer)
            self._quarantine(BadRecord(self._label, self.number, cause, raw, size, rule))

    def _drop(self, size: int) -> None:
        del self._buffer[:size]

    def _shrink(self) -> None:
        """Keeps only the beginning and the last bytes of a page that is already above the limit."""
        if self._dropped + len(self._buffer) > self._max_bytes and len(self._buffer) > 2 * MAX_RAW_BYTES:
            excess = len(self._buffer) - MAX_RAW_BYTES - len(_END)
            del self._buffer[MAX_RAW_BYTES : MAX_RAW_BYTES + excess]
            self._dropped += excess
            self._searched = max(0, len(self._buffer) - len(_END))

    def _report_too_long(self, raw: bytes, size: int) -> None:
        cause = f"page of {size:,} bytes is longer than max_record_bytes = {self._max_bytes:,}"
        self._quarantine(BadRecord(self._label, self.number, cause, raw, size, "too-long"))


# --- a page ----------------------------------------------------------------------------------------------


def parse_page(raw: bytes) -> dict[str, Any]:
    """Title, namespace, id, redirect, and the text of the last revision. Raises RecordError."""
    try:
        page = ElementTree.fromstring(raw)
    except (ElementTree.ParseError, ValueError) as error:
        raise RecordError(f"not XML: {error}", "not-xml") from None
    revisions = page.findall("revision")
    last = revisions[-1] if revisions else ElementTree.Element("revision")
    fields = {
        "title": page.findtext("title", "").strip(),
        "namespace": page.findtext("ns", "").strip(),
        "id": page.findtext("id", "").strip(),
        "redirect": page.find("redirect") is not None,
        "timestamp": last.findtext("timestamp", ""),
        "model": last.findtext("model"),
        "text": last.findtext("text"),
    }
    for name in ("id", "namespace"):
        value = fields[name]
        if not (value.isascii() and value.removeprefix("-").isdigit() and len(value) < 19):
            raise RecordError(
                f"page {fields['title'][:80]!r} has {name} {value[:20]!r}, which is not a number",
                "not-a-number",
            )
    return fields


def _reason_to_skip(page: dict[str, Any], item: WikiDumpInput) -> str | None:
    """Why the configuration leaves a page out; None for a page to read."""
    if int(page["namespace"]) not in item.namespaces:
        return f"pages of namespace {int(page['namespace'])}"
    if page["redirect"] or _REDIRECT.match(page["text"] or ""):
        return "redirects"
    return None if page["model"] in WIKITEXT else f"pages of content model {page['model'][:20]}"


def _document(page: dict[str, Any], item: WikiDumpInput, left_out: Counter[str]) -> str:
    if not page["text"]:
        raise RecordError(f"page {page['title'][:80]!r} has no text", "no-text")
    shown_as = WikiPage.of(page["text"], page["title"], page["timestamp"])
    text = mediawiki_to_markdown(page["text"], item.left_out_sections, shown_as, left_out)
    return f"# {page['title']}\n\n{text}" if item.with_title and page["title"] else text
