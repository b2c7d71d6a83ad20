"""Kanana's importance table (arXiv 2502.18934) in miniature, with the commands that a user types.

    python -m examples.importance [--seeds 1,2,3] [--steps N] [--recovery-steps N] [--ranks N] [--runs FOLDER]

Trains a small model for each seed, scores it with ``mko importance``, prunes it with ``mko checkpoint prune`` in six ways, and
trains each result for a short time. Ends with bits per byte of text that no model has seen, before and after that training.
``results.md`` and ``results.json`` in the folder of runs contain the table. A second call repeats only what changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from examples.importance.results import ROWS, summary
from examples.options import seeds
from megatron_ko.config.cli import Parser, positive
from megatron_ko.files import sha256_file
from megatron_ko.formats.run_folder import checkpoints_of
from megatron_ko.job.steps import Record, Step, exit_code_of_job, run_steps

HERE = Path("examples/importance")
SHAPE = ("--hidden-size", "96", "--ffn-hidden-size", "288", "--heads", "8")
"""Two thirds of each size, as between two students of Kanana: 12 heads on 4 groups become 8."""


@dataclass(frozen=True)
class Options:
    """The command line. Steps None are those of train.yaml and recover.yaml."""

    runs: Path = Path("runs/importance")
    seeds: tuple[int, ...] = (1, 2, 3)
    steps: int | None = None
    recovery_steps: int | None = None
    ranks: int = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the unfinished steps and prints the table. Returns 0, or the exit code of the command that failed."""
    return exit_code_of_job(lambda: run(parse(arguments)))


def parse(arguments: Sequence[str] | None) -> Options:
    """Parses the command line. Raises UsageError for invalid settings."""
    parser = Parser(
        prog="python -m examples.importance", description=__doc__, argument_default=argparse.SUPPRESS
    )
    parser.add_argument(
        "--runs", type=Path, metavar="FOLDER", help="folder of results (default runs/importance)"
    )
    parser.add_argument("--seeds", type=seeds, metavar="N,N", help="seeds of the models (default 1,2,3)")
    parser.add_argument("--steps", type=positive, metavar="N", help="steps of a model (default: train.yaml)")
    parser.add_argument(
        "--recovery-steps", type=positive, metavar="N", help="steps after pruning (default: recover.yaml)"
    )
    parser.add_argument("--ranks", type=positive, metavar="N", help="ranks to train on (default 2)")
    return Options(**vars(parser.parse(arguments)))


def run(options: Options) -> int:
    """Runs the steps, then prints the table. Returns the exit code of a command that failed."""
    record = Record(options.runs / "job.json")
    run_steps(steps_of(options), record)
    parents = [options.runs / f"parent_{seed}" for seed in options.seeds]
    students = {
        row.name: [options.runs / f"recovered_{seed}_{row.name}" for seed in options.seeds] for row in ROWS
    }
    print(summary(parents, students, options.runs), flush=True)
    return 0


def steps_of(options: Options) -> list[Step]:
    """The commands; the inputs of a step include the outputs of earlier steps."""
    result = [_data(options)]
    for seed in options.seeds:
        result += [_parent(options, seed), _scores(options, seed)]
        for row in ROWS:
            result += [_pruned(options, seed, row.name, row.options), _recovered(options, seed, row.name)]
    return result


def _data(options: Options) -> Step:
    folder = options.runs / "data"
    return Step(
        "data", "Prepare Python, English and Korean",
        ("mko", "data", "run", str(HERE / "data.yaml"), f"output.folder={folder}"),
        lambda: [sha256_file(HERE / "data.yaml")], (folder / "manifest.json").is_file,
    )  # fmt: skip


def _settings(options: Options, run_folder: Path, seed: int, length: int | None) -> tuple[str, ...]:
    """Overrides of a training; a shorter one decays over its last third."""
    manifest = options.runs / "data" / "manifest.json"
    shorter: tuple[str, ...] = ()
    if length is not None:
        shorter = (f"training.steps={length}", f"checkpoint.every_steps={length}", f"evaluation.every_steps={length}",
                   f"schedule.warmup_steps={length // 10}")  # fmt: skip
    return (f"run.folder={run_folder}", f"run.seed={seed}", f"data.manifest={manifest}", *shorter)


def _marker(folder: Path) -> list[str]:
    """Hashes of the marker of a checkpoint, which names the checksums of its files."""
    return [sha256_file(path) for path in sorted(folder.glob("**/checkpoint.json"))]


def _parent_settings(options: Options, seed: int) -> tuple[str, ...]:
    settings = _settings(options, options.runs / f"parent_{seed}", seed, options.steps)
    return settings if options.steps is None else (*settings, f"schedule.decay_steps={options.steps // 3}")


def _parent(options: Options, seed: int) -> Step:
    folder = options.runs / f"parent_{seed}"
    return Step(
        folder.name, f"Train model {seed}",
        ("mko", "train", str(HERE / "train.yaml"), *_parent_settings(options, seed), "--ranks", str(options.ranks)),
        lambda: [sha256_file(HERE / "train.yaml"), sha256_file(options.runs / "data" / "manifest.json")],
        lambda: bool(checkpoints_of(folder)), folder,
    )  # fmt: skip


def _scores(options: Options, seed: int) -> Step:
    out = options.runs / f"scores_{seed}.safetensors"
    return Step(
        f"scores_{seed}", f"Score model {seed}",
        ("mko", "importance", str(HERE / "train.yaml"), *_parent_settings(options, seed), "--samples", "128",
         "--out", str(out), "--ranks", str(options.ranks)),
        lambda: _marker(options.runs / f"parent_{seed}"), out.is_file,
    )  # fmt: skip


def _pruned(options: Options, seed: int, name: str, choices: tuple[str, ...]) -> Step:
    scores, folder = options.runs / f"scores_{seed}.safetensors", options.runs / f"pruned_{seed}_{name}"
    return Step(
        folder.name, f"Prune model {seed}: {name}",
        ("mko", "checkpoint", "prune", str(options.runs / f"parent_{seed}"), str(folder), "--scores", str(scores), *SHAPE,
         *choices, "--overwrite"),
        lambda: [sha256_file(scores)], (folder / "verification.json").is_file,
    )  # fmt: skip


def _recovered(options: Options, seed: int, name: str) -> Step:
    pruned, folder = options.runs / f"pruned_{seed}_{name}", options.runs / f"recovered_{seed}_{name}"
    settings = _settings(options, folder, 100 + seed, options.recovery_steps)
    weights = (f"model.from={pruned}", f"checkpoint.initial_weights={pruned}")
    return Step(
        folder.name, f"Train model {seed} again: {name}",
        ("mko", "train", str(HERE / "recover.yaml"), *settings, *weights, "--ranks", str(options.ranks)),
        lambda: [sha256_file(HERE / "recover.yaml"), *_marker(pruned)], lambda: bool(checkpoints_of(folder)), folder,
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
