"""Step ``deduplicate``: exact and near duplicates.

Owns the choice of the survivor (the smallest id) and one table per shard of ``clean``, aligned by row: reason,
the id it duplicates, their similarity, and the cluster (the id of its survivor).
"""

# pyarrow.compute makes its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import json
import logging
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from preprocessing import minhash
from preprocessing.context import Context, Outcome, shard_paths
from preprocessing.documents import (
    DROPPED,
    Counts,
    StepResult,
    dropped_rows,
    new_shard,
    read_batches,
    reasons_column,
    utf8_buffer,
)
from preprocessing.schema import DeduplicateConfig
from preprocessing.text_kernels import sequence_sets

log = logging.getLogger(__name__)
STEP = "deduplicate"
DECISION = pa.schema(
    [
        ("id", pa.string()),
        ("reason", pa.string()),
        ("duplicate_of", pa.string()),
        ("similarity", pa.float64()),
        ("cluster", pa.string()),
    ]
)
ALARM_SHARE, ALARM_DOCUMENTS = 0.5, 100


@dataclass(frozen=True)
class Decisions:
    """One entry per document in shard order; ``duplicate_of`` is a row number, its own for survivors."""

    ids: list[str]
    reasons: np.ndarray  # object: None, exact_duplicate, near_duplicate
    duplicate_of: np.ndarray
    similarity: np.ndarray

    def table(self, start: int, stop: int) -> pa.RecordBatch:
        here = range(start, stop)
        survivors = [self.ids[self.duplicate_of[row]] for row in here]
        dropped = [self.reasons[row] is not None for row in here]
        columns = [
            pa.array(self.ids[start:stop], pa.string()),
            pa.array([self.reasons[row] for row in here], pa.string()),
            pa.array([s if gone else None for s, gone in zip(survivors, dropped)], pa.string()),
            pa.array(
                [float(self.similarity[row]) if gone else None for row, gone in zip(here, dropped)],
                pa.float64(),
            ),
            pa.array([self.ids[self._root(row)] for row in here], pa.string()),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=DECISION)

    def _root(self, row: int) -> int:
        """An exact duplicate of a near duplicate belongs to the cluster of the latter's survivor."""
        return int(self.duplicate_of[self.duplicate_of[row]])


def canonical_digest(text: str) -> bytes:
    """xxh3_128 of the composed text with its whitespace collapsed."""
    return xxhash.xxh3_128_digest(" ".join(unicodedata.normalize("NFC", text).split()).encode("utf-8"))


def decide(shards: Sequence[Path], config: DeduplicateConfig, seed: int) -> Decisions:
    """Which documents stay. Reads the shards twice: for digests and signatures, then the sets of the candidates."""
    ids: list[str] = []
    digests: list[bytes] = []
    bands = [np.zeros((0, config.bands), np.uint64)]
    empty = [np.zeros(0, bool)]
    seeds = minhash.hash_seeds(config.num_hashes, seed)
    for batch in _batches(shards, ["id", "text"]):
        ids += batch["id"].to_pylist()
        digests += [canonical_digest(text) for text in batch["text"].to_pylist()]
        flat, starts = sequence_sets(*utf8_buffer(batch["text"]))
        bands.append(minhash.band_values(minhash.signatures(flat, starts, seeds), config.bands))
        empty.append(np.diff(starts) == 0)
    decisions = _exact(ids, digests)
    _near(decisions, shards, np.concatenate(bands), np.concatenate(empty), config)
    return decisions


