"""The table of weights of a LLaMA-shaped GPT: every name, its axes, its start, and its place in megatron-core's tensors.

Owns what a weight is: names, shapes, initial values, how tensor and pipeline parallelism split it, whether it
multiplies. Initialization, split marks, conversion, slicing, pruning, parameter counts, FLOPs and memory read it from
here. How bytes are stored belongs to the formats. No torch.

Canonical names are Hugging Face's. An axis is one of
``vocab`` (tokens), ``hidden`` (residual stream), ``q`` (query heads x head size), ``kv`` (key/value groups x head
size), ``ffn`` (SwiGLU width of gate and of up). Tensor parallelism splits every axis but ``hidden``.

A new family is a few rows more: their names, a condition in ``Exists`` and ``weights_of``, and where it needs one a
new axis in ``axis_sizes`` or a new ``Join``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from megatron_ko.config.training import ModelConfig, head_size

Axis = Literal["vocab", "hidden", "q", "kv", "ffn"]
Join = Literal["copy", "groups", "stack"]
Exists = Literal["always", "untied", "qkv_bias"]
Start = Literal["normal", "residual", "ones", "zeros"]
Use = Literal["product", "lookup", "elementwise"]
Place = Literal["first", "layer", "last"]


@dataclass(frozen=True)
class Weight:
    """One row of the table. ``{layer}`` in ``name`` is the number of the layer.

    ``stored`` is megatron-core's name in a checkpoint, the same for its own layers and Transformer Engine's; layers are
    stacked there on a leading axis. ``part`` names the place inside a stored tensor that several weights share.
    ``start``: ``normal`` numbers of deviation init_std, ``residual`` of init_std / sqrt(2 layers), or a constant.
    ``use``: a matrix ``product``, a ``lookup`` of rows, or ``elementwise`` (norms and biases).
    ``place``: the first pipeline stage, every layer, or the last pipeline stage.
    """

    name: str
    axes: tuple[Axis, ...]
    stored: str
    part: str = ""
    exists: Exists = "always"
    start: Start = "normal"
    use: Use = "product"
    place: Place = "layer"

    @property
    def per_layer(self) -> bool:
        return self.place == "layer"

    @property
    def has_row_per_token(self) -> bool:
        """True for the matrices that grow and shrink with the vocabulary."""
        return self.axes[0] == "vocab"

    @property
    def tensor_parallel_dim(self) -> int | None:
        """The dimension that tensor-parallel ranks split, None where all ranks hold the whole."""
        return next((dim for dim, axis in enumerate(self.axes) if axis != "hidden"), None)

    def shape(self, sizes: dict[str, int]) -> tuple[int, ...]:
        return tuple(sizes[axis] for axis in self.axes)


@dataclass(frozen=True)
class Stored:
    """One tensor of a megatron-core checkpoint and the weights in it.

    ``join`` says how: ``copy`` one weight; ``groups`` for each key/value group its query heads, its key head, its
    value head; ``stack`` one after the other. Joining is along dimension 0; everything else is the first weight's.
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
        """Shape of one layer (or of the whole, where there are no layers)."""
        return (sum(sizes[w.axes[0]] for w in self.weights), *self.first.shape(sizes)[1:])


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of one model: a row of the table at a layer, with its shape."""

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
        """Numbers that one of ``tensor_parallel`` ranks holds; the split axis must be a multiple."""
        return self.size if self.weight.tensor_parallel_dim is None else self.size // tensor_parallel


_LAYER, _STORED = "model.layers.{layer}.", "decoder.layers."
_QKV, _FC1 = f"{_STORED}self_attention.linear_qkv", f"{_STORED}mlp.linear_fc1"


def _norm(name: str, stored: str, place: Place = "layer") -> Weight:
    return Weight(name, ("hidden",), stored, start="ones", use="elementwise", place=place)


def _bias(name: str, axis: Axis, stored: str, part: str, exists: Exists) -> Weight:
    return Weight(name, (axis,), stored, part, exists, start="zeros", use="elementwise")


_EMBEDDING = Weight(
    "model.embed_tokens.weight", ("vocab", "hidden"), "embedding.word_embeddings.weight", use="lookup", place="first"
)  # fmt: skip
_HEAD = Weight("lm_head.weight", ("vocab", "hidden"), "output_layer.weight", exists="untied", place="last")

TABLE: tuple[Weight, ...] = (
    _EMBEDDING,
    _norm(f"{_LAYER}input_layernorm.weight", f"{_QKV}.layer_norm_weight"),
    Weight(f"{_LAYER}self_attn.q_proj.weight", ("q", "hidden"), f"{_QKV}.weight", "q"),
    Weight(f"{_LAYER}self_attn.k_proj.weight", ("kv", "hidden"), f"{_QKV}.weight", "k"),
    Weight(f"{_LAYER}self_attn.v_proj.weight", ("kv", "hidden"), f"{_QKV}.weight", "v"),
    _bias(f"{_LAYER}self_attn.q_proj.bias", "q", f"{_QKV}.bias", "q", "qkv_bias"),
    _bias(f"{_LAYER}self_attn.k_proj.bias", "kv", f"{_QKV}.bias", "k", "qkv_bias"),
    _bias(f"{_LAYER}self_attn.v_proj.bias", "kv", f"{_QKV}.bias", "v", "qkv_bias"),
    Weight(
        f"{_LAYER}self_attn.o_proj.weight", ("hidden", "q"), f"{_STORED}self_attention.linear_proj.weight",
        start="residual",
    ),
    _norm(f"{_LAYER}post_attention_layernorm.weight", f"{_FC1}.layer_norm_weight"),
    Weight(f"{_LAYER}mlp.gate_proj.weight", ("ffn", "hidden"), f"{_FC1}.weight", "gate"),
    Weight(f"{_LAYER}mlp.up_proj.weight", ("ffn", "hidden"), f"{_FC1}.weight", "up"),
    Weight(
        f"{_LAYER}mlp.down_proj.weight", ("hidden", "ffn"), f"{_STORED}mlp.linear_fc2.weight", start="residual"
    ),
    _norm("model.norm.weight", "decoder.final_layernorm.weight", "last"),
    _HEAD,
)  # fmt: skip
"""Rows in the order of a forward pass."""


# --- one model -------------------------------------------------------------------------------------------


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


def input_weight() -> Weight:
    """The rows that tokens are read as."""
    return _EMBEDDING


def output_weight(model: ModelConfig) -> Weight:
    """The rows that tokens are predicted with: the input's, where the embeddings are tied."""
    return _EMBEDDING if model.tied_embeddings else _HEAD


