"""The rendered batch script with substitutes for Slurm's commands: ranks, quoting, address of the first node, containers."""

from __future__ import annotations

import dataclasses
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from megatron_ko.errors import ConfigError
from megatron_ko.operations.cluster import Cluster
from megatron_ko.operations.script import Shape, job_name, options_of, render

# The substitute for srun starts the ranks one after the other, with the environment that Slurm would set.
SRUN = """#!/bin/bash
printf '<%s>' "$@" >> "$RECORD/calls"
echo >> "$RECORD/calls"
while [[ $1 == --* ]]; do shift; done
worst=0
for ((rank = 0; rank < SLURM_NTASKS; rank++)); do
  SLURM_PROCID=$rank SLURM_LOCALID=$rank SLURM_STEP_ID=0 SLURMD_NODENAME=node-$rank "$@" || { code=$?; ((code > worst)) && worst=$code; }
done
exit "$worst"
"""
SCONTROL = """#!/bin/bash
case "$1 $2" in
  "show hostnames") echo node-a; echo node-b ;;
  "show node") [[ $ADDRESS != none ]] || exit 1; [[ -z $ADDRESS ]] || echo "NodeName=$3 CPUTot=8
   NodeAddr=$ADDRESS NodeHostName=$3 Version=22.05" ;;
  *) echo "$@" >> "$RECORD/requeues" ;;
esac
"""
NOTHING = "#!/bin/bash\n"
# The substitute for Python: a free port, no hang, a decision, and ranks that end with EXIT_CODES.
PYTHON = """#!/bin/bash
case "$2 $3" in
  "megatron_ko.operations.batch begin") echo 4321; exit "${BEGIN:-0}" ;;
  "megatron_ko.operations.batch watch") exit 0 ;;
  "megatron_ko.operations.batch end") echo "end $5" >> "$RECORD/ends"; echo "$EXCLUDE"; exit "${DECISION:-1}" ;;
  "megatron_ko.operations.node_launcher "*) # like torchrun, it ends with 1 if a rank fails
    printf '<%s>' "$@" >> "$RECORD/nodes"; echo " on node $SLURM_PROCID at $MASTER_ADDR:$MASTER_PORT in $PWD" >> "$RECORD/nodes"
    codes=($EXIT_CODES) failed=0
    for rank in $((2 * SLURM_PROCID)) $((2 * SLURM_PROCID + 1)); do
      ((codes[rank] == 0)) || { failed=1; echo "${codes[rank]} node-$SLURM_PROCID" > "$ENDED/$rank"; }
    done
    exit "$failed" ;;
esac
{ echo "rank $RANK of $WORLD_SIZE local $LOCAL_RANK at $MASTER_ADDR:$MASTER_PORT in $PWD"; printf '<%s>' "$@"; echo; } >> "$RECORD/ranks"
codes=($EXIT_CODES)
exit "${codes[RANK]}"
"""
HOSTILE = "a b; touch x `id` 'q' \"d\" %j \\ 한국어"
SHAPE = Shape(nodes=2, ranks_per_node=1, gpus_per_node=0, time="60", hang_s=100, preflight=False)


