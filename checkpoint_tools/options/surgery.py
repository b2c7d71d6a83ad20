"""Options of the operations that change layers, widths and values: grow, prune, average, merge."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from megatron_ko.config.fields import (
    FilePath,
    Flag,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Seed,
    Width,
    section,
)


@section
class Grow:
    """Adds layers that copy others, widens a model without changing its logits, or both."""

    src: FilePath
    """Hugging Face folder, checkpoint folder, or run folder (its newest complete checkpoint)."""
    dst: FilePath
    """Folder to write."""
    map: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, json_schema_extra={"metavar": "MAP"}
    )
    """Layers of SRC, from 0, in the order of the result, such as 0-23,8-31."""
    name: Literal["solar", "kanana", "stack", "interleave", "llama-pro"] | None = None
    """Named map instead of --map. solar: the first n - m layers, then the last n - m (by default 3/2 of the layers: 32 to 48);
    kanana: the same rule to 5/4 of the layers (32 to 40: 0-19,12-31); stack: all layers k times (G_stack; by default twice);
    interleave: each k-th layer twice; llama-pro: a silent copy after each k-th layer."""
    layers: Annotated[PositiveInt, Field(le=10_000)] | None = None
    """Layers of the result of --name (default: those of its paper); fixes m and k."""
    every: Annotated[PositiveInt, Field(le=10_000)] | None = None
    """The k of interleave and llama-pro, instead of --layers."""
    new_layers: Literal["copy", "zero"] | None = None
    """What new layers write to the residual stream. copy: what the copied layer does. zero: nothing at first, as their output
    projections (Gemma 2: the norms after them) are zero, so that logits stay the same. Default: copy; llama-pro: zero."""
    width: Annotated[PositiveInt, Field(ge=2, le=64)] | None = None
    """Factor of all widths: hidden size, feed-forward width, query heads and KV groups (hypercloning); the head size stays. Logits
    stay the same. The four options below set one width each, alone or instead of this factor."""
    hidden_size: Width | None = None
    """Width of the residual stream, a multiple of that of SRC."""
    ffn_hidden_size: Width | None = None
    """Width of the feed-forward layer."""
    heads: Width | None = None
    """Query heads."""
    kv_groups: Width | None = None
    """Key/value heads."""
    noise: NonNegativeFloat = Field(default=0.0, le=1)
    """Standard deviation of the noise between the copies of a widened channel, as a share of that of the matrix; it sums to zero over
    them, so logits stay the same, and the copies learn different things."""
    seed: Seed = 1234
    """Seed of the noise."""
    dtype: Literal["bf16", "fp32"] | None = None
    """Number format to write (default: that of the source). Widths are computed in fp32 and rounded once."""
    format: Literal["hf", "megatron"] | None = None
    """Format to write (default: that of the source)."""
    max_shard_gb: PositiveFloat = 5.0
    """Largest safetensors file in 10^9 bytes (format hf)."""
    overwrite: Flag = False
    """Replace the result of an earlier call in DST."""
    dry_run: Flag = False
    """Check everything, print the layers and what would be written and what that needs, and write nothing."""
    logits: Flag = False
    """Also compare the logits of source and result in fp32, where they must be the same: zero layers and widths."""
    tolerance: NonNegativeFloat = 1e-4
    """Largest difference of logits that passes, as a share of the largest logit of the source."""
    text: FilePath | None = None
    """Text to score before and after: FILE or FILE,FILE (.txt, .md, .py, .parquet with a column text, or .jsonl with a field text,
    also .gz and .zst)."""
    text_tokens: PositiveInt = 16384
    """Tokens to score in each file, from its start."""
    text_length: PositiveInt = 256
    """Tokens of one sequence while scoring; at most the longest sequence of the model."""


@section
class ScoreOptions:
    """How importance scores are aggregated; by default the best row of Kanana's table (arXiv 2502.18934)."""

    sequence: Literal["mean", "l2"] = "mean"
    """Norm of a channel's activations over the positions of a sample."""
    batch: Literal["l2", "mean"] = "l2"
    """Norm over samples."""
    layer_sum: Flag = True
    """Rank hidden channels by the sum over layers; otherwise by the first layer alone."""
    ffn_score: Literal["product", "gate_up"] = "product"
    """Rank feed-forward channels by the input of the down projection (product), or by the mean of gate and up projection."""


