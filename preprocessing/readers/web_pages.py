"""Converts HTML pages to Markdown: character set, main content, title.

``main_content``, resiliparse (Bevendorff et al., ECIR 2018) or trafilatura (Barbaresi, ACL 2021) extracts the main content.
"""

from __future__ import annotations

import codecs
import functools
import re
from collections.abc import Iterator
from typing import Any

from megatron_ko.errors import DataError
from preprocessing.markup.formulas import restore_formulas
from preprocessing.markup.html_text import html_to_text, page_to_text
from preprocessing.markup.small_text import convert_small_text
from preprocessing.readers.bad_records import RecordError
from preprocessing.readers.main_content import find_main_content
from preprocessing.readers.text_encodings import is_korean_cp949

# what browsers understand by these names (WHATWG Encoding Standard)
ALIASES = {
    "euc-kr": "cp949", "euc_kr": "cp949", "ks_c_5601-1987": "cp949", "ks_c_5601-1989": "cp949", "ksc5601": "cp949",
    "ksc_5601": "cp949", "korean": "cp949", "windows-949": "cp949", "iso-ir-149": "cp949", "ms949": "cp949",
    "iso-8859-1": "cp1252", "latin1": "cp1252", "ascii": "cp1252", "us-ascii": "cp1252", "gb2312": "gb18030",
    "gbk": "gb18030", "x-gbk": "gb18030", "shift_jis": "cp932", "shift-jis": "cp932", "x-sjis": "cp932",
    "iso-8859-9": "cp1254", "tis-620": "cp874",
}  # fmt: skip
_META = re.compile(rb"<meta\b[^>]{0,400}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE)
_TITLE = re.compile(r"<title\b[^>]*>([^<]{0,1000})", re.IGNORECASE)
META_BYTES = 4096
MAX_BROKEN = 0.001  # allowed share of undecodable characters


def convert_page(raw: bytes, charset: str | None, extractor: str | None) -> tuple[str, str]:
    """``(markdown, title)`` of a page; ``extractor`` None converts the whole page. Raises RecordError."""
    page = decode_page(raw, charset)
    match = _TITLE.search(page)
    title = html_to_text(match[1]).strip() if match else ""
    text = html_to_text(page) if extractor is None else _EXTRACTORS[extractor](page, title)
    if not text.strip():
        cause = "no text in the page" if extractor is None else f"{extractor} finds no main content"
        raise RecordError(cause, "no-text")
    return text, title


# --- character sets --------------------------------------------------------------------------------------


def decode_page(raw: bytes, charset: str | None) -> str:
    """Decodes a page: byte order mark, valid UTF-8, the character set declared by server or page, detection by its bytes.

    UTF-8 precedes the declaration, because pages often declare Latin-1 and no other text is valid UTF-8 by chance.
    Raises RecordError when more than MAX_BROKEN of the characters cannot be decoded.
    """
    declared = [codec for codec in (_find_codec(charset), _find_codec(_find_declared_charset(raw))) if codec]
    for mark, codec in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if raw.startswith(mark):
            declared.insert(0, codec)
    for codec in _candidates(raw, declared):
        text = _try_decode(raw, codec)
        if text is not None and "\0" not in text:
            return text.removeprefix("\ufeff")
    codec = declared[0] if declared else "utf-8"
    text = raw.decode(codec, "replace")
    broken = text.count("\ufffd") + text.count("\0")
    if broken > MAX_BROKEN * len(text):
        raise RecordError(
            f"cannot be decoded as {codec}: {broken:,} of {len(text):,} characters are broken",
            "not-decodable",
        )
    return text


def _candidates(raw: bytes, declared: list[str]) -> Iterator[str]:
    """Codecs in the order of trust. Servers declare Latin-1 by default, so detection by the bytes precedes it."""
    # looks like ASCII, hence like UTF-8
    yield from (codec for codec in declared if codec.startswith("iso2022"))
    yield "utf-8"
    yield from (codec for codec in declared if codec != "cp1252")
    yield from _detect(raw)
    yield from declared


def _try_decode(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(codec)
    except UnicodeError:
        return None


def _find_declared_charset(raw: bytes) -> str | None:
    match = _META.search(raw[:META_BYTES])
    return match[1].decode("ascii") if match else None


def _find_codec(name: str | None) -> str | None:
    """Python's name of a text codec; None for an unknown name."""
    if not name:
        return None
    name = name.strip("\"' ").lower()
    try:
        codec = codecs.lookup(ALIASES.get(name, name))
    except (LookupError, ValueError):
        return None
    return codec.name if codec._is_text_encoding else None  # pyright: ignore[reportAttributeAccessIssue]


def _detect(raw: bytes) -> list[str]:
    """Codecs by the bytes alone: cp949 when four of five characters beyond ASCII would be Hangul, else as uchardet detects."""
    if is_korean_cp949(raw):
        return ["cp949"]
    codec = _find_codec(_import_library("resiliparse.parse.encoding").detect_encoding(raw))
    return [codec] if codec else []


# --- main content ----------------------------------------------------------------------------------------


def _blocks(page: str, title: str) -> str:
    tree = _import_library("resiliparse.parse.html").HTMLTree.parse(page)
    return page_to_text(find_main_content(restore_formulas(tree.document.html), title), source=page)


def _resiliparse(page: str, title: str) -> str:
    extract = _import_library("resiliparse.extract.html2text").extract_plain_text
    options = {"main_content": True, "alt_texts": False, "links": False, "list_bullets": True}
    return html_to_text(
        extract(convert_small_text(restore_formulas(page)), preserve_formatting="minimal_html", **options)
    )


def _trafilatura(page: str, title: str) -> str:
    text = _import_library("trafilatura").extract(
        convert_small_text(restore_formulas(page)),
        output_format="markdown",
        include_comments=False,
        include_tables=True,
        include_formatting=True,
    )
    return text or ""


_EXTRACTORS = {"blocks": _blocks, "resiliparse": _resiliparse, "trafilatura": _trafilatura}


@functools.cache
def _import_library(name: str) -> Any:
    """Imports a module. Raises DataError when its library is not installed."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        library = name.split(".")[0]
        raise DataError(
            f"reading HTML needs the library {library} ({error}); pip install 'megatron_ko[web]'",
            rule="missing-library",
        ) from None
