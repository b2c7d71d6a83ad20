"""Weights of several models of one shape as one: linear, spherical, and task vectors (TIES, DARE).

Owns the formulas and what models must have in common. Everything is computed in fp32, tensor by tensor and block by block; each
block is rounded to the number format of the result at once, so that no whole tensor exists in fp32.

Sources: SLERP is Shoemake's (1985) along the arc between two tensors as flat vectors, scaled as they are, as mergekit does it; task
vectors are from arXiv 2212.04089, TIES from 2306.01708, DARE from 2311.03099. TIES and DARE are applied to each tensor by itself.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from checkpoint_tools import verify
from checkpoint_tools.formats.store import BLOCK, DTYPES, Store
from checkpoint_tools.formats.tokenizer_files import info_of
from megatron_ko.config.model import head_size
from megatron_ko.errors import CheckpointError

PARALLEL = 0.9995
"""Cosine from which two tensors have no arc between them: SLERP is linear there."""
COMPUTED = 1 << 17
"""Numbers that are combined at one time, so that what is computed stays in the cache of a core."""
_WITHOUT_WEIGHTS = ("max_sequence_length", "vocab_multiple", "norm_epsilon", "init_std", "rope", "extra")
WITH_BASE = ("task", "ties", "dare", "dare-ties")
"""Methods that add differences from a base."""


@dataclass(frozen=True)
class Mixing:
    """How models are merged. ``weights``: one of each model, in their order.

    ``density``: share of each task vector that stays (TIES: the largest numbers; DARE: random ones, divided by the density).
    ``scale``: factor of the merged task vector. ``seed``: of DARE's choice.
    """

    method: str
    weights: tuple[float, ...]
    density: float = 1.0
    scale: float = 1.0
    seed: int = 1234


def merge(models: Sequence[Store], mixing: Mixing, base: Store | None = None, dtype: str = "fp32") -> Store:
    """The merged model in ``dtype``, with the configuration, tokenizer and ids of the first one.

    Raises CheckpointError unless all models, and the base, have the same weights for the same tokens.
    """
    for other in [*models[1:], *([base] if base else [])]:
        check_same_model(models[0], other)

    def read(name: str) -> Tensor:
        tensors = [model.tensor(name) for model in models]
        if base is not None:
            return _add_task_vectors(name, base.tensor(name), tensors, mixing, target)
        if mixing.method == "slerp":
            return slerp(tensors[0], tensors[1], mixing.weights[1] / sum(mixing.weights), target)
        return mean(tensors, mixing.weights, target)

    target = DTYPES[dtype]
    return replace(models[0], read=read, dtype=dtype, adapter=None)


def check_same_model(store: Store, other: Store) -> None:
    """Raises CheckpointError unless both have the same weights, for the same tokens, in the same computation."""
    ours = _fingerprint(store, other.tokenizer_fingerprint)
    theirs = _fingerprint(other, ours)
    differences = verify.describe_differences(_shape(store), _shape(other))
    if ours and theirs and ours != theirs:  # a model without a tokenizer fits any
        differences.append(f"tokenizer_fingerprint: {ours[:18]} / {theirs[:18]}")
    differences = differences or verify.compare_settings(store, other)
    if differences:
        raise CheckpointError(
            f"{store.origin} and {other.origin} differ in {', '.join(differences)}, so their weights cannot be combined; "
            "choose models of one shape and one tokenizer",
            rule="models-differ",
        )


def _shape(store: Store) -> dict[str, Any]:
    """Numbers and choices on which the weights of a model depend."""
    model = {name: value for name, value in asdict(store.model).items() if name not in _WITHOUT_WEIGHTS}
    return {**model, "head_size": head_size(store.model), "vocab_size": store.vocab_size}


def _fingerprint(store: Store, like: str | None) -> str | None:
    """That of the checkpoint, or of the tokenizer in a Hugging Face folder, computed as ``like`` was."""
    info = None if store.tokenizer_fingerprint else info_of(store.tokenizer, like)
    return info.fingerprint if info else store.tokenizer_fingerprint


# --- tensors ---------------------------------------------------------------------------------------------


def mean(tensors: Sequence[Tensor], weights: Sequence[float], dtype: torch.dtype = torch.float32) -> Tensor:
    """Weighted mean, computed in fp32."""

    def combine(parts: Sequence[Tensor]) -> Tensor:
        return _sum([part.float() for part in parts], weights).div_(sum(weights))

    return _by_blocks(tensors, combine, dtype)


def slerp(first: Tensor, second: Tensor, share: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """The point at ``share`` of the arc from ``first`` to ``second``, as flat vectors, computed in fp32.

    On the line between them where one is zero or they are parallel.
    """
    squares = [_dot(first, first), _dot(second, second)]
    norm = math.sqrt(squares[0] * squares[1])
    cosine = max(-1.0, min(1.0, _dot(first, second) / norm)) if norm else 1.0
    if abs(cosine) > PARALLEL:
        return mean([first, second], [1.0 - share, share], dtype)
    angle = math.acos(cosine)
    factors = math.sin((1.0 - share) * angle) / math.sin(angle), math.sin(share * angle) / math.sin(angle)
    return _by_blocks(
        [first, second],
        lambda parts: parts[0].float() * factors[0] + parts[1].float() * factors[1],
        dtype,
    )


def _dot(a: Tensor, b: Tensor) -> float:
    blocks = zip(a.reshape(-1).split(BLOCK), b.reshape(-1).split(BLOCK), strict=True)
    return sum(float(x.double() @ y.double()) for x, y in blocks)


def _add_task_vectors(
    name: str, base: Tensor, tensors: Sequence[Tensor], mixing: Mixing, dtype: torch.dtype
) -> Tensor:
    """The base plus the merged differences of ``tensors`` from it."""
    trims, drops = mixing.method == "ties", mixing.method.startswith("dare")
    elects = mixing.method.endswith("ties")
    thresholds = [threshold_of(base, tensor, mixing.density) if trims else -1.0 for tensor in tensors]
    generators = [_generator(mixing.seed, name, number) for number in range(len(tensors))]

    def combine(parts: Sequence[Tensor]) -> Tensor:
        origin, vectors = parts[0].float(), []
        for number, part in enumerate(parts[1:]):
            vector = part.float() - origin
            if trims:
                vector[vector.abs() < thresholds[number]] = 0.0
            if drops:
                kept = torch.rand(vector.shape, generator=generators[number]) < mixing.density
                vector = vector * kept / mixing.density
            vectors.append(vector)
        merged = mean_of_elected(vectors, mixing.weights) if elects else _sum(vectors, mixing.weights)
        return origin + mixing.scale * merged

    return _by_blocks([base, *tensors], combine, dtype)


def _sum(vectors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """A new tensor: the weighted sum."""
    total = vectors[0] * weights[0]
    for vector, weight in zip(vectors[1:], weights[1:], strict=True):
        total.add_(vector, alpha=weight)
    return total


def mean_of_elected(vectors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """For each number the weighted mean of those that have the sign of the weighted sum; 0 where none has."""
    sign = _sum(vectors, weights).sign()
    total, weight_sum = torch.zeros_like(sign), torch.zeros_like(sign)
    for vector, weight in zip(vectors, weights, strict=True):
        agrees = (vector.sign() == sign) & (vector != 0)
        total += torch.where(agrees, vector * weight, 0.0)
        weight_sum += weight * agrees
    return torch.where(weight_sum > 0, total / weight_sum.clamp_min(1e-30), 0.0)


def threshold_of(base: Tensor, tensor: Tensor, density: float) -> float:
    """The smallest magnitude among the ``density`` largest differences of a tensor from the base.

    Found by its bits, the upper 16 and then the lower ones, in counts over blocks: sorting would copy the tensor several times.
    The bits of floats that are not negative are in the order of the floats.
    """
    dropped = tensor.numel() - max(1, round(density * tensor.numel()))
    if not dropped:
        return -1.0

    def bits() -> Iterator[Tensor]:
        for x, y in zip(base.reshape(-1).split(BLOCK), tensor.reshape(-1).split(BLOCK), strict=True):
            yield (y.float() - x.float()).abs().view(torch.int32)

    def counts(parts: Iterator[Tensor], size: int) -> Tensor:
        total = torch.zeros(size, dtype=torch.int64)
        for part in parts:
            total += torch.bincount(part, minlength=size)
        return total.cumsum(0)

    upper = counts((block >> 16 for block in bits()), 1 << 15)
    top = int((upper > dropped).nonzero()[0])
    rest = dropped - (int(upper[top - 1]) if top else 0)
    lower = counts((block[block >> 16 == top] & 0xFFFF for block in bits()), 1 << 16)
    found = top << 16 | int((lower > rest).nonzero()[0])
    return float(torch.tensor(found, dtype=torch.int32).view(torch.float32))


def _by_blocks(
    tensors: Sequence[Tensor], combine: Callable[[Sequence[Tensor]], Tensor], dtype: torch.dtype
) -> Tensor:
    """Combines tensors of one shape, number by number, in fp32, and rounds to ``dtype``."""
    result = torch.empty(tensors[0].shape, dtype=dtype)
    flat = [tensor.reshape(-1).split(COMPUTED) for tensor in tensors]
    for out, *parts in zip(result.view(-1).split(COMPUTED), *flat, strict=True):
        out.copy_(combine(parts))
    return result


def _generator(seed: int, name: str, model: int) -> torch.Generator:
    """Random numbers of one tensor of one model, the same in whatever order tensors are read."""
    digest = hashlib.sha256(f"{seed}/{model}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
