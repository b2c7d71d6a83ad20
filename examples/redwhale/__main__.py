"""RedWhale in miniature with the commands that a user types: base models, a hybrid tokenizer, every initialization compared.

    python -m examples.redwhale [--seeds 1,2,3] [--korean-shares 0.05,0] [--new 2000] [--steps N] [--runs FOLDER]
                                [--english FILE,FILE] [--korean FILE,FILE]

Trains small models on English and Python, one for each seed and each value of ``--korean-shares``: that share of their
tokens is Korean, encoded as bytes. Adds Korean pieces with a hybrid tokenizer and measures, with
``mko checkpoint expand-vocab --init compare``, how well each initialization of their rows predicts Korean and English text
that neither the tokenizer nor a model has seen. Everything goes to one folder of runs; ``results.json`` and ``results.md``
contain the table.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from examples.options import seeds
from examples.redwhale.results import summary
from examples.redwhale.texts import split
from megatron_ko.config.cli import Parser, positive
from megatron_ko.errors import ConfigError, Problem
from megatron_ko.files import sha256_file
from megatron_ko.formats.run_folder import checkpoints_of
from megatron_ko.job.steps import Record, Step, exit_code_of_job, run_steps

T = TypeVar("T")

HERE = Path(__file__).resolve().parent
CORPUS = Path("examples/quickstart/corpus")
ENGLISH = ("en_encyclopedia.jsonl", "en_web.jsonl")
KOREAN = ("ko_encyclopedia.jsonl", "ko_web.jsonl", "ko_news.jsonl", "ko_noisy.jsonl")
ENGLISH_PART = 0.1
"""Share of English in the tokens that are not Korean; the rest is Python. A larger share would repeat the small English corpus."""


@dataclass(frozen=True)
class Options:
    """The command line. ``steps`` None uses the steps of train.yaml."""

    runs: Path = Path("runs/redwhale")
    seeds: tuple[int, ...] = (1, 2, 3)
    korean_shares: tuple[float, ...] = (0.05, 0.0)
    new: int = 2000
    steps: int | None = None
    judge_tokens: int = 8000
    english: tuple[Path, ...] = tuple(CORPUS / name for name in ENGLISH)
    korean: tuple[Path, ...] = tuple(CORPUS / name for name in KOREAN)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the unfinished steps and prints the table. Returns 0, or the exit code of the command that failed."""
    return exit_code_of_job(lambda: run(parse(arguments)))


def parse(arguments: Sequence[str] | None) -> Options:
    """Parses the command line. Raises UsageError or ConfigError for invalid settings."""
    parser = Parser(
        prog="python -m examples.redwhale", description=__doc__, argument_default=argparse.SUPPRESS
    )
    parser.add_argument(
        "--runs", type=Path, metavar="FOLDER", help="folder of results (default runs/redwhale)"
    )
    parser.add_argument("--seeds", type=seeds, metavar="N,N", help="seeds of base models (default 1,2,3)")
    parser.add_argument(
        "--korean-shares",
        type=_list_of(float),
        metavar="X,X",
        help="shares of Korean in the training tokens of base models (default 0.05,0)",
    )
    parser.add_argument("--new", type=positive, metavar="N", help="new Korean tokens (default 2000)")
    parser.add_argument(
        "--steps", type=positive, metavar="N", help="training steps (default: those of train.yaml)"
    )
    parser.add_argument("--judge-tokens", type=positive, metavar="N", help="tokens judged (default 8000)")
    for lang in ("english", "korean"):
        parser.add_argument(
            f"--{lang}", type=_list_of(Path), metavar="FILE,FILE", help=f"{lang.title()} text"
        )
    options = Options(**vars(parser.parse(arguments)))
    problems = [
        Problem("", "--korean-shares", f"{share} is not a share from 0 to below 1", "share-out-of-range")
        for share in options.korean_shares
        if not 0 <= share < 1
    ]
    problems += [
        Problem("", str(path), "no such file; paths are relative to the working directory", "missing-file")
        for path in (*options.english, *options.korean)
        if not path.is_file()
    ]
    if problems:
        raise ConfigError(problems)
    return options