def run_script(
    folder: Path,
    codes: str = "0 0",
    name: str = "run",
    cluster: Cluster | None = None,
    shape: Shape = SHAPE,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Renders the script of a run named ``name`` and runs it with substitutes."""
    substitutes = {
        "srun": SRUN,
        "scontrol": SCONTROL,
        "sleep": NOTHING,
        "scancel": NOTHING,
        "my python": PYTHON,
    }
    for program, text in substitutes.items():
        (folder / program).write_text(text, encoding="utf-8")
        (folder / program).chmod(0o755)
    run = folder / name
    (run / "logs").mkdir(parents=True)
    work = folder / f"work {HOSTILE}"
    work.mkdir()
    cluster = cluster or Cluster(gpus_per_node=0)
    script = render(cluster, shape, run, run / "job" / "0001", work, str(folder / "my python"))
    (folder / "job.sh").write_text(script, encoding="utf-8")
    environment = {
        **os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "RECORD": str(folder), "EXIT_CODES": codes,
        "SLURM_NTASKS": "2", "SLURM_NNODES": "2", "SLURM_JOB_ID": "41", "SLURM_JOB_NAME": "name", "ADDRESS": "10.0.0.7",
        "SLURM_JOB_NODELIST": "node-[a-b]", "HOME": str(folder), **variables,
    }  # fmt: skip
    return subprocess.run(
        ["bash", str(folder / "job.sh")],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_every_task_is_a_rank_and_no_shell_expands_a_hostile_name(tmp_path):
    done = run_script(tmp_path, name=HOSTILE)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "ranks").read_text(encoding="utf-8").splitlines()
    where = f"at 10.0.0.7:4321 in {tmp_path}/work {HOSTILE}"
    assert [line.partition(" in ")[0] for line in lines[0::2]] == [
        f"rank {n} of 2 local {n} at 10.0.0.7:4321" for n in (0, 1)
    ]
    assert lines[0].endswith(where)
    job = f"{tmp_path}/{HOSTILE}/job/0001"
    assert lines[1] == f"<{job}/code/start.py><megatron_ko.__main__><train><{job}/config.yaml>"
    assert not list(tmp_path.rglob("x"))
    assert not (tmp_path / "requeues").exists(), "a finished job must not run again"
    assert (tmp_path / "ends").read_text(encoding="utf-8") == "end 0\n"


@pytest.mark.parametrize("address", ["", "none"], ids=["no address", "scontrol fails"])
def test_without_an_address_the_name_is_used(tmp_path, address):
    done = run_script(tmp_path, ADDRESS=address)
    assert "node-a" in done.stderr
    assert "at node-a:4321" in (tmp_path / "ranks").read_text(encoding="utf-8")


def test_a_failed_rank_leaves_its_code_and_its_node(tmp_path):
    assert run_script(tmp_path, "1 76").returncode == 76
    ended = tmp_path / "run" / "logs" / "name-41" / "ended"
    assert {path.name: path.read_text(encoding="utf-8") for path in ended.iterdir()} == {
        "0": "1 node-0\n", "1": "76 node-1\n",
    }  # fmt: skip
    assert (tmp_path / "ends").read_text(encoding="utf-8") == "end 76\n"
    assert not (tmp_path / "requeues").exists()


@pytest.mark.parametrize("exclude", ["", "node-a,node-b"])
def test_a_requeue_excludes_blamed_nodes(tmp_path, exclude):
    done = run_script(tmp_path, "75 75", DECISION="0", EXCLUDE=exclude)
    assert done.returncode == 75
    calls = ["requeue 41", *([f"update JobId=41 ExcNodeList={exclude}"] if exclude else [])]
    assert (tmp_path / "requeues").read_text(encoding="utf-8").splitlines() == calls


def test_a_job_that_must_not_start_starts_no_rank(tmp_path):
    assert run_script(tmp_path, BEGIN="75").returncode == 75
    assert not (tmp_path / "ranks").exists() and not (tmp_path / "ends").exists()


def test_values_of_the_site_reach_the_script_quoted(tmp_path):
    cluster = Cluster(
        gpus_per_node=0,
        interface="ib0",
        variables={"NCCL_DEBUG": "a'; touch x; '", "TMPDIR": "/a b"},
        modules="cuda/12 nccl",
    )
    text = render(cluster, SHAPE, tmp_path, tmp_path / "job", tmp_path, "python")
    assert f"export NCCL_DEBUG={shlex.quote(cluster.variables['NCCL_DEBUG'])}\n" in text
    assert "export GLOO_SOCKET_IFNAME=ib0\n" in text and "module load cuda/12\nmodule load nccl\n" in text
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


@pytest.mark.parametrize("runtime", ["pyxis", "apptainer"])
def test_containers_wrap_the_interpreter(tmp_path, runtime):
    cluster = Cluster(gpus_per_node=0, runtime=runtime, image="my image.sqsh", mounts="/data,/a b")
    (tmp_path / "apptainer").write_text('#!/bin/bash\nshift 6\nexec "$@"\n')  # exec --bind A --bind B IMAGE
    (tmp_path / "apptainer").chmod(0o755)
    done = run_script(tmp_path, cluster=cluster)
    calls = (tmp_path / "calls").read_text(encoding="utf-8")
    if runtime == "pyxis":
        assert "<--container-image=my image.sqsh><--container-mounts=/data:/data,/a b:/a b>" in calls
    else:
        assert done.returncode == 0, done.stderr
        assert (
            "apptainer exec --bind /data --bind '/a b' 'my image.sqsh'" in (tmp_path / "job.sh").read_text()
        )
        assert (tmp_path / "ranks").read_text(encoding="utf-8").startswith("rank 0 of 2")


TORCHRUN = Cluster(gpus_per_node=0, launcher="torchrun", cpus_per_rank=3)
TWO_EACH = dataclasses.replace(SHAPE, ranks_per_node=2)


def test_torchrun_is_one_task_for_each_node(tmp_path):
    done = run_script(tmp_path, "0 0 0 0", name=HOSTILE, cluster=TORCHRUN, shape=TWO_EACH)
    assert done.returncode == 0, done.stderr
    job = f"{tmp_path}/{HOSTILE}/job/0001"
    words = [f"{job}/code/start.py", "megatron_ko.operations.node_launcher", "--ranks", "2", "--logs"]
    words += ["megatron_ko.__main__", "train", f"{job}/config.yaml"]
    line = "".join(f"<{word}>" for word in words)
    where = f"at 10.0.0.7:4321 in {tmp_path}/work {HOSTILE}"
    assert (tmp_path / "nodes").read_text(encoding="utf-8").splitlines() == [
        f"{line} on node {node} {where}" for node in (0, 1)
    ]
    assert not (tmp_path / "ranks").exists() and not list(tmp_path.rglob("x"))
    calls = (tmp_path / "calls").read_text(encoding="utf-8")
    assert "<--output=logs/name-41/node_%5t.log>" in calls, "the logs of ranks have the names of ranks"
    assert {"--ntasks-per-node=1", "--cpus-per-task=6"} <= set(options_of(TORCHRUN, TWO_EACH, "name"))


@pytest.mark.parametrize(
    ("codes", "code"), [("75 75 75 75", 75), ("0 137 76 75", 137), ("2 76 76 76", 76), ("0 0 0 1", 1)]
)
def test_the_highest_code_of_the_ranks_replaces_that_of_torchrun(tmp_path, codes, code):
    assert run_script(tmp_path, codes, cluster=TORCHRUN, shape=TWO_EACH).returncode == code
    assert (tmp_path / "ends").read_text(encoding="utf-8") == f"end {code}\n"


def test_the_preflight_of_torchrun_lets_all_ranks_be_judged(tmp_path):
    shape = dataclasses.replace(TWO_EACH, preflight=True)
    done = run_script(tmp_path, "0 0 0 0", cluster=TORCHRUN, shape=shape)
    assert done.returncode == 0, done.stderr
    first = (tmp_path / "nodes").read_text(encoding="utf-8").splitlines()[0]
    assert "<--ranks><2><--keep-going><megatron_ko.operations.machines><--record>" in first


def test_options_name_what_the_site_gives():
    cluster = Cluster(
        partition="gpu", account="kr", qos="long", memory="0", exclusive="yes", exclude="bad[1-2]"
    )
    options = options_of(cluster, Shape(4, 8, 8, "1-00:00:00", 10, True), "name")
    assert {
        "--partition=gpu",
        "--account=kr",
        "--qos=long",
        "--mem=0",
        "--exclusive",
        "--exclude=bad[1-2]",
    } <= set(options)
    assert {
        "--nodes=4",
        "--ntasks-per-node=8",
        "--gpus-per-node=8",
        "--time=1-00:00:00",
        "--signal=USR1@600",
    } <= set(options)
    assert "--gres=gpu:8" in options_of(Cluster(gpu_request="gres"), Shape(4, 8, 8, "1", 10, True), "name")


def test_names_of_jobs_are_letters_and_differ_between_runs():
    names = {job_name(Path(path)) for path in ("/a/run", "/b/run", "/a/한국어", "/a/$(x)")}
    assert len(names) == 4
    assert all(
        name.isascii() and name.replace("-", "").replace("_", "").replace(".", "").isalnum() for name in names
    )


def test_a_path_with_a_line_break_is_refused(tmp_path):
    with pytest.raises(ConfigError) as caught:
        render(Cluster(), SHAPE, tmp_path / "a\nb", tmp_path, tmp_path, sys.executable)
    assert caught.value.rule == "path"
