"""Columns that deduplication compares: digest, number of words, MinHash signature and its bands, per document.

Owns these columns and the plain definition of the digest. The step ``measure`` computes them batch by batch;
``deduplicate`` reads them.
"""

from __future__ import annotations

import unicodedata

import numpy as np
import pyarrow as pa
import xxhash

from preprocessing.config.deduplication import DeduplicateConfig
from preprocessing.documents import utf8_buffer

DIGEST_BYTES = 16


def signature_schema(config: DeduplicateConfig) -> pa.Schema:
    """Columns of a signature file; rows as in the documents."""
    fixed = [
        ("digest", pa.binary(DIGEST_BYTES)),
        ("words", pa.int32()),
        ("signature", pa.binary(4 * config.num_hashes)),
    ]
    return pa.schema([*fixed, *((band_name(band), pa.uint64()) for band in range(config.bands))])


def band_name(band: int) -> str:
    return f"band_{band:02d}"


def sign(column: pa.Array, config: DeduplicateConfig, seed: int) -> pa.RecordBatch:
    """Signatures of a large_string column. Rows without words share one signature; callers must skip them by ``words``."""
    from preprocessing.kernels import minhash

    data, offsets = utf8_buffer(column)
    words, signature = minhash.signatures(data, offsets, minhash.hash_seeds(config.num_hashes, seed))
    bands = minhash.band_values(signature, config.bands)
    columns = [
        pa.array(digests(column), pa.binary(DIGEST_BYTES)),
        pa.array(words),
        pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(4 * config.num_hashes), len(column), [None, pa.py_buffer(signature)]
        ),
        *(pa.array(values) for values in bands),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=signature_schema(config))


def signature_matrix(column: pa.Array) -> np.ndarray:
    """``[rows, num_hashes] uint32`` of the column ``signature``, without a copy."""
    width = column.type.byte_width // 4
    return np.frombuffer(column.buffers()[1], np.uint32).reshape(-1, width)[column.offset :][: len(column)]


def canonical_digest(text: str) -> bytes:
    """xxh3_128 of the text, NFC-composed and with whitespace collapsed."""
    return xxhash.xxh3_128_digest(" ".join(unicodedata.normalize("NFC", text).split()).encode("utf-8"))


def digests(column: pa.Array) -> list[bytes]:
    """``canonical_digest`` of every row; only rows that composition might change become Python strings."""
    from preprocessing.kernels.canonical import collapse

    data, starts, settled = collapse(*utf8_buffer(column))
    view, bounds = data.data, starts.tolist()
    values = [xxhash.xxh3_128_digest(view[start:end]) for start, end in zip(bounds, bounds[1:])]
    for row in np.flatnonzero(~settled):
        values[row] = canonical_digest(column[int(row)].as_py())
    return values
