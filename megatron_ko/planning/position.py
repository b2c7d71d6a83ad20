"""Position of a run: the counters that determine the next batch, the learning rate and the next save."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Position:
    """Optimizer steps, samples (sequences) and tokens trained so far, and steps and samples of the current stage."""

    step: int = 0
    samples: int = 0
    tokens: int = 0
    step_samples: int = 0
    """Sequences of the step that ended here; 0 at the start of a process."""
    stage: int = 0
    """Number of the current stage; 0 in a run without stages."""
    stage_step: int = 0
    stage_samples: int = 0

    def after_step(self, samples: int, tokens: int) -> Position:
        """Position after one more step of ``samples`` sequences and ``tokens`` tokens."""
        return Position(
            step=self.step + 1,
            samples=self.samples + samples,
            tokens=self.tokens + tokens,
            step_samples=samples,
            stage=self.stage,
            stage_step=self.stage_step + 1,
            stage_samples=self.stage_samples + samples,
        )

    def at_stage(self, number: int) -> Position:
        """This position in stage ``number``: at its beginning, unless it is the current one."""
        if number == self.stage:
            return self
        return Position(self.step, self.samples, self.tokens, stage=number)
