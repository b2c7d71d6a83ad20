"""Learning rates against values computed by hand, at every corner. One step is 8 samples, the peak is 2."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_ko.config.optimizer import (
    ConstantSchedule,
    CosineSchedule,
    LinearSchedule,
    MultiStepSchedule,
    WsdSchedule,
)
from megatron_ko.planning.schedule import learning_rate

STEP_SAMPLES = 8
PEAK = 2.0


def rate(schedule, step: float, steps: int) -> float:
    """Learning rate of the step that starts after ``step`` of ``steps`` steps."""
    return learning_rate(schedule, PEAK, round(step * STEP_SAMPLES), steps * STEP_SAMPLES, STEP_SAMPLES)


def wsd(decay: str, warmup: int = 0, steps: int = 4, final: float = 0.0) -> WsdSchedule:
    return WsdSchedule(type="wsd", warmup_steps=warmup, decay_steps=steps, decay=decay, final_ratio=final)


EVERY = [
    ConstantSchedule(type="constant", warmup_steps=4),
    LinearSchedule(type="linear", warmup_steps=4),
    CosineSchedule(type="cosine", warmup_steps=4),
    MultiStepSchedule(type="multistep", warmup_steps=4),
    *(wsd(decay, warmup=4) for decay in ("linear", "cosine", "exponential", "minus_sqrt")),
]


def name(schedule) -> str:
    return f"{schedule.type}-{getattr(schedule, 'decay', '')}".rstrip("-")


@pytest.mark.parametrize("schedule", EVERY, ids=name)
def test_warm_up_of_four_steps_is_a_quarter_a_half_three_quarters_and_the_peak(schedule):
    """The k-th step, counted from 1, has k/4; the step after it still has the peak, and the decay begins there."""
    assert [rate(schedule, step, 20) for step in range(5)] == [0.5, 1.0, 1.5, 2.0, 2.0]


@pytest.mark.parametrize("schedule", EVERY, ids=name)
def test_in_a_run_of_nothing_but_warm_up_the_last_step_has_the_peak(schedule):
    schedule = type(schedule)(**{**vars_of(schedule), "warmup_steps": 5})
    assert [rate(schedule, step, 5) for step in range(5)] == pytest.approx([0.4, 0.8, 1.2, 1.6, 2.0])


@pytest.mark.parametrize("section", [LinearSchedule, CosineSchedule])
def test_after_a_run_that_is_only_warm_up_the_learning_rate_is_the_final_one(section):
    schedule = section(
        type=section.__name__.removesuffix("Schedule").lower(), warmup_steps=5, final_ratio=0.25
    )
    assert rate(schedule, 5, 5) == 0.5


def vars_of(schedule) -> dict:
    return {field: getattr(schedule, field) for field in type(schedule).__pydantic_fields__}


@pytest.mark.parametrize("schedule", EVERY, ids=name)
def test_without_warm_up_the_first_step_has_the_peak(schedule):
    schedule = type(schedule)(**{**vars_of(schedule), "warmup_steps": 0})
    assert rate(schedule, 0, 20) == 2.0


@pytest.mark.parametrize("schedule", EVERY, ids=name)
def test_past_the_end_the_rate_stays_and_is_never_negative(schedule):
    assert rate(schedule, 20, 20) == rate(schedule, 21, 20) == rate(schedule, 1000, 20) >= 0.0


def test_constant_stays_at_the_peak():
    assert rate(EVERY[0], 19, 20) == rate(EVERY[0], 20, 20) == 2.0


def test_linear_between_warm_up_and_end():
    """Warm-up ends at 4 of 20; at 8 a quarter of the way is done: 0.1 + 0.9 * 0.75 = 0.775 of the peak."""
    schedule = LinearSchedule(type="linear", warmup_steps=4, final_ratio=0.1)
    assert [rate(schedule, step, 20) for step in (4, 8, 12, 20)] == pytest.approx([2.0, 1.55, 1.1, 0.2])


def test_cosine_between_warm_up_and_end():
    """Half a cosine: (1 + cos(pi x)) / 2 is 1, 0.75, 0.5, 0.25 and 0 at x = 0, 1/3, 1/2, 2/3 and 1."""
    schedule = CosineSchedule(type="cosine", warmup_steps=2, final_ratio=0.2)
    rates = [rate(schedule, step, 14) for step in (2, 6, 8, 10, 14)]
    assert rates == pytest.approx([2.0, 2 * (0.2 + 0.8 * 0.75), 2 * 0.6, 2 * (0.2 + 0.8 * 0.25), 0.4])


@pytest.mark.parametrize(
    "decay, quarter, half, three_quarters",
    [
        ("linear", 0.75, 0.5, 0.25),
        ("cosine", (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2),  # cos(pi/4) = sqrt(1/2)
        ("exponential", 2 * 0.5**0.25 - 1, 2 * 0.5**0.5 - 1, 2 * 0.5**0.75 - 1),
        ("minus_sqrt", 0.5, 1 - math.sqrt(0.5), 1 - math.sqrt(0.75)),
    ],
)
@pytest.mark.parametrize("final", [0.0, 0.1])
def test_wsd_is_stable_until_the_last_four_steps(decay, quarter, half, three_quarters, final):
    schedule = wsd(decay, warmup=3, final=final)
    rates = [rate(schedule, step, 20) for step in (3, 10, 15, 16, 17, 18, 19, 20)]
    shape = [1, 1, 1, 1, quarter, half, three_quarters, 0]
    assert rates == pytest.approx([2 * (final + (1 - final) * part) for part in shape])


def test_wsd_may_decay_from_the_warm_up_to_the_end():
    assert [rate(wsd("linear", steps=4), step, 4) for step in range(5)] == [2.0, 1.5, 1.0, 0.5, 0.0]


def test_multistep_drops_exactly_at_80_and_90_percent():
    """DeepSeek LLM: 31.6 % of the peak from 80 % of the run, 10 % from 90 %."""
    schedule = MultiStepSchedule(type="multistep", warmup_steps=10)
    rates = [rate(schedule, step, 1000) for step in (10, 799, 799.875, 800, 899, 899.875, 900, 999, 1000)]
    assert rates == [2.0, 2.0, 2.0, 0.632, 0.632, 0.632, 0.2, 0.2, 0.2]


def test_multistep_milestones_that_floats_cannot_represent_are_exact():
    """0.07 x 800 samples is 56.00000000000001 in floats; the drop is at sample 56, that is step 7."""
    assert 0.07 * 800 > 56
    schedule = MultiStepSchedule(type="multistep", milestones=[0.07], ratios=[0.5])
    assert [rate(schedule, step, 100) for step in (6, 7)] == [2.0, 1.0]


def test_another_batch_size_keeps_the_schedule_in_samples():
    """Steps of 16 samples: half as many steps of warm-up and decay cover the same samples."""
    small, large = wsd("linear", warmup=4, steps=8), wsd("linear", warmup=2, steps=4)
    for samples in range(32, 320, 16):
        assert learning_rate(small, PEAK, samples, 320, 8) == learning_rate(large, PEAK, samples, 320, 16)


STEPS = 40
SCHEDULES = st.one_of(
    st.builds(
        LinearSchedule,
        type=st.just("linear"),
        warmup_steps=st.integers(0, STEPS),
        final_ratio=st.floats(0, 1),
    ),
    st.builds(
        CosineSchedule,
        type=st.just("cosine"),
        warmup_steps=st.integers(0, STEPS),
        final_ratio=st.floats(0, 1),
    ),
    st.builds(
        wsd,
        decay=st.sampled_from(["linear", "cosine", "exponential", "minus_sqrt"]),
        warmup=st.integers(0, 20),
        steps=st.integers(1, 20),
        final=st.floats(0, 1),
    ),
)


@given(schedule=SCHEDULES)
def test_rates_rise_in_the_warm_up_then_never_rise_and_end_at_the_final_ratio(schedule):
    rates = [rate(schedule, step, STEPS) for step in range(STEPS + 2)]
    warm = schedule.warmup_steps
    assert all(0 < rates[i] < rates[i + 1] <= PEAK for i in range(warm - 1))
    assert all(rates[i] >= rates[i + 1] - 1e-12 for i in range(max(0, warm - 1), STEPS))
    assert rates[-1] == pytest.approx(PEAK * schedule.final_ratio)
