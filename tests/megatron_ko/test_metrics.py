"""Reported numbers, from numbers that can be computed by hand, and console lines."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from megatron_ko.config.fp8 import TensorwiseFp8
from megatron_ko.config.loading import load
from megatron_ko.config.training import Config, PrecisionConfig
from megatron_ko.tables import width_of
from megatron_ko.training import metrics, reporting
from tests.tiny_run import write_tiny_run


def test_speed_follows_from_tokens_and_seconds(monkeypatch):
    clock = iter([100.0, 104.0, 104.0])
    monkeypatch.setattr(metrics.time, "perf_counter", lambda: next(clock))
    speed = metrics.Speed(flops_per_token=3e9, world_size=2, peak=metrics.Peak(0.004, "test"))
    speed.add(6000)
    speed.add(2000)
    result = speed.lap(tokens_left=10_000)
    # 8,000 tokens in 4 s = 2,000/s; x 3 GFLOP = 6 TFLOP/s over 2 devices... in TFLOP/s: 2000 * 3e9 / 2 / 1e12 = 3
    assert result == {"tokens_per_s": 2000.0, "tflops": 3.0, "mfu": 750.0, "eta_s": 5.0}


def test_a_configured_peak_overrides_the_measured_one():
    cpu = torch.device("cpu")
    fp32, fp8 = PrecisionConfig(dtype="fp32"), PrecisionConfig(fp8=TensorwiseFp8(type="tensorwise"))
    for precision in (fp32, fp8):
        assert metrics.peak_of(cpu, precision, 12.5) == metrics.Peak(12.5, "reporting.peak_tflops")
    measured = metrics.peak_of(cpu, fp32, None)
    assert measured.tflops > 0 and measured.name == "fp32 matrix product measured on one cpu rank"


def test_a_peak_of_fp8_is_measured_with_products_in_fp8(monkeypatch):
    """Where no data sheet is known. The kernel exists on the CPU, too."""
    products = []
    multiply = torch._scaled_mm
    monkeypatch.setattr(torch, "_scaled_mm", lambda *a, **k: products.append(multiply(*a, **k)))
    peak = metrics.peak_of(torch.device("cpu"), PrecisionConfig(fp8=TensorwiseFp8(type="tensorwise")), None)
    assert peak.tflops > 0 and peak.name == "fp8 matrix product measured on one cpu rank"
    assert len(products) > 1 and (products[0] == 1024).all()


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


LARGE = dict(
    samples=732_421_875, tokens=3_000_000_000_000, loss=2.34567, learning_rate=2.95e-4, gradient_norm=0.123456,
    tokens_per_s=12.34e6, tflops=451.8, mfu=0.4567, memory_gib=131.25, eta_s=12.2 * 86400,
)  # fmt: skip
EXTREME = {
    **LARGE,
    "loss": 12.3456,
    "gradient_norm": 12345.6,
    "learning_rate": 0.0,
    "tokens_per_s": 999.0,
    "eta_s": 11_000.0,
}
TIME = "12:34:56 "  # of the log


def columns(line: str) -> list[int]:
    """Positions of the names and units of a line."""
    words = ("step", "loss", "grad", "lr", "tok/s", "MFU", "%", "GiB", "ETA")
    return [line.index(word) for word in words]


def test_training_lines_fit_100_columns_and_are_aligned():
    small, large, extreme = (
        reporting._train_lines(step, values)[0]
        for step, values in ((1, TRAIN), (1_000_000, LARGE), (1_000_000, EXTREME))
    )
    assert columns(small) == columns(large) == columns(extreme)
    assert max(len(TIME + line) for line in (small, large, extreme)) <= 100
    assert large.split()[3::2][:2] == ["2.3457", "0.123"]


@pytest.mark.parametrize(
    "terms",
    [("distillation",), ("distillation", "hidden_states"), ("distillation", "hidden_states", "z_loss")],
)
def test_training_lines_of_a_distilled_run_have_the_time_that_is_left(terms):
    more = dict.fromkeys(terms, 0.98765)
    lines = [
        reporting._train_lines(step, values | more)[0]
        for step, values in ((1, TRAIN), (1_000_000, LARGE), (1_000_000, EXTREME))
    ]
    assert len({(line.index("div"), line.index("tok/s"), line.index("ETA")) for line in lines}) == 1
    assert max(len(TIME + line) for line in lines) <= 100
    assert lines[1].endswith(" ETA 12d")


def test_validation_and_save_lines_fit_100_columns_and_are_aligned():
    losses = {"ko": 2.34567, "en": 2.1, "code": 11.2, "korean_web_text": 1.9}
    lines = reporting._valid_lines(
        1_000_000, {"loss": losses, "bits_per_byte": dict.fromkeys(losses, 0.8123)}
    )
    assert len(lines) == 4
    assert len({(len(line), line.index("loss"), line.index("bits/byte")) for line in lines}) == 1
    folder = "/shared/projects/korean/runs/a_name_that_is_long/checkpoints/step_01000000"
    lines += reporting._save_lines(1_000_000, {"folder": folder, "seconds": 1234.5})
    start = dict(
        parameters=405e9, world_size=16_384, peak_tflops=989.4, peak_name="H100 bf16 dense, data sheet",
        weights={"kind": "checkpoint", "step": 1_000_000, "hash": "sha256:0123456789ab", "path": folder},
    )  # fmt: skip
    lines += reporting._start_lines(1_000_000, start)
    assert max(len(TIME + line) for line in lines) <= 100


@given(
    step=st.integers(0, 2**63),
    numbers=st.fixed_dictionaries(
        dict.fromkeys(
            ("loss", "gradient_norm", "learning_rate", "tokens_per_s", "mfu", "memory_gib", "eta_s"),
            st.floats(min_value=0) | st.sampled_from([0.0, 1e-300, 999.95, 1e4, 1e17, float("nan"), 1e300]),
        )
    ),
    name=st.text(min_size=1, max_size=120),
)
def test_lines_fit_100_columns_whatever_the_numbers(step, numbers, name):
    (line,) = reporting._train_lines(step, numbers)
    assert str(step) in line and width_of(TIME + line) <= 100
    lines = reporting._valid_lines(
        min(step, 10**12), {"loss": {name: numbers["loss"]}, "bits_per_byte": {name: 1e300}}
    )
    start = {
        "parameters": 405 * 10**9,
        "world_size": 16_384,
        "peak_tflops": numbers["mfu"],
        "peak_name": name,
        "weights": {"kind": "Hugging Face folder", "hash": "sha256:0123456789ab", "path": f"/models/{name}"},
    }
    lines += reporting._start_lines(10**9, start)
    assert max(width_of(TIME + line) for line in lines) <= 100


def test_the_peak_that_was_measured_fits_one_line():
    start = {"parameters": 10**9, "world_size": 1, "peak_tflops": 0.005123,
             "peak_name": "fp32 matrix product measured on one cpu rank", "weights": None}  # fmt: skip
    assert start["peak_name"] in reporting._start_lines(0, start)[1]


@pytest.mark.parametrize(
    "seconds, text",
    [(0, "0s"), (59, "59s"), (245, "4m05s"), (2725, "45m"), (11_040, "3h04m"), (61_200, "17h"), (169_200, "1d23h"),
     (1_054_080, "12d"), (120 * 365.25 * 86400, "120y"), (float("inf"), "?"), (float("nan"), "?")],
)  # fmt: skip
def test_durations_have_at_most_five_characters(seconds, text):
    assert reporting._duration(seconds) == text


class Wandb:
    """Stands for the package: records what each run is started with, and what it logs."""

    def __init__(self) -> None:
        self.started: list[dict] = []
        self.logged: list[int] = []

    def init(self, **keywords) -> Wandb:
        self.started.append(keywords)
        return self

    def log(self, values: dict, step: int) -> None:
        self.logged.append(step)

    def finish(self) -> None: ...


def test_the_run_of_wandb_is_kept_on_resume_and_another_one_for_a_repeated_run(config, tmp_path, monkeypatch):
    wandb = Wandb()
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    config = dataclasses.replace(config, reporting=dataclasses.replace(config.reporting, wandb_project="x"))
    folder = Path(config.run.folder)

    def start(step: int) -> str:
        records = reporting.Records(config, step, writes=True)
        records.record("train", step + 1, **TRAIN)
        records.close()
        return wandb.started[-1]["id"]

    first = start(0)
    assert (folder / "wandb_id").read_text().strip() == first and start(1) == start(2) == first
    assert start(0) != first  # from the beginning: Weights & Biases would ignore its steps
    shutil.rmtree(folder)
    repeated = start(0)
    shutil.rmtree(folder)
    assert len({first, repeated, start(0)}) == 3 and wandb.logged == [1, 2, 3, 1, 1, 1]
    assert {keywords["resume"] for keywords in wandb.started} == {"allow"}
    moved = folder.rename(folder.with_name("moved"))
    last = wandb.started[-1]["id"]
    config = dataclasses.replace(config, run=dataclasses.replace(config.run, folder=str(moved)))
    assert start(3) == last


def test_tensorboard_without_the_package_is_a_clear_error(config, monkeypatch):
    import dataclasses
    import sys

    from megatron_ko.errors import ConfigError

    config = dataclasses.replace(config, reporting=dataclasses.replace(config.reporting, tensorboard=True))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError) as caught:
        reporting.Records(config, 0, writes=True)
    assert caught.value.problems[0].path == "reporting.tensorboard"
