"""Samples documents in favor of new tokens, to train an extended vocabulary on (EEVE).

Owns the weights and the choice. EEVE does not publish its weights; ours is ``1 + 2 * min(1, share_new / q95)``, where
``share_new`` is the share of new tokens among a document's tokens and ``q95`` its 95 % quantile over all documents. A
document is chosen when its position, a number in [0, 1) from the hash of id and seed, is below ``c * weight``; ``c`` is
set to reach the requested size. The probability is thus proportional to the weight, for any order and any workers.
"""

# pyarrow.compute makes its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from megatron_ko.errors import DataError
from megatron_ko.files import atomic_file
from megatron_ko.wording import format_count
from preprocessing.corpus.assignment import positions
from preprocessing.documents import DOCUMENT, new_shard
from preprocessing.running.markers import Marker, key_of
from preprocessing.running.worker_pool import WorkerPool
from preprocessing.tokenizers.encoders import encoder_of
from preprocessing.tokenizers.text_files import TextPart, documents_of

VERSION = 1
"""Increase when the bytes this module writes change for the same text and tokenizers, also through shared code."""
BINS = 10_000
"""Shares are rounded down to 1 / BINS for the quantile and the sum of bytes; memory does not grow with the text."""
QUANTILE = 0.95
CHOSEN = DOCUMENT.append(pa.field("share_new", pa.float32())).append(pa.field("weight", pa.float32()))


@dataclass(frozen=True)
class NewTokens:
    """The extended tokenizer; ids from ``base_size`` on are new."""

    folder: Path
    engine: str
    fingerprint: str
    base_size: int


@dataclass(frozen=True)
class Shares:
    """Documents and bytes by share of new tokens. ``total``: sum of the exact shares."""

    documents: np.ndarray  # [BINS + 1] int64
    bytes: np.ndarray
    total: float

    @property
    def mean(self) -> float:
        return self.total / max(int(self.documents.sum()), 1)

    def quantile(self) -> float:
        """The smallest share, rounded down, that at least QUANTILE of the documents do not exceed."""
        reached = np.cumsum(self.documents) >= QUANTILE * self.documents.sum()
        return float(np.flatnonzero(reached)[0] / BINS)


@dataclass(frozen=True)
class Rule:
    """``q95`` and ``c`` (``factor``) of a text, and the ``seed`` of the positions."""

    q95: float
    factor: float
    seed: int

    def weights(self, shares: np.ndarray) -> np.ndarray:
        """``[documents] float64``."""
        return 1 + 2 * np.minimum(1.0, np.floor(shares * BINS) / BINS / self.q95)

    def choose(self, identities: pa.Array, weights: np.ndarray) -> np.ndarray:
        """``[documents] bool``."""
        return positions(identities, self.seed) / 2.0**64 < self.factor * weights


def rule_of(shares: Shares, wanted_bytes: int, seed: int) -> Rule:
    """The rule that chooses about ``wanted_bytes``. Raises DataError when the text contains no new tokens."""
    documents = int(shares.documents.sum())
    if shares.total == 0:
        raise DataError(
            f"none of {format_count(documents, 'document')} contains a new token; check --base-size, and that TOKENIZER is the extended "
            "tokenizer",
            rule="no-new-tokens",
        )
    q95 = shares.quantile()
    if q95 == 0:
        raise DataError(
            f"in 95 % of {format_count(documents, 'document')} fewer than 1 in {BINS:,} tokens are new; use text in the language of the new "
            "tokens",
            rule="too-few-new-tokens",
        )
    weights = Rule(q95, 1.0, seed).weights(np.arange(BINS + 1) / BINS)
    return Rule(q95, _factor(weights, shares.bytes, min(wanted_bytes, int(shares.bytes.sum()))), seed)


def _factor(weights: np.ndarray, sizes: np.ndarray, wanted: int) -> float:
    """``c`` with ``sum(min(1, c * weight) * size) = wanted``, by bisection."""
    low, high = 0.0, 1.0 / float(weights.min())
    for _ in range(200):
        middle = (low + high) / 2
        if float((np.minimum(1.0, middle * weights) * sizes).sum()) < wanted:
            low = middle
        else:
            high = middle
    return high


# --- the two passes --------------------------------------------------------------------------------------


