"""What a main job will do: checked configurations, layout on the device, and one command per stage.

Owns the command line's settings, the overrides they become, and what each stage depends on. Starts nothing but the
question how many GPUs there are.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from examples.stages import Record, Stage
from megatron_ko.config.loading import Loaded, load
from megatron_ko.config.training import Config, TrainingConfig
from megatron_ko.errors import ConfigError
from megatron_ko.files import sha256_file
from megatron_ko.formats.checkpoint_folder import MARKER
from megatron_ko.formats.run_folder import checkpoints_of
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
    """Checked configurations, and the overrides and ranks that the commands are given."""

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


def parse(folder: str, settings: Sequence[str]) -> Options:
    """Raises ConfigError naming every argument that is not understood."""
    plain: dict[str, str] = {}
    prefixed: dict[str, list[str]] = {"data": [], "train": []}
    problems = []
    for setting in settings:
        name, equals, value = setting.partition("=")
        prefix, dot, rest = name.partition(".")
        if equals and dot and prefix in prefixed and rest:
            prefixed[prefix].append(f"{rest}={value}")
        elif equals and value and name in ("device", "ranks", "runs"):
            plain[name] = value
        else:
            problems.append(
                f"{setting!r}: write device=, ranks=, runs=, data.section.field= or train.section.field="
            )
    device, ranks = plain.get("device", "cpu"), plain.get("ranks")
    if device not in ("cpu", "cuda"):
        problems.append(f"device={device}: write device=cpu or device=cuda")
    if ranks is not None and not (ranks.isdecimal() and int(ranks) > 0):
        problems.append(f"ranks={ranks}: write a positive number")
    if problems:
        raise ConfigError("\n  ".join(problems))
    return Options(
        folder=Path(folder),
        device=device,
        ranks=int(ranks) if ranks else None,
        runs=Path(plain["runs"]) if "runs" in plain else None,
        data=tuple(prefixed["data"]),
        train=tuple(prefixed["train"]),
    )


# --- configurations --------------------------------------------------------------------------------------


def checked_job(options: Options) -> Job:
    """Both configurations, valid and about the same folder. Raises ConfigError or DataError before anything starts."""
    for name in ("data.yaml", "train.yaml"):
        if not (options.folder / name).is_file():
            raise ConfigError(
                f"{options.folder / name}: no such file; a main job needs data.yaml and train.yaml"
            )
    data_overrides, train_overrides = list(options.data), list(options.train)
    if options.runs:
        data_overrides.insert(0, f"output.folder={options.runs / 'data'}")
        places = (
            f"run.folder={options.runs / 'train'}",
            f"data.manifest={options.runs / 'data' / 'manifest.json'}",
        )
        train_overrides[:0] = places
    train_file = str(options.folder / "train.yaml")
    configured = load(Config, [train_file], train_overrides, layout_rules(None)).config
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
        train=load(Config, [train_file], train_overrides, layout_rules(ranks)).config,
    )
    _check_places(job)
    return job


def gpu_count() -> int:
    """GPUs that torch sees, asked in another process: this one stays light. Raises ConfigError when there is none."""
    command = [sys.executable, "-c", "import torch; print(torch.cuda.device_count())"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    count = int(found.stdout) if found.returncode == 0 else 0
    if not count:
        raise ConfigError(
            "device=cuda, but torch sees no GPU; use device=cpu or install a CUDA build of torch"
        )
    return count


def layout_on_gpus(count: int, training: TrainingConfig) -> tuple[int, list[str]]:
    """As many of ``count`` GPUs as divide the batch, with tensor parallelism 2 where they pair up, and bf16."""
    for ranks in range(count, 0, -1):
        tensor = 2 if ranks % 2 == 0 else 1
        if training.global_batch_size % (training.micro_batch_size * (ranks // tensor)) == 0:
            break
    layout = [
        f"parallel.tensor={tensor}",
        "parallel.pipeline=1",
        "parallel.context=1",
        "precision.dtype=bf16",
    ]
    return ranks, layout + (["parallel.sequence=false"] if tensor == 1 else [])


def _check_places(job: Job) -> None:
    """One folder of runs holds everything, so that the report and the next job find it."""
    wrong = [
        f"{name} is {seen}, but must be {wanted}"
        for name, seen, wanted in (
            ("run.folder in train.yaml", job.train.run.folder, job.run),
            ("data.manifest in train.yaml", job.train.data.manifest, job.manifest),
            ("output.folder in data.yaml", job.data.config.output.folder, job.runs / "data"),
        )
        if Path(seen).expanduser() != wanted
    ]
    if wrong:
        raise ConfigError("; ".join(wrong) + ". Give runs=FOLDER to set all three")


# --- stages ----------------------------------------------------------------------------------------------


def stages_of(job: Job, record: Record) -> list[Stage]:
    """The main job in order. Each stage's inputs hold what the one before wrote."""
    run, hf = job.run, job.run / "hf"
    train = ["-m", "megatron_ko.train", str(job.folder / "train.yaml"), *job.train_overrides]
    if job.device == "cuda":
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(job.ranks)]
        train = [*launcher, *train]
    else:
        train += ["--ranks", str(job.ranks)]
    samples = ["-m", "examples.generate", str(hf), "--out", str(run / "samples.json")]

    def data_inputs() -> Any:
        from preprocessing.steps.order import versions_of  # imports the steps, which takes a second

        files = [
            (label, *_stamp(file)) for u in find_units(job.data) for file, label in zip(u.files, u.labels)
        ]
        return [asdict(job.data.config), files, versions_of(job.data.config)]

    def hf_inputs() -> Any:
        marker = checkpoints_of(run)[-1] / MARKER
        return [str(marker), *_stamp(marker)]

    def report_inputs() -> Any:
        return {name: record.stages[name] for name in ("data", "train", "export", "samples")}

    return [
        Stage(
            "data",
            "Prepare the data",
            (
                "-m",
                "preprocessing",
                "run",
                str(job.folder / "data.yaml"),
                *job.data_overrides,
                "output.allow_bad_records=true",
            ),
            data_inputs,
            job.manifest.is_file,
        ),
        Stage(
            "train",
            "Train",
            tuple(train),
            lambda: [asdict(job.train), sha256_file(job.manifest)],
            lambda: (
                bool(found := checkpoints_of(run))
                and found[-1].name.endswith(f"{job.train.training.steps:08d}")
            ),
        ),
        Stage(
            "export",
            "Export to Hugging Face and verify",
            ("-m", "checkpoint_tools", "to-hf", f"src={run}", f"dst={hf}", "logits=true", "overwrite=true"),
            hf_inputs,
            (hf / "verification.json").is_file,
        ),
        Stage(
            "samples",
            "Generate text",
            tuple(samples),
            lambda: record.stages["export"],
            (run / "samples.json").is_file,
        ),
        Stage(
            "report",
            "Write the report",
            ("-m", "examples.report", str(job.runs)),
            report_inputs,
            (job.runs / "report.html").is_file,
        ),
    ]


def _stamp(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns
