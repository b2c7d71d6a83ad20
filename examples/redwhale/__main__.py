"""RedWhale in miniature, by the commands a user would type: base models, a hybrid tokenizer, every initialization judged.

    python -m examples.redwhale [seeds=1,2,3] [korean_shares=0.05,0] [new=2000] [steps=N] [runs=FOLDER]
                                [english=FILE,FILE] [korean=FILE,FILE]

Small models are trained on English and Python, one for each seed and each of ``korean_shares``: that share of their
tokens is Korean, written in bytes. A hybrid tokenizer adds Korean pieces, ``expand-vocab init=compare`` says how well
each initialization of their rows predicts Korean and English text that neither the tokenizer nor a model has seen.
Everything is written to one folder of runs; ``results.json`` and ``results.md`` hold the table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples import stages
from examples.redwhale.results import summary
from examples.redwhale.texts import split
from examples.stages import Record, Stage
from megatron_ko.errors import ConfigError, exit_code_of
from megatron_ko.files import sha256_file

HERE = Path(__file__).resolve().parent
CORPUS = Path("examples/quickstart/corpus")
ENGLISH = ("en_encyclopedia.jsonl", "en_web.jsonl")
KOREAN = ("ko_encyclopedia.jsonl", "ko_web.jsonl", "ko_news.jsonl", "ko_noisy.jsonl")
ENGLISH_PART = 0.1
"""English in what is not Korean; the rest is Python. The quick start's English is small: more would be read many times."""


@dataclass(frozen=True)
class Options:
    """The command line. ``steps`` None keeps those of train.yaml."""

    runs: Path = Path("runs/redwhale")
    seeds: tuple[int, ...] = (1, 2, 3)
    korean_shares: tuple[float, ...] = (0.05, 0.0)
    new: int = 2000
    steps: int | None = None
    judge_tokens: int = 8000
    english: tuple[Path, ...] = tuple(CORPUS / name for name in ENGLISH)
    korean: tuple[Path, ...] = tuple(CORPUS / name for name in KOREAN)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what is not finished and prints the table. Returns 0, or the exit code of the command that failed."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.redwhale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("settings", nargs="*", metavar="name=value", help="see above")
    given = parser.parse_args(arguments)
    try:
        return exit_code_of(lambda: run(parse(given.settings)))
    except KeyboardInterrupt:
        return 130


def parse(settings: Sequence[str]) -> Options:
    """Raises ConfigError naming every setting that is not understood."""
    found: dict[str, Any] = {}
    problems = []
    for setting in settings:
        name, _, value = setting.partition("=")
        try:
            found[name] = _READ[name](value)
        except (KeyError, ValueError):
            problems.append(
                f"{setting!r}: write one of {', '.join(f'{known}=' for known in _READ)} and a value"
            )
    options = Options(**found) if not problems else Options()
    for share in options.korean_shares:
        if not 0 <= share < 1:
            problems.append(f"korean_shares: {share}: write shares from 0 to below 1")
    for path in (*options.english, *options.korean):
        if not path.is_file():
            problems.append(f"{path}: no such file; paths are relative to the working directory")
    if problems:
        raise ConfigError("\n  ".join(problems))
    return options


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def _files(text: str) -> tuple[Path, ...]:
    if not text:
        raise ValueError(text)
    return tuple(Path(part).expanduser() for part in text.split(","))


_READ = {
    "runs": lambda text: _files(text)[0],
    "seeds": lambda text: tuple(_positive(part) for part in text.split(",")),
    "korean_shares": lambda text: tuple(float(part) for part in text.split(",")),
    "new": _positive,
    "steps": _positive,
    "judge_tokens": _positive,
    "english": _files,
    "korean": _files,
}


def run(options: Options) -> int:
    """The stages, then the table. Ends with the exit code of a command that failed."""
    record = Record(options.runs / "stages.json")
    for lang, files in (("english", options.english), ("korean", options.korean)):
        split(files, options.runs / lang)
    plan = stages_of(options)
    for number, stage in enumerate(plan, start=1):
        try:
            stages.run_stage(stage, record, number, len(plan))
        except stages.StageFailed as failure:
            print(f"\n{failure.label}: {failure}", file=sys.stderr, flush=True)
            return failure.code
    reports = {
        share: [options.runs / f"judged_{label(share, seed)}" / "expansion.json" for seed in options.seeds]
        for share in options.korean_shares
    }
    print(summary(reports, options.runs), flush=True)
    return 0


