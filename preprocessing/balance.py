"""Step ``balance``: domains, validation split, and shares of the mixture.

Owns which domain and split a document belongs to, the final corpus ``clean/DOMAIN_SPLIT-00000.parquet``, and the
arithmetic of shares and epochs.
"""

# pyarrow.compute makes its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from megatron_ko.errors import DataError
from preprocessing.context import Context, Outcome, shard_paths
from preprocessing.documents import (
    DROPPED,
    FINAL,
    Counts,
    Shard,
    StepResult,
    dropped_rows,
    new_shard,
    read_batches,
    reasons_column,
)
from preprocessing.schema import BalanceConfig, DomainConfig

log = logging.getLogger(__name__)
STEP = "balance"
SPLITS = ("train", "valid")


def domain_of(source: str, lang: str, domains: dict[str, DomainConfig]) -> str | None:
    """The first domain that takes the source and the language."""
    for name, domain in domains.items():
        if (not domain.sources or source in domain.sources) and (not domain.langs or lang in domain.langs):
            return name
    return None


def position(identity: str, seed: int) -> float:
    """A number in [0, 1) that depends on the id and the seed only."""
    return xxhash.xxh64_intdigest(identity.encode("utf-8"), seed) / 2**64


def split_of(positions: np.ndarray, sizes: np.ndarray, valid_fraction: float) -> np.ndarray:
    """Which documents of a domain validate: the first by position that hold the fraction of its bytes.

    At least one and never all, where there are two.
    """
    valid = np.zeros(len(positions), bool)
    if valid_fraction > 0 and len(positions) >= 2:
        order = np.argsort(positions, kind="stable")
        before = np.cumsum(sizes[order]) - sizes[order]
        valid[order] = before < valid_fraction * sizes.sum()
        valid[order[-1]] = False
    return valid


def capped(positions: np.ndarray, sizes: np.ndarray, max_bytes: int | None) -> np.ndarray:
    """Which documents stay when at most ``max_bytes`` may: the last ones by position go."""
    if max_bytes is None:
        return np.ones(len(positions), bool)
    order = np.argsort(positions, kind="stable")
    keep = np.zeros(len(positions), bool)
    keep[order] = np.cumsum(sizes[order]) <= max_bytes
    return keep


def mixture_of(
    domains: dict[str, DomainConfig], tokens: dict[str, int], config: BalanceConfig
) -> dict[str, float]:
    """Share of training tokens per domain, summing to 1.

    Given shares are scaled. Without them: UniMax (arXiv:2304.09151) for a token budget, that is the same number of
    tokens from each domain but no more than ``max_epochs`` of it; else in proportion to the tokens there are.
    """
    if all(domain.share is not None for domain in domains.values()):
        weights = {name: float(domain.share or 0) for name, domain in domains.items()}
    elif config.token_budget is None:
        weights = {name: float(tokens[name]) for name in domains}
    else:
        weights, left = {}, float(config.token_budget)
        for rank, name in enumerate(sorted(domains, key=lambda n: tokens[n])):
            weights[name] = min(left / (len(domains) - rank), tokens[name] * config.max_epochs)
            left -= weights[name]
    total = sum(weights.values())
    return {name: weights[name] / total for name in domains}


def epochs_of(mixture: dict[str, float], tokens: dict[str, int], config: BalanceConfig) -> dict[str, float]:
    """How often each domain is seen within the token budget; empty without one."""
    if config.token_budget is None:
        return {}
    return {name: share * config.token_budget / tokens[name] for name, share in mixture.items()}


# --- the step --------------------------------------------------------------------------------------------


def run(context: Context) -> Outcome:
    """Writes the final corpus and the documents that belong to no domain or exceed its size."""
    placed = _place(context)
    _check(context, placed)
    counts: dict[str, Counts] = {}
    outputs: list[Path] = []
    with ExitStack() as stack:
        shards: dict[tuple[str, str], Shard] = {}
        for name, split in placed.used():
            path = clean_path(context.folder, name, split)
            shards[name, split] = stack.enter_context(new_shard(path, FINAL))
            outputs.append(path)
        dropped_path = context.folder / "dropped" / f"{STEP}.parquet"
        dropped = stack.enter_context(new_shard(dropped_path, DROPPED))
        outputs.append(dropped_path)
        for batch, rows in _survivors(context):
            result = StepResult(batch, reasons_column(placed.reasons[rows].tolist()), Counts())
            dropped.write(dropped_rows(result, STEP))
            _count(result, counts)
            for key, shard in shards.items():
                here = (placed.names[rows] == key[0]) & (placed.splits[rows] == key[1])
                shard.write(_final(batch.filter(pa.array(here)), *key))
    for path in (context.folder / "clean").glob("*.parquet"):
        if path not in outputs:
            path.unlink()
    domains = [placed.summary(name, split) for name, split in placed.used()]
    return Outcome(
        outputs, {"domains": domains, "sources": {name: found.to_json() for name, found in counts.items()}}
    )


