"""A request to stop at any moment of preprocessing: exit code 75 within seconds, no process left, the same bytes later."""

from __future__ import annotations

import random
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.preprocessing.corpus import bytes_of, write_config
from tests.signals import NUMBERS, check, run_with_signal

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {"PYTHONPATH": str(ROOT)}


def command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "preprocessing", "run", str(folder / "data.yaml"), "--workers", "2"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Path, dict[str, bytes], float]:
    """A folder with a corpus, the output of a run without signals, and its seconds."""
    folder = tmp_path_factory.mktemp("signals")
    write_config(folder, relative=True)
    begin = time.monotonic()
    ended = run_with_signal(command(folder), folder, NUMBERS[0], 600.0, False, ENVIRONMENT)
    assert ended.code == 0, ended.text
    return folder, bytes_of(folder / "out"), time.monotonic() - begin


def stops(
    undisturbed: tuple[Path, dict[str, bytes], float], moments: int, seed: int, finish_every: int
) -> None:
    """Stops the same run at random moments; after every so many stops it runs to its end, and a new one begins."""
    folder, expected, whole_s = undisturbed
    draw = random.Random(seed)
    stopped = 0
    for number in range(moments):
        if number % finish_every == 0:
            shutil.rmtree(folder / "out")
        sent = draw.choice(NUMBERS)
        ended = run_with_signal(
            command(folder), folder, sent, draw.uniform(0, whole_s), draw.random() < 0.5, ENVIRONMENT
        )
        print(f"{number}: {sent.name} exit code {ended.code}, gone after {ended.seconds:.2f} s")
        stopped += check(ended, whole_s)
        if number % finish_every == finish_every - 1 or number == moments - 1:
            ended = run_with_signal(command(folder), folder, sent, 600.0, False, ENVIRONMENT)
            assert ended.code == 0, ended.text
            found = bytes_of(folder / "out")
            assert found.keys() == expected.keys()
            assert [name for name in expected if found[name] != expected[name]] == []
    print(f"{stopped} of {moments} were stopped, {moments - stopped} had finished")
    assert stopped >= moments // 2


def test_a_signal_at_some_moments(undisturbed):
    stops(undisturbed, 6, seed=1, finish_every=6)


@pytest.mark.slow
def test_a_signal_at_many_moments(undisturbed):
    stops(undisturbed, 40, seed=2, finish_every=4)
