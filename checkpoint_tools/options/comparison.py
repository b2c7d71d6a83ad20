"""Options of the operations that read only: compare, inspect, diff, verify."""

from __future__ import annotations

from pydantic import Field

from megatron_ko.config.fields import (
    FilePath,
    Flag,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    section,
)


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
    """Prints what a folder contains: position, model, tokenizer, the operations that made it, and a tree of its tensors."""

    src: FilePath
    """Hugging Face folder, checkpoint folder, or run folder (its newest complete checkpoint)."""
    state: Flag = False
    """Also list the state of the optimizer and of random numbers."""
    out: FilePath | None = None
    """JSON file to write the same to, with the whole name of every tensor."""


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
class Verify:
    """Compares the files of a checkpoint or export with their checksums, and a model with the record of its operations."""

    src: FilePath
    """Checkpoint folder, run folder (all of its complete checkpoints), or Hugging Face folder that mko checkpoint wrote."""
    checks: Flag = True
    """Compare logits again that the last operation compared with those of its source, while that exists."""
