"""Reads the final corpus: documents of a domain and split, in order.

Owns iteration over ``clean/*.parquet``; ``balance`` writes these files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa

from preprocessing.documents import read_batches


def shards(folder: Path, domain: str, split: str) -> list[Path]:
    """Files of a domain and split, in order."""
    return sorted((folder / "clean").glob(f"{domain}_{split}-[0-9]*.parquet"))


def shard_path(folder: Path, file: str) -> Path:
    return folder / "clean" / f"{file}.parquet"


def batches(
    folder: Path, domain: str, split: str, columns: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    for path in shards(folder, domain, split):
        yield from read_batches(path, columns)


def texts(folder: Path, domain: str, split: str, langs: Collection[str] | None = None) -> Iterator[str]:
    """Yields texts in the order of the corpus; ``langs`` limits the languages."""
    for batch in batches(folder, domain, split, ["text", "lang"]):
        for text, lang in zip(batch["text"].to_pylist(), batch["lang"].to_pylist()):
            if langs is None or lang in langs:
                yield text