def multiplies(weight: Weight, model: ModelConfig) -> bool:
    """True when the forward pass multiplies with this weight as a matrix."""
    return weight.use == "product" or weight == output_weight(model)


def stage_entries(model: ModelConfig, vocab_size: int, stage: int, stages: int) -> list[Entry]:
    """Every tensor of one of ``stages`` equal pipeline stages, layer by layer.

    The last of several stages holds a copy of tied embeddings.
    """
    sizes = axis_sizes(model, vocab_size)
    shapes: dict[Place, list[tuple[Weight, tuple[int, ...]]]] = {"first": [], "layer": [], "last": []}
    for weight in weights_of(model):
        shapes[weight.place].append((weight, weight.shape(sizes)))

    def placed(place: Place, layer: int | None = None) -> list[Entry]:
        return [Entry(weight, layer, shape) for weight, shape in shapes[place]]

    is_first, is_last, layers = stage == 0, stage == stages - 1, model.layers // stages
    held = placed("first") if is_first else []
    for layer in range(stage * layers, (stage + 1) * layers):
        held += placed("layer", layer)
    if is_last:
        held += placed("last")
        if not is_first and output_weight(model).place == "first":
            held += placed("first")
    return held


def entries(model: ModelConfig, vocab_size: int) -> dict[str, Entry]:
    """Every tensor of the model by canonical name, layer by layer."""
    return {entry.name: entry for entry in stage_entries(model, vocab_size, 0, 1)}


def stored_tensors(model: ModelConfig) -> list[Stored]:
    """megatron-core's tensors of this model, each with the weights that share it."""
    together: dict[str, list[Weight]] = {}
    for weight in weights_of(model):
        together.setdefault(weight.stored, []).append(weight)
    joins: dict[str, Join] = {"": "copy", "q": "groups", "gate": "stack"}
    return [Stored(name, tuple(weights), joins[weights[0].part]) for name, weights in together.items()]


def parameter_count(model: ModelConfig, vocab_size: int) -> int:
    """Trainable parameters with ``vocab_size`` rows in the embedding."""
    return sum(entry.size for entry in stage_entries(model, vocab_size, 0, 1))


def padded_vocab_size(vocab_size: int, multiple: int) -> int:
    """Rows of the embedding with padding: the next multiple of ``multiple``."""
    return -(-vocab_size // multiple) * multiple
