"""Position of a run: the counters that determine the next batch, the learning rate and the next save."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Position:
    """Optimizer steps, samples (sequences) and tokens trained so far."""

    step: int = 0
    samples: int = 0
    tokens: int = 0
    step_samples: int = 0
    """Sequences of the step that ended here; 0 at the start of a process."""

    def after_step(self, samples: int, tokens: int) -> Position:
        """Position after one more step of ``samples`` sequences and ``tokens`` tokens."""
        return Position(self.step + 1, self.samples + samples, self.tokens + tokens, samples)
