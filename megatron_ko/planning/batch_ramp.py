"""Sizes of the global batch over a run that begins with smaller ones, as pure functions of the samples consumed.

``training.batch_ramp`` raises the size from ``start`` to ``global_batch_size`` in equal increments; each size lasts for an
equal share of ``samples``, rounded up to whole steps. Without it all steps have ``global_batch_size`` sequences.
"""

from __future__ import annotations

from collections.abc import Iterator

from megatron_ko.config.training import TrainingConfig


def batch_size_at(training: TrainingConfig, samples: int) -> int:
    """Sequences of the step that starts after ``samples`` samples."""
    ramp = training.batch_ramp
    if ramp is None:
        return training.global_batch_size
    increments = (training.global_batch_size - ramp.start) // ramp.increment
    return min(
        training.global_batch_size, ramp.start + ramp.increment * (samples * increments // ramp.samples)
    )


def sizes_after(training: TrainingConfig, samples: int, steps: int) -> Iterator[tuple[int, int]]:
    """(size, number of steps) of the ``steps`` steps that start after ``samples`` samples, sizes in their order."""
    ramp, full = training.batch_ramp, training.global_batch_size
    while steps > 0:
        size, count = batch_size_at(training, samples), steps
        if ramp is not None and size < full:
            increments = (full - ramp.start) // ramp.increment
            reached = (size - ramp.start) // ramp.increment + 1
            end = -(-reached * ramp.samples // increments)  # the first number of samples with a larger size
            count = min(steps, -(-(end - samples) // size))
        yield size, count
        samples, steps = samples + size * count, steps - count


def samples_of(training: TrainingConfig, samples: int, steps: int) -> int:
    """Samples of the ``steps`` steps that start after ``samples`` samples."""
    return sum(size * count for size, count in sizes_after(training, samples, steps))
