"""``mko status``, ``stop`` and ``save`` on run folders: with substitutes for Slurm, without it, and on a run that trains."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from megatron_ko.formats.job_folder import (
    HEARTBEAT,
    SAVE_REQUEST,
    STOP_REQUEST,
    Submission,
    append_history,
    log_folder,
    new_job_folder,
    write_submission,
)
from megatron_ko.formats.run_folder import checkpoints_of, last_metrics, read_metrics
from megatron_ko.operations import batch, control, save, slurm_client, status
from megatron_ko.operations.slurm_client import Job
from megatron_ko.tables import width_of
from tests.tiny_run import write_tiny_run

ROOT = Path(__file__).resolve().parents[2]
SUBMITTED = Submission(
    name="run-abc", jobs=["41"], others={}, nodes=2, ranks_per_node=8, gpus_per_node=8, time_limit="24:00:00", max_restarts=10, hang_s=15,
    steps=1000, working_folder="/x", user="u", host="h", time=0.0, revision="r", runtime="venv",
)  # fmt: skip


def write_run(folder: Path, *, train: bool = True, submitted: bool = True) -> Path:
    """A run folder after 120 of 1,000 steps; returns its job folder."""
    folder.mkdir(parents=True)
    for name in ("config.yaml", "plan.txt"):
        (folder / name).write_text("", encoding="utf-8")
    records = [{"kind": "start", "step": 0, "world_size": 16}]
    if train:
        records.append(
            {"kind": "train", "step": 120, "tokens": 1_200_000, "loss": 2.34567, "gradient_norm": 0.5, "tokens_per_s": 123456.7, "eta_s": 7380.0}
        )  # fmt: skip
    (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    if not submitted:
        return folder
    job = new_job_folder(folder)
    write_submission(job, SUBMITTED)
    return job


def beat(run: Path, seconds_ago: float = 0.0) -> None:
    (run / HEARTBEAT).write_text(json.dumps({"time": time.time() - seconds_ago}), encoding="utf-8")


def end(run: Path, reason: str) -> None:
    with open(run / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps({"kind": "end", "step": 120, "reason": reason}) + "\n")


@pytest.fixture
def slurm(monkeypatch):
    """Sets what Slurm answers: a mapping, or None."""
    answers: dict[str, dict[str, Job] | None] = {"jobs": {}}
    monkeypatch.setattr(slurm_client, "jobs_of", lambda ids: answers["jobs"] if ids else {})
    return lambda jobs: answers.update(jobs=jobs)


def word(run: Path) -> str:
    return status.state_of(run).word


def test_words_of_a_submitted_run(tmp_path, slurm):
    run = tmp_path / "run"
    job = write_run(run, train=False)
    slurm({"41": Job("41", "PENDING", "Priority")})
    assert word(run) == "waiting"
    slurm({"41": Job("41", "RUNNING", "None", "n[1-2]", "1:00:00")})
    append_history(job, "start", "41", restart=0, hosts="n1,n2", step=0, checkpoint=None)
    assert word(run) == "running"
    (run / STOP_REQUEST).write_text("{}", encoding="utf-8")
    assert word(run) == "stopping"
    end(run, "stopped")
    slurm({})
    assert word(run) == "stopped"
    (run / STOP_REQUEST).unlink()
    append_history(
        job,
        "end",
        "41",
        code=75,
        step=120,
        checkpoint=None,
        requeued=True,
        why="x",
        rank=0,
        host="n1",
        blamed=[],
    )
    assert word(run) == "waiting"
    append_history(
        job,
        "end",
        "41",
        code=1,
        step=120,
        checkpoint=None,
        requeued=False,
        why="x",
        rank=0,
        host="n1",
        blamed=[],
    )
    assert word(run) == "failed"
    end(run, "done")
    assert word(run) == "done"


def test_words_of_a_run_without_slurm(tmp_path):
    write_run(tmp_path / "run", submitted=False)
    assert word(tmp_path / "run") == "silent"
    beat(tmp_path / "run")
    assert word(tmp_path / "run") == "running"
    beat(tmp_path / "run", seconds_ago=1000)
    assert word(tmp_path / "run") == "silent"
    end(tmp_path / "run", "done")
    assert word(tmp_path / "run") == "done"


def test_a_run_in_full_fits_80_columns_and_ends_with_the_failed_rank(tmp_path, slurm, capsys):
    run = tmp_path / "run"
    job = write_run(run)
    append_history(job, "start", "41", restart=0, hosts="n1", step=0, checkpoint=None)
    append_history(job, "start", "41", restart=1, hosts="n1", step=100, checkpoint=None)
    append_history(
        job, "end", "41", code=1, step=120, checkpoint=None, requeued=False, why="a rank crashed twice at step 120 without a new checkpoint", rank=3,
        host="n1", blamed=[],
    )  # fmt: skip
    logs = log_folder(run, "run-abc", "41")
    logs.mkdir(parents=True)
    (logs / "rank_00003.log").write_text(
        "first\n" + "한국어 " * 30 + "\nValueError: last\n", encoding="utf-8"
    )
    slurm({"41": Job("41", "FAILED")})
    assert status.main([str(run), "--lines", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    text = "\n".join(lines)
    for part in (
        "120 of 1,000 (12.0%)",
        "2.3457",
        "123,457 tokens/s",
        "41 FAILED",
        "rank 3 on n1",
        "ended by Slurm",
    ):
        assert part in text, text
    assert lines[-1] == "  ValueError: last" and "first" not in text
    assert all(width_of(line) <= 80 for line in lines if str(run) not in line)


def test_several_runs_are_a_table(tmp_path, slurm, monkeypatch, capsys):
    for name in ("one", "two"):
        write_run(tmp_path / "runs" / name)
    (tmp_path / "runs" / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    slurm(None)
    assert status.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["one", "two"] and "does not answer" in lines[-1]
    assert all(width_of(line) <= 80 for line in lines)


@pytest.mark.parametrize(
    ("states", "shown"),
    [
        (["COMPLETED", "RUNNING", "PENDING"], "RUNNING"),
        (["COMPLETED", "FAILED", "RUNNING"], "FAILED"),
        (["COMPLETED", "COMPLETED"], "COMPLETED"),
        ([], "forgotten by Slurm"),
        (None, "no answer"),
    ],
)
def test_steps_before_and_after_the_training_are_shown(tmp_path, slurm, capsys, monkeypatch, states, shown):
    run = tmp_path / "run"
    job = write_run(run, train=False)
    write_submission(job, dataclasses.replace(SUBMITTED, others={"data": "40"}))
    tasks = {f"40_{n}": Job(f"40_{n}", state) for n, state in enumerate(states or [])}
    answers = {"40": None if states is None else tasks, "41": {"41": Job("41", "PENDING", "Dependency")}}
    monkeypatch.setattr(slurm_client, "jobs_of", lambda ids: answers[ids[0]])
    assert status.main([str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    [line] = [line for line in lines if line.startswith("data ")]
    assert line.split(maxsplit=1)[1] == f"40 {shown}, logs/run-abc-data-*.log"
    assert all(width_of(line) <= 80 for line in lines)


def test_slurm_that_hangs_or_is_absent_is_no_answer(tmp_path, monkeypatch):
    program = tmp_path / "squeue"
    program.write_text("#!/bin/bash\nexec sleep 30\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(slurm_client, "ANSWER_S", 0.5)
    assert slurm_client.jobs_of(["1"]) is None
    monkeypatch.setenv("PATH", "/nonexistent")
    assert slurm_client.jobs_of(["1"]) is None and not slurm_client.cancel(["1"], pending_only=True)
    assert slurm_client.jobs_of([]) == {}


def test_what_is_no_run_folder_is_refused(tmp_path, capsys):
    assert (
        status.main([str(tmp_path)]) == 2
        and control.main([str(tmp_path)]) == 2
        and save.main([str(tmp_path)]) == 2
    )


def test_a_run_without_a_sign_of_life_cannot_save(tmp_path, capsys):
    write_run(tmp_path / "run")
    assert save.main([str(tmp_path / "run")]) == 2
    assert not (tmp_path / "run" / SAVE_REQUEST).exists()
    beat(tmp_path / "run")
    assert save.main([str(tmp_path / "run"), "--wait-s", "0"]) == 0
    assert (tmp_path / "run" / SAVE_REQUEST).exists()


def test_the_end_of_long_metrics_is_enough(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(
        "".join(json.dumps({"step": step}) + "\n" for step in range(1000)) + '{"torn', encoding="utf-8"
    )
    assert last_metrics(path) == [{"step": step} for step in range(1000)]
    few = last_metrics(path, most_bytes=100)
    assert few[-1] == {"step": 999} and 3 < len(few) < 10 and few[0]["step"] == 1000 - len(few)
    assert last_metrics(tmp_path / "none") == []


# --- the batch script's questions ------------------------------------------------------------------------


def test_a_start_and_its_end_are_recorded_and_a_job_that_ended_for_good_does_not_start(
    tmp_path, monkeypatch, capsys
):
    job = write_run(tmp_path / "run")
    monkeypatch.setenv("SLURM_JOB_ID", "41")
    monkeypatch.setenv("NCCL_SECRET", "hidden")
    assert batch.begin(job) == 0
    assert 0 < int(capsys.readouterr().out) < 65536
    assert batch.end(job, 76) == 0, "requeued"
    assert batch.begin(job) == 0
    assert batch.end(job, 2) == batch.NOT_REQUEUED
    assert batch.begin(job) == 2
    environment = (log_folder(tmp_path / "run", "run-abc", "41") / "environment.txt").read_text(
        encoding="utf-8"
    )
    assert "megatron-core" in environment and "SLURM_JOB_ID=41" in environment and "hidden" not in environment


def test_after_mko_stop_no_job_of_the_chain_starts(tmp_path, monkeypatch, slurm):
    job = write_run(tmp_path / "run")
    monkeypatch.setenv("SLURM_JOB_ID", "41")
    monkeypatch.setattr(slurm_client, "cancel", lambda ids, pending_only: False)
    assert control.main([str(tmp_path / "run")]) == 0
    assert batch.begin(job) == 75


def test_the_nodes_that_a_preflight_blamed_are_printed_when_the_job_is_requeued(
    tmp_path, monkeypatch, capsys
):
    job = write_run(tmp_path / "run")
    monkeypatch.setenv("SLURM_JOB_ID", "41")
    logs = log_folder(tmp_path / "run", "run-abc", "41")
    logs.mkdir(parents=True)
    (logs / batch.BLAMED).write_text("n2\nn1\nn2\n", encoding="utf-8")
    assert batch.end(job, 77) == 0
    assert capsys.readouterr().out == "n1,n2\n"


def test_the_watchdog_reports_a_run_without_a_sign_of_life(tmp_path, capsys):
    job = write_run(tmp_path / "run")
    write_submission(job, dataclasses.replace(SUBMITTED, hang_s=1))
    beat(tmp_path / "run", seconds_ago=100)  # of an earlier start
    begin = time.monotonic()
    assert batch.watch(job, every_s=0.05) == batch.HUNG
    assert time.monotonic() - begin >= 1


# --- a run that trains -----------------------------------------------------------------------------------


def test_a_running_training_saves_and_stops_on_request(tmp_path, capsys):
    command = [
        sys.executable,
        "-m",
        "megatron_ko",
        "train",
        write_tiny_run(tmp_path),
        "training.steps=100000",
    ]
    command += ["--ranks", "2", "checkpoint.every_steps=100000"]
    run = tmp_path / "run"
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as training:
        try:
            deadline = time.monotonic() + 240
            while (
                not (run / "metrics.jsonl").exists() or '"train"' not in (run / "metrics.jsonl").read_text()
            ):
                assert training.poll() is None and time.monotonic() < deadline
                time.sleep(0.2)
            assert save.main([str(run), "--wait-s", "120"]) == 0
            [saved] = checkpoints_of(run)
            assert training.poll() is None and not (run / SAVE_REQUEST).exists()
            assert status.state_of(run).word == "running"
            assert control.main([str(run)]) == 0
            output = training.communicate(timeout=240)[0]
        finally:
            training.kill()
    assert training.returncode == 75, output
    assert len(checkpoints_of(run)) == 2
    saves = [record["step"] for record in read_metrics(run / "metrics.jsonl") if record["kind"] == "save"]
    assert saves[0] == int(saved.name[5:]) and status.state_of(run).word == "stopped"
