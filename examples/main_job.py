"""The whole main job, by the commands a user would type: raw text in, a verified model and a report out.

    python -m examples.main_job FOLDER [device=cpu|cuda] [ranks=N] [runs=FOLDER] [data.a.b=value] [train.a.b=value]

FOLDER holds ``data.yaml`` (preprocessing) and ``train.yaml`` (training). Everything is written to one folder of runs:
``data/``, ``train/`` (the run folder, with ``hf/`` and ``samples.json``), ``stages.json`` and ``report.html``.
A second run repeats only what changed; a killed one continues.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from examples import stages
from examples.job import Job, checked_job, parse, stages_of
from examples.stages import Record
from megatron_ko.config.loading import load
from megatron_ko.config.training import Config
from megatron_ko.errors import ConfigError, exit_code_of
from megatron_ko.files import sha256_file
from megatron_ko.formats.run_folder import checkpoints_of

# What may change between two jobs in one folder: the training continues. Everything else is another training.
CONTINUES = ("run.device", "run.timeout_s", "training.steps", "schedule", "parallel", "data.workers")
CONTINUES += ("evaluation", "checkpoint", "reporting")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs every stage that is not finished. Returns 0, or the exit code of the command that failed."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.main_job",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="FOLDER", help="folder with data.yaml and train.yaml")
    parser.add_argument(
        "settings", nargs="*", metavar="name=value", help="device, ranks, runs, data.*, train.*"
    )
    given = parser.parse_args(arguments)
    try:
        return exit_code_of(lambda: run_job(checked_job(parse(given.folder, given.settings))))
    except KeyboardInterrupt:
        return 130


def run_job(job: Job) -> int:
    """Runs the stages and ends with a summary."""
    from examples.report.summary import closing_words

    record = Record(job.runs / "stages.json")
    plan = stages_of(job, record)
    ran = set()
    for number, stage in enumerate(plan, start=1):
        if stage.name == "train":
            check_same_training(job, record)
        try:
            if stages.run_stage(stage, record, number, len(plan)):
                ran.add(stage.name)
        except stages.StageFailed as failure:
            print(f"\n{failure.label}: {failure}", file=sys.stderr, flush=True)
            return failure.code
    times = [(stage.title, record.stages[stage.name]["seconds"], stage.name in ran) for stage in plan]
    print(closing_words(job.runs, job.folder, times), flush=True)
    return 0


def check_same_training(job: Job, record: Record) -> None:
    """A run folder holds one training. Raises ConfigError when what lies there is of other settings or data."""
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
        changed.append("the data was made again and differs")
    if changed:
        raise ConfigError(
            f"{job.run}: holds a training of other settings or data\n  " + "\n  ".join(changed) + "\n"
            f"give another folder with runs=FOLDER, or remove {job.run} to train afresh"
        )


def _flat(tree: dict[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found.update(
            _flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
        )
    return found


if __name__ == "__main__":
    raise SystemExit(main())
