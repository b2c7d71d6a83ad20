"""Encodes columns of text to a pair of token files with the fastest engine that agrees with the reference.

Owns the end-of-document token and the check of the engine: before the first column of a process and on a share of every
column, so that no process waits for another.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from megatron_ko.errors import DataError
from megatron_ko.formats.tokenizer_folder import TokenizerInfo
from preprocessing.tokenizers import encoders
from preprocessing.tokenizers.encoders import Encoder
from preprocessing.tokens.indexed_dataset import dtype_for, new_bin, write_index

log = logging.getLogger(__name__)
# compared with the reference: one byte in COMPARED_SHARE of a column, at least COMPARED_BYTES
COMPARED_SHARE, COMPARED_BYTES = 256, 2048


def encode_and_check(
    columns: Callable[[], Iterable[pa.Array]],
    prefix: Path,
    info: TokenizerInfo,
    engine: str,
    threads: int,
    name: str,
    eod: bool = True,
) -> dict[str, Any]:
    """Writes token files of the texts; encodes all of them again with the reference if any compared ids differ.

    ``name``: the text, for the log. The returned facts include the engine used.
    """
    reference = encoders.reference_of(info.folder)
    used = _choose_engine(info, engine, threads)
    try:
        encoder = encoders.encoder_of(info.folder, used, threads)
        facts = encode(columns(), prefix, encoder, info, None if used == reference.name else reference, eod)
    except encoders.Mismatch as text:
        log.warning(
            "encode: %s gives other ids for %s; encoding %s with %s", used, text, name, reference.name
        )
        used = reference.name
        facts = encode(columns(), prefix, encoders.reference_of(info.folder, threads), info, None, eod)
    return {**facts, "engine": used}


@functools.lru_cache(maxsize=1)
def _choose_engine(info: TokenizerInfo, engine: str, threads: int) -> str:
    """The engine, or the reference if the engine fails on hard texts; decided once per process."""
    return encoders.choose(info.folder, engine, [], threads)


def encode(
    columns: Iterable[pa.Array],
    prefix: Path,
    encoder: Encoder,
    info: TokenizerInfo,
    reference: Encoder | None = None,
    eod: bool = True,
) -> dict[str, Any]:
    """Encodes columns of large_string to a pair. Raises Mismatch for ids that differ from the reference.

    Compares some documents of each column if there is a ``reference``. Skips documents without text; every other document
    is one sequence, ended by EOD if ``eod``.
    """
    if eod and info.eos_id is None:
        raise DataError(
            f"{info.folder}: has no eos_id, which ends documents; set the eos token in the tokenizer's files",
            rule="no-eos-token",
        )
    facts = {"text_bytes": 0, "empty": 0}
    with new_bin(prefix, dtype_for(info.vocab_size)) as writer:
        for texts in columns:
            sizes = pc.fill_null(pc.binary_length(texts), 0).to_numpy()
            filled = np.flatnonzero(sizes)
            facts["empty"] += len(sizes) - len(filled)
            facts["text_bytes"] += int(sizes.sum())
            if not len(filled):
                continue
            column = texts if len(filled) == len(sizes) else texts.take(pa.array(filled))
            ids, offsets = encoder.encode_column(column)
            if reference is not None:
                _compare(column, sizes[filled], ids, offsets, encoder, reference)
            if eod and info.eos_id is not None:
                writer.add(*with_eod(ids, offsets, info.eos_id))
            else:
                writer.add(ids, np.diff(offsets))
    write_index(prefix, writer.dtype, [writer.lengths])
    return {**facts, "documents": len(writer.lengths), "tokens": writer.tokens, "max_id": writer.max_id}


def _compare(
    column: pa.Array,
    sizes: np.ndarray,
    ids: np.ndarray,
    offsets: np.ndarray,
    encoder: Encoder,
    reference: Encoder,
) -> None:
    """Raises Mismatch. If all texts are long, both engines encode the beginning of the shortest one."""
    rows = rows_to_compare(sizes)
    if len(rows):
        encoded = [ids[offsets[row] : offsets[row + 1]] for row in rows]
        encoders.compare(encoded, column.take(pa.array(rows)).to_pylist(), reference)
        return
    beginning = [column[int(sizes.argmin())].as_py()[: _budget(sizes) // 3]]
    encoders.compare([encoder.encode_batch(beginning)[0]], beginning, reference)


def rows_to_compare(sizes: np.ndarray) -> np.ndarray:
    """Rows spread over a column whose texts are a small share of its bytes; none if all texts are long."""
    budget = _budget(sizes)
    short = np.flatnonzero(sizes <= budget)
    if not len(short):
        return short
    rows = short[:: int(sizes[short].sum()) // budget + 1]
    return rows[: max(1, int(np.searchsorted(np.cumsum(sizes[rows]), budget, "right")))]


def _budget(sizes: np.ndarray) -> int:
    """Bytes of a column to compare."""
    return max(int(sizes.sum()) // COMPARED_SHARE, COMPARED_BYTES)


def with_eod(ids: np.ndarray, offsets: np.ndarray, eod: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens with ``eod`` after each document, and the new lengths."""
    lengths = np.diff(offsets) + 1
    is_text = np.ones(len(ids) + len(lengths), bool)
    is_text[np.cumsum(lengths) - 1] = False
    tokens = np.full(len(is_text), eod, ids.dtype)
    tokens[is_text] = ids
    return tokens, lengths