def _list_of(kind: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """Reads values that are separated by commas."""

    def read(text: str) -> tuple[T, ...]:
        return tuple(kind(part) for part in text.split(","))

    return read


def run(options: Options) -> int:
    """Runs the steps, then prints the table. Returns the exit code of a command that failed."""
    record = Record(options.runs / "job.json")
    for lang, files in (("english", options.english), ("korean", options.korean)):
        split(files, options.runs / lang)
    run_steps(steps_of(options), record)
    reports = {
        share: [options.runs / f"judged_{label(share, seed)}" / "expansion.json" for seed in options.seeds]
        for share in options.korean_shares
    }
    print(summary(reports, options.runs), flush=True)
    return 0


def label(share: float, seed: int) -> str:
    """Name of a base model: ``ko5_1`` was trained with 5 % Korean and seed 1."""
    return f"ko{100 * share:g}_{seed}"


def steps_of(options: Options) -> list[Step]:
    """The commands; the inputs of a step include the outputs of earlier steps."""
    result = [_data(options), _hybrid(options)]
    for share in options.korean_shares:
        for seed in options.seeds:
            result += _base(options, share, seed)
    return result


def _base(options: Options, share: float, seed: int) -> list[Step]:
    runs, name = options.runs, label(share, seed)
    base, hf, judged = runs / f"base_{name}", runs / f"hf_{name}", runs / f"judged_{name}"
    texts = ",".join(str(runs / lang / "judge.jsonl") for lang in ("korean", "english"))
    model = f"base model {seed}, {share:.0%} Korean"
    return [
        Step(
            f"base_{name}",
            f"Train {model}",
            ("mko", "train", str(HERE / "train.yaml"), *_training(options, share, seed), "--ranks", "1"),
            lambda: [sha256_file(HERE / "train.yaml"), sha256_file(runs / "data" / "manifest.json")],
            lambda: bool(checkpoints_of(base)),
            base,
        ),
        Step(
            f"hf_{name}",
            f"Export {model}",
            ("mko", "checkpoint", "to-hf", str(base), str(hf), "--overwrite"),
            lambda: [sha256_file(path) for path in base.glob("checkpoints/*/checkpoint.json")],
            (hf / "verification.json").is_file,
        ),
        Step(
            f"judged_{name}",
            f"Judge every initialization in {model}",
            ("mko", "checkpoint", "expand-vocab", str(hf), str(judged), "--tokenizer", str(runs / "hybrid"),
             "--init", "compare", "--text", texts, "--focus-text", str(runs / "korean" / "learn.jsonl"),
             "--judge-tokens", str(options.judge_tokens), "--seed", str(seed), "--overwrite"),
            lambda: [sha256_file(hf / "model.safetensors"), sha256_file(runs / "hybrid" / "fingerprint.json")],
            (judged / "expansion.json").is_file,
        ),
    ]  # fmt: skip


def _data(options: Options) -> Step:
    runs = options.runs
    texts = {lang: runs / lang / "learn.jsonl" for lang in ("english", "korean")}
    overrides = [
        f"output.folder={runs / 'data'}",
        *(f"inputs.{lang}.paths=[{path}]" for lang, path in texts.items()),
    ]
    return Step(
        "data",
        "Prepare English, Python and Korean for the base models",
        ("mko", "data", "run", str(HERE / "data.yaml"), *overrides),
        lambda: [sha256_file(path) for path in (HERE / "data.yaml", *texts.values())],
        (runs / "data" / "manifest.json").is_file,
    )


def _hybrid(options: Options) -> Step:
    runs = options.runs
    learn = runs / "korean" / "learn.jsonl"
    return Step(
        "hybrid",
        "Merge Korean pieces into the base's tokenizer",
        ("mko", "tokenizer", "hybrid", str(runs / "data" / "tokenizer"), "--text", str(learn),
         "--out", str(runs / "hybrid"), "--new", str(options.new)),
        lambda: [sha256_file(learn), sha256_file(runs / "data" / "tokenizer" / "fingerprint.json")],
        (runs / "hybrid" / "fingerprint.json").is_file,
    )  # fmt: skip


def _training(options: Options, share: float, seed: int) -> list[str]:
    rest = 1 - share
    korean = f", ko: {share:.6f}" if share else ""
    overrides = [
        f"run.folder={options.runs / f'base_{label(share, seed)}'}",
        f"run.seed={seed}",
        f"data.manifest={options.runs / 'data' / 'manifest.json'}",
        f"data.mixture={{en: {ENGLISH_PART * rest:.6f}, code: {(1 - ENGLISH_PART) * rest:.6f}{korean}}}",
    ]
    if options.steps:
        overrides += [f"training.steps={options.steps}", f"checkpoint.every_steps={options.steps}"]
        overrides += [
            f"schedule.warmup_steps={options.steps // 10}",
            f"schedule.decay_steps={options.steps // 3}",
        ]
    return overrides


if __name__ == "__main__":
    raise SystemExit(main())
