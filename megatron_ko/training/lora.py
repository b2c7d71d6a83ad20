"""LoRA: low-rank adapters beside the linear layers of a frozen GPT, in every layout.

Owns the adapters' modules, their initial values and their tensors in a checkpoint; ``planning.adapters`` owns names and shapes.
An adapted layer returns W x + alpha / rank B A x. What ranks exchange is as narrow as A x: a layer that splits its outputs
copies or gathers it, one that splits its inputs reduces it. So the gradient of a factor that every rank has whole is complete,
except under sequence parallelism: there it is a sum over the rank's part of the sequence, and megatron-core adds the parts of
parameters that are marked ``sequence_parallel``.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn

from megatron_ko.config.model import ModelConfig
from megatron_ko.planning.adapters import (
    FACTORS,
    adapted_weights,
    expand_target,
    factor_shape,
    module_of,
    split_dim,
    stored_name,
    target_of,
)
from megatron_ko.planning.weights import TABLE, Weight, axis_sizes
from megatron_ko.training import distributed
from megatron_ko.training.chunks import chunks_of

_ATTACHED = "megatron_ko_adapters"  # attribute of a GPT


@dataclass(frozen=True)
class Attached:
    """The adapters of a GPT: their settings, whether checkpoints contain them alone, and the hooks that add them."""

    settings: tuple[Any, ...]
    alone: bool
    hooks: list[Any]


class LoraSettings(Protocol):
    """What adapters are built from: the section ``lora`` of a run, or the record of a checkpoint."""

    @property
    def rank(self) -> int: ...
    @property
    def alpha(self) -> float: ...
    @property
    def targets(self) -> Any: ...


class Factors(nn.Module):
    """This rank's part of both factors of one weight: ``a`` [rank, inputs] and ``b`` [outputs, rank]."""

    a: Tensor
    b: Tensor

    def __init__(self, weight: Weight, layer: int, model: ModelConfig, rank: int, base: Tensor) -> None:
        super().__init__()
        self.row, self.layer = weight, layer
        sizes = axis_sizes(model, 1)
        for factor in FACTORS:
            shape = factor_shape(weight, factor, sizes, rank)
            part = _part(torch.empty(shape, device="meta"), weight, factor)
            self.register_parameter(
                factor, nn.Parameter(torch.zeros_like(part, dtype=base.dtype, device=base.device))
            )

    @property
    def name(self) -> str:
        """Canonical name of the weight."""
        return self.row.name.format(layer=self.layer)

    @torch.no_grad()
    def put(self, a: Tensor, b: Tensor) -> None:
        """Copies this rank's part of the whole factors."""
        self.a.copy_(_part(a, self.row, "a"))
        self.b.copy_(_part(b, self.row, "b"))

    def mark(self, sequence_parallel: bool) -> None:
        """Marks the split factor for the gradient norm, and the other for the sum over the parts of the sequence."""
        from megatron.core.tensor_parallel.layers import set_tensor_model_parallel_attributes

        for factor in FACTORS:
            parameter, dim = self.get_parameter(factor), split_dim(self.row, factor)
            if dim is None:
                setattr(parameter, "sequence_parallel", sequence_parallel)  # noqa: B010
            else:
                set_tensor_model_parallel_attributes(parameter, True, dim, 1)


