"""The ranks of a node under torchrun: their logs and exit codes, signals that reach them, and their end with their parent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
# The substitute for the program of a rank: notes that it has begun, and its signals; ends as it is told.
START = """\
import os, signal, sys, time
from pathlib import Path

if sys.argv[1] == "megatron_ko.operations.node_launcher":
    sys.path.insert(0, os.environ["SOURCES"])
    from megatron_ko.operations.node_launcher import main
    raise SystemExit(main(sys.argv[2:]))
rank, folder = os.environ["RANK"], Path(os.environ["ENDED"]).parent
def note(number, frame):
    with open(folder / f"signals_{rank}", "a") as file:
        file.write(f"{number} ")
for number in (signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, note)
print("rank", rank, "of", os.environ["WORLD_SIZE"], "with", *sys.argv[1:], flush=True)
(folder / f"begun_{rank}").write_text(str(os.getpid()))
how = sys.argv[2]
if how == "wait":
    while not (folder / "go").exists():
        time.sleep(0.05)
    how = "75"
if how == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
raise SystemExit(int(how))
"""


@contextlib.contextmanager
def launched(folder: Path, *arguments: str, **variables: str) -> Iterator[subprocess.Popen]:
    (folder / "ended").mkdir()
    (folder / "start.py").write_text(START, encoding="utf-8")
    environment = {
        **os.environ, "START": str(folder / "start.py"), "ENDED": str(folder / "ended"), "SOURCES": str(ROOT),
        "SLURMD_NODENAME": "alpha", "SLURM_NODEID": "0", "SLURM_NNODES": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0",
        "OMP_NUM_THREADS": "1", **variables,
    }  # fmt: skip
    command = [sys.executable, str(folder / "start.py"), "megatron_ko.operations.node_launcher", *arguments]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def until(condition: Callable[[], object], limit_s: float = 120.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "not within the time limit"
        time.sleep(0.05)


RANK = {"RANK": "3", "WORLD_SIZE": "8"}


@pytest.mark.parametrize(
    ("how", "options", "code", "left"),
    [
        ("0", ["--logs"], 0, None),
        ("75", ["--logs"], 75, "75 alpha\n"),
        ("kill", ["--logs"], 137, "137 alpha\n"),
        ("2", ["--keep-going"], 0, "2 alpha\n"),
    ],
)
def test_a_rank_leaves_its_output_and_its_exit_code(tmp_path, how, options, code, left):
    with launched(tmp_path, "--rank", *options, "module", how, "--own option", **RANK) as process:
        output = process.communicate(timeout=60)[0].decode()
    assert process.returncode == code
    ended = tmp_path / "ended" / "3"
    assert (ended.read_text() if ended.exists() else None) == left
    log = tmp_path / "rank_00003.log"
    assert (
        log.read_text() if "--logs" in options else output
    ) == f"rank 3 of 8 with module {how} --own option\n"


def test_a_rank_gets_signals_and_ends_with_the_process_that_waits_for_it(tmp_path):
    with launched(tmp_path, "--rank", "module", "wait", **RANK) as process:
        until((tmp_path / "begun_3").is_file)
        rank = psutil.Process(int((tmp_path / "begun_3").read_text()))
        process.send_signal(signal.SIGUSR1)
        until(lambda: (tmp_path / "signals_3").is_file() and (tmp_path / "signals_3").read_text())
        assert (tmp_path / "signals_3").read_text() == f"{signal.SIGUSR1:d} "
        process.kill()
        psutil.wait_procs([rank], timeout=30)
        assert not rank.is_running()


def test_torchrun_starts_the_ranks_passes_signals_on_and_leaves_nothing_when_the_job_is_killed(tmp_path):
    from tests.slurm.local_slurm import _free_ports

    (port,) = _free_ports(1)
    with launched(tmp_path, "--ranks", "2", "--logs", "module", "wait", MASTER_PORT=str(port)) as process:
        until(lambda: all((tmp_path / f"begun_{rank}").is_file() for rank in (0, 1)))
        ranks = [psutil.Process(int((tmp_path / f"begun_{rank}").read_text())) for rank in (0, 1)]
        for number in (signal.SIGUSR2, signal.SIGUSR1):
            process.send_signal(number)
        until(lambda: all((tmp_path / f"signals_{rank}").is_file() for rank in (0, 1)))
        until(lambda: all(len((tmp_path / f"signals_{r}").read_text().split()) == 2 for r in (0, 1)))
        assert (tmp_path / "rank_00001.log").read_text() == "rank 1 of 2 with module wait\n"
        process.kill()
        psutil.wait_procs(ranks, timeout=30)
        assert not any(rank.is_running() for rank in ranks)
