"""Ranks end together; a stop request saves, ends with 75 and can be resumed; no rank outlives the launcher."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from megatron_ko.errors import EXIT_PEER_LOST, EXIT_STOPPED, EXIT_USER_ERROR, DataError
from megatron_ko.formats.run_folder import checkpoints_of
from megatron_ko.logs import record_error, set_up_logging
from megatron_ko.training import launch, stop
from tests import ranks
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


def _be_killed(rank: int, init_method: str) -> int:
    if rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)
    return 0


def test_a_killed_rank_is_named_in_one_line(monkeypatch, capfd):
    monkeypatch.setattr(launch, "GRACE_S", 0.2)
    assert launch.run_ranks(2, _be_killed) == 128 + signal.SIGKILL
    (line,) = capfd.readouterr().err.splitlines()
    assert {"1", "SIGKILL", socket.gethostname()} <= set(line.replace(",", "").split())


ORPHAN = """
import subprocess, sys
rank = "from megatron_ko.training import stop; stop.listen(); import time; print('listens', flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", rank], stdout=subprocess.PIPE, text=True)
child.stdout.readline()
"""


def test_a_rank_stops_when_torchrun_has_died():
    """The pipe closes when the rank, which has inherited it, ends."""
    begin = time.monotonic()
    process = subprocess.run(
        [sys.executable, "-c", ORPHAN],
        env={**os.environ, "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"},
        stderr=subprocess.PIPE,
        text=True,
        timeout=50,
    )
    assert process.returncode == 0 and "launcher" in process.stderr and "SIGTERM" in process.stderr
    assert time.monotonic() - begin < 45


def test_an_error_is_in_the_file_of_its_rank(tmp_path):
    set_up_logging(3, tmp_path)
    try:
        raise ValueError("of rank 3")
    except ValueError as error:
        record_error(error)
    (file,) = tmp_path.glob("**/rank_*3.log")
    text = file.read_text(encoding="utf-8")
    assert "Traceback" in text and "of rank 3" in text


def test_a_user_error_is_printed_once(capfd):
    assert launch.run_ranks(3, _user_error) == EXIT_USER_ERROR
    assert capfd.readouterr().err.count("the same mistake") == 1


def test_ranks_that_hang_are_killed():
    assert launch.run_ranks(1, lambda rank, init_method: time.sleep(60), timeout_s=0.3) == 124


def _lose_another(rank: int, init_method: str) -> int:
    return EXIT_PEER_LOST


def test_a_request_after_all_ranks_have_ended_changes_nothing(monkeypatch):
    def print_errors(folder: Path, count: int) -> None:
        for number in stop.SIGNALS:
            os.kill(os.getpid(), number)

    interrupt = signal.getsignal(signal.SIGINT)
    before = signal.signal(signal.SIGTERM, stop.handle_signal)
    try:
        monkeypatch.setattr(launch, "_print_errors", print_errors)
        assert launch.run_ranks(1, _lose_another) == EXIT_PEER_LOST
        os.kill(os.getpid(), signal.SIGTERM)  # the launcher already has its exit code
        assert signal.getsignal(signal.SIGINT) is interrupt, "other handlers are restored"
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_rank_that_has_just_ended_is_not_signaled():
    class Ending:
        exitcode = None

        def __init__(self):
            with subprocess.Popen(["true"]) as process:
                self.pid = process.pid

    launch._signal_all([Ending()], signal.SIGTERM)  # type: ignore[list-item]


STOPS = """
import os, sys, time
from megatron_ko.training import stop
{before}
stop.listen()
stop.listen()
os.kill(os.getpid(), 15)
time.sleep(60)
"""


@pytest.mark.parametrize("environment", [{}, {"RANK": "0", "WORLD_SIZE": "1"}], ids=["alone", "rank"])
@pytest.mark.parametrize("before", ["", "os.close(2)"], ids=["", "without stderr"])
def test_a_process_that_listens_ends_at_once(environment, before):
    done = subprocess.run(
        [sys.executable, "-c", STOPS.format(before=before)], cwd=ROOT, env={**os.environ, **environment}, timeout=300,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == EXIT_STOPPED
    assert done.stderr.count("stopped on SIGTERM") == (0 if before else 1)
    assert "Traceback" not in done.stderr


# The console script; a signal while it reads its configuration, and at the end.
MKO_TRAIN = """
import os, sys, time
from megatron_ko import train
from megatron_ko.formats import model_source
def load_training(*arguments):
    os.kill(os.getpid(), int(sys.argv[2]))
    time.sleep(60)
model_source.load_training = load_training
sys.exit(train.main(sys.argv[1:2]))
"""


@pytest.mark.parametrize("environment", [{}, {"RANK": "0", "WORLD_SIZE": "1"}], ids=["alone", "rank"])
@pytest.mark.parametrize("number", stop.SIGNALS)
def test_the_console_script_listens_too(environment, number):
    done = subprocess.run(
        [sys.executable, "-c", MKO_TRAIN, "any.yaml", str(number.value)], cwd=ROOT, env={**os.environ, **environment},
        timeout=300, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == EXIT_STOPPED, done.stderr


BUG = """
import atexit, os, sys, time
from megatron_ko import train
from megatron_ko.formats import model_source
def load_training(*arguments):
    raise AssertionError
model_source.load_training = load_training
atexit.register(lambda: (os.kill(os.getpid(), 15), time.sleep(1)))
sys.exit(train.main(sys.argv[1:2]))
"""


def test_a_bug_stays_a_bug_when_the_others_are_ended():
    """A rank that fails is signaled while it ends, as all are: its exit code must not change."""
    done = subprocess.run(
        [sys.executable, "-c", BUG, "any.yaml"], cwd=ROOT, env={**os.environ, "RANK": "0", "WORLD_SIZE": "1"},
        timeout=300, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "AssertionError" in done.stderr


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


@pytest.mark.any_core
def test_sigterm_saves_and_the_run_continues(tmp_path):
    config, run = write_tiny_run(tmp_path), tmp_path / "run"
    process = _start(config, run, 2000)
    _wait_for_steps(run)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=300) == EXIT_STOPPED
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    stopped_at = records[-1]["step"]
    assert records[-1]["kind"] == "end" and records[-1]["reason"] == "stopped"
    assert checkpoints_of(run)[-1].name == f"step_{stopped_at:08d}"
    ranks.train(config, [f"training.steps={stopped_at + 3}"], 2)
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [r["step"] for r in records if r["kind"] == "train"] == list(range(1, stopped_at + 4))


@pytest.mark.any_core
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


@pytest.mark.slow
def test_a_rank_of_torchrun_saves_on_sigterm_although_its_loader_has_workers(tmp_path):
    """torchrun signals the rank's whole process group."""
    config, run = write_tiny_run(tmp_path), tmp_path / "run"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1"]
    changes = ["training.steps=100000", f"run.folder={run}", "data.workers=1"]
    process = subprocess.Popen(
        [*launcher, "-m", "megatron_ko.train", config, *changes],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _wait_for_steps(run)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=300) == 1  # torchrun's own
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (records[-1]["kind"], records[-1]["reason"]) == ("end", "stopped")
    assert checkpoints_of(run)[-1].name == f"step_{records[-1]['step']:08d}"