def clean_path(folder: Path, domain: str, split: str) -> Path:
    return folder / "clean" / f"{domain}_{split}-00000.parquet"


def _survivors(context: Context) -> Iterator[tuple[pa.RecordBatch, slice]]:
    """Batches of the documents left after deduplication, and their row numbers."""
    start = 0
    for unit in context.units:
        shard, _ = shard_paths(context.folder, "clean", unit.name)
        decisions, _ = shard_paths(context.folder, "deduplicate", unit.name)
        for batch, decided in zip(
            read_batches(shard), read_batches(decisions, ["id", "reason"]), strict=True
        ):
            if not batch["id"].equals(decided["id"]):
                raise DataError(
                    f"{decisions}: does not belong to {shard}; run 'python -m preprocessing deduplicate' again"
                )
            kept = batch.filter(pc.is_null(decided["reason"]))
            yield kept, slice(start, start + kept.num_rows)
            start += kept.num_rows


class _Placed:
    """Domain, split, size and reason of each surviving document."""

    def __init__(self, names: list[str | None], positions: list[float], sizes: list[int]):
        self.names = np.array(names, object)
        self.positions = np.array(positions)
        self.sizes = np.array(sizes, np.int64)
        self.splits = np.full(len(names), None, object)
        self.reasons = np.full(len(names), None, object)

    def used(self) -> list[tuple[str, str]]:
        pairs = {(name, split) for name, split in zip(self.names, self.splits) if split is not None}
        return sorted(pairs)

    def summary(self, name: str, split: str) -> dict[str, Any]:
        here = (self.names == name) & (self.splits == split)
        return {
            "name": name,
            "split": split,
            "documents": int(here.sum()),
            "bytes": int(self.sizes[here].sum()),
        }


def _place(context: Context) -> _Placed:
    config, names, positions, sizes = context.config, [], [], []
    for batch, _ in _survivors(context):
        pairs = zip(batch["source"].to_pylist(), batch["lang"].to_pylist())
        names += [domain_of(source, lang, config.domains) for source, lang in pairs]
        positions += [position(identity, config.seed) for identity in batch["id"].to_pylist()]
        sizes += pc.binary_length(batch["text"]).to_pylist()
    placed = _Placed(names, positions, sizes)
    placed.reasons[[name is None for name in names]] = "no_domain"
    for name, domain in config.domains.items():
        rows = np.flatnonzero(placed.names == name)
        keep = capped(placed.positions[rows], placed.sizes[rows], domain.max_bytes)
        placed.reasons[rows[~keep]] = "domain_full"
        placed.names[rows[~keep]] = None
        rows = rows[keep]
        valid = split_of(placed.positions[rows], placed.sizes[rows], config.balance.valid_fraction)
        placed.splits[rows] = np.where(valid, *reversed(SPLITS))
    return placed


def _check(context: Context, placed: _Placed) -> None:
    used = dict.fromkeys(name for name, split in placed.used() if split == "train")
    for name, domain in context.config.domains.items():
        if name not in used:
            wanted = f"sources {domain.sources or 'any'}, langs {list(domain.langs) or 'any'}"
            problem = context.loaded.problem(
                f"domains.{name}",
                f"no document is left for it ({wanted}); see dropped/*.parquet for the reasons, or remove the domain",
            )
            raise DataError(str(problem))


def _final(batch: pa.RecordBatch, domain: str, split: str) -> pa.RecordBatch:
    columns = [batch[name] for name in ("id", "text", "source", "lang")]
    constant = [pa.array([value] * batch.num_rows, pa.string()) for value in (domain, split)]
    return pa.RecordBatch.from_arrays([*columns, *constant, batch["meta"]], schema=FINAL)


def _count(result: StepResult, by_source: dict[str, Counts]) -> None:
    reasons = result.reasons.to_pylist()
    for row, source in enumerate(result.batch["source"].to_pylist()):
        counts = by_source.setdefault(source, Counts())
        size = len(result.batch["text"][row].as_buffer())
        counts.documents_in += 1
        counts.bytes_in += size
        if reasons[row] is None:
            counts.documents_out += 1
            counts.bytes_out += size
        else:
            counts.dropped[reasons[row]] += 1
            if counts.wants_example(reasons[row]):
                identity, text = result.batch["id"][row].as_py(), result.batch["text"][row].as_py()
                counts.add_example(reasons[row], identity, text, None)
