"""Options of the operations that change the rows of a vocabulary."""

from __future__ import annotations

from typing import Literal

from megatron_ko.config.fields import (
    FilePath,
    Flag,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    section,
)


@section
class ExpandVocab:
    """Adds rows for the tokens of a larger tokenizer, and reports how well each initialization predicts."""

    src: FilePath
    """Hugging Face folder, checkpoint folder, or run folder (its newest complete checkpoint), with its tokenizer."""
    tokenizer: FilePath
    """Folder of the larger tokenizer, as mko tokenizer extend and hybrid write it: every old id keeps its piece."""
    dst: FilePath | None = None
    """Folder to write. Without it, the initializations are only judged."""
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
        "best",
        "compare",
    ] = "decompose"
    """Initialization of the new rows. random: normal, with the mean and deviation of all numbers in the old rows of the
    matrix; mean: mean of all old rows; decompose: mean of the rows of the old pieces (decompose-input, decompose-output: in
    that matrix only, random in the other); eeve: input as decompose, output the first old piece; last-piece: input the last
    old piece, output as decompose; weighted: input weighted by the bytes of the pieces, output with weights that halve from
    piece to piece; focus: old tokens with similar use in --focus-text; best: the one with the fewest bits per byte over all
    files of --text; compare: judge all of them, write no model."""
    text: FilePath | None = None
    """Text to judge on: FILE or FILE,FILE (.txt, .md, .py, .parquet with a column text, or .jsonl with a field text, also .gz
    and .zst)."""
    judge: Literal["all", "chosen", "none"] = "all"
    """Initializations to judge when --text is given."""
    judge_tokens: PositiveInt = 16384
    """New tokens to judge in each file, from its start."""
    judge_length: PositiveInt = 256
    """Tokens of one sequence while judging; at most the longest sequence of the model."""
    focus_text: FilePath | None = None
    """Text that focus learns from (its first 4,000,000 tokens): FILE or FILE,FILE, other text than --text."""
    seed: NonNegativeInt = 1234
    """Seed of the random rows and of the vectors of focus."""
    random_std: PositiveFloat | None = None
    """Standard deviation of random rows, around 0 (default: that of the old rows of each matrix, around their mean)."""
    dtype: Literal["bf16", "fp32"] | None = None
    """Number format to write (default: that of the source). Rows are computed in fp32 and rounded once."""
    format: Literal["hf", "megatron"] | None = None
    """Format to write (default: that of the source)."""
    max_shard_gb: PositiveFloat = 5.0
    """Largest safetensors file in 10^9 bytes (format hf)."""
    overwrite: Flag = False
    """Replace the result of an earlier call in DST."""


@section
class PruneVocab:
    """Keeps the rows of the ids in a map, as mko tokenizer prune writes it, and removes the others."""

    src: FilePath
    """Hugging Face folder, checkpoint folder, or run folder (its newest complete checkpoint), with its tokenizer."""
    dst: FilePath
    """Folder to write."""
    map: FilePath
    """id_map.json: the old id of every new id."""
    tokenizer: FilePath
    """Folder of the pruned tokenizer."""
    dtype: Literal["bf16", "fp32"] | None = None
    """Number format to write (default: that of the source)."""
    format: Literal["hf", "megatron"] | None = None
    """Format to write (default: that of the source)."""
    max_shard_gb: PositiveFloat = 5.0
    """Largest safetensors file in 10^9 bytes (format hf)."""
    overwrite: Flag = False
    """Replace the result of an earlier call in DST."""
