"""The section ``parallel.recompute``: which activations are computed again in the backward pass instead of being kept.

Owns names, types and sentences. ``megatron_ko.planning.activations`` owns what each choice saves.
"""

from __future__ import annotations

from typing import Annotated, Literal, Union

from pydantic import Field

from megatron_ko.config.fields import PositiveInt, section

RecomputeModule = Literal["attention", "norms", "mlp"]


@section
class NoRecompute:
    type: Literal["none"] = "none"
    """Keeps all activations."""


@section
class SelectiveRecompute:
    type: Literal["selective"]
    """Computes parts of every layer again."""
    modules: Annotated[list[RecomputeModule], Field(min_length=1)] = Field(
        default_factory=lambda: ["norms", "mlp"]
    )
    """Parts that are computed again: mlp (the feed-forward layer: most memory, about a sixth of a step's time), norms (nearly free),
    attention (its core, which fused kernels already compute again: little memory)."""


@section
class FullRecompute:
    type: Literal["full"]
    """Keeps only the input of whole layers: least memory, about a third of a step's time."""
    method: Literal["uniform", "block"] = "uniform"
    """uniform keeps the input of every group of layers; block computes only the first layers of each pipeline stage again."""
    layers: PositiveInt = 1
    """With uniform, layers per group, of which one is computed again at a time; with block, layers of each stage (of each of its
    parts, with virtual_pipeline) that are computed again."""


Recompute = Annotated[Union[NoRecompute, SelectiveRecompute, FullRecompute], Field(discriminator="type")]
