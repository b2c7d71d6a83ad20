"""Step ``clean``: reads documents, detects their language, normalizes text, masks personal data.

Owns the work on one batch and the tasks: each unit of input becomes documents, columns (counts of masked personal data),
bad records, and a marker written last. Text is changed here; later steps judge it.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from megatron_ko.errors import DataError
from megatron_ko.files import atomic_file
from preprocessing.config.cleaning import CleanConfig
from preprocessing.config.languages import KINDS
from preprocessing.config.pipeline import source_of
from preprocessing.documents import (
    DOCUMENT,
    INTERMEDIATE,
    Counts,
    new_shard,
    replace_rows,
    text_bytes,
    with_column,
)
from preprocessing.markup.conversion import convert
from preprocessing.pii.masking import mask_column
from preprocessing.readers.input_units import Unit
from preprocessing.readers.meta_fields import find_missing, leave_out_found
from preprocessing.readers.reading import BadRecord, read_unit
from preprocessing.report.quarantine import describe_mistakes
from preprocessing.running.context import Context, Outcome, Task
from preprocessing.steps.text_operations import markup_of, normalize_column
from preprocessing.text.by_language import by_language
from preprocessing.text.language import detect

log = logging.getLogger(__name__)
STEP = "clean"
VERSION = 29
"""Increase when this step writes other bytes for the same inputs and configuration, shared code included."""
MARKUP_LANGUAGES = ("mediawiki", "namumark", "latex", "rst", "asciidoc", "notebook", "org", "po")
"""Formats whose marks look like code."""
COLUMNS = pa.schema([("id", pa.string()), *((f"masked_{kind}", pa.int32()) for kind in KINDS)])
_CLEANED = pa.schema([DOCUMENT.field("text"), *list(COLUMNS)[1:]])


def clean_batch(
    batch: pa.RecordBatch, config: CleanConfig, markup: str = "auto", counts: Counts | None = None
) -> tuple[pa.RecordBatch, pa.RecordBatch, Counts]:
    """Returns the cleaned documents, their columns (COLUMNS) and the counts, in the order of the rows.

    ``counts``: counts of earlier batches, to which this batch is added; they also limit the number of examples.
    """
    counts = Counts() if counts is None else counts
    counts.documents_in += batch.num_rows
    counts.bytes_in += text_bytes(batch["text"])
    batch = _with_language(batch, markup)

    def clean_part(part: pa.RecordBatch, lang: str) -> pa.RecordBatch:
        markup_format = markup_of(markup, part["source"][0].as_py())
        text = normalize_column(part["text"], part["id"], lang, markup_format, config, counts)
        text, masked_counts = mask_column(text, part["id"], list(config.mask), counts)
        masked = [pa.array(np.ascontiguousarray(masked_counts[:, i])) for i in range(len(KINDS))]
        return pa.RecordBatch.from_arrays([text, *masked], schema=_CLEANED)

    parts = by_language(batch, clean_part)
    cleaned = with_column(batch, "text", parts["text"])
    counts.documents_out += cleaned.num_rows
    counts.bytes_out += text_bytes(parts["text"])
    return cleaned, pa.RecordBatch.from_arrays([batch["id"], *parts.columns[1:]], schema=COLUMNS), counts


def _with_language(batch: pa.RecordBatch, markup: str) -> pa.RecordBatch:
    """Detects the language of rows whose column ``lang`` is empty, as inputs with ``lang: detect`` leave it.

    The texts of MARKUP_LANGUAGES are converted for that.
    """
    unknown = pc.equal(batch["lang"], pa.scalar("", pa.string()))
    if not pc.any(unknown).as_py():
        return batch
    text = batch["text"]
    formats = [markup_of(markup, source) for source in batch["source"].to_pylist()]
    rows = np.flatnonzero(unknown.to_numpy(zero_copy_only=False) & np.isin(formats, MARKUP_LANGUAGES))
    if len(rows):
        before = text.take(pa.array(rows)).to_pylist()
        text = replace_rows(text, rows, [convert(formats[row], old) for row, old in zip(rows, before)])
    detected = pa.array(detect(text).languages, pa.string())
    return with_column(batch, "lang", pc.if_else(unknown, detected, batch["lang"]))


# --- the step --------------------------------------------------------------------------------------------


def run(context: Context) -> Outcome:
    """Cleans every unfinished unit and writes ``quarantine.jsonl``."""
    tasks = [
        Task(
            unit.name,
            clean_unit,
            (number,),
            [
                context.sections("clean", "seed"),
                context.as_data(_item(context, unit)),
                context.identity(unit),
            ],
            unit.size,
        )
        for number, unit in enumerate(context.units)
    ]
    summaries = context.finish(STEP, tasks, VERSION)
    keys = [context.upstream(STEP, unit.name) for unit in context.units]
    context.finish(STEP, [Task("all/quarantine", gather_quarantine, (), keys)], VERSION)
    sources: dict[str, dict[str, Any]] = {}
    for unit, summary in zip(context.units, summaries):
        _add(sources, source_of(unit.input_name, _item(context, unit)), summary)
    total = sum(entry["counts"].documents_out for entry in sources.values())
    bad = sum(entry["counts"].bad_records for entry in sources.values())
    quarantine = context.folder / "quarantine.jsonl"
    if not total:
        raise DataError(_why_nothing_was_read(quarantine, bad), rule="no-documents")
    if bad:
        log.warning("%s", describe_mistakes(quarantine, bad))
    _warn_of_missing_fields(context, summaries)
    counted = {name: {**entry, "counts": entry["counts"].to_json()} for name, entry in sources.items()}
    return Outcome([quarantine], {"sources": counted})


def _why_nothing_was_read(quarantine: Path, bad: int) -> str:
    """The message of inputs without any document, with the bad records if there are any."""
    if not bad:
        return (
            "no document could be read: the inputs are empty, or contain only what is left out on purpose (see "
            f"{quarantine}); check inputs"
        )
    return f"no document could be read: {describe_mistakes(quarantine, bad)}"


def _warn_of_missing_fields(context: Context, summaries: list[dict[str, Any]]) -> None:
    missing: dict[str, list[list[str]]] = {}
    for unit, summary in zip(context.units, summaries):
        if summary["documents_in"]:
            missing.setdefault(unit.input_name, []).append(summary["missing_meta_fields"])
    for name, fields in find_missing(missing).items():
        log.warning("inputs.%s.meta_fields: no record has %s; check the spelling", name, " or ".join(fields))


def _item(context: Context, unit: Unit) -> Any:
    return context.config.inputs[unit.input_name]


def _add(sources: dict[str, dict[str, Any]], source: str, summary: dict[str, Any]) -> None:
    entry = sources.setdefault(source, {"langs": [], "counts": Counts()})
    entry["counts"].add(Counts.from_json(summary["counts"]))
    entry["langs"] = sorted({*entry["langs"], *summary["langs"]})


def clean_unit(context: Context, number: int) -> Outcome:
    """Writes documents, columns and bad records of a unit."""
    unit = context.units[number]
    item = _item(context, unit)
    paths = [
        context.path(STEP, unit.name, suffix)
        for suffix in (".parquet", ".columns.parquet", ".quarantine.jsonl")
    ]
    counts = Counts()
    langs: set[str] = set()
    missing_fields = getattr(item, "meta_fields", [])
    with (
        new_shard(paths[0], DOCUMENT, INTERMEDIATE) as documents,
        new_shard(paths[1], COLUMNS, INTERMEDIATE) as columns,
        atomic_file(paths[2], "w") as quarantine,
    ):

        def set_aside(bad: BadRecord) -> None:
            counts.bad_records += bad.is_mistake
            quarantine.write(bad.to_line())

        for batch in read_unit(unit, item, set_aside, context.config.seed):
            markup = getattr(item, "markup", "none")
            cleaned, masked, _ = clean_batch(batch, context.config.clean, markup, counts)
            missing_fields = leave_out_found(missing_fields, batch["meta"])
            documents.write(cleaned)
            columns.write(masked)
            langs.update(pc.unique(cleaned["lang"]).to_pylist())
    facts = {"documents_in": counts.documents_in, "documents_out": counts.documents_out}
    found = {"langs": sorted(langs), "missing_meta_fields": missing_fields}
    return Outcome(paths, {**facts, **found, "counts": counts.to_json()})


def gather_quarantine(context: Context) -> Outcome:
    """Writes the bad records of all units, in their order."""
    path = context.folder / "quarantine.jsonl"
    with atomic_file(path) as out:
        for unit in context.units:
            _append(context.path(STEP, unit.name, ".quarantine.jsonl"), out)
    return Outcome([path], {})


def _append(path: Path, out: Any) -> None:
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            out.write(block)
