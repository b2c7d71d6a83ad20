"""Step ``clean``: read, normalise, mask, judge.

Owns the step over one batch, and its units: one file of records (or all plain files of an input) is finished as a
whole, with its shard of kept documents, of dropped documents, its bad records, and a marker written last.
"""

# pyarrow.compute makes its functions at import
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
from megatron_ko.progress import progress
from preprocessing.context import Context, Outcome, shard_paths
from preprocessing.documents import (
    DOCUMENT,
    DROPPED,
    Counts,
    StepResult,
    dropped_rows,
    kept_rows,
    new_shard,
    reasons_column,
    text_bytes,
    with_column,
)
from preprocessing.files_found import Unit
from preprocessing.markers import Marker, key_of
from preprocessing.operations import apply_operations, markup_of, mask_column, operations_for
from preprocessing.quality import code_reasons, prose_reasons
from preprocessing.records import BadRecord, read_unit
from preprocessing.schema import CleanConfig, source_of

log = logging.getLogger(__name__)
STEP = "clean"


def clean_batch(batch: pa.RecordBatch, config: CleanConfig, markup: str = "auto") -> StepResult:
    """Every row of ``batch`` with its text cleaned, and the reason where it is dropped. Row order is kept."""
    counts = Counts(documents_in=batch.num_rows, bytes_in=text_bytes(batch["text"]))
    texts, reasons, order = [], [], []
    for lang in pc.unique(batch["lang"]).to_pylist():
        rows = np.flatnonzero(pc.equal(batch["lang"], lang).to_numpy(zero_copy_only=False))
        part = batch.take(pa.array(rows))
        text, reason = _clean_language(
            part, lang, config, markup_of(markup, part["source"][0].as_py()), counts
        )
        texts.append(text)
        reasons += reason
        order.append(rows)
    back = np.argsort(np.concatenate(order), kind="stable")
    column = pa.concat_arrays([pa.array(t, pa.large_string()) for t in texts]).take(pa.array(back))
    reason_column = reasons_column(reasons).take(pa.array(back))
    result = StepResult(with_column(batch, "text", column), reason_column, counts)
    _count(result)
    return result


def _clean_language(
    part: pa.RecordBatch, lang: str, config: CleanConfig, markup: str, counts: Counts
) -> tuple[pa.Array, list[str | None]]:
    column = apply_operations(part["text"], part["id"], operations_for(lang, markup, config), counts)
    column = mask_column(column, part["id"], list(config.mask), counts)
    rules = getattr(config, lang)
    return column, code_reasons(column, rules) if lang == "code" else prose_reasons(column, rules)


def _count(result: StepResult) -> None:
    counts = result.counts
    for row, reason in enumerate(result.reasons.to_pylist()):
        if reason is not None:
            counts.dropped[reason] += 1
            if counts.wants_example(reason):
                counts.add_example(
                    reason, result.batch["id"][row].as_py(), result.batch["text"][row].as_py(), None
                )
    kept = pc.is_null(result.reasons)
    counts.documents_out = int(pc.sum(kept).as_py() or 0)
    counts.bytes_out = text_bytes(result.batch["text"].filter(kept))


# --- units -----------------------------------------------------------------------------------------------


def run(context: Context) -> Outcome:
    """Cleans every unit that is not finished and gathers ``quarantine.jsonl``."""
    sources: dict[str, dict[str, Any]] = {}
    outputs: list[Path] = []
    for unit in progress(context.units, "clean", unit="files"):
        item = context.config.inputs[unit.input_name]
        marker = Marker(context.folder, f"clean/{unit.name}")
        key = key_of(
            context.code(__name__),
            context.part("clean", "seed"),
            context.as_data(item),
            context.identity(unit),
        )
        done = marker.read(key)
        if done is None:
            marker.remove()
            done = _clean_unit(context, unit, item)
            marker.write(key, _unit_paths(context, unit), done)
        outputs += _unit_paths(context, unit)
        _add(sources, source_of(unit.input_name, item), done)
    _remove_others(context, outputs)
    quarantine = _gather_quarantine(context)
    total = sum(entry["counts"].documents_out for entry in sources.values())
    if not total:
        raise DataError(
            f"no document is left after cleaning {sum(e['counts'].documents_in for e in sources.values()):,}; "
            f"see {context.folder / 'dropped'} and {quarantine} for the reasons, and relax the rules under 'clean'"
        )
    bad = sum(entry["counts"].bad_records for entry in sources.values())
    if bad:
        log.warning("%s bad records were set aside, see %s", f"{bad:,}", quarantine)
    summary = {name: {**entry, "counts": entry["counts"].to_json()} for name, entry in sources.items()}
    return Outcome([*outputs, quarantine], {"sources": summary})


def _add(sources: dict[str, dict[str, Any]], source: str, done: dict[str, Any]) -> None:
    entry = sources.setdefault(source, {"langs": [], "counts": Counts()})
    entry["counts"].add(Counts.from_json(done["counts"]))
    entry["langs"] = sorted({*entry["langs"], *done["langs"]})


def _unit_paths(context: Context, unit: Unit) -> list[Path]:
    kept, dropped = shard_paths(context.folder, STEP, unit.name)
    return [kept, dropped, kept.with_suffix(".quarantine.jsonl")]


def _clean_unit(context: Context, unit: Unit, item: Any) -> dict[str, Any]:
    kept_path, dropped_path, quarantine_path = _unit_paths(context, unit)
    counts = Counts()
    langs: set[str] = set()
    with (
        new_shard(kept_path, DOCUMENT) as kept,
        new_shard(dropped_path, DROPPED) as dropped,
        atomic_file(quarantine_path, "w") as quarantine,
    ):

        def set_aside(bad: BadRecord) -> None:
            counts.bad_records += 1
            quarantine.write(bad.to_line())

        for batch in read_unit(unit, item, set_aside, context.config.seed):
            result = clean_batch(batch, context.config.clean, getattr(item, "markup", "none"))
            kept.write(kept_rows(result))
            dropped.write(dropped_rows(result, STEP))
            counts.add(result.counts)
            langs.update(pc.unique(batch["lang"]).to_pylist())
    if not counts.documents_out:
        log.warning("%s: no document is left of %s", ", ".join(unit.labels[:3]), f"{counts.documents_in:,}")
    return {"counts": counts.to_json(), "langs": sorted(langs)}


def _remove_others(context: Context, outputs: list[Path]) -> None:
    """Shards of inputs that the configuration no longer names."""
    keep = set(outputs)
    names = {unit.name for unit in context.units}
    for path in (context.folder / "steps" / STEP).iterdir():
        if path not in keep and not (path.suffix == ".json" and path.stem in names):
            path.unlink()
    for path in (context.folder / "dropped").glob(f"{STEP}-*.parquet"):
        if path not in keep:
            path.unlink()


def _gather_quarantine(context: Context) -> Path:
    path = context.folder / "quarantine.jsonl"
    with atomic_file(path) as out:
        for unit in context.units:
            out.write(_unit_paths(context, unit)[2].read_bytes())
    return path
