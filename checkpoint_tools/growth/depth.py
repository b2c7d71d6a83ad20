"""Depth growth: a Store whose layers are those of a layer map, its new layers silent if asked for.

Owns which weights silence a layer; ``layer_maps`` owns the maps.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from checkpoint_tools.formats.store import DTYPES, Store
from checkpoint_tools.growth.layer_maps import LayerMap
from megatron_ko.config.model import ModelConfig
from megatron_ko.planning.weights import Weight

_OUTPUTS = ("self_attn.o_proj.", "mlp.down_proj.")


def deepen(store: Store, layer_map: LayerMap, silent: frozenset[int] = frozenset()) -> Store:
    """The Store with the layers of ``layer_map``; those in ``silent`` add nothing to the residual stream.

    Reads one tensor of the source for each of the result.
    """
    model = replace(store.model, layers=len(layer_map.layers))

    def read(name: str) -> Tensor:
        entry = grown.entries[name]
        if entry.layer is None:
            return store.tensor(name)
        if entry.layer in silent and _silences(entry.weight, model):
            dtype = DTYPES.get(store.dtype, torch.float32)  # a mixed source is written in one format
            return torch.full(entry.shape, _zero_gain(entry.weight, model), dtype=dtype)
        return store.tensor(_source_name(entry.weight, layer_map, entry.layer))

    grown = replace(store, model=model, read=read)
    return grown


def _source_name(weight: Weight, layer_map: LayerMap, layer: int) -> str:
    return weight.name.format(layer=layer_map.layers[layer])


def _silences(weight: Weight, model: ModelConfig) -> bool:
    """Whether a layer adds nothing when this weight and the others of its kind are zero.

    Output projections and their biases; under a norm of the output, that norm's gain alone: the derivative of a norm at zero is
    1 / sqrt(epsilon), and with gain and projection at zero neither would ever learn.
    """
    if model.residual == "sandwich":
        return weight.exists == "sandwich"
    return any(part in weight.name for part in _OUTPUTS)


def _zero_gain(weight: Weight, model: ModelConfig) -> float:
    """0, or -1 for a norm that multiplies by 1 + weight."""
    return -1.0 if weight.exists == "sandwich" and model.norm == "rms_shifted" else 0.0
