"""Rows for new tokens, computed from the old rows of one matrix.

Owns the named initializations and their arithmetic. Every rule but ``random`` is a weighted mean of old rows, with
weights that sum to 1, computed in fp32 and rounded once to the number format of the matrix.

Sources: mean of the old pieces: Gee et al. 2022 (Fast Vocabulary Transfer, 2402.09977); mean of all rows: Hewitt 2021;
first piece for the output: EEVE (2402.14714); the five that RedWhale (2408.11294) compares; ``focus``: Dobler and
de Melo 2023 (2305.14481). ``weighted`` and ``last-piece`` are our own, and so are choices that a paper leaves open.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Rule = Literal["random", "mean", "pieces", "first", "last", "bytes", "position", "similar"]
OLD_ROWS_PER_BLOCK = 1 << 14
"""Old rows that are summed at one time."""
NEW_ROWS_PER_BLOCK = 1 << 10
"""New rows that are computed at one time, with the rows of all their pieces in memory."""


@dataclass(frozen=True)
class Initialization:
    """Rules for the input rows (embedding) and the output rows (head), and a description."""

    input: Rule
    output: Rule
    description: str


METHODS: dict[str, Initialization] = {
    "random": Initialization("random", "random", "normal, with mean and deviation of the old rows, or --random-std"),
    "mean": Initialization("mean", "mean", "mean of all old rows"),
    "decompose-input": Initialization("pieces", "random", "input: mean of old pieces; output: random"),
    "decompose-output": Initialization("random", "pieces", "input: random; output: mean of old pieces"),
    "decompose": Initialization("pieces", "pieces", "mean of old pieces (RedWhale)"),
    "eeve": Initialization("pieces", "first", "input: mean of old pieces; output: first old piece (EEVE)"),
    "last-piece": Initialization("last", "pieces", "input: last old piece; output: mean of old pieces"),
    "weighted": Initialization(
        "bytes", "position", "old pieces, input by their bytes, output halved from piece to piece"
    ),
    "focus": Initialization("similar", "similar", "old tokens that are used alike in --focus-text (FOCUS)"),
}  # fmt: skip


def tied_methods() -> list[str]:
    """Initializations with the same rule for input and output, the only ones possible where both are one matrix."""
    return [name for name, method in METHODS.items() if method.input == method.output]


# --- sparse weights --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Combination:
    """Row i is the sum of ``weights[j] * old[ids[j]]`` over j in ``offsets[i]:offsets[i + 1]``.

    The weights of a row sum to 1. A row without weights becomes the mean of all old rows.
    """

    offsets: Tensor
    ids: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def empty(self) -> Tensor:
        """[rows] bool: rows without weights."""
        return self.offsets[1:] == self.offsets[:-1]


def combination(rows: Sequence[Sequence[tuple[int, float]]]) -> Combination:
    """Builds a Combination from lists of ``(old id, weight)``; the weights of a row are divided by their sum."""
    lengths = torch.tensor([0, *(len(row) for row in rows)], dtype=torch.int64)
    ids = torch.tensor([number for row in rows for number, _ in row], dtype=torch.int64)
    totals = [sum(weight for _, weight in row) for row in rows]
    weights = [weight / total for row, total in zip(rows, totals) for _, weight in row]
    return Combination(lengths.cumsum(0), ids, torch.tensor(weights, dtype=torch.float32))


def combinations_of(pieces: Sequence[Sequence[int]], sizes: Sequence[int]) -> dict[Rule, Combination]:
    """The rules that need only the decomposition. ``sizes[id]`` is the number of bytes of an old piece.

    ``bytes``: a piece counts by the bytes of the token's text that it covers. ``position``: the model reaches a token
    by predicting its first piece, so each later piece counts half as much as the previous one; ``pieces`` has equal
    weights, ``first`` puts all weight on the first piece. ``last`` mirrors ``first`` for the input: the model continues
    from the last piece that it read.
    """
    return {
        "pieces": combination([[(number, 1.0) for number in row] for row in pieces]),
        "first": combination([[(number, 1.0) for number in row[:1]] for row in pieces]),
        "last": combination([[(number, 1.0) for number in row[-1:]] for row in pieces]),
        "bytes": combination([[(number, float(sizes[number])) for number in row] for row in pieces]),
        "position": combination([[(number, 0.5**i) for i, number in enumerate(row)] for row in pieces]),
    }


# --- rows ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """Computes new rows of any matrix of the model. ``used`` are the ids of old tokens, without padding and gaps.

    ``random_std`` is the standard deviation of random rows around 0; None takes mean and deviation of the old rows.
    """

    count: int
    used: Tensor
    combinations: dict[Rule, Combination]
    seed: int
    random_std: float | None = None

    def make(self, name: str, old: Tensor, rule: Rule) -> Tensor:
        """New rows [count, hidden] in the number format of the matrix ``old`` [vocab, hidden], whose weight is ``name``."""
        if rule == "random":
            return self._random(name, old).to(old.dtype)
        average = mean_row(old, self.used)
        if rule == "mean":
            return average.expand(self.count, -1).to(old.dtype)
        weights = self.combinations[rule]
        new = torch.empty(self.count, old.shape[1], dtype=old.dtype)
        for start in range(0, self.count, NEW_ROWS_PER_BLOCK):
            stop = min(start + NEW_ROWS_PER_BLOCK, self.count)
            first, last = int(weights.offsets[start]), int(weights.offsets[stop])
            rows = torch.nn.functional.embedding_bag(
                torch.arange(last - first),
                old[weights.ids[first:last]].float(),
                weights.offsets[start:stop] - first,
                mode="sum",
                per_sample_weights=weights.weights[first:last],
            )
            rows[weights.empty[start:stop]] = average
            new[start:stop] = rows.to(old.dtype)
        return new

    def _random(self, name: str, old: Tensor) -> Tensor:
        """Normal numbers [count, hidden]; the seed and the matrix determine them."""
        mean, deviation = self._spread(old) if self.random_std is None else (0.0, self.random_std)
        digest = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
        return torch.empty(self.count, old.shape[1]).normal_(mean, deviation, generator=generator)

    def _spread(self, old: Tensor) -> tuple[float, float]:
        """Mean and standard deviation of all numbers in the rows ``used``."""
        total = square = 0.0
        for block in self.used.split(OLD_ROWS_PER_BLOCK):
            values = old[block].double()
            total += values.sum().item()
            square += values.square().sum().item()
        size = len(self.used) * old.shape[1]
        mean = total / size
        return mean, max(square / size - mean * mean, 0.0) ** 0.5


def mean_row(old: Tensor, used: Tensor) -> Tensor:
    """Mean of the rows ``used`` [hidden] in fp32, summed in fp64 block by block."""
    total = torch.zeros(old.shape[1], dtype=torch.float64)
    for block in used.split(OLD_ROWS_PER_BLOCK):
        total += old[block].double().sum(0)
    return (total / len(used)).float()
