"""Applies a function to the rows of each language of a batch and restores the order of the rows."""

# pyarrow.compute makes its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa


def by_language(
    batch: pa.RecordBatch, work: Callable[[pa.RecordBatch, str], pa.RecordBatch]
) -> pa.RecordBatch:
    """Applies ``work`` to the rows of each ``lang``; it must return as many rows, with the same columns for all languages."""
    coded = batch["lang"].dictionary_encode()
    langs = coded.dictionary.to_pylist()
    if len(langs) == 1:
        return work(batch, langs[0])
    codes = coded.indices.to_numpy(zero_copy_only=False)
    rows = [np.flatnonzero(codes == code) for code in range(len(langs))]
    parts = [work(batch.take(pa.array(some)), lang) for some, lang in zip(rows, langs)]
    order = np.argsort(np.concatenate(rows), kind="stable")
    return pa.Table.from_batches(parts).take(pa.array(order)).combine_chunks().to_batches()[0]
