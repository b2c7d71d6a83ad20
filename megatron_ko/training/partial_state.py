"""The optimizer state of a stage in which only some weights train, as a checkpoint holds it.

megatron-core stacks the layers of a weight into one tensor, which must be complete. Where only some layers train, each
layer's state is a tensor of its own here: ``decoder.layers.3.mlp...`` for ``decoder.layers.mlp...``. Anchors are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from megatron_ko.training.optimizer import distributed_optimizers

_LAYERS = "decoder.layers."


def separate_layers(state: dict[str, Any], optimizer: Any, anchors: Sequence[Any]) -> None:
    """Changes the sharded ``state`` of ``optimizer`` in place."""
    tensors = state.get("param_state")
    if tensors is None:
        return
    for number in list(_numbers_of(optimizer, anchors)):
        del tensors[number]
    if not tensors:
        del state["param_state"]  # an empty entry would be state of this rank alone
    for entry in tensors.values():
        for name, value in entry.items():
            entry[name] = _separate(value)


def fill_anchors(state: dict[str, Any], optimizer: Any, anchors: Sequence[Any]) -> None:
    """Adds what ``separate_layers`` left out to a loaded ``state``: the weights as they are, and zero moments."""
    if not anchors:
        return
    tensors = state.setdefault("param_state", {})
    for number, parameter in _numbers_of(optimizer, anchors).items():
        weight = parameter.detach().float()
        zeros = torch.zeros_like(weight)
        tensors[number] = {"param": weight, "exp_avg": zeros, "exp_avg_sq": zeros}


def _numbers_of(optimizer: Any, anchors: Sequence[Any]) -> dict[int, Any]:
    """Anchors by their number in the optimizer state, which counts parameters in the order of the buffers."""
    wanted = {id(parameter) for parameter in anchors}
    return {n: p for n, p in enumerate(_parameters_of(optimizer)) if id(p) in wanted}


def _parameters_of(optimizer: Any) -> Iterator[Any]:
    for part in distributed_optimizers(optimizer):
        for buffer in part.buffers:
            yield from buffer.param_index_map


def _separate(value: Any) -> Any:
    """A description of a stacked tensor as one of its layer; others are unchanged."""
    from megatron.core.dist_checkpointing.mapping import ShardedTensor, ShardedTensorFactory

    if isinstance(value, ShardedTensorFactory):
        return replace(value, build_fn=_separating(value.build_fn))
    if not isinstance(value, ShardedTensor) or value.prepend_axis_num != 1:
        return value
    layer = value.global_offset[0]
    assert _LAYERS in value.key, f"{value.key} is stacked, but not over layers"
    return replace(
        value,
        key=value.key.replace(_LAYERS, f"{_LAYERS}{layer}."),
        global_shape=value.global_shape[1:],
        global_offset=value.global_offset[1:],
        axis_fragmentations=value.axis_fragmentations and value.axis_fragmentations[1:],
        prepend_axis_num=0,
    )


def _separating(build: Callable[..., Any]) -> Callable[..., Any]:
    """``build`` of a factory whose tensors are separated, too."""

    def separated(*arguments: Any, **options: Any) -> Any:
        built = build(*arguments, **options)
        if isinstance(built, dict):
            return {name: _separate(item) for name, item in built.items()}
        return type(built)(_separate(item) for item in built)

    return separated
