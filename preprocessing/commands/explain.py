"""Explains why documents were kept or dropped, and what other thresholds would change.

Owns the queries on a finished corpus: a reason (``--reason``), and other thresholds (``--what-if``), which reads only columns
and writes nothing. ``explained_document`` shows one document (``--id``).
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from megatron_ko.config.cli import split
from megatron_ko.config.loading import Loaded, load
from megatron_ko.errors import ConfigError, DataError
from megatron_ko.tables import format_table, wrap
from preprocessing.commands import explained_document
from preprocessing.config.pipeline import RULES, Config, source_of
from preprocessing.documents import read_batches
from preprocessing.judging import rule_table
from preprocessing.readers.input_units import Unit
from preprocessing.running.context import Context
from preprocessing.steps.filter import columns_of, reasons_for, thresholds_of
from preprocessing.steps.order import StepKeys

log = logging.getLogger(__name__)
JUDGED = ("filter", "score", "decontaminate")
# settings that step filter compares with the columns of score and decontaminate; other settings change the columns
THRESHOLDS = {
    "min_score", "keep_quantile", "max_perplexity", "min_perplexity", "keep_quantiles", "min_ngrams", "min_share",
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    query = parser.add_mutually_exclusive_group(required=True)
    query.add_argument("--id", metavar="ID", help="show one document: its text, values, thresholds and fate")
    query.add_argument(
        "--reason", metavar="REASON", help="show documents dropped for this reason; 'list' lists the reasons"
    )
    query.add_argument(
        "--what-if", action="append", metavar="filter.LANG.RULE=VALUE",
        help="show what another threshold would keep and drop; may be repeated; changes nothing",
    )  # fmt: skip
    parser.add_argument("--source", metavar="NAME", help="only documents of this source")
    parser.add_argument(
        "--limit", type=int, default=5, metavar="N", help="maximum number of documents to show (default: 5)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print dropped documents as JSON lines with their full text"
    )


def run(loaded: Loaded[Config], arguments: argparse.Namespace) -> int:
    context = Context(loaded)
    _check(context, arguments.source)
    if arguments.id is not None:
        print("\n".join(explained_document.describe(context, arguments.id)))
    elif arguments.reason is not None:
        for line in _reason(context, arguments):
            print(line)
    else:
        print("\n".join(what_if(context, _load_changed(arguments), arguments.limit, arguments.source)))
    return 0


def _check(context: Context, source: str | None) -> None:
    """Refuses an unknown source, and warns when the corpus belongs to another configuration."""
    known = sorted({_source(context, task) for task in context.units})
    if source is not None and source not in known:
        raise DataError(
            f"--source {source}: no such source; known sources: {', '.join(known)}", rule="unknown-source"
        )
    if StepKeys(context).summary("filter") is None:
        log.warning(
            "%s: step 'filter' is not finished for this configuration, version and inputs; the answers describe the existing "
            "files; run 'mko data run ...' to update them", context.folder,
        )  # fmt: skip


def _source(context: Context, task: Unit) -> str:
    return source_of(task.input_name, context.config.inputs[task.input_name])


def _load_changed(arguments: argparse.Namespace) -> Loaded[Config]:
    files, overrides = split(arguments.config)
    return load(Config, files, [*overrides, *arguments.what_if], RULES)


# --- a reason --------------------------------------------------------------------------------------------


def _reason(context: Context, arguments: argparse.Namespace) -> Iterator[str]:
    counts: Counter[tuple[str, str]] = Counter()
    shown = 0
    for path in sorted((context.folder / "dropped").glob("*.parquet")):
        for batch in read_batches(path):
            if arguments.source:
                batch = batch.filter(pc.equal(batch["source"], arguments.source))
            counts.update(zip(batch["step"].to_pylist(), batch["reason"].to_pylist()))
            for row in batch.filter(pc.equal(batch["reason"], arguments.reason)).to_pylist():
                if shown == arguments.limit:
                    return
                shown += 1
                yield json.dumps(row, ensure_ascii=False) if arguments.json else _format_document(row)
    if arguments.reason == "list" and not counts:
        yield "no document was dropped"
    elif arguments.reason == "list":
        rows = [
            (step, reason, f"{n:,}", _fields_of(context, step, reason))
            for (step, reason), n in sorted(counts.items())
        ]
        yield from format_table(
            [("step", "reason", "documents", "field that decides"), *rows], 2, sentences=True
        )
    elif not shown:
        known = ", ".join(sorted({reason for _, reason in counts})) or "none"
        raise DataError(
            f"no document was dropped for {arguments.reason!r}; reasons in this corpus: {known}",
            rule="unknown-reason",
        )


def _fields_of(context: Context, step: str, reason: str) -> str:
    """The fields of the configuration that decide on a reason; empty where none does."""
    from preprocessing.steps.score import fields_of

    if step == "deduplicate":
        return "deduplicate.threshold" if reason == "near_duplicate" else ""
    if reason == "contaminated":
        return "decontaminate.min_ngrams"
    models = fields_of(context.config.score)
    if reason in models:
        return models[reason]
    return " ".join(f"filter.LANG.{field}" for field in rule_table.fields_of(reason))


def _format_document(row: dict[str, Any]) -> str:
    detail = f" {row['detail']}" if row["detail"] else ""
    head = f"--- {row['id']} ({row['source']}, {row['lang']}){detail}"
    return "\n".join(
        [*wrap(head), *wrap(explained_document.shorten(row["text"], explained_document.SHOWN_CHARACTERS)), ""]
    )


# --- what if ---------------------------------------------------------------------------------------------


def what_if(context: Context, changed: Loaded[Config], limit: int, source: str | None = None) -> list[str]:
    """The effect of the thresholds of ``changed`` instead of those of ``context``, from columns only."""
    _check_only_thresholds(context.config, changed.config)
    other = Context(changed)
    now, then = thresholds_of(context), thresholds_of(other)
    kept: Counter[tuple[str, str]] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    moved: dict[str, list[str]] = {"newly dropped": [], "newly kept": []}
    for task in context.units:
        if source not in (None, _source(context, task)):
            continue
        for columns in columns_of(context, task):
            before = reasons_for(columns, context.config, now)
            after = reasons_for(columns, changed.config, then)
            _tally(columns, before, after, kept, reasons)
            _collect_moved(columns, before, after, moved, limit)
    return [*_source_table(kept), "", *_reason_table(reasons), *_moved_lines(moved)]


def _check_only_thresholds(now: Config, then: Config) -> None:
    for field in dataclasses.fields(now):  # type: ignore[arg-type]
        before, after = (Context.as_data(getattr(config, field.name)) for config in (now, then))
        if field.name in JUDGED:
            before, after = _without_thresholds(before), _without_thresholds(after)
        if field.name != "filter" and before != after:
            raise ConfigError(
                f"--what-if {field.name}...: would change documents, columns or later steps; only thresholds of "
                f"{', '.join(JUDGED)} can be evaluated from the columns; change the configuration and run it",
                rule="not-a-threshold",
            )


def _without_thresholds(settings: Any) -> Any:
    if isinstance(settings, dict):
        return {
            name: _without_thresholds(value) for name, value in settings.items() if name not in THRESHOLDS
        }
    return settings


def _tally(columns: pa.RecordBatch, before: Any, after: Any, kept: Counter, reasons: Counter) -> None:
    sources, sizes = columns["source"].to_pylist(), columns["bytes"].to_numpy()
    for source in set(sources):
        here = np.array([name == source for name in sources])
        kept[source, "read"] += int(here.sum())
        for name, verdicts in (("now", before), ("then", after)):
            rows = here & _is_kept(verdicts)
            kept[source, name] += int(rows.sum())
            kept[source, f"{name} bytes"] += int(sizes[rows].sum())
    reasons.update(("now", reason) for reason in before if reason is not None)
    reasons.update(("then", reason) for reason in after if reason is not None)


def _is_kept(reasons: Any) -> np.ndarray:
    return np.array([reason is None for reason in reasons], bool)


def _collect_moved(
    columns: pa.RecordBatch, before: Any, after: Any, moved: dict[str, list[str]], limit: int
) -> None:
    now, then = _is_kept(before), _is_kept(after)
    for name, rows in (
        ("newly dropped", np.flatnonzero(now & ~then)),
        ("newly kept", np.flatnonzero(~now & then)),
    ):
        for row in rows[: max(0, limit - len(moved[name]))]:
            why = after[row] if name == "newly dropped" else before[row]
            moved[name].append(f"  {columns['id'][int(row)].as_py()}: {why}")


def _source_table(kept: Counter[tuple[str, str]]) -> list[str]:
    heads = ("source", "documents", "kept\nnow", "kept\nthen", "MB\nnow", "MB\nthen", "change")
    rows: list[tuple[str, ...]] = [heads]
    for source in sorted({name for name, _ in kept}):
        now, then = kept[source, "now"], kept[source, "then"]
        sizes = [f"{kept[source, f'{name} bytes'] / 1e6:,.2f}" for name in ("now", "then")]
        change = f"{100 * (then - now) / now:+.2f} %" if now else ""
        rows.append((source, f"{kept[source, 'read']:,}", f"{now:,}", f"{then:,}", *sizes, change))
    return format_table(rows)


def _reason_table(reasons: Counter[tuple[str, str]]) -> list[str]:
    rows: list[tuple[str, ...]] = [("dropped for", "now", "then", "change")]
    for reason in sorted({reason for _, reason in reasons}):
        now, then = reasons["now", reason], reasons["then", reason]
        rows.append((reason, f"{now:,}", f"{then:,}", f"{then - now:+,}" if then != now else ""))
    return format_table(rows)


def _moved_lines(moved: dict[str, list[str]]) -> Iterator[str]:
    for name, lines in moved.items():
        if lines:
            yield from ("", f"{name}, for example:", *lines)
