"""Clusters: who stays, and around whom the dropped ones stand.

A cluster is a star. In the order of their numbers, a document is dropped when it has a verified pair with an earlier one
that stays, and belongs to the first of these; never through a chain of neighbours, which can empty a whole source
(transitive closure left 2 of 859,092 documents in marin-community/marin issue 6854). So the size of a cluster needs no
limit: each member was compared with the survivor itself. Above ``max_cluster`` an alarm tells of it.
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
    """By number of a document: ``of: uint32`` the document it duplicates (itself when it stays), ``center: uint32`` the
    survivor of its cluster, ``size: int32`` the documents of this cluster, ``similarity: float32`` to ``of``."""

    of: np.ndarray
    center: np.ndarray
    size: np.ndarray
    similarity: np.ndarray
    exact: np.ndarray  # bool


def clusters_of(documents: int, duplicates: np.ndarray, blocks: Iterable[np.ndarray]) -> Clusters:
    """``duplicates``: from ``exact_duplicates``; ``blocks``: from ``near_duplicates.verify_pairs``, increasing.

    Memory: 25 bytes per document, and a block. An exact duplicate of a near duplicate is in the cluster of the latter.
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
    """Every document of a cluster of two or more, by row; the ids of the survivors are read from the documents,
    for as many members at a time as fit into ``memory``."""
    numbers = np.flatnonzero(clusters.size > 1)
    numbers = numbers[np.argsort(numbering.rows[numbers])]
    at_once = min(MEMBERS_AT_ONCE, max(1, memory // MEMBER_COST))
    for start in range(0, len(numbers), at_once):
        chosen = numbers[start : start + at_once]
        of, center = clusters.of[chosen], clusters.center[chosen]
        named = np.unique(np.concatenate([of, center]))
        ids = _ids(named, numbering, documents)
        stays = pa.array(of == chosen)
        reason = pa.array(np.where(clusters.exact[chosen], EXACT, NEAR), pa.string())
        columns = [
            pa.array(numbering.rows[chosen].astype(np.int64)),
            _null_where(stays, reason),
            _null_where(stays, ids.take(pa.array(np.searchsorted(named, of)))),
            _null_where(stays, pa.array(clusters.similarity[chosen])),
            ids.take(pa.array(np.searchsorted(named, center))),
            pa.array(clusters.size[chosen]),
        ]
        made = pa.RecordBatch.from_arrays(columns, schema=MEMBER)
        yield from (made.slice(row, GROUP_ROWS) for row in range(0, made.num_rows, GROUP_ROWS))


def _null_where(mask: pa.Array, column: pa.Array) -> pa.Array:
    return pc.if_else(mask, pa.scalar(None, column.type), column)


def _ids(numbers: np.ndarray, numbering: Numbering, documents: Sequence[Path]) -> pa.Array:
    """Ids of the documents with these numbers."""
    rows = numbering.rows[numbers].astype(np.int64)
    order = np.argsort(rows)
    found = [batch["id"] for _, batch in rows_of(documents, numbering.starts, rows[order], ["id"])]
    back = np.empty(len(rows), np.int64)
    back[order] = np.arange(len(rows))
    return pa.concat_arrays([pa.array([], pa.string()), *found]).take(pa.array(back))


def members_between(path: Path, rows: np.ndarray, start: int, end: int) -> pa.Table:
    """Those of a file of ``member_tables`` with ``start <= row < end``; ``rows``: all rows of the file, increasing."""
    first, last = np.searchsorted(rows, [start, end])
    everything = np.array([0, len(rows)])
    found = [batch for _, batch in rows_of([path], everything, np.arange(first, last), MEMBER.names)]
    return pa.Table.from_batches(found, MEMBER)


def largest(clusters: Clusters, numbering: Numbering, documents: Sequence[Path]) -> list[dict[str, Any]]:
    """The ten largest clusters: ``{"cluster": id, "documents": size}``."""
    centers = np.flatnonzero((clusters.center == np.arange(len(clusters.center))) & (clusters.size > 1))
    centers = centers[np.argsort(-clusters.size[centers], kind="stable")[:LARGEST]]
    ids = _ids(centers, numbering, documents).to_pylist()
    return [{"cluster": name, "documents": int(clusters.size[number])} for name, number in zip(ids, centers)]
