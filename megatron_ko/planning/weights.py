"""The table of weights of a GPT: name, axes and initial values of each, and its tensor in megatron-core.

Owns the definition of a weight: its name, shape, initial values, split over tensor and pipeline ranks, and whether it
multiplies. Initialization, split marks, conversion, slicing, pruning, parameter counts, FLOPs and memory all read this
table. Formats own the storage of bytes. No torch.

Canonical names are Hugging Face's. An axis is one of
``vocab`` (tokens), ``hidden`` (residual stream), ``q`` (query heads x head size), ``kv`` (key/value groups x head
size), ``ffn`` (width of gate and of up), ``head`` (one head). Tensor parallelism splits every axis except
``hidden`` and ``head``.

A new model family needs a few more rows, their condition in ``Exists`` and ``weights_of`` and, if necessary, a new axis
in ``axis_sizes`` or a new ``Join``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from megatron_ko.config.model import ModelConfig, has_gate, head_size

Axis = Literal["vocab", "hidden", "q", "kv", "ffn", "head"]
Join = Literal["copy", "groups", "stack"]
Exists = Literal[
    "always", "untied", "qkv_bias", "qk_norm", "gate", "norm_bias", "second_norm", "second_norm_bias", "linear_bias",
    "output_bias", "sandwich",
]  # fmt: skip
Start = Literal["normal", "residual", "ones", "zeros"]
Use = Literal["product", "lookup", "elementwise"]
Depth = Literal["first", "layer", "last"]


@dataclass(frozen=True)
class Weight:
    """One row of the table. ``{layer}`` in ``name`` stands for the layer number.

    ``stored`` is megatron-core's name in a checkpoint, the same for its own and Transformer Engine's layers; layers are
    stacked there along a leading axis. ``part`` distinguishes weights that share a stored tensor.
    ``start``: ``normal`` draws with standard deviation init_std, ``residual`` with init_std / sqrt(2 layers); or a constant.
    ``use``: a matrix ``product``, a ``lookup`` of rows, or ``elementwise`` (norms and biases).
    ``depth``: the first pipeline stage, every layer, or the last pipeline stage.
    """

    name: str
    axes: tuple[Axis, ...]
    stored: str
    part: str = ""
    exists: Exists = "always"
    start: Start = "normal"
    use: Use = "product"
    depth: Depth = "layer"

    @property
    def per_layer(self) -> bool:
        return self.depth == "layer"

    @property
    def has_row_per_token(self) -> bool:
        """Whether the weight has one row per token of the vocabulary."""
        return self.axes[0] == "vocab"

    @property
    def tensor_parallel_dim(self) -> int | None:
        """Dimension that tensor-parallel ranks split, or None if every rank has the whole weight."""
        return next((dim for dim, axis in enumerate(self.axes) if axis not in ("hidden", "head")), None)

    def shape(self, sizes: dict[str, int]) -> tuple[int, ...]:
        return tuple(sizes[axis] for axis in self.axes)


@dataclass(frozen=True)
class Stored:
    """One tensor of a megatron-core checkpoint and the weights it contains.

    ``join``: ``copy`` contains one weight; ``groups`` concatenates, for each key/value group, its query heads, key head and
    value head; ``stack`` concatenates whole weights. Dimension 0 is joined; all other properties are the first weight's.
    """

    name: str
    weights: tuple[Weight, ...]
    join: Join

    @property
    def first(self) -> Weight:
        return self.weights[0]

    @property
    def per_layer(self) -> bool:
        return self.first.per_layer

    def shape(self, sizes: dict[str, int]) -> tuple[int, ...]:
        """Shape for one layer, or of the whole tensor if it does not belong to a layer."""
        return (sum(sizes[w.axes[0]] for w in self.weights), *self.first.shape(sizes)[1:])


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of a model: a row of the table, a layer and a shape."""

    weight: Weight
    layer: int | None
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        return self.weight.name.format(layer=self.layer)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def size_per_rank(self, tensor_parallel: int) -> int:
        """Elements on each of ``tensor_parallel`` ranks, which must divide the split axis."""
        return self.size if self.weight.tensor_parallel_dim is None else self.size // tensor_parallel


_LAYER, _STORED = "model.layers.{layer}.", "decoder.layers."
_QKV, _FC1 = f"{_STORED}self_attention.linear_qkv", f"{_STORED}mlp.linear_fc1"


