"""The options of every operation: names, types, bounds and the sentence shown by ``--help``. No torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from megatron_ko.config.fields import (
    FilePath,
    Flag,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    section,
)


@section
class ToHf:
    """Writes a checkpoint as a Hugging Face folder (LlamaForCausalLM; Qwen2ForCausalLM with qkv_bias)."""

    src: FilePath
    """Checkpoint folder, or run folder (its newest complete checkpoint)."""
    dst: FilePath
    """Hugging Face folder to write."""
    dtype: Literal["bf16", "fp32"] | None = None
    """Number format to write; the checkpoint's own when not given."""
    max_shard_gb: PositiveFloat = 5.0
    """Largest safetensors file in 10^9 bytes."""
    overwrite: Flag = False
    """Replace an earlier export in dst."""
    logits: Flag = False
    """Also compare logits of megatron-core and transformers in fp32."""
    tolerance: NonNegativeFloat = 1e-4
    """Largest difference of logits that passes."""
    tensor_parallel: PositiveInt = 1
    """CPU ranks that megatron-core runs on for logits."""


@section
class FromHf:
    """Writes a Hugging Face folder (llama, qwen2; safetensors) as a checkpoint that training starts from."""

    src: FilePath
    """Hugging Face folder."""
    dst: FilePath
    """Checkpoint folder to write."""
    dtype: Literal["bf16", "fp32"] | None = None
    """Number format to write; the folder's own when not given."""
    vocab_multiple: PositiveInt = 128
    """The embedding is padded with rows of zeros to a multiple of this number (model.vocab_multiple)."""
    max_sequence_length: PositiveInt | None = None
    """Longest sequence in tokens (model.max_sequence_length); max_position_embeddings when not given."""
    overwrite: Flag = False
    """Replace an earlier checkpoint in dst."""
    logits: Flag = False
    """Also compare logits of transformers and megatron-core in fp32."""
    tolerance: NonNegativeFloat = 1e-4
    """Largest difference of logits that passes."""
    tensor_parallel: PositiveInt = 1
    """CPU ranks that megatron-core runs on for logits."""


@section
class Compare:
    """Compares two models, each a Hugging Face folder, a checkpoint folder or a run folder."""

    a: FilePath
    """First folder."""
    b: FilePath
    """Second folder."""
    weights: Flag = True
    """Compare every tensor."""
    logits: Flag = False
    """Also compare logits in fp32 (transformers for Hugging Face, megatron-core for checkpoints)."""
    tokens: list[NonNegativeInt] | None = Field(default=None)
    """Token ids for logits, as [1,2,3]; two random sequences when not given."""
    tolerance: NonNegativeFloat = 1e-4
    """Largest difference, of weights and of logits, that passes."""
    tensor_parallel: PositiveInt = 1
    """CPU ranks that megatron-core runs on for logits."""


OPERATIONS: dict[str, type] = {"to-hf": ToHf, "from-hf": FromHf, "compare": Compare}
