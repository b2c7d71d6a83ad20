"""What the columns of a run say about its documents: text by source and language, lengths, measures, scores.

Owns one pass over the units. Of each it reads a few columns and no text, and keeps sums and tables of fixed size: memory
is that of one unit, however large the corpus is.
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
    """A number about a document, in two languages; ``of`` is the column it is a share of, if it is no column itself."""

    name: str
    english: str
    korean: str
    share: bool = True
    of: str | None = None


SPREADS = (
    Spread("characters", "characters", "글자 수", share=False),
    Spread("mean_line_length", "characters per line", "줄 길이", share=False),
    Spread("mean_word_length", "characters per word", "낱말 길이", share=False),
    Spread("stop_words", "different stop words", "불용어 종류", share=False),
    Spread("hangul", "Hangul among letters", "한글 비율", of="letters"),
    Spread("digits", "digits among characters", "숫자 비율", of="characters"),
    Spread("duplicate_line_characters", "text in repeated lines", "반복 줄"),
    Spread("top_2_gram", "text in the commonest 2-gram", "최빈 2-그램"),
    Spread("duplicate_5_gram", "text in repeated 5-grams", "반복 5-그램"),
    Spread("duplicate_10_gram", "text in repeated 10-grams", "반복 10-그램"),
)


@dataclass
class Columns:
    """Of the documents that are kept, but for ``scored`` and ``masked``, which count all.

    ``documents_of`` and ``bytes_of``: by (source, language), bytes as often as the corpus repeats a document; ``spreads``:
    by language and name; ``scored`` and ``scored_kept``: by column and language; ``masked``: documents with personal data
    by kind.
    """

    documents_of: Counter[tuple[str, str]] = field(default_factory=Counter)
    bytes_of: Counter[tuple[str, str]] = field(default_factory=Counter)
    spreads: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    scored: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    scored_kept: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    masked: Counter[str] = field(default_factory=Counter)


def read_columns(context: Context, steps: Collection[str]) -> Columns:
    """``steps``: those that are finished. Raises DataError for an input none of them has seen."""
    found = Columns()
    for unit in context.units:
        context.upstream("filter", unit.name)
        repeats = _repeats(context, unit.name, steps)
        _add_unit(found, context, unit.name, repeats)
        if context.config.score.enabled:
            context.upstream("score", unit.name)
            _add_scores(found, context, unit.name, repeats)
        _add_masked(found, context, unit.name)
    return found


def _repeats(context: Context, name: str, steps: Collection[str]) -> np.ndarray:
    """``[rows]``: how often the corpus holds each document; before ``balance``, 1 where it is not dropped yet."""
    if "balance" in steps:
        table = pq.read_table(context.path("balance", f"plan/{name}"), columns=["repeats"])
        return table["repeats"].to_numpy().astype(np.int64)
    kept = _no_reason(context, "filter", name)
    if "deduplicate" in steps:
        kept = kept & _no_reason(context, "deduplicate", name)
    return kept.astype(np.int64)


def _no_reason(context: Context, step: str, name: str) -> np.ndarray:
    reasons = pq.read_table(context.path(step, name), columns=["reason"])["reason"]
    return pc.is_null(reasons).to_numpy()


def _add_unit(found: Columns, context: Context, name: str, repeats: np.ndarray) -> None:
    wanted = ["source", "lang", "bytes", *(s.name for s in SPREADS), *(s.of for s in SPREADS if s.of)]
    path = context.path("measure", name)
    table = pq.read_table(path, columns=list(dict.fromkeys(wanted)))
    if table.num_rows != len(repeats):
        raise DataError(
            f"{path}: holds {table.num_rows:,} documents where later steps have {len(repeats):,}; "
            "run 'python -m preprocessing run ...' again"
        )
    sources, langs = (table[column].to_numpy() for column in ("source", "lang"))
    sizes = table["bytes"].to_numpy().astype(np.int64)
    for source, lang in _pairs(table):
        mine = (sources == source) & (langs == lang) & (repeats > 0)
        found.documents_of[source, lang] += int(mine.sum())
        found.bytes_of[source, lang] += int((sizes * repeats)[mine].sum())
    for lang in pc.unique(table["lang"]).to_pylist():
        here = table.filter(pa.array((langs == lang) & (repeats > 0)))
        for spread in SPREADS:
            values = here[spread.name].to_numpy()
            if spread.of:
                values = values / np.maximum(here[spread.of].to_numpy(), 1)
            found.spreads[lang, spread.name].add(values)


def _pairs(table: pa.Table) -> list[tuple[str, str]]:
    rows = table.group_by(["source", "lang"], use_threads=False).aggregate([]).to_pylist()
    return sorted((row["source"], row["lang"]) for row in rows)


def _add_scores(found: Columns, context: Context, name: str, repeats: np.ndarray) -> None:
    table = pq.read_table(context.path("score", name)).drop_columns(["id"])
    langs = table["lang"].to_numpy()
    for column in table.column_names[1:]:
        values = table[column].to_numpy()
        judged = ~np.isnan(values)
        for lang in pc.unique(table["lang"]).to_pylist():
            mine = judged & (langs == lang)
            if mine.any():
                found.scored[column, lang].add(values[mine])
                found.scored_kept[column, lang].add(values[mine & (repeats > 0)])


def _add_masked(found: Columns, context: Context, name: str) -> None:
    with pq.ParquetFile(context.path("clean", name, ".columns.parquet")) as file:
        kinds = [column for column in file.schema_arrow.names if column.startswith("masked_")]
        table = file.read(kinds)
    for column in kinds:
        documents = int(np.count_nonzero(table[column].to_numpy()))
        if documents:
            found.masked[column.removeprefix("masked_")] += documents
