"""Columns of text to a pair of token files, by the fastest engine that gives the ids of the reference.

Owns the check of the engine, before the first column of a process and on a share of every column, so that no process
waits for another; and the end of a document.
"""

# pyarrow.compute makes its functions at import
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
# of the text of a column is compared with the reference: one byte in so many, and so many bytes where that is less
COMPARED_SHARE, COMPARED_BYTES = 256, 2048


def encode_checked(
    columns: Callable[[], Iterable[pa.Array]],
    prefix: Path,
    info: TokenizerInfo,
    engine: str,
    threads: int,
    name: str,
    eod: bool = True,
) -> dict[str, Any]:
    """Token files of the texts; all of them again with the reference when the engine gives other ids somewhere.

    ``name``: of the text, for the log. The engine that was used is among the facts.
    """
    reference = encoders.reference_of(info.folder)
    used = _checked(info, engine, threads)
    try:
        encoder = encoders.encoder_of(info.folder, used, threads)
        facts = encode(columns(), prefix, encoder, info, None if used == reference.name else reference, eod)
    except encoders.Differs as different:
        log.warning(
            "encode: %s gives other ids for %s; %s is encoded with %s", used, different, name, reference.name
        )
        used = reference.name
        facts = encode(columns(), prefix, encoders.reference_of(info.folder, threads), info, None, eod)
    return {**facts, "engine": used}


@functools.lru_cache(maxsize=1)
def _checked(info: TokenizerInfo, engine: str, threads: int) -> str:
    """The engine, or the reference where it fails on hard texts; decided once in a process."""
    return encoders.choose(info.folder, engine, [], threads)


def encode(
    columns: Iterable[pa.Array],
    prefix: Path,
    encoder: Encoder,
    info: TokenizerInfo,
    reference: Encoder | None = None,
    eod: bool = True,
) -> dict[str, Any]:
    """Encodes columns of large_string to a pair; raises Differs for ids unlike the reference's.

    Some documents of each column are compared, when a reference is given. Documents without text are left out; each of the
    others is a sequence that ends with EOD, if ``eod``.
    """
    if eod and info.eos_id is None:
        raise DataError(
            f"{info.folder}: has no eos_id, and documents end with it; name it in the tokenizer's files"
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
    """Raises Differs. Where all texts are long, the beginning of the shortest one is encoded by itself, by both."""
    rows = compared_rows(sizes)
    if len(rows):
        found = [ids[offsets[row] : offsets[row + 1]] for row in rows]
        encoders.compare(found, column.take(pa.array(rows)).to_pylist(), reference)
        return
    beginning = [column[int(sizes.argmin())].as_py()[: _most(sizes) // 3]]
    encoders.compare([encoder.encode_batch(beginning)[0]], beginning, reference)


def compared_rows(sizes: np.ndarray) -> np.ndarray:
    """Rows spread over a column whose texts are a small share of its bytes; none where all are long."""
    most = _most(sizes)
    short = np.flatnonzero(sizes <= most)
    if not len(short):
        return short
    rows = short[:: int(sizes[short].sum()) // most + 1]
    return rows[: max(1, int(np.searchsorted(np.cumsum(sizes[rows]), most, "right")))]


def _most(sizes: np.ndarray) -> int:
    return max(int(sizes.sum()) // COMPARED_SHARE, COMPARED_BYTES)


def with_eod(ids: np.ndarray, offsets: np.ndarray, eod: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens with ``eod`` after each document, and the new lengths."""
    lengths = np.diff(offsets) + 1
    text = np.ones(len(ids) + len(lengths), bool)
    text[np.cumsum(lengths) - 1] = False
    ended = np.full(len(text), eod, ids.dtype)
    ended[text] = ids
    return ended, lengths
