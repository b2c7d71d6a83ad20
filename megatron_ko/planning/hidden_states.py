"""Losses on hidden states in the plan of a run: projections, what travels between pipeline stages, and memory. No torch.

The distance is computed on the last pipeline stage, which has the projections: outputs of the chosen layers of both models travel
there with the hidden states. ``hidden_state_rules`` has the rules.
"""

from __future__ import annotations

from dataclasses import replace

from megatron_ko.config.distillation import DistillationConfig, LayerPair
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.training import ParallelConfig
from megatron_ko.planning.activations import StageShape
from megatron_ko.planning.distillation import teacher_model, teacher_parallel
from megatron_ko.planning.pipeline import chunks_of_stage

PROJECTIONS = "hidden_projections"
"""Module of the student that contains the projections while a stage has some."""


def is_projection(name: str) -> bool:
    """Whether a parameter of a wrapped or bare GPT is a projection."""
    return f"{PROJECTIONS}." in name


def pairs_of(distillation: DistillationConfig | None) -> list[LayerPair]:
    """The pairs of layers that a stage compares."""
    if distillation is None or distillation.hidden_states is None:
        return []
    return distillation.hidden_states.layers


def projections_of(
    distillation: DistillationConfig | None, student_width: int, teacher_width: int
) -> dict[str, tuple[int, int]]:
    """Shape [teacher's width, student's width] of the projection of each pair, by its name; none for equal widths."""
    if student_width == teacher_width:
        return {}
    return {name_of(pair): (teacher_width, student_width) for pair in pairs_of(distillation)}


def name_of(pair: LayerPair) -> str:
    return f"{pair.student}_to_{pair.teacher}"


def projection_parameters(
    distillation: DistillationConfig | None, student: ModelConfig, teacher: ModelConfig | None
) -> int:
    """Parameters of all projections, which the last pipeline stage has."""
    if teacher is None:
        return 0
    shapes = projections_of(distillation, student.hidden_size, teacher.hidden_size)
    return sum(rows * columns for rows, columns in shapes.values())


def hidden_state_bytes(
    distillation: DistillationConfig | None,
    teacher: ModelConfig,
    shape: StageShape,
    stage: int,
    in_flight: int,
) -> int:
    """Bytes on a rank of a pipeline stage: states that are received and sent for ``in_flight`` micro-batches, their gradients, and on the
    last stage the teacher's states. ``distance_bytes`` are beside them."""
    pairs = pairs_of(distillation)
    if not pairs:
        return 0
    received = _message_bytes(pairs, teacher, shape, stage - 1)
    is_last = stage == shape.parallel.pipeline - 1
    sent = 0 if is_last else _message_bytes(pairs, teacher, shape, stage)
    own = replace(shape, model=teacher).residual
    return (received + sent) * in_flight + 2 * received + sent + own * len(pairs) * is_last


def distance_bytes(distillation: DistillationConfig, teacher: ModelConfig | None, shape: StageShape) -> int:
    """Bytes on the last pipeline stage while the distance computes: of each pair the projected state, both in fp32, and the gradients
    of both."""
    if teacher is None:
        return 0
    own = replace(shape, model=teacher).residual
    return (own + 4 * own * 4 // shape.width) * len(pairs_of(distillation))


def _message_bytes(pairs: list[LayerPair], teacher: ModelConfig, shape: StageShape, stage: int) -> int:
    """Bytes of the states that travel from pipeline ``stage`` to the next one; none before the first."""
    if stage < 0:
        return 0
    of_teacher = teacher_model(teacher, shape.model, shape.vocab_size)
    layouts = (
        (shape.model, shape.parallel, {pair.student for pair in pairs}),
        (of_teacher, teacher_parallel(shape.parallel, of_teacher, shape.model), {p.teacher for p in pairs}),
    )
    return sum(
        replace(shape, model=model).residual * sum(layer < _end(model, parallel, stage) for layer in layers)
        for model, parallel, layers in layouts
    )


def _end(model: ModelConfig, parallel: ParallelConfig, stage: int) -> int:
    """Number of the first layer after a pipeline stage."""
    return chunks_of_stage(model.layers, parallel, stage)[-1].stop
