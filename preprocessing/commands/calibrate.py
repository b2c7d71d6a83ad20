"""Derives thresholds from trusted text: per rule the value that keeps a quantile of it, as YAML to paste.

Every trusted source keeps its quantile: the mildest value is used, so that a large source does not outvote a small one.
Reads only the columns of step ``measure``, and every n-th document of a source with more than ``--documents``; memory is
about 150 bytes per document read.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from megatron_ko.config.cli import positive
from megatron_ko.config.loading import Loaded
from megatron_ko.errors import DataError
from megatron_ko.tables import terminal_width, width_of, wrap
from preprocessing.config.languages import LANGUAGES
from preprocessing.config.pipeline import Config, source_of
from preprocessing.config.rules import CodeRules, Count, ProseRules, Share, is_of
from preprocessing.documents import read_batches
from preprocessing.judging.rule_table import Rule, rules_of
from preprocessing.judging.rules import columns_of
from preprocessing.running.context import Context

STEP = "measure"
DIGITS = 3  # of a printed threshold


@dataclass
class Measurements:
    """Values of one language of one source, by rule: float32, NaN where the rule does not apply."""

    sizes: list[np.ndarray] = field(default_factory=list)
    values: dict[Rule, list[np.ndarray]] = field(default_factory=dict)

    def of(self, rule: Rule) -> np.ndarray:
        return np.concatenate(self.values[rule])

    @property
    def bytes(self) -> np.ndarray:
        return np.concatenate(self.sizes)


Key = tuple[str, str]  # language, source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source", action="append", metavar="NAME",
        help="source to trust; may be repeated (default: all). Other sources are only reported",
    )  # fmt: skip
    parser.add_argument(
        "--quantile", type=_quantile, default=0.99, metavar="Q",
        help="share of every trusted source that each threshold keeps (default: 0.99)",
    )  # fmt: skip
    parser.add_argument(
        "--weight", choices=("documents", "bytes"), default="documents",
        help="unit of the share (default: documents)",
    )  # fmt: skip
    parser.add_argument(
        "--documents",
        type=positive,
        default=200_000,
        metavar="N",
        help="documents to read per source (default: 200000)",
    )


def _quantile(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.5 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number from 0.5 to 1")
    return value


def run(loaded: Loaded[Config], arguments: argparse.Namespace) -> int:
    measured = read(Context(loaded), arguments.documents)
    sources = {source for _, source in measured}
    for source in arguments.source or ():
        if source not in sources:
            raise DataError(
                f"--source {source}: no such source; known sources: {', '.join(sorted(sources))}",
                rule="unknown-source",
            )
    trusted = set(arguments.source or sources)
    for line in to_yaml(measured, trusted, arguments.quantile, arguments.weight):
        print(line)
    return 0


# --- reading -----------------------------------------------------------------------------------------------


def read(context: Context, most: int) -> dict[Key, Measurements]:
    """The columns of step ``measure`` by language and source, of about ``most`` documents per source."""
    paths: dict[str, list[Any]] = {}
    for task in context.units:
        context.upstream(STEP, task.name)
        source = source_of(task.input_name, context.config.inputs[task.input_name])
        paths.setdefault(source, []).append(context.path(STEP, task.name))
    measured: dict[Key, Measurements] = {}
    for source, files in paths.items():
        stride = -(-sum(pq.read_metadata(file).num_rows for file in files) // most)
        for batch in _read_every(stride, files):
            langs = columns_of(batch)("lang")
            for lang in dict.fromkeys(langs):
                rows = pa.array(np.flatnonzero(langs == lang))
                _add(measured.setdefault((lang, source), Measurements()), batch.take(rows), lang)
    return measured


def _read_every(stride: int, files: Iterable[Any]) -> Iterator[pa.RecordBatch]:
    """Rows 0, stride, 2 stride ... of the concatenated files."""
    skip = 0
    for file in files:
        for batch in read_batches(file):
            rows = np.arange(skip, batch.num_rows, max(stride, 1))
            skip = skip + len(rows) * max(stride, 1) - batch.num_rows
            if len(rows):
                yield batch.take(pa.array(rows))


def _add(measurements: Measurements, batch: pa.RecordBatch, lang: str) -> None:
    columns = columns_of(batch)
    measurements.sizes.append(columns("bytes"))
    for rule in limits(lang):
        value = _value(rule, columns, set(batch.schema.names))
        if value is not None:
            measurements.values.setdefault(rule, []).append(value)


def _value(rule: Rule, columns: Any, known: set[str]) -> np.ndarray | None:
    """Values of a rule, or None if a column of the rule was not measured."""
    names: list[str] = []

    def read_column(name: str) -> np.ndarray:
        names.append(name)
        return columns(name) if name in known else np.zeros(1)

    value = rule.value(read_column)
    if not set(names) <= known:
        return None
    if rule.few is not None:
        value = np.where(columns(rule.few[0]) >= rule.few[1], value, np.nan)
    return value.astype(np.float32)


def limits(lang: str) -> list[Rule]:
    """Rules whose threshold is a number."""
    return [rule for rule in rules_of(lang) if rule.field.startswith(("min_", "max_"))]


# --- thresholds --------------------------------------------------------------------------------------------


def threshold(
    rule: Rule, values: np.ndarray, weights: np.ndarray, quantile: float, whole: bool
) -> float | int | None:
    """The strictest value of few digits that keeps ``quantile`` of the weight; None if the rule never applies."""
    known = ~np.isnan(values)
    values, weights = values[known].astype(np.float64), weights[known]
    if not len(values):
        return None
    low = rule.field.startswith("min_")
    order = np.argsort(-values if low else values, kind="stable")
    reached = np.cumsum(weights[order])
    at = np.searchsorted(reached, quantile * reached[-1] * (1 - 1e-12))
    return _round_milder(float(values[order][min(at, len(order) - 1)]), low, whole)


def _round_milder(value: float, down: bool, whole: bool) -> float | int:
    """Rounds to the milder side: to DIGITS significant digits, or to a whole number."""
    rounding = math.floor if down else math.ceil
    if whole or value == 0:
        return int(rounding(value)) if whole else 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - DIGITS + 1)
    return float(f"{rounding(round(value / unit, 4)) * unit:.{DIGITS}g}")


def to_yaml(
    measured: dict[Key, Measurements], trusted: set[str], quantile: float, weight: str
) -> Iterator[str]:
    """The lines of the ``filter`` section; comments state what each threshold alone would drop."""
    about = (
        f"Each value keeps {100 * quantile:g} % of the {weight} of each trusted source ({', '.join(sorted(trusted))}). The "
        "comment after it is the share of the documents of each source that this value alone would drop."
    )
    yield from wrap(about, "# ")
    yield "filter:"
    for lang in LANGUAGES:
        parts = {source: found for (one, source), found in measured.items() if one == lang}
        if trusted & set(parts):
            yield f"  {lang}:"
            yield from _language(lang, parts, trusted, quantile, weight)


def _language(
    lang: str, parts: dict[str, Measurements], trusted: set[str], quantile: float, weight: str
) -> Iterator[str]:
    trust = [found for source, found in sorted(parts.items()) if source in trusted]
    hints = get_type_hints(CodeRules if lang == "code" else ProseRules, include_extras=True)
    dropped = {source: np.zeros(len(found.bytes), bool) for source, found in parts.items()}
    lines: list[tuple[str, str]] = []  # setting, comment
    for rule in limits(lang):
        if any(rule not in found.values for found in parts.values()):
            lines.append((f"# {rule.field}: not measured", ""))
            continue
        value = _mildest(rule, trust, quantile, weight, is_of(hints[rule.field], Count))
        if not value or (is_of(hints[rule.field], Share) and rule.field.startswith("max_") and value >= 1):
            lines.append((f"# {rule.field}: not bounded by the trusted text", ""))
            continue
        shares = []
        for source, found in sorted(parts.items()):
            failed = _fails(rule, found.of(rule), value)
            dropped[source] |= failed
            shares.append(f"{source} {100 * failed.mean():.2f} %")
        lines.append((f"{rule.field}: {value}", ", ".join(shares)))
    yield from _align_comments(lines)
    total = ", ".join(
        f"{source} {100 * rows.mean():.2f} % of {len(rows):,}" for source, rows in sorted(dropped.items())
    )
    yield from wrap(f"all values together drop: {total}", "    # ")


def _align_comments(lines: list[tuple[str, str]]) -> Iterator[str]:
    """Aligned comments after the settings, or on lines of their own if a line would exceed the terminal's width."""
    size = max((len(setting) for setting, comment in lines if comment), default=0)
    fits = all(4 + size + 4 + width_of(comment) <= terminal_width() for _, comment in lines)
    for setting, comment in lines:
        if not comment:
            yield f"    {setting}"
        elif fits:
            yield f"    {setting:{size}}  # {comment}"
        else:
            yield f"    {setting}"
            yield from wrap(comment, "    #   ")


def _mildest(
    rule: Rule, trust: list[Measurements], quantile: float, weight: str, whole: bool
) -> float | int | None:
    """The mildest of the thresholds of the sources; None if the rule applies to no source."""
    values = []
    for measurements in trust:
        sizes = measurements.bytes
        weights = sizes if weight == "bytes" else np.ones(len(sizes))
        values.append(threshold(rule, measurements.of(rule), weights, quantile, whole))
    known = [value for value in values if value is not None]
    return (min if rule.field.startswith("min_") else max)(known, default=None)


def _fails(rule: Rule, values: np.ndarray, limit: float) -> np.ndarray:
    """Like ``Rule.failed``, for measured float32 values, with a tolerance for their last digit."""
    room = 1e-6 * abs(limit)
    return values < limit - room if rule.field.startswith("min_") else values > limit + room
