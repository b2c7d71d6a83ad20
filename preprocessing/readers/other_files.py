"""Says what the files of a folder are that the patterns of an input do not match, and which type of input reads them."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from preprocessing.readers.streams import COMPRESSED_SUFFIXES

LOOKED_AT = 1000  # files
_TYPES = {
    ".txt": "text", ".md": "text", ".jsonl": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet",
    ".arrow": "huggingface", ".html": "html", ".htm": "html", ".warc": "warc",
}  # fmt: skip
_DOCUMENTS = (".hwp", ".hwpx", ".pdf", ".docx", ".doc", ".xlsx", ".xls", ".pptx", ".epub")
_ARCHIVES = (".zip", ".tar", ".tgz", ".7z", ".rar")
_REMEDIES = {suffix: f"type: {name}" for suffix, name in _TYPES.items()}
_REMEDIES |= dict.fromkeys(_DOCUMENTS, "convert to text first") | dict.fromkeys(_ARCHIVES, "unpack first")


def describe_other_files(folder: Path, read: Collection[str] = ()) -> str:
    """``3 .tsv (type: csv), 1 .zip (unpack first)``: the files of text below a folder by suffix, without those that are ``read``.

    Empty without such files; looks at the first LOOKED_AT files.
    """
    suffixes = Counter(map(_suffix_of, itertools.islice(_names(folder), LOOKED_AT)))
    known = [
        (suffix, count)
        for suffix, count in suffixes.most_common()
        if suffix in _REMEDIES and suffix not in read
    ]
    return ", ".join(f"{count:,} {suffix} ({_REMEDIES[suffix]})" for suffix, count in known)


def type_of(name: str) -> str:
    """The type of input that reads a file by its suffix; empty for others."""
    return _TYPES.get(_suffix_of(name), "")


def _names(folder: Path) -> Iterator[str]:
    for _, folders, names in os.walk(folder):
        folders.sort()
        yield from sorted(names)


def _suffix_of(name: str) -> str:
    """The suffix in lower case, below that of a compressed file."""
    path = Path(name.lower())
    return Path(path.stem).suffix if path.suffix in COMPRESSED_SUFFIXES else path.suffix
