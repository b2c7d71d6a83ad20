"""``slurm/train.sbatch`` with substitutes for Slurm's commands: ranks, arguments, address of the first node, requeues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from megatron_ko.files import read_json
from megatron_ko.formats.checkpoint_folder import MARKER
from megatron_ko.formats.run_folder import checkpoint_folder
from slurm.requeue import may_start_again
from tests.tiny_run import write_tiny_run

SCRIPT = Path(__file__).resolve().parents[2] / "slurm" / "train.sbatch"
# The substitute for srun starts the ranks one after the other, with the environment that Slurm would set.
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
  "show node") [[ $ADDRESS != none ]] || exit 1; [[ -z $ADDRESS ]] || echo "NodeName=$3 CPUTot=8
   NodeAddr=$ADDRESS NodeHostName=$3 Version=22.05" ;;
  *) echo "$@" >> "$RECORD/requeued" ;;
esac
"""
SLEEP = "#!/bin/bash\n"
# requeue.py is the real one.
PYTHON = f"""#!/bin/bash
[[ $2 != slurm.requeue ]] || exec {sys.executable} "$@"
{{ echo "rank $RANK of $WORLD_SIZE local $LOCAL_RANK at $MASTER_ADDR"; printf '<%s>' "$@"; echo; }} >> "$RECORD/ranks"
codes=($EXIT_CODES)
exit "${{codes[RANK]}}"
"""


def run(
    folder: Path, arguments: list[str], *exit_codes: int, address: str = "10.0.0.7"
) -> subprocess.CompletedProcess:
    """Runs the batch script, whose ranks end with ``exit_codes``."""
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL), ("python", PYTHON), ("sleep", SLEEP)):
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    environment = {
        **os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "RECORD": str(folder), "EXIT_CODES": " ".join(map(str, exit_codes)), "ADDRESS": address, "PYTHONPATH": str(SCRIPT.parents[1]),
        "PYTHON": str(folder / "python"), "SLURM_NTASKS": "2", "SLURM_JOB_ID": "41", "SLURM_JOB_NODELIST": "node-[a-b]",
    }  # fmt: skip
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_every_task_is_a_rank_and_no_shell_expands_arguments(tmp_path):
    hostile = "run.folder=runs/a b; touch $HOME/x"
    assert run(tmp_path, ["my config.yaml", hostile], 0, 0).returncode == 0
    lines = (tmp_path / "ranks").read_text(encoding="utf-8").splitlines()
    assert lines[0::2] == ["rank 0 of 2 local 0 at 10.0.0.7", "rank 1 of 2 local 1 at 10.0.0.7"]
    assert lines[1] == f"<-m><megatron_ko.train><my config.yaml><{hostile}>"
    assert not (tmp_path / "requeued").exists(), "a finished job must not run again"


@pytest.mark.parametrize("address", ["", "none"], ids=["no address", "scontrol fails"])
def test_without_an_address_the_name_is_used(tmp_path, address):
    done = run(tmp_path, ["a.yaml"], 0, 0, address=address)
    assert "node-a" in done.stderr
    assert "at node-a" in (tmp_path / "ranks").read_text(encoding="utf-8")


@pytest.mark.parametrize("codes", [(1, 1), (2, 2), (2, 75), (76, 2), (1, 76), (137, 1)])
def test_a_run_in_which_a_rank_failed_is_not_requeued(tmp_path, codes):
    """The other ranks are ended, and srun returns the highest exit code, which is theirs."""
    done = run(tmp_path, [write_tiny_run(tmp_path)], *codes)
    assert done.returncode == min(codes)
    assert not (tmp_path / "requeued").exists()
    assert not list(tmp_path.glob(".failures*"))


@pytest.mark.parametrize("codes", [(75, 75), (75, 76), (137, 75), (138, 0), (143, 0)])
def test_a_run_that_can_continue_is_requeued(tmp_path, codes):
    """75: stopped on request, 76: a rank was lost, 137, 138 and 143: killed."""
    (tmp_path / ".failures-41").write_text(
        "1\n", encoding="utf-8"
    )  # of an earlier start, whose node was lost
    done = run(tmp_path, [write_tiny_run(tmp_path)], *codes)
    assert done.returncode == max(codes)
    assert (tmp_path / "requeued").read_text(encoding="utf-8") == "requeue 41\n", done.stderr


def save(run: Path, step: int) -> None:
    folder = checkpoint_folder(run, step)
    folder.mkdir(parents=True)
    (folder / MARKER).write_text("{}", encoding="utf-8")


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_the_shell_around_a_rank_ends_with_the_code_of_the_rank(tmp_path, number):
    """Slurm signals all processes of a step: the shell must wait for its rank, which receives the signal as usual."""
    command = SCRIPT.read_text(encoding="utf-8").partition("bash -c '")[2].partition("' train")[0]
    rank = tmp_path / "python"
    rank.write_text(
        f"#!{sys.executable}\n"
        "import signal, sys, time\n"
        f"assert signal.getsignal({number:d}) == signal.SIG_DFL\n"
        f"signal.signal({number:d}, lambda *_: (time.sleep(0.5), sys.exit(2)))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    rank.chmod(0o755)
    environment = {
        **os.environ, "PYTHON": str(rank), "FAILURES": str(tmp_path / "failures"), "SLURM_PROCID": "0", "SLURM_NTASKS": "1", "SLURM_LOCALID": "0",
    }  # fmt: skip
    with subprocess.Popen(
        ["bash", "-c", command, "train"], env=environment, stdout=subprocess.PIPE, start_new_session=True
    ) as shell:
        assert shell.stdout is not None and shell.stdout.readline() == b"ready\n"
        os.killpg(shell.pid, number)
        assert shell.wait(300) == 2
    assert (tmp_path / "failures").read_text(encoding="utf-8") == "2\n"


@pytest.mark.parametrize("steps", [[], [5]], ids=["no checkpoint", "an earlier checkpoint"])
def test_starts_without_a_new_checkpoint_are_limited(tmp_path, capsys, steps):
    for step in steps:
        save(tmp_path, step)
    assert [may_start_again(tmp_path, 76) for _ in range(4)] == [True, True, True, False]
    assert str(tmp_path) in capsys.readouterr().err
    assert read_json(tmp_path / "requeues.json")["exit_code"] == 76
    again = [may_start_again(tmp_path, 76) for _ in range(4)]
    assert again == [True, True, True, False], "the count restarts when the job is submitted again"


def test_a_new_checkpoint_restarts_the_count(tmp_path):
    for step in range(10):
        save(tmp_path, step)
        assert may_start_again(tmp_path, 137)
        assert may_start_again(tmp_path, 137)


def test_without_a_configuration_the_usage_is_printed(tmp_path):
    done = run(tmp_path, [], 0, 0)
    assert done.returncode == 2
    assert "slurm/train.sbatch CONFIG.yaml" in done.stderr
