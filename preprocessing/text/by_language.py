"""Work on a batch language by language: each part goes to the same function, and the rows come back in their order."""

# pyarrow.compute makes its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa


def by_language(
    batch: pa.RecordBatch, work: Callable[[pa.RecordBatch, str], pa.RecordBatch]
) -> pa.RecordBatch:
    """What ``work`` makes of the rows of each ``lang`` (the same columns for each, a row per row), in the order of ``batch``."""
    coded = batch["lang"].dictionary_encode()
    langs = coded.dictionary.to_pylist()
    if len(langs) == 1:
        return work(batch, langs[0])
    codes = coded.indices.to_numpy(zero_copy_only=False)
    rows = [np.flatnonzero(codes == code) for code in range(len(langs))]
    parts = [work(batch.take(pa.array(some)), lang) for some, lang in zip(rows, langs)]
    back = np.argsort(np.concatenate(rows), kind="stable")
    return pa.Table.from_batches(parts).take(pa.array(back)).combine_chunks().to_batches()[0]
