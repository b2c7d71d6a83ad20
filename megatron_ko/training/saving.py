"""The saves of one run: what a checkpoint describes beside its tensors, its report, and which older ones go.

Owns the mean loss and the position in each set, which ``checkpoint.json`` records. ``checkpoint`` owns the tensors.
"""

from __future__ import annotations

from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.formats.data_record import SetPosition
from megatron_ko.formats.retention import remove_old_checkpoints
from megatron_ko.formats.run_folder import steps_of_average
from megatron_ko.planning.position import Position
from megatron_ko.preflight import Preflight
from megatron_ko.training import checkpoint, liveness
from megatron_ko.training.data import SampleOrder
from megatron_ko.training.distributed import World
from megatron_ko.training.reporting import Reporter
from megatron_ko.training.step import StepResult, Trainee, check_weights


class Saver:
    """Saves one run that began at ``start``, or anew. Every rank calls each method."""

    def __init__(
        self,
        checked: Preflight,
        report: Reporter,
        world: World,
        start: Checkpoint | None,
    ) -> None:
        self._checked, self._report, self._world = checked, report, world
        self._losses: list[float] = []
        self._lowest: float | None = None
        self._begin, self._data = 0, checked.data_of(start.stage_number if start else 0)
        if start and start.data:  # in one of an earlier version, the positions are those of today's order
            self._begin = start.stage.samples if start.stage else start.samples
            self._data = self._data.after(start.data, start.step)
            if self._data.changes == start.data.changes:  # losses on other data are not comparable
                self._lowest = start.lowest_loss

    @property
    def positions(self) -> dict[str, SetPosition]:
        """Position of each set at the last save, or where the run continues."""
        return self._data.positions(self._data.order)

    def begin_stage(self, position: Position, trainee: Trainee, order: SampleOrder) -> None:
        """Saves this trainee from now on, at the beginning of a stage or where the run continues within one."""
        if position.stage > 0 and position.stage_step == 0:
            self._data = self._checked.data_of(position.stage).continuing(self._data)
            self._begin, self._lowest = 0, None
            self._losses.clear()
        self._trainee, self._order = trainee, order

    def end_stage(self) -> None:
        """Forgets the trainee, whose memory the next stage frees."""
        del self._trainee

    def count_step(self, result: StepResult) -> None:
        """Adds the loss of one step to the mean of the next checkpoint, unless it was skipped."""
        if not result.skipped:
            self._losses.append(result.loss)

    @liveness.working()
    def save(self, position: Position) -> None:
        """Writes the checkpoint of ``position``, then removes old ones. Raises Divergence instead of saving NaN. Collective."""
        with self._report.divergences(position, self._order):
            check_weights(self._trainee.ddp_model, self._world)
        self._data = self._data.at(
            self._order.count(self._begin, position.stage_samples),
            self._order.counters_after(position.stage_samples),
        )
        self._begin = position.stage_samples
        loss = sum(self._losses) / len(self._losses) if self._losses else None  # all steps were skipped
        self._lowest = min((value for value in (loss, self._lowest) if value is not None), default=None)
        window = self._trainee.guard.window
        target = self._checked.checkpoint_at(position, self._data, loss, self._lowest, window)
        tokenizer = self._checked.run_folder / "tokenizer"
        trainee = self._trainee
        seconds = checkpoint.save(
            target, trainee.ddp_model, trainee.optimizer, tokenizer, trainee.frozen.anchors
        )
        self._losses.clear()
        liveness.saved()
        self._report.save(position, target.folder, seconds)
        if self._world.is_main:
            settings = self._checked.config.checkpoint
            remove_old_checkpoints(
                self._checked.run_folder,
                settings.keep,
                keep_every=settings.keep_every,
                newest_step=position.step,
                needed=self._steps_of_next_average(position.step),
            )

    def _steps_of_next_average(self, step: int) -> list[int]:
        settings = self._checked.config.checkpoint
        return steps_of_average(settings.average, settings.every_steps, step) if settings.average else []
