"""The teacher beside the student: a second GPT on the same ranks, frozen, outside of the student's modules.

Wrapper, optimizer, gradient norm and checkpoint of the student never see it. Owns its construction and its change from stage to stage.
"""

from __future__ import annotations

import dataclasses
import gc
from functools import partial
from typing import Any

import torch

from megatron_ko.config.model import ModelConfig
from megatron_ko.config.speed import SpeedConfig
from megatron_ko.config.training import Config, ParallelConfig, PrecisionConfig
from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.planning.distillation import needs_teacher, teacher_fp8, teacher_model, teacher_parallel
from megatron_ko.planning.family_rules import needs_plain_layers
from megatron_ko.planning.run_plan import Plan
from megatron_ko.planning.speed import Switches, decide, switches_of
from megatron_ko.planning.stages import Stage
from megatron_ko.preflight import Preflight
from megatron_ko.training import checkpoint
from megatron_ko.training.distillation import Distillation, Seat
from megatron_ko.training.distributed import groups_of_fewer, tensor_part
from megatron_ko.training.losses import Loss, choose_loss
from megatron_ko.training.model import build_gpt


class Teachers:
    """The losses of a run's stages; at most one teacher is in memory. Every rank calls each method."""

    def __init__(self, checked: Preflight, device: torch.device) -> None:
        self._checked, self._device = checked, device
        self._built: tuple[str, int | None, bool] | None = None
        self._seat = Seat(None)

    def loss_of(self, stage: Stage, plan: Plan) -> Loss:
        """What the stage minimizes; loads the teacher that it needs, and frees one that it does not. Collective."""
        config = stage.config
        settings = config.distillation
        if settings is None or not needs_teacher(settings):
            self._free()
            plain = choose_loss(config.loss)
            return plain if settings is None else Distillation(settings, None, config.loss.z_loss)
        assert settings.teacher is not None, "a rule of the configuration"
        wanted = (settings.teacher, settings.teacher_tensor, settings.teacher_fp8)
        if self._built != wanted:
            self._free()
            source = self._checked.teacher_checkpoint(settings.teacher)
            self._seat.gpt = load_teacher(source, config, plan.vocab_size, self._device)
            self._built = wanted
        return Distillation(settings, self._seat, config.loss.z_loss)

    def _free(self) -> None:
        self._built = self._seat.gpt = None
        gc.collect()


def load_teacher(source: Checkpoint, config: Config, vocab_size: int, device: torch.device) -> Any:
    """This rank's part of the teacher: frozen, in evaluation mode, in ``precision.dtype`` or in FP8, in the layout of the run but for
    ``distillation.teacher_tensor``. ``config`` is that of a stage with the teacher.

    Called with labels, the last pipeline stage returns its logits [S, B, columns of this rank]. Raises CheckpointError on every rank
    if its files are damaged. Collective.
    """
    model = teacher_model(source.model, config.model, vocab_size)
    layout, precision, switches = settings_of(model, config)
    fewer = layout.tensor < config.parallel.tensor
    gpt = build_gpt(
        model,
        layout,
        precision,
        vocab_size=vocab_size,
        device=device,
        within_documents=config.data.packing.attention == "within_documents",
        switches=switches,
        groups=groups_of_fewer(layout.tensor, config.run.timeout_s) if fewer else None,
    )
    checkpoint.check_content(source)
    checkpoint.load_weights(source, gpt)
    gpt.requires_grad_(False)
    gpt.eval()
    gpt.compute_language_model_loss = partial(_own_columns, layout.tensor) if fewer else _logits
    return gpt


def settings_of(model: ModelConfig, config: Config) -> tuple[ParallelConfig, PrecisionConfig, Switches]:
    """Layout, precision and kernels of a teacher ``model`` (``teacher_model``) in a stage with ``config``.

    Kernels are the defaults of this machine; the fusion of the cross-entropy is a switch of the whole process, so it is the student's.
    """
    settings, own = config.distillation, needs_plain_layers(model) is not None
    precision = PrecisionConfig(dtype=config.precision.dtype, fp8=teacher_fp8(settings))
    switches = decide(SpeedConfig(), config.run.device, precision.fp8, own_layers=own)
    fused = switches_of(config).fused_cross_entropy
    layout = teacher_parallel(config.parallel, model, config.model, settings)
    return layout, precision, dataclasses.replace(switches, fused_cross_entropy=fused)


def _logits(labels: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    return logits


def _own_columns(tensor: int, labels: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """This rank's columns of the student's vocabulary, in a copy that frees ``logits`` [S, B, columns of ``tensor`` ranks]."""
    rank, ranks = tensor_part()
    copies = ranks // tensor
    return logits.chunk(copies, -1)[rank % copies].clone()
