"""Groups of duplicates: how many of each size, how similar, and the largest with their text.

Owns reading the decisions of step ``deduplicate``. Text is read for a few documents only, one row group each.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from preprocessing.running.context import Context

LARGEST = 6
TEXT_CHARACTERS = 300
NEAR = "near_duplicate"


@dataclass
class Group:
    """``unit`` and ``row`` locate the kept document; ``other`` is the least similar dropped document."""

    unit: str
    row: int
    size: int
    identity: str = ""
    source: str = ""
    text: str = ""
    other: dict[str, Any] | None = None
    """``id, text, similarity, unit, row``."""


@dataclass
class Groups:
    """``sizes``: groups by number of documents; ``similarities``: near duplicates by whole percent."""

    sizes: Counter[int] = field(default_factory=Counter)
    similarities: Counter[int] = field(default_factory=Counter)
    largest: list[Group] = field(default_factory=list)


def read_groups(context: Context) -> Groups:
    groups = Groups()
    names = [unit.name for unit in context.units]
    for name in names:
        _add_unit(groups, context, name)
    for group in groups.largest:
        _describe(group, context)
    by_identity = {group.identity: group for group in groups.largest}
    for name in names if by_identity else ():
        _find_others(by_identity, context, name)
    for group in groups.largest:
        if group.other:
            path = context.path(context.text_step, group.other["unit"])
            group.other.update(row_of(path, group.other["row"], ["id", "text"]))
            group.other["text"] = group.other["text"][:TEXT_CHARACTERS]
    return groups


def _add_unit(groups: Groups, context: Context, name: str) -> None:
    table = pq.read_table(context.path("deduplicate", name), columns=["reason", "similarity", "cluster_size"])
    near = table.filter(pc.equal(table["reason"], NEAR))["similarity"].to_numpy()
    percents = np.floor(near.astype(np.float64) * 100 + 1e-4).astype(np.int64)
    groups.similarities.update(percents.tolist())
    sizes = pc.fill_null(table["cluster_size"], 1).to_numpy()
    survives = pc.is_null(table["reason"]).to_numpy() & (sizes > 1)
    groups.sizes.update(sizes[survives].tolist())
    rows = np.flatnonzero(survives)
    rows = rows[np.argsort(-sizes[rows], kind="stable")[:LARGEST]]
    candidates = [*groups.largest, *(Group(name, int(row), int(sizes[row])) for row in rows)]
    groups.largest = sorted(candidates, key=lambda group: -group.size)[:LARGEST]


def _describe(group: Group, context: Context) -> None:
    row = row_of(context.path(context.text_step, group.unit), group.row, ["id", "source", "text"])
    group.identity, group.source, group.text = row["id"], row["source"], row["text"][:TEXT_CHARACTERS]


def _find_others(groups: dict[str, Group], context: Context, name: str) -> None:
    """Finds the first of the least similar documents of each group."""
    with pq.ParquetFile(context.path("deduplicate", name)) as file:
        start = 0
        for batch in file.iter_batches(columns=["reason", "similarity", "cluster"]):
            mine = pc.and_(pc.is_valid(batch["reason"]), pc.is_in(batch["cluster"], pa.array(list(groups))))
            rows = np.flatnonzero(mine.to_numpy(zero_copy_only=False))
            for row, member in zip(rows.tolist(), batch.take(pa.array(rows)).to_pylist()):
                group = groups[member["cluster"]]
                if group.other is None or member["similarity"] < group.other["similarity"]:
                    group.other = {"similarity": member["similarity"], "unit": name, "row": start + row}
            start += batch.num_rows


def row_of(path: Path, row: int, columns: list[str]) -> dict[str, Any]:
    """One row of a Parquet file; reads only its row group."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if row < rows:
                return file.read_row_group(group, columns).slice(row, 1).to_pylist()[0]
            row -= rows
    raise IndexError(f"{path} has no row {row}")
