"""Assigns each document to a domain, a split and a file of the corpus, from columns alone.

Owns the rules (first domain that matches, validation by hash, caps, repeats by cluster size, boundaries of files) and
their arrays: at most 65 bytes per document, no text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import xxhash

from preprocessing.config.mixture import BalanceConfig, DomainConfig

SPLITS = ("train", "valid")
GONE, NO_DOMAIN = -2, -1
"""Values of the column domain: dropped by an earlier step; no domain takes the document."""
NO_SET = -1
REASONS = (None, "no_domain", "domain_full")
Domains = Mapping[str, DomainConfig]


def domain_of(source: str, lang: str, domains: Domains) -> str | None:
    """The first domain that takes the source and the language, or None."""
    for name, domain in domains.items():
        if (not domain.sources or source in domain.sources) and (not domain.langs or lang in domain.langs):
            return name
    return None


def domain_numbers(sources: pa.Array, langs: pa.Array, domains: Domains) -> np.ndarray:
    """``[rows] int16``: index of each document's domain, NO_DOMAIN where no domain takes it."""
    names = list(domains)
    source, lang = sources.dictionary_encode(), langs.dictionary_encode()
    table = np.full((len(source.dictionary), len(lang.dictionary)), NO_DOMAIN, np.int16)
    for i, source_name in enumerate(source.dictionary.to_pylist()):
        for k, lang_name in enumerate(lang.dictionary.to_pylist()):
            name = domain_of(source_name, lang_name, domains)
            table[i, k] = NO_DOMAIN if name is None else names.index(name)
    return table[source.indices.to_numpy(), lang.indices.to_numpy()]


def position(identity: str, seed: int) -> float:
    """A number in [0, 1) that depends only on the id and the seed."""
    return xxhash.xxh64_intdigest(identity.encode("utf-8"), seed) / 2**64


def positions(identities: pa.Array, seed: int) -> np.ndarray:
    """``[rows] uint64``: the position of each document, times 2^64."""
    hashes = (xxhash.xxh64_intdigest(identity, seed) for identity in identities.cast(pa.binary()).to_pylist())
    return np.fromiter(hashes, np.uint64, len(identities))


def split_of(positions: np.ndarray, sizes: np.ndarray, valid_fraction: float) -> np.ndarray:
    """``[rows] bool``: validation documents of a domain, the first by position with the fraction of its bytes.

    At least one and never all, if there are two or more documents.
    """
    valid = np.zeros(len(positions), bool)
    if valid_fraction > 0 and len(positions) >= 2:
        order = np.argsort(positions, kind="stable")
        before = np.cumsum(sizes[order], dtype=np.int64)
        before -= sizes[order]
        valid[order] = before < valid_fraction * sizes.sum(dtype=np.int64)
        valid[order[-1]] = False
    return valid


def within_cap(positions: np.ndarray, sizes: np.ndarray, max_bytes: int | None) -> np.ndarray:
    """``[rows] bool``: documents that fit into ``max_bytes``, the first by position."""
    if max_bytes is None:
        return np.ones(len(positions), bool)
    order = np.argsort(positions, kind="stable")
    keep = np.zeros(len(positions), bool)
    keep[order] = np.cumsum(sizes[order], dtype=np.int64) <= max_bytes
    return keep


def repeats_of(
    cluster_sizes: np.ndarray, positions: np.ndarray, rehydrate: Mapping[int, float]
) -> np.ndarray:
    """``[rows] uint16``: copies of each document in the corpus, by the size of its cluster of duplicates.

    The entry of ``rehydrate`` with the largest size up to the cluster's applies; 2.3 means three copies of 30 % of the
    documents, selected by the lowest bits of their position, and two copies of the others.
    """
    times = np.ones(len(cluster_sizes))
    for size in sorted(rehydrate):
        times[cluster_sizes >= size] = rehydrate[size]
    whole = np.floor(times)
    chance = (positions & np.uint64(0xFFFFFFFF)) / 2.0**32
    return (whole + (chance < times - whole)).astype(np.uint16)


def file_numbers(sizes: np.ndarray, max_bytes: int) -> np.ndarray:
    """``[rows] int32``: number of each document's file; a file takes the documents that start in its ``max_bytes``."""
    if not len(sizes):
        return np.zeros(0, np.int32)
    slot = (np.cumsum(sizes, dtype=np.int64) - sizes) // max_bytes
    return np.concatenate([[0], np.cumsum(np.diff(slot) > 0)]).astype(np.int32)


@dataclass(frozen=True)
class Assignment:
    """Assignments of documents: one entry per document, in the order of the corpus."""

    set_number: np.ndarray  # int16, index of sets_of(domains); NO_SET if it is in no set
    reason: np.ndarray  # int8, index of REASONS
    shard: np.ndarray  # int32
    repeats: np.ndarray  # uint16


def sets_of(domains: Domains) -> list[tuple[str, str]]:
    """``(domain, split)`` in the order of their numbers."""
    return [(name, split) for name in domains for split in SPLITS]


def assign(
    domain: np.ndarray,
    positions: np.ndarray,
    sizes: np.ndarray,
    repeats: np.ndarray,
    domains: Domains,
    balance: BalanceConfig,
) -> Assignment:
    """Assigns all documents at once; only training documents are repeated."""
    assigned = Assignment(
        np.full(len(domain), NO_SET, np.int16),
        (domain == NO_DOMAIN).astype(np.int8),
        np.zeros(len(domain), np.int32),
        np.where(domain >= 0, repeats, np.uint16(0)).astype(np.uint16),
    )
    for number, settings in enumerate(domains.values()):
        rows = np.flatnonzero(domain == number)
        keep = within_cap(positions[rows], sizes[rows], settings.max_bytes)
        assigned.reason[rows[~keep]] = REASONS.index("domain_full")
        assigned.repeats[rows[~keep]] = 0
        rows = rows[keep]
        valid = split_of(positions[rows], sizes[rows], balance.valid_fraction)
        assigned.repeats[rows[valid]] = 1
        for split, mine in enumerate((rows[~valid], rows[valid])):
            assigned.set_number[mine] = len(SPLITS) * number + split
            assigned.shard[mine] = file_numbers(
                np.multiply(sizes[mine], assigned.repeats[mine], dtype=np.int64), balance.shard_bytes
            )
    return assigned
