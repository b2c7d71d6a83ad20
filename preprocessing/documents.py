"""Documents as Arrow record batches.

Owns the columns, operations on whole columns, counts, and Parquet shards, which appear under their name only when complete.
"""

# pyarrow.compute defines its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from megatron_ko.files import atomic_file

DOCUMENT = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.large_string()),
        ("source", pa.string()),
        ("lang", pa.string()),
        ("meta", pa.string()),  # JSON: file, line
    ]
)
FINAL = DOCUMENT.insert(4, pa.field("domain", pa.string())).insert(5, pa.field("split", pa.string()))
DROPPED = pa.schema(
    [
        *DOCUMENT,
        ("reason", pa.string()),
        ("step", pa.string()),
        ("detail", pa.string()),
    ]  # detail: JSON or null
)
BATCH_BYTES = 8 << 20
BATCH_ROWS = 4096
MAX_EXAMPLES = 3
EXAMPLE_CHARACTERS = 300


@dataclass
class Counts:
    """Counts of documents and of what changed or dropped them; summed over batches, files and sources."""

    documents_in: int = 0
    bytes_in: int = 0
    bad_records: int = 0
    changed: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    masked: Counter[str] = field(default_factory=Counter)
    documents_out: int = 0
    bytes_out: int = 0
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, other: Counts) -> None:
        for name in ("documents_in", "bytes_in", "bad_records", "documents_out", "bytes_out"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("changed", "dropped", "masked"):
            getattr(self, name).update(getattr(other, name))
        for reason, examples in other.examples.items():
            for example in examples:
                self.add_example(reason, example["id"], example["before"], example["after"])

    def add_example(self, reason: str, identity: str, before: str, after: str | None) -> None:
        examples = self.examples.setdefault(reason, [])
        if len(examples) < MAX_EXAMPLES:
            examples.append(
                {
                    "id": identity,
                    "before": before[:EXAMPLE_CHARACTERS],
                    "after": after and after[:EXAMPLE_CHARACTERS],
                }
            )

    def add_dropped_example(self, batch: pa.RecordBatch, row: int, reason: str) -> None:
        """Adds a dropped document as an example of ``reason``, unless it has MAX_EXAMPLES."""
        if self.wants_example(reason):
            self.add_example(reason, batch["id"][row].as_py(), batch["text"][row].as_py(), None)

    def wants_example(self, reason: str) -> bool:
        return len(self.examples.get(reason, ())) < MAX_EXAMPLES

    def to_json(self) -> dict[str, Any]:
        return {
            name: dict(sorted(v.items())) if isinstance(v, Counter) else v for name, v in vars(self).items()
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Counts:
        counts = cls(**data)
        for name in ("changed", "dropped", "masked"):
            setattr(counts, name, Counter(data[name]))
        return counts


def text_bytes(column: pa.Array) -> int:
    """UTF-8 bytes of a text column."""
    return int(pc.sum(pc.binary_length(column)).as_py() or 0)


def utf8_buffer(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """``(data: uint8, offsets: [rows + 1] int64)`` of a large_string column, as views."""
    _, offsets, data = column.buffers()
    starts = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    return np.frombuffer(data, np.uint8) if data and data.size else np.zeros(1, np.uint8), starts


def lines_of(column: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """``(lines, first)``: the lines of all rows as one column, each with its line feed; the first line of each row."""
    data, offsets = utf8_buffer(column)
    feeds = np.flatnonzero(data[offsets[0] : offsets[-1]] == ord("\n")) + offsets[0]
    starts = np.sort(np.concatenate([offsets[:-1], feeds + 1]), kind="stable")
    bounds = np.append(starts, offsets[-1]).astype(np.int64)
    lines = pa.LargeStringArray.from_buffers(len(starts), pa.py_buffer(bounds), pa.py_buffer(data))
    return lines, np.arange(len(column)) + np.searchsorted(feeds, offsets[:-1])


def with_column(batch: pa.RecordBatch, name: str, column: pa.Array) -> pa.RecordBatch:
    return batch.set_column(batch.schema.get_field_index(name), batch.schema.field(name), column)


def replace_rows(column: pa.Array, rows: np.ndarray, texts: Sequence[str] | pa.Array) -> pa.Array:
    """The column with ``texts``, strings or a large_string column, in place of ``rows`` (in increasing order).

    Joins slices, for which Arrow allocates the right size once; its ``replace_with_mask`` grows a buffer row by row.
    """
    new = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.large_string())
    parts, end = [], 0
    for number, row in enumerate(rows.tolist()):
        parts += (column.slice(end, row - end), new.slice(number, 1))
        end = row + 1
    return pa.concat_arrays([*parts, column.slice(end)])


class Shard:
    """A Parquet file being written; ``rows`` counts its rows."""

    def __init__(self, writer: pq.ParquetWriter):
        self._writer = writer
        self.rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows:
            self._writer.write_batch(batch)
            self.rows += batch.num_rows


# for files that only later steps read: half the time of zstd for a third more space; the corpus itself is zstd
INTERMEDIATE = "lz4"
# dictionary encoding only where values repeat: on texts and ids the attempt would cost time without effect
DICTIONARIES = ("source", "lang", "reason", "step", "domain", "split", "license", "license_kind")


@contextlib.contextmanager
def new_shard(path: Path, schema: pa.Schema, compression: str = "zstd") -> Iterator[Shard]:
    """Opens a shard that appears under ``path`` only when the block ends without an error."""
    options: dict[str, Any] = {
        "compression": compression,
        "use_dictionary": [name for name in DICTIONARIES if name in schema.names],
        "write_statistics": False,
    }
    with atomic_file(path) as file, pq.ParquetWriter(file, schema, **options) as writer:
        yield Shard(writer)


def read_batches(path: Path, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Reads one batch per row group, so that shards written side by side yield matching batches."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield from read_group(file, group, columns)


def read_group(file: pq.ParquetFile, group: int, columns: list[str] | None = None) -> list[pa.RecordBatch]:
    """A row group as one batch; none if it is empty. Without threads, which cost more than they save where workers run side by side."""
    return file.read_row_group(group, columns=columns, use_threads=False).combine_chunks().to_batches()
