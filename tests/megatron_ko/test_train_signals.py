"""A stop request at any moment of training: exit code 75 within seconds, no process left, and the run continues."""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

import pytest

from tests.signals import NUMBERS, check, run_with_signal
from tests.tiny_run import write_tiny_run

pytestmark = [pytest.mark.ranks, pytest.mark.any_core]
ROOT = Path(__file__).resolve().parents[2]
STEPS = 30
ENVIRONMENT = {"PYTHONPATH": str(ROOT)}


def command(folder: Path, run: str) -> list[str]:
    changes = [f"training.steps={STEPS}", "checkpoint.every_steps=10", f"run.folder={folder / run}"]
    return [sys.executable, "-m", "megatron_ko.train", str(folder / "train.yaml"), "--ranks", "2", *changes]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Path, float]:
    """A folder with data and configuration, and the seconds of a run without signals."""
    folder = tmp_path_factory.mktemp("signals")
    write_tiny_run(folder)
    begin = time.monotonic()
    ended = run_with_signal(command(folder, "undisturbed"), folder, NUMBERS[0], 600.0, False, ENVIRONMENT)
    assert ended.code == 0, ended.text
    return folder, time.monotonic() - begin


def losses(run: Path) -> dict[int, float]:
    records = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return {record["step"]: record["loss"] for record in records if record["kind"] == "train"}


def stops(undisturbed: tuple[Path, float], moments: int, seed: int, finish_every: int) -> None:
    """Stops the same run at random moments; after every so many stops it runs to its end, and a new one begins."""
    folder, whole_s = undisturbed
    draw, within_s = random.Random(seed), whole_s
    stopped = runs = 0
    for number in range(moments):
        run = f"run{seed}-{runs}"
        sent = draw.choice(NUMBERS)
        ended = run_with_signal(
            command(folder, run),
            folder,
            sent,
            draw.uniform(0, within_s),
            draw.random() < 0.5,
            ENVIRONMENT,
        )
        print(f"{number}: {sent.name} exit code {ended.code}, gone after {ended.seconds:.2f} s")
        was_stopped = check(ended, whole_s)
        stopped += was_stopped
        if not was_stopped:
            within_s *= 0.8  # it ended by itself: the machine has become faster, or less was left to do
        if not was_stopped or number % finish_every == finish_every - 1 or number == moments - 1:
            ended = run_with_signal(command(folder, run), folder, sent, 600.0, False, ENVIRONMENT)
            assert ended.code == 0, ended.text
            assert losses(folder / run) == losses(folder / "undisturbed")
            runs += 1
    print(f"{stopped} of {moments} were stopped, {moments - stopped} had finished")
    assert stopped  # how many depends on the load of the machine


def test_a_signal_at_some_moments(undisturbed):
    stops(undisturbed, 3, seed=1, finish_every=3)


@pytest.mark.slow
def test_a_signal_at_many_moments(undisturbed):
    stops(undisturbed, 40, seed=2, finish_every=4)
