"""Ranks end together; a run asked to stop saves, ends with 75 and continues; nothing outlives the launcher."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from megatron_ko.errors import EXIT_STOPPED, EXIT_USER_ERROR, DataError
from megatron_ko.formats.run_folder import checkpoints_of
from megatron_ko.training import launch
from tests.tiny_run import write_tiny_run

pytestmark = pytest.mark.ranks
ROOT = Path(__file__).resolve().parents[2]


def _by_rank(rank: int, init_method: str) -> int:
    if rank == 1:
        return 7
    time.sleep(60)
    return 0


def _user_error(rank: int, init_method: str) -> int:
    raise DataError("the same mistake on every rank")


def test_a_failing_rank_ends_the_others(monkeypatch):
    monkeypatch.setattr(launch, "GRACE_S", 0.2)
    begin = time.monotonic()
    assert launch.run_ranks(2, _by_rank) == 7
    assert time.monotonic() - begin < 20


def test_a_user_error_is_said_once(capfd):
    assert launch.run_ranks(3, _user_error) == EXIT_USER_ERROR
    assert capfd.readouterr().err.count("the same mistake") == 1


def test_ranks_that_hang_are_killed():
    assert launch.run_ranks(1, lambda rank, init_method: time.sleep(60), timeout_s=0.3) == 124


def _start(config: str, run: Path, steps: int) -> subprocess.Popen:
    command = [
        sys.executable,
        "-m",
        "megatron_ko.train",
        config,
        "--ranks",
        "2",
        f"training.steps={steps}",
        f"run.folder={run}",
    ]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _wait_for_steps(run: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (run / "metrics.jsonl").is_file() and '"train"' in (run / "metrics.jsonl").read_text(
            encoding="utf-8"
        ):
            return
        time.sleep(0.02)
    raise AssertionError("no step was reported within 60 s")


def test_sigterm_saves_and_the_run_continues(tmp_path):
    config, run = write_tiny_run(tmp_path), tmp_path / "run"
    process = _start(config, run, 2000)
    _wait_for_steps(run)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == EXIT_STOPPED
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    stopped_at = records[-1]["step"]
    assert records[-1]["kind"] == "end" and records[-1]["reason"] == "stopped"
    assert checkpoints_of(run)[-1].name == f"step_{stopped_at:08d}"
    again = _start(config, run, stopped_at + 3)
    assert again.wait(timeout=60) == 0
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [r["step"] for r in records if r["kind"] == "train"] == list(range(1, stopped_at + 4))


def test_nothing_outlives_a_killed_launcher(tmp_path):
    config, run = write_tiny_run(tmp_path), tmp_path / "run"
    process = _start(config, run, 2000)
    _wait_for_steps(run)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 2
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert not alive, f"still running: {alive}"
