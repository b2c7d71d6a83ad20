"""The weights of ``focus``: old tokens that are used like a new one.

Owns FOCUS (Dobler and de Melo 2023, 2305.14481) in this form: static vectors of all tokens of the *new* tokenizer are
learned from text; the row of a new token is the mean of old rows, weighted by the sparsemax of their cosine
similarities to it (Martins and Astudillo 2016). The paper learns its vectors with fastText; here they are the square
root of the singular values times the left singular vectors of the positive pointwise mutual information of tokens
at most ``WINDOW`` apart (Levy, Goldberg and Dagan 2015). That needs no library and is reproducible bit by bit.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from checkpoint_tools.embeddings.initializations import Combination
from megatron_ko.errors import DataError, Problem
from megatron_ko.progress import progress

WINDOW = 5
SMOOTHING = 0.75
"""Power of the context's frequency: rare contexts count less."""
DIMENSIONS = 128
MIN_COUNT = 5
"""A token needs this many occurrences in the text to have its own vector."""
MAX_TOKENS = 4_000_000
_BLOCK = 1 << 19
_ROWS = 512


def learn_vectors(ids: Sequence[int] | Tensor, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """``(tokens [n], vectors [n, d] of length 1)`` of tokens that occur at least MIN_COUNT times in ``ids``."""
    stream = torch.as_tensor(ids, dtype=torch.int64)
    counts = torch.bincount(stream, minlength=size)
    frequent = torch.nonzero(counts >= MIN_COUNT).flatten()
    index = torch.full((size,), -1, dtype=torch.int64)
    index[frequent] = torch.arange(len(frequent))
    ppmi = _ppmi(index[stream], len(frequent))
    learned = _left_singular(ppmi, min(DIMENSIONS, len(frequent)), seed)
    length = learned.norm(dim=1, keepdim=True)
    meaningful = length.flatten() > 1e-6
    return frequent[meaningful], (learned / length.clamp_min(1e-12))[meaningful]


def _ppmi(stream: Tensor, count: int) -> Tensor:
    """Sparse [count, count] fp32: max(0, log p(a, b) / (p(a) p(b)^SMOOTHING)), pairs at most WINDOW apart, both ways."""
    keys = torch.empty(0, dtype=torch.int64)
    totals = torch.empty(0, dtype=torch.int64)
    for start in range(0, len(stream), _BLOCK):
        part = stream[start : start + _BLOCK + WINDOW]
        near = []
        for distance in range(1, WINDOW + 1):
            a = part[: min(_BLOCK, len(part) - distance)]
            b = part[distance : distance + len(a)]
            both = (a >= 0) & (b >= 0)
            near += [a[both] * count + b[both], b[both] * count + a[both]]
        unique, number = torch.unique(torch.cat([keys, *near]), return_inverse=True)
        weight = torch.cat([totals, torch.ones(len(number) - len(keys), dtype=torch.int64)])
        totals = torch.zeros(len(unique), dtype=torch.int64).index_add_(0, number, weight)
        keys = unique
    rows, columns = keys // count, keys % count
    pairs = totals.double()
    of_row = torch.zeros(count, dtype=torch.float64).index_add_(0, rows, pairs)
    context = of_row**SMOOTHING
    value = torch.log(pairs / of_row[rows] / (context / context.sum())[columns])
    positive = value > 0
    starts = torch.zeros(count + 1, dtype=torch.int64)
    starts[1:] = torch.bincount(rows[positive], minlength=count).cumsum(0)
    return _sparse(starts, columns[positive], value[positive].float(), count)


def _sparse(starts: Tensor, columns: Tensor, values: Tensor, count: int) -> Tensor:
    with warnings.catch_warnings():
        # torch warns that this layout is in beta and that its invariants are not checked
        warnings.filterwarnings("ignore", message="Sparse")
        return torch.sparse_csr_tensor(starts, columns, values, (count, count))


def _left_singular(matrix: Tensor, rank: int, seed: int) -> Tensor:
    """``U sqrt(S)`` [rows, rank] of a square sparse matrix, by randomized iteration (Halko, Martinsson, Tropp 2011)."""
    width = min(rank + 16, matrix.shape[0])
    generator = torch.Generator().manual_seed(seed)
    back = _transpose(matrix)
    basis, _ = torch.linalg.qr(matrix @ torch.randn(matrix.shape[1], width, generator=generator))
    for _ in range(4):
        basis, _ = torch.linalg.qr(matrix @ torch.linalg.qr(back @ basis)[0])
    left, values, _ = torch.linalg.svd((back @ basis).t(), full_matrices=False)
    return (basis @ left[:, :rank]) * values[:rank].sqrt()


def _transpose(matrix: Tensor) -> Tensor:
    count = matrix.shape[0]
    rows = torch.repeat_interleave(torch.arange(count), matrix.crow_indices().diff())
    columns = matrix.col_indices()
    order = torch.argsort(columns, stable=True)  # rows ascend already
    starts = torch.zeros(count + 1, dtype=torch.int64)
    starts[1:] = torch.bincount(columns, minlength=count).cumsum(0)
    return _sparse(starts, rows[order], matrix.values()[order], count)


def sparsemax(scores: Tensor) -> Tensor:
    """The point of the simplex nearest to each row of ``scores`` [rows, n]; most of its coordinates are 0."""
    ordered, _ = scores.sort(dim=1, descending=True)
    ranks = torch.arange(1, scores.shape[1] + 1, dtype=scores.dtype)
    cumulated = ordered.cumsum(1) - 1
    support = (ordered * ranks > cumulated).sum(1, keepdim=True)
    threshold = cumulated.gather(1, support - 1) / support
    return (scores - threshold).clamp_min(0)


def learn_similar(
    ids: Sequence[int] | Tensor, old_size: int, size: int, fallback: Combination, seed: int
) -> tuple[Combination, int]:
    """Weights of the new tokens ``old_size ... size - 1`` over old ones, learned from the text ``ids``.

    Tokens that are rare in the text have the weights of ``fallback``; the second value is their number.
    """
    tokens, learned = learn_vectors(ids, size, seed)
    old = tokens < old_size
    if not old.any() or old.all():
        which = "new" if old.any() else "old"
        message = (
            f"no {which} token occurs {MIN_COUNT} times, so nothing can be learned; give more text in the language of "
            "the new tokens"
        )
        raise DataError([Problem("", "--focus-text", message, "too-little-text")])
    anchors, anchor_ids = learned[old], tokens[old]
    rows: list[tuple[Tensor, Tensor]] = [
        (fallback.ids[a:b], fallback.weights[a:b])
        for a, b in zip(fallback.offsets.tolist(), fallback.offsets.tolist()[1:])
    ]
    new, row_numbers = learned[~old], (tokens[~old] - old_size).tolist()
    starts = range(0, len(new), _ROWS)
    for start in progress(starts, "similar tokens", unit="block"):
        weights = sparsemax(new[start : start + _ROWS] @ anchors.t())
        for number, row in zip(row_numbers[start : start + _ROWS], weights):
            chosen = torch.nonzero(row).flatten()
            rows[number] = (anchor_ids[chosen], row[chosen] / row[chosen].sum())
    lengths = torch.tensor([0, *(len(i) for i, _ in rows)], dtype=torch.int64)
    combination = Combination(
        lengths.cumsum(0), torch.cat([i for i, _ in rows]), torch.cat([weight for _, weight in rows])
    )
    return combination, len(rows) - len(row_numbers)


def join_documents(texts: Iterable[Sequence[int]], separator: int) -> Tensor:
    """At most MAX_TOKENS ids [tokens] of the documents, each after ``separator``."""
    joined: list[int] = []
    for ids in texts:
        joined.append(separator)
        joined.extend(ids)
        if len(joined) >= MAX_TOKENS:
            break
    return torch.tensor(joined[:MAX_TOKENS], dtype=torch.int64)
