"""``slurm/train.sbatch`` with stand-ins for Slurm's commands: ranks, arguments, the address of the first node, and requeues."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from megatron_ko.formats.run_folder import MARKER, checkpoint_folder
from slurm.requeue import may_start_again
from tests.tiny_run import write_tiny_run

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
case "$1 $2" in
  "show hostnames") echo node-a; echo node-b ;;
  "show node") [[ -z $ADDRESS ]] || echo "NodeName=$3 CPUTot=8
   NodeAddr=$ADDRESS NodeHostName=$3 Version=22.05" ;;
  *) echo "$@" >> "$RECORD/requeued" ;;
esac
"""
SLEEP = "#!/bin/bash\n"
# The decision is the real one.
PYTHON = f"""#!/bin/bash
[[ $2 != slurm.requeue ]] || exec {sys.executable} "$@"
{{ echo "rank $RANK of $WORLD_SIZE local $LOCAL_RANK at $MASTER_ADDR"; printf '<%s>' "$@"; echo; }} >> "$RECORD/ranks"
exit "$EXIT_CODE"
"""


def run(
    folder: Path, arguments: list[str], exit_code: int, address: str = "10.0.0.7"
) -> subprocess.CompletedProcess:
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL), ("python", PYTHON), ("sleep", SLEEP)):
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    environment = {
        **os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "RECORD": str(folder), "EXIT_CODE": str(exit_code), "ADDRESS": address, "PYTHONPATH": str(SCRIPT.parents[1]),
        "PYTHON": str(folder / "python"), "SLURM_NTASKS": "2", "SLURM_JOB_ID": "41", "SLURM_JOB_NODELIST": "node-[a-b]",
    }  # fmt: skip
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments], env=environment, capture_output=True, text=True, timeout=30
    )


def test_every_task_is_a_rank_and_arguments_arrive_unquoted_by_no_shell(tmp_path):
    hostile = "run.folder=runs/a b; touch $HOME/x"
    assert run(tmp_path, ["my config.yaml", hostile], 0).returncode == 0
    lines = (tmp_path / "ranks").read_text(encoding="utf-8").splitlines()
    assert lines[0::2] == ["rank 0 of 2 local 0 at 10.0.0.7", "rank 1 of 2 local 1 at 10.0.0.7"]
    assert lines[1] == f"<-m><megatron_ko.train><my config.yaml><{hostile}>"
    assert not (tmp_path / "requeued").exists(), "a finished job must not run again"


def test_without_an_address_the_name_is_used_and_that_is_said(tmp_path):
    done = run(tmp_path, ["a.yaml"], 0, address="")
    assert "scontrol gives no NodeAddr of node-a" in done.stderr
    assert "at node-a" in (tmp_path / "ranks").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", [1, 2])
def test_a_failed_run_is_not_requeued(tmp_path, code):
    assert run(tmp_path, [write_tiny_run(tmp_path)], code).returncode == code
    assert not (tmp_path / "requeued").exists()


@pytest.mark.parametrize("code", [75, 76, 137, 143])
def test_a_run_that_can_continue_is_requeued(tmp_path, code):
    """75: stopped on request, 76: a rank was lost, 137 and 143: killed."""
    done = run(tmp_path, [write_tiny_run(tmp_path)], code)
    assert done.returncode == code
    assert (tmp_path / "requeued").read_text(encoding="utf-8") == "requeue 41\n", done.stderr


def test_starts_without_a_new_checkpoint_come_to_an_end(tmp_path, capsys):
    assert [may_start_again(tmp_path, 76) for _ in range(4)] == [True, True, True, False]
    assert "4 starts in a row ended without a new checkpoint" in capsys.readouterr().err
    assert may_start_again(tmp_path, 76), "submitted again, it counts anew"


def test_a_new_checkpoint_begins_the_count_anew(tmp_path):
    for step in range(10):
        folder = checkpoint_folder(tmp_path, step)
        folder.mkdir(parents=True)
        (folder / MARKER).write_text("{}", encoding="utf-8")
        assert may_start_again(tmp_path, 137)
        assert may_start_again(tmp_path, 137)


def test_without_a_configuration_it_says_how_it_is_called(tmp_path):
    done = run(tmp_path, [], 0)
    assert done.returncode == 2
    assert "usage: sbatch" in done.stderr
