"""A killed run continues bit for bit, on another layout within a tolerance, with the hyperparameters of the configuration."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from megatron_ko.formats.run_folder import checkpoint_folder, checkpoints_of
from tests import ranks
from tests.checkpoint_tensors import read_tensors
from tests.run_records import curve, records
from tests.tiny_run import write_tiny_run

pytestmark = pytest.mark.ranks
STEPS, HALF = 6, 3
SHORT = [f"training.steps={STEPS}", f"checkpoint.every_steps={HALF}", "evaluation.max_sequences=16"]
TOLERANCE = {"fp32": 2e-4, "bf16": 2e-2}  # bf16 rounds every activation, and layouts sum in another order
ROOT = Path(__file__).resolve().parents[2]


def assert_continues(actual: dict, expected: dict, dtype: str, resumed_at: int) -> None:
    """Compares loss and gradient norm of each step; in bf16 only of the first after the resume, which has equal weights:
    later, rounding makes trajectories differ."""
    assert sorted(actual) == sorted(expected)
    for step in expected if dtype == "fp32" else [resumed_at + 1]:
        assert actual[step] == pytest.approx(expected[step], abs=TOLERANCE[dtype]), f"step {step}"


def settings(run: Path, dtype: str) -> list[str]:
    return [f"run.folder={run}", f"precision.dtype={dtype}", *SHORT]


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def finished(request, tmp_path_factory) -> tuple[str, Path, str]:
    """A run on DP2 that saved after half of its steps and was never interrupted."""
    folder = tmp_path_factory.mktemp(request.param)
    config = write_tiny_run(folder)
    ranks.train(config, settings(folder / "finished", request.param), 2)
    return config, folder, request.param


def half(finished: tuple[str, Path, str], name: str) -> tuple[str, Path]:
    """A copy of the run as it was after half of its steps."""
    config, folder, _ = finished
    target = folder / name
    shutil.copytree(folder / "finished", target)
    shutil.rmtree(checkpoint_folder(target, STEPS))
    return config, target


def test_resume_on_the_same_layout_is_bit_for_bit(finished):
    config, target = half(finished, "same")
    ranks.train(config, settings(target, finished[2]), 2)
    assert curve(target) == curve(finished[1] / "finished")
    assert records(target, "valid")[-1]["loss"] == records(finished[1] / "finished", "valid")[-1]["loss"]
    assert same_tensors(checkpoint_folder(target, STEPS), checkpoint_folder(finished[1] / "finished", STEPS))


LAYOUTS = {
    "one rank": (1, []),
    "TP2": (2, ["parallel.tensor=2"]),
    "PP2": (2, ["parallel.pipeline=2"]),
    "TP2 x PP2": (4, ["parallel.tensor=2", "parallel.pipeline=2"]),
    "CP2": (2, ["parallel.context=2"]),
}
CASES = [
    *(("fp32", name) for name in LAYOUTS),
    *(("bf16", "TP2 x PP2"), ("bf16", "one rank")),
    *(pytest.param("bf16", name, marks=pytest.mark.slow) for name in ("TP2", "PP2", "CP2")),
]


@pytest.mark.parametrize(("finished", "name"), CASES, indirect=["finished"])
def test_resume_on_another_layout_continues_the_same_run(finished, name):
    count, overrides = LAYOUTS[name]
    config, target = half(finished, name.replace(" ", "_"))
    ranks.train(config, [*settings(target, finished[2]), *overrides], count)
    assert_continues(curve(target), curve(finished[1] / "finished"), finished[2], HALF)


@pytest.mark.parametrize(
    "finished", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)], indirect=["finished"]
)
def test_from_tensor_parallel_back_to_data_parallel(finished, tmp_path):
    config, folder, dtype = finished
    fixed = settings(tmp_path / "tp2", dtype)
    ranks.train(config, [*fixed, "parallel.tensor=2"], 2)
    before = curve(tmp_path / "tp2")
    shutil.rmtree(checkpoint_folder(tmp_path / "tp2", STEPS))
    ranks.train(config, fixed, 2)
    assert_continues(curve(tmp_path / "tp2"), before, dtype, HALF)
    if dtype == "fp32":
        assert_continues(curve(tmp_path / "tp2"), curve(folder / "finished"), dtype, HALF)


def same_tensors(left: Path, right: Path) -> bool:
    """Whether both checkpoints contain the same names and, bit for bit, the same tensors (model and optimizer)."""
    return ranks.on_ranks(1, _same_tensors, str(left), str(right))[0]


def _same_tensors(rank: int, init_method: str, left: str, right: str) -> bool:
    import torch

    a, b = read_tensors(left), read_tensors(right)
    assert sorted(a) == sorted(b)
    assert any("exp_avg" in name for name in a), "the optimizer state is not in the checkpoint"
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.slow  # about two minutes; a stop and a resume by a signal are in test_launch
def test_killed_run_resumes_bit_for_bit(tmp_path):
    """kill -9 of the real program in the middle of a run, then the same command again."""
    config = write_tiny_run(tmp_path)
    command = [
        sys.executable,
        "-m",
        "megatron_ko.train",
        config,
        "--ranks",
        "2",
        "parallel.tensor=2",
        "training.steps=40",
    ]
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    subprocess.run(
        [*command, f"run.folder={undisturbed}"], check=True, cwd=ROOT, timeout=120, capture_output=True
    )
    process = subprocess.Popen(
        [*command, f"run.folder={killed}"], cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not checkpoints_of(killed) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.15)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert checkpoints_of(killed) and not checkpoint_folder(killed, 40).exists(), (
        "the run was not killed in the middle"
    )
    subprocess.run([*command, f"run.folder={killed}"], check=True, cwd=ROOT, timeout=120, capture_output=True)
    assert curve(killed) == curve(undisturbed)
    assert same_tensors(checkpoint_folder(killed, 40), checkpoint_folder(undisturbed, 40))


def test_new_learning_rate_is_used_after_resume(finished):
    """megatron-core restores max_lr, betas and decay with the groups; ours come from the configuration."""
    config, target = half(finished, "new_rate")
    overrides = ["optimizer.learning_rate=1e-9", "optimizer.weight_decay=0.0"]
    ranks.train(config, [*settings(target, finished[2]), *overrides], 2)
    before, after = (records(target, "train")[i]["loss"] for i in (HALF, STEPS - 1))
    assert all(r["learning_rate"] <= 1e-9 for r in records(target, "train") if r["step"] > HALF)
    weights = ranks.on_ranks(
        1, _largest_move, str(checkpoint_folder(target, HALF)), str(checkpoint_folder(target, STEPS))
    )[0]
    assert weights < 1e-6, "a learning rate of 1e-9 must not move the weights"
    assert before != after  # other data, so the losses differ: the run did go on


def _largest_move(rank: int, init_method: str, left: str, right: str) -> float:
    a, b = read_tensors(left), read_tensors(right)
    # in bf16 the master copies: a move of 1e-9 can tip the rounding of a weight
    masters = [name for name in a if name.startswith("optimizer.state.param")]
    names = masters or [name for name in a if not name.startswith("optimizer.")]
    return max(float((a[name].float() - b[name].float()).abs().max()) for name in names)
