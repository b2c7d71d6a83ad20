"""Statistics of a run's columns: text by source and language, lengths, measures, scores.

Owns one pass over the units. It reads a few columns of each, no text, and keeps sums and tables of fixed size: memory is
that of one unit, no matter how large the corpus is.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from megatron_ko.errors import DataError
from preprocessing.report.tally import Tally
from preprocessing.running.context import Context


@dataclass(frozen=True)
class Spread:
    """A number about a document, with labels in two languages; ``of``: column to divide by, if it is a ratio of columns."""

    name: str
    english: str
    korean: str
    share: bool = True
    of: str | None = None


SPREADS = (
    Spread("characters", "characters", "글자 수", share=False),
    Spread("mean_line_length", "characters per line", "줄당 글자 수", share=False),
    Spread("mean_word_length", "characters per word", "단어당 글자 수", share=False),
    Spread("stop_words", "distinct stop words", "불용어 종류 수", share=False),
    Spread("hangul", "Hangul among letters", "한글 비율", of="letters"),
    Spread("digits", "digits among characters", "숫자 비율", of="characters"),
    Spread("duplicate_line_characters", "text in repeated lines", "반복 줄 비율"),
    Spread("top_2_gram", "text in the most frequent 2-gram", "가장 흔한 2-그램 비율"),
    Spread("duplicate_5_gram", "text in repeated 5-grams", "반복 5-그램 비율"),
    Spread("duplicate_10_gram", "text in repeated 10-grams", "반복 10-그램 비율"),
)


@dataclass
class Columns:
    """Statistics of kept documents; ``scored`` and ``masked`` include all documents.

    ``documents_of`` and ``bytes_of``: by (source, language), bytes counted once per copy in the corpus; ``spreads``: by
    language and name; ``scored`` and ``scored_kept``: by column and language; ``masked``: documents with personal data, by
    kind.
    """

    documents_of: Counter[tuple[str, str]] = field(default_factory=Counter)
    bytes_of: Counter[tuple[str, str]] = field(default_factory=Counter)
    spreads: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    scored: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    scored_kept: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    masked: Counter[str] = field(default_factory=Counter)


def read_columns(context: Context, steps: Collection[str]) -> Columns:
    """``steps``: the finished steps. Raises DataError for an input that they have not read."""
    columns = Columns()
    for unit in context.units:
        context.upstream("filter", unit.name)
        repeats = _repeats(context, unit.name, steps)
        _add_unit(columns, context, unit.name, repeats)
        if context.config.score.enabled:
            context.upstream("score", unit.name)
            _add_scores(columns, context, unit.name, repeats)
        _add_masked(columns, context, unit.name)
    return columns


def _repeats(context: Context, name: str, steps: Collection[str]) -> np.ndarray:
    """``[rows]``: copies of each document in the corpus; before ``balance``, 1 for documents not dropped yet."""
    if "balance" in steps:
        table = pq.read_table(context.path("balance", f"plan/{name}"), columns=["repeats"])
        return table["repeats"].to_numpy().astype(np.int64)
    kept = _passes(context, "filter", name)
    if "deduplicate" in steps:
        kept = kept & _passes(context, "deduplicate", name)
    return kept.astype(np.int64)


def _passes(context: Context, step: str, name: str) -> np.ndarray:
    reasons = pq.read_table(context.path(step, name), columns=["reason"])["reason"]
    return pc.is_null(reasons).to_numpy()


def _add_unit(columns: Columns, context: Context, name: str, repeats: np.ndarray) -> None:
    names = ["source", "lang", "bytes", *(s.name for s in SPREADS), *(s.of for s in SPREADS if s.of)]
    path = context.path("measure", name)
    table = pq.read_table(path, columns=list(dict.fromkeys(names)))
    if table.num_rows != len(repeats):
        raise DataError(
            f"{path}: contains {table.num_rows:,} documents, but later steps have {len(repeats):,}; "
            "run 'mko data run ...' again",
            rule="documents-differ",
        )
    sources, langs = (table[column].to_numpy() for column in ("source", "lang"))
    sizes = table["bytes"].to_numpy().astype(np.int64)
    for source, lang in _pairs(table):
        mine = (sources == source) & (langs == lang) & (repeats > 0)
        columns.documents_of[source, lang] += int(mine.sum())
        columns.bytes_of[source, lang] += int((sizes * repeats)[mine].sum())
    for lang in pc.unique(table["lang"]).to_pylist():
        here = table.filter(pa.array((langs == lang) & (repeats > 0)))
        for spread in SPREADS:
            values = here[spread.name].to_numpy()
            if spread.of:
                values = values / np.maximum(here[spread.of].to_numpy(), 1)
            columns.spreads[lang, spread.name].add(values)


def _pairs(table: pa.Table) -> list[tuple[str, str]]:
    rows = table.group_by(["source", "lang"], use_threads=False).aggregate([]).to_pylist()
    return sorted((row["source"], row["lang"]) for row in rows)


def _add_scores(columns: Columns, context: Context, name: str, repeats: np.ndarray) -> None:
    table = pq.read_table(context.path("score", name)).drop_columns(["id"])
    langs = table["lang"].to_numpy()
    for column in table.column_names[1:]:
        values = table[column].to_numpy()
        judged = ~np.isnan(values)
        for lang in pc.unique(table["lang"]).to_pylist():
            mine = judged & (langs == lang)
            if mine.any():
                columns.scored[column, lang].add(values[mine])
                columns.scored_kept[column, lang].add(values[mine & (repeats > 0)])


def _add_masked(columns: Columns, context: Context, name: str) -> None:
    with pq.ParquetFile(context.path("clean", name, ".columns.parquet")) as file:
        kinds = [column for column in file.schema_arrow.names if column.startswith("masked_")]
        table = file.read(kinds)
    for column in kinds:
        documents = int(np.count_nonzero(table[column].to_numpy()))
        if documents:
            columns.masked[column.removeprefix("masked_")] += documents
