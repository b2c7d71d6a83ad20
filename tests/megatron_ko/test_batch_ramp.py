"""Batches that grow at the beginning of a run: sizes, checks ahead, and a run that resumes within the growth."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_ko.config.loading import load
from megatron_ko.config.training import BatchRampConfig, Config, TrainingConfig
from megatron_ko.errors import ConfigError
from megatron_ko.formats.run_folder import checkpoint_folder
from megatron_ko.planning.batch_ramp import batch_size_at, samples_of, sizes_after
from megatron_ko.planning.config_rules import layout_rules
from megatron_ko.planning.position import Position
from megatron_ko.preflight import preflight
from tests import ranks
from tests.tiny_run import write_tiny_run

RAMP = BatchRampConfig(start=4, increment=2, samples=24)
TRAINING = TrainingConfig(
    steps=10, global_batch_size=8, micro_batch_size=2, sequence_length=64, batch_ramp=RAMP
)
CHANGE = "training.batch_ramp={start: 4, increment: 2, samples: 24}"


def test_each_size_lasts_for_an_equal_share_of_the_samples():
    # 2 increments: sizes 4 and 6, for 12 samples each: 3 steps of 4, 2 steps of 6
    assert [batch_size_at(TRAINING, n) for n in (0, 11, 12, 23, 24, 99)] == [4, 4, 6, 6, 8, 8]
    assert list(sizes_after(TRAINING, 0, 10)) == [(4, 3), (6, 2), (8, 5)]
    assert samples_of(TRAINING, 0, 10) == 12 + 12 + 40 and samples_of(TRAINING, 8, 2) == 4 + 6
    plain = dataclasses.replace(TRAINING, batch_ramp=None)
    assert list(sizes_after(plain, 5, 10)) == [(8, 10)] and samples_of(plain, 5, 10) == 80


@given(
    start=st.integers(1, 20), increment=st.integers(1, 9), count=st.integers(1, 6), samples=st.integers(1, 300),
    begin=st.integers(0, 300), steps=st.integers(0, 60),
)  # fmt: skip
def test_sizes_equal_those_of_one_step_after_the_other(start, increment, count, samples, begin, steps):
    ramp = BatchRampConfig(start=start, increment=increment, samples=samples)
    training = dataclasses.replace(TRAINING, global_batch_size=start + count * increment, batch_ramp=ramp)
    sizes, position = [], begin
    for _ in range(steps):
        sizes.append(batch_size_at(training, position))
        position += sizes[-1]
    assert [size for size, many in sizes_after(training, begin, steps) for _ in range(many)] == sizes
    assert samples_of(training, begin, steps) == position - begin
    assert sizes == sorted(sizes)


@pytest.mark.parametrize(
    ("ramp", "world_size", "path", "rule"),
    [
        ("{start: 3, increment: 1, samples: 9}", 1, "training.batch_ramp.start", "batch-divides-ranks"),
        ("{start: 4, increment: 2, samples: 9}", 2, "training.batch_ramp.increment", "batch-divides-ranks"),
        ("{start: 8, increment: 2, samples: 9}", 1, "training.batch_ramp.start", "ramp-reaches-batch"),
        ("{start: 2, increment: 4, samples: 9}", 1, "training.batch_ramp.increment", "ramp-reaches-batch"),
    ],
)
def test_sizes_that_do_not_fit_are_errors_before_the_start(tmp_path, ramp, world_size, path, rule):
    with pytest.raises(ConfigError) as caught:
        load(Config, [write_tiny_run(tmp_path)], [f"training.batch_ramp={ramp}"], layout_rules(world_size))
    assert (path, rule) in {(problem.path, problem.rule) for problem in caught.value.problems}


def test_the_plan_counts_the_smaller_batches(tmp_path):
    plan = preflight([write_tiny_run(tmp_path)], [CHANGE], 1).plan
    assert (plan.total_samples, plan.total_tokens) == (64, 64 * 64)
    position = Position(3, 12, 12 * 64, stage_step=3, stage_samples=12)
    assert plan.tokens_after(position) == 52 * 64
    assert plan.micro_batches_of(4) == 2 and plan.batch_at(position) == 6
    assert sum(item.tokens for item in plan.shares) == pytest.approx(64 * 64, abs=2)
    assert "grows" in plan.text()


def train_records(folder: Path) -> list[dict]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == "train"]


@pytest.mark.ranks
def test_a_run_resumes_within_the_growth_and_equals_the_uninterrupted_one(tmp_path):
    config, whole, resumed = write_tiny_run(tmp_path), tmp_path / "whole", tmp_path / "resumed"
    changes = [CHANGE, "checkpoint.every_steps=4"]
    ranks.train(config, [*changes, f"run.folder={whole}"])
    assert [r["samples"] for r in train_records(whole)] == [4, 8, 12, 18, 24, 32, 40, 48, 56, 64]
    assert [r["tokens"] for r in train_records(whole)][-1] == 64 * 64
    shutil.copytree(whole, resumed)
    for step in (8, 10):
        shutil.rmtree(checkpoint_folder(resumed, step))
    ranks.train(config, [*changes, f"run.folder={resumed}"])
    names = ("step", "samples", "tokens", "loss", "gradient_norm", "learning_rate")
    assert [[r[n] for n in names] for r in train_records(resumed)] == [
        [r[n] for n in names] for r in train_records(whole)
    ]
