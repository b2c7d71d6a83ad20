"""The table of weights of a LLaMA-shaped GPT: every name, its axes, and its place in megatron-core's tensors.

Owns names and shapes only; conversion, parameter counts, slicing and pruning read them from here. Bytes are
``store``'s and the formats'. No torch.

Canonical names are Hugging Face's. An axis is one of
``vocab`` (tokens), ``hidden`` (residual stream), ``q`` (query heads x head size), ``kv`` (key/value groups x head
size), ``ffn`` (SwiGLU width of gate and of up). Tensor parallelism cuts every axis but ``hidden``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from megatron_ko.config.training import ModelConfig, head_size

Axis = Literal["vocab", "hidden", "q", "kv", "ffn"]
Join = Literal["copy", "groups", "stack"]


@dataclass(frozen=True)
class Weight:
    """One row of the table. ``{layer}`` in ``name`` marks a weight that every layer has.

    ``stored`` is megatron-core's name; layers are stacked there on a leading axis. ``part`` names the place inside
    a stored tensor that several weights share.
    """

    name: str
    axes: tuple[Axis, ...]
    stored: str
    part: str = ""
    exists: Literal["always", "untied", "qkv_bias"] = "always"

    @property
    def per_layer(self) -> bool:
        return "{layer}" in self.name

    @property
    def tensor_parallel_dim(self) -> int | None:
        """The dimension that tensor-parallel ranks split, None where all ranks hold the whole."""
        return next((dim for dim, axis in enumerate(self.axes) if axis != "hidden"), None)


@dataclass(frozen=True)
class Stored:
    """One tensor of a megatron-core checkpoint and the weights in it.

    ``join`` says how: ``copy`` one weight; ``groups`` for each key/value group its query heads, its key head, its
    value head; ``stack`` one after the other. Joining is along dimension 0, so the other axes are the first weight's.
    """

    name: str
    weights: tuple[Weight, ...]
    join: Join

    @property
    def per_layer(self) -> bool:
        return self.weights[0].per_layer

    def shape(self, sizes: dict[str, int]) -> tuple[int, ...]:
        """Shape of one layer (or of the whole, where there are no layers)."""
        first = self.weights[0]
        return (sum(sizes[w.axes[0]] for w in self.weights), *(sizes[axis] for axis in first.axes[1:]))


@dataclass(frozen=True)
class Entry:
    """One tensor of one model: a row of the table at a layer, with its shape."""

    name: str
    weight: Weight
    layer: int | None
    shape: tuple[int, ...]


_LAYER, _STORED = "model.layers.{layer}.", "decoder.layers."
_QKV, _FC1 = f"{_STORED}self_attention.linear_qkv", f"{_STORED}mlp.linear_fc1"

TABLE: tuple[Weight, ...] = (
    Weight("model.embed_tokens.weight", ("vocab", "hidden"), "embedding.word_embeddings.weight"),
    Weight(f"{_LAYER}input_layernorm.weight", ("hidden",), f"{_QKV}.layer_norm_weight"),
    Weight(f"{_LAYER}self_attn.q_proj.weight", ("q", "hidden"), f"{_QKV}.weight", "q"),
    Weight(f"{_LAYER}self_attn.k_proj.weight", ("kv", "hidden"), f"{_QKV}.weight", "k"),
    Weight(f"{_LAYER}self_attn.v_proj.weight", ("kv", "hidden"), f"{_QKV}.weight", "v"),
    Weight(f"{_LAYER}self_attn.q_proj.bias", ("q",), f"{_QKV}.bias", "q", "qkv_bias"),
    Weight(f"{_LAYER}self_attn.k_proj.bias", ("kv",), f"{_QKV}.bias", "k", "qkv_bias"),
    Weight(f"{_LAYER}self_attn.v_proj.bias", ("kv",), f"{_QKV}.bias", "v", "qkv_bias"),
    Weight(
        f"{_LAYER}self_attn.o_proj.weight", ("hidden", "q"), f"{_STORED}self_attention.linear_proj.weight"
    ),
    Weight(f"{_LAYER}post_attention_layernorm.weight", ("hidden",), f"{_FC1}.layer_norm_weight"),
    Weight(f"{_LAYER}mlp.gate_proj.weight", ("ffn", "hidden"), f"{_FC1}.weight", "gate"),
    Weight(f"{_LAYER}mlp.up_proj.weight", ("ffn", "hidden"), f"{_FC1}.weight", "up"),
    Weight(f"{_LAYER}mlp.down_proj.weight", ("hidden", "ffn"), f"{_STORED}mlp.linear_fc2.weight"),
    Weight("model.norm.weight", ("hidden",), "decoder.final_layernorm.weight"),
    Weight("lm_head.weight", ("vocab", "hidden"), "output_layer.weight", "", "untied"),
)
"""Rows in the order of a forward pass; rows of one layer stand together."""


def axis_sizes(model: ModelConfig, vocab_size: int) -> dict[str, int]:
    """Length of every axis; ``vocab_size`` counts rows of the embedding, padded or not."""
    width = head_size(model)
    return {
        "vocab": vocab_size,
        "hidden": model.hidden_size,
        "q": model.heads * width,
        "kv": model.kv_groups * width,
        "ffn": model.ffn_hidden_size,
    }


def weights_of(model: ModelConfig) -> list[Weight]:
    """Rows of the table that this model has."""
    present = {"always": True, "untied": not model.tied_embeddings, "qkv_bias": model.qkv_bias}
    return [weight for weight in TABLE if present[weight.exists]]


def entries(model: ModelConfig, vocab_size: int) -> dict[str, Entry]:
    """Every tensor of the model by canonical name, layer by layer."""
    sizes = axis_sizes(model, vocab_size)
    rows = weights_of(model)
    first = next(i for i, weight in enumerate(rows) if weight.per_layer)
    last = max(i for i, weight in enumerate(rows) if weight.per_layer) + 1
    found: dict[str, Entry] = {}

    def add(weight: Weight, layer: int | None) -> None:
        name = weight.name.format(layer=layer)
        found[name] = Entry(name, weight, layer, tuple(sizes[axis] for axis in weight.axes))

    for weight in rows[:first]:
        add(weight, None)
    for layer in range(model.layers):
        for weight in rows[first:last]:
            add(weight, layer)
    for weight in rows[last:]:
        add(weight, None)
    return found


def stored_tensors(model: ModelConfig) -> list[Stored]:
    """megatron-core's tensors of this model, each with the weights that share it."""
    together: dict[str, list[Weight]] = {}
    for weight in weights_of(model):
        together.setdefault(weight.stored, []).append(weight)
    joins: dict[str, Join] = {"": "copy", "q": "groups", "gate": "stack"}
    return [Stored(name, tuple(weights), joins[weights[0].part]) for name, weights in together.items()]


def parameter_count(model: ModelConfig, vocab_size: int) -> int:
    """Trainable parameters with ``vocab_size`` rows in the embedding."""
    return sum(math.prod(entry.shape) for entry in entries(model, vocab_size).values())


def padded_vocab_size(vocab_size: int, multiple: int) -> int:
    """Rows of the embedding with padding: the next multiple of ``multiple``."""
    return -(-vocab_size // multiple) * multiple