def _batches(shards: Sequence[Path], columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    for shard in shards:
        yield from read_batches(shard, columns)


def _ranks(ids: list[str]) -> np.ndarray:
    """Place of each row in the order of ids, ties by row."""
    table = pa.table({"id": pa.array(ids, pa.string()), "row": np.arange(len(ids))})
    order = pc.sort_indices(table, [("id", "ascending"), ("row", "ascending")]).to_numpy()
    ranks = np.empty(len(ids), np.int64)
    ranks[order] = np.arange(len(ids))
    return ranks


def _exact(ids: list[str], digests: list[bytes]) -> Decisions:
    rows = len(ids)
    halves = np.frombuffer(b"".join(digests), np.uint64).reshape(rows, 2)
    order = np.lexsort((_ranks(ids), halves[:, 1], halves[:, 0]))
    same = np.zeros(rows, bool)
    same[1:] = (halves[order[1:]] == halves[order[:-1]]).all(axis=1)
    first = order[np.maximum.accumulate(np.where(same, 0, np.arange(rows)))] if rows else order
    duplicate_of = np.arange(rows)
    duplicate_of[order] = first
    reasons = np.full(rows, None, object)
    reasons[duplicate_of != np.arange(rows)] = "exact_duplicate"
    return Decisions(ids, reasons, duplicate_of, np.where(reasons == None, 0.0, 1.0))  # noqa: E711


def _near(decisions: Decisions, shards: Sequence[Path], bands: np.ndarray, empty: np.ndarray, config) -> None:
    """Adds near duplicates among the survivors of the exact pass."""
    alive = np.flatnonzero((decisions.reasons == None) & ~empty)  # noqa: E711
    alive = alive[np.argsort(_ranks(decisions.ids)[alive], kind="stable")]
    groups, number_of_groups = _buckets(bands[alive])
    candidates = np.flatnonzero((groups >= 0).any(axis=1))
    if not len(candidates):
        return
    rows = alive[candidates]
    flat, starts = _sets_of(shards, rows)
    survivor, similarity = minhash.near_duplicates(
        groups[candidates], number_of_groups, flat, starts, config.threshold, config.max_compared
    )
    gone = survivor != np.arange(len(rows))
    decisions.duplicate_of[rows[gone]] = rows[survivor[gone]]
    decisions.similarity[rows[gone]] = similarity[gone]
    decisions.reasons[rows[gone]] = "near_duplicate"


def _buckets(bands: np.ndarray) -> tuple[np.ndarray, int]:
    """``[rows, bands]`` numbers of the buckets that hold two rows or more, -1 elsewhere; and how many there are."""
    groups = np.full(bands.shape, -1, np.int64)
    total = 0
    for b in range(bands.shape[1]):
        _, inverse, sizes = np.unique(bands[:, b], return_inverse=True, return_counts=True)
        shared = sizes >= 2
        numbers = np.where(shared, total + np.cumsum(shared) - 1, -1)
        groups[:, b] = numbers[inverse]
        total += int(shared.sum())
    return groups, total


def _sets_of(shards: Sequence[Path], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sets of the given rows, in their order, read again: memory grows with the candidates only."""
    wanted = np.sort(rows)
    sets: dict[int, np.ndarray] = {}
    start = 0
    for batch in _batches(shards, ["text"]):
        here = wanted[(wanted >= start) & (wanted < start + batch.num_rows)]
        if len(here):
            flat, starts = sequence_sets(*utf8_buffer(batch["text"].take(pa.array(here - start))))
            sets.update({int(row): flat[starts[i] : starts[i + 1]] for i, row in enumerate(here)})
        start += batch.num_rows
    parts = [sets[int(row)] for row in rows]
    return np.concatenate(parts), np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(
        np.int64
    )


# --- the step --------------------------------------------------------------------------------------------


def run(context: Context) -> Outcome:
    """Writes a table of decisions per shard, and the dropped documents."""
    shards = [shard_paths(context.folder, "clean", unit.name)[0] for unit in context.units]
    decisions = decide(shards, context.config.deduplicate, context.config.seed)
    outputs: list[Path] = []
    counts: dict[str, Counts] = {}
    start = 0
    for unit, shard in zip(context.units, shards):
        table_path, dropped_path = shard_paths(context.folder, STEP, unit.name)
        with new_shard(table_path, DECISION) as kept, new_shard(dropped_path, DROPPED) as dropped:
            for batch in read_batches(shard):
                table = decisions.table(start, start + batch.num_rows)
                start += batch.num_rows
                kept.write(table)
                result = _result(batch, table, counts)
                dropped.write(dropped_rows(result, STEP, _details(table)))
        outputs += [table_path, dropped_path]
    _remove_others(context, outputs)
    _warn(counts)
    return Outcome(outputs, {"sources": {name: found.to_json() for name, found in counts.items()}})


def _result(batch: pa.RecordBatch, table: pa.RecordBatch, by_source: dict[str, Counts]) -> StepResult:
    reasons = table["reason"].to_pylist()
    result = StepResult(batch, reasons_column(reasons), Counts())
    for row, source in enumerate(batch["source"].to_pylist()):
        counts = by_source.setdefault(source, Counts())
        reason, size = reasons[row], len(batch["text"][row].as_buffer())
        counts.documents_in += 1
        counts.bytes_in += size
        if reason is None:
            counts.documents_out += 1
            counts.bytes_out += size
            continue
        counts.dropped[reason] += 1
        if counts.wants_example(reason):
            counts.add_example(reason, batch["id"][row].as_py(), batch["text"][row].as_py(), None)
    return result


def _details(table: pa.RecordBatch) -> list[str | None]:
    pairs = zip(table["duplicate_of"].to_pylist(), table["similarity"].to_pylist())
    return [
        None if of is None else json.dumps({"of": of, "similarity": round(s, 4)}, ensure_ascii=False)
        for of, s in pairs
    ]


def _warn(counts: dict[str, Counts]) -> None:
    for source, found in counts.items():
        gone: Counter[str] = found.dropped
        if found.documents_in >= ALARM_DOCUMENTS and gone.total() > ALARM_SHARE * found.documents_in:
            log.warning(
                "%s: %s of %s documents are duplicates (%s); is that right? see dropped/%s-*.parquet",
                source, f"{gone.total():,}", f"{found.documents_in:,}", dict(gone), STEP,
            )  # fmt: skip


def _remove_others(context: Context, outputs: list[Path]) -> None:
    folder = context.folder
    for path in [
        *(folder / "steps" / STEP).glob("*.parquet"),
        *(folder / "dropped").glob(f"{STEP}-*.parquet"),
    ]:
        if path not in outputs:
            path.unlink()
