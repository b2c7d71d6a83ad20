"""``slurm/train.sbatch`` on a real Slurm of two nodes: it runs, is stopped during start-up, loses a node, and continues."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import psutil
import pytest

from megatron_ko.formats.run_folder import checkpoints_of
from tests.slurm.local_slurm import LocalSlurm, local_slurm, missing, wait_until
from tests.tiny_run import write_tiny_run

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(missing()), reason=f"a local Slurm needs {', '.join(missing())}"),
]
ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ["--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=1", "--gpus-per-node=0", "--time=60"]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with local_slurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running


class Run:
    """A submitted training run."""

    def __init__(self, slurm: LocalSlurm, folder: Path, steps: int):
        self.slurm, self.folder, self.steps = slurm, folder / "run", steps
        self.log = folder / "job.log"
        arguments = [write_tiny_run(folder), f"training.steps={steps}"]
        self.job = slurm.submit(
            [*OPTIONS, f"--output={self.log}"], ROOT / "slurm" / "train.sbatch", arguments, folder,
            PYTHON=sys.executable, PYTHONPATH=str(ROOT),
        )  # fmt: skip

    def ranks(self) -> list[psutil.Process]:
        """Ranks that have installed their handlers: no program can handle a signal before its first line."""
        ranks = [p for p in psutil.process_iter(["cmdline"]) if self._is_rank(p.info["cmdline"] or [])]
        return [process for process in ranks if _catches(process.pid, signal.SIGUSR1)]

    def _is_rank(self, command: list[str]) -> bool:
        return (
            "megatron_ko.train" in command
            and str(self.folder.parent / "train.yaml") in command
            and "-c" not in command
        )

    def wait_for_requeue(self) -> None:
        wait_until(lambda: self._state() == "PENDING" and self._restarts() == 1, "the requeue", self.text)

    def wait_for_end(self) -> None:
        wait_until(self._has_ended, "the end of the job", self.text)
        assert self._state() == "COMPLETED", self.text()
        lines = (self.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        done = [record["step"] for record in map(json.loads, lines) if record["kind"] == "train"]
        assert done == list(range(1, self.steps + 1))
        assert "Traceback" not in self.text()

    def _has_ended(self) -> bool:
        state = self._state()
        if (
            state == "PENDING" and self.slurm.idle_nodes() == 2
        ):  # earlier, the old end would be taken for the new one
            self.slurm.start_now(self.job)
        return state not in ("PENDING", "RUNNING", "COMPLETING")

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def _state(self) -> str:
        return self.slurm.job(self.job)["JobState"]

    def _restarts(self) -> int:
        return int(self.slurm.job(self.job)["Restarts"])


def _catches(pid: int, number: signal.Signals) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def test_two_nodes_train_together(slurm, tmp_path):
    Run(slurm, tmp_path, 10).wait_for_end()


def test_a_run_that_is_stopped_while_it_starts_is_requeued(slurm, tmp_path):
    run = Run(slurm, tmp_path, 10)
    wait_until(lambda: len(run.ranks()) == 2, "ranks that listen")
    slurm.signal(run.job, signal.SIGUSR1)
    run.wait_for_requeue()
    assert not checkpoints_of(run.folder), "the signal was to come before the first step"
    run.wait_for_end()


@pytest.mark.slow  # Slurm waits a minute for the lost node
def test_a_run_that_loses_a_node_is_requeued_and_continues(slurm, tmp_path):
    run = Run(slurm, tmp_path, 60)
    wait_until(lambda: bool(checkpoints_of(run.folder)), "a checkpoint")
    slurm.kill_node("beta")
    slurm.start_node("beta")
    run.wait_for_requeue()
    first = int(checkpoints_of(run.folder)[-1].name.split("_")[1])
    assert 5 <= first < 60
    run.wait_for_end()
