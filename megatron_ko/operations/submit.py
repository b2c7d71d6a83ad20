"""``mko submit``: checks a run, copies its code and configuration into the run folder, and submits its job to Slurm.

Owns the command. ``script`` renders, ``code_copy`` copies, ``slurm_client`` calls sbatch.
"""

from __future__ import annotations

import argparse
import dataclasses
import getpass
import shutil
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from megatron_ko.config import cli
from megatron_ko.config.loading import to_yaml
from megatron_ko.errors import ConfigError, Problem, UsageError, exit_code_of
from megatron_ko.files import write_text
from megatron_ko.formats.job_folder import (
    CODE,
    CONFIG,
    SCRIPT,
    Submission,
    check_owner,
    forget_requests,
    job_folders,
    new_job_folder,
    read_submission,
    write_submission,
)
from megatron_ko.formats.model_source import load_training
from megatron_ko.operations import code_copy, pipeline_jobs, slurm_client
from megatron_ko.operations.cluster import Cluster, find_cluster, read_cluster, seconds_of
from megatron_ko.operations.script import Shape, job_name, render
from megatron_ko.planning.config_rules import layout_rules
from megatron_ko.preflight import check_run, plan_of
from megatron_ko.wording import format_count

MAX_NODES, MAX_RANKS_PER_NODE, MAX_CHAIN = 100_000, 1024, 100
START_S = 120
"""Seconds beyond ``run.timeout_s`` after which a silent run hangs, unless --hang-s gives them."""


def parser() -> cli.Parser:
    made = cli.config_parser(
        "submit",
        "Submits a training run to Slurm: checks configuration, plan and files, copies code and configuration into the run "
        "folder, and submits a job that requeues itself until the run is done.\n\n  mko submit train.yaml --nodes 4",
    )
    add = made.add_argument
    add("--nodes", type=cli.bounded(1, MAX_NODES), metavar="N", default=1, help="nodes (default: 1)")
    add(
        "--gpus-per-node",
        type=cli.bounded(0, MAX_RANKS_PER_NODE),
        metavar="N",
        help="GPUs of each node (default: cluster.env)",
    )
    add(
        "--ranks-per-node",
        type=cli.bounded(1, MAX_RANKS_PER_NODE),
        metavar="N",
        help="ranks of each node (default: one per GPU, or 1)",
    )
    add("--time", metavar="LIMIT", help="time limit of a job, such as 12:00:00 (default: cluster.env)")
    add(
        "--chain",
        type=cli.bounded(1, MAX_CHAIN),
        metavar="K",
        default=1,
        help="jobs in a row, for sites that forbid requeues or limit them (default: 1)",
    )
    add("--after", metavar="JOB", help="start after this job has ended well")
    add(
        "--max-restarts",
        type=cli.bounded(0, 1000),
        metavar="N",
        default=10,
        help="failures after which the job is not requeued (default: 10)",
    )
    add(
        "--hang-s",
        type=cli.bounded(10, 30 * 86_400),
        metavar="S",
        help=f"seconds without a sign of life after which ranks are killed (default: run.timeout_s + {START_S})",
    )
    pipeline_jobs.add_options(made)
    add("--skip-preflight", action="store_true", help="start without checking the machines")
    add(
        "--cluster",
        metavar="FILE",
        help="facts about the site (default: cluster.env here, or slurm/cluster.env)",
    )
    add("--print", action="store_true", dest="only_print", help="print the batch script and stop")
    return made  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    return exit_code_of(lambda: _main(parser().parse(arguments)))


def _main(given: argparse.Namespace) -> int:
    cli.require_configuration(given.config, "submit")
    cluster_path = find_cluster(given.cluster)
    cluster = _with_options(read_cluster(cluster_path), given)
    ranks = given.ranks_per_node or max(cluster.gpus_per_node, 1)
    world_size = given.nodes * ranks
    loaded = load_training(*cli.split(given.config), layout_rules(world_size))
    run = Path(loaded.config.run.folder).expanduser().absolute()
    check_owner(run)
    config = loaded.config
    _check_devices(config.run.device, cluster, ranks)
    pipeline_jobs.check_options(given, config, cluster)
    if given.data and not Path(config.data.manifest).expanduser().exists():
        plan = plan_of(loaded, world_size)  # the job checks the rest once the data is there
    else:
        checked = check_run(loaded, world_size)
        if checked.is_finished:
            print(checked.nothing_to_do())
            return 0
        plan = checked.plan
    hang_s = given.hang_s or int(config.run.timeout_s) + START_S
    shape = Shape(given.nodes, ranks, cluster.gpus_per_node, cluster.time, hang_s, not given.skip_preflight)
    python = cluster.python or (sys.executable if cluster.runtime == "venv" else "python3")
    if given.only_print:
        print(render(cluster, shape, run, run / "job" / "0001", Path.cwd(), python), end="")
        return 0
    _check_alone(run)
    folder = new_job_folder(run)
    try:
        write_text(folder / CONFIG, to_yaml(config))
        write_text(folder / SCRIPT, render(cluster, shape, run, folder, Path.cwd(), python))
        shutil.copyfile(cluster_path, folder / "cluster.env")
        files = code_copy.copy_code(folder / CODE)
        if difference := code_copy.changes():
            write_text(folder / "changes.diff", difference)
        (run / "logs").mkdir(exist_ok=True)
        forget_requests(run)
        submission = _submit(folder, run, given, cluster, shape, plan.steps, python)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    print(plan.text(), end="")
    steps = "".join(f"step         {one} {name}\n" for name, one in submission.others.items())
    print(
        f"submitted    {', '.join(submission.jobs)} ({submission.name}): {format_count(shape.nodes, 'node')} x "
        f"{format_count(ranks, 'rank')}, {shape.time} each\n"
        f"copied       {format_count(files, 'file')} of code and the configuration to\n             {folder}\n"
        f"{steps}next         mko status {loaded.config.run.folder}"
    )
    return 0


