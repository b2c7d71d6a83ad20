"""Writes the files of the corpus and of the dropped documents, each separately, from the plan.

Owns the two tasks of ``balance`` that read text; they take the memory of a row group of documents.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from megatron_ko.errors import DataError
from preprocessing.corpus.assignment import REASONS, sets_of
from preprocessing.corpus.corpus_plan import ASSIGNMENT, PLAN, STEP, read_table
from preprocessing.corpus.reading import shard_path
from preprocessing.documents import DROPPED, FINAL, Counts, new_shard, read_group, text_bytes
from preprocessing.readers.input_units import Unit
from preprocessing.running.context import Context, Outcome


def write_corpus_shard(context: Context, shard: dict[str, Any]) -> Outcome:
    """Writes one file of the corpus: its documents in order, copies of a repeated document one after another."""
    key = (shard["name"], shard["split"])
    set_number = sets_of(context.config.domains).index(key)
    shard_number = int(shard["file"].rsplit("-", 1)[1])
    path = shard_path(context.folder, shard["file"])
    with new_shard(path, FINAL) as out:
        for unit in context.units[slice(*shard["units"])]:
            plan = read_table(context.path(STEP, f"{PLAN}/{unit.name}"), ASSIGNMENT.names)
            mine = (plan["set_number"].to_numpy() == set_number) & (plan["shard"].to_numpy() == shard_number)
            repeats = np.where(mine, plan["repeats"].to_numpy(), 0)
            for batch, times in _select(context, unit, repeats):
                rows = np.repeat(np.arange(batch.num_rows), times)
                out.write(_final(batch.take(pa.array(rows)) if len(rows) != batch.num_rows else batch, *key))
    if out.rows != shard["documents"]:
        raise DataError(
            f"{path}: {out.rows:,} documents, but the plan has {shard['documents']:,}: the documents of a unit changed; "
            "run 'mko data run' again",
            rule="documents-differ",
        )
    return Outcome([path], {"documents_out": out.rows, "file_bytes": path.stat().st_size})


def _select(context: Context, unit: Unit, times: np.ndarray) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    """Yields the documents of a unit whose ``times`` is not 0, with their ``times``; reads only row groups that have any."""
    with pq.ParquetFile(context.documents_path(unit)) as file:
        start = 0
        for group in range(file.num_row_groups):
            here = times[start : start + file.metadata.row_group(group).num_rows]
            start += len(here)
            if not here.any():
                continue
            batch = read_group(file, group)[0]
            yield (batch if here.all() else batch.filter(pa.array(here > 0))), here[here > 0]


def _final(batch: pa.RecordBatch, domain: str, split: str) -> pa.RecordBatch:
    columns = [batch[name] for name in ("id", "text", "source", "lang")]
    constant = [pa.array([value] * batch.num_rows, pa.string()) for value in (domain, split)]
    return pa.RecordBatch.from_arrays([*columns, *constant, batch["meta"]], schema=FINAL)


# --- dropped documents ------------------------------------------------------------------------------------


def write_dropped(context: Context, number: int, expected: int) -> Outcome:
    """Writes the documents of a unit that no domain takes or that exceed its size, with reasons; no file if none."""
    counts = Counts()
    if not expected:
        return Outcome([], {"counts": counts.to_json()})
    unit = context.units[number]
    reasons = read_table(context.path(STEP, f"{PLAN}/{unit.name}"), ["reason"])["reason"].to_numpy()
    path = context.dropped_path(STEP, unit.name)
    with new_shard(path, DROPPED) as out:
        for batch, numbers in _select(context, unit, reasons):
            names = [REASONS[number] for number in numbers]
            _count(counts, batch, names)
            constant = [
                pa.array(names, pa.string()),
                pa.array([STEP] * len(names), pa.string()),
                pa.nulls(len(names), pa.string()),
            ]
            out.write(pa.RecordBatch.from_arrays([*batch.columns, *constant], schema=DROPPED))
    return Outcome([path], {"counts": counts.to_json()})


def _count(counts: Counts, batch: pa.RecordBatch, reasons: list[str]) -> None:
    counts.documents_in += batch.num_rows
    counts.bytes_in += text_bytes(batch["text"])
    counts.dropped.update(reasons)
    for row, reason in enumerate(reasons):
        counts.add_dropped_example(batch, row, reason)
