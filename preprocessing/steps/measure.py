"""Step ``measure``: everything about a document that a rule or the search for duplicates needs, as columns.

Owns the columns over one batch and their files: ``UNIT.parquet`` (numbers for ``filter``) and
``UNIT.signatures.parquet`` (for ``deduplicate``), both in the order of the documents.
"""

from __future__ import annotations

import pyarrow as pa

from preprocessing.config.deduplication import DeduplicateConfig
from preprocessing.documents import INTERMEDIATE, new_shard, read_batches
from preprocessing.duplicates.signatures import sign, signature_schema
from preprocessing.judging import advertising, code_files, measures
from preprocessing.running.context import Context, Outcome, Task
from preprocessing.text.by_language import by_language
from preprocessing.text.language import detect

STEP = "measure"
VERSION = 1
"""Raise when the bytes this step writes change for the same inputs and configuration, also by code it shares."""


def measure_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """``id, source, lang`` and one column per measure; columns of code are null in prose and the other way round."""
    return by_language(batch, _measure_language)


def columns_schema() -> pa.Schema:
    """Of the table of columns."""
    return measure_batch(_EMPTY).schema


_EMPTY = pa.RecordBatch.from_pydict(
    {"id": pa.array([""]), "text": pa.array([""], pa.large_string()), "source": pa.array([""]), "lang": pa.array(["ko"]), "meta": pa.array(["{}"])}
)  # fmt: skip


def _measure_language(part: pa.RecordBatch, lang: str) -> pa.RecordBatch:
    text = part["text"]
    found = {name: part[name] for name in ("id", "source", "lang")}
    numbers = measures.measure(text, lang)
    found.update(zip(numbers.schema.names, numbers.columns))
    found.update(detect(text).columns())
    found.update(_only(lang != "code", lambda: advertising.measure(text), advertising.COLUMNS, part.num_rows))
    found.update(
        _only(
            lang == "code",
            lambda: code_files.measure(text, part["meta"].to_pylist()),
            code_files.COLUMNS,
            part.num_rows,
        )
    )
    return pa.RecordBatch.from_pydict(found)


def _only(wanted: bool, measure, schema: pa.Schema, rows: int) -> dict[str, pa.Array]:
    return measure() if wanted else {field.name: pa.nulls(rows, field.type) for field in schema}


# --- the step --------------------------------------------------------------------------------------------


def run(context: Context) -> Outcome:
    """Measures every unit that is not finished."""
    depends = [context.config.deduplicate.of_signatures, context.config.seed]
    tasks = [
        Task(
            unit.name,
            measure_unit,
            (n,),
            [depends, context.watched(unit), context.upstream(context.text_step, unit.name)],
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
        new_shard(paths[0], columns_schema(), INTERMEDIATE) as columns,
        new_shard(paths[1], signature_schema(config), compression="none") as signatures,
    ):
        for batch in read_batches(context.documents(unit)):
            columns.write(measure_batch(batch))
            signatures.write(sign(batch["text"], config, context.config.seed))
            documents += batch.num_rows
    return Outcome(paths, {"documents_in": documents, "documents_out": documents})