def _submit(
    folder: Path,
    run: Path,
    given: argparse.Namespace,
    cluster: Cluster,
    shape: Shape,
    steps: int,
    python: str,
) -> Submission:
    """Submits the jobs of the chain and the steps before and after it; a failure cancels those submitted before."""
    name, jobs, others = job_name(run), [], {}

    def step(one: pipeline_jobs.Step, after: str | None) -> str:
        others[one.name] = pipeline_jobs.submit_step(one, folder, run, cluster, name, python, after)
        return others[one.name]

    def record() -> Submission:
        submission = Submission(
            name=name, jobs=list(jobs), nodes=shape.nodes, ranks_per_node=shape.ranks_per_node,
            gpus_per_node=shape.gpus_per_node, time_limit=shape.time, max_restarts=given.max_restarts,
            hang_s=shape.hang_s, steps=steps, others=dict(others), working_folder=str(Path.cwd()), user=getpass.getuser(),
            host=socket.gethostname(), time=time.time(), revision=code_copy.revision(), runtime=cluster.runtime,
        )  # fmt: skip
        write_submission(folder, submission)
        return submission

    record()  # the job may start before sbatch has returned
    try:
        after = given.after
        if given.data:
            pipeline_jobs.write_data_config(folder, given.data)
            after = step(pipeline_jobs.data_step(folder, given.data_tasks, cluster.cpus_per_rank), after)
        dependencies = [f"afterok:{after}"] if after else []
        dependencies += ["singleton"] if given.chain > 1 else []
        options = [f"--chdir={run}", *([f"--dependency={','.join(dependencies)}"] if dependencies else [])]
        options += ["--kill-on-invalid-dep=yes"] if after else []
        for _ in range(given.chain):
            jobs.append(slurm_client.submit(str(folder / SCRIPT), options))
        after = jobs[-1]
        for one in pipeline_jobs.later_steps(given, folder, run, cluster.gpus_per_node):
            after = step(one, after)
        return record()
    except BaseException:
        slurm_client.cancel([*others.values(), *jobs], pending_only=False)
        raise


def _with_options(cluster: Cluster, given: argparse.Namespace) -> Cluster:
    """``cluster`` with the options of the command line in place of its own values."""
    changes = {}
    if given.gpus_per_node is not None:
        changes["gpus_per_node"] = given.gpus_per_node
    if given.time is not None:
        changes["time"] = given.time
    if given.after is not None and not given.after.replace(":", "").isdecimal():
        raise UsageError(f"--after {given.after!r}: is not the number of a job", rule="usage")
    try:
        changed = dataclasses.replace(cluster, **changes)
    except ValueError:
        raise UsageError(
            f"--time {given.time!r}: is not a limit of Slurm; write 90, 12:00:00 or 2-00:00:00", rule="usage"
        ) from None
    limit = seconds_of(changed.time)
    if 0 < limit <= changed.save_before_s:
        message = (
            f"{changed.time}: is not longer than SAVE_BEFORE_S {changed.save_before_s}, so the job would be asked to save when it "
            "starts; raise --time, or lower SAVE_BEFORE_S in cluster.env"
        )
        raise ConfigError([Problem("", "--time", message, "time-below-save-before")])
    return changed


def _check_devices(device: str, cluster: Cluster, ranks: int) -> None:
    if device == "cuda" and ranks > cluster.gpus_per_node:
        raise ConfigError(
            f"{format_count(ranks, 'rank')} per node need as many GPUs, but GPUS_PER_NODE is {cluster.gpus_per_node}; correct "
            "cluster.env or --ranks-per-node",
            rule="too-few-gpus",
        )


def _check_alone(run: Path) -> None:
    """Raises ConfigError if an earlier job of the run is still in Slurm: both would write to the run folder."""
    ids = [id for folder in job_folders(run)[-3:] for id in read_submission(folder).jobs]
    jobs = slurm_client.jobs_of(ids) if ids else {}
    if alive := [job.id for job in (jobs or {}).values() if job.state in slurm_client.ALIVE]:
        raise ConfigError(
            f"{run}: job {', '.join(alive)} of this run is queued or runs; stop it with 'mko stop {run}' first, or choose "
            "another run.folder",
            rule="job-alive",
        )


if __name__ == "__main__":
    raise SystemExit(main())