def _norm(name: str, stored: str, depth: Depth = "layer", exists: Exists = "always") -> Weight:
    return Weight(name, ("hidden",), stored, exists=exists, start="ones", use="elementwise", depth=depth)


def _head_norm(name: str, stored: str) -> Weight:
    return Weight(name, ("head",), stored, exists="qk_norm", start="ones", use="elementwise")


def _bias(name: str, axis: Axis, stored: str, part: str, exists: Exists, depth: Depth = "layer") -> Weight:
    return Weight(name, (axis,), stored, part, exists, start="zeros", use="elementwise", depth=depth)


_EMBEDDING = Weight(
    "model.embed_tokens.weight", ("vocab", "hidden"), "embedding.word_embeddings.weight", use="lookup", depth="first"
)  # fmt: skip
_HEAD = Weight("lm_head.weight", ("vocab", "hidden"), "output_layer.weight", exists="untied", depth="last")
_PROJ, _FC2 = f"{_STORED}self_attention.linear_proj", f"{_STORED}mlp.linear_fc2"
_FINAL_NORM = "decoder.final_layernorm"

TABLE: tuple[Weight, ...] = (
    _EMBEDDING,
    _norm(f"{_LAYER}input_layernorm.weight", f"{_QKV}.layer_norm_weight"),
    _bias(f"{_LAYER}input_layernorm.bias", "hidden", f"{_QKV}.layer_norm_bias", "", "norm_bias"),
    Weight(f"{_LAYER}self_attn.q_proj.weight", ("q", "hidden"), f"{_QKV}.weight", "q"),
    Weight(f"{_LAYER}self_attn.k_proj.weight", ("kv", "hidden"), f"{_QKV}.weight", "k"),
    Weight(f"{_LAYER}self_attn.v_proj.weight", ("kv", "hidden"), f"{_QKV}.weight", "v"),
    _bias(f"{_LAYER}self_attn.q_proj.bias", "q", f"{_QKV}.bias", "q", "qkv_bias"),
    _bias(f"{_LAYER}self_attn.k_proj.bias", "kv", f"{_QKV}.bias", "k", "qkv_bias"),
    _bias(f"{_LAYER}self_attn.v_proj.bias", "kv", f"{_QKV}.bias", "v", "qkv_bias"),
    _head_norm(f"{_LAYER}self_attn.q_norm.weight", f"{_STORED}self_attention.q_layernorm.weight"),
    _head_norm(f"{_LAYER}self_attn.k_norm.weight", f"{_STORED}self_attention.k_layernorm.weight"),
    Weight(f"{_LAYER}self_attn.o_proj.weight", ("hidden", "q"), f"{_PROJ}.weight", start="residual"),
    _bias(f"{_LAYER}self_attn.o_proj.bias", "hidden", f"{_PROJ}.bias", "", "linear_bias"),
    _norm(f"{_LAYER}self_attn.output_norm.weight", f"{_STORED}attention_output_norm.weight", exists="sandwich"),
    _norm(f"{_LAYER}post_attention_layernorm.weight", f"{_FC1}.layer_norm_weight", exists="second_norm"),
    _bias(f"{_LAYER}post_attention_layernorm.bias", "hidden", f"{_FC1}.layer_norm_bias", "", "second_norm_bias"),
    Weight(f"{_LAYER}mlp.gate_proj.weight", ("ffn", "hidden"), f"{_FC1}.weight", "gate", "gate"),
    Weight(f"{_LAYER}mlp.up_proj.weight", ("ffn", "hidden"), f"{_FC1}.weight", "up"),
    _bias(f"{_LAYER}mlp.up_proj.bias", "ffn", f"{_FC1}.bias", "up", "linear_bias"),
    Weight(f"{_LAYER}mlp.down_proj.weight", ("hidden", "ffn"), f"{_FC2}.weight", start="residual"),
    _bias(f"{_LAYER}mlp.down_proj.bias", "hidden", f"{_FC2}.bias", "", "linear_bias"),
    _norm(f"{_LAYER}mlp.output_norm.weight", f"{_STORED}mlp_output_norm.weight", exists="sandwich"),
    _norm("model.norm.weight", f"{_FINAL_NORM}.weight", "last"),
    _bias("model.norm.bias", "hidden", f"{_FINAL_NORM}.bias", "", "norm_bias", "last"),
    _HEAD,
    _bias("lm_head.bias", "vocab", "output_layer.bias", "", "output_bias", "last"),
)  # fmt: skip
"""Rows in the order of the forward pass."""


