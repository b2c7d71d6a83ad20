"""Our own engine for byte-pair encoding: kernels over Arrow columns, exact, with a table of the words it met.

Owns the engine and its threads; what a vocabulary means is settled in ``bpe_tables``.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa

from megatron_ko.tokenizer import MODEL
from preprocessing.documents import utf8_buffer
from preprocessing.kernels import bpe, bpe_words
from preprocessing.tokens import bpe_tables, model_proto

MOST_ROWS = 1 << 20  # of 32 bytes in the table of words of a thread
Encoded = tuple[np.ndarray, np.ndarray]


class BpeEncoder:
    """``bpe``: raises ``bpe_tables.Unsupported`` for a tokenizer it would not encode exactly."""

    name = "bpe"

    def __init__(self, folder: Path, threads: int):
        path = folder / MODEL
        self._cuts, self._rules = bpe_tables.of_model(model_proto.read_model(path.read_bytes(), str(path)))
        self._words = [(*bpe_words.new_words(bpe_words.FIRST_ROOM), 0, 0) for _ in range(threads)]

    def encode_batch(self, texts: list[str]) -> Encoded:
        return self.encode_column(pa.array(texts, pa.large_string()))

    def encode_column(self, column: pa.Array) -> Encoded:
        """``(ids: uint32, offsets: [rows + 1] int64)`` of a large_string column; null is an empty text."""
        data, offsets = utf8_buffer(column)
        if len(data) < 4:
            data = np.frombuffer(data.tobytes() + bytes(4), np.uint8)
        return self._encode(0, data, offsets)

    def _encode(self, thread: int, data: np.ndarray, offsets: np.ndarray) -> Encoded:
        out = np.empty(int(offsets[-1] - offsets[0]) + 3, np.uint32)
        bounds, *self._words[thread] = bpe.encode_rows(
            data, offsets, self._cuts, self._rules, *self._words[thread], MOST_ROWS, out
        )
        return out[: bounds[-1]].copy(), bounds
