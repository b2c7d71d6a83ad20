"""Numbers of the report line, from numbers that can be computed by hand."""

from __future__ import annotations

import json

import pytest
import torch

from megatron_ko.config.loading import load
from megatron_ko.config.training import Config
from megatron_ko.training import metrics, reporting
from tests.tiny_run import write_tiny_run


def test_speed_follows_from_tokens_and_seconds(monkeypatch):
    clock = iter([100.0, 104.0, 104.0])
    monkeypatch.setattr(metrics.time, "perf_counter", lambda: next(clock))
    speed = metrics.Speed(flops_per_token=3e9, world_size=2, peak=metrics.Peak(0.004, "test"))
    speed.add(6000)
    speed.add(2000)
    found = speed.lap(tokens_left=10_000)
    # 8,000 tokens in 4 s = 2,000/s; x 3 GFLOP = 6 TFLOP/s over 2 devices... in TFLOP/s: 2000 * 3e9 / 2 / 1e12 = 3
    assert found == {"tokens_per_s": 2000.0, "tflops": 3.0, "mfu": 750.0, "eta_s": 5.0}


def test_peak_given_wins_and_measured_one_says_so():
    cpu = torch.device("cpu")
    assert metrics.peak_of(cpu, "fp32", 12.5) == metrics.Peak(12.5, "reporting.peak_tflops")
    measured = metrics.peak_of(cpu, "fp32", None)
    assert measured.tflops > 0 and "measured" in measured.name


@pytest.fixture
def config(tmp_path) -> Config:
    return load(Config, [write_tiny_run(tmp_path)], []).config


TRAIN = dict(
    samples=8, tokens=512, loss=6.5, learning_rate=1e-3, gradient_norm=1.25, tokens_per_s=1234.0, tflops=0.01,
    mfu=0.5, memory_gib=0.25, eta_s=3661.0,
)  # fmt: skip


def test_records_are_lines_of_json(config):
    records = reporting.Records(config, 0, writes=True)
    records.record("train", 1, **TRAIN)
    records.record("valid", 1, tokens=512, loss={"ko": 6.0}, bits_per_byte={"ko": 2.0})
    records.close()
    from pathlib import Path

    lines = [
        json.loads(line)
        for line in (Path(config.run.folder) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [(line["kind"], line["step"]) for line in lines] == [("train", 1), ("valid", 1)]
    assert lines[0]["loss"] == 6.5 and lines[1]["loss"] == {"ko": 6.0}


def test_other_ranks_write_nothing(config, tmp_path):
    reporting.Records(config, 0, writes=False).record("train", 1, **TRAIN)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_lines_are_aligned():
    short = reporting._train_line(1, TRAIN)
    long = reporting._train_line(
        123_456, {**TRAIN, "tokens": 2.5e12, "loss": 10.5, "tokens_per_s": 3.4e6, "tflops": 745.0}
    )
    assert [i for i, c in enumerate(short) if c == "|"] == [i for i, c in enumerate(long) if c == "|"]
    assert "01:01:01" in short


def test_tensorboard_without_the_package_is_a_clear_error(config, monkeypatch):
    import dataclasses
    import sys

    from megatron_ko.errors import ConfigError

    wanted = dataclasses.replace(config, reporting=dataclasses.replace(config.reporting, tensorboard=True))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match="tensorboard"):
        reporting.Records(wanted, 0, writes=True)
