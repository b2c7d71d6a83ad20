"""The checkpoint that a run continues from: found, checked, and loaded into its stage.

``checkpoint`` owns the tensors.
"""

from __future__ import annotations

import dataclasses
import logging

from megatron_ko.config.loading import read_recorded
from megatron_ko.config.training import Config
from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.planning.fp8_rules import change_of
from megatron_ko.planning.position import Position
from megatron_ko.planning.stages import stages_of
from megatron_ko.preflight import Preflight
from megatron_ko.training import checkpoint, data
from megatron_ko.training.step import Trainee

log = logging.getLogger(__name__)


def find_start(checked: Preflight) -> Checkpoint | None:
    """The checkpoint that the run continues from, with undamaged files, if any. Collective."""
    start = checked.start
    if start is None:
        return None
    if checked.goes_back:  # to one that the user has named: another one does not replace it
        checkpoint.check_content(start)
    elif (sound := checkpoint.newest_sound(start)).folder != start.folder:
        start = sound
        checked.check_data(start)
        checked.check_teacher(start)
    return start


def position_of(start: Checkpoint | None) -> Position:
    """The position of a checkpoint; the beginning without one."""
    if start is None:
        return Position()
    mark = start.stage
    number, step, samples = (mark.number, mark.step, mark.samples) if mark else (0, start.step, start.samples)
    return Position(
        start.step, start.samples, start.tokens, stage=number, stage_step=step, stage_samples=samples
    )


def continues(start: Checkpoint | None, position: Position) -> bool:
    """Whether ``position`` is that of the checkpoint: not in a later stage, nor after a step."""
    return start is not None and position == position_of(start)


def restore(start: Checkpoint, trainee: Trainee, checked: Preflight, device: str) -> None:
    """Loads ``start`` into the trainee of its stage. Collective."""
    anchors = trainee.frozen.anchors
    change = change_of(start.fp8, checked.config.precision.fp8)
    if change == "with_new_history":
        log.warning("%s: the scaling history of FP8 begins anew; the first steps scale by 1", start.folder)
    checkpoint.resume(
        start, trainee.ddp_model, trainee.optimizer, checked.plan.layout, device, anchors,
        with_history=change == "continues",
    )  # fmt: skip
    before, now = start.config or {}, dataclasses.asdict(checked.config)
    if start.stage is not None:  # compares the stage's own values, whether it gives them or the sections do
        number = start.stage.number
        loaded = read_recorded(Config, before)
        before = dataclasses.asdict(stages_of(loaded)[number].config)
        now = dataclasses.asdict(stages_of(checked.config)[number].config)
    data.warn_if_order_changes(before, now, data_is_compared=start.data is not None)
