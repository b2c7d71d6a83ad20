"""Clusters: which documents survive, and which survivor each dropped document belongs to.

A cluster is a star. In the order of their numbers, a document is dropped if it has a verified pair with an earlier
survivor, and joins the cluster of the first such survivor; never through a chain of neighbors, which can empty a whole
source (transitive closure left 2 of 859,092 documents in marin-community/marin issue 6854). Because each member was
compared with the survivor itself, cluster sizes need no limit; a cluster above ``max_cluster`` raises an alarm.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preprocessing.duplicates.numbering import Numbering, rows_of

MEMBER = pa.schema(
    [
        ("row", pa.int64()),
        ("reason", pa.string()),
        ("duplicate_of", pa.string()),
        ("similarity", pa.float32()),
        ("cluster", pa.string()),
        ("cluster_size", pa.int32()),
    ]
)
EXACT, NEAR = "exact_duplicate", "near_duplicate"
GROUP_ROWS = 1 << 16
LARGEST = 10
MEMBERS_AT_ONCE = 1 << 22  # their ids stay below the 2 GiB of a string column
MEMBER_COST = 512  # bytes of memory per member whose ids are looked up


@dataclass(frozen=True)
class Clusters:
    """Columns by number of a document: ``of: uint32`` the document it duplicates (itself if it survives), ``center: uint32``
    the survivor of its cluster, ``size: int32`` the documents in the cluster, ``similarity: float32`` to ``of``."""

    of: np.ndarray
    center: np.ndarray
    size: np.ndarray
    similarity: np.ndarray
    exact: np.ndarray  # bool


def clusters_of(documents: int, duplicates: np.ndarray, blocks: Iterable[np.ndarray]) -> Clusters:
    """``duplicates``: from ``exact_duplicates``; ``blocks``: from ``near_duplicates.verify_pairs``, increasing.

    Memory: 25 bytes per document, and a block. An exact duplicate of a near duplicate joins the cluster of the latter.
    """
    from preprocessing.kernels.buckets import stars

    of = np.arange(documents, dtype=np.uint32)
    similarity = np.zeros(documents, np.float32)
    for block in blocks:
        stars(np.ascontiguousarray(block["pair"]), np.ascontiguousarray(block["similarity"]), of, similarity)
    exact = np.zeros(documents, bool)
    exact[duplicates[:, 0]] = True
    of[duplicates[:, 0]] = duplicates[:, 1]
    similarity[duplicates[:, 0]] = 1.0
    center = of[of]
    sizes = np.bincount(center, minlength=documents).astype(np.int32)
    return Clusters(of, center, sizes[center], similarity, exact)


def member_tables(
    clusters: Clusters, numbering: Numbering, documents: Sequence[Path], memory: int
) -> Iterator[pa.RecordBatch]:
    """Yields every document of a cluster of two or more, by row. Ids of survivors are read from the documents, for as many
    members at a time as fit into ``memory``."""
    numbers = np.flatnonzero(clusters.size > 1)
    numbers = numbers[np.argsort(numbering.rows[numbers])]
    at_once = min(MEMBERS_AT_ONCE, max(1, memory // MEMBER_COST))
    for start in range(0, len(numbers), at_once):
        chosen = numbers[start : start + at_once]
        of, center = clusters.of[chosen], clusters.center[chosen]
        referenced = np.unique(np.concatenate([of, center]))
        ids = _ids(referenced, numbering, documents)
        survives = pa.array(of == chosen)
        reason = pa.array(np.where(clusters.exact[chosen], EXACT, NEAR), pa.string())
        columns = [
            pa.array(numbering.rows[chosen].astype(np.int64)),
            _null_where(survives, reason),
            _null_where(survives, ids.take(pa.array(np.searchsorted(referenced, of)))),
            _null_where(survives, pa.array(clusters.similarity[chosen])),
            ids.take(pa.array(np.searchsorted(referenced, center))),
            pa.array(clusters.size[chosen]),
        ]
        batch = pa.RecordBatch.from_arrays(columns, schema=MEMBER)
        yield from (batch.slice(row, GROUP_ROWS) for row in range(0, batch.num_rows, GROUP_ROWS))


def _null_where(mask: pa.Array, column: pa.Array) -> pa.Array:
    return pc.if_else(mask, pa.scalar(None, column.type), column)


def _ids(numbers: np.ndarray, numbering: Numbering, documents: Sequence[Path]) -> pa.Array:
    """Ids of the documents with these numbers."""
    rows = numbering.rows[numbers].astype(np.int64)
    order = np.argsort(rows)
    parts = [batch["id"] for _, batch in rows_of(documents, numbering.starts, rows[order], ["id"])]
    back = np.empty(len(rows), np.int64)
    back[order] = np.arange(len(rows))
    return pa.concat_arrays([pa.array([], pa.string()), *parts]).take(pa.array(back))


def members_between(path: Path, rows: np.ndarray, start: int, end: int) -> pa.Table:
    """Members with ``start <= row < end`` of a file of ``member_tables``; ``rows``: all rows of the file, increasing."""
    first, last = np.searchsorted(rows, [start, end])
    everything = np.array([0, len(rows)])
    batches = [batch for _, batch in rows_of([path], everything, np.arange(first, last), MEMBER.names)]
    return pa.Table.from_batches(batches, MEMBER)


def largest(clusters: Clusters, numbering: Numbering, documents: Sequence[Path]) -> list[dict[str, Any]]:
    """The ten largest clusters: ``{"cluster": id, "documents": size}``."""
    centers = np.flatnonzero((clusters.center == np.arange(len(clusters.center))) & (clusters.size > 1))
    centers = centers[np.argsort(-clusters.size[centers], kind="stable")[:LARGEST]]
    ids = _ids(centers, numbering, documents).to_pylist()
    return [{"cluster": name, "documents": int(clusters.size[number])} for name, number in zip(ids, centers)]
