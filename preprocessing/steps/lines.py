"""Step ``lines`` (optional): prose without lines that stand in many documents, where they stand as boilerplate.

Menus, notices and footers recur; so do headings, greetings and short answers inside prose, and removing every recurring
line hurts (pattern-aware line deduplication, "Beyond line-level filtering", is the idea; in Korean web text most lines
recur). Therefore a line goes only when

* its pattern (digits alike, case and whitespace folded, see ``kernels.lines``) stands in ``min_documents`` documents,
* it is in a run of ``min_run`` such lines, or of ``min_edge_run`` with which its document begins or ends
  (lines of one pattern in a row count once), and
* it holds a letter, and is no code: not fenced, not indented by four blanks, not in a document in language code.

Paragraphs need no count of their own: each line of a paragraph is at least as frequent as the paragraph. A pattern
stays in the first document that holds it, in the order of the inputs. A document that becomes empty stays, empty;
``filter`` drops it.

Memory of a worker: a batch, 40 bytes per distinct line and document up to RUN_LINES of them while counting;
``memory_mib`` while merging; 16 bytes per frequent pattern while rewriting. Disk: 16 bytes per distinct line and unit.
"""

# pyarrow.compute makes its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preprocessing.config.deduplication import LinesConfig
from preprocessing.documents import (
    DOCUMENT,
    Counts,
    new_shard,
    read_batches,
    text_bytes,
    utf8_buffer,
    with_column,
)
from preprocessing.duplicates.frequent_lines import Frequent, Run, frequent_of, is_prose, runs_of, salts_of
from preprocessing.duplicates.numbering import MIB, load_array, save_array
from preprocessing.running.tasks import Outcome, Task

if TYPE_CHECKING:
    from preprocessing.running.context import Context

STEP = "lines"
VERSION = 1
"""Raise when the bytes this step writes change for the same inputs and configuration, also by code it shares."""
CHANGE = "frequent_lines"
RUN_LINES = 1 << 23
MERGE_COST = 64  # bytes per line of a run while runs are merged


def run(context: Context) -> Outcome:
    """Counts, merges and rewrites what is not finished."""
    config: LinesConfig = context.config.lines
    counting = [
        Task(
            f"{unit.name}.counts",
            count_unit,
            (n,),
            [config.scope, context.upstream("clean", unit.name)],
            unit.size,
        )
        for n, unit in enumerate(context.units)
    ]
    counted = context.finish(STEP, counting, VERSION)
    runs = [(n, number) for n, summary in enumerate(counted) for number in range(summary["runs"])]
    parts = 1 + MERGE_COST * sum(summary["lines"] for summary in counted) // (config.memory_mib * MIB)
    keys = [context.upstream(STEP, task.name) for task in counting]
    merging = [
        Task(
            f"all.frequent.{part:04d}",
            merge_part,
            (runs, part, parts),
            [keys, part, parts, config.min_documents],
        )
        for part in range(parts)
    ]
    context.finish(STEP, merging, VERSION)
    frequent = [context.upstream(STEP, task.name) for task in merging]
    rewriting = [
        Task(unit.name, rewrite_unit, (n, parts), [frequent, n, *context.part("lines"), context.upstream("clean", unit.name)], unit.size)
        for n, unit in enumerate(context.units)
    ]  # fmt: skip
    sources: dict[str, Counts] = {}
    removed = 0
    for summary in context.finish(STEP, rewriting, VERSION):
        removed += summary["lines_removed"]
        for name, counts in summary["sources"].items():
            sources.setdefault(name, Counts()).add(Counts.from_json(counts))
    return Outcome(
        [], {"sources": {name: found.to_json() for name, found in sources.items()}, "lines_removed": removed}
    )


# --- counting and merging ----------------------------------------------------------------------------------------------