@section
class Prune(ScoreOptions):
    """Removes hidden channels, feed-forward channels, query heads or layers, to a shape or to a number of parameters."""

    src: FilePath
    """Hugging Face folder, checkpoint folder, or run folder (its newest complete checkpoint)."""
    dst: FilePath
    """Folder to write."""
    scores: FilePath | None = None
    """Importance scores of SRC, as mko importance writes them; --drop-layers and --tie-embeddings alone need none."""
    hidden_size: Width | None = None
    """Width of the residual stream."""
    ffn_hidden_size: Width | None = None
    """Width of the feed-forward layer."""
    heads: Width | None = None
    """Query heads, a multiple of the KV groups; of a model with as many groups as heads, both."""
    layers: Annotated[PositiveInt, Field(le=10_000)] | None = None
    """Layers; those with the lowest scores are removed."""
    drop_layers: Annotated[list[NonNegativeInt], Field(min_length=1)] | None = None
    """Numbers of the layers to remove, from 0, instead of --layers."""
    parameters: PositiveFloat | None = None
    """Largest number of parameters, such as 2.1e9: proposes shapes with their exact number, and takes the one that keeps most of
    the scores. Sizes that are given stay fixed; layers stay without --layers or --drop-layers."""
    tie_embeddings: Flag = False
    """Replace input and output embedding by their mean."""
    align_heads: Flag = True
    """Keep as many query heads of each KV group; otherwise the best of each layer, which then read other keys and values."""
    layer_score: Literal["influence", "loss"] = "influence"
    """Rank layers by block influence, or by the change of the loss without each (mko importance --leave-out)."""
    dtype: Literal["bf16", "fp32"] | None = None
    """Number format to write (default: that of the source). Norms and tied embeddings are computed in fp32 and rounded once."""
    format: Literal["hf", "megatron"] | None = None
    """Format to write (default: that of the source)."""
    max_shard_gb: PositiveFloat = 5.0
    """Largest safetensors file in 10^9 bytes (format hf)."""
    overwrite: Flag = False
    """Replace the result of an earlier call in DST."""
    dry_run: Flag = False
    """Check everything, print what would be written and what that needs, and write nothing."""
    text: FilePath | None = None
    """Text to score before and after: FILE or FILE,FILE (.txt, .md, .py, .parquet with a column text, or .jsonl with a field text,
    also .gz and .zst)."""
    text_tokens: PositiveInt = 16384
    """Tokens to score in each file, from its start."""
    text_length: PositiveInt = 256
    """Tokens of one sequence while scoring; at most the longest sequence of the model."""


@section
class Importance(ScoreOptions):
    """Shows a file of importance scores as a table, or compares two."""

    src: FilePath
    """File of scores, as mko importance writes it."""
    compare: FilePath | None = None
    """Second file, of the same model or of one of the same shape."""


@section
class Average:
    """Writes the mean of the weights of several checkpoints of a run, which often predicts better than the last one."""

    src: FilePath
    """Run folder."""
    dst: FilePath
    """Checkpoint folder to write: weights alone, to start from, compare or export."""
    last: Annotated[PositiveInt, Field(ge=2)] | None = None
    """Number of checkpoints, the newest ones."""
    names: Annotated[list[str], Field(min_length=2)] | None = None
    """Folders of the checkpoints in the run folder, such as step_00009000 step_00010000, instead of --last."""
    dtype: Literal["bf16", "fp32"] | None = None
    """Number format to write (default: that of the newest). The sum is in fp32."""
    overwrite: Flag = False
    """Replace the result of an earlier call in DST."""


@section
class Merge:
    """Combines the weights of models of one shape and one tokenizer, such as fine-tunings of the same base."""

    src: FilePath
    """First model: Hugging Face folder, checkpoint folder, or run folder. Its tokenizer and settings serve the result."""
    dst: FilePath
    """Folder to write."""
    others: Annotated[list[FilePath], Field(min_length=1)]
    """The other models."""
    method: Literal["linear", "slerp", "task", "ties", "dare", "dare-ties"] = "linear"
    """linear: weighted mean; slerp: point on the arc between two models; task: base plus the weighted sum of the differences from
    it; ties: of the largest differences the mean of those that agree in sign; dare: random differences, divided by --density;
    dare-ties: both."""
    weights: list[NonNegativeFloat] | None = None
    """One weight for each model, SRC first (default: equal; for slerp they give the place on the arc)."""
    base: FilePath | None = None
    """Model that all others began as, for task, ties, dare and dare-ties."""
    density: PositiveFloat = Field(default=1.0, le=1)
    """Share of the differences that stays: the largest (ties), or random ones (dare, dare-ties)."""
    scale: PositiveFloat = 1.0
    """Factor of the merged differences."""
    seed: NonNegativeInt = 1234
    """Seed of the choice of dare."""
    text: FilePath | None = None
    """Text to score SRC and the result on: FILE or FILE,FILE (.txt, .md, .py, .parquet, .jsonl, also .gz and .zst)."""
    text_tokens: PositiveInt = 16384
    """Tokens to score in each file, from its start."""
    text_length: PositiveInt = 256
    """Tokens of one sequence while scoring; at most the longest sequence of the model."""
    dtype: Literal["bf16", "fp32"] | None = None
    """Number format to write (default: that of SRC). Weights are computed in fp32 and rounded once."""
    format: Literal["hf", "megatron"] | None = None
    """Format to write (default: that of SRC)."""
    max_shard_gb: PositiveFloat = 5.0
    """Largest safetensors file in 10^9 bytes (format hf)."""
    overwrite: Flag = False
    """Replace the result of an earlier call in DST."""
    dry_run: Flag = False
    """Check the sources, print what would be written and what that needs, and write nothing."""
