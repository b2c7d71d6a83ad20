"""Facts of a report, read from the files of a job (``docs/formats.md``).

Owns the list of these files with the command that writes each, and the numbers derived from them. Draws nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from megatron_ko.config.loading import load
from megatron_ko.config.training import Config
from megatron_ko.errors import DataError, Problem
from megatron_ko.files import read_json
from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.formats.data_record import TrainedSet
from megatron_ko.formats.run_folder import checkpoints_of, is_run_folder, read_metrics
from megatron_ko.planning.run_plan import average_mixture_of

PREPROCESS = "mko data run DATA.yaml"
TRAIN = "mko train TRAIN.yaml --ranks N"
EXPORT = "mko checkpoint to-hf {train} {train}/hf --logits"
GENERATE = "mko generate {train}/hf --out {train}/samples.json"


@dataclass(frozen=True)
class SetFacts:
    """One training set: configured share, tokens in the set, tokens trained so far."""

    name: str
    share: float
    tokens: int
    drawn: int

    @property
    def epochs(self) -> float:
        return self.drawn / self.tokens


@dataclass(frozen=True)
class Facts:
    """The files of one job, parsed; ``train`` and ``valid`` are metrics in the order of their steps."""

    runs: Path
    manifest: dict[str, Any]
    funnel: dict[str, Any]
    tokenizer: dict[str, Any]
    config: Config
    plan: str
    start: dict[str, Any]
    train: list[dict[str, Any]]
    valid: list[dict[str, Any]]
    seconds: float
    """Training time over all starts, without the time between them."""
    sets: list[SetFacts]
    verification: dict[str, Any]
    samples: dict[str, Any]
    steps: dict[str, Any]

    @property
    def set_names(self) -> list[str]:
        """Training and validation sets, each name once, in the order of the manifest."""
        return list(dict.fromkeys(item["name"] for item in self.manifest["sets"]))


def read_facts(runs: Path) -> Facts:
    """Raises DataError that names missing or damaged files and the commands that write them."""
    if not runs.is_dir():
        raise DataError(f"{runs}: there is no such folder; check the path", rule="missing-folder")
    data, train = runs / "data", runs / "train"
    commands = {
        data / "manifest.json": PREPROCESS,
        data / "funnel.json": PREPROCESS,
        data / "tokenizer_report.json": PREPROCESS,
        train / "config.yaml": TRAIN,
        train / "plan.txt": TRAIN,
        train / "metrics.jsonl": TRAIN,
        train / "hf" / "verification.json": EXPORT,
        train / "samples.json": GENERATE,
    }
    missing = [
        Problem(str(file), "", f"is missing; write it with '{command.format(train=train)}'", "missing-file")
        for file, command in commands.items()
        if not file.is_file()
    ]
    if len(missing) == len(commands):
        raise DataError(f"{runs}: contains no file of a job; {_suggest_runs(runs)}", rule="not-a-job")
    if missing:
        raise DataError(missing, hint="or run the whole job: mko job FOLDER")
    metrics = list(read_metrics(train / "metrics.jsonl"))
    kinds = {kind: [m for m in metrics if m.get("kind") == kind] for kind in ("start", "train", "valid")}
    for kind, records in kinds.items():
        if not records:
            raise DataError(
                f"{train / 'metrics.jsonl'}: contains no line of kind {kind!r}; write it with '{TRAIN}'",
                rule="no-metrics",
            )
    config = load(Config, [str(train / "config.yaml")], []).config
    manifest = read_json(data / "manifest.json")
    record = runs / "job.json"
    try:
        return Facts(
            runs=runs,
            manifest=manifest,
            funnel=read_json(data / "funnel.json"),
            tokenizer=read_json(data / "tokenizer_report.json"),
            config=config,
            plan=(train / "plan.txt").read_text(encoding="utf-8"),
            start=kinds["start"][-1],
            train=kinds["train"],
            valid=kinds["valid"],
            seconds=_seconds(metrics),
            sets=_sets(train, manifest, config, kinds["train"][-1]),
            verification=read_json(train / "hf" / "verification.json"),
            samples=read_json(train / "samples.json"),
            steps=read_json(record)["steps"] if record.is_file() else {},
        )
    except (KeyError, TypeError) as error:
        message = f"{runs}: key {error} is missing in a file of the job; run the job again"
        raise DataError(message, rule="missing-key") from None


def _suggest_runs(runs: Path) -> str:
    """What to do about a folder without any file of a job: a run folder is probably the part of one."""
    if is_run_folder(runs):
        return f"it is a run folder; did you mean {runs.parent}?"
    return "name the folder that 'mko job' writes to, such as runs/quickstart"


def _seconds(metrics: list[dict[str, Any]]) -> float:
    """Sum of the times from each ``start`` to the last line before the next ``start``."""
    total, begin, last = 0.0, metrics[0]["time"], metrics[0]["time"]
    for record in metrics:
        if record["kind"] == "start":
            total += last - begin
            begin = record["time"]
        last = record["time"]
    return total + last - begin


def _sets(train: Path, manifest: dict[str, Any], config: Config, last: dict[str, Any]) -> list[SetFacts]:
    """Sets in the order of the manifest. Trained tokens are those of the last checkpoint's record, or else from the shares."""
    shares = average_mixture_of(config.data, manifest["mixture"])
    sizes = {item["name"]: item["tokens"] for item in manifest["sets"] if item["split"] == "train"}
    trained = _trained_sets(train, last["samples"])
    sets = []
    for name in sizes:
        if name not in shares:
            continue
        share = shares[name]
        tokens = int(share * last["samples"] + 0.5) * config.training.sequence_length
        if item := trained.get(name):
            position = item.position
            tokens = position.tokens if position else item.samples * config.training.sequence_length
        sets.append(SetFacts(name, share, sizes[name], tokens))
    return sets


def _trained_sets(train: Path, samples: int) -> dict[str, TrainedSet]:
    """The record of the newest checkpoint, if it is the one after ``samples`` samples and has one."""
    folders = checkpoints_of(train)
    checkpoint = Checkpoint.read(folders[-1]) if folders else None
    if checkpoint is None or checkpoint.samples != samples or checkpoint.data is None:
        return {}
    return checkpoint.data.train


def smooth(values: list[float], share: float = 0.04) -> list[float]:
    """Averages values over ``share`` of them on each side with triangular weights; centered, so without delay."""
    reach = max(1, round(share * len(values)))
    averages = []
    for here in range(len(values)):
        near = range(max(0, here - reach), min(len(values), here + reach + 1))
        weights = [reach + 1 - abs(other - here) for other in near]
        averages.append(sum(w * values[other] for w, other in zip(weights, near, strict=True)) / sum(weights))
    return averages
