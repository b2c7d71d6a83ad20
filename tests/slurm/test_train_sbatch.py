"""``slurm/train.sbatch`` with stand-ins for Slurm's commands: ranks, arguments and the requeue after exit code 75."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "slurm" / "train.sbatch"
# The stand-in for srun starts the ranks one after the other, as Slurm would set their environment.
SRUN = """#!/bin/bash
shift 2  # --kill-on-bad-exit --wait
worst=0
for ((rank = 0; rank < SLURM_NTASKS; rank++)); do
  SLURM_PROCID=$rank SLURM_LOCALID=$rank "$@" || { code=$?; ((code > worst)) && worst=$code; }
done
exit "$worst"
"""
SCONTROL = """#!/bin/bash
if [[ $1 == show ]]; then echo node-a; echo node-b; else echo "$@" >> "$RECORD/requeued"; fi
"""
PYTHON = """#!/bin/bash
{ echo "rank $RANK of $WORLD_SIZE local $LOCAL_RANK at $MASTER_ADDR"; printf '<%s>' "$@"; echo; } >> "$RECORD/ranks"
exit "$EXIT_CODE"
"""


def run(folder: Path, arguments: list[str], exit_code: int) -> subprocess.CompletedProcess:
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL), ("python", PYTHON)):
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    environment = {
        **os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "RECORD": str(folder), "EXIT_CODE": str(exit_code),
        "PYTHON": str(folder / "python"), "SLURM_NTASKS": "2", "SLURM_JOB_ID": "41", "SLURM_JOB_NODELIST": "node-[a-b]",
    }  # fmt: skip
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments], env=environment, capture_output=True, text=True, timeout=30
    )


def test_every_task_is_a_rank_and_arguments_arrive_unquoted_by_no_shell(tmp_path):
    hostile = "run.folder=runs/a b; touch $HOME/x"
    assert run(tmp_path, ["my config.yaml", hostile], 0).returncode == 0
    lines = (tmp_path / "ranks").read_text(encoding="utf-8").splitlines()
    assert lines[0::2] == ["rank 0 of 2 local 0 at node-a", "rank 1 of 2 local 1 at node-a"]
    assert lines[1] == f"<-m><megatron_ko.train><my config.yaml><{hostile}>"
    assert not (tmp_path / "requeued").exists(), "a finished job must not run again"


@pytest.mark.parametrize("code", [1, 2])
def test_a_failed_run_is_not_requeued(tmp_path, code):
    assert run(tmp_path, ["a.yaml"], code).returncode == code
    assert not (tmp_path / "requeued").exists()


def test_a_run_stopped_on_request_is_requeued(tmp_path):
    assert run(tmp_path, ["a.yaml"], 75).returncode == 75
    assert (tmp_path / "requeued").read_text(encoding="utf-8") == "requeue 41\n"


def test_without_a_configuration_it_says_how_it_is_called(tmp_path):
    done = run(tmp_path, [], 0)
    assert done.returncode == 2
    assert "usage: sbatch" in done.stderr
