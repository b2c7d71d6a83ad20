"""Skip-step: whether the gradients of a step may update the weights, decided on all ranks before the update.

Owns the rule of ``training.skip`` and its window of accepted steps, which a checkpoint records: a resumed run decides like an
uninterrupted one.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from pathlib import Path

import torch

from megatron_ko.config.training import SkipConfig
from megatron_ko.errors import UserError
from megatron_ko.formats.checkpoint_folder import StepWindow
from megatron_ko.formats.run_folder import newest_readable
from megatron_ko.training.distributed import largest

AFTER_DIVERGENCE = (
    "lower the learning rate or check the data of this step (metrics.jsonl names its documents); to continue from an earlier "
    "checkpoint, set checkpoint.resume to its folder"
)
REASONS = ("", "gradient-spike", "loss-spike", "not-finite")
"""Why a step is skipped; ranks agree on the last one that any of them has found."""


class Divergence(UserError):
    """Loss, gradients or weights are no longer finite, or too many steps in a row had to be skipped."""

    label = "training stopped"

    def __init__(
        self, message: str, rule: str, loss: float | None = None, gradient_norm: float | None = None
    ) -> None:
        super().__init__(message, rule=rule)
        self.loss, self.gradient_norm = loss, gradient_norm


class Guard:
    """Judges the steps of one run. Every rank calls ``judge``."""

    def __init__(
        self, config: SkipConfig | None = None, run: Path | None = None, window: StepWindow | None = None
    ) -> None:
        """Without ``config``, a step that is not finite ends the run. ``run`` is the run folder, whose newest checkpoint an error names; ``window`` that of a checkpoint."""
        self._config = config = config or SkipConfig()
        self._run = run
        window = window or StepWindow([], [], 0)
        self._losses = deque(window.losses, config.window)
        self._norms = deque(window.gradient_norms, config.window)
        self._in_a_row = window.skipped_in_a_row

    @property
    def window(self) -> StepWindow | None:
        """What a checkpoint records; None where nothing is skipped."""
        if self._config.steps == "none":
            return None
        return StepWindow(list(self._losses), list(self._norms), self._in_a_row)

    def judge(self, loss: float, gradient_norm: float, device: torch.device) -> str:
        """Why this step must not update the weights, or an empty text. Collective; the same on every rank.

        ``loss`` is the sum of all terms. Raises Divergence where the run must stop.
        """
        found = REASONS.index(self._look(loss, gradient_norm))
        reason = REASONS[int(largest(float(found), device))]
        if not reason:
            self._in_a_row = 0
            self._losses.append(loss)
            self._norms.append(gradient_norm)
            return reason
        if self._config.steps == "none":
            message = f"loss {loss} or gradient norm {gradient_norm} is not finite; {AFTER_DIVERGENCE}"
            raise Divergence(message, "loss-not-finite", loss, gradient_norm)
        self._in_a_row += 1
        if self._in_a_row > self._config.max_in_a_row:
            raise Divergence(self._too_many(reason), "too-many-skipped-steps", loss, gradient_norm)
        return reason

    def _look(self, loss: float, gradient_norm: float) -> str:
        if not (math.isfinite(loss) and math.isfinite(gradient_norm)):
            return "not-finite"
        if self._config.steps != "spikes" or len(self._losses) < self._config.window:
            return ""
        if loss > self._limit(self._losses):
            return "loss-spike"
        return "gradient-spike" if gradient_norm > self._limit(self._norms) else ""

    def _limit(self, values: deque[float]) -> float:
        return statistics.fmean(values) + self._config.sigma * statistics.pstdev(values)

    def _too_many(self, reason: str) -> str:
        newest = newest_readable(self._run) if self._run else None
        remedy = (
            f"the newest sound checkpoint is {newest.folder}; set checkpoint.resume to it or to an older one"
            if newest
            else "there is no sound checkpoint yet; choose another run.folder"
        )
        return (
            f"{self._in_a_row} steps in a row had to be skipped ({reason}), more than training.skip.max_in_a_row "
            f"{self._config.max_in_a_row}; check their data (quarantine.jsonl) and the learning rate: {remedy}"
        )
