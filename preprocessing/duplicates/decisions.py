"""Decisions about the documents of one unit: the table that later steps read, and the dropped documents.

Owns both files and their counts per source; ``clusters`` decides which documents are duplicates.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from preprocessing.documents import DOCUMENT, DROPPED, Counts, new_shard
from preprocessing.duplicates.clusters import members_between
from preprocessing.duplicates.numbering import CLUSTERS, ORDER, STEP, array_path, load_array, rows_of
from preprocessing.running.tasks import Outcome

if TYPE_CHECKING:
    from preprocessing.running.context import Context

DECISION = pa.schema(
    [
        ("id", pa.string()),
        ("reason", pa.string()),
        ("duplicate_of", pa.string()),
        ("similarity", pa.float32()),
        ("cluster", pa.string()),
        ("cluster_size", pa.int32()),
    ]
)


def write_unit(context: Context, number: int) -> Outcome:
    """Writes the table of decisions of a unit, and its dropped documents."""
    unit = context.units[number]
    starts = load_array(array_path(context, ORDER, ".starts"))
    start, end = int(starts[number]), int(starts[number + 1])
    judged = pq.read_table(
        context.path("filter", unit.name), columns=["id", "source", "reason"]
    ).combine_chunks()
    kept = pc.is_null(judged["reason"]).combine_chunks()
    rows = load_array(array_path(context, CLUSTERS, ".rows"))
    members = members_between(context.path(STEP, CLUSTERS), rows, start, end)
    decisions = decisions_of(judged["id"].combine_chunks(), kept, members, start)
    table_path, dropped_path = context.path(STEP, unit.name), context.dropped_path(STEP, unit.name)
    sizes = pq.read_table(context.path("measure", unit.name), columns=["bytes"])["bytes"].to_numpy()
    counts = _counts(judged["source"].combine_chunks(), sizes, kept, decisions["reason"])
    with new_shard(table_path, DECISION) as table, new_shard(dropped_path, DROPPED) as dropped:
        table.write(decisions)
        for batch in _dropped(context.documents_path(unit), decisions):
            dropped.write(batch)
            _add_examples(counts, batch)
    summary = {
        "documents_in": sum(of_source.documents_in for of_source in counts.values()),
        "documents_out": sum(of_source.documents_out for of_source in counts.values()),
        "sources": {name: of_source.to_json() for name, of_source in counts.items()},
    }
    return Outcome([table_path, dropped_path], summary)


def decisions_of(ids: pa.Array, kept: pa.Array, members: pa.Table, start: int) -> pa.RecordBatch:
    """Table of a unit whose first row is ``start``: ``members`` of clusters; every other document is alone."""
    index = np.full(len(ids), -1, np.int64)
    index[members["row"].to_numpy() - start] = np.arange(members.num_rows)
    aligned = members.combine_chunks().take(pa.array(index, mask=index < 0))
    nothing = pa.scalar(None)
    columns = [
        ids,
        *(aligned[name].combine_chunks() for name in ("reason", "duplicate_of", "similarity")),
        pc.if_else(kept, pc.coalesce(aligned["cluster"].combine_chunks(), ids), nothing),
        pc.if_else(
            kept, pc.coalesce(aligned["cluster_size"].combine_chunks(), pa.scalar(1, pa.int32())), nothing
        ),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=DECISION)


def _dropped(documents: Path, decisions: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yields the dropped documents with reason and detail; reads only row groups that have any."""
    rows = np.flatnonzero(pc.is_valid(decisions["reason"]).to_numpy(zero_copy_only=False))
    for part, batch in rows_of([documents], np.array([0, decisions.num_rows]), rows, DOCUMENT.names):
        chosen = decisions.take(pa.array(rows[part]))
        step = pa.array([STEP] * batch.num_rows, pa.string())
        columns = [*(batch[name] for name in DOCUMENT.names), chosen["reason"], step, _details(chosen)]
        yield pa.RecordBatch.from_arrays(columns, schema=DROPPED)


def _details(decisions: pa.RecordBatch) -> pa.Array:
    pairs = zip(decisions["duplicate_of"].to_pylist(), decisions["similarity"].to_pylist())
    details = [
        json.dumps({"of": of, "similarity": round(value, 4)}, ensure_ascii=False) for of, value in pairs
    ]
    return pa.array(details, pa.string())


def _counts(sources: pa.Array, sizes: np.ndarray, kept: pa.Array, reasons: pa.Array) -> dict[str, Counts]:
    by_source = {}
    before = kept.to_numpy(zero_copy_only=False)
    after = before & pc.is_null(reasons).to_numpy(zero_copy_only=False)
    for source in pc.unique(sources).to_pylist():
        here = pc.equal(sources, source).to_numpy(zero_copy_only=False)
        counts = Counts(
            documents_in=int((here & before).sum()),
            bytes_in=int(sizes[here & before].sum()),
            documents_out=int((here & after).sum()),
            bytes_out=int(sizes[here & after].sum()),
        )
        for entry in pc.value_counts(reasons.filter(pa.array(here)).drop_null()).to_pylist():
            counts.dropped[entry["values"]] += entry["counts"]
        by_source[source] = counts
    return by_source


def _add_examples(counts: dict[str, Counts], dropped: pa.RecordBatch) -> None:
    reasons, sources = dropped["reason"].to_pylist(), dropped["source"].to_pylist()
    for row, (reason, source) in enumerate(zip(reasons, sources)):
        counts[source].add_dropped_example(dropped, row, reason)
