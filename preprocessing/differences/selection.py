"""Selects documents of a run by hash of the id: the same ones for the same seed, in whatever order the files come.

Owns the question which documents count (changed, dropped, a rule) and the limit of the search. The text of a large run is
not read completely: documents are searched in the order of their hashes, and reading a unit ends after its last candidate.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import xxhash

from megatron_ko.errors import DataError
from preprocessing.differences.attribution import MAIN_CONTENT, UNEXPLAINED
from preprocessing.differences.documents_of_run import (
    Document,
    count_rows,
    finished_units,
    identities,
    read_documents,
    reader_rule_of,
    stages_of,
    with_originals,
)
from preprocessing.differences.fates import Drop, Fates, read_fates
from preprocessing.markup.conversion import CONVERTERS
from preprocessing.readers.input_units import Unit
from preprocessing.running.context import Context

MAX_SEARCHED = 20_000
"""Documents that are read at most to find changed ones."""
CHANGED, DROPPED, ALL = CHOICES = ("changed", "dropped", "all")


@dataclass(frozen=True)
class Query:
    """``only``: changed (or dropped) documents, dropped ones, or all; ``rule``: a rule that changes text, or a reason."""

    count: int = 150
    seed: int = 1234
    source: str | None = None
    only: str = CHANGED
    rule: str | None = None
    is_reason: bool = False
    """Whether ``rule`` is the reason of a drop."""


@dataclass(frozen=True)
class Selected:
    """A document of the sample; ``drop`` is None if it is kept."""

    document: Document
    drop: Drop | None


@dataclass(frozen=True)
class Selection:
    """``total``: documents of the run (of the source); ``searched``: those that were compared; ``matching``: those of them that
    the query wants; ``unfinished``: steps that have not judged every document."""

    documents: list[Selected]
    total: int
    searched: int
    matching: int
    unfinished: list[str]


def select(context: Context, query: Query) -> Selection:
    """Raises DataError if no document matches."""
    units = finished_units(context, query.source)
    fates = {unit.name: read_fates(context, unit) for unit in units}
    hashes = {unit.name: _hashes(identities(context, unit), query.seed) for unit in units}
    candidates = {
        unit.name: _candidates(query, count_rows(context, unit), fates[unit.name]) for unit in units
    }
    limit = _limit(query, [hashes[name][rows] for name, rows in candidates.items()])
    found: list[tuple[int, int, int, Selected]] = []  # the largest hash first
    searched = matching = 0
    for number, unit in enumerate(units):
        of_unit = hashes[unit.name]
        rows = candidates[unit.name]
        rows = rows[of_unit[rows] <= limit]
        searched += len(rows)
        for document in _read(context, unit, rows, query):
            drop = fates[unit.name].drops.get(document.row)
            if not _matches(context, query, document, drop):
                continue
            matching += 1
            key = int(of_unit[document.row])
            heapq.heappush(found, (-key, -number, -document.row, Selected(document, drop)))
            if len(found) > query.count:
                heapq.heappop(found)
    if not found:
        raise _nothing(context, query, searched)
    chosen = [entry[3] for entry in sorted(found, key=lambda entry: entry[:3], reverse=True)]
    unfinished = [step for step in dict.fromkeys(s for fate in fates.values() for s in fate.unfinished)]
    total = sum(count_rows(context, unit) for unit in units)
    return Selection(_with_originals(context, chosen), total, searched, matching, unfinished)


def _hashes(names: Iterable[str], seed: int) -> np.ndarray:
    """``[rows] uint64``."""
    return np.array([xxhash.xxh3_64_intdigest(name.encode("utf-8"), seed) for name in names], np.uint64)


def _candidates(query: Query, rows: int, fates: Fates) -> np.ndarray:
    """Rows that may match, as far as is known without their text."""
    if query.is_reason:
        return np.array(
            [row for row in sorted(fates.drops) if fates.drops[row].reason == query.rule], np.int64
        )
    return np.array(sorted(fates.drops), np.int64) if query.only == DROPPED else np.arange(rows)


def _limit(query: Query, hashes: list[np.ndarray]) -> np.uint64:
    """The largest hash to search: with every candidate wanted, that of the last document of the sample."""
    every = np.concatenate(hashes)
    all_match = query.is_reason or (query.rule is None and query.only != CHANGED)
    most = query.count if all_match else MAX_SEARCHED
    return (
        np.partition(every, most - 1)[most - 1] if len(every) > most else np.uint64(np.iinfo(np.uint64).max)
    )


def _read(context: Context, unit: Unit, rows: np.ndarray, query: Query) -> Iterator[Document]:
    if not len(rows):
        return
    documents = read_documents(context, unit, rows.tolist())
    if query.rule == MAIN_CONTENT or query.rule in CONVERTERS:
        yield from with_originals(context, list(documents))
    else:
        yield from documents


def _matches(context: Context, query: Query, document: Document, drop: Drop | None) -> bool:
    if query.rule is not None and not query.is_reason:
        if query.only == DROPPED and drop is None:
            return False
        return any(query.rule in stage.rules for stage in stages_of(context, document))
    if query.only != CHANGED or drop is not None or document.first != document.text:
        return True
    return bool(reader_rule_of(context.config.inputs[document.unit.input_name], document.identity))


def _with_originals(context: Context, chosen: list[Selected]) -> list[Selected]:
    documents = with_originals(context, [selected.document for selected in chosen])
    return [Selected(document, selected.drop) for document, selected in zip(documents, chosen)]


def _nothing(context: Context, query: Query, searched: int) -> DataError:
    wanted = f"--rule {query.rule}" if query.rule else f"--only {query.only}"
    differs = query.rule == UNEXPLAINED
    return DataError(
        f"{context.folder}: none of {searched:,} documents matches {wanted}"
        + ("; recomputing them gives what the run wrote" if differs else ""),
        rule="no-documents",
    )
