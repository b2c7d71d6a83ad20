"""Kanana's chain in miniature (arXiv 2502.18934), with the commands that a user types: pruned and distilled against from scratch.

    python -m examples.kanana [--seeds 1,2,3] [--steps N] [--ranks N] [--data FOLDER] [--runs FOLDER]

Trains a teacher, cuts it to a student of half its size and that one to a quarter, and lets each learn from the teacher for a tenth
of the tokens. Beside them: the small student from scratch for all tokens, with untied embeddings, and without the teacher.
``results.md`` and ``results.json`` in the folder of runs contain the table. A second call continues where the first one stopped, and
repeats only what changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from examples.kanana.chain import (
    MINIATURE,
    Cut,
    identity_of,
    prune_step,
    score_step,
    scores_file,
    training_step,
)
from examples.kanana.results import Row, summarize
from examples.options import seeds
from megatron_ko.config.cli import Parser, positive
from megatron_ko.config.loading import load
from megatron_ko.config.training import Config
from megatron_ko.errors import ConfigError, Problem, UsageError
from megatron_ko.files import sha256_file
from megatron_ko.formats.manifest import read_manifest
from megatron_ko.formats.run_folder import checkpoints_of
from megatron_ko.job.steps import Record, Step, exit_code_of_job, run_steps
from megatron_ko.planning.flops import flops_per_token, forward_flops_per_token
from megatron_ko.planning.weights import padded_vocab_size, parameter_count

HERE = Path("examples/kanana")
TRAIN, DISTILL = HERE / "train.yaml", HERE / "distill.yaml"
PART = 10
"""A student learns for this part of the steps of the teacher and of the model from scratch, as Kanana's 0.3T of 3T tokens."""
SAMPLES = 256
HALF, QUARTER = MINIATURE["half"], MINIATURE["quarter"]
UNTIED = replace(QUARTER, ties=False)
SCRATCH_RATE = 4e-3
"""Learning rate of a quarter from scratch: with that of train.yaml it ends higher (2.942 instead of 2.910 bits per byte, measured)."""


