"""Says what the files of a folder are that the patterns of an input do not match, and which type of input reads them."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from preprocessing.readers.file_formats import COMPRESSED_SUFFIXES

LOOKED_AT = 1000  # files
_TYPES = {
    ".txt": "text", ".md": "text", ".jsonl": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet",
    ".arrow": "huggingface", ".html": "html", ".htm": "html", ".warc": "warc",
}  # fmt: skip
_DOCUMENTS = (".hwp", ".hwpx", ".pdf", ".docx", ".doc", ".xlsx", ".xls", ".pptx", ".epub")
_ARCHIVES = (".zip", ".tar", ".tgz", ".7z", ".rar")
_REMEDIES = {suffix: f"type: {name}" for suffix, name in _TYPES.items()}
_REMEDIES |= dict.fromkeys(_DOCUMENTS, "convert to text first") | dict.fromkeys(_ARCHIVES, "unpack first")
_NO_SUFFIX = "without a suffix"
_REMEDIES[_NO_SUFFIX] = "type: text, if they are text"


def describe_other_files(folder: Path, read: tuple[str, ...] = ()) -> str:
    """``3 .tsv (type: csv), 1 .zip (unpack first)``: the files of text below a folder by suffix, as the names spell it, without
    those that end with one of ``read``.

    Empty without such files; looks at the first LOOKED_AT files.
    """
    names = (name for name in _names(folder) if not name.startswith(".") and not name.endswith(read))
    endings = Counter(map(_ending_of, itertools.islice(names, LOOKED_AT)))
    known = [
        (ending, count, remedy) for ending, count in endings.most_common() if (remedy := _remedy_of(ending))
    ]
    return ", ".join(f"{count:,} {ending} ({remedy})" for ending, count, remedy in known)


def _remedy_of(ending: str) -> str:
    """What to do with files that end so; patterns tell upper from lower case."""
    remedy = _REMEDIES.get(ending if ending == _NO_SUFFIX else _suffix_of(f"x{ending}"), "")
    return (
        f"{remedy}, with {ending} in paths"
        if remedy.startswith("type") and ending != ending.lower()
        else remedy
    )


def type_of(name: str) -> str:
    """The type of input that reads a file by its suffix; empty for others."""
    return _TYPES.get(_suffix_of(name), "")


def _names(folder: Path) -> Iterator[str]:
    for _, folders, names in os.walk(folder):
        folders.sort()
        yield from sorted(names)


def _ending_of(name: str) -> str:
    """The suffix of a name, with that of the compression after it."""
    path = Path(name)
    inner = Path(path.stem).suffix if path.suffix.lower() in COMPRESSED_SUFFIXES else ""
    return inner + path.suffix or _NO_SUFFIX


def _suffix_of(name: str) -> str:
    """The suffix in lower case, below that of a compressed file."""
    path = Path(name.lower())
    return Path(path.stem).suffix if path.suffix in COMPRESSED_SUFFIXES else path.suffix
