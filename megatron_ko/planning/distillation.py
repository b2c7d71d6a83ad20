"""Distillation in the plan of a run: the section of each stage, the teacher's layout, its memory and its FLOPs. No torch.

The teacher is beside the student on every rank, in the layout of the student or split over fewer tensor-parallel ranks, and
spreads its own layers over the pipeline stages. ``distillation_rules`` has the rules.
"""

from __future__ import annotations

from dataclasses import replace

from megatron_ko.config.distillation import DistillationConfig, GeneralizedJsd, StageDistillationConfig, TopK
from megatron_ko.config.fp8 import Fp8, NoFp8, TensorwiseFp8, bf16_layers
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.recompute import NoRecompute
from megatron_ko.config.training import ParallelConfig
from megatron_ko.planning.activations import StageShape
from megatron_ko.planning.pipeline import chunks_of_stage
from megatron_ko.planning.weights import multiplies, stage_entries


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


def teacher_tensor(distillation: DistillationConfig | None, parallel: ParallelConfig) -> int:
    """Tensor-parallel ranks that split the teacher."""
    own = distillation.teacher_tensor if distillation else None
    return own if own is not None else parallel.tensor


def teacher_fp8(distillation: DistillationConfig | None) -> Fp8:
    """The recipe of the teacher's matrix products; current scaling, because a frozen model has no history."""
    return TensorwiseFp8(type="tensorwise") if distillation and distillation.teacher_fp8 else NoFp8()


def teacher_parallel(
    parallel: ParallelConfig,
    teacher: ModelConfig,
    student: ModelConfig,
    distillation: DistillationConfig | None = None,
) -> ParallelConfig:
    """The teacher's layout: equal pipeline stages, or those of a student with as many layers; nothing is computed again. Over fewer
    tensor-parallel ranks than the student it has no sequence parallelism."""
    same = teacher.layers == student.layers
    tensor = teacher_tensor(distillation, parallel)
    return replace(
        parallel,
        tensor=tensor,
        sequence=parallel.sequence and tensor == parallel.tensor,
        first_stage_layers=parallel.first_stage_layers if same else None,
        last_stage_layers=parallel.last_stage_layers if same else None,
        recompute=NoRecompute(),
    )


def teacher_weights_bytes(
    teacher: ModelConfig, shape: StageShape, stage: int, distillation: DistillationConfig | None = None
) -> int:
    """Bytes of the teacher's weights on a rank of a pipeline stage, with FP8 copies for the forward pass; ``shape`` is that of the
    student."""
    model = teacher_model(teacher, shape.model, shape.vocab_size)
    parallel = teacher_parallel(shape.parallel, model, shape.model, distillation)
    layers = [layer for chunk in chunks_of_stage(model.layers, parallel, stage) for layer in chunk]
    entries = stage_entries(model, shape.vocab_size, stage, parallel.pipeline, layers)
    in_fp8 = teacher_fp8_layers(model, distillation)
    return sum(
        entry.size_per_rank(parallel.tensor)
        * (shape.width + (entry.layer in in_fp8 and multiplies(entry.weight, model)))
        for entry in entries
    )


def teacher_fp8_layers(teacher: ModelConfig, distillation: DistillationConfig | None) -> range:
    """The layers of the teacher whose matrix products are in FP8."""
    if distillation is None or not distillation.teacher_fp8:
        return range(0)
    first, last = bf16_layers(teacher_fp8(distillation))
    return range(first, max(first, teacher.layers - last))


def teacher_logits_bytes(distillation: DistillationConfig | None, shape: StageShape) -> int:
    """Bytes of the logits of a teacher of fewer tensor-parallel ranks, and of this rank's part, while it is copied; otherwise 0."""
    split = shape.split("vocab")
    tensor = teacher_tensor(distillation, shape.parallel)
    return 0 if tensor == shape.parallel.tensor else split * shape.parallel.tensor // tensor + split


