"""Decides from columns, never from text, which documents are dropped and why.

Thresholds come from the configuration and its presets (``presets.values``), rules from ``rule_table``. The first failed rule
of the table is the reason.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from megatron_ko.errors import DataError
from preprocessing.config.rules import FilterConfig
from preprocessing.judging.evidence import Columns
from preprocessing.judging.presets.values import Thresholds, thresholds
from preprocessing.judging.rule_table import Rule, rules_of

Verdicts = Iterator[tuple[str, np.ndarray]]


def columns_of(batch: pa.RecordBatch | pa.Table) -> Columns:
    """Reads columns as numpy, each once: numbers as float64 (null is NaN), text as objects. Raises DataError for a missing
    column."""
    names = frozenset(batch.schema.names)

    @functools.cache
    def of(name: str) -> np.ndarray:
        if name not in names:
            raise DataError(
                f"the column {name!r}, which a rule under 'filter' needs, is missing; run mko data measure again, or "
                "switch off the rule",
                rule="missing-column",
            )
        return _to_numpy(batch[name])

    return of


def _to_numpy(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        coded = column.dictionary_encode()
        codes = coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False)
        return np.array([*coded.dictionary.to_pylist(), None], object)[codes]
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return column.to_numpy(zero_copy_only=False).astype(np.float64)


def apply_rules(batch: pa.RecordBatch | pa.Table, lang: str, limits: Thresholds) -> Verdicts:
    """``(reason, failed: [rows] bool)`` of every rule that has a threshold, in order."""
    columns = columns_of(batch)
    for rule in rules_of(lang):
        if rule.field in limits:
            yield rule.reason, rule.fails(columns, limits[rule.field])


def find_reasons(batch: pa.RecordBatch | pa.Table, config: FilterConfig) -> np.ndarray:
    """``[rows] object``: the reason to drop each row by the rules of its ``lang``; None for rows that stay."""
    langs = columns_of(batch)("lang")
    reasons = np.full(batch.num_rows, None, object)
    for lang in dict.fromkeys(langs):
        rows = np.flatnonzero(langs == lang)
        part = batch if len(rows) == batch.num_rows else batch.take(pa.array(rows))
        reasons[rows] = _first_reasons(part.num_rows, apply_rules(part, lang, thresholds(config, lang)))
    return reasons


def _first_reasons(rows: int, all_verdicts: Verdicts) -> np.ndarray:
    names: list[str | None] = [None]
    first = np.zeros(rows, np.int16)
    for reason, failed in all_verdicts:
        names.append(reason)
        first[failed & (first == 0)] = len(names) - 1
    return np.array(names, object)[first]


class Explanation(NamedTuple):
    """The verdict of one rule on one document; ``field`` is its name below ``filter.LANG``."""

    reason: str
    value: Any
    limit: Any
    passed: bool
    field: str


def explain(row: Mapping[str, Any], config: FilterConfig) -> list[Explanation]:
    """The verdict of every rule that is on, for one row of columns."""
    columns = columns_of(pa.RecordBatch.from_pylist([dict(row)]))
    limits = thresholds(config, row["lang"])
    explanations = []
    for rule in rules_of(row["lang"]):
        if rule.field in limits:
            limit = limits[rule.field]
            value = _to_python(rule.value(columns)[0], limit)
            passed = not rule.fails(columns, limit)[0]
            explanations.append(
                Explanation(rule.reason, value, _format_limit(rule, limit), passed, rule.field)
            )
    return explanations


def _to_python(value: Any, threshold: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if threshold is True:
        return bool(value > 0)
    return None if np.isnan(value) else int(value) if isinstance(threshold, int) else round(float(value), 6)


def _format_limit(rule: Rule, threshold: Any) -> Any:
    if isinstance(threshold, list):
        return ", ".join(threshold)
    sign = {"min_": ">= ", "max_": "<= "}.get(rule.field[:4], "")
    return f"{sign}{threshold:,}" if sign else False
