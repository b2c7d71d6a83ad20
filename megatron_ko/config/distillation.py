"""Distillation: the teacher, the divergence between its distribution and the student's, and what is mixed with it.

Owns the section ``distillation`` and that of a stage. ``planning/distillation.py`` combines the two and has the rules over them.
"""

from __future__ import annotations

from typing import Annotated, Literal, Union

from pydantic import Field

from megatron_ko.config.fields import (
    FilePath,
    Flag,
    Int32,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    section,
)

LARGEST_K = 4096


@section
class ForwardKl:
    type: Literal["forward_kl"] = "forward_kl"
    """KL(teacher || student): the student covers everything that the teacher finds possible (Hinton et al. 2015, Kanana)."""


@section
class ReverseKl:
    type: Literal["reverse_kl"]
    """KL(student || teacher): the student avoids what the teacher finds impossible (MiniLLM, arXiv 2306.08543)."""


@section
class GeneralizedJsd:
    type: Literal["jsd"]
    """Generalized Jensen-Shannon divergence: beta x KL(teacher || M) + (1 - beta) x KL(student || M), where M is beta x teacher +
    (1 - beta) x student (GKD, arXiv 2306.13649)."""
    beta: Annotated[PositiveFloat, Field(lt=1)] = 0.5
    """Weight of the teacher, between 0 and 1: 0.5 is symmetric; divided by beta it approaches forward_kl as beta approaches 0."""


@section
class TopK:
    type: Literal["top_k"]
    """KL(teacher || student) over the teacher's k most probable tokens, whose log-probabilities have 16 bits; the only one that a
    cache has."""
    k: PositiveInt = Field(le=LARGEST_K)
    """Number of tokens."""
    tail: Flag = True
    """Whether all other tokens count as one more (their probabilities are summed); otherwise they are left out, and both
    distributions are scaled to sum to 1 over the k tokens."""


DistillationLoss = Annotated[Union[ForwardKl, ReverseKl, GeneralizedJsd, TopK], Field(discriminator="type")]
Temperature = Annotated[PositiveFloat, Field(ge=0.01, le=100)]


@section
class LayerPair:
    student: NonNegativeInt
    """Layer of the student, counted from 0."""
    teacher: NonNegativeInt
    """Layer of the teacher, counted from 0."""


@section
class HiddenStatesConfig:
    layers: list[LayerPair]
    """Pairs of layers, such as [{student: 3, teacher: 7}], whose outputs (the residual stream) are compared; an empty list switches the
    term off, such as in a stage."""
    loss: Literal["cosine", "mse"] = "cosine"
    """Distance of both states of a token: 1 - their cosine, or the mean of the squared differences of their elements."""
    weight: PositiveFloat = 1.0
    """Coefficient of the mean distance of the pairs, which is added to the divergence."""


@section
class DistillationConfig:
    teacher: FilePath | None = None
    """The teacher: a checkpoint folder, a run folder (newest checkpoint) or a Hugging Face folder, which is converted once, into the
    run folder. It has the tokenizer of the data and may have another width and depth. Required without cache."""
    cache: FilePath | None = None
    """Folder of the teacher's log-probabilities, which 'mko distill cache' writes: the run reads them and needs no teacher."""
    temperature: Temperature = 1.0
    """Both distributions are those of the logits divided by this number; the divergence is not multiplied by its square."""
    loss: DistillationLoss = Field(default_factory=ForwardKl)
    """Divergence between both distributions over the real vocabulary: forward_kl, reverse_kl, jsd or top_k."""
    language_model_weight: NonNegativeFloat = 0.0
    """Coefficient of the cross-entropy with the text, which is added to the divergence; 0 learns from the teacher alone (Kanana)."""
    hidden_states: HiddenStatesConfig | None = None
    """Distance between outputs of chosen layers, which is added to the divergence; a learned matrix projects the student's states where
    the widths differ. Needs the teacher beside the student."""
    teacher_tensor: Int32 | None = None
    """Tensor-parallel ranks that split the teacher, a divisor of parallel.tensor, which is the default. With fewer, several ranks compute
    the same: for a teacher whose heads or widths parallel.tensor does not divide."""
    teacher_fp8: Flag = False
    """Whether the matrix products of the teacher's layers, except the first and the last, are in FP8 (tensorwise current scaling); needs a
    GPU and Transformer Engine."""
    chunk_length: Int32 = 512
    """Tokens of each sequence whose logits are in fp32 at a time; changes memory, not results."""


@section
class StageDistillationConfig:
    teacher: FilePath | None = None
    """Teacher of the stage; by default that of the section distillation."""
    cache: FilePath | None = None
    """Cache of the stage; by default that of the section distillation."""
    temperature: Temperature | None = None
    """Temperature of the stage; by default that of the section distillation."""
    loss: DistillationLoss | None = None
    """Divergence of the stage; by default that of the section distillation."""
    language_model_weight: NonNegativeFloat | None = None
    """Coefficient of the cross-entropy; by default that of the section distillation."""
    hidden_states: HiddenStatesConfig | None = None
    """Hidden states of the stage; by default those of the section distillation."""
    teacher_tensor: Int32 | None = None
    """Tensor-parallel ranks of the teacher; by default those of the section distillation."""
    teacher_fp8: Flag | None = None
    """Whether the teacher computes in FP8; by default as in the section distillation."""
    chunk_length: Int32 | None = None
    """Tokens in fp32 at a time; by default those of the section distillation."""
