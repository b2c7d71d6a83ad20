"""A training run that ``mko submit`` has given to the local Slurm, as the tests see it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from megatron_ko.formats.job_folder import SUBMISSION, job_folders, read_history, read_submission
from megatron_ko.formats.run_folder import checkpoints_of, read_metrics
from megatron_ko.operations import submit
from tests.slurm.local_slurm import LIMIT_S, LocalSlurm, wait_until
from tests.tiny_run import write_tiny_run

CLUSTER = """\
# two nodes without GPUs
GPUS_PER_NODE=0
CPUS_PER_RANK=1
TIME=60
SAVE_BEFORE_S=100
OMP_NUM_THREADS=1
"""
OPTIONS = ["--nodes", "2", "--cluster", "cluster.env"]


def write_run(folder: Path) -> str:
    """Writes data, ``train.yaml`` and ``cluster.env``; returns the path of the configuration."""
    write_cluster(folder)
    return write_tiny_run(folder)


def write_cluster(folder: Path, *lines: str) -> None:
    """``cluster.env`` of the local Slurm, with more lines."""
    (folder / "cluster.env").write_text("\n".join([CLUSTER, *lines]), encoding="utf-8")


class Run:
    """A submitted run of ``steps`` steps on two nodes."""

    def __init__(
        self,
        slurm: LocalSlurm,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        steps: int,
        *options: str,
        preflight: bool = False,
        config: str | None = None,
    ):
        """``config`` is that of a caller who has also written ``cluster.env``."""
        self.slurm, self.folder, self.steps = slurm, folder / "run", steps
        monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
        monkeypatch.chdir(folder)
        arguments = [config or write_run(folder), f"training.steps={steps}", *OPTIONS, *options]
        assert submit.main(arguments if preflight else [*arguments, "--skip-preflight"]) == 0
        self.job_folder = job_folders(self.folder)[-1]
        assert (self.job_folder / SUBMISSION).is_file()
        self.submission = read_submission(self.job_folder)
        self.job = self.submission.jobs[0]

    # --- processes ---------------------------------------------------------------------------------------

    def ranks(self) -> list[psutil.Process]:
        """Ranks that have installed their handlers: no program can handle a signal before its first line."""
        return [process for process in self._ranks() if _catches(process.pid, signal.SIGUSR1)]

    def _ranks(self) -> Iterator[psutil.Process]:
        start = str(self.job_folder / "code" / "start.py")
        for process in psutil.process_iter(["cmdline"]):
            command = process.info["cmdline"] or []
            if len(command) > 3 and command[1] == start and command[3] == "train":
                yield process

    # --- records -----------------------------------------------------------------------------------------

    def history(self) -> list[dict[str, Any]]:
        return read_history(self.job_folder)

    def ends(self) -> list[dict[str, Any]]:
        return [record for record in self.history() if record["event"] == "end"]

    def metrics(self) -> list[dict[str, Any]]:
        path = self.folder / "metrics.jsonl"
        return [r for r in read_metrics(path) if r["kind"] == "train"] if path.is_file() else []

    def step(self) -> int:
        return max((record["step"] for record in self.metrics()), default=0)

    def curve(self) -> list[tuple[int, float, float]]:
        return [(r["step"], r["loss"], r["gradient_norm"]) for r in self.metrics()]

    # --- waiting -----------------------------------------------------------------------------------------

    def wait_for_step(self, step: int, limit_s: float = LIMIT_S) -> None:
        wait_until(lambda: self.step() >= step, f"step {step}", self.text, limit_s)

    def wait_for_checkpoint(self) -> None:
        wait_until(lambda: bool(checkpoints_of(self.folder)), "a checkpoint", self.text)

    def wait_for_requeue(self, times: int = 1) -> None:
        wait_until(lambda: self.restarts() >= times, f"requeue {times}", self.text)

    def start_again(self) -> None:
        """Starts a requeued job as soon as its nodes are free; Slurm would delay it by two minutes."""
        wait_until(self._runs_again, "the restart", self.text)

    def _runs_again(self) -> bool:
        state = self.state()
        if state == "PENDING" and self.slurm.idle_nodes() == 2:
            self.slurm.start_now(self.job)
        return state == "RUNNING"

    def wait_for_end(self, state: str = "COMPLETED", limit_s: float = LIMIT_S) -> None:
        wait_until(self._has_ended, "the end of the job", self.text, limit_s)
        assert self.state() == state, self.text()
        if state == "COMPLETED":
            done = [record["step"] for record in self.metrics()]
            assert done == list(range(1, self.steps + 1)), self.text()

    def _has_ended(self) -> bool:
        state = self.state()
        # an earlier start would take the old end for the new one
        if state == "PENDING" and self.restarts() and self.slurm.idle_nodes() == 2:
            self.slurm.start_now(self.job)
        return state not in ("PENDING", "RUNNING", "COMPLETING")

    def state(self) -> str:
        return self.slurm.job(self.job)["JobState"]

    def restarts(self) -> int:
        return int(self.slurm.job(self.job)["Restarts"])

    def text(self) -> str:
        """Every log of the run."""
        paths = sorted(self.folder.glob("logs/**/*.log"))
        texts = (
            f"== {path.name}\n{path.read_text(encoding='utf-8', errors='replace')[-3000:]}" for path in paths
        )
        return "\n".join([json.dumps(self.history()), *texts])


def _catches(pid: int, number: signal.Signals) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def uninterrupted(folder: Path, arguments: Sequence[str], ranks: int = 2) -> list[tuple[int, float, float]]:
    """Loss and gradient norm of each step of the same run on ranks of this machine, without Slurm."""
    from tests.slurm.plain_run import train_without_slurm

    train_without_slurm(folder, arguments, ranks)
    records = read_metrics(folder / "run" / "metrics.jsonl")
    return [(r["step"], r["loss"], r["gradient_norm"]) for r in records if r["kind"] == "train"]


def stop_process(process: psutil.Process) -> None:
    os.kill(process.pid, signal.SIGSTOP)
