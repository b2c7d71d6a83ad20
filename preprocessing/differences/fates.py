"""What became of the documents of a unit: kept so far, or dropped by a step, why, and with which values."""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from dataclasses import dataclass

import pyarrow.parquet as pq

from preprocessing.config.pipeline import Config
from preprocessing.corpus.assignment import REASONS
from preprocessing.corpus.corpus_plan import PLAN, STEP
from preprocessing.differences.documents_of_run import Document, count_rows, identities, is_finished
from preprocessing.duplicates.clusters import EXACT, NEAR
from preprocessing.judging import rules
from preprocessing.judging.rule_table import rules_of
from preprocessing.readers.input_units import Unit
from preprocessing.running.context import Context
from preprocessing.running.markers import Marker
from preprocessing.steps.filter import columns_of
from preprocessing.steps.score import models_of

JUDGING = ("filter", "deduplicate", STEP)
"""Steps that drop documents, in order."""


@dataclass(frozen=True)
class Drop:
    """``detail``: the survivor of a duplicate."""

    step: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Fates:
    """``drops``: the dropped documents of a unit, by row; ``unfinished``: steps that have not judged the unit yet."""

    drops: dict[int, Drop]
    unfinished: tuple[str, ...]


def reasons_of(config: Config) -> list[str]:
    """Every reason for which the steps drop documents."""
    names = [rule.reason for lang in ("ko", "code") for rule in rules_of(lang)]
    names += [*models_of(config.score), *(["contaminated"] if config.decontaminate.enabled else [])]
    return list(dict.fromkeys([*names, EXACT, NEAR, *filter(None, REASONS)]))


def read_fates(context: Context, unit: Unit) -> Fates:
    """Reads the decisions of the judging steps; files of an earlier run with other documents count as unfinished."""
    drops: dict[int, Drop] = {}
    unfinished = []
    for step in JUDGING:
        of_step = _balance_drops(context, unit) if step == STEP else _drops(context, step, unit)
        if of_step is None:
            unfinished.append(step)
        else:
            drops = of_step | drops
    return Fates(drops, tuple(unfinished))


def _drops(context: Context, step: str, unit: Unit) -> dict[int, Drop] | None:
    """Documents that ``filter`` or ``deduplicate`` dropped; None if the step is not finished."""
    if not is_finished(context, step, unit):
        return None
    names = ["id", "reason", *(["duplicate_of", "similarity"] if step == "deduplicate" else [])]
    table = pq.read_table(context.path(step, unit.name), columns=names)
    if table.num_rows != count_rows(context, unit) or table["id"].to_pylist() != identities(context, unit):
        return None
    drops = {}
    for row, reason in enumerate(table["reason"].to_pylist()):
        if reason is None:
            continue
        of = table["duplicate_of"][row].as_py() if step == "deduplicate" else None
        detail = f"{of}, similarity {table['similarity'][row].as_py():.3f}" if of else ""
        drops[row] = Drop(step, reason, detail)
    return drops


def _balance_drops(context: Context, unit: Unit) -> dict[int, Drop] | None:
    """Documents that belong to no domain, or to a full one; None if ``balance`` has no plan of these documents."""
    if Marker(context.folder, f"{STEP}/{PLAN}").read() is None:
        return None
    path = context.path(STEP, f"{PLAN}/{unit.name}")
    if not path.is_file() or pq.read_metadata(path).num_rows != count_rows(context, unit):
        return None
    numbers = pq.read_table(path, columns=["reason"])["reason"].to_pylist()
    return {row: Drop(STEP, REASONS[number]) for row, number in enumerate(numbers) if number}


def failed_rules(context: Context, document: Document) -> list[rules.Explanation]:
    """Every rule of ``filter`` that the document fails, with its value and threshold."""
    row = document.row
    for columns in columns_of(context, document.unit):
        if row < columns.num_rows:
            values = columns.slice(row, 1).to_pylist()[0]
            return [rule for rule in rules.explain(values, context.config.filter) if not rule.passed]
        row -= columns.num_rows
    return []