# --- one model -------------------------------------------------------------------------------------------


def axis_sizes(model: ModelConfig, vocab_size: int) -> dict[str, int]:
    """Length of each axis; ``vocab_size`` is the number of embedding rows, with or without padding."""
    width = head_size(model)
    return {
        "vocab": vocab_size,
        "hidden": model.hidden_size,
        "q": model.heads * width,
        "kv": model.kv_groups * width,
        "ffn": model.ffn_hidden_size,
        "head": width,
    }


def weights_of(model: ModelConfig) -> list[Weight]:
    """Rows of the table that apply to this model."""
    present = {
        "always": True,
        "untied": not model.tied_embeddings,
        "qkv_bias": model.qkv_bias,
        "qk_norm": model.qk_norm,
        "gate": has_gate(model),
        "norm_bias": model.norm == "layer",
        "second_norm": model.residual != "parallel_one_norm",
        "second_norm_bias": model.norm == "layer" and model.residual != "parallel_one_norm",
        "linear_bias": model.linear_bias,
        "output_bias": model.output_bias,
        "sandwich": model.residual == "sandwich",
    }
    return [weight for weight in TABLE if present[weight.exists]]


def input_weight() -> Weight:
    """Weight that embeds input tokens."""
    return _EMBEDDING


def output_weight(model: ModelConfig) -> Weight:
    """Weight that predicts tokens: the input weight if the embeddings are tied."""
    return _EMBEDDING if model.tied_embeddings else _HEAD


def multiplies(weight: Weight, model: ModelConfig) -> bool:
    """Whether the forward pass multiplies by this weight as a matrix."""
    return weight.use == "product" or weight == output_weight(model)


def stage_entries(
    model: ModelConfig, vocab_size: int, stage: int, stages: int, layers: Iterable[int] | None = None
) -> list[Entry]:
    """Tensors of one of ``stages`` pipeline stages, layer by layer; without its ``layers``, of equal stages.

    The last of several stages has a copy of tied embeddings.
    """
    sizes = axis_sizes(model, vocab_size)
    shapes: dict[Depth, list[tuple[Weight, tuple[int, ...]]]] = {"first": [], "layer": [], "last": []}
    for weight in weights_of(model):
        shapes[weight.depth].append((weight, weight.shape(sizes)))

    def at(depth: Depth, layer: int | None = None) -> list[Entry]:
        return [Entry(weight, layer, shape) for weight, shape in shapes[depth]]

    is_first, is_last, equal = stage == 0, stage == stages - 1, model.layers // stages
    result = at("first") if is_first else []
    for layer in range(stage * equal, (stage + 1) * equal) if layers is None else layers:
        result += at("layer", layer)
    if is_last:
        result += at("last")
        if not is_first and output_weight(model).depth == "first":
            result += at("first")
    return result


def entries(model: ModelConfig, vocab_size: int) -> dict[str, Entry]:
    """All tensors of the model by canonical name, layer by layer."""
    return {entry.name: entry for entry in stage_entries(model, vocab_size, 0, 1)}


def stored_tensors(model: ModelConfig) -> list[Stored]:
    """megatron-core's tensors of this model, each with the weights it contains."""
    weights_by_name: dict[str, list[Weight]] = {}
    for weight in weights_of(model):
        weights_by_name.setdefault(weight.stored, []).append(weight)
    joins: dict[str, Join] = {"q": "groups", "gate": "stack"}
    return [
        Stored(name, tuple(weights), joins[weights[0].part] if len(weights) > 1 else "copy")
        for name, weights in weights_by_name.items()
    ]


def parameter_count(model: ModelConfig, vocab_size: int) -> int:
    """Trainable parameters with ``vocab_size`` rows in the embedding."""
    return sum(entry.size for entry in stage_entries(model, vocab_size, 0, 1))


def padded_vocab_size(vocab_size: int, multiple: int) -> int:
    """Rows of the padded embedding: ``vocab_size`` rounded up to a multiple of ``multiple``."""
    return -(-vocab_size // multiple) * multiple
