"""Distillation in the plan of a run: the section of each stage, the teacher's layout, its memory and its FLOPs. No torch.

The teacher is beside the student on every rank, in the layout of the student, and spreads its own layers over the pipeline
stages. ``distillation_rules`` has the rules.
"""

from __future__ import annotations

from dataclasses import replace

from megatron_ko.config.distillation import DistillationConfig, StageDistillationConfig, TopK
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.recompute import NoRecompute
from megatron_ko.config.training import ParallelConfig
from megatron_ko.planning.activations import StageShape
from megatron_ko.planning.pipeline import chunks_of_stage
from megatron_ko.planning.weights import stage_entries

_TENSORS = {"forward_kl": 6, "reverse_kl": 6, "jsd": 8, "top_k": 7}
"""Tensors [chunk, vocabulary] in fp32 that a divergence needs at a time: logits, log-probabilities and products of both models, as
``tests/bench/distill.py --peaks`` measures them; one more where logits are divided by a temperature."""


def distillation_of(
    whole: DistillationConfig | None, stage: StageDistillationConfig | None
) -> DistillationConfig | None:
    """The section as a stage has it: its own fields in that of the run; None where the stage, or the run, has none."""
    if stage is None:
        return None
    own = {name: value for name, value in vars(stage).items() if value is not None}
    if whole is None and not own:
        return None
    return replace(whole or DistillationConfig(), **own)


def needs_teacher(distillation: DistillationConfig | None) -> bool:
    """Whether the teacher runs beside the student: it does not where a cache has its log-probabilities."""
    return distillation is not None and distillation.cache is None


def teacher_model(teacher: ModelConfig, student: ModelConfig, vocab_size: int) -> ModelConfig:
    """The teacher as a run builds it: its vocabulary is split over the ranks like that of the student."""
    return replace(teacher, vocab_size=vocab_size, vocab_multiple=student.vocab_multiple, extra={})


def teacher_parallel(parallel: ParallelConfig, teacher: ModelConfig, student: ModelConfig) -> ParallelConfig:
    """The teacher's layout: equal pipeline stages, or those of a student with as many layers; nothing is computed again."""
    same = teacher.layers == student.layers
    return replace(
        parallel,
        first_stage_layers=parallel.first_stage_layers if same else None,
        last_stage_layers=parallel.last_stage_layers if same else None,
        recompute=NoRecompute(),
    )


def teacher_weights_bytes(teacher: ModelConfig, shape: StageShape, stage: int) -> int:
    """Bytes of the teacher's weights on a rank of a pipeline stage; ``shape`` is that of the student."""
    model = teacher_model(teacher, shape.model, shape.vocab_size)
    parallel = teacher_parallel(shape.parallel, model, shape.model)
    layers = [layer for chunk in chunks_of_stage(model.layers, parallel, stage) for layer in chunk]
    entries = stage_entries(model, shape.vocab_size, stage, parallel.pipeline, layers)
    return sum(entry.size_per_rank(parallel.tensor) for entry in entries) * shape.width


def message_bytes(teacher: ModelConfig, shape: StageShape, stage: int, in_flight: int) -> int:
    """Bytes of the teacher's hidden states that are kept with those of the student for ``in_flight`` micro-batches: received ones
    until the backward pass, with a copy of the student's part, sent ones until they are sent; and of the gradient of received ones, with
    zeros for the teacher."""
    own = replace(shape, model=teacher)
    received, sent = stage > 0, stage < shape.parallel.pipeline - 1
    gradient = 2 * (own.residual + shape.residual) * received
    copies = shape.residual * in_flight * received
    return own.residual * in_flight * (received + sent) + copies + gradient


def loss_bytes(distillation: DistillationConfig, shape: StageShape) -> int:
    """Bytes beside the student's logits while the loss computes: the teacher's logits or targets, and a chunk in fp32."""
    rows = shape.tokens // shape.positions * min(distillation.chunk_length, shape.positions)
    chunk = rows * shape.vocab_size // shape.parallel.tensor * 4
    loss = distillation.loss
    in_fp32 = (_TENSORS[loss.type] + (distillation.temperature != 1)) * chunk
    if isinstance(loss, TopK):
        return shape.tokens * (8 * loss.k + 2 * (loss.k + 1)) + in_fp32
    return shape.split("vocab") + in_fp32


def describe(distillation: DistillationConfig) -> str:
    """The divergence in a few words: ``distilled by top_k 64``."""
    loss, hidden = distillation.loss, distillation.hidden_states
    words = f"top_k {loss.k}" if isinstance(loss, TopK) else loss.type
    source = " from a cache" if distillation.cache is not None else ""
    states = " and hidden states" if hidden and hidden.layers else ""
    return f"distilled by {words}{source}{states}"
