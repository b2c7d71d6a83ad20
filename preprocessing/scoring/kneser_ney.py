"""Interpolated Kneser-Ney estimates of order three, over any stream of numbered symbols.

Owns the counts, the discounts and the logarithms that the kernel looks up. The formulas are from Chen and Goodman 1998
(sections 2.7 and 2.8), with one discount per order, n1 / (n1 + 2 n2), from Ney, Essen and Kneser 1994.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from preprocessing.kernels.language_model import BITS, Level
from preprocessing.kernels.tables import keys_of, new_table

START, FIRST = 1, 4  # the start mark, and the lowest number of a word
SECOND = np.uint64((1 << BITS) - 1)
PAIR = np.uint64((1 << 2 * BITS) - 1)
LEAST_WEIGHT = 1e-6


@dataclass(frozen=True)
class Ngrams:
    """Logarithms by n-gram. ``symbols[i]`` is the key of symbol ``numbers[i]``; n-grams are packed numbers, sorted."""

    symbols: np.ndarray
    numbers: np.ndarray
    log1: np.ndarray
    back1: np.ndarray
    pairs: np.ndarray
    log2: np.ndarray
    back2: np.ndarray
    triples: np.ndarray
    log3: np.ndarray
    start: np.ndarray  # number of the start mark, its weight, the weight of unknown symbols

    def level(self) -> Any:
        """The tables of the kernel."""
        table1, number1, log1, back1 = _side_by_side(
            self.symbols, self.numbers.view(np.float32), self.log1, self.back1
        )
        table2, log2, back2 = _side_by_side(keys_of(self.pairs), self.log2, self.back2)
        table3, log3 = _side_by_side(keys_of(self.triples), self.log3)
        rest = int(self.start[0]), float(self.start[1]), float(self.start[2])
        return Level(table1, number1.view(np.int32), log1, back1, table2, log2, back2, table3, log3, *rest)


def _side_by_side(keys: np.ndarray, *values: np.ndarray) -> list[np.ndarray]:
    """The table of the keys and its columns of values; each row lies in one cache line."""
    table, places = new_table(keys)
    words = 2 if len(values) <= 2 else 4
    rows = np.zeros((len(table), words), np.uint64)
    rows[:, 0] = table
    numbers = rows.view(np.float32)
    for column, value in enumerate(values, 2):
        numbers[places, column] = value
    return [rows[:, 0], *(numbers[:, column] for column in range(2, 2 + len(values)))]


def estimate(
    stream: np.ndarray, symbols: np.ndarray, numbers: np.ndarray, base: np.ndarray, max_ngrams: int
) -> Ngrams:
    """Interpolated Kneser-Ney over a stream of numbers, in which START begins a document and 0 is unknown.

    The probability of n-grams beyond ``max_ngrams`` moves to the weight of the shorter n-gram, so every distribution
    still sums to one.
    """
    pairs, pair_counts = _count(_pack(stream, 2))
    triples, triple_counts = _count(_pack(stream, 3))
    keep2, keep3 = _limit(pair_counts, triple_counts, max_ngrams)
    preceding = _count(triples & PAIR)
    continuations = np.zeros(len(pairs), np.int64)
    continuations[np.searchsorted(pairs, preceding[0])] = preceding[1]
    continuations = np.maximum(continuations, 1)  # nothing precedes a start
    continuations = np.where(pairs >> np.uint64(BITS) == START, pair_counts, continuations)

    of_pair = np.searchsorted(numbers, (pairs & SECOND).astype(np.int64))
    single = np.bincount(of_pair, minlength=len(numbers))
    p1, weight1 = _discount(single, np.zeros(len(single), np.int64), np.ones(len(single), bool), 1)
    p1 = p1 + weight1[0] * np.exp(base)
    before = (pairs >> np.uint64(BITS)).astype(np.int64)
    contexts = np.unique(before)
    context_of = np.searchsorted(contexts, before)
    p2, weight2 = _discount(continuations, context_of, keep2, len(contexts))
    p2 = p2 + weight2[context_of] * p1[of_pair]
    longer = np.searchsorted(pairs, triples >> np.uint64(BITS))
    p3, weight3 = _discount(triple_counts, longer, keep3, len(pairs))
    p3 = p3 + weight3[longer] * p2[np.searchsorted(pairs, triples & PAIR)]

    back1 = np.zeros(len(numbers))
    inside = contexts != START
    back1[np.searchsorted(numbers, contexts[inside])] = np.log(weight2[inside])
    start = np.array([START, np.log(weight2[~inside])[0], np.log(weight1[0])], np.float64)
    single_precision = np.float32
    return Ngrams(
        symbols, numbers.astype(np.int32), np.log(p1).astype(single_precision), back1.astype(single_precision),
        pairs[keep2], np.log(p2[keep2]).astype(single_precision), np.log(weight3[keep2]).astype(single_precision),
        triples[keep3], np.log(p3[keep3]).astype(single_precision), start,
    )  # fmt: skip


def _pack(stream: np.ndarray, length: int) -> np.ndarray:
    """Packed n-grams of known symbols that do not cross a start."""
    count = max(len(stream) - length + 1, 0)
    parts = [stream[k : k + count] for k in range(length)]
    good = np.all([part != 0 for part in parts] + [part != START for part in parts[1:]], axis=0)
    packed = np.zeros(int(good.sum()), np.uint64)
    for part in parts:
        packed = packed << np.uint64(BITS) | part[good].astype(np.uint64)
    return packed


def _count(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.unique(packed, return_counts=True)


def _limit(pair_counts: np.ndarray, triple_counts: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the n-grams to keep: drops the rarest triples, then the rarest pairs, until at most ``limit`` are left."""
    least2 = least3 = 1
    while np.count_nonzero(pair_counts >= least2) + np.count_nonzero(triple_counts >= least3) > limit:
        if least3 == least2:
            least3 += 1
        else:
            least2 += 1
    return pair_counts >= least2, triple_counts >= least3


def _discount(
    counts: np.ndarray, context_of: np.ndarray, keep: np.ndarray, contexts: int
) -> tuple[np.ndarray, np.ndarray]:
    """``(share after the discount, [contexts] remaining weight)``."""
    once, twice = np.count_nonzero(counts == 1), np.count_nonzero(counts == 2)
    discount = min(max(once / (once + 2 * twice), 0.1), 0.9) if once else 0.5
    totals = np.bincount(context_of, counts, contexts)
    share = np.maximum(counts - discount, 0) / np.maximum(totals[context_of], 1)
    used = np.bincount(context_of, np.where(keep, share, 0), contexts)
    return share, np.maximum(1 - used, LEAST_WEIGHT)
