"""A request to stop at any moment of preprocessing: exit code 75 within seconds, no process left, the same bytes later."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from megatron_ko.errors import EXIT_STOPPED
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
    for _ in range(2):  # the first may compile kernels, which takes many times as long
        shutil.rmtree(folder / "out", ignore_errors=True)
        begin = time.monotonic()
        ended = run_with_signal(command(folder), folder, NUMBERS[0], 600.0, False, ENVIRONMENT)
        assert ended.code == 0, ended.text
    return folder, bytes_of(folder / "out"), time.monotonic() - begin


def stops(
    undisturbed: tuple[Path, dict[str, bytes], float], moments: int, seed: int, finish_every: int
) -> None:
    """Stops the same run at random moments; after every so many stops it runs to its end, and a new one begins.

    Goes on where none of the moments came before the end of its run, with earlier ones.
    """
    folder, expected, whole_s = undisturbed
    draw, within_s = random.Random(seed), whole_s
    stopped = number = 0
    shutil.rmtree(folder / "out")
    while number < moments or (not stopped and number < 4 * moments):
        sent = draw.choice(NUMBERS)
        ended = run_with_signal(
            command(folder), folder, sent, draw.uniform(0, within_s), draw.random() < 0.5, ENVIRONMENT
        )
        print(f"{number}: {sent.name} exit code {ended.code}, gone after {ended.seconds:.2f} s")
        was_stopped = check(ended, whole_s)
        stopped += was_stopped
        if not was_stopped:
            within_s *= 0.4  # it ended by itself: the machine has become faster, or less was left to do
        number += 1
        if not was_stopped or number % finish_every == 0 or number >= moments:
            ended = run_with_signal(command(folder), folder, sent, 600.0, False, ENVIRONMENT)
            assert ended.code == 0, ended.text
            actual = bytes_of(folder / "out")
            assert actual.keys() == expected.keys()
            assert [name for name in expected if actual[name] != expected[name]] == []
            shutil.rmtree(folder / "out")
    print(f"{stopped} of {number} were stopped, {number - stopped} had finished")
    assert stopped  # how many depends on the load of the machine


def test_a_signal_at_some_moments(undisturbed):
    stops(undisturbed, 3, seed=1, finish_every=3)


@pytest.mark.slow
def test_a_signal_at_many_moments(undisturbed):
    stops(undisturbed, 40, seed=2, finish_every=4)


SUPERVISED = (
    'from preprocessing.running.supervision import supervise; supervise(); open("running", "w").close(); '
    "import time; time.sleep({seconds})"
)


def supervised(seconds: float, shell: str, folder: Path) -> subprocess.Popen:
    """A shell that runs ``shell`` and becomes a program that does nothing for some seconds."""
    program = f"exec {sys.executable} -c '{SUPERVISED.format(seconds=seconds)}'"
    environment = {**os.environ, **ENVIRONMENT}
    return subprocess.Popen(["bash", "-c", f"{shell}\n{program}"], cwd=folder, env=environment)


def test_a_process_with_threads_is_told_that_it_cannot_fork():
    program = (
        "import threading; from preprocessing.running.supervision import supervise\n"
        "end = threading.Event(); threading.Thread(target=end.wait).start()\n"
        "try:\n    supervise()\nfinally:\n    end.set()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1 and "RuntimeError: this process has 2 threads" in done.stderr


def test_a_program_of_the_shell_before_is_left_alone(tmp_path):
    """Container entry points start helpers, then become the program."""
    process = supervised(0.0, "sleep 60 & echo $! > helper", tmp_path)
    assert process.wait(120) == 0
    helper = psutil.Process(int((tmp_path / "helper").read_text()))
    assert helper.status() != psutil.STATUS_ZOMBIE
    helper.kill()


def test_signals_that_were_ignored_stay_ignored(tmp_path):
    """As under nohup, or in the background of a script."""
    process = supervised(300.0, "trap '' INT", tmp_path)
    while not (tmp_path / "running").exists():  # the program under its supervisor
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == EXIT_STOPPED
