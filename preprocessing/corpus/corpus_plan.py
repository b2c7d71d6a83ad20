"""The columns of a unit that decide where each document goes, and the plan of the corpus made from all of them.

Owns the two tasks of ``balance`` that read only columns, and their tables; the rules are in ``assignment``.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from megatron_ko.errors import DataError
from preprocessing.corpus.assignment import (
    GONE,
    Assignment,
    assign,
    domain_numbers,
    positions,
    repeats_of,
    sets_of,
)
from preprocessing.documents import new_shard
from preprocessing.readers.input_units import Unit
from preprocessing.running.context import Context, Outcome

STEP = "balance"
PLAN = "plan"
COLUMNS = pa.schema(
    [("domain", pa.int16()), ("position", pa.uint64()), ("bytes", pa.uint32()), ("repeats", pa.uint16())]
)
ASSIGNMENT = pa.schema(
    [("set_number", pa.int16()), ("reason", pa.int8()), ("shard", pa.int32()), ("repeats", pa.uint16())]
)


# --- columns of a unit -----------------------------------------------------------------------------------


def gather(context: Context, number: int) -> Outcome:
    """Writes the columns that the assignment needs: a row for each document of a unit, dropped ones included."""
    unit, config = context.units[number], context.config
    table = _join_columns(context, unit)
    kept = table["kept"].to_numpy(zero_copy_only=False)
    where = positions(table["id"], config.seed)
    repeats = repeats_of(
        table["cluster_size"].to_numpy(zero_copy_only=False), where, config.balance.rehydrate
    )
    domain = domain_numbers(table["source"], table["lang"], config.domains)
    sizes = table["bytes"].cast(pa.uint32())
    columns = [pa.array(np.where(kept, domain, np.int16(GONE))), pa.array(where), sizes, pa.array(repeats)]
    path = context.path(STEP, f"columns/{unit.name}")
    with new_shard(path, COLUMNS) as shard:
        shard.write(pa.RecordBatch.from_arrays(columns, schema=COLUMNS))
    summary = {"documents_in": int(kept.sum()), "bytes_in": int(sizes.to_numpy()[kept].sum(dtype=np.int64))}
    return Outcome([path], summary)


def _join_columns(context: Context, unit: Unit) -> pa.RecordBatch:
    """``id, source, lang, bytes, cluster_size, kept`` of a unit. Raises DataError if its tables are not aligned."""
    measured = read_table(context.path("measure", unit.name), ["id", "source", "lang", "bytes"])
    filtered = read_table(context.path("filter", unit.name), ["id", "reason"])
    decided = read_table(context.path("deduplicate", unit.name), ["id", "reason", "cluster_size"])
    for name, other in (("filter", filtered), ("deduplicate", decided)):
        if not other["id"].equals(measured["id"]):
            raise DataError(
                f"{context.path(name, unit.name)}: its documents differ from those of "
                f"{context.path('measure', unit.name)}; remove steps/{name} and run again",
                rule="documents-differ",
            )
    kept = pc.and_(pc.is_null(filtered["reason"]), pc.is_null(decided["reason"]))
    sizes = pc.fill_null(decided["cluster_size"], 1).cast(pa.int64())
    columns = {name: measured[name] for name in measured.schema.names}
    return pa.RecordBatch.from_pydict({**columns, "cluster_size": sizes, "kept": kept})


def read_table(path: Path, columns: list[str]) -> pa.RecordBatch:
    """Reads all rows as one batch, even if there are none."""
    table = pq.read_table(path, columns=columns).combine_chunks()
    return pa.RecordBatch.from_arrays(
        [
            table[name].chunk(0) if table[name].num_chunks else pa.array([], table.schema.field(name).type)
            for name in columns
        ],
        names=columns,
    )


# --- the plan --------------------------------------------------------------------------------------------


def make_plan(context: Context) -> Outcome:
    """Assigns all documents; writes the assignments by unit, and lists which units each file of the corpus covers."""
    rows_of, columns = _all_columns(context)
    ends = np.cumsum(rows_of)
    domain, where, sizes, repeats = columns
    assigned = assign(domain, where, sizes, repeats, context.config.domains, context.config.balance)
    arrays = [getattr(assigned, name) for name in ASSIGNMENT.names]
    paths = [context.path(STEP, f"{PLAN}/{unit.name}") for unit in context.units]
    for path, end, count in zip(paths, ends.tolist(), rows_of):
        rows = slice(end - count, end)
        with new_shard(path, ASSIGNMENT) as shard:
            shard.write(
                pa.RecordBatch.from_arrays([pa.array(array[rows]) for array in arrays], schema=ASSIGNMENT)
            )
    shards = _shards(context, assigned, sizes, ends)
    lost = np.add.reduceat(np.append(assigned.reason > 0, 0), np.append(0, ends[:-1])) if len(ends) else ends
    return Outcome(paths, {"shards": shards, "dropped": lost.tolist()})


def _all_columns(context: Context) -> tuple[list[int], list[np.ndarray]]:
    """Number of rows of each unit, and the columns of all units."""
    rows_of, parts = [], [[] for _ in COLUMNS]
    for unit in context.units:
        table = read_table(context.path(STEP, f"columns/{unit.name}"), COLUMNS.names)
        rows_of.append(table.num_rows)
        for part, column in zip(parts, table.columns):
            part.append(column.to_numpy())
    return rows_of, [np.concatenate(parts.pop(0)) for _ in COLUMNS]


def _shards(
    context: Context, assigned: Assignment, sizes: np.ndarray, ends: np.ndarray
) -> list[dict[str, Any]]:
    """The files of the corpus, sets in the order of their numbers."""
    files = []
    for number, (name, split) in enumerate(sets_of(context.config.domains)):
        rows = np.flatnonzero(assigned.set_number == number)
        shards = assigned.shard[rows]
        for shard in range(int(shards[-1]) + 1 if len(rows) else 0):
            mine = rows[np.searchsorted(shards, shard) : np.searchsorted(shards, shard, side="right")]
            repeats = assigned.repeats[mine]
            first, last = (int(np.searchsorted(ends, row, side="right")) for row in (mine[0], mine[-1]))
            begin = int(ends[first - 1]) if first else 0
            files.append(
                {
                    "name": name,
                    "split": split,
                    "file": f"{name}_{split}-{shard:05d}",
                    "units": [first, last + 1],
                    "rows": xxhash.xxh3_128_hexdigest((mine - begin).tobytes() + repeats.tobytes()),
                    "documents": int(repeats.sum()),
                    "bytes": int(np.multiply(sizes[mine], repeats, dtype=np.int64).sum()),
                }
            )
    return files
