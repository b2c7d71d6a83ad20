"""A run whose ranks torchrun starts on each node (``LAUNCHER=torchrun``), on a real Slurm of two nodes."""

from __future__ import annotations

import signal

import psutil
import pytest

from megatron_ko.formats.job_folder import log_folder
from tests.slurm.local_slurm import needs_slurm
from tests.slurm.submitted import Run, stop_process, uninterrupted, write_cluster, write_run

pytestmark = [*needs_slurm, pytest.mark.slow]
STARTED_S = 600.0
"""Longest time in seconds for which steps are waited for: a busy machine starts two torchruns and four ranks for minutes."""
TWO_EACH = ["--ranks-per-node", "2"]


def submitted(slurm, folder, monkeypatch, steps, *options, preflight=False) -> Run:
    config = write_run(folder)
    write_cluster(folder, "LAUNCHER=torchrun")
    return Run(slurm, folder, monkeypatch, steps, *options, config=config, preflight=preflight)


def test_four_ranks_survive_a_request_and_a_killed_rank_and_train_as_without_slurm(
    slurm, tmp_path, monkeypatch
):
    run = submitted(slurm, tmp_path, monkeypatch, 400, *TWO_EACH, preflight=True)
    assert slurm.job(run.job)["NumTasks"] == "2" and slurm.job(run.job)["NumCPUs"] == "4"
    run.wait_for_step(3, STARTED_S)
    assert len(run.ranks()) == 4
    slurm.signal(run.job, signal.SIGUSR1)
    run.wait_for_requeue()
    first = run.ends()[0]
    assert (first["code"], first["requeued"]) == (75, True), run.text()
    saved = run.step()
    run.start_again()
    run.wait_for_step(saved + 7, STARTED_S)  # a checkpoint after the request
    run.ranks()[-1].kill()
    run.wait_for_requeue(2)
    second = run.ends()[1]
    assert (second["code"], second["requeued"]) == (137, True), run.text()
    run.wait_for_end(limit_s=STARTED_S)
    logs = log_folder(run.folder, run.submission.name, run.job)
    names = {path.name for path in logs.iterdir()}
    assert names >= {f"rank_{rank:05d}.log" for rank in range(4)} | {"node_00000.log", "node_00001.log"}
    (tmp_path / "plain").mkdir()
    plain = [write_run(tmp_path / "plain"), "training.steps=400"]
    assert run.curve() == uninterrupted(tmp_path / "plain", plain, 4)


def test_a_rank_that_hangs_leaves_its_stacks_and_no_process(slurm, tmp_path, monkeypatch):
    run = submitted(slurm, tmp_path, monkeypatch, 60, *TWO_EACH, "run.timeout_s=600.0", "--hang-s", "60")
    run.wait_for_checkpoint()
    ranks = run.ranks()
    stop_process(ranks[1])
    run.wait_for_requeue()
    assert (run.ends()[0]["code"], run.ends()[0]["requeued"]) == (137, True), run.text()
    assert "no sign of life" in run.text() and "most recent call first" in run.text()
    _, alive = psutil.wait_procs(ranks, timeout=20)
    assert not alive
    run.wait_for_end(limit_s=STARTED_S)
