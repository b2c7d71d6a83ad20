"""Kanana's chain in full size on Slurm: 8B, cut to 4.5B, distilled, cut to 2.1B, distilled.

    python -m examples.kanana.cluster --nodes 16 [--teacher runs/8b] [--manifest FILE] [--correct-teacher] [--print]

Submits a job on one node that scores and prunes, submits the training on all nodes with ``mko submit``, and submits itself again
to go on after that training. ``runs/kanana/full/job.json`` records the finished steps, and trainings are finished when their last
checkpoint is there: started again at any time, the chain continues where it stopped.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from examples.kanana.chain import KANANA, prune_step, score_step, scores_file
from megatron_ko.config.cli import Parser, positive
from megatron_ko.config.loading import load
from megatron_ko.config.training import Config
from megatron_ko.errors import ConfigError, UserError, exit_code_of
from megatron_ko.files import write_text
from megatron_ko.formats.checkpoint_folder import MARKER
from megatron_ko.formats.job_folder import job_folders, read_submission
from megatron_ko.formats.run_folder import checkpoint_folder
from megatron_ko.job.steps import Record, Step, format_command, print_heading, run_command, run_steps
from megatron_ko.operations import slurm_client
from megatron_ko.operations.cluster import Cluster, find_cluster, read_cluster
from megatron_ko.operations.script import render_step

FULL = Path("examples/kanana/full")
TEACHER = Path("examples/clusters/8b.yaml")
FOLDER = Path("runs/kanana/full")
SAMPLES = 1024
"""Samples that score a model (Kanana's number is unpublished)."""
CHAIN, TEACHER_NOTE = "chain", "teacher"
"""Notes in ``job.json``: the id of the job that goes on, and the teacher that the chain began with."""


@dataclass(frozen=True)
class Options:
    """The command line. ``after``: job that the chain waits for; ``advance``: whether this is the job on a node."""

    nodes: int = 16
    teacher: Path = Path("runs/8b")
    manifest: Path | None = None
    correct_teacher: bool = False
    cluster: str | None = None
    after: str | None = None
    only_print: bool = False
    advance: bool = False

    def words(self) -> list[str]:
        """Arguments of the job, which has the same options."""
        words = ["--advance", "--nodes", str(self.nodes), "--teacher", str(self.teacher)]
        for name in ("manifest", "cluster"):
            if (value := getattr(self, name)) is not None:
                words += [f"--{name}", str(value)]
        return words + ["--correct-teacher"] * self.correct_teacher


@dataclass(frozen=True)
class Link:
    """One training of the chain: the steps before it, the arguments of its submission, its run folder and its last step."""

    name: str
    steps: tuple[Step, ...]
    words: tuple[str, ...]
    run: Path
    last_step: int

    def is_trained(self) -> bool:
        return (checkpoint_folder(self.run, self.last_step) / MARKER).is_file()


def main(arguments: Sequence[str] | None = None) -> int:
    """Submits the chain, prints it, or goes on with it. Returns 0, or the exit code of the command that failed."""
    return exit_code_of(lambda: run(parse(arguments)))


def parse(arguments: Sequence[str] | None) -> Options:
    """Parses the command line. Raises UsageError for invalid settings."""
    parser = Parser(
        prog="python -m examples.kanana.cluster", description=__doc__, argument_default=argparse.SUPPRESS
    )
    add = parser.add_argument
    add("--nodes", type=positive, metavar="N", help="nodes of a training (default 16)")
    add("--teacher", type=Path, metavar="FOLDER", help="the 8B: a run, a checkpoint or a Hugging Face folder (default runs/8b)")  # fmt: skip
    add("--manifest", type=Path, metavar="FILE", help="data of all steps (default: that of the files)")
    add("--correct-teacher", action="store_true", help="train the teacher on the data of its students first, as Minitron")  # fmt: skip
    add("--cluster", metavar="FILE", help="facts about the site (default: cluster.env here, or slurm/cluster.env)")  # fmt: skip
    add("--after", type=_job, metavar="JOB", help="start after this job has ended well")
    add("--print", action="store_true", dest="only_print", help="print the commands and the batch script, and stop")  # fmt: skip
    add("--advance", action="store_true", help="go on here, on a node with GPUs: what the job does")
    return Options(**vars(parser.parse(arguments)))


def _job(text: str) -> str:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a job")
    return text


def run(options: Options) -> int:
    cluster = read_cluster(find_cluster(options.cluster))
    if options.only_print:
        print(describe(options, cluster), end="")
        return 0
    record = Record(FOLDER / "job.json")
    if not options.advance:
        check_runtime(cluster)
    check_teacher(options, record)
    if options.advance:
        return advance(options, cluster, record)
    if is_alive(waiting := record.notes.get(CHAIN)):
        raise ConfigError(
            f"{FOLDER}: job {waiting} of this chain is queued or runs; cancel it with 'scancel {waiting}' first",
            rule="job-alive",
        )
    print(f"submitted    {submit_chain(options, cluster, record, options.after)} of the chain, to {FOLDER}")
    return 0


def check_runtime(cluster: Cluster) -> None:
    """Raises ConfigError for a container, in which the job could not submit the next one."""
    if cluster.runtime != "venv":
        raise ConfigError(
            f"RUNTIME {cluster.runtime}: the job of the chain submits other jobs, which a container cannot; use an interpreter "
            "(RUNTIME=venv), or run the commands of --print by hand",
            rule="chain-in-a-container",
        )


def check_teacher(options: Options, record: Record) -> None:
    """Raises ConfigError if the folder has students of another teacher, which would count as finished."""
    now = f"{options.teacher}{', corrected' if options.correct_teacher else ''}"
    before = record.notes.get(TEACHER_NOTE, now)
    if before != now:
        raise ConfigError(
            f"{FOLDER}: its chain began with the teacher {before}, not {now}; give the same options, or move the folder away",
            rule="other-teacher",
        )
    record.note(TEACHER_NOTE, now)


# --- the chain -------------------------------------------------------------------------------------------


def links_of(options: Options, ranks: int) -> list[Link]:
    """The trainings in their order; ``ranks``: GPUs of the node that scores."""
    data = (f"data.manifest={options.manifest}",) if options.manifest else ()
    links, teacher = [], options.teacher
    if options.correct_teacher:
        words = (f"model.from={teacher}", f"checkpoint.initial_weights={teacher}", *data)
        links.append(_link("teacher", (), words))
        teacher = links[0].run
    parent, scoring = teacher, (str(TEACHER), "data.manifest=" + str(options.manifest or _manifest()))
    for name, cut in KANANA.items():
        scored, pruned = FOLDER / f"scores_{name}", FOLDER / f"pruned_{name}"
        steps = (
            score_step(name, parent, scored, scoring, SAMPLES, ranks),
            prune_step(name, parent, scores_file(scored), pruned, cut),
        )
        words = (f"model.from={pruned}", f"checkpoint.initial_weights={pruned}", f"distillation.teacher={teacher}", *data)  # fmt: skip
        links.append(_link(name, steps, words))
        parent, scoring = links[-1].run, (str(FULL / f"{name}.yaml"), "distillation=none", *data)
    return links


def _link(name: str, steps: tuple[Step, ...], words: Sequence[str]) -> Link:
    file = str(FULL / f"{name}.yaml")
    config = load(Config, [file], []).config
    assert config.training.steps is not None
    return Link(name, steps, (file, *words), Path(config.run.folder), config.training.steps)


def _manifest() -> str:
    """The data of the students, which also scores the teacher."""
    return load(Config, [str(FULL / f"{next(iter(KANANA))}.yaml")], []).config.data.manifest


def submission(link: Link, options: Options) -> tuple[str, ...]:
    """The command that submits a training."""
    site = ("--cluster", options.cluster) if options.cluster else ()
    return ("mko", "submit", *link.words, "--nodes", str(options.nodes), *site)


def advance(options: Options, cluster: Cluster, record: Record) -> int:
    """Runs the steps before the next unfinished training, submits it and a job that goes on after it. Returns the exit code."""
    for link in links_of(options, max(cluster.gpus_per_node, 1)):
        if link.is_trained():
            continue
        run_steps(link.steps, record)
        job = _training_job(link)
        if job is None:
            command = submission(link, options)
            print_heading(f"Train {link.name}\n$ {format_command(command)}")
            if code := run_command(command):
                return code
            job = read_submission(job_folders(link.run)[-1]).jobs[-1]
        waiting = record.notes.get(CHAIN)
        if waiting == os.environ.get("SLURM_JOB_ID") or not is_alive(waiting):
            waiting = submit_chain(options, cluster, record, job)
        print(f"job {job} trains {link.name}; job {waiting} goes on after it")
        return 0
    print("the chain is done")
    return 0


def _training_job(link: Link) -> str | None:
    """The job that trains already, if there is one."""
    folders = job_folders(link.run)
    jobs = read_submission(folders[-1]).jobs if folders else []
    return next((job for job in reversed(jobs) if is_alive(job)), None)


def is_alive(job: str | None) -> bool:
    """Whether Slurm has the job, queued or running. Raises UserError where Slurm does not answer."""
    if job is None:
        return False
    found = slurm_client.jobs_of([job])
    if found is None:
        raise UserError(
            f"Slurm does not answer, so job {job} may be queued; try again later", rule="no-slurm"
        )
    return any(one.state in slurm_client.ALIVE for one in found.values())


# --- its job ---------------------------------------------------------------------------------------------


def script_of(options: Options, cluster: Cluster) -> str:
    """The batch script of the job that goes on: one node with all its GPUs."""
    program = ("-m", "examples.kanana.cluster", *options.words())
    python = cluster.python or sys.executable
    return render_step(cluster, "kanana-chain", 0, cluster.gpus_per_node, Path.cwd(), python, program)


def submit_chain(options: Options, cluster: Cluster, record: Record, after: str | None) -> str:
    """Submits the job that goes on, after another one. Returns its id."""
    script = FOLDER.absolute() / "chain.sh"
    (FOLDER / "logs").mkdir(parents=True, exist_ok=True)
    write_text(script, script_of(options, cluster))
    dependency = [f"--dependency=afterok:{after}", "--kill-on-invalid-dep=yes"] if after else []
    job = slurm_client.submit(str(script), [f"--chdir={FOLDER.absolute()}", *dependency])
    record.note(CHAIN, job)
    return job


def describe(options: Options, cluster: Cluster) -> str:
    """The commands of the chain in their order, as comments above the batch script of its job."""
    lines = []
    for link in links_of(options, max(cluster.gpus_per_node, 1)):
        lines += [format_command(step.command) for step in link.steps]
        lines.append(format_command(submission(link, options)))
    shebang, _, rest = script_of(options, cluster).partition("\n")
    comments = [f"#   {' '.join(line.splitlines())}" for line in lines]
    return "\n".join([shebang, "# The commands of the chain:", *comments, rest])


if __name__ == "__main__":
    raise SystemExit(main())
