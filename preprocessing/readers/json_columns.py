"""Reads lines of simple JSON records into columns of documents, without a Python object for each.

Owns which inputs and which lines qualify; ``json_lines`` reads all others, with the same result.
"""

# pyarrow.compute defines its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preprocessing.config.inputs import RecordsInput
from preprocessing.config.languages import LANGUAGES
from preprocessing.kernels.feeds import find_feeds
from preprocessing.kernels.json_objects import read_objects
from preprocessing.kernels.utf8 import is_utf8
from preprocessing.readers.fields import Fields


@dataclass(frozen=True)
class Block:
    """Documents of the lines of a block, one row per line; only rows that are ``simple`` are valid."""

    documents: pa.RecordBatch
    simple: np.ndarray
    ends: np.ndarray
    """``[lines]``: the end of each line, before its line feed."""


class JsonColumns:
    """Reads blocks of the lines of one file."""

    def __init__(self, item: RecordsInput, fields: Fields, max_bytes: int):
        keys = [name.encode("utf-8") for name in document_fields(item)]
        self._keys = np.frombuffer(b"".join(keys), np.uint8)
        self._key_ends = np.cumsum([0, *map(len, keys)])
        self._fields = fields
        self._of_record = item.lang == "record"
        self._max_bytes = max_bytes

    def read(self, block: bytes, number: int) -> Block | None:
        """The documents of whole lines, the first of which is line ``number``; None when the bytes are not UTF-8."""
        data = np.frombuffer(block, np.uint8)
        if not is_utf8(data):
            return None
        feeds = find_feeds(data)
        out, ends, simple = read_objects(data, feeds, self._keys, self._key_ends, self._max_bytes)
        texts = [_column(out[f], ends[f]) for f in range(len(ends))]
        if self._of_record:
            simple &= pc.is_in(texts[2], _LANGUAGES).to_numpy(zero_copy_only=False)
        lang = texts[2] if self._of_record else None
        return Block(self._fields.batch(texts[0], texts[1], lang, number), simple, feeds)


_LANGUAGES = pa.array(LANGUAGES, pa.large_string())


def document_fields(item: RecordsInput) -> list[str]:
    """The fields of a document: its identity, its text, and its language where the record contains it."""
    return [item.id_field, item.text_field, *([item.lang_field] if item.lang == "record" else [])]


def has_simple_fields(item: RecordsInput) -> bool:
    """Whether a document is built from distinct top-level fields alone, without templates and ``meta_fields``."""
    names = document_fields(item)
    plain = not (item.templates or item.meta_fields) and not any("." in name or "[" in name for name in names)
    return plain and len(set(names)) == len(names)


def _column(data: np.ndarray, ends: np.ndarray) -> pa.Array:
    return pa.LargeStringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(data))
