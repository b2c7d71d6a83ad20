"""Options of the operations that convert: from and to Hugging Face, from Megatron-LM, adapters, uploads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from megatron_ko.config.fields import (
    FilePath,
    Flag,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    section,
)

FamilyName = Literal["llama", "mistral", "qwen2", "qwen3", "exaone", "gpt_neox", "phi", "gemma2"]


@section
class ToHf:
    """Writes a checkpoint as a Hugging Face folder (by default the first family of the conversion guide that expresses it)."""

    src: FilePath
    """Checkpoint folder, or run folder (its newest complete checkpoint)."""
    dst: FilePath
    """Hugging Face folder to write."""
    dtype: Literal["bf16", "fp32"] | None = None
    """Number format to write (default: that of the checkpoint)."""
    family: FamilyName | None = None
    """model_type of the export; it must express the model (default: the first of them that does)."""
    max_shard_gb: PositiveFloat = 5.0
    """Largest safetensors file in 10^9 bytes."""
    overwrite: Flag = False
    """Replace an earlier export in DST."""
    license: Annotated[str, Field(min_length=1)] | None = None
    """License for the model card: an SPDX identifier such as Apache-2.0 or CC-BY-NC-4.0, or LicenseRef-NAME."""
    chat_template: FilePath | None = None
    """Jinja file to export as the chat template, tried with a conversation first."""
    allow_nonfinite: Flag = False
    """Convert weights that are NaN or infinite; otherwise they are refused by name."""
    dry_run: Flag = False
    """Check the source, print what would be written and what that needs, and write nothing."""
    logits: Flag = False
    """Also compare logits of megatron-core and transformers in fp32."""
    tolerance: NonNegativeFloat = 1e-4
    """Largest difference of logits that passes the comparison."""
    tensor_parallel: PositiveInt = 1
    """CPU ranks on which megatron-core computes logits."""


@section
class FromHf:
    """Writes a Hugging Face folder (llama, mistral, qwen2, qwen3, exaone, gpt_neox, phi, gemma2) as a checkpoint that training starts from."""

    src: FilePath
    """Hugging Face folder."""
    dst: FilePath
    """Checkpoint folder to write."""
    adapter: FilePath | None = None
    """Folder of a LoRA adapter in PEFT's format (adapter_config.json), merged into the weights in fp32."""
    dtype: Literal["bf16", "fp32"] | None = None
    """Number format to write (default: that of the folder)."""
    vocab_multiple: PositiveInt = 128
    """The embedding is padded with rows of zeros to a multiple of this number (model.vocab_multiple)."""
    max_sequence_length: PositiveInt | None = None
    """Longest sequence in tokens, model.max_sequence_length (default: max_position_embeddings of the folder)."""
    overwrite: Flag = False
    """Replace an earlier checkpoint in DST."""
    allow_nonfinite: Flag = False
    """Convert weights that are NaN or infinite; otherwise they are refused by name."""
    dry_run: Flag = False
    """Check the source, print what would be written and what that needs, and write nothing."""
    logits: Flag = False
    """Also compare logits of transformers and megatron-core in fp32."""
    tolerance: NonNegativeFloat = 1e-4
    """Largest difference of logits that passes the comparison."""
    tensor_parallel: PositiveInt = 1
    """CPU ranks on which megatron-core computes logits."""


@section
class FromMegatron:
    """Writes the weights of a Megatron-LM checkpoint (format torch_dist) as a checkpoint that training starts from."""

    src: FilePath
    """Folder of one iteration, such as iter_0001000, or the one that contains it (the newest iteration)."""
    dst: FilePath
    """Checkpoint folder to write."""
    tokenizer: FilePath
    """Folder of the tokenizer of its data: ours or Hugging Face's."""
    dtype: Literal["bf16", "fp32"] | None = None
    """Number format to write (default: that of the weights)."""
    vocab_multiple: PositiveInt = 128
    """The embedding is padded with rows of zeros to a multiple of this number (model.vocab_multiple)."""
    overwrite: Flag = False
    """Replace an earlier checkpoint in DST."""
    allow_nonfinite: Flag = False
    """Convert weights that are NaN or infinite; otherwise they are refused by name."""
    dry_run: Flag = False
    """Check the source, print what would be written and what that needs, and write nothing."""


@section
class MergeLora:
    """Adds the adapters of a LoRA run to the weights that they were trained beside, and writes a checkpoint of weights."""

    src: FilePath
    """Checkpoint of a LoRA run, or its run folder (the newest complete checkpoint)."""
    dst: FilePath
    """Checkpoint folder to write."""
    base: FilePath | None = None
    """Folder of the weights that the adapters were trained beside (default: where they were)."""
    dtype: Literal["bf16", "fp32"] | None = None
    """Number format to write (default: that of the run). Weights are added in fp32 and rounded once."""
    overwrite: Flag = False
    """Replace an earlier checkpoint in DST."""
    allow_nonfinite: Flag = False
    """Convert weights that are NaN or infinite; otherwise they are refused by name."""
    dry_run: Flag = False
    """Check the source, print what would be written and what that needs, and write nothing."""
    logits: Flag = False
    """Also compare logits of the adapters beside their base with those of the merged weights, by megatron-core in fp32."""
    tolerance: NonNegativeFloat = 1e-4
    """Largest difference of logits that passes the comparison."""
    tensor_parallel: PositiveInt = 1
    """CPU ranks on which megatron-core computes logits."""


@section
class ExportLora:
    """Writes the adapters of a LoRA run as an adapter in PEFT's format (adapter_config.json, adapter_model.safetensors)."""

    src: FilePath
    """Checkpoint of a LoRA run, or its run folder (the newest complete checkpoint)."""
    dst: FilePath
    """Folder to write."""
    family: FamilyName | None = None
    """model_type of the base, for the names of its modules; it must express the model (default: the first that does)."""
    base_name: Annotated[str, Field(min_length=1)] | None = None
    """Name or folder of the base on Hugging Face (default: checkpoint.initial_weights of the run, if it was such a folder)."""
    overwrite: Flag = False
    """Replace an earlier export in DST."""


@section
class Push:
    """Uploads an export of to-hf to the Hugging Face hub, with the token of HF_TOKEN or of hf auth login."""

    folder: FilePath
    """Export that to-hf wrote and verified."""
    repo: Annotated[str, Field(min_length=1)]
    """Repository, OWNER/NAME; created if there is none."""
    public: Flag = False
    """Upload to a public repository (default: a private one)."""