def measure_part(folder: Path, number: int, key: str, part: TextPart, new: NewTokens) -> Shares:
    """Writes the share of new tokens of each document of a part to a file; returns their distribution."""
    marker = Marker(folder, f"shares/{number:05d}")
    marker.remove()
    encoder = encoder_of(new.folder, new.engine)
    shares, sizes = [np.zeros(0, np.float32)], [np.zeros(0, np.int64)]
    for batch in documents_of(part):
        texts = batch["text"].to_pylist()
        ids, ends = encoder.encode_batch(texts)
        new_before = np.concatenate([[0], np.cumsum(np.asarray(ids) >= new.base_size)])
        new_counts = new_before[ends[1:]] - new_before[ends[:-1]]
        shares.append((new_counts / np.maximum(np.diff(ends), 1)).astype(np.float32))
        sizes.append(np.array([len(text.encode("utf-8")) for text in texts], np.int64))
    path = _shares_path(folder, number)
    with atomic_file(path) as file:
        np.save(file, np.concatenate(shares))
    result = _shares_of(np.concatenate(shares), np.concatenate(sizes))
    summary = {"documents": result.documents.tolist(), "bytes": result.bytes.tolist(), "total": result.total}
    marker.write(key, [path], summary)
    return result


def _shares_path(folder: Path, number: int) -> Path:
    return folder / "shares" / f"{number:05d}.npy"


def _shares_of(shares: np.ndarray, sizes: np.ndarray) -> Shares:
    bins = np.floor(shares.astype(np.float64) * BINS).astype(np.int64)
    documents = np.bincount(bins, minlength=BINS + 1)
    summed = np.zeros(BINS + 1, np.int64)
    np.add.at(summed, bins, sizes)
    return Shares(documents, summed, float(shares.astype(np.float64).sum()))


def choose_part(folder: Path, out: Path, number: int, part: TextPart, rule: Rule) -> dict[str, Any]:
    """Writes the chosen documents of a part; returns the summary."""
    shares = np.load(_shares_path(folder, number))
    start, chosen, size, total = 0, 0, 0, 0.0
    with new_shard(out, CHOSEN) as shard:
        for batch in documents_of(part):
            mine = shares[start : start + batch.num_rows].astype(np.float64)
            start += batch.num_rows
            weights = rule.weights(mine)
            mask = rule.choose(batch["id"], weights)
            extra = [pa.array(mine, pa.float32()), pa.array(weights, pa.float32())]
            columns = [*batch.columns, *extra]
            rows = pa.RecordBatch.from_arrays(columns, schema=CHOSEN).filter(pa.array(mask))
            shard.write(rows)
            chosen += rows.num_rows
            size += sum(len(text.encode("utf-8")) for text in rows["text"].to_pylist())
            total += float(mine[mask].sum())
    return {"documents": chosen, "bytes": size, "total": total}


def choose(
    parts: Sequence[TextPart], new: NewTokens, out: Path, wanted: int | float, seed: int, pool: WorkerPool
) -> dict[str, Any]:
    """Writes ``out/NNNNN.parquet`` for each part; ``wanted``: bytes, or a share of the text (float). Returns the report."""
    work = out / "measured"
    keys = [key_of(part.identity(), new.fingerprint, new.base_size, VERSION) for part in parts]
    finished = [Marker(work, f"shares/{number:05d}").read(key) for number, key in enumerate(keys)]
    missing = [number for number, summary in enumerate(finished) if summary is None]
    items = [(work, number, keys[number], parts[number], new) for number in missing]
    list(pool.map(measure_part, items, "measure new tokens", [parts[number].size for number in missing]))
    summaries = [Marker(work, f"shares/{number:05d}").read(key) or {} for number, key in enumerate(keys)]
    shares = Shares(
        np.sum([summary["documents"] for summary in summaries], axis=0),
        np.sum([summary["bytes"] for summary in summaries], axis=0),
        sum(summary["total"] for summary in summaries),
    )
    size = int(shares.bytes.sum())
    rule = rule_of(shares, round(wanted * size) if isinstance(wanted, float) else wanted, seed)
    for stale in out.glob("[0-9]*.parquet"):
        stale.unlink()
    items = [(work, out / f"{number:05d}.parquet", number, part, rule) for number, part in enumerate(parts)]
    chosen = list(pool.map(choose_part, items, "choose", [part.size for part in parts]))
    documents = sum(summary["documents"] for summary in chosen)
    return {
        "documents_read": int(shares.documents.sum()),
        "bytes_read": size,
        "documents": documents,
        "bytes": sum(summary["bytes"] for summary in chosen),
        "mean_share_before": shares.mean,
        "mean_share_after": sum(summary["total"] for summary in chosen) / max(documents, 1),
        "q95": rule.q95,
        "factor": rule.factor,
        "seed": seed,
    }
