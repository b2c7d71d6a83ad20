"""Recognizes, by their first bytes, files that are not what an input reads: archives, office documents, pictures, tables.

Owns the names of such formats and what to do about each. Text is never taken for one of them, except the pointers that Git
LFS leaves in place of a file.
"""

from __future__ import annotations

import codecs

from preprocessing.readers.bad_records import RecordError

LONGEST_BEGINNING = 4096
_CONVERT = "convert it to text first, or leave it out of the paths"
_UNPACK = "unpack it first, or leave it out of the paths"
_COMPRESSED = {
    ".gz": ("gzip", (b"\x1f\x8b",)),
    ".zst": ("zstd", (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + i]) + b"\x2a\x4d\x18" for i in range(16)))),
    ".xz": ("xz", (b"\xfd7zXZ\0",)),
    ".bz2": ("bzip2", (b"BZh",)),
}
COMPRESSED_SUFFIXES = tuple(_COMPRESSED)
_OFFICE = (
    (b"word/", "a Word document (.docx)"),
    (b"xl/", "an Excel workbook (.xlsx)"),
    (b"ppt/", "a PowerPoint presentation (.pptx)"),
    (b"application/hwp+zip", "a Hangul document (.hwpx)"),
    (b"application/epub+zip", "an e-book (.epub)"),
)
_BEGINNINGS = (
    (b"%PDF-", "a PDF document", _CONVERT),
    (b"{\\rtf1", "a document in RTF", _CONVERT),
    (b"HWP Document File", "a document of Hangul 3 (.hwp)", _CONVERT),
    (
        b"version https://git-lfs.github.com/spec/v1",
        "a pointer of Git LFS, not the file",
        "run: git lfs pull",
    ),
)
_BINARY_BEGINNINGS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of Hangul (.hwp) or an old one of Office", _CONVERT),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture", "leave it out of the paths"),
    (b"\xff\xd8\xff", "a JPEG picture", "leave it out of the paths"),
    (b"GIF8", "a GIF picture", "leave it out of the paths"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"PAR1", "a Parquet file", "set type: parquet for it"),
    (b"ARROW1\0\0", "an Arrow file", "set type: parquet for it and end its name with .arrow"),
    (b"SQLite format 3\0", "an SQLite database", "export its text first"),
)


def find_other_format(beginning: bytes) -> RecordError | None:
    """The error of a file that begins with ``beginning``, where that is no text; None for text and unknown bytes."""
    name, remedy = _name_format(beginning)
    return RecordError(f"this is {name}; {remedy}", "other-format") if name else None


def find_wrong_suffix(suffix: str, beginning: bytes) -> str:
    """What is wrong with a file named as compressed that does not begin so; the empty text where nothing is."""
    if suffix not in _COMPRESSED or not beginning or beginning.startswith(_COMPRESSED[suffix][1]):
        return ""
    name = _name_format(beginning)[0] or ("plain text" if _is_text(beginning) else "other bytes")
    return f"the name ends in {suffix}, but this is {name}, not {_COMPRESSED[suffix][0]}; rename the file"


def _name_format(beginning: bytes) -> tuple[str, str]:
    """``(name, remedy)``; empty for text and unknown bytes."""
    for suffix, (name, starts) in _COMPRESSED.items():
        if beginning.startswith(starts) and not (name == "bzip2" and beginning[4:10] != b"1AY&SY"):
            return f"compressed with {name}", f"end its name with {suffix} for JSON lines, else unpack it"
    if beginning.startswith(b"PK\x03\x04"):
        names = (name for mark, name in _OFFICE if mark in beginning)
        office = next(names, "")
        return (office, _CONVERT) if office else ("a ZIP archive", _UNPACK)
    known = _BEGINNINGS if _is_text(beginning) else (*_BEGINNINGS, *_BINARY_BEGINNINGS)
    return next(((name, remedy) for start, name, remedy in known if beginning.startswith(start)), ("", ""))


def _is_text(beginning: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        return False
    return "\0" not in text
