"""Step ``measure``: computes the columns that rules and deduplication read.

Owns the columns of one batch and their files: ``UNIT.parquet`` (numbers for ``filter``) and
``UNIT.signatures.parquet`` (for ``deduplicate``), both in the order of the documents.
"""

from __future__ import annotations

import pyarrow as pa

from preprocessing.config.deduplication import DeduplicateConfig
from preprocessing.documents import INTERMEDIATE, new_shard, read_batches
from preprocessing.duplicates.signatures import sign, signature_schema
from preprocessing.judging import advertising, code_files, measures, prose
from preprocessing.running.context import Context, Outcome, Task
from preprocessing.text.by_language import by_language
from preprocessing.text.language import LANGUAGE_COLUMNS, detect

STEP = "measure"
VERSION = 18
"""Increase when this step writes other bytes for the same inputs and configuration, shared code included."""
_SCHEMA = pa.schema(
    [
        ("id", pa.string()), ("source", pa.string()), ("lang", pa.string()),
        *measures.SCHEMA, *LANGUAGE_COLUMNS, *advertising.COLUMNS, *prose.COLUMNS, *code_files.COLUMNS,
    ]
)  # fmt: skip


def measure_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """``id, source, lang`` and one column per measure; columns of code are null in prose and vice versa."""
    return by_language(batch, _measure_language)


def _measure_language(part: pa.RecordBatch, lang: str) -> pa.RecordBatch:
    text = part["text"]
    columns = {name: part[name] for name in ("id", "source", "lang")}
    if lang == "code":
        numbers = measures.measure(text, lang)
        columns.update(zip(numbers.schema.names, numbers.columns))
    else:
        columns.update(prose.measure(text, lang))
    columns.update(detect(text).columns())
    if lang == "code":
        columns.update(code_files.measure(text, part["meta"].to_pylist()))
    return _in_order(columns, part.num_rows)


def _in_order(columns: dict[str, pa.Array], rows: int) -> pa.RecordBatch:
    """The columns in the order of ``_SCHEMA``; those of another kind of document are null."""
    return pa.RecordBatch.from_arrays(
        [columns.get(field.name, pa.nulls(rows, field.type)) for field in _SCHEMA], schema=_SCHEMA
    )


# --- the step --------------------------------------------------------------------------------------------


def run(context: Context) -> Outcome:
    """Measures every unfinished unit."""
    depends = [context.config.deduplicate.of_signatures, context.config.seed]
    tasks = [
        Task(
            unit.name,
            measure_unit,
            (n,),
            [depends, context.watched_identity(unit), context.upstream(context.text_step, unit.name)],
            unit.size,
        )
        for n, unit in enumerate(context.units)
    ]
    summaries = context.finish(STEP, tasks, VERSION)
    return Outcome([], {"documents": sum(summary["documents_in"] for summary in summaries)})


def measure_unit(context: Context, number: int) -> Outcome:
    unit = context.units[number]
    config: DeduplicateConfig = context.config.deduplicate
    paths = [context.path(STEP, unit.name), context.path(STEP, unit.name, ".signatures.parquet")]
    documents = 0
    with (
        new_shard(paths[0], _SCHEMA, INTERMEDIATE) as columns,
        new_shard(paths[1], signature_schema(config), compression="none") as signatures,
    ):
        for batch in read_batches(context.documents_path(unit)):
            columns.write(measure_batch(batch))
            signatures.write(sign(batch["text"], config, context.config.seed))
            documents += batch.num_rows
    return Outcome(paths, {"documents_in": documents, "documents_out": documents})
