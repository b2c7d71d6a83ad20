"""The section ``model`` of a training configuration: the shape and family of a transformer.

Owns names, types, bounds and sentences; ``planning/family_rules.py`` has the rules over several fields.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Union

from pydantic import Field

from megatron_ko.config.fields import (
    FilePath,
    Flag,
    Int32,
    PositiveFloat,
    PositiveInt,
    Width,
    add_file_field,
    section,
)


@section
class NoRopeScaling:
    type: Literal["none"] = "none"
    """Plain rotary frequencies."""


@section
class Llama3RopeScaling:
    type: Literal["llama3"]
    """Llama 3 frequency scaling: stretches long wavelengths, leaves short ones unchanged, with a ramp in between."""
    factor: PositiveFloat
    """Factor by which long wavelengths are stretched."""
    low_freq_factor: PositiveFloat
    """Wavelengths above original_max_sequence_length / low_freq_factor are stretched fully."""
    high_freq_factor: PositiveFloat
    """Wavelengths below original_max_sequence_length / high_freq_factor are unchanged."""
    original_max_sequence_length: Int32
    """Maximum sequence length, in tokens, of the model before scaling."""


RopeScaling = Annotated[Union[NoRopeScaling, Llama3RopeScaling], Field(discriminator="type")]


@section
class RopeConfig:
    base: PositiveFloat = 500_000.0
    """Base of the rotary wavelengths."""
    fraction: PositiveFloat = Field(default=1.0, le=1)
    """Share of each head, from its first dimension on, that is rotated: 1 is the whole head, Phi-2 has 0.4."""
    scaling: RopeScaling = Field(default_factory=NoRopeScaling)
    """Frequency scaling: none or llama3."""


@section
class ModelConfig:
    layers: PositiveInt = Field(le=10_000)
    """Number of transformer layers."""
    hidden_size: Width
    """Width of the residual stream."""
    ffn_hidden_size: Width
    """Width of the feed-forward layer: outputs of the up projection and, with swiglu, of the gate."""
    feed_forward: Literal["swiglu", "geglu_tanh", "gelu", "gelu_tanh"] = "swiglu"
    """Feed-forward layer: swiglu (SiLU of a gate times the up projection), geglu_tanh (GELU of a gate in its tanh form, Gemma), gelu
    (GPT-NeoX) or gelu_tanh (Phi-2) of the up projection."""
    heads: Width
    """Number of attention (query) heads."""
    kv_groups: Width
    """Number of key/value heads (KV groups); equal to heads for multi-head attention."""
    head_size: Width | None = None
    """Width of one attention head; by default hidden_size / heads."""
    max_sequence_length: Int32
    """Maximum sequence length of the model, in tokens (max_position_embeddings on export)."""
    vocab_size: Int32 | None = None
    """Rows of the embedding without padding; by default one per token of the data manifest's tokenizer. May be more."""
    vocab_multiple: Width = 128
    """The embedding is padded to a multiple of this number of rows; padding rows get no probability."""
    tied_embeddings: Flag = False
    """Whether the input and output embeddings share their weights."""
    norm_epsilon: PositiveFloat = Field(default=1e-5, le=1)
    """Epsilon of the norms."""
    norm: Literal["rms", "rms_shifted", "layer"] = "rms"
    """Norms: rms (RMSNorm), rms_shifted (RMSNorm that multiplies by 1 + weight, as in Gemma) or layer (LayerNorm with biases, as in
    GPT-NeoX and Phi-2)."""
    residual: Literal["sequential", "parallel", "parallel_one_norm", "sandwich"] = "sequential"
    """sequential: the feed-forward layer reads what attention wrote. parallel: both read the input of the layer, each after a norm
    of its own (GPT-NeoX). parallel_one_norm: both after the same norm (Phi-2). sandwich: sequential, with a norm of what each adds
    (Gemma 2)."""
    qkv_bias: Flag = False
    """Whether the query, key and value projections have biases (Qwen2)."""
    linear_bias: Flag = False
    """Whether the output of attention and the feed-forward layer have biases, too (GPT-NeoX, Phi-2); needs qkv_bias."""
    output_bias: Flag = False
    """Whether the projection to the vocabulary has a bias (Phi-2)."""
    embedding_scale: Flag = False
    """Whether embeddings are multiplied by the square root of hidden_size (Gemma)."""
    attention_size: Width | None = None
    """Scores of attention are divided by the square root of this number; by default the head size (Gemma 2: query_pre_attn_scalar)."""
    attention_cap: PositiveFloat | None = None
    """Soft cap of the scores of attention: s becomes cap x tanh(s / cap) (Gemma 2: 50)."""
    logit_cap: PositiveFloat | None = None
    """Soft cap of the logits (Gemma 2: 30)."""
    qk_norm: Flag = False
    """Whether an RMSNorm over each head normalizes queries and keys before the rotation (Qwen3)."""
    init_std: PositiveFloat = 0.02
    """Standard deviation of the initial weights; init_std / sqrt(2 layers) for projections back to the residual stream."""
    rope: RopeConfig = Field(default_factory=RopeConfig)
    """Rotary position embedding."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Other fields of megatron-core's TransformerConfig, by name."""


add_file_field(
    ModelConfig,
    "from",
    FilePath | None,
    "Folder of a model, such as models/Qwen2.5-0.5B or runs/base: a Hugging Face folder (config.json), a checkpoint folder, or a "
    "run folder (newest checkpoint). Gives every field of this section that is not written. A written field must equal that of "
    "the folder, except init_std, vocab_multiple, extra, a shorter max_sequence_length, and vocab_size without "
    "checkpoint.initial_weights.",
)


def head_size(model: ModelConfig) -> int:
    """Width of one attention head."""
    return model.head_size or model.hidden_size // model.heads


def has_gate(model: ModelConfig) -> bool:
    """Whether the feed-forward layer multiplies by a gate."""
    return model.feed_forward in ("swiglu", "geglu_tanh")


def rotated_size(model: ModelConfig) -> int:
    """Dimensions of each head that the rotary embedding rotates."""
    return int(head_size(model) * model.rope.fraction)