def label(share: float, seed: int) -> str:
    """Of one base model: ``ko5_1`` saw 5 % Korean and has seed 1."""
    return f"ko{100 * share:g}_{seed}"


def stages_of(options: Options) -> list[Stage]:
    """One command each; the inputs of a stage hold what the ones before wrote."""
    found = [_data(options), _hybrid(options)]
    for share in options.korean_shares:
        for seed in options.seeds:
            found += _base(options, share, seed)
    return found


def _base(options: Options, share: float, seed: int) -> list[Stage]:
    runs, name = options.runs, label(share, seed)
    base, hf, judged = runs / f"base_{name}", runs / f"hf_{name}", runs / f"judged_{name}"
    texts = ",".join(str(runs / lang / "judge.jsonl") for lang in ("korean", "english"))
    model = f"base model {seed}, {share:.0%} Korean"
    return [
        Stage(
            f"base_{name}",
            f"Train {model}",
            ("-m", "megatron_ko.train", str(HERE / "train.yaml"), *_training(options, share, seed), "--ranks", "1"),
            lambda: [sha256_file(HERE / "train.yaml"), sha256_file(runs / "data" / "manifest.json")],
            lambda: any(base.glob("checkpoints/*/checkpoint.json")),
        ),
        Stage(
            f"hf_{name}",
            f"Export {model}",
            ("-m", "checkpoint_tools", "to-hf", f"src={base}", f"dst={hf}", "overwrite=true"),
            lambda: [sha256_file(path) for path in base.glob("checkpoints/*/checkpoint.json")],
            (hf / "verification.json").is_file,
        ),
        Stage(
            f"judged_{name}",
            f"Judge every initialization in {model}",
            ("-m", "checkpoint_tools", "expand-vocab", f"src={hf}", f"dst={judged}", f"tokenizer={runs / 'hybrid'}",
             "init=compare", f"text={texts}", f"focus_text={runs / 'korean' / 'learn.jsonl'}",
             f"judge_tokens={options.judge_tokens}", f"seed={seed}", "overwrite=true"),
            lambda: [sha256_file(hf / "verification.json"), sha256_file(runs / "hybrid" / "fingerprint.json")],
            (judged / "expansion.json").is_file,
        ),
    ]  # fmt: skip


def _data(options: Options) -> Stage:
    runs = options.runs
    texts = {lang: runs / lang / "learn.jsonl" for lang in ("english", "korean")}
    overrides = [
        f"output.folder={runs / 'data'}",
        *(f"inputs.{lang}.paths=[{path}]" for lang, path in texts.items()),
    ]
    return Stage(
        "data",
        "Prepare English, Python and Korean for the base models",
        ("-m", "preprocessing", "run", str(HERE / "data.yaml"), *overrides),
        lambda: [sha256_file(path) for path in (HERE / "data.yaml", *texts.values())],
        (runs / "data" / "manifest.json").is_file,
    )


def _hybrid(options: Options) -> Stage:
    runs = options.runs
    learn = runs / "korean" / "learn.jsonl"
    return Stage(
        "hybrid",
        "Merge Korean pieces into the base's tokenizer",
        ("-m", "preprocessing", "hybrid-tokenizer", "--base", str(runs / "data" / "tokenizer"), "--text", str(learn),
         "--out", str(runs / "hybrid"), "--new", str(options.new)),
        lambda: [sha256_file(learn), sha256_file(runs / "data" / "tokenizer" / "fingerprint.json")],
        (runs / "hybrid" / "fingerprint.json").is_file,
    )  # fmt: skip


def _training(options: Options, share: float, seed: int) -> list[str]:
    rest = 1 - share
    korean = f", ko: {share:.6f}" if share else ""
    found = [
        f"run.folder={options.runs / f'base_{label(share, seed)}'}",
        f"run.seed={seed}",
        f"data.manifest={options.runs / 'data' / 'manifest.json'}",
        f"data.mixture={{en: {ENGLISH_PART * rest:.6f}, code: {(1 - ENGLISH_PART) * rest:.6f}{korean}}}",
    ]
    if options.steps:
        found += [f"training.steps={options.steps}", f"checkpoint.every_steps={options.steps}"]
        found += [
            f"schedule.warmup_steps={options.steps // 10}",
            f"schedule.decay_steps={options.steps // 3}",
        ]
    return found


if __name__ == "__main__":
    raise SystemExit(main())
