"""The options of every operation: names, types, bounds and the sentence that ``--help`` prints. No torch."""

from __future__ import annotations

from dataclasses import dataclass
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


@section
class ExpandVocab:
    """Adds rows for the tokens of a larger tokenizer, and reports how well each initialization predicts."""

    src: FilePath
    """Hugging Face folder, checkpoint folder, or run folder (its newest complete checkpoint), with its tokenizer."""
    tokenizer: FilePath
    """Folder of the larger tokenizer, as extend-tokenizer and hybrid-tokenizer write it: every old id keeps its piece."""
    dst: FilePath | None = None
    """Folder to write. Without it the initializations are only judged."""
    init: Literal[
        "random",
        "mean",
        "decompose-input",
        "decompose-output",
        "decompose",
        "eeve",
        "last-piece",
        "weighted",
        "focus",
        "compare",
    ] = "decompose"
    """How rows are made. random: normal, with the mean and deviation of all numbers in old rows of the matrix; mean: of
    all old rows; decompose: mean of the rows of the old pieces (-input, -output: there only, the other random); eeve:
    input as decompose, output the first old piece; last-piece: input the last old piece, output as decompose; weighted:
    input by the bytes of the pieces, output halved from piece to piece; focus: old tokens that are used alike in focus_text; compare: judge all, write no model."""
    text: FilePath | None = None
    """FILE or FILE,FILE (.txt, .md, .py, .jsonl plain or .gz or .zst with a field text) to judge on."""
    judge: Literal["all", "chosen", "none"] = "all"
    """Initializations that are judged when text is given."""
    judge_tokens: PositiveInt = 16384
    """New tokens of each file, from its start, that are judged."""
    judge_length: PositiveInt = 256
    """Tokens of one sequence while judging; at most the model's longest."""
    focus_text: FilePath | None = None
    """FILE or FILE,FILE that focus learns from (the first 4,000,000 tokens); not the text that is judged on."""
    seed: NonNegativeInt = 1234
    """Seed of the random rows and of focus's vectors."""
    random_std: PositiveFloat | None = None
    """Standard deviation of random rows, around 0; that of the old rows of each matrix, around their mean, when not given."""
    dtype: Literal["bf16", "fp32"] | None = None
    """Number format to write; the source's own when not given. Rows are made in fp32 and rounded once."""
    format: Literal["hf", "megatron"] | None = None
    """Format to write; the source's own when not given."""
    max_shard_gb: PositiveFloat = 5.0
    """Largest safetensors file in 10^9 bytes (format hf)."""
    overwrite: Flag = False
    """Replace what an earlier call wrote to dst."""


@section
class PruneVocab:
    """Keeps the rows that a map of ids names, as prune-tokenizer writes it."""

    src: FilePath
    """Hugging Face folder, checkpoint folder, or run folder (its newest complete checkpoint), with its tokenizer."""
    dst: FilePath
    """Folder to write."""
    map: FilePath
    """id_map.json: for every new id the old one."""
    tokenizer: FilePath
    """Folder of the pruned tokenizer."""
    dtype: Literal["bf16", "fp32"] | None = None
    """Number format to write; the source's own when not given."""
    format: Literal["hf", "megatron"] | None = None
    """Format to write; the source's own when not given."""
    max_shard_gb: PositiveFloat = 5.0
    """Largest safetensors file in 10^9 bytes (format hf)."""
    overwrite: Flag = False
    """Replace what an earlier call wrote to dst."""


@dataclass(frozen=True)
class Operation:
    """Options of a command; ``inputs`` are its positional ones, in their order."""

    options: type
    inputs: tuple[str, ...] = ("src", "dst")


OPERATIONS = {
    "to-hf": Operation(ToHf),
    "from-hf": Operation(FromHf),
    "compare": Operation(Compare, ("a", "b")),
    "expand-vocab": Operation(ExpandVocab),
    "prune-vocab": Operation(PruneVocab),
}
