"""What the page about the data shows, gathered from the files of a run.

Owns reading: the funnel, columns of the documents that were kept, clusters of duplicates, tokens. Only a few columns
are read, a unit at a time.
"""

# pyarrow.compute makes its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from megatron_ko.errors import DataError
from megatron_ko.files import read_json
from preprocessing.context import Context
from preprocessing.files_found import Unit
from preprocessing.markers import Marker

BINS = 24  # powers of two of characters
LARGEST_CLUSTERS = 5
# columns whose spread is shown: (column, what it is)
SPREADS = (
    ("characters", "characters  글자 수"),
    ("mean_line_length", "characters per line  줄 길이"),
    ("mean_word_length", "characters per word  낱말 길이"),
    ("duplicate_line_characters", "characters in repeated lines  반복 줄"),
    ("duplicate_5_gram", "characters in repeated 5-grams  반복 5-그램"),
    ("duplicate_10_gram", "characters in repeated 10-grams  반복 10-그램"),
    ("top_2_gram", "characters in the commonest 2-gram  최빈 2-그램"),
    ("stop_words", "different stop words  불용어"),
)


@dataclass
class Cluster:
    """Documents that say the same; ``text`` is the beginning of the one that was kept."""

    survivor: str
    size: int
    source: str
    text: str = ""


@dataclass
class Duplicates:
    sizes: Counter[int] = field(default_factory=Counter)
    """Clusters by their number of documents."""
    by_source: dict[str, Counter[str]] = field(default_factory=dict)
    largest: list[Cluster] = field(default_factory=list)


@dataclass
class Facts:
    """``lengths``: documents kept by language and power of two of characters; ``bytes_of``: kept bytes by
    (source, language); ``samples``: up to 20,000 values per language and column."""

    folder: str
    funnel: dict[str, Any]
    lengths: dict[str, np.ndarray]
    bytes_of: Counter[tuple[str, str]]
    spreads: dict[str, dict[str, np.ndarray]]
    duplicates: Duplicates
    manifest: dict[str, Any] | None
    tokenizer: dict[str, Any] | None
    contamination: dict[str, Any] | None
    alarms: list[str]


def read_facts(context: Context) -> Facts:
    """Raises DataError naming the step that is not finished."""
    funnel_path = context.folder / "funnel.json"
    if not funnel_path.is_file() or Marker(context.folder, "filter").read() is None:
        raise DataError(
            f"{context.folder}: nothing to report yet; run 'python -m preprocessing run ...' first"
        )
    deduplicated = Marker(context.folder, "deduplicate").read()
    facts = Facts(
        folder=str(context.folder),
        funnel=read_json(funnel_path),
        lengths={},
        bytes_of=Counter(),
        spreads={},
        duplicates=Duplicates(),
        manifest=_optional(context, "manifest.json"),
        tokenizer=_optional(context, "tokenizer_report.json"),
        contamination=_optional(context, "decontamination.json"),
        alarms=list((deduplicated or {}).get("alarms", ())),
    )
    for unit in context.units:
        _add_unit(facts, context, unit, deduplicated is not None)
    facts.duplicates.largest = sorted(facts.duplicates.largest, key=lambda c: (-c.size, c.survivor))[
        :LARGEST_CLUSTERS
    ]
    _add_texts(facts, context)
    return facts


def _optional(context: Context, name: str) -> dict[str, Any] | None:
    path = context.folder / name
    return read_json(path) if path.is_file() else None


def _add_unit(facts: Facts, context: Context, unit: Unit, deduplicated: bool) -> None:
    path = context.path("measure", unit.name)
    known = pq.read_schema(path).names
    wanted = ["source", "lang", "bytes", *(name for name, _ in SPREADS if name in known)]
    table = pq.read_table(path, columns=list(dict.fromkeys(wanted)))
    kept = pc.is_null(pq.read_table(context.path("filter", unit.name), columns=["reason"])["reason"])
    if deduplicated:
        decisions = pq.read_table(context.path("deduplicate", unit.name))
        _add_duplicates(facts.duplicates, decisions, table["source"])
        kept = pc.and_(kept, pc.is_null(decisions["reason"]))
    table = table.filter(kept)
    sizes = table.group_by(["source", "lang"]).aggregate([("bytes", "sum")]).to_pylist()
    facts.bytes_of.update({(row["source"], row["lang"]): row["bytes_sum"] for row in sizes})
    for lang in pc.unique(table["lang"]).to_pylist():
        here = table.filter(pc.equal(table["lang"], lang))
        characters = here["characters"].to_numpy()
        found = np.bincount(np.log2(np.maximum(characters, 1)).astype(int).clip(0, BINS - 1), minlength=BINS)
        facts.lengths[lang] = facts.lengths.get(lang, np.zeros(BINS, np.int64)) + found
        for name, _ in SPREADS:
            if name in known:
                _add_spread(facts.spreads.setdefault(lang, {}), name, here[name].drop_null().to_numpy())


SAMPLE = 20_000


def _add_spread(spreads: dict[str, np.ndarray], name: str, values: np.ndarray) -> None:
    """An even sample: every unit gives at most SAMPLE values, evenly spaced, and so does the sum."""
    joined = np.concatenate([spreads.get(name, np.zeros(0)), values[:: max(1, len(values) // SAMPLE)]])
    spreads[name] = joined[:: max(1, -(-len(joined) // SAMPLE))]


def _add_duplicates(duplicates: Duplicates, decisions: Any, sources: Any) -> None:
    for source in pc.unique(sources).to_pylist():
        here = pc.equal(sources, source)
        counted = duplicates.by_source.setdefault(source, Counter())
        for row in pc.value_counts(decisions["reason"].filter(here).drop_null()).to_pylist():
            counted[row["values"]] += row["counts"]
    survives = pc.and_(pc.is_null(decisions["reason"]), pc.greater(decisions["cluster_size"], 1))
    found = decisions.select(["id", "cluster_size"]).append_column("source", sources).filter(survives)
    sizes = found["cluster_size"].to_numpy()
    duplicates.sizes.update(dict(zip(*(values.tolist() for values in np.unique(sizes, return_counts=True)))))
    for row in np.argsort(-sizes, kind="stable")[:LARGEST_CLUSTERS]:
        one = found.slice(int(row), 1).to_pylist()[0]
        duplicates.largest.append(Cluster(one["id"], one["cluster_size"], one["source"]))


def _add_texts(facts: Facts, context: Context) -> None:
    wanted = {cluster.survivor: cluster for cluster in facts.duplicates.largest}
    for unit in context.units:
        if not wanted:
            return
        found = pq.read_table(
            context.documents(unit), columns=["id", "text"], filters=[("id", "in", list(wanted))]
        ).to_pylist()
        for row in found:
            wanted.pop(row["id"]).text = row["text"][:300]
