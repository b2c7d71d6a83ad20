"""Distillation in the plan of a run: the section of each stage, the teacher's layout, its memory and its FLOPs. No torch.

The teacher stands beside the student on every rank, in the layout of the student, and spreads its own layers over the pipeline
stages. ``distillation_rules`` has the rules.
"""

from __future__ import annotations

import dataclasses

from megatron_ko.config.distillation import DistillationConfig, StageDistillationConfig, TopK
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.recompute import NoRecompute
from megatron_ko.config.training import ParallelConfig
from megatron_ko.planning.activations import StageShape
from megatron_ko.planning.pipeline import chunks_of_stage
from megatron_ko.planning.weights import stage_entries

_DIVERGENCE_TENSORS = 6
"""Tensors [chunk, vocabulary] in fp32 that a divergence needs at a time: logits, log-probabilities and products of both models."""


def distillation_of(
    whole: DistillationConfig | None, stage: StageDistillationConfig | None
) -> DistillationConfig | None:
    """The section as a stage has it: its own fields in that of the run; None where the stage, or the run, has none."""
    if stage is None:
        return None
    own = {name: value for name, value in vars(stage).items() if value is not None}
    if whole is None and not own:
        return None
    return dataclasses.replace(whole or DistillationConfig(), **own)


def needs_teacher(distillation: DistillationConfig | None) -> bool:
    """Whether the teacher runs beside the student: it does not where a cache has its log-probabilities."""
    return distillation is not None and distillation.cache is None


def teacher_model(teacher: ModelConfig, student: ModelConfig, vocab_size: int) -> ModelConfig:
    """The teacher as a run builds it: its vocabulary is split over the ranks like that of the student."""
    return dataclasses.replace(
        teacher, vocab_size=vocab_size, vocab_multiple=student.vocab_multiple, extra={}
    )


def teacher_parallel(parallel: ParallelConfig, teacher: ModelConfig, student: ModelConfig) -> ParallelConfig:
    """The teacher's layout: equal pipeline stages, or those of a student with as many layers; nothing is computed again."""
    same = teacher.layers == student.layers
    return dataclasses.replace(
        parallel,
        first_stage_layers=parallel.first_stage_layers if same else None,
        last_stage_layers=parallel.last_stage_layers if same else None,
        recompute=NoRecompute(),
    )


def teacher_bytes(
    teacher: ModelConfig, shape: StageShape, stage: int, distillation: DistillationConfig
) -> tuple[int, int]:
    """Bytes of the teacher on a rank of a pipeline stage: ``(weights, what it adds to the activations)``.

    ``shape`` is that of the student. The teacher's forward pass keeps nothing; on the last stage its logits stay until the
    backward pass has used them, on the others its hidden states until they are sent.
    """
    model = teacher_model(teacher, shape.model, shape.vocab_size)
    parallel = teacher_parallel(shape.parallel, model, shape.model)
    layers = [layer for chunk in chunks_of_stage(model.layers, parallel, stage) for layer in chunk]
    entries = stage_entries(model, shape.vocab_size, stage, parallel.pipeline, layers)
    weights = sum(entry.size_per_rank(parallel.tensor) for entry in entries) * shape.width
    own = dataclasses.replace(shape, model=model, parallel=parallel)
    if stage < parallel.pipeline - 1:
        return weights, 2 * own.residual
    columns = shape.vocab_size // parallel.tensor
    chunk = min(distillation.chunk_length, shape.positions) * (shape.tokens // shape.positions) * columns * 4
    targets = 0 if isinstance(distillation.loss, TopK) else own.split("vocab")
    return weights, targets + _DIVERGENCE_TENSORS * chunk


def describe(distillation: DistillationConfig) -> str:
    """The divergence in a few words: ``distilled by top_k 64``."""
    loss = distillation.loss
    words = f"top_k {loss.k}" if isinstance(loss, TopK) else loss.type
    source = " from a cache" if distillation.cache is not None else ""
    return f"distilled by {words}{source}"
