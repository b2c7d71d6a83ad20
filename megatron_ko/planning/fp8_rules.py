"""FP8: the widths a recipe needs, what it needs of Transformer Engine and of the GPU, and what a resume may change.

Sources: megatron-core's ``fp8_utils.py`` (versions, multiples), Transformer Engine's quantizers (multiples) and its checks
of the GPU. Only the layers' matrix products are FP8; embeddings and output layer are megatron-core's own and stay in bf16,
so the vocabulary has no rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from megatron_ko.config.fp8 import DelayedFp8, Fp8, bf16_layers, gathers_parameters, uses_fp8
from megatron_ko.config.loading import Rule
from megatron_ko.config.model import ModelConfig, head_size
from megatron_ko.config.recompute import SelectiveRecompute
from megatron_ko.config.training import (
    CheckpointConfig,
    ParallelConfig,
    PrecisionConfig,
    RunConfig,
    TrainingConfig,
)
from megatron_ko.errors import CheckpointError, Problem

Problems = Iterator[tuple[str, str]]

MULTIPLE = {"tensorwise": 16, "delayed": 16, "mxfp8": 32, "blockwise": 128}
"""Tokens of a rank and widths of the matrices are multiples of this number."""
ENGINE_MINIMUM = {"tensorwise": "2.2", "delayed": "2.0", "mxfp8": "2.1", "blockwise": "2.3"}
"""Oldest version of Transformer Engine."""
RECOMPUTED_NORMS = "2.6"
"""Oldest version of Transformer Engine that computes norms again in front of products in FP8."""
CAPABILITY = {"tensorwise": (8, 9), "delayed": (8, 9), "blockwise": (9, 0), "mxfp8": (10, 0)}
"""Lowest compute capability of the GPU: 8.9 Ada, 9.0 Hopper, 10.0 Blackwell."""
CAPABILITY_END = {"mxfp8": (12, 0)}
"""Compute capability from which on Transformer Engine has no kernels (12.0: Blackwell for workstations)."""
CUDA_MINIMUM = {"blockwise": "12.9"}
"""Oldest version of CUDA that torch was built for."""


def _fp8_possible(run: RunConfig, precision: PrecisionConfig) -> Problems:
    if not uses_fp8(precision.fp8):
        return
    recipe = precision.fp8.type
    if run.device == "cpu":
        yield (
            "precision.fp8",
            f"{recipe} needs a GPU and Transformer Engine, but run.device is cpu; set precision.fp8: none",
        )
    if precision.dtype != "bf16":
        yield (
            "precision.dtype",
            f"{precision.dtype} cannot be combined with precision.fp8 {recipe}; set precision.dtype: bf16",
        )


def _fp8_layers(model: ModelConfig, parallel: ParallelConfig, precision: PrecisionConfig) -> Problems:
    most = model.layers // parallel.pipeline  # megatron-core's own limit, also where stages are uneven
    for name, count in zip(("first", "last"), bf16_layers(precision.fp8)):
        if count > most:
            yield (
                f"precision.fp8.bf16_{name}_layers",
                f"{count} must be at most {most}, the layers of one pipeline stage; lower it",
            )


def recomputes_norms(parallel: ParallelConfig) -> bool:
    """Whether the outputs of norms, which are inputs of matrix products, are computed again."""
    return isinstance(parallel.recompute, SelectiveRecompute) and "norms" in parallel.recompute.modules


def _fp8_recompute(parallel: ParallelConfig, precision: PrecisionConfig) -> Problems:
    if isinstance(precision.fp8, DelayedFp8) and recomputes_norms(parallel):
        yield (
            "parallel.recompute.modules",
            "norms cannot be computed again with precision.fp8 delayed in megatron-core; remove norms, or "
            "choose another recipe such as tensorwise",
        )


def _fp8_weights_begin(precision: PrecisionConfig, checkpoint: CheckpointConfig) -> Problems:
    if gathers_parameters(precision.fp8) and checkpoint.initial_weights is not None:
        yield (
            "precision.fp8.parameter_gather",
            f"true would round checkpoint.initial_weights {checkpoint.initial_weights} to FP8; set it to false, or remove "
            "initial_weights once the run has a checkpoint",
        )


def _fp8_widths(model: ModelConfig, parallel: ParallelConfig, precision: PrecisionConfig) -> Problems:
    for path, problem in odd_widths(model, parallel, precision.fp8):
        yield (
            path,
            f"{problem} with precision.fp8 {precision.fp8.type}; change it, lower parallel.tensor, or choose another recipe",
        )


def odd_widths(model: ModelConfig, parallel: ParallelConfig, fp8: Fp8) -> Problems:
    """Widths of a rank's matrix products that the recipe cannot have: ``(path, the value and its rule)``."""
    multiple = MULTIPLE.get(fp8.type)
    if multiple is None:
        return
    tensor, size = parallel.tensor, head_size(model)
    kv = 2 * model.kv_groups * size
    for path, label, width in (
        ("model.hidden_size", "the hidden size", model.hidden_size),
        ("model.heads", "the width of attention's output per tensor-parallel rank", model.heads * size // tensor),
        ("model.kv_groups", "the width of queries, keys and values per tensor-parallel rank",
         (model.heads * size + kv) // tensor),
        ("model.ffn_hidden_size", "the width of SwiGLU per tensor-parallel rank", model.ffn_hidden_size // tensor),
    ):  # fmt: skip
        if width % multiple:
            yield path, f"{label} is {width}, but must be a multiple of {multiple}"


def fp8_tokens(parallel: ParallelConfig, training: TrainingConfig, precision: PrecisionConfig) -> Problems:
    """The tokens that a rank multiplies at once, which also are a dimension of the gradients' products."""
    for problem in odd_tokens(parallel, training, precision.fp8):
        yield "training.sequence_length", problem.format(f"precision.fp8 {precision.fp8.type}")


def odd_tokens(parallel: ParallelConfig, training: TrainingConfig, fp8: Fp8) -> Iterator[str]:
    """The problem of a number of tokens that the recipe cannot have, with ``{}`` for the field that chooses the recipe."""
    multiple = MULTIPLE.get(fp8.type)
    if multiple is None:
        return
    split = parallel.context * (parallel.tensor if parallel.sequence else 1)
    tokens = training.micro_batch_size * training.sequence_length
    if tokens % split:
        return  # another rule reports it
    if tokens // split % multiple:
        yield (
            f"{tokens // split} tokens per rank (micro_batch_size {training.micro_batch_size} x sequence_length "
            f"{training.sequence_length} / {split}) must be a multiple of {multiple} with {{}}; "
            f"write {-(-training.sequence_length // (multiple * split)) * multiple * split}, or change micro_batch_size"
        )


FP8_RULES = (
    Rule(("run", "precision"), _fp8_possible),
    Rule(("model", "parallel", "precision"), _fp8_layers),
    Rule(("parallel", "precision"), _fp8_recompute),
    Rule(("precision", "checkpoint"), _fp8_weights_begin),
    Rule(("model", "parallel", "precision"), _fp8_widths),
    Rule(("parallel", "training", "precision"), fp8_tokens),
)


def gpu_problem(recipe: str, name: str, capability: tuple[int, int], cuda: str) -> str | None:
    """Why a GPU, or the CUDA of torch, cannot run the recipe; None if it can."""
    needed = CAPABILITY[recipe]
    if capability < needed:
        return (
            f"precision.fp8 {recipe} needs a GPU of compute capability {needed[0]}.{needed[1]} or newer, but {name} has "
            f"{capability[0]}.{capability[1]}; choose another recipe, or precision.fp8: none"
        )
    end = CAPABILITY_END.get(recipe)
    if end and capability >= end:
        return (
            f"precision.fp8 {recipe} needs a GPU of compute capability below {end[0]}.{end[1]}, but {name} has "
            f"{capability[0]}.{capability[1]}; choose another recipe, or precision.fp8: none"
        )
    minimum = CUDA_MINIMUM.get(recipe)
    if minimum and tuple(map(int, cuda.split(".")[:2])) < tuple(map(int, minimum.split("."))):
        return (
            f"precision.fp8 {recipe} needs torch built for CUDA {minimum} or newer, but it is built for {cuda}; install such "
            "a torch, or choose another recipe"
        )
    return None


# --- resuming --------------------------------------------------------------------------------------------

Change = Literal["continues", "without_history", "with_new_history", "refused"]


def change_of(before: Fp8 | None, now: Fp8) -> Change:
    """What a resume does with scaling histories: ``before`` is the recipe of the checkpoint, ``now`` this run's.

    Only delayed scaling has a history, of one format and length. A run without one continues from any checkpoint; a run with
    one needs that of the checkpoint, or permission to begin a new one (its first steps then scale by 1).
    """
    if not isinstance(now, DelayedFp8):
        return "without_history" if isinstance(before, DelayedFp8) else "continues"
    same = (now.format, now.history_steps)
    if isinstance(before, DelayedFp8) and (before.format, before.history_steps) == same:
        return "continues"
    return "with_new_history" if now.new_history else "refused"


def check_recipe(folder: Path, before: Fp8 | None, now: Fp8) -> None:
    """Raises CheckpointError if a run may not continue from the checkpoint ``folder``, whose recipe was ``before``."""
    if isinstance(now, DelayedFp8) and change_of(before, now) == "refused":
        theirs = before.type if before else "none"
        message = (
            f"delayed needs the scaling history of its format {now.format} and {now.history_steps} steps, but the checkpoint "
            f"({theirs}) has none; use the checkpoint's settings or a recipe without a history such as tensorwise, or set "
            "precision.fp8.new_history: true to begin a new history"
        )
        raise CheckpointError([Problem(str(folder), "precision.fp8", message, "scaling-history-missing")])
