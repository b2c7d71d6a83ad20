"""Explains why documents were kept or dropped, and what other thresholds would change.

Owns three queries on a finished corpus: one document (``--id``), a reason (``--reason``), and other thresholds
(``--what-if``), which reads only columns and writes nothing.
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
import pyarrow.parquet as pq

from megatron_ko.config.cli import split
from megatron_ko.config.loading import Loaded, load
from megatron_ko.errors import ConfigError, DataError
from megatron_ko.tables import format_table, wrap
from preprocessing.config.pipeline import RULES, Config, source_of
from preprocessing.documents import read_batches
from preprocessing.judging import rules
from preprocessing.readers.input_units import Unit
from preprocessing.running.context import Context
from preprocessing.running.markers import Marker
from preprocessing.steps.filter import column_steps, columns_of, reasons_for, thresholds_of
from preprocessing.steps.order import StepKeys

log = logging.getLogger(__name__)
JUDGED = ("filter", "score", "decontaminate")
# settings that step filter compares with the columns of score and decontaminate; other settings change the columns
THRESHOLDS = {
    "min_score", "keep_quantile", "max_perplexity", "min_perplexity", "keep_quantiles", "min_ngrams", "min_share",
}  # fmt: skip
SHOWN_CHARACTERS = 600


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
        print("\n".join(_document(context, arguments.id)))
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


# --- one document ----------------------------------------------------------------------------------------


def _document(context: Context, identity: str) -> list[str]:
    for task in context.units:
        row = _row_of(context, task, identity)
        if row is not None:
            return _describe(context, task, row, identity)
    raise DataError(
        f"no document has the id {identity!r}; documents without an id field have the id FILE:LINE; "
        f"{context.folder / 'quarantine.jsonl'} lists records that could not be read",
        rule="unknown-document",
    )


def _row_of(context: Context, task: Unit, identity: str) -> int | None:
    context.upstream("measure", task.name)
    ids = pq.read_table(context.documents_path(task), columns=["id"])["id"]
    row = pc.index(ids, identity).as_py()
    return None if row < 0 else row


def _read_row(path: Any, row: int) -> dict[str, Any]:
    start = 0
    for batch in read_batches(path):
        if row < start + batch.num_rows:
            return batch.slice(row - start, 1).to_pylist()[0]
        start += batch.num_rows
    raise DataError(f"{path}: has no row {row}; run 'mko data run ...' again", rule="missing-row")


def _describe(context: Context, task: Unit, row: int, identity: str) -> list[str]:
    document = _read_row(context.documents_path(task), row)
    columns: dict[str, Any] = {}
    for batch in columns_of(context, task):
        if row < batch.num_rows:
            columns = batch.slice(row, 1).to_pylist()[0]
            break
        row -= batch.num_rows
    masked = {name: n for name, n in _count_masked(context, task, identity).items() if n}
    lines = [
        *wrap(f"{identity}: source {document['source']}, language {document['lang']}, {document['meta']}"),
        *wrap(f"masked personal data: {', '.join(f'{name} {n}' for name, n in masked.items()) or 'none'}"),
        "",
        *wrap(_shorten(document["text"], SHOWN_CHARACTERS)),
        "",
    ]
    rows = [("", "rule", "value", "threshold")]
    for rule, value, threshold, passed in rules.explain(columns, context.config.filter):
        rows.append(("" if passed else "fails", rule, _number(value), _number(threshold)))
    rows += _score_rows(context, columns)
    lines += format_table(rows, 2)
    return [*lines, "", *_fate(context, task, identity)]


def _score_rows(context: Context, columns: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Rows of the table for models and evaluation sets."""
    if len(column_steps(context.config)) == 1:
        return
    from preprocessing.steps.score import bounds_of, scoring_verdicts

    row, quantiles = pa.RecordBatch.from_pylist([columns]), thresholds_of(context)
    failed = {name: bool(verdict[0]) for name, verdict in scoring_verdicts(row, context.config, quantiles)}
    for name, (low, high) in bounds_of(context.config.score, quantiles, columns["lang"]).items():
        limits = [
            f"{sign} {_number(limit)}" for sign, limit in ((">=", low), ("<=", high)) if np.isfinite(limit)
        ]
        yield "fails" if failed[name] else "", name, _number(columns[name]), ", ".join(limits)
    if "contaminated" in failed:
        least = f">= {context.config.decontaminate.min_ngrams}"
        shared = _number(columns["contaminated_ngrams"])
        yield "fails" if failed["contaminated"] else "", "contaminated", shared, f"drops {least}"


def _count_masked(context: Context, task: Unit, identity: str) -> dict[str, int]:
    path = context.path("clean", task.name, ".columns.parquet")
    columns = pq.read_table(path, filters=[("id", "=", identity)])
    names = columns.schema.names[1:]
    return {name.removeprefix("masked_"): pc.sum(columns[name]).as_py() or 0 for name in names}


def _fate(context: Context, task: Unit, identity: str) -> Iterator[str]:
    for step in ("filter", "deduplicate"):
        if Marker(context.folder, f"{step}/{task.name}").key() is None:
            yield f"{step}: not finished"
            continue
        row = pq.read_table(context.path(step, task.name), filters=[("id", "=", identity)]).to_pylist()[0]
        is_duplicate = step == "deduplicate"
        if row["reason"]:
            of = f" of {row['duplicate_of']} (similarity {row['similarity']:.3f})" if is_duplicate else ""
            yield f"{step}: dropped, {row['reason']}{of}"
            return
        yield f"{step}: kept" + (f", cluster of {row['cluster_size']}" if is_duplicate else "")


def _number(value: Any) -> str:
    if value is None or isinstance(value, (str, bool)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _shorten(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[:characters]} ... ({len(text):,} characters)"


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
    if arguments.reason == "list":
        rows = [(step, reason, f"{n:,}") for (step, reason), n in sorted(counts.items())]
        yield from format_table([("step", "reason", "documents"), *rows], 2)
    elif not shown:
        known = ", ".join(sorted({reason for _, reason in counts})) or "none"
        raise DataError(
            f"no document was dropped for {arguments.reason!r}; reasons in this corpus: {known}",
            rule="unknown-reason",
        )


def _format_document(row: dict[str, Any]) -> str:
    detail = f" {row['detail']}" if row["detail"] else ""
    head = f"--- {row['id']} ({row['source']}, {row['lang']}){detail}"
    return "\n".join([*wrap(head), *wrap(_shorten(row["text"], SHOWN_CHARACTERS)), ""])


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
        before, after = (_settings(getattr(config, field.name)) for config in (now, then))
        if field.name in JUDGED:
            before, after = _without_thresholds(before), _without_thresholds(after)
        if field.name != "filter" and before != after:
            raise ConfigError(
                f"--what-if {field.name}...: would change documents, columns or later steps; only thresholds of "
                f"{', '.join(JUDGED)} can be evaluated from the columns; change the configuration and run it",
                rule="not-a-threshold",
            )


def _settings(section: Any) -> Any:
    return Context.as_data(section)


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
