"""Plan of a job: checked configurations, the layout on the device, and one command per step.

Owns the settings of the command line, the overrides derived from them, and the inputs of each step. Starts only a process
that counts the GPUs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from megatron_ko.config.loading import Loaded, load
from megatron_ko.config.training import Config, TrainingConfig
from megatron_ko.errors import ConfigError, UsageError
from megatron_ko.files import sha256_file
from megatron_ko.formats.checkpoint_folder import MARKER
from megatron_ko.formats.model_source import load_training
from megatron_ko.formats.run_folder import checkpoints_of
from megatron_ko.job.steps import Record, Step
from megatron_ko.planning.config_rules import layout_rules
from preprocessing.config import pipeline as data_schema
from preprocessing.readers.input_units import find_units


@dataclass(frozen=True)
class Options:
    """The command line. ``data`` and ``train`` are overrides without their prefix."""

    folder: Path
    device: str
    ranks: int | None
    runs: Path | None
    data: tuple[str, ...]
    train: tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """Checked configurations, and the overrides and ranks for the commands."""

    folder: Path
    runs: Path
    device: str
    ranks: int
    data_overrides: tuple[str, ...]
    train_overrides: tuple[str, ...]
    data: Loaded[data_schema.Config]
    train: Config

    @property
    def manifest(self) -> Path:
        return self.runs / "data" / "manifest.json"

    @property
    def run(self) -> Path:
        return self.runs / "train"


def options_of(given: argparse.Namespace) -> Options:
    """Raises UsageError that names all unknown arguments."""
    prefixed: dict[str, list[str]] = {"data": [], "train": []}
    wrong = []
    for setting in given.settings:
        name, equals, value = setting.partition("=")
        prefix, _, rest = name.partition(".")
        if equals and rest and prefix in prefixed:
            prefixed[prefix].append(f"{rest}={value}")
        else:
            wrong.append(f"{setting!r}: write data.section.field=value or train.section.field=value")
    if wrong:
        raise UsageError("\n  ".join(wrong), rule="unknown-argument")
    return Options(
        folder=Path(given.folder),
        device=given.device,
        ranks=given.ranks,
        runs=Path(given.runs) if given.runs else None,
        data=tuple(prefixed["data"]),
        train=tuple(prefixed["train"]),
    )


# --- configurations --------------------------------------------------------------------------------------


def check_job(options: Options) -> Job:
    """Loads both configurations. Raises ConfigError or DataError if they are invalid or name different folders."""
    for name in ("data.yaml", "train.yaml"):
        if not (options.folder / name).is_file():
            message = f"{options.folder / name}: is missing; a job needs data.yaml and train.yaml"
            raise ConfigError(message, rule="missing-file")
    data_overrides, train_overrides = list(options.data), list(options.train)
    if options.runs:
        data_overrides.insert(0, f"output.folder={options.runs / 'data'}")
        paths = (
            f"run.folder={options.runs / 'train'}",
            f"data.manifest={options.runs / 'data' / 'manifest.json'}",
        )
        train_overrides[:0] = paths
    train_file = str(options.folder / "train.yaml")
    configured = load_training([train_file], train_overrides, layout_rules(None)).config
    size = configured.parallel.tensor * configured.parallel.pipeline * configured.parallel.context
    ranks = options.ranks or size
    if options.device == "cuda":
        ranks, layout = layout_on_gpus(options.ranks or gpu_count(), configured.training)
        train_overrides[:0] = layout
    train_overrides.insert(0, f"run.device={options.device}")
    job = Job(
        folder=options.folder,
        runs=Path(configured.run.folder).expanduser().parent,
        device=options.device,
        ranks=ranks,
        data_overrides=tuple(data_overrides),
        train_overrides=tuple(train_overrides),
        data=load(data_schema.Config, [str(options.folder / "data.yaml")], data_overrides, data_schema.RULES),
        train=load_training([train_file], train_overrides, layout_rules(ranks)).config,
    )
    _check_folders(job)
    return job


def gpu_count() -> int:
    """Counts the GPUs that torch finds, in another process so that this one stays light. Raises ConfigError for none."""
    command = [sys.executable, "-c", "import torch; print(torch.cuda.device_count())"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    count = int(process.stdout) if process.returncode == 0 else 0
    if not count:
        raise ConfigError(
            "--device cuda: torch finds no GPU; use --device cpu or install a CUDA build of torch",
            rule="no-gpu",
        )
    return count


def layout_on_gpus(count: int, training: TrainingConfig) -> tuple[int, list[str]]:
    """Uses as many of ``count`` GPUs as divide the batch, with tensor parallelism 2 if their number is even, and bf16."""
    for ranks in range(count, 0, -1):
        tensor = 2 if ranks % 2 == 0 else 1
        if training.global_batch_size % (training.micro_batch_size * (ranks // tensor)) == 0:
            break
    layout = [
        f"parallel.tensor={tensor}",
        "parallel.pipeline=1",
        "parallel.virtual_pipeline=1",
        "parallel.first_stage_layers=none",
        "parallel.last_stage_layers=none",
        "parallel.context=1",
        "precision.dtype=bf16",
    ]
    return ranks, layout + (["parallel.sequence=false"] if tensor == 1 else [])


def _check_folders(job: Job) -> None:
    """Checks that one folder of runs contains everything, so that the report and the next job find it."""
    wrong = [
        f"{name} is {path}, but must be {expected}"
        for name, path, expected in (
            ("run.folder in train.yaml", job.train.run.folder, job.run),
            ("data.manifest in train.yaml", job.train.data.manifest, job.manifest),
            ("output.folder in data.yaml", job.data.config.output.folder, job.runs / "data"),
        )
        if Path(path).expanduser() != expected
    ]
    if wrong:
        raise ConfigError("; ".join(wrong) + "; set all three with --runs FOLDER", rule="two-folders")


# --- steps -----------------------------------------------------------------------------------------------


def steps_of(job: Job, record: Record) -> list[Step]:
    """All steps in order. The inputs of each step include the output of the step before it."""
    run, hf = job.run, job.run / "hf"
    train_yaml, data_yaml = str(job.folder / "train.yaml"), str(job.folder / "data.yaml")
    if job.device == "cuda":
        launcher = ["torchrun", "--standalone", "--nproc-per-node", str(job.ranks), "-m", "megatron_ko.train"]
        train = [*launcher, train_yaml, *job.train_overrides]
    else:
        train = ["mko", "train", train_yaml, *job.train_overrides, "--ranks", str(job.ranks)]
    data = ["mko", "data", "run", data_yaml, *job.data_overrides, "output.allow_bad_records=true"]
    page = ["mko", "data", "report", data_yaml, *job.data_overrides]

    def data_inputs() -> Any:
        from preprocessing.steps.order import versions_of  # imports the steps, which takes a second

        files = [
            (label, *_stamp(file)) for u in find_units(job.data) for file, label in zip(u.files, u.labels)
        ]
        return [asdict(job.data.config), files, versions_of(job.data.config)]

    def train_inputs() -> Any:
        return [asdict(job.train), sha256_file(job.manifest)]

    def is_trained() -> bool:
        checkpoints = checkpoints_of(run)
        return bool(checkpoints) and checkpoints[-1].name.endswith(f"{job.train.training.steps:08d}")

    def export_inputs() -> Any:
        marker = checkpoints_of(run)[-1] / MARKER
        return [str(marker), *_stamp(marker)]

    def report_inputs() -> Any:
        return {name: record.steps[name] for name in ("data", "train", "export", "samples")}

    return [
        Step("data", "Prepare the data", tuple(data), data_inputs, job.manifest.is_file),
        Step(
            "data-report",
            "Write the report about the data",
            tuple(page),
            lambda: record.steps["data"],
            (job.runs / "data" / "report.html").is_file,
        ),
        Step("train", "Train", tuple(train), train_inputs, is_trained),
        Step(
            "export",
            "Export to Hugging Face and verify",
            ("mko", "checkpoint", "to-hf", str(run), str(hf), "--logits", "--overwrite"),
            export_inputs,
            (hf / "verification.json").is_file,
        ),
        Step(
            "samples",
            "Generate text",
            ("mko", "generate", str(hf), "--out", str(run / "samples.json")),
            lambda: record.steps["export"],
            (run / "samples.json").is_file,
        ),
        Step(
            "report",
            "Write the report",
            ("mko", "report", str(job.runs)),
            report_inputs,
            (job.runs / "report.html").is_file,
        ),
    ]


def _stamp(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns
