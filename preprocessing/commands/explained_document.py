"""One document for ``explain --id``: its text, the lines that counted, values, thresholds, fields to change, and its fate."""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from megatron_ko.errors import DataError
from megatron_ko.tables import format_table, terminal_width, width_of, wrap
from megatron_ko.wording import format_count
from preprocessing.documents import read_batches
from preprocessing.judging import line_kinds, prose, rules
from preprocessing.readers.input_units import Unit
from preprocessing.running.context import Context
from preprocessing.running.markers import Marker
from preprocessing.steps.filter import column_steps, columns_of, thresholds_of

SHOWN_CHARACTERS = 600
SHOWN_RUNS = 30  # runs of lines of one kind


def describe(context: Context, identity: str) -> list[str]:
    """The lines to print about a document. Raises DataError for an unknown one."""
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
        *wrap(shorten(document["text"], SHOWN_CHARACTERS)),
        "",
        *_counted_lines(document["text"], columns["measured"]),
    ]
    rows, fields = [("", "rule", "value", "threshold")], []
    for verdict in rules.explain(columns, context.config.filter):
        rows.append(
            ("" if verdict.passed else "fails", verdict.reason, number(verdict.value), number(verdict.limit))
        )
        if not verdict.passed:
            fields.append((verdict.reason, f"filter.{columns['lang']}.{verdict.field}"))
    for row_of_model, field in _score_rows(context, columns):
        rows.append(row_of_model)
        if row_of_model[0]:
            fields.append((row_of_model[1], field))
    lines += format_table(rows, 2)
    fate = list(_fate(context, task, identity, fields))
    if fields:
        lines += ["", *format_table([("reason", "field that decides"), *fields], 2)]
    return [*lines, "", *fate]


def _counted_lines(text: str, measured: str | None) -> Iterator[str]:
    """The kinds of the lines of prose: a row for each run of lines of one kind, with + where the rules measured them."""
    if measured is None:
        return
    counted = prose.counted_kinds(measured)
    lines = [line for line in line_kinds.lines_of(text) if line.kind != line_kinds.BLANK]
    yield f"lines that count: {sum(line.kind in counted for line in lines):,} of {len(lines):,}"
    runs = [(kind, list(run)) for kind, run in itertools.groupby(lines, lambda line: line.kind)]
    for kind, run in runs[:SHOWN_RUNS]:
        more = f" (+{format_count(len(run) - 1, 'line')})" if len(run) > 1 else ""
        head = f"{'+' if kind in counted else ' '} {line_kinds.KINDS[kind]:8}"
        room = terminal_width() - len(head) - len(more) - 1
        yield f"{head} {_cut(run[0].bytes.decode().strip(), room)}{more}"
    if len(runs) > SHOWN_RUNS:
        yield f"... {sum(len(run) for _, run in runs[SHOWN_RUNS:]):,} more lines"
    yield ""


def _cut(line: str, room: int) -> str:
    while width_of(line) > room:
        line = line[: max(len(line) - max((width_of(line) - room) // 2, 1), 0)]
    return line


def _score_rows(context: Context, columns: dict[str, Any]) -> Iterator[tuple[tuple[str, str, str, str], str]]:
    """Rows of the table for models and evaluation sets, with the field that decides."""
    if len(column_steps(context.config)) == 1:
        return
    from preprocessing.steps.score import bounds_of, fields_of, scoring_verdicts

    row, quantiles = pa.RecordBatch.from_pylist([columns]), thresholds_of(context)
    failed = {name: bool(verdict[0]) for name, verdict in scoring_verdicts(row, context.config, quantiles)}
    fields = fields_of(context.config.score)
    for name, (low, high) in bounds_of(context.config.score, quantiles, columns["lang"]).items():
        limits = [
            f"{sign} {number(limit)}" for sign, limit in ((">=", low), ("<=", high)) if np.isfinite(limit)
        ]
        yield (
            ("fails" if failed[name] else "", name, number(columns[name]), ", ".join(limits)),
            fields[name],
        )
    if "contaminated" in failed:
        least = f"drops >= {context.config.decontaminate.min_ngrams}"
        shared = number(columns["contaminated_ngrams"])
        yield (
            ("fails" if failed["contaminated"] else "", "contaminated", shared, least),
            "decontaminate.min_ngrams",
        )


def _count_masked(context: Context, task: Unit, identity: str) -> dict[str, int]:
    path = context.path("clean", task.name, ".columns.parquet")
    columns = pq.read_table(path, filters=[("id", "=", identity)])
    names = columns.schema.names[1:]
    return {name.removeprefix("masked_"): pc.sum(columns[name]).as_py() or 0 for name in names}


def _fate(context: Context, task: Unit, identity: str, fields: list[tuple[str, str]]) -> Iterator[str]:
    """What each step decided; adds the field of a near duplicate to ``fields``."""
    for step in ("filter", "deduplicate"):
        if Marker(context.folder, f"{step}/{task.name}").key() is None:
            yield f"{step}: not finished"
            continue
        row = pq.read_table(context.path(step, task.name), filters=[("id", "=", identity)]).to_pylist()[0]
        is_duplicate = step == "deduplicate"
        if row["reason"]:
            if is_duplicate and row["reason"] == "near_duplicate":
                fields.append((row["reason"], "deduplicate.threshold"))
            of = f" of {row['duplicate_of']} (similarity {row['similarity']:.3f})" if is_duplicate else ""
            yield f"{step}: dropped, {row['reason']}{of}"
            return
        yield f"{step}: kept" + (f", cluster of {row['cluster_size']}" if is_duplicate else "")


def number(value: Any) -> str:
    """A value of a table: text and flags as they are, counts with separators, shares with four digits."""
    if value is None or isinstance(value, (str, bool)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def shorten(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[:characters]} ... ({len(text):,} characters)"
