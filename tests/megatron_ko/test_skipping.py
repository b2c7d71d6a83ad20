"""Skipped steps: which ones, weights and optimizer state bit for bit, their records, and a resumed run."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest

from megatron_ko.config.training import SkipConfig
from megatron_ko.formats.checkpoint_folder import Checkpoint, StepWindow
from megatron_ko.formats.run_folder import checkpoint_folder
from megatron_ko.preflight import Preflight, preflight
from tests import ranks
from tests.megatron_ko.test_resume import same_tensors
from tests.tiny_run import write_tiny_run

NAN, SPIKE = 4, 8
"""Steps whose gradients are not finite (on one rank), and a thousand times too large."""
CHANGES = [
    "training.skip.steps=spikes", "training.skip.window=3", "training.skip.sigma=100.0", "training.skip.max_in_a_row=2",
]  # fmt: skip


# --- the rule --------------------------------------------------------------------------------------------


@pytest.fixture
def guard(monkeypatch):
    from megatron_ko.training import skipping

    monkeypatch.setattr(skipping, "largest", lambda value, device: value)
    return skipping.Guard


def judge(guard, loss: float, norm: float = 1.0) -> str:
    return guard.judge(loss, norm, None)


def test_a_spike_is_above_sigma_deviations_of_the_accepted_steps(guard):
    one = guard(SkipConfig(steps="spikes", sigma=2.0, window=4))
    assert [judge(one, loss) for loss in (9.0, 3.0, 5.0, 5.0, 3.0)] == [
        ""
    ] * 5  # 9 was no spike: no window yet
    # of 3, 5, 5, 3: mean 4, deviation 1
    assert judge(one, 6.001) == "loss-spike" and judge(one, 6.0) == ""
    # 5, 5, 3, 6: mean 4.75, deviation 1.09; the spike has not entered the window
    assert judge(one, 6.94) == "loss-spike" and judge(one, 6.92) == ""
    assert judge(one, 1.0, 1.0) == "" and judge(one, 1.0, 1.001) == "gradient-spike"


def test_the_window_of_a_checkpoint_decides_like_the_one_that_wrote_it(guard):
    config = SkipConfig(steps="spikes", window=2, sigma=1.0)
    one = guard(config)
    assert not judge(one, 2.0) and not judge(one, 4.0) and judge(one, math.nan) == "not-finite"
    assert one.window == StepWindow([2.0, 4.0], [1.0, 1.0], 1)
    other = guard(config, None, StepWindow(**json.loads(json.dumps(one.window.__dict__))))
    assert [judge(g, 4.001) for g in (one, other)] == ["loss-spike"] * 2
    assert [judge(g, 4.0) for g in (one, other)] == [""] * 2 and one.window == other.window
    assert guard().window is None


@pytest.mark.parametrize(("loss", "norm"), [(math.nan, 1.0), (1.0, math.inf)])
def test_without_skipping_a_step_that_is_not_finite_ends_the_run(guard, loss, norm):
    from megatron_ko.training.skipping import Divergence

    with pytest.raises(Divergence) as caught:
        judge(guard(), loss, norm)
    assert caught.value.rule == "loss-not-finite"


# --- runs ------------------------------------------------------------------------------------------------


def train_with_faults(rank: int, init_method: str, checked: Preflight, all_from: int = 99) -> tuple[str, str]:
    """Trains with the faults above, and with NaN in every step from ``all_from``; returns rule and message of the end.

    Asserts that a skipped step changes neither weights nor optimizer state.
    """
    import torch

    from megatron_ko import train
    from megatron_ko.training import step
    from megatron_ko.training.skipping import Divergence

    number = [checked.start.step if checked.start else 0]
    plain_sum, plain_step = step.sum_batches, step.train_step

    def with_faults(ddp_model, *arguments, **options):
        totals = plain_sum(ddp_model, *arguments, **options)
        if not options["forward_only"]:
            number[0] += 1
            bad = (number[0] == NAN or number[0] >= all_from) and rank == checked.plan.world_size - 1
            for buffer in ddp_model.buffers:
                buffer.grad_data.mul_(math.nan if bad else 1e3 if number[0] == SPIKE else 1.0)
        return totals

    def state(trainee) -> list[torch.Tensor]:
        adam = trainee.optimizer.chained_optimizers[0].optimizer
        moments = [value for values in adam.state.values() for value in values.values()]
        masters = [weight for group in adam.param_groups for weight in group["params"]]
        return [value.detach().clone() for value in (*trainee.ddp_model.parameters(), *masters, *moments)]

    def checking(trainee, *arguments):
        before = state(trainee)
        result = plain_step(trainee, *arguments)
        same = all(torch.equal(a, b) for a, b in zip(before, state(trainee)))
        assert same == bool(result.skipped), number
        return result

    step.sum_batches, step.train_step = with_faults, checking
    try:
        train.train(checked, rank, init_method)
    except Divergence as error:
        return error.rule, str(error)
    return "", ""


def run(config: str, changes: list[str], count: int, all_from: int = 99) -> set[tuple[str, str]]:
    return set(ranks.on_ranks(count, train_with_faults, preflight([config], changes, count), all_from))


def records(folder: Path, name: str, kind: str) -> list[dict]:
    lines = (folder / name).read_text(encoding="utf-8").splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == kind]


def curve(folder: Path) -> dict[int, tuple[float, float]]:
    return {r["step"]: (r["loss"], r["gradient_norm"]) for r in records(folder, "metrics.jsonl", "train")}


@pytest.mark.ranks
@pytest.mark.parametrize("dtype", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
def test_skipped_steps_leave_no_trace_and_a_resumed_run_skips_the_same(tmp_path, dtype):
    config = write_tiny_run(tmp_path)
    changes = [*CHANGES, f"precision.dtype={dtype}"]
    whole, resumed, tensor = tmp_path / "whole", tmp_path / "resumed", tmp_path / "tensor"
    assert run(config, [*changes, f"run.folder={whole}"], 2) == {("", "")}

    quarantine = records(whole, "quarantine.jsonl", "skip")
    assert [(r["step"], r["reason"]) for r in quarantine] == [(NAN, "not-finite"), (SPIKE, "gradient-spike")]
    first = quarantine[0]
    assert (first["first_sample"], first["last_sample"], first["gradient_norm"]) == (24, 31, "nan")
    assert all(Path(f"{prefix}.bin").is_file() and numbers for prefix, numbers in first["documents"].items())
    assert [r["step"] for r in records(whole, "metrics.jsonl", "skip")] == [NAN, SPIKE]
    assert sorted(curve(whole)) == [step for step in range(1, 11) if step not in (NAN, SPIKE)]
    window = Checkpoint.read(checkpoint_folder(whole, 5)).window
    assert window is not None and len(window.losses) == 3 and window.losses[-1] == curve(whole)[5][0]

    for folder, layout in ((resumed, []), (tensor, ["parallel.tensor=2"])):
        shutil.copytree(whole, folder)
        shutil.rmtree(checkpoint_folder(folder, 10))
        assert run(config, [*changes, *layout, f"run.folder={folder}"], 2) == {("", "")}
        assert [r["step"] for r in records(folder, "quarantine.jsonl", "skip")] == [NAN, SPIKE]
    assert curve(resumed) == curve(whole)
    ends = [checkpoint_folder(folder, 10) for folder in (whole, resumed)]
    assert Checkpoint.read(ends[0]).window == Checkpoint.read(ends[1]).window
    assert same_tensors(*ends)
    if dtype == "fp32":
        for step, values in curve(whole).items():
            assert curve(tensor)[step] == pytest.approx(values, abs=2e-4), step


@pytest.mark.ranks
def test_too_many_in_a_row_end_the_run_and_name_the_newest_checkpoint(tmp_path):
    config = write_tiny_run(tmp_path)
    ((rule, message),) = run(config, [*CHANGES, "checkpoint.every_steps=2"], 1, all_from=6)
    assert rule == "too-many-skipped-steps"
    newest = checkpoint_folder(
        tmp_path / "run", 6
    )  # of step 6, whose update was skipped: 6, 7, 8 are three in a row
    assert str(newest) in message and newest.is_dir()
    (record,) = records(tmp_path / "run", "metrics.jsonl", "divergence")
    assert (record["step"], record["rule"], record["first_sample"]) == (8, rule, 56)
