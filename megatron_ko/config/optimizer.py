"""The sections ``optimizer`` and ``schedule`` of a training configuration.

Owns names, types, bounds and sentences; ``planning/schedule.py`` computes the learning rate, ``planning/muon_rules.py`` has rules.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Field

from megatron_ko.config.fields import (
    Flag,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    OpenFraction,
    PositiveFloat,
    PositiveInt,
    section,
)


@section
class OptimizerConfig:
    type: Literal["adamw"] = "adamw"
    """AdamW trains every weight; its state is divided among data-parallel ranks."""
    learning_rate: PositiveFloat
    """Peak learning rate of AdamW."""
    embedding_learning_rate: PositiveFloat | None = None
    """Peak learning rate of the input and output embeddings, on the same schedule; by default learning_rate."""
    beta1: OpenFraction = 0.9
    """Decay rate of AdamW's first moment."""
    beta2: OpenFraction = 0.95
    """Decay rate of AdamW's second moment."""
    epsilon: PositiveFloat = 1e-8
    """Epsilon of AdamW."""
    weight_decay: NonNegativeFloat = 0.1
    """Decoupled weight decay of matrices and embeddings; norms and biases are not decayed."""
    decoupled: Literal["learning_rate", "independent"] = "learning_rate"
    """What a step multiplies weight_decay by: learning_rate (AdamW of PyTorch), or independent: the schedule alone, a fraction of
    the peak (Kanana: weight_decay 1e-4)."""
    clip_grad_norm: NonNegativeFloat = 1.0
    """Maximum global L2 norm of the gradients, which are scaled down to it; 0 disables clipping."""


@section
class MuonConfig(OptimizerConfig):
    type: Literal["muon"] = Field()  # type: ignore[assignment]  # required: not the default of the class above
    """Muon trains the matrices of the layers, AdamW all other weights. Every data-parallel rank has the whole state. Needs
    megatron-core 0.19 and the package emerging-optimizers (pip install -e '.[muon]')."""
    muon_learning_rate: PositiveFloat | None = None
    """Peak learning rate of the matrices, on the same schedule; by default learning_rate."""
    momentum: OpenFraction = 0.95
    """Decay rate of Muon's momentum, a moving average of the gradients."""
    nesterov: Flag = True
    """Whether Muon orthogonalizes the gradient mixed with the momentum (Nesterov), not the momentum alone."""
    newton_schulz_steps: PositiveInt = Field(default=5, le=100)
    """Iterations that orthogonalize a matrix; in bf16 where precision.dtype is bf16."""
    coefficients: Literal["simple", "quintic", "polar_express"] = "quintic"
    """Polynomials of the iterations: simple (the same in each, arXiv:2502.16982), quintic or polar_express (arXiv:2505.16932)."""
    scale: Literal["spectral", "shape_scaling", "unit_rms_norm"] = "spectral"
    """Factor of an update of shape [outputs, inputs]: the square root of the larger side (spectral), of outputs / inputs but at
    least 1 (shape_scaling), or of outputs / inputs (unit_rms_norm)."""
    scale_factor: PositiveFloat = 0.2
    """Further factor of every update; with spectral, 0.2 gives updates as large as AdamW's, so that learning rates carry over
    (arXiv:2502.16982)."""
    split_over_ranks: Literal["gather", "distribute", "blockwise"] = "gather"
    """How tensor-parallel ranks orthogonalize a matrix that they split: each one the whole matrix (gather), together (distribute),
    both as on one rank, or each its own part (blockwise): faster, but another algorithm."""


def _name_adamw(section: Any) -> Any:
    """AdamW is the type of a section that names none, as in configurations of earlier versions."""
    return {"type": "adamw", **section} if isinstance(section, dict) else section


Optimizer = Annotated[
    Union[OptimizerConfig, MuonConfig], Field(discriminator="type"), BeforeValidator(_name_adamw)
]


@section
class ConstantSchedule:
    type: Literal["constant"]
    """Stays at the peak learning rate after the warm-up."""
    warmup_steps: NonNegativeInt = 0
    """Steps of linear warm-up from 0."""


@section
class LinearSchedule:
    type: Literal["linear"]
    """Falls linearly from the peak to the final learning rate."""
    warmup_steps: NonNegativeInt = 0
    """Steps of linear warm-up from 0."""
    final_ratio: Fraction = 0.0
    """Final learning rate as a fraction of the peak."""


@section
class CosineSchedule:
    type: Literal["cosine"]
    """Falls along half a cosine from the peak to the final learning rate."""
    warmup_steps: NonNegativeInt = 0
    """Steps of linear warm-up from 0."""
    final_ratio: Fraction = 0.1
    """Final learning rate as a fraction of the peak."""


@section
class WsdSchedule:
    type: Literal["wsd"]
    """Warm-up, stable, decay: stays at the peak, then falls during the last decay_steps."""
    warmup_steps: NonNegativeInt = 0
    """Steps of linear warm-up from 0."""
    decay_steps: PositiveInt
    """Steps of the final decay."""
    decay: Literal["linear", "cosine", "exponential", "minus_sqrt"] = "minus_sqrt"
    """Shape of the decay; minus_sqrt is 1 - sqrt(fraction of the decay done)."""
    final_ratio: Fraction = 0.0
    """Final learning rate as a fraction of the peak."""


@section
class MultiStepSchedule:
    type: Literal["multistep"]
    """Drops to fixed fractions of the peak at fixed points of the run (DeepSeek LLM)."""
    warmup_steps: NonNegativeInt = 0
    """Steps of linear warm-up from 0."""
    milestones: list[Fraction] = Field(default_factory=lambda: [0.8, 0.9])
    """Points of the run where the learning rate drops: increasing fractions of all samples."""
    ratios: list[Fraction] = Field(default_factory=lambda: [0.316, 0.1])
    """Learning rate after each milestone, as a fraction of the peak."""


Schedule = Annotated[
    Union[ConstantSchedule, LinearSchedule, CosineSchedule, WsdSchedule, MultiStepSchedule],
    Field(discriminator="type"),
]
