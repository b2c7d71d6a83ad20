"""Why a document was kept or dropped, and what other thresholds would change.

Owns three questions to a finished corpus: about one document (``--id``), about a reason (``--reason``), and about
thresholds (``--what-if``), which reads columns only and writes nothing.
"""

# pyarrow.compute makes its functions at import
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
from megatron_ko.tables import table
from preprocessing.config.pipeline import RULES, Config, source_of
from preprocessing.documents import read_batches
from preprocessing.judging import rules
from preprocessing.readers.files_found import Unit
from preprocessing.running.context import Context
from preprocessing.running.markers import Marker
from preprocessing.steps.filter import column_steps, columns_of, reasons_for, thresholds_of
from preprocessing.steps.order import StepKeys

log = logging.getLogger(__name__)
JUDGED = ("filter", "score", "decontaminate")
# what step filter compares the columns of score and decontaminate with; the other settings made the columns
THRESHOLDS = {
    "min_score", "keep_quantile", "max_perplexity", "min_perplexity", "keep_quantiles", "min_ngrams", "min_share",
}  # fmt: skip
SHOWN_CHARACTERS = 600


def add_arguments(parser: argparse.ArgumentParser) -> None:
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--id", metavar="ID", help="of one document: its text, numbers, thresholds and fate")
    asked.add_argument(
        "--reason", metavar="REASON", help="documents dropped for this reason; 'list' names the reasons"
    )
    asked.add_argument(
        "--what-if", action="append", metavar="filter.LANG.RULE=VALUE",
        help="what another threshold would keep and drop; may be repeated; changes nothing",
    )  # fmt: skip
    parser.add_argument("--source", metavar="NAME", help="only documents of this source")
    parser.add_argument(
        "--limit", type=int, default=5, metavar="N", help="documents shown at most (default 5)"
    )
    parser.add_argument(
        "--json", action="store_true", help="dropped documents as JSON lines with their whole text"
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
        print("\n".join(what_if(context, _changed(arguments), arguments.limit, arguments.source)))
    return 0


def _check(context: Context, source: str | None) -> None:
    """Refuses a source that is none, and says when the answers are about another configuration."""
    known = sorted({_source(context, unit) for unit in context.units})
    if source is not None and source not in known:
        raise DataError(f"--source {source}: no such source; known: {', '.join(known)}")
    if StepKeys(context).summary("filter") is None:
        log.warning(
            "%s: step 'filter' is not finished for this configuration, version and inputs; what is told is of what is "
            "there: run 'python -m preprocessing run ...' to bring it up to date", context.folder,
        )  # fmt: skip


def _source(context: Context, unit: Unit) -> str:
    return source_of(unit.input_name, context.config.inputs[unit.input_name])


def _changed(arguments: argparse.Namespace) -> Loaded[Config]:
    files, overrides = split(arguments.config)
    return load(Config, files, [*overrides, *arguments.what_if], RULES)


# --- one document ----------------------------------------------------------------------------------------


def _document(context: Context, identity: str) -> list[str]:
    for unit in context.units:
        row = _row_of(context, unit, identity)
        if row is not None:
            return _told(context, unit, row, identity)
    raise DataError(
        f"no document has the id {identity!r}; ids without a field of their own are FILE:LINE; see "
        f"{context.folder / 'quarantine.jsonl'} for records that could not be read"
    )


def _row_of(context: Context, unit: Unit, identity: str) -> int | None:
    context.upstream("measure", unit.name)
    ids = pq.read_table(context.documents_path(unit), columns=["id"])["id"]
    found = pc.index(ids, identity).as_py()
    return None if found < 0 else found


def _one(path: Any, row: int) -> dict[str, Any]:
    start = 0
    for batch in read_batches(path):
        if row < start + batch.num_rows:
            return batch.slice(row - start, 1).to_pylist()[0]
        start += batch.num_rows
    raise DataError(f"{path}: has no row {row}; run 'python -m preprocessing run ...' again")


def _told(context: Context, unit: Unit, row: int, identity: str) -> list[str]:
    document = _one(context.documents_path(unit), row)
    columns: dict[str, Any] = {}
    for batch in columns_of(context, unit):
        if row < batch.num_rows:
            columns = batch.slice(row, 1).to_pylist()[0]
            break
        row -= batch.num_rows
    masked = {name: n for name, n in _masked(context, unit, identity).items() if n}
    lines = [
        f"{identity}: source {document['source']}, language {document['lang']}, {document['meta']}",
        f"personal data masked: {', '.join(f'{name} {n}' for name, n in masked.items()) or 'none'}",
        "",
        _shortened(document["text"], SHOWN_CHARACTERS),
        "",
    ]
    rows = [("", "rule", "measured", "threshold")]
    for rule, value, threshold, passed in rules.explain(columns, context.config.filter):
        rows.append(("" if passed else "fails", rule, _number(value), _number(threshold)))
    rows += _scored(context, columns)
    lines += table(rows, 2)
    return [*lines, "", *_fate(context, unit, identity)]


def _scored(context: Context, columns: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """The rows of the table about models and evaluation sets."""
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


def _masked(context: Context, unit: Unit, identity: str) -> dict[str, int]:
    found = pq.read_table(
        context.path("clean", unit.name, ".columns.parquet"), filters=[("id", "=", identity)]
    )
    return {name.removeprefix("masked_"): pc.sum(found[name]).as_py() or 0 for name in found.schema.names[1:]}


def _fate(context: Context, unit: Unit, identity: str) -> Iterator[str]:
    for step in ("filter", "deduplicate"):
        if Marker(context.folder, f"{step}/{unit.name}").key() is None:
            yield f"{step}: not run yet"
            continue
        found = pq.read_table(context.path(step, unit.name), filters=[("id", "=", identity)]).to_pylist()[0]
        if found["reason"]:
            of = (
                f", as {found['duplicate_of']} (similarity {found['similarity']:.3f})"
                if step == "deduplicate"
                else ""
            )
            yield f"{step}: dropped, {found['reason']}{of}"
            return
        yield f"{step}: kept" + (f", cluster of {found['cluster_size']}" if step == "deduplicate" else "")


def _number(value: Any) -> str:
    if value is None or isinstance(value, (str, bool)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _shortened(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[:characters]} ... ({len(text):,} characters)"


# --- a reason --------------------------------------------------------------------------------------------


def _reason(context: Context, arguments: argparse.Namespace) -> Iterator[str]:
    seen: Counter[tuple[str, str]] = Counter()
    shown = 0
    for path in sorted((context.folder / "dropped").glob("*.parquet")):
        for batch in read_batches(path):
            if arguments.source:
                batch = batch.filter(pc.equal(batch["source"], arguments.source))
            seen.update(zip(batch["step"].to_pylist(), batch["reason"].to_pylist()))
            for row in batch.filter(pc.equal(batch["reason"], arguments.reason)).to_pylist():
                if shown == arguments.limit:
                    return
                shown += 1
                yield _shown(row, arguments.json)
    if arguments.reason == "list":
        yield from table(
            [("step", "reason", "documents"), *((s, r, f"{n:,}") for (s, r), n in sorted(seen.items()))], 2
        )
    elif not shown:
        known = ", ".join(sorted({reason for _, reason in seen})) or "none"
        raise DataError(f"no document was dropped for {arguments.reason!r}; reasons here: {known}")


def _shown(row: dict[str, Any], as_json: bool) -> str:
    if as_json:
        return json.dumps(row, ensure_ascii=False)
    detail = f" {row['detail']}" if row["detail"] else ""
    return f"--- {row['id']} ({row['source']}, {row['lang']}){detail}\n{_shortened(row['text'], SHOWN_CHARACTERS)}\n"


# --- what if ---------------------------------------------------------------------------------------------


def what_if(context: Context, changed: Loaded[Config], limit: int, source: str | None = None) -> list[str]:
    """The difference between the thresholds of ``context`` and those of ``changed``, from columns alone."""
    _check_only_judged(context.config, changed.config)
    other = Context(changed)
    now, then = thresholds_of(context), thresholds_of(other)
    kept: Counter[tuple[str, str]] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    moved: dict[str, list[str]] = {"newly dropped": [], "newly kept": []}
    for unit in context.units:
        if source not in (None, _source(context, unit)):
            continue
        for columns in columns_of(context, unit):
            before, after = (
                reasons_for(columns, context.config, now),
                reasons_for(columns, changed.config, then),
            )
            _tally(columns, before, after, kept, reasons)
            _note(columns, before, after, moved, limit)
    return [*_sources(kept), "", *_reasons(reasons), *_moved(moved)]


def _check_only_judged(now: Config, then: Config) -> None:
    for field in dataclasses.fields(now):  # type: ignore[arg-type]
        before, after = (_settings(getattr(config, field.name)) for config in (now, then))
        if field.name in JUDGED:
            before, after = _without_thresholds(before), _without_thresholds(after)
        if field.name != "filter" and before != after:
            raise ConfigError(
                f"--what-if {field.name}...: changes the documents or their columns, or what follows; only thresholds of "
                f"{', '.join(JUDGED)} can be answered from the columns: change the configuration and run"
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
        for name, found in (("now", before), ("then", after)):
            stays = here & _kept(found)
            kept[source, name] += int(stays.sum())
            kept[source, f"{name} bytes"] += int(sizes[stays].sum())
    reasons.update(("now", reason) for reason in before if reason is not None)
    reasons.update(("then", reason) for reason in after if reason is not None)


def _kept(reasons: Any) -> np.ndarray:
    return np.array([reason is None for reason in reasons], bool)


def _note(columns: pa.RecordBatch, before: Any, after: Any, moved: dict[str, list[str]], limit: int) -> None:
    kept, stays = _kept(before), _kept(after)
    for name, rows in (
        ("newly dropped", np.flatnonzero(kept & ~stays)),
        ("newly kept", np.flatnonzero(~kept & stays)),
    ):
        for row in rows[: max(0, limit - len(moved[name]))]:
            why = after[row] if name == "newly dropped" else before[row]
            moved[name].append(f"  {columns['id'][int(row)].as_py()}: {why}")


def _sources(kept: Counter[tuple[str, str]]) -> list[str]:
    rows: list[tuple[str, ...]] = [("source", "documents", "kept now", "kept then", "MB now", "MB then", "")]
    for source in sorted({name for name, _ in kept}):
        now, then = kept[source, "now"], kept[source, "then"]
        sizes = [f"{kept[source, f'{name} bytes'] / 1e6:,.2f}" for name in ("now", "then")]
        change = f"{100 * (then - now) / now:+.2f} %" if now else ""
        rows.append((source, f"{kept[source, 'read']:,}", f"{now:,}", f"{then:,}", *sizes, change))
    return table(rows)


def _reasons(reasons: Counter[tuple[str, str]]) -> list[str]:
    rows: list[tuple[str, ...]] = [("dropped for", "now", "then", "")]
    for reason in sorted({reason for _, reason in reasons}):
        now, then = reasons["now", reason], reasons["then", reason]
        rows.append((reason, f"{now:,}", f"{then:,}", f"{then - now:+,}" if then != now else ""))
    return table(rows)


def _moved(moved: dict[str, list[str]]) -> Iterator[str]:
    for name, lines in moved.items():
        if lines:
            yield from ("", f"{name}, such as", *lines)
