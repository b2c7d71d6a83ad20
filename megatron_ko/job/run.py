"""``mko job``: raw text in, a verified model and a report out, by the commands a user would type.

FOLDER contains ``data.yaml`` (preprocessing) and ``train.yaml`` (training), as ``mko init`` writes them. Everything is
written to one folder of runs: ``data/`` (with its own ``report.html``), ``train/`` (the run folder, with ``hf/`` and
``samples.json``), ``job.json`` and ``report.html``. A second job repeats only what changed; a killed one continues.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from megatron_ko.config.cli import Parser, positive
from megatron_ko.config.loading import load
from megatron_ko.config.training import Config
from megatron_ko.errors import ConfigError
from megatron_ko.files import sha256_file
from megatron_ko.formats.run_folder import checkpoints_of
from megatron_ko.job.job import Job, check_job, options_of, steps_of
from megatron_ko.job.steps import Record, Step, exit_code_of_job, format_command, run_steps
from preprocessing.readers.input_units import find_units

# Fields that may change between two jobs in one folder, where the training continues; all others need another folder.
CONTINUES = ("run.device", "run.timeout_s", "training.steps", "schedule", "parallel", "data.workers")
CONTINUES += ("evaluation", "checkpoint", "reporting")


def parser() -> Parser:
    made = Parser(
        prog="mko job",
        usage="mko job FOLDER [data.key=value ...] [train.key=value ...] [options]",
        description="Takes raw text to a verified Hugging Face model and a report. FOLDER contains data.yaml and train.yaml, "
        "as 'mko init' writes them. A second job repeats only what changed; a killed one continues.",
    )
    made.add_argument("folder", metavar="FOLDER", help="folder with data.yaml and train.yaml")
    made.add_argument(
        "settings",
        nargs="*",
        metavar="data.key=value",
        help="overrides of data.yaml, and of train.yaml with the prefix train.",
    )
    made.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="cpu, or cuda: all GPUs of this host, bf16 (default: cpu)",
    )
    made.add_argument(
        "--ranks",
        type=positive,
        metavar="N",
        help="ranks to train on (default: all GPUs, or the layout's size)",
    )
    made.add_argument(
        "--runs", metavar="FOLDER", help="folder of runs to write to, instead of the configured one"
    )
    made.add_argument(
        "--dry-run",
        action="store_true",
        help="check both configurations and that the inputs exist, print the commands, and stop",
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs every step that is not finished. Returns 0, or the exit code of the command that failed."""
    return exit_code_of_job(lambda: _main(parser().parse(arguments)))


def _main(given: argparse.Namespace) -> int:
    job = check_job(options_of(given))
    if not given.dry_run:
        return run_job(job)
    _ = find_units(job.data)  # reports patterns that match no file
    for number, step in enumerate(steps_of(job, Record(job.runs / "job.json")), start=1):
        print(f"{number}. {step.title}\n   {format_command(step.command)}")
    return 0


def run_job(job: Job) -> int:
    """Runs the steps and ends with a summary."""
    from megatron_ko.job.report.summary import summarize

    record = Record(job.runs / "job.json")
    plan = steps_of(job, record)

    def check(step: Step) -> None:
        if step.name == "train":
            check_same_training(job, record)

    ran = run_steps(plan, record, check)
    times = [(step.title, record.steps[step.name]["seconds"], step.name in ran) for step in plan]
    print(summarize(job.runs, job.folder, times), flush=True)
    return 0


def check_same_training(job: Job, record: Record) -> None:
    """Raises ConfigError if the run folder contains a training with other settings or data."""
    data = sha256_file(job.manifest)
    if not checkpoints_of(job.run):
        record.note("trained_on", data)
        return
    before = _flat(asdict(load(Config, [str(job.run / "config.yaml")], []).config))
    now = _flat(asdict(job.train))
    changed = [
        f"{name}: {before.get(name)} -> {now.get(name)}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name) and not name.startswith(CONTINUES)
    ]
    if record.notes.get("trained_on", data) != data:
        changed.append("the data was built again and differs")
    if changed:
        raise ConfigError(
            f"{job.run}: contains a training with other settings or data\n  " + "\n  ".join(changed) + "\n"
            f"choose another folder with --runs FOLDER, or remove {job.run} to train again",
            rule="another-training",
        )


def _flat(tree: dict[str, Any], above: str = "") -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in tree.items():
        values.update(
            _flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
        )
    return values


if __name__ == "__main__":
    raise SystemExit(main())
