"""The weights of a rank beside the table of weights: what each of its parameters is, and the initial values of all.

Owns initial weights that are independent of layout and device.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from megatron_ko.config.model import ModelConfig
from megatron_ko.errors import ConfigError, Problem
from megatron_ko.planning.adapters import is_adapter
from megatron_ko.planning.hidden_states import is_projection
from megatron_ko.planning.weights import Stored, stored_tensors
from megatron_ko.training import engine
from megatron_ko.training.chunks import chunks_of


@torch.no_grad()
def initialize(gpt: Any, model: ModelConfig, vocab_size: int, seed: int) -> None:
    """Initializes weights according to the table, depending on seed and tensor name but not on layout or device.

    Draws each global tensor with a generator seeded by (seed, name, layer) and takes this rank's part, so all layouts and
    devices start from the same model. The standard deviation is init_std, and init_std / sqrt(2 layers) for the two projections back to
    the residual stream (GPT-2). Norms multiply by 1; biases and rows of padding are 0.
    """
    deviation = {"normal": model.init_std, "residual": model.init_std / math.sqrt(2 * model.layers)}
    for stored, value in stored_weights(gpt, model):
        weight = stored.first
        if weight.start == "ones":
            value.data.fill_(0.0 if model.norm == "rms_shifted" else 1.0)
        elif weight.start == "zeros":
            value.data.zero_()
        else:
            rows = vocab_size if weight.has_row_per_token else None
            target = engine.writable(value)
            for part in parts_of(target):
                part.data.copy_(draw(part, deviation[weight.start], seed, rows))
            if target is not value:
                value.data.copy_(target.data)


def draw(part: Any, std: float, seed: int, rows: int | None) -> Tensor:
    """Draws this rank's slice of the global tensor ``part.key`` (of one layer if layers are stacked)."""
    stacked = part.prepend_axis_num
    layer = part.global_offset[:stacked]
    shape, offset = part.global_shape[stacked:], part.global_offset[stacked:]
    digest = hashlib.sha256(f"{seed}/{part.key}/{layer}".encode()).digest()
    # on the CPU: the generator of a GPU draws other numbers
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
    full = torch.empty(shape, dtype=torch.float32).normal_(0.0, std, generator=generator)
    if rows is not None:
        full[rows:] = 0.0
    index = tuple(slice(start, start + size) for start, size in zip(offset, part.data.shape))
    return full[index]


def stored_weights(gpt: Any, model: ModelConfig) -> list[tuple[Stored, Any]]:
    """Pairs this rank's parameters, as megatron-core describes them for a checkpoint, with their tensors of the table, except
    adapters and projections of hidden states.

    ``data`` of a description is the parameter itself. Local and Transformer Engine's layers have the same names.
    Raises ConfigError for parameters without a row in the table.
    """
    table = {stored.name: stored for stored in stored_tensors(model)}
    names = {
        id(parameter): name
        for name, parameter in gpt.named_parameters()
        if not is_adapter(name) and not is_projection(name)
    }
    described = [v for chunk in chunks_of(gpt) for v in chunk.sharded_state_dict().values()]
    values = [value for value in described if id(getattr(value, "data", None)) in names]
    undescribed = set(names) - {id(value.data) for value in values}
    unknown = sorted({value.key for value in values} - set(table)) + [names[i] for i in undescribed]
    if unknown:
        message = (
            f"adds weights that are missing from the table of weights: {', '.join(unknown)}; remove the field that adds "
            "them, or add their rows to megatron_ko/planning/weights.py"
        )
        raise ConfigError([Problem("", "model.extra", message, "unknown-weights")])
    return [(table[value.key], value) for value in values]


def parts_of(value: Any) -> list[Any]:
    """Returns the ``ShardedTensor`` of a stored weight; gate and up are separate."""
    from megatron.core.dist_checkpointing.mapping import ShardedTensorFactory

    if not isinstance(value, ShardedTensorFactory):
        return [value]
    built = value.build()
    return list(built.values()) if isinstance(built, dict) else list(built)


@dataclass(frozen=True)
class LocalWeight:
    """A parameter of this rank: its weights of the table, its layer, and the first of its rows in the whole tensor."""

    stored: Stored
    layer: int | None
    parameter: Any
    first_row: int


def local_weights(gpt: Any, model: ModelConfig) -> list[LocalWeight]:
    """This rank's parameters; with tied embeddings the last pipeline stage has a copy."""
    weights = []
    for stored, value in stored_weights(gpt, model):
        part = parts_of(value)[0]
        stacked = part.prepend_axis_num
        layer = part.global_offset[0] if stacked else None
        weights.append(LocalWeight(stored, layer, value.data, part.global_offset[stacked]))
    return weights