class LoraLinear(nn.Module):
    """The adapters of one linear layer of megatron-core, by target."""

    def __init__(
        self, factors: dict[str, Factors], widths: dict[str, int], groups: int, scale: float, sequence: bool
    ) -> None:
        """``widths``: outputs of each weight of the layer on this rank, which alternate ``groups`` times.

        ``sequence``: whether the tensor-parallel ranks split the sequence, too.
        """
        super().__init__()
        for target, pair in factors.items():
            self.add_module(target, pair)
        self.targets = tuple(factors)
        self.widths, self.groups, self.scale, self.sequence = widths, groups, scale, sequence

    def forward(self, x: Tensor) -> Tensor:
        """What is added to the layer's output [sequence, batch, outputs]; ``x`` is its input."""
        from megatron.core.tensor_parallel import mappings

        pairs: dict[str, Any] = {target: self.get_submodule(target) for target in self.targets}
        splits_inputs = all(pair.row.tensor_parallel_dim == 1 for pair in pairs.values())
        reduced = nn.functional.linear(x, torch.cat([pair.a for pair in pairs.values()])) * self.scale
        if splits_inputs and self.sequence:
            reduced = mappings.reduce_scatter_to_sequence_parallel_region(reduced)
        elif splits_inputs:
            reduced = mappings.reduce_from_tensor_model_parallel_region(reduced)
        elif self.sequence:
            reduced = mappings.gather_from_sequence_parallel_region(reduced)
        else:
            reduced = mappings.copy_to_tensor_model_parallel_region(reduced)
        pieces: Any = zip(pairs.items(), reduced.chunk(len(pairs), dim=-1))
        return self._join({name: nn.functional.linear(piece, pair.b) for (name, pair), piece in pieces})

    def update(self) -> Tensor:
        """What the adapters add to this rank's part of the layer's weight [outputs, inputs], in fp32."""
        pairs: dict[str, Any] = {target: self.get_submodule(target) for target in self.targets}
        return self._join({n: (self.scale * (p.b.float() @ p.a.float())).T for n, p in pairs.items()}).T

    def _join(self, updates: dict[str, Tensor]) -> Tensor:
        """Arranges updates as the layer's output, with zeros for weights without an adapter."""
        some = next(iter(updates.values()))
        if len(self.widths) == 1:
            return some
        before = some.shape[:-1]
        columns = [
            updates.get(name, some.new_zeros(*before, width)).view(*before, self.groups, width // self.groups)
            for name, width in self.widths.items()
        ]
        return torch.cat(columns, dim=-1).flatten(-2)


def change(gpt: Any, model: ModelConfig, settings: LoraSettings | None, seed: int) -> None:
    """Gives the GPT the adapters of a stage: those that it has if their settings are the same, or else new ones after merging."""
    attached = getattr(gpt, _ATTACHED, None)
    if attached and settings and attached.settings == _facts(settings):
        return
    if attached:
        merge(gpt)
    if settings:
        attach(gpt, model, settings, seed, alone=False)


@torch.no_grad()
def merge(gpt: Any) -> None:
    """Adds all adapters to their weights and removes them: W + alpha / rank B A, computed in fp32 and rounded to W's format."""
    for module in list(gpt.modules()):
        adapter = getattr(module, "lora", None)
        if isinstance(adapter, LoraLinear):
            module.weight.copy_(module.weight.float() + adapter.update())
            del module.lora
    for hook in getattr(gpt, _ATTACHED).hooks:
        hook.remove()
    delattr(gpt, _ATTACHED)


def attach(
    gpt: Any, model: ModelConfig, settings: LoraSettings, seed: int = 0, *, alone: bool = True
) -> None:
    """Freezes every parameter and adds adapters to this rank's layers: A as in PEFT, uniform in +-1 / sqrt(inputs), and B zero.

    A depends on ``seed`` and the name of the weight, but not on the layout. ``alone``: whether checkpoints of the GPT contain
    nothing but adapters.
    """
    for parameter in gpt.parameters():
        parameter.requires_grad_(False)
    hooks: list[Any] = []
    setattr(gpt, _ATTACHED, Attached(_facts(settings), alone, hooks))
    rows: dict[str, list[Weight]] = {}
    for weight in adapted_weights(settings.targets):
        rows.setdefault(module_of(weight), []).append(weight)
    for layer in (layer for chunk in chunks_of(gpt) for layer in chunk.decoder.layers):
        for name, weights in rows.items():
            hooks.append(
                _adapt(
                    layer.get_submodule(name),
                    weights,
                    layer.layer_number - 1,
                    model,
                    settings,
                    gpt.config,
                    seed,
                )
            )


def _facts(settings: LoraSettings) -> tuple[Any, ...]:
    """What makes adapters the same: rank, alpha and the single weights."""
    single = sorted(name for target in settings.targets for name in expand_target(target))
    return settings.rank, float(settings.alpha), single


def _adapt(
    linear: Any,
    weights: list[Weight],
    layer: int,
    model: ModelConfig,
    settings: LoraSettings,
    config: Any,
    seed: int,
) -> Any:
    """Adds the adapters of ``weights``, which ``linear`` contains; returns the hook."""
    ranks, sizes = dist.get_world_size(distributed.tensor_group()), axis_sizes(model, 1)
    factors = {target_of(w): Factors(w, layer, model, settings.rank, linear.weight) for w in weights}
    for pair in factors.values():
        pair.mark(config.sequence_parallel)
        pair.put(
            _draw_a(pair, model, settings.rank, seed),
            torch.zeros(factor_shape(pair.row, "b", sizes, settings.rank)),
        )
    whole = [weight for weight in TABLE if weight.stored == weights[0].stored]
    widths = {target_of(w): sizes[w.axes[0]] // (ranks if w.tensor_parallel_dim == 0 else 1) for w in whole}
    groups = model.kv_groups // ranks if "k" in widths else 1
    adapter = LoraLinear(factors, widths, groups, settings.alpha / settings.rank, config.sequence_parallel)

    def add(module: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Any]) -> tuple[Tensor, Any]:
        result, bias = output
        return result + adapter(inputs[0]), bias

    linear.lora = adapter
    return linear.register_forward_hook(add)


def _draw_a(pair: Factors, model: ModelConfig, rank: int, seed: int) -> Tensor:
    rows, inputs = factor_shape(pair.row, "a", axis_sizes(model, 1), rank)
    digest = hashlib.sha256(f"{seed}/lora/{pair.name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
    bound = 1 / math.sqrt(inputs)
    return torch.empty(rows, inputs).uniform_(-bound, bound, generator=generator)


def _part(whole: Tensor, weight: Weight, factor: str) -> Tensor:
    """This tensor-parallel rank's part of a whole factor."""
    dim = split_dim(weight, factor)
    if dim is None:
        return whole
    group = distributed.tensor_group()
    return whole.chunk(dist.get_world_size(group), dim)[dist.get_rank(group)]


def factors_of(gpt: Any) -> Iterator[tuple[str, Factors]]:
    """This rank's adapters, each with its module's name."""
    return ((name, module) for name, module in gpt.named_modules() if isinstance(module, Factors))


def only_adapters(gpt: Any) -> bool:
    """Whether checkpoints of the GPT contain nothing but its adapters."""
    attached = getattr(gpt, _ATTACHED, None)
    return attached is not None and attached.alone


def adapter_state(gpt: Any) -> dict[str, Any]:
    """The adapters as megatron-core describes tensors for a checkpoint, by parameter name; empty without adapters."""
    from megatron.core.utils import make_sharded_tensor_for_checkpoint, make_tp_sharded_tensor_for_checkpoint

    state: dict[str, Any] = {}
    for name, pair in factors_of(gpt):
        layers = ((0, pair.layer, gpt.config.num_layers),)
        for factor in FACTORS:
            parameter, key, dim = (
                pair.get_parameter(factor),
                stored_name(pair.row, factor),
                split_dim(pair.row, factor),
            )
            state[f"{name}.{factor}"] = (
                make_sharded_tensor_for_checkpoint(parameter, key, prepend_offsets=layers)
                if dim is None
                else make_tp_sharded_tensor_for_checkpoint(parameter, key, dim, prepend_offsets=layers)
            )
    return state
