"""Step ``lines`` (optional): removes lines that occur in many documents, where they form boilerplate in prose.

Menus, notices and footers recur; so do headings, greetings and short answers inside prose, and removing every recurring
line hurts: in Korean web text most lines recur. The idea is pattern-aware line deduplication ("Beyond line-level
filtering"). A line is removed only if all of the following hold:

* Its pattern (digits alike, case and whitespace folded, see ``kernels.lines``) occurs in ``min_documents`` documents.
* It is in a run of ``min_run`` such lines, or of ``min_edge_run`` at the beginning or end of its document; consecutive
  lines of one pattern count once.
* It contains a letter and is not code: not fenced, not indented by four blanks, not in a document in language code.

Paragraphs are not counted separately: each line of a paragraph is at least as frequent as the paragraph. A pattern is
kept in the first document that contains it, in the order of the inputs. A document that becomes empty is kept, empty;
``filter`` drops it.

Memory of a worker: while counting, a batch and 40 bytes per distinct line and document, for up to RUN_LINES of them;
while merging, ``memory_mib``; while rewriting, 16 bytes per frequent pattern. Disk: 16 bytes per distinct line and unit.
"""

# pyarrow.compute creates its functions at import
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
    replace_rows,
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
"""Increase when this step writes other bytes for the same inputs and configuration, shared code included."""
CHANGE = "frequent_lines"
RUN_LINES = 1 << 23
MERGE_COST = 64  # bytes per line of a run while runs are merged


def run(context: Context) -> Outcome:
    """Runs the unfinished tasks: counting, merging, rewriting."""
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
        Task(unit.name, rewrite_unit, (n, parts), [frequent, n, *context.sections("lines"), context.upstream("clean", unit.name)], unit.size)
        for n, unit in enumerate(context.units)
    ]  # fmt: skip
    sources: dict[str, Counts] = {}
    removed = 0
    for summary in context.finish(STEP, rewriting, VERSION):
        removed += summary["lines_removed"]
        for name, counts in summary["sources"].items():
            sources.setdefault(name, Counts()).add(Counts.from_json(counts))
    return Outcome(
        [],
        {"sources": {name: counts.to_json() for name, counts in sources.items()}, "lines_removed": removed},
    )


# --- counting and merging ----------------------------------------------------------------------------------------------


def count_unit(context: Context, number: int) -> Outcome:
    """Writes the runs of a unit."""
    unit = context.units[number]
    outputs, lines = [], 0
    batches = read_batches(context.path("clean", unit.name), ["text", "source", "lang"])
    for n, run_of_lines in enumerate(runs_of(batches, context.config.lines.scope, RUN_LINES)):
        paths = _run_paths(context, unit.name, n)
        outputs += [save_array(paths[0], run_of_lines.patterns), save_array(paths[1], run_of_lines.documents)]
        lines += len(run_of_lines.patterns)
    return Outcome(outputs, {"runs": len(outputs) // 2, "lines": lines})


def _run_paths(context: Context, unit: str, number: int) -> tuple[Path, Path]:
    return (
        context.path(STEP, unit, f".patterns.{number:03d}.npy"),
        context.path(STEP, unit, f".documents.{number:03d}.npy"),
    )


def merge_part(context: Context, runs: Sequence[Sequence[int]], part: int, parts: int) -> Outcome:
    """Writes the frequent patterns of one range of hashes. ``runs``: unit and number of each run, in order."""
    loaded = []
    for unit, number in runs:
        patterns, documents = _run_paths(context, context.units[unit].name, number)
        loaded.append((unit, Run(load_array(patterns), load_array(documents))))
    frequent = frequent_of(loaded, part, parts, context.config.lines.min_documents)
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
            changed, lost = remove_boilerplate(batch, frequent, (number, row), config)
            out.write(changed)
            _count(counts, batch, changed, lost)
            row += batch.num_rows
            removed += int(sum(lost.values()))
    summary: dict[str, Any] = {"documents_in": row, "documents_out": row, "lines_removed": removed}
    return Outcome(
        [path], {**summary, "sources": {name: of_source.to_json() for name, of_source in counts.items()}}
    )


def remove_boilerplate(
    batch: pa.RecordBatch, frequent: Frequent, start: tuple[int, int], config: LinesConfig
) -> tuple[pa.RecordBatch, dict[int, int]]:
    """Returns the batch without boilerplate, and the number of lines removed from each changed row.

    ``start``: number of the unit, and number of the batch's first row in the unit.
    """
    from preprocessing.kernels.lines import WORDED, boilerplate, line_table, remove_lines

    data, offsets = utf8_buffer(batch["text"])
    first, ends, kinds, patterns = line_table(data, offsets)
    lines = np.diff(first)
    owner = np.repeat(np.arange(batch.num_rows), lines)
    patterns ^= salts_of(batch, config.scope)[owner]
    hit = (kinds == WORDED) & is_prose(batch)[owner]
    hit[hit] &= _is_frequent(patterns[hit], owner[hit], frequent, start)
    removed = boilerplate(first, kinds, patterns, hit, config.min_run, config.min_edge_run)
    lost = np.bincount(owner[removed], minlength=batch.num_rows)
    rows = np.flatnonzero(lost)
    if not len(rows):
        return batch, {}
    flat, starts = remove_lines(data, offsets, first, ends, kinds, removed, rows)
    texts = pa.LargeStringArray.from_buffers(len(rows), pa.py_buffer(starts), pa.py_buffer(flat))
    changed = with_column(batch, "text", replace_rows(batch["text"], rows, texts))
    return changed, dict(zip(rows.tolist(), lost[rows].tolist()))


def _is_frequent(
    patterns: np.ndarray, rows: np.ndarray, frequent: Frequent, start: tuple[int, int]
) -> np.ndarray:
    """``[lines] bool``: whether a line has a frequent pattern that another document keeps."""
    if not len(frequent.patterns):
        return np.zeros(len(patterns), bool)
    nearest = np.minimum(np.searchsorted(frequent.patterns, patterns), len(frequent.patterns) - 1)
    keeper = frequent.keepers[nearest]
    keeps = (keeper[:, 0] == start[0]) & (keeper[:, 1] == rows + start[1])
    return (frequent.patterns[nearest] == patterns) & ~keeps


def _count(
    counts: dict[str, Counts], before: pa.RecordBatch, after: pa.RecordBatch, lost: dict[int, int]
) -> None:
    for source in pc.unique(before["source"]).to_pylist():
        here = pc.equal(before["source"], source)
        size = pc.sum(pc.cast(here, pa.int64())).as_py()
        sizes = (text_bytes(before["text"].filter(here)), text_bytes(after["text"].filter(here)))
        of_batch = Counts(documents_in=size, bytes_in=sizes[0], documents_out=size, bytes_out=sizes[1])
        counts.setdefault(source, Counts()).add(of_batch)
    for row in lost:
        of_source = counts[before["source"][row].as_py()]
        of_source.changed[CHANGE] += 1
        if of_source.wants_example(CHANGE):
            texts = before["text"][row].as_py(), after["text"][row].as_py()
            of_source.add_example(CHANGE, before["id"][row].as_py(), *texts)