@dataclass(frozen=True)
class Options:
    """The command line. ``steps``: of the teacher and of the model from scratch. ``data``: folder of ``mko data run``; None prepares
    the text of the example."""

    runs: Path = Path("runs/kanana")
    data: Path | None = None
    seeds: tuple[int, ...] = (1, 2, 3)
    steps: int = 300
    ranks: int = 2

    @property
    def manifest(self) -> Path:
        return (self.data or self.runs / "data") / "manifest.json"

    @property
    def distilled_steps(self) -> int:
        return max(self.steps // PART, 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the unfinished steps and prints the table. Returns 0, or the exit code of the command that failed."""
    return exit_code_of_job(lambda: run(parse(arguments)))


def parse(arguments: Sequence[str] | None) -> Options:
    """Parses the command line. Raises UsageError or ConfigError for invalid settings."""
    parser = Parser(prog="python -m examples.kanana", description=__doc__, argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add("--runs", type=Path, metavar="FOLDER", help="folder of results (default runs/kanana)")
    add("--data", type=Path, metavar="FOLDER", help="folder of mko data run (default: prepare the text of the example)")  # fmt: skip
    add("--seeds", type=seeds, metavar="N,N", help="seeds of the students (default 1,2,3)")
    add("--steps", type=positive, metavar="N", help="steps of the teacher and of the model from scratch (default 300)")  # fmt: skip
    add("--ranks", type=positive, metavar="N", help="ranks to train on (default 2)")
    options = Options(**vars(parser.parse(arguments)))
    if options.steps < PART:
        raise UsageError(f"--steps {options.steps}: must be at least {PART}, of which a student gets a part", rule="usage")  # fmt: skip
    if options.data and not options.manifest.is_file():
        message = f"{options.manifest}: no such file; write it with 'mko data run', or leave out --data"
        raise ConfigError([Problem("", "--data", message, "missing-file")])
    return options


def run(options: Options) -> int:
    """Runs the steps, then prints the table. Returns the exit code of a command that failed."""
    run_steps(steps_of(options), Record(options.runs / "job.json"))
    print(summarize(rows_of(options), options.runs), flush=True)
    return 0


# --- steps -----------------------------------------------------------------------------------------------


def steps_of(options: Options) -> list[Step]:
    """The commands; the inputs of a step include the outputs of earlier steps."""
    runs = options.runs
    teacher, half = runs / "teacher", runs / "pruned_half"
    result = [] if options.data else [_text(options), _data(options)]
    result += [
        _trained(options, teacher, "Train the teacher", (), 1),
        score_step("half", teacher, runs / "scores_half", _scoring(options), SAMPLES, options.ranks),
        prune_step("half", teacher, scores_file(runs / "scores_half"), half, HALF),
    ]
    for seed in options.seeds:
        result += _student(options, half, seed)
    return result


def _student(options: Options, half: Path, seed: int) -> list[Step]:
    """The rest of the chain for one seed, and what it is compared with."""
    runs = options.runs
    distilled, scored = runs / f"distilled_half_{seed}", runs / f"scores_quarter_{seed}"
    tied, untied = runs / f"pruned_quarter_{seed}", runs / f"pruned_untied_{seed}"
    return [
        _distilled(options, half, distilled, seed),
        score_step("quarter", distilled, scored, _scoring(options), SAMPLES, options.ranks),
        prune_step("quarter", distilled, scores_file(scored), tied, QUARTER),
        _distilled(options, tied, runs / f"distilled_quarter_{seed}", seed),
        prune_step("untied", distilled, scores_file(scored), untied, UNTIED),
        _distilled(options, untied, runs / f"distilled_untied_{seed}", seed),
        _distilled(options, tied, runs / f"text_quarter_{seed}", seed, teaches=False),
        _scratch(options, "scratch", QUARTER, seed, 1),
        _scratch(options, "scratch_untied", UNTIED, seed, 1),
        _scratch(options, "short", QUARTER, seed, PART),
    ]


def _scratch(options: Options, name: str, cut: Cut, seed: int, part: int) -> Step:
    """The shape of a student from random weights."""
    words = (*cut.overrides(), f"run.seed={seed}", f"optimizer.learning_rate={SCRATCH_RATE}")
    title = f"Train from scratch: {name}, seed {seed}"
    return _trained(options, options.runs / f"{name}_{seed}", title, words, part)


def _text(options: Options) -> Step:
    path = options.runs / "english.jsonl"
    return Step(
        "text", "Write the documentation of this Python as English text",
        ("python", "-m", "examples.continue.texts", str(path)),
        lambda: [sha256_file(Path("examples/continue/texts.py"))], path.is_file,
    )  # fmt: skip


def _data(options: Options) -> Step:
    english = options.runs / "english.jsonl"
    return Step(
        "data", "Prepare English, Python and Korean",
        ("mko", "data", "run", str(HERE / "data.yaml"), f"output.folder={options.manifest.parent}",
         f"inputs.documentation.paths=[{english}]"),
        lambda: [sha256_file(HERE / "data.yaml"), sha256_file(english)], options.manifest.is_file,
    )  # fmt: skip


def _length(steps: int) -> tuple[str, ...]:
    return (f"training.steps={steps}", f"checkpoint.every_steps={steps}", f"evaluation.every_steps={steps}",
            f"schedule.warmup_steps={steps // 10}")  # fmt: skip


def _trained(options: Options, folder: Path, title: str, words: Sequence[str], part: int) -> Step:
    """A training from random weights for the ``part``-th part of the steps, which decays over its last third."""
    steps = max(options.steps // part, 1)
    settings = (
        *_length(steps),
        f"schedule.decay_steps={max(steps // 3, 1)}",
        f"data.manifest={options.manifest}",
    )
    return training_step(
        folder, title, (str(TRAIN), *words, *settings), options.ranks,
        lambda: [sha256_file(TRAIN), sha256_file(options.manifest)], lambda: bool(checkpoints_of(folder)),
    )  # fmt: skip


def _distilled(options: Options, weights: Path, folder: Path, seed: int, teaches: bool = True) -> Step:
    """A pruned model learns from the teacher, or without ``teaches`` from the text alone."""
    teacher = options.runs / "teacher"
    words = (
        str(DISTILL), *_length(options.distilled_steps), f"run.seed={seed}", f"data.manifest={options.manifest}",
        f"model.from={weights}", f"checkpoint.initial_weights={weights}",
        f"distillation.teacher={teacher}" if teaches else "distillation=none",
    )  # fmt: skip
    return training_step(
        folder, f"{'Distill' if teaches else 'Train without the teacher'}: {folder.name}", words, options.ranks,
        lambda: [sha256_file(DISTILL), identity_of(weights), identity_of(teacher)], lambda: bool(checkpoints_of(folder)),
    )  # fmt: skip


def _scoring(options: Options) -> tuple[str, ...]:
    return (str(DISTILL), "distillation=none", f"data.manifest={options.manifest}")


# --- the table -------------------------------------------------------------------------------------------


def rows_of(options: Options) -> list[Row]:
    """The rows of the table, whose compute is compared with that of ``scratch``. Reads the vocabulary."""
    vocab_size = read_manifest(options.manifest).vocab_size
    config = load(Config, [str(TRAIN)], []).config
    padded, length = (
        padded_vocab_size(vocab_size, config.model.vocab_multiple),
        config.training.sequence_length,
    )
    tokens_per_step = config.training.global_batch_size * length
    of_teacher = forward_flops_per_token(config.model, padded, length)
    many, few = options.steps * tokens_per_step, options.distilled_steps * tokens_per_step

    def row(name: str, title: str, cut: Cut | None, tokens: int, teaches: bool = False) -> Row:
        model = cut.of(config.model) if cut else config.model
        own = flops_per_token(model, padded, length) + of_teacher * teaches
        seeds = ("",) if cut is None else tuple(f"_{seed}" for seed in options.seeds)
        runs = tuple(options.runs / f"{name}{seed}" for seed in seeds)
        return Row(name, title, parameter_count(model, vocab_size), tokens, own * tokens, runs)

    return [
        row("teacher", "the teacher", None, many),
        row("distilled_half", "half, distilled", HALF, few, True),
        row("distilled_quarter", "quarter, distilled", QUARTER, few, True),
        row("distilled_untied", "the same, untied", UNTIED, few, True),
        row("text_quarter", "quarter, pruned, without teacher", QUARTER, few),
        row("scratch", "quarter from scratch", QUARTER, many),
        row("scratch_untied", "the same, untied", UNTIED, many),
        row("short", "quarter from scratch, short", QUARTER, few),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
