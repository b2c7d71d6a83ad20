"""Groups documents, read one by one or in columns, into batches of the size that the steps expect."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from preprocessing.documents import BATCH_BYTES, BATCH_ROWS, DOCUMENT, utf8_buffer
from preprocessing.kernels.characters import count_characters
from preprocessing.readers.fields import Row


class Batches:
    """Builds batches of at most BATCH_BYTES of text (or of one document) and BATCH_ROWS rows.

    A text that is not all ASCII counts three bytes per character.
    """

    def __init__(self) -> None:
        self._parts: list[pa.RecordBatch] = []
        self._rows: list[Row] = []
        self._number = self._size = 0

    def add_row(self, row: Row) -> Iterator[pa.RecordBatch]:
        """Adds a document; yields the batch before it when the document does not fit."""
        text = row[1]
        length = len(text) if text.isascii() else 3 * len(text)
        if self._number and (self._size + length > BATCH_BYTES or self._number >= BATCH_ROWS):
            yield from self.rest()
        self._rows.append(row)
        self._number += 1
        self._size += length

    def add_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Same as ``add_row`` for each row of ``batch``."""
        data, offsets = utf8_buffer(batch["text"])
        characters = count_characters(data, offsets)
        ascii_only = characters == np.diff(offsets)
        reach = np.cumsum(np.where(ascii_only, characters, 3 * characters))
        done = before = 0
        while done < batch.num_rows:
            room = int(np.searchsorted(reach, before + BATCH_BYTES - self._size, side="right")) - done
            fitting = min(max(room, 0 if self._number else 1), BATCH_ROWS - self._number)
            if fitting:
                self._parts += [*self._take_rows(), batch.slice(done, fitting)]
                self._number += fitting
                self._size += int(reach[done + fitting - 1]) - before
                done, before = done + fitting, int(reach[done + fitting - 1])
            if done < batch.num_rows:
                yield from self.rest()

    def rest(self) -> Iterator[pa.RecordBatch]:
        """Yields the last batch, if any documents are left."""
        parts = self._parts + self._take_rows()
        self._parts, self._number, self._size = [], 0, 0
        if parts:
            yield pa.Table.from_batches(parts).combine_chunks().to_batches()[0] if parts[1:] else parts[0]

    def _take_rows(self) -> list[pa.RecordBatch]:
        """Converts the rows added so far to a batch and clears them."""
        rows, self._rows = self._rows, []
        columns = [pa.array(values, field.type) for values, field in zip(zip(*rows), DOCUMENT)]
        return [pa.RecordBatch.from_arrays(columns, schema=DOCUMENT)] if rows else []
