"""HTML pages to Markdown: their character set, their main content, their title.

Main content is found by resiliparse (Bevendorff et al., ECIR 2018) or trafilatura (Barbaresi, ACL 2021).
"""

from __future__ import annotations

import codecs
import functools
import re
from collections.abc import Iterator
from typing import Any

from megatron_ko.errors import DataError
from preprocessing.markup.conversion import html_to_text
from preprocessing.readers.bad_records import RecordError

# what browsers take these names for (WHATWG Encoding Standard)
MEANT = {
    "euc-kr": "cp949", "euc_kr": "cp949", "ks_c_5601-1987": "cp949", "ks_c_5601-1989": "cp949", "ksc5601": "cp949",
    "ksc_5601": "cp949", "korean": "cp949", "windows-949": "cp949", "iso-ir-149": "cp949", "ms949": "cp949",
    "iso-8859-1": "cp1252", "latin1": "cp1252", "ascii": "cp1252", "us-ascii": "cp1252", "gb2312": "gb18030",
    "gbk": "gb18030", "x-gbk": "gb18030", "shift_jis": "cp932", "shift-jis": "cp932", "x-sjis": "cp932",
    "iso-8859-9": "cp1254", "tis-620": "cp874",
}  # fmt: skip
_META = re.compile(rb"<meta\b[^>]{0,400}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE)
_TITLE = re.compile(r"<title\b[^>]*>([^<]{0,1000})", re.IGNORECASE)
_HANGUL = re.compile("[가-힣]")
META_BYTES = 4096
MAX_BROKEN = 0.001  # share of characters that may be undecodable


def page_text(raw: bytes, charset: str | None, extractor: str | None) -> tuple[str, str]:
    """``(Markdown, title)`` of a page; ``extractor`` None keeps the whole page. Raises RecordError."""
    page = decode_page(raw, charset)
    match = _TITLE.search(page)
    title = html_to_text(match[1]).strip() if match else ""
    text = html_to_text(page) if extractor is None else _EXTRACTORS[extractor](page)
    if not text.strip():
        raise RecordError(
            "no text in the page" if extractor is None else f"{extractor} finds no main content"
        )
    return text, title


# --- character sets --------------------------------------------------------------------------------------


def decode_page(raw: bytes, charset: str | None) -> str:
    """Text of a page: byte order mark, valid UTF-8, what the server or the page says, what its bytes look like.

    UTF-8 comes before what is said, because pages often say Latin-1 and no other text is valid UTF-8 by chance.
    Raises RecordError when more than MAX_BROKEN of the characters cannot be decoded.
    """
    said = [codec for codec in (_codec(charset), _codec(_declared(raw))) if codec]
    for mark, codec in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if raw.startswith(mark):
            said.insert(0, codec)
    for codec in _candidates(raw, said):
        text = _strictly(raw, codec)
        if text is not None and "\0" not in text:
            return text.removeprefix("\ufeff")
    codec = said[0] if said else "utf-8"
    text = raw.decode(codec, "replace")
    broken = text.count("\ufffd") + text.count("\0")
    if broken > MAX_BROKEN * len(text):
        raise RecordError(f"cannot be decoded as {codec}: {broken:,} of {len(text):,} characters are broken")
    return text


def _candidates(raw: bytes, said: list[str]) -> Iterator[str]:
    """Codecs in the order of trust. Latin-1 is what servers say who do not know, so the bytes come before it."""
    yield from (codec for codec in said if codec.startswith("iso2022"))  # looks like ASCII, hence like UTF-8
    yield "utf-8"
    yield from (codec for codec in said if codec != "cp1252")
    yield from _looks_like(raw)
    yield from said


def _strictly(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(codec)
    except UnicodeError:
        return None


def _declared(raw: bytes) -> str | None:
    match = _META.search(raw[:META_BYTES])
    return match[1].decode("ascii") if match else None


def _codec(name: str | None) -> str | None:
    """Python's name of a text codec, None for names it does not know."""
    if not name:
        return None
    name = name.strip("\"' ").lower()
    try:
        found = codecs.lookup(MEANT.get(name, name))
    except (LookupError, ValueError):
        return None
    return found.name if found._is_text_encoding else None  # pyright: ignore[reportAttributeAccessIssue]


def _looks_like(raw: bytes) -> list[str]:
    """Codecs by the bytes alone: Korean when four of five characters beyond ASCII would be Hangul, else by uchardet."""
    text = _strictly(raw, "cp949") or ""
    if 5 * len(_HANGUL.findall(text)) >= 4 * sum(ord(c) > 127 for c in text) > 0:
        return ["cp949"]
    found = _codec(_library("resiliparse.parse.encoding").detect_encoding(raw))
    return [found] if found else []


# --- main content ----------------------------------------------------------------------------------------


def _resiliparse(page: str) -> str:
    extract = _library("resiliparse.extract.html2text").extract_plain_text
    options = {"main_content": True, "alt_texts": False, "links": False, "list_bullets": True}
    return html_to_text(extract(page, preserve_formatting="minimal_html", **options))


def _trafilatura(page: str) -> str:
    found = _library("trafilatura").extract(
        page, output_format="markdown", include_comments=False, include_tables=True, include_formatting=True
    )
    return found or ""


_EXTRACTORS = {"resiliparse": _resiliparse, "trafilatura": _trafilatura}


@functools.cache
def _library(name: str) -> Any:
    """Raises DataError when it is not installed."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        library = name.split(".")[0]
        raise DataError(
            f"reading HTML needs the library {library} ({error}); pip install 'megatron_ko[web]'"
        ) from None
