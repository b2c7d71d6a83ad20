"""Step ``filter``: decides from columns alone which documents are dropped.

Owns one table of reasons per unit (``id, source, lang, reason``) and the dropped documents. Only the text of dropped
documents is read, so another threshold on a finished corpus costs seconds.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from megatron_ko.errors import DataError
from megatron_ko.wording import format_count
from preprocessing.config.pipeline import Config, source_of
from preprocessing.documents import DROPPED, INTERMEDIATE, Counts, new_shard, read_group
from preprocessing.judging import rules
from preprocessing.judging.presets.values import resolve_thresholds
from preprocessing.readers.input_units import Unit
from preprocessing.report.quarantine import describe_mistakes
from preprocessing.running.context import Context, Outcome, Task
from preprocessing.running.markers import Marker

STEP = "filter"
VERSION = 16
"""Increase when this step writes other bytes for the same inputs and configuration, shared code included."""
REASONS = pa.schema(
    [("id", pa.string()), ("source", pa.string()), ("lang", pa.string()), ("reason", pa.string())]
)


def column_steps(config: Config) -> list[str]:
    """Steps whose columns the rules read."""
    steps = ["measure"]
    if config.score.enabled:
        steps.append("score")
    if config.decontaminate.enabled:
        steps.append("decontaminate")
    return steps


def columns_of(context: Context, unit: Unit) -> Iterator[pa.RecordBatch]:
    """Yields all columns of a unit, a batch per row group of the documents; ``secrets`` counts masked secrets."""
    files = [pq.ParquetFile(context.path(step, unit.name)) for step in column_steps(context.config)]
    masked = pq.ParquetFile(context.path("clean", unit.name, ".columns.parquet"))
    for group in range(files[0].num_row_groups):
        tables = [file.read_row_group(group, use_threads=False) for file in files]
        merged = {name: tables[0][name] for name in tables[0].schema.names}
        masks = masked.read_row_group(group, columns=["masked_secret"], use_threads=False)
        merged["secrets"] = masks["masked_secret"]
        for table in tables[1:]:
            if not table["id"].equals(merged["id"]):
                raise DataError(
                    f"{context.folder}: the columns of {unit.name} belong to different documents; "
                    "remove steps/score and steps/decontaminate and run again",
                    rule="documents-differ",
                )
            merged.update({name: table[name] for name in table.schema.names if name != "id"})
        yield from pa.table(merged).combine_chunks().to_batches()


def reasons_for(columns: pa.RecordBatch, config: Config, thresholds: dict[str, Any]) -> np.ndarray:
    """``[rows] object``: the first rule that each document fails, None if it passes all."""
    reasons = rules.find_reasons(columns, config.filter)
    if len(column_steps(config)) > 1:
        from preprocessing.steps.score import scoring_verdicts

        for reason, failed in scoring_verdicts(columns, config, thresholds):
            reasons[failed & (reasons == None)] = reason  # noqa: E711
    return reasons


# --- the step --------------------------------------------------------------------------------------------


def run(context: Context) -> Outcome:
    """Judges every unfinished unit."""
    thresholds = thresholds_of(context)
    depends = [
        resolve_thresholds(context.config.filter),
        *context.sections("score", "decontaminate"),
        thresholds,
    ]
    tasks = [
        Task(unit.name, filter_unit, (n, thresholds), [depends, *_read_keys(context, unit)])
        for n, unit in enumerate(context.units)
    ]
    counts: dict[str, Counts] = {}
    for unit, summary in zip(context.units, context.finish(STEP, tasks, VERSION)):
        source = source_of(unit.input_name, context.config.inputs[unit.input_name])
        counts.setdefault(source, Counts()).add(Counts.from_json(summary["counts"]))
    if not any(of_source.documents_out for of_source in counts.values()):
        documents = sum(of_source.documents_in for of_source in counts.values())
        raise DataError(_why_nothing_is_left(context, documents), rule="no-documents")
    sources = {name: of_source.to_json() for name, of_source in counts.items()}
    return Outcome([], {"sources": sources, "thresholds": thresholds})


def _why_nothing_is_left(context: Context, documents: int) -> str:
    """Names the bad records first where they are more than the documents."""
    remedy = f"{context.folder / 'dropped'} has the reasons; relax the rules in section 'filter'"
    cleaned = Marker(context.folder, "clean").read() or {"sources": {}}
    bad = sum(source["counts"]["bad_records"] for source in cleaned["sources"].values())
    if bad <= documents:
        return f"the rules drop all of {format_count(documents, 'document')}; {remedy}"
    mistakes = describe_mistakes(context.folder / "quarantine.jsonl", bad)
    return f"{mistakes}\n  the rules drop the other {format_count(documents, 'document')}; {remedy}"


def _read_keys(context: Context, unit: Unit) -> list[str]:
    steps = ("clean", context.text_step, *column_steps(context.config))
    return [context.upstream(step, unit.name) for step in steps]


def thresholds_of(context: Context) -> dict[str, Any]:
    """Values of thresholds that are configured as quantiles of the whole corpus."""
    if not context.config.score.enabled:
        return {}
    from preprocessing.steps.score import quantiles_of

    return quantiles_of([context.path("score", unit.name) for unit in context.units], context.config)


def filter_unit(context: Context, number: int, thresholds: dict[str, Any]) -> Outcome:
    unit = context.units[number]
    paths = [context.path(STEP, unit.name), context.dropped_path(STEP, unit.name)]
    documents = pq.ParquetFile(context.documents_path(unit))
    counts = Counts()
    group = 0
    with new_shard(paths[0], REASONS, INTERMEDIATE) as table, new_shard(paths[1], DROPPED) as dropped:
        for columns in columns_of(context, unit):
            reasons = pa.array(reasons_for(columns, context.config, thresholds), pa.string())
            table.write(
                pa.RecordBatch.from_arrays(
                    [*(columns[name] for name in REASONS.names[:3]), reasons], schema=REASONS
                )
            )
            batch = _dropped(documents, group, reasons)
            dropped.write(batch)
            _count(counts, columns, reasons, batch)
            group += 1
    facts = {"documents_in": counts.documents_in, "documents_out": counts.documents_out}
    return Outcome(paths, {**facts, "counts": counts.to_json()})


def _dropped(documents: pq.ParquetFile, group: int, reasons: pa.Array) -> pa.RecordBatch:
    """Dropped documents of a row group with their reasons; reads text only if there are any."""
    mask = pc.is_valid(reasons)
    if not pc.any(mask).as_py():
        return pa.RecordBatch.from_pylist([], schema=DROPPED)
    batch = read_group(documents, group)[0].filter(mask)
    step = pa.array([STEP] * batch.num_rows, pa.string())
    detail = pa.nulls(batch.num_rows, pa.string())
    return pa.RecordBatch.from_arrays([*batch.columns, reasons.drop_null(), step, detail], schema=DROPPED)


def _count(counts: Counts, columns: pa.RecordBatch, reasons: pa.Array, dropped: pa.RecordBatch) -> None:
    sizes = columns["bytes"]
    kept = pc.is_null(reasons)
    counts.documents_in += columns.num_rows
    counts.bytes_in += int(pc.sum(sizes).as_py() or 0)
    counts.documents_out += columns.num_rows - dropped.num_rows
    counts.bytes_out += int(pc.sum(sizes.filter(kept)).as_py() or 0)
    for entry in pc.value_counts(reasons.drop_null()).to_pylist():
        counts.dropped[entry["values"]] += entry["counts"]
    for row, reason in enumerate(dropped["reason"].to_pylist()):
        counts.add_dropped_example(dropped, row, reason)
