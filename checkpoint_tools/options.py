"""The options of every operation: names, types, bounds and the sentence that ``--help`` prints. No torch."""

from __future__ import annotations

from dataclasses import dataclass
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
    """Token ids to compare logits on (default: two random sequences)."""
    tolerance: NonNegativeFloat = 1e-4
    """Largest difference, of weights and of logits, that passes."""
    tensor_parallel: PositiveInt = 1
    """CPU ranks on which megatron-core computes logits."""


@section
class Inspect:
    """Prints what a folder contains: position, model, tokenizer, and name, shape and number format of each tensor."""

    src: FilePath
    """Hugging Face folder, checkpoint folder, or run folder (its newest complete checkpoint)."""
    state: Flag = False
    """Also list the state of the optimizer and of random numbers."""


@section
class Diff:
    """Shows what differs between two models, and how much, by kind of weight and by layer."""

    a: FilePath
    """First folder: Hugging Face, checkpoint or run."""
    b: FilePath
    """Second folder."""
    out: FilePath | None = None
    """JSON file to write the differences of every weight to."""


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


@section
class Grow:
    """Adds layers that copy others, widens a model without changing its logits, or both."""

    src: FilePath
    """Hugging Face folder, checkpoint folder, or run folder (its newest complete checkpoint)."""
    dst: FilePath
    """Folder to write."""
    map: Annotated[str, Field(min_length=1)] | None = None
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


@section
class Verify:
    """Compares the files of a checkpoint or export with their checksums, and a model with the record of its operations."""

    src: FilePath
    """Checkpoint folder, run folder (all of its complete checkpoints), or Hugging Face folder that mko checkpoint wrote."""


@section
class Push:
    """Uploads an export of to-hf to the Hugging Face hub, with the token of HF_TOKEN or of hf auth login."""

    folder: FilePath
    """Export that to-hf wrote and verified."""
    repo: Annotated[str, Field(min_length=1)]
    """Repository, OWNER/NAME; created if there is none."""
    public: Flag = False
    """Upload to a public repository (default: a private one)."""


@dataclass(frozen=True)
class Operation:
    """Options of a command and its sentence in the overview; ``inputs`` are the positional ones, in their order.

    ``module``: the module in ``operations``, where the standard library has the name of the command.
    """

    options: type
    sentence: str
    inputs: tuple[str, ...] = ("src", "dst")
    module: str = ""


OPERATIONS = {
    "to-hf": Operation(ToHf, "write a checkpoint as a Hugging Face folder"),
    "from-hf": Operation(FromHf, "write a Hugging Face folder as a checkpoint that training starts from"),
    "from-megatron": Operation(FromMegatron, "write the weights of a Megatron-LM checkpoint as a checkpoint"),
    "merge-lora": Operation(MergeLora, "add the adapters of a LoRA run to its base, as a checkpoint"),
    "export-lora": Operation(ExportLora, "write the adapters of a LoRA run in PEFT's format"),
    "inspect": Operation(
        Inspect, "list what a folder contains, without reading weights", ("src",), "inspect_folder"
    ),
    "diff": Operation(
        Diff, "show what differs between two models, by kind of weight and by layer", ("a", "b")
    ),
    "compare": Operation(Compare, "compare two models by weights and logits", ("a", "b")),
    "average": Operation(Average, "average the weights of the last checkpoints of a run"),
    "merge": Operation(Merge, "combine the weights of models of one shape (mean, SLERP, TIES, DARE)"),
    "verify": Operation(
        Verify, "check that the files of a checkpoint or export are what was written", ("src",)
    ),
    "push": Operation(Push, "upload an export to the Hugging Face hub", ("folder", "repo")),
    "expand-vocab": Operation(ExpandVocab, "add rows for the tokens of a larger tokenizer"),
    "grow": Operation(Grow, "add layers that copy others, or widen without changing logits"),
    "importance": Operation(Importance, "show or compare the scores of mko importance", ("src",)),
    "prune": Operation(Prune, "remove channels, heads or layers, to a shape or a number of parameters"),
    "prune-vocab": Operation(PruneVocab, "keep only the rows of the ids that a pruned tokenizer keeps"),
}
