"""Learning-rate schedules as pure functions of the samples consumed.

Schedules count samples rather than steps, so that a change of the batch size does not shift them. No torch and no state:
resuming needs only the number of samples.

Sources: WSD, Hu et al. 2024 (arXiv 2404.06395); 1 - sqrt, Haegele et al. 2024 (arXiv 2405.18392); multi-step,
DeepSeek LLM (arXiv 2401.02954).
"""

from __future__ import annotations

import bisect
import math

from megatron_ko.config.optimizer import (
    ConstantSchedule,
    CosineSchedule,
    LinearSchedule,
    MultiStepSchedule,
    Schedule,
    WsdSchedule,
)
from megatron_ko.planning.position import Position
from megatron_ko.planning.stages import Stage


def of_stage(stage: Stage, position: Position, end: int) -> float:
    """Learning rate of the step that starts at ``position`` of a stage of ``end`` samples."""
    config = stage.config
    peak, batch = config.optimizer.learning_rate, config.training.global_batch_size
    return learning_rate(config.schedule, peak, position.stage_samples, end, batch)


def learning_rate(
    schedule: Schedule, peak: float, samples: int, total_samples: int, step_samples: int
) -> float:
    """Learning rate of the step that starts after ``samples`` of ``total_samples`` samples.

    ``step_samples`` (sequences per step) converts steps of the configuration to samples. During the warm-up, step k
    (counted from 1) has peak * k / warmup_steps, so the first step already learns.
    """
    warmup = schedule.warmup_steps * step_samples
    if samples < warmup:
        return peak * min(1.0, (samples + step_samples) / warmup)
    return peak * _ratio(schedule, samples, warmup, total_samples, step_samples)


def _ratio(schedule: Schedule, samples: int, warmup: int, total: int, step_samples: int) -> float:
    """Fraction of the peak after the warm-up; after the end it stays at its final value."""
    if isinstance(schedule, ConstantSchedule):
        return 1.0
    if isinstance(schedule, MultiStepSchedule):
        passed = bisect.bisect_right([round(m * total) for m in schedule.milestones], samples)
        return schedule.ratios[passed - 1] if passed else 1.0
    if isinstance(schedule, WsdSchedule):
        length = schedule.decay_steps * step_samples
        done = _clamp((samples - (total - length)) / length)
        return schedule.final_ratio + (1.0 - schedule.final_ratio) * _wsd_shape(schedule.decay, done)
    done = _clamp((samples - warmup) / (total - warmup)) if total > warmup else 1.0
    if isinstance(schedule, LinearSchedule):
        return schedule.final_ratio + (1.0 - schedule.final_ratio) * (1.0 - done)
    assert isinstance(schedule, CosineSchedule)
    return schedule.final_ratio + (1.0 - schedule.final_ratio) * 0.5 * (1.0 + math.cos(math.pi * done))


def _wsd_shape(decay: str, done: float) -> float:
    """Falls from 1 at ``done`` = 0 to 0 at ``done`` = 1."""
    if decay == "linear":
        return 1.0 - done
    if decay == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * done))
    if decay == "exponential":
        return 2.0 * 0.5**done - 1.0
    assert decay == "minus_sqrt"
    return 1.0 - math.sqrt(done)


def _clamp(value: float) -> float:
    return min(1.0, max(0.0, value))
