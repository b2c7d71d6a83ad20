"""Our own byte-pair encoding engine: exact kernels over Arrow columns, with a table of words already encoded.

Owns the engine and its threads; ``bpe_tables`` interprets the vocabulary.
"""

# pyarrow.compute makes its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from megatron_ko.formats.sentencepiece_model import read_model
from preprocessing.documents import utf8_buffer
from preprocessing.kernels import bpe, bpe_words
from preprocessing.tokenizers import bpe_tables
from preprocessing.tokenizers.bpe_tables import Tables

MAX_WORDS = 1 << 20  # rows of 32 bytes in the word table of a thread
Encoded = tuple[np.ndarray, np.ndarray]


def _large(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.large_string())


class BpeEncoder:
    """Engine ``bpe``. Raises ``bpe_tables.Unsupported`` for a tokenizer it cannot encode exactly."""

    name = "bpe"

    def __init__(self, folder: Path, threads: int):
        path = folder / "tokenizer.model"
        if not path.is_file():
            raise bpe_tables.Unsupported("has no tokenizer.model")
        self._start(bpe_tables.tables_of(read_model(path.read_bytes(), path)), threads)

    @classmethod
    def from_tables(cls, tables: Tables, threads: int = 1) -> BpeEncoder:
        encoder = cls.__new__(cls)
        encoder._start(tables, threads)
        return encoder

    def _start(self, tables: Tables, threads: int) -> None:
        self._tables = tables
        self._words = [(*bpe_words.new_words(bpe_words.FIRST_ROOM), 0, 0) for _ in range(threads)]
        self._replacements = str.maketrans(tables.replacements)
        codes = [int.from_bytes(c.encode("utf-8"), "little") for c in tables.replacements]
        self._replaced = np.array(codes, np.uint32)

    def encode_batch(self, texts: list[str]) -> Encoded:
        return self.encode_column(pa.array(texts, pa.large_string()))

    def encode_column(self, column: pa.Array) -> Encoded:
        """``(ids: uint32, offsets: [rows + 1] int64)`` of a large_string column without nulls."""
        if not len(column):
            return np.zeros(0, np.uint32), np.zeros(1, np.int64)
        data, offsets = self._buffers(column)
        rows = bpe.rows_with(data, offsets, self._replaced)
        if len(rows):
            texts = column.to_pylist()
            for row in rows.tolist():
                texts[row] = texts[row].translate(self._replacements)
            column = pa.array(texts, pa.large_string())
        if self._tables.dummy_prefix:
            blanks = pc.if_else(pc.equal(pc.binary_length(column), 0), *map(_large, ("", " ")))
            column = pc.binary_join_element_wise(blanks, column, _large(""))
        if len(rows) or self._tables.dummy_prefix:
            data, offsets = self._buffers(column)
        cuts = self._split_rows(offsets)
        if len(cuts) == 2:
            return self._encode(0, data, offsets)
        with ThreadPoolExecutor(len(cuts) - 1) as pool:
            shares = [offsets[first : last + 1] for first, last in zip(cuts[:-1], cuts[1:])]
            encoded = list(pool.map(self._encode, range(len(shares)), [data] * len(shares), shares))
        lengths = np.concatenate([np.diff(bounds) for _, bounds in encoded])
        return np.concatenate([ids for ids, _ in encoded]), np.concatenate([[0], np.cumsum(lengths)])

    @staticmethod
    def _buffers(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """``(bytes, offsets)`` of the column; the kernels read four bytes at a time."""
        data, offsets = utf8_buffer(column)
        return (data if len(data) >= 4 else np.frombuffer(data.tobytes() + bytes(4), np.uint8)), offsets

    def _split_rows(self, offsets: np.ndarray) -> list[int]:
        """First row of each thread's share, and the end; shares have about the same number of bytes."""
        marks = np.linspace(offsets[0], offsets[-1], len(self._words) + 1)[1:-1]
        return sorted({0, *np.searchsorted(offsets, marks).tolist(), len(offsets) - 1})

    def _encode(self, thread: int, data: np.ndarray, offsets: np.ndarray) -> Encoded:
        out = np.empty(int(offsets[-1] - offsets[0]) + 2, np.uint32)
        bounds, words, lists, words_used, lists_used = bpe.encode_rows(
            data, offsets, self._tables.cuts, self._tables.merges, *self._words[thread], MAX_WORDS, out
        )
        self._words[thread] = words, lists, words_used, lists_used
        return out[: bounds[-1]].copy(), bounds
