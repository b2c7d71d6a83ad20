"""LoRA adapters as arithmetic: which weights have one, its names, and its parameters. No torch.

Owns the names of targets and the shapes of both factors; everything else comes from the table of weights. A weight W
[outputs, inputs] gets factors A [rank, inputs] and B [outputs, rank] (Hu et al. 2021, arXiv 2106.09685). Tensor
parallelism splits the factor that shares the split axis of the weight; every rank has the other one whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from megatron_ko.config.model import ModelConfig
from megatron_ko.config.training import AdapterConfig, ParallelConfig
from megatron_ko.planning.weights import TABLE, Weight, axis_sizes

LAYERS = "decoder.layers."
_GROUPS = {"qkv": ("q", "k", "v"), "fc1": ("gate", "up")}
FACTORS: tuple[Literal["a", "b"], ...] = ("a", "b")


def expand_target(target: str) -> tuple[str, ...]:
    """Names of the single weights of a target: ``qkv`` is ``q``, ``k`` and ``v``."""
    return _GROUPS.get(target, (target,))


def single_targets(lora: AdapterConfig | None) -> list[str]:
    """Names of the single weights with an adapter, in the order of the forward pass; none without ``lora``."""
    return [target_of(weight) for weight in adapted_weights(lora.targets)] if lora else []


def target_of(weight: Weight) -> str:
    """Name of a weight among the targets: ``q``, ``k``, ``v``, ``proj``, ``gate``, ``up`` or ``fc2``."""
    return weight.part or module_of(weight).rpartition("linear_")[2]


def module_of(weight: Weight) -> str:
    """megatron-core's module of a weight inside a layer, such as ``self_attention.linear_qkv``."""
    return weight.stored.removeprefix(LAYERS).removesuffix(".weight")


def adapted_weights(targets: Sequence[str]) -> list[Weight]:
    """Rows of the table that get an adapter, in the order of the forward pass."""
    names = {name for target in targets for name in expand_target(target)}
    return [
        weight
        for weight in TABLE
        if weight.per_layer and weight.use == "product" and target_of(weight) in names
    ]


def stored_name(weight: Weight, factor: str) -> str:
    """Name of a factor in a checkpoint, where layers are stacked along a leading axis."""
    return f"{LAYERS}{module_of(weight)}.lora.{target_of(weight)}.{factor}"


def is_adapter(name: str) -> bool:
    """Whether a parameter or tensor of this name is a factor of an adapter."""
    return ".lora." in name


def factor_shape(weight: Weight, factor: str, sizes: dict[str, int], rank: int) -> tuple[int, int]:
    """Shape of the factor ``a`` or ``b`` of one layer, not split."""
    outputs, inputs = weight.shape(sizes)
    return (rank, inputs) if factor == "a" else (outputs, rank)


def split_dim(weight: Weight, factor: str) -> int | None:
    """Dimension of a factor that tensor-parallel ranks split, or None if every rank has it whole."""
    dim = weight.tensor_parallel_dim
    return dim if (factor == "a") == (dim == 1) else None


def adapter_parameters(
    model: ModelConfig,
    rank: int,
    targets: Sequence[str],
    parallel: ParallelConfig | None = None,
    layers: int | None = None,
) -> int:
    """Parameters of all adapters, or of those on one rank of ``parallel``, whose stage has ``layers``."""
    sizes, total = axis_sizes(model, 1), 0
    for weight in adapted_weights(targets):
        for factor in FACTORS:
            rows, columns = factor_shape(weight, factor, sizes, rank)
            ranks = parallel.tensor if parallel and split_dim(weight, factor) is not None else 1
            total += rows * columns // ranks
    if layers is None:
        layers = model.layers // (parallel.pipeline if parallel else 1)
    return total * layers
