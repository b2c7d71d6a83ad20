"""The section ``precision.fp8``: a recipe of Transformer Engine for the matrix products of the layers, and its settings.

``planning/fp8_rules.py`` owns the rules over widths, versions and GPUs.
"""

from __future__ import annotations

from typing import Annotated, Literal, Union

from pydantic import Field

from megatron_ko.config.fields import Flag, NonNegativeInt, PositiveInt, section

Fp8Format = Literal["hybrid", "e4m3"]


@section
class NoFp8:
    type: Literal["none"] = "none"
    """Matrix products in precision.dtype."""


@section
class TensorwiseFp8:
    type: Literal["tensorwise"]
    """One scale for each tensor, from its present values (current scaling). Keeps no state; the recipe for Hopper."""
    format: Fp8Format = "hybrid"
    """hybrid: e4m3 forward and e5m2 for gradients; e4m3: both."""
    bf16_first_layers: NonNegativeInt = 1
    """First layers whose matrix products stay in bf16."""
    bf16_last_layers: NonNegativeInt = 1
    """Last layers whose matrix products stay in bf16."""
    parameter_gather: Flag = False
    """Whether the weights of the matrix products are kept and gathered in FP8; the optimizer keeps them in fp32."""


@section
class DelayedFp8:
    type: Literal["delayed"]
    """One scale for each tensor, from the largest values of the last steps. This history is part of a checkpoint."""
    format: Fp8Format = "hybrid"
    """hybrid: e4m3 forward and e5m2 for gradients; e4m3: both."""
    history_steps: PositiveInt = Field(default=1024, le=65_536)
    """Steps in the history of largest values; the scale follows the largest of them."""
    new_history: Flag = False
    """Whether a run may resume, without the history, from a checkpoint that has none for these settings; otherwise an error."""
    parameter_gather: Flag = False
    """Whether the weights of the matrix products are kept and gathered in FP8; the optimizer keeps them in fp32."""


@section
class BlockwiseFp8:
    type: Literal["blockwise"]
    """One scale for each 1 x 128 values of activations and 128 x 128 of weights. Keeps no state; Hopper with CUDA 12.9."""
    format: Fp8Format = "e4m3"
    """hybrid: e4m3 forward and e5m2 for gradients; e4m3: both."""
    bf16_first_layers: NonNegativeInt = 0
    """First layers whose matrix products stay in bf16."""
    bf16_last_layers: NonNegativeInt = 0
    """Last layers whose matrix products stay in bf16."""
    parameter_gather: Flag = False
    """Whether the weights of the matrix products are kept and gathered in FP8; the optimizer keeps them in fp32."""


@section
class Mxfp8:
    type: Literal["mxfp8"]
    """One power of two as the scale of each 32 values. Keeps no state; Blackwell only."""
    format: Fp8Format = "e4m3"
    """hybrid: e4m3 forward and e5m2 for gradients; e4m3: both."""
    bf16_first_layers: NonNegativeInt = 0
    """First layers whose matrix products stay in bf16."""
    bf16_last_layers: NonNegativeInt = 0
    """Last layers whose matrix products stay in bf16."""
    parameter_gather: Flag = False
    """Whether the weights of the matrix products are kept and gathered in FP8; the optimizer keeps them in fp32."""


Fp8 = Annotated[
    Union[NoFp8, TensorwiseFp8, DelayedFp8, BlockwiseFp8, Mxfp8],
    Field(discriminator="type"),
]


def uses_fp8(fp8: Fp8) -> bool:
    return not isinstance(fp8, NoFp8)


def bf16_layers(fp8: Fp8) -> tuple[int, int]:
    """First and last layers that stay in bf16."""
    if isinstance(fp8, (NoFp8, DelayedFp8)):
        return 0, 0
    return fp8.bf16_first_layers, fp8.bf16_last_layers


def gathers_parameters(fp8: Fp8) -> bool:
    """Whether the weights of the matrix products are FP8."""
    return not isinstance(fp8, NoFp8) and fp8.parameter_gather