def message_bytes(teacher: ModelConfig, shape: StageShape, stage: int, in_flight: int) -> int:
    """Bytes of the teacher's hidden states that are kept with those of the student for ``in_flight`` micro-batches: received ones
    until the backward pass, with a copy of the student's part, sent ones until they are sent; and of the gradients of both, with zeros for
    the teacher."""
    own = replace(shape, model=teacher)
    received, sent = stage > 0, stage < shape.parallel.pipeline - 1
    gradient = 2 * (own.residual + shape.residual) * received + own.residual * sent
    copies = shape.residual * in_flight * received
    return own.residual * in_flight * (received + sent) + copies + gradient


def loss_bytes(
    distillation: DistillationConfig, shape: StageShape, distance: int = 0, *, z_loss: bool = False
) -> int:
    """Bytes beside the student's logits while the loss computes: the teacher's logits or targets, and chunks in fp32, or after them
    ``distance`` for hidden states. ``z_loss``: whether the loss has one."""
    rows = shape.tokens // shape.positions * min(distillation.chunk_length, shape.positions)
    chunk = rows * shape.vocab_size // shape.parallel.tensor * 4
    loss = distillation.loss
    is_mixed = z_loss or distillation.language_model_weight > 0
    in_fp32 = max(_chunks_in_fp32(distillation, is_mixed, shape.width == 4) * chunk, distance)
    if isinstance(loss, TopK):
        return shape.tokens * (8 * loss.k + 2 * (loss.k + 1)) + in_fp32
    return shape.split("vocab") + in_fp32


def _chunks_in_fp32(distillation: DistillationConfig, is_mixed: bool, logits_in_fp32: bool) -> int:
    """Most tensors [chunk, vocabulary] in fp32 at a time, of both passes: logits, log-probabilities and products of both models.

    Logits in fp32 need no copy unless they are overwritten or divided by the temperature; terms beside the divergence (``is_mixed``)
    keep the student's probabilities in the backward pass.
    """
    loss, is_scaled = distillation.loss, distillation.temperature != 1
    if isinstance(loss, TopK):
        return 1 + (max(is_scaled, is_mixed) if loss.tail else is_mixed and not logits_in_fp32)
    if isinstance(loss, GeneralizedJsd):  # the most in the backward pass
        return is_mixed + (6 + is_scaled if logits_in_fp32 else 8)
    return 4 + 2 * is_scaled if logits_in_fp32 else 6 + is_scaled


def describe(distillation: DistillationConfig) -> str:
    """The divergence in a few words: ``distilled by top_k 64``."""
    loss, hidden = distillation.loss, distillation.hidden_states
    words = f"top_k {loss.k}" if isinstance(loss, TopK) else loss.type
    source = " from a cache" if distillation.cache is not None else ""
    states = " and hidden states" if hidden and hidden.layers else ""
    return f"distilled by {words}{source}{states}"


def describe_teacher(
    distillation: DistillationConfig | None, parallel: ParallelConfig, teacher: ModelConfig | None
) -> tuple[str, ...]:
    """In which the teacher beside the student, if there is one, differs from it, or what a cache has of it, for the plan."""
    if distillation is not None and isinstance(distillation.loss, TopK) and not needs_teacher(distillation):
        return (f"the {distillation.loss.k} most probable tokens of each position, from a cache",)
    if teacher is None:
        return ()
    tensor, words = teacher_tensor(distillation, parallel), []
    if tensor < parallel.tensor:
        split = (
            f"{tensor} of {parallel.tensor} tensor-parallel ranks split it"
            if tensor > 1
            else "whole on each of the tensor-parallel ranks"
        )
        words.append(f"{split}; {parallel.tensor // tensor} compute the same")
    if layers := teacher_fp8_layers(teacher, distillation):
        words.append(f"FP8 (tensorwise) in {len(layers)} of {teacher.layers} layers")
    return tuple(words)