def count_unit(context: Context, number: int) -> Outcome:
    """Writes the runs of a unit."""
    unit = context.units[number]
    outputs, lines = [], 0
    batches = read_batches(context.path("clean", unit.name), ["text", "source", "lang"])
    for n, found in enumerate(runs_of(batches, context.config.lines.scope, RUN_LINES)):
        paths = _run_paths(context, unit.name, n)
        outputs += [save_array(paths[0], found.patterns), save_array(paths[1], found.documents)]
        lines += len(found.patterns)
    return Outcome(outputs, {"runs": len(outputs) // 2, "lines": lines})


def _run_paths(context: Context, unit: str, number: int) -> tuple[Path, Path]:
    return (
        context.path(STEP, unit, f".patterns.{number:03d}.npy"),
        context.path(STEP, unit, f".documents.{number:03d}.npy"),
    )


def merge_part(context: Context, runs: Sequence[Sequence[int]], part: int, parts: int) -> Outcome:
    """Writes the frequent patterns of one range of hashes. ``runs``: unit and number of each run, in order."""
    found = []
    for unit, number in runs:
        patterns, documents = _run_paths(context, context.units[unit].name, number)
        found.append((unit, Run(load_array(patterns), load_array(documents))))
    frequent = frequent_of(found, part, parts, context.config.lines.min_documents)
    paths = _frequent_paths(context, part)
    outputs = [save_array(paths[0], frequent.patterns), save_array(paths[1], frequent.keepers)]
    return Outcome(outputs, {"frequent": len(frequent.patterns)})


def _frequent_paths(context: Context, part: int) -> tuple[Path, Path]:
    name = f"all.frequent.{part:04d}"
    return context.path(STEP, name, ".patterns.npy"), context.path(STEP, name, ".keepers.npy")


# --- rewriting ---------------------------------------------------------------------------------------------


def rewrite_unit(context: Context, number: int, parts: int) -> Outcome:
    """Writes the documents of a unit without their boilerplate."""
    unit, config = context.units[number], context.config.lines
    arrays = [[load_array(path) for path in _frequent_paths(context, part)] for part in range(parts)]
    frequent = Frequent(*(np.concatenate(column) for column in zip(*arrays)))
    counts: dict[str, Counts] = {}
    row = removed = 0
    path = context.path(STEP, unit.name)
    with new_shard(path, DOCUMENT) as out:
        for batch in read_batches(context.path("clean", unit.name)):
            changed, lost = without_boilerplate(batch, frequent, (number, row), config)
            out.write(changed)
            _count(counts, batch, changed, lost)
            row += batch.num_rows
            removed += int(sum(lost.values()))
    summary: dict[str, Any] = {"documents_in": row, "documents_out": row, "lines_removed": removed}
    return Outcome([path], {**summary, "sources": {name: found.to_json() for name, found in counts.items()}})


def without_boilerplate(
    batch: pa.RecordBatch, frequent: Frequent, place: tuple[int, int], config: LinesConfig
) -> tuple[pa.RecordBatch, dict[int, int]]:
    """The batch without boilerplate, and the lines removed of each row that changed.

    ``place``: number of the unit, and of the first row of the batch in it.
    """
    from preprocessing.kernels.lines import WORDED, boilerplate, line_table, remove_lines

    data, offsets = utf8_buffer(batch["text"])
    first, ends, kinds, patterns = line_table(data, offsets)
    lines = np.diff(first)
    owner = np.repeat(np.arange(batch.num_rows), lines)
    patterns ^= salts_of(batch, config.scope)[owner]
    hit = (kinds == WORDED) & is_prose(batch)[owner]
    hit[hit] &= _is_frequent(patterns[hit], owner[hit], frequent, place)
    gone = boilerplate(first, kinds, patterns, hit, config.min_run, config.min_edge_run)
    lost = np.bincount(owner[gone], minlength=batch.num_rows)
    rows = np.flatnonzero(lost)
    if not len(rows):
        return batch, {}
    flat, starts = remove_lines(data, offsets, first, ends, kinds, gone, rows)
    texts = pa.LargeStringArray.from_buffers(len(rows), pa.py_buffer(starts), pa.py_buffer(flat))
    mask = pa.array(lost > 0)
    changed = with_column(batch, "text", pc.replace_with_mask(batch["text"], mask, texts))
    return changed, dict(zip(rows.tolist(), lost[rows].tolist()))


def _is_frequent(
    patterns: np.ndarray, rows: np.ndarray, frequent: Frequent, place: tuple[int, int]
) -> np.ndarray:
    """Which lines have a frequent pattern that another document keeps."""
    if not len(frequent.patterns):
        return np.zeros(len(patterns), bool)
    found = np.minimum(np.searchsorted(frequent.patterns, patterns), len(frequent.patterns) - 1)
    keeper = frequent.keepers[found]
    keeps = (keeper[:, 0] == place[0]) & (keeper[:, 1] == rows + place[1])
    return (frequent.patterns[found] == patterns) & ~keeps


def _count(
    counts: dict[str, Counts], before: pa.RecordBatch, after: pa.RecordBatch, lost: dict[int, int]
) -> None:
    for source in pc.unique(before["source"]).to_pylist():
        here = pc.equal(before["source"], source)
        size = pc.sum(pc.cast(here, pa.int64())).as_py()
        sizes = (text_bytes(before["text"].filter(here)), text_bytes(after["text"].filter(here)))
        found = Counts(documents_in=size, bytes_in=sizes[0], documents_out=size, bytes_out=sizes[1])
        counts.setdefault(source, Counts()).add(found)
    for row in lost:
        found = counts[before["source"][row].as_py()]
        found.changed[CHANGE] += 1
        if found.wants_example(CHANGE):
            texts = before["text"][row].as_py(), after["text"][row].as_py()
            found.add_example(CHANGE, before["id"][row].as_py(), *texts)
