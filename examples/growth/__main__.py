"""Growth in miniature, with the commands that a user types: 8 layers become 10, beside the parent at equal compute.

    python -m examples.growth [--steps N] [--further-steps N] [--ranks N] [--runs FOLDER]

Trains a small model of 8 layers on English and Korean, grows it with ``mko checkpoint grow`` to 10 layers as SOLAR does (copied
layers) and as LLaMA-Pro does (silent ones), and trains both further; the parent continues for as many FLOPs. Ends with the dip,
the steps until the parent's loss is regained, and the loss at the end. ``results.md`` and ``results.json`` in the folder of runs
contain the table. A second call repeats only what changed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from examples.growth.results import summarize
from megatron_ko.config.cli import Parser, positive
from megatron_ko.config.loading import load
from megatron_ko.config.training import Config
from megatron_ko.files import sha256_file
from megatron_ko.formats.run_folder import checkpoints_of
from megatron_ko.job.steps import Record, Step, exit_code_of_job, run_steps
from megatron_ko.planning.flops import flops_per_token

HERE = Path("examples/growth")
VOCABULARY = 2001
LAYERS = {"solar": 10, "llama-pro": 10}
"""Layers of each grown model, by the name of its map."""
TITLES = {"solar": "solar: 0-4,3-7", "llama-pro": "llama-pro: 2 silent layers"}


@dataclass(frozen=True)
class Options:
    """The command line. ``steps``: of the parent; ``further_steps``: of a grown model."""

    runs: Path = Path("runs/growth")
    steps: int = 240
    further_steps: int = 120
    ranks: int = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the unfinished steps and prints the table. Returns 0, or the exit code of the command that failed."""
    return exit_code_of_job(lambda: run(parse(arguments)))


def parse(arguments: Sequence[str] | None) -> Options:
    """Parses the command line. Raises UsageError for invalid settings."""
    parser = Parser(prog="python -m examples.growth", description=__doc__, argument_default=argparse.SUPPRESS)
    parser.add_argument("--runs", type=Path, metavar="FOLDER", help="folder of results (default runs/growth)")
    parser.add_argument("--steps", type=positive, metavar="N", help="steps of the parent (default 240)")
    parser.add_argument(
        "--further-steps", type=positive, metavar="N", help="steps of a grown model (default 120)"
    )
    parser.add_argument("--ranks", type=positive, metavar="N", help="ranks to train on (default 1)")
    return Options(**vars(parser.parse(arguments)))


def run(options: Options) -> int:
    """Runs the steps, then prints the table. Returns the exit code of a command that failed."""
    record = Record(options.runs / "job.json")
    run_steps(steps_of(options), record)
    parent_layers = _parent_config().model.layers
    trainings = {
        TITLES[name]: (options.runs / f"trained_{name}", layers, flops_per_step(layers))
        for name, layers in LAYERS.items()
    }
    trainings["the parent"] = (options.runs / "continued", parent_layers, flops_per_step(parent_layers))
    print(summarize(trainings, options.runs / "parent", options.runs), flush=True)
    return 0


# --- compute ---------------------------------------------------------------------------------------------


def _parent_config() -> Config:
    return load(Config, [str(HERE / "train.yaml")], []).config


def flops_per_step(layers: int) -> float:
    """FLOPs of one step of a model of so many layers and the other sizes of the parent."""
    config = _parent_config()
    model, training = replace(config.model, layers=layers), config.training
    tokens = training.global_batch_size * training.sequence_length
    return tokens * flops_per_token(model, VOCABULARY, training.sequence_length)


def equal_steps(further_steps: int) -> int:
    """Steps of the parent that take as many FLOPs as ``further_steps`` of a grown model."""
    return round(
        further_steps * flops_per_step(max(LAYERS.values())) / flops_per_step(_parent_config().model.layers)
    )


# --- steps -----------------------------------------------------------------------------------------------


def steps_of(options: Options) -> list[Step]:
    """The commands; the inputs of a step include the outputs of earlier steps."""
    parent = options.runs / "parent"
    result = [_text(options), _data(options), _parent(options)]
    for name, layers in LAYERS.items():
        grown = options.runs / f"grown_{name}"
        result += [
            Step(
                grown.name, f"Grow it: {name}",
                ("mko", "checkpoint", "grow", str(parent), str(grown), "--name", name, "--layers", str(layers), "--overwrite"),
                lambda: _newest(parent), (grown / "verification.json").is_file,
            ),
            _further(options, f"trained_{name}", grown, options.further_steps),
        ]  # fmt: skip
    return [*result, _further(options, "continued", parent, equal_steps(options.further_steps))]


def _text(options: Options) -> Step:
    path = options.runs / "english.jsonl"
    return Step(
        "text", "Write the documentation of this Python as English text",
        ("python", "-m", "examples.continue.texts", str(path)),
        lambda: [sys.version, sha256_file(Path("examples/continue/texts.py"))], path.is_file,
    )  # fmt: skip


def _data(options: Options) -> Step:
    folder, english = options.runs / "data", options.runs / "english.jsonl"
    return Step(
        "data", "Prepare English and Korean",
        ("mko", "data", "run", str(HERE / "data.yaml"), f"output.folder={folder}",
         f"inputs.documentation.paths=[{english}]"),
        lambda: [sha256_file(HERE / "data.yaml"), sha256_file(english)], (folder / "manifest.json").is_file,
    )  # fmt: skip


def _parent(options: Options) -> Step:
    folder, manifest, count = options.runs / "parent", options.runs / "data" / "manifest.json", options.steps
    settings = (f"run.folder={folder}", f"data.manifest={manifest}", f"training.steps={count}",
                f"schedule.warmup_steps={count // 8}", f"evaluation.every_steps={count}",
                f"checkpoint.every_steps={count}")  # fmt: skip
    return Step(
        "parent", "Train the parent of 8 layers",
        ("mko", "train", str(HERE / "train.yaml"), *settings, "--ranks", str(options.ranks)),
        lambda: [sha256_file(HERE / "train.yaml"), sha256_file(manifest)], lambda: bool(checkpoints_of(folder)), folder,
    )  # fmt: skip


def _further(options: Options, name: str, weights: Path, count: int) -> Step:
    """A training of ``count`` steps from ``weights``, which decays over its last third."""
    folder, manifest = options.runs / name, options.runs / "data" / "manifest.json"
    settings = (f"run.folder={folder}", f"data.manifest={manifest}", f"model.from={weights}",
                f"checkpoint.initial_weights={weights}", f"training.steps={count}", f"checkpoint.every_steps={count}",
                f"schedule.warmup_steps={count // 12}", f"schedule.decay_steps={max(count // 3, 1)}")  # fmt: skip
    return Step(
        name, f"Train further: {name}",
        ("mko", "train", str(HERE / "further.yaml"), *settings, "--ranks", str(options.ranks)),
        lambda: [sha256_file(HERE / "further.yaml"), *_newest(weights)], lambda: bool(checkpoints_of(folder)), folder,
    )  # fmt: skip


def _newest(model: Path) -> list[str]:
    """Identity of the newest checkpoint of a run, or of a checkpoint: its marker lists the checksums of its files."""
    return [sha256_file(path) for path in sorted(model.glob("**/checkpoint.json"))[-1:]]


if __name__ == "__main__":
    raise SystemExit(main())
