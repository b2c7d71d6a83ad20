"""The mean of checkpoints of a run: values, report, checksums, and which checkpoints."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from checkpoint_tools import __main__ as program
from checkpoint_tools.formats import mcore
from checkpoint_tools.formats.store import Store, with_dtype
from checkpoint_tools.operations import average
from checkpoint_tools.options.surgery import Average
from megatron_ko.errors import CheckpointError
from megatron_ko.formats.checkpoint_folder import Checkpoint, damaged_files
from tests.checkpoint_tools.tiny_checkpoint import write_tiny_checkpoint

FACTORS = {100: 1.0, 200: -3.0, 300: 8.0, 400: 0.5}


@pytest.fixture
def run(tmp_path) -> tuple[Path, Store]:
    """A run folder whose checkpoints are multiples of one model, and that model."""
    base = mcore.open_mcore(write_tiny_checkpoint(tmp_path / "base"))
    folder = tmp_path / "run"
    for step, factor in FACTORS.items():
        read = lambda name, factor=factor: base.tensor(name) * factor  # noqa: E731
        mcore.write_mcore(replace(base, read=read), folder / "checkpoints" / f"step_{step:08d}")
    return folder, base


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        (["--last", "3"], (200, 300, 400)),
        (["--names", "step_00000300", "step_00000100"], (100, 300)),
        (["--last", "2", "--dtype", "bf16"], (300, 400)),
    ],
)
def test_weights_are_the_mean(run, tmp_path, options, steps):
    folder, base = run
    assert program.main(["average", str(folder), str(tmp_path / "mean"), *options]) == 0
    mean = mcore.open_mcore(tmp_path / "mean")
    factor = sum(FACTORS[step] for step in steps) / len(steps)
    for name in base.names():
        expected = base.tensor(name) * factor
        if "bf16" in options:
            assert torch.equal(mean.tensor(name), expected.bfloat16()) or (
                (mean.tensor(name).float() - expected).abs().max() <= expected.abs().max() * 2**-8
            )
        else:
            torch.testing.assert_close(mean.tensor(name), expected, rtol=1e-6, atol=1e-7)
    checkpoint = Checkpoint.read(tmp_path / "mean")
    assert not checkpoint.optimizer and damaged_files(checkpoint) == []
    report = json.loads((tmp_path / "mean" / average.REPORT).read_text())["checkpoints"]
    assert [Path(entry["folder"]).name for entry in report] == [f"step_{step:08d}" for step in steps]
    assert (tmp_path / "mean" / "verification.json").is_file()


def test_the_sum_is_in_fp32(run):
    """In bf16, 1 + 2^-8 would round to 1 three times."""
    _, base = run
    constant = [
        with_dtype(replace(base, read=lambda name, value=value: torch.full(base.shape(name), value)), "bf16")
        for value in (1.0, 2.0**-8, 2.0**-8, 2.0**-8)
    ]
    name = base.names()[0]
    mean = average.average(constant, "fp32").tensor(name)
    assert torch.equal(mean, torch.full_like(mean, (1 + 3 * 2.0**-8) / 4))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({}, "which-checkpoints"),
        ({"last": 2, "names": ["step_00000100", "step_00000200"]}, "which-checkpoints"),
        ({"last": 5}, "too-few-checkpoints"),
        ({"names": ["step_00000100", "step_00000999"]}, "missing-checkpoint"),
    ],
)
def test_checkpoints_that_do_not_exist_are_errors(run, tmp_path, changes, rule):
    with pytest.raises(CheckpointError) as caught:
        average.run(Average(src=str(run[0]), dst=str(tmp_path / "mean"), **changes))
    assert caught.value.rule == rule and not (tmp_path / "mean").exists()


def test_models_of_other_shapes_have_no_mean(run, tmp_path):
    folder, base = run
    model = replace(base.model, layers=1)
    mcore.write_mcore(replace(base, model=model), folder / "checkpoints" / "step_00000500")
    with pytest.raises(CheckpointError) as caught:
        average.run(Average(src=str(folder), dst=str(tmp_path / "mean"), last=2))
    assert caught.value.rule == "models-differ" and not (tmp_path / "mean").exists()
