"""RedWhale in miniature, by the commands a user would type: base models, a hybrid tokenizer, every initialisation judged.

    python -m examples.redwhale [seeds=1,2,3] [korean_share=0.05] [new=2000] [steps=N] [runs=FOLDER]
                                [english=FILE,FILE] [korean=FILE,FILE]

Small models are trained on English and Python (``korean_share`` of their tokens is Korean, written in bytes; 0 for none
at all), one for each seed. A hybrid tokenizer adds Korean pieces, ``expand-vocab init=compare`` says how well each
initialisation of their rows predicts Korean and English text that neither the tokenizer nor a model has seen.
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


@dataclass(frozen=True)
class Options:
    """The command line. ``steps`` None keeps those of train.yaml."""

    runs: Path = Path("runs/redwhale")
    seeds: tuple[int, ...] = (1, 2, 3)
    korean_share: float = 0.05
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
    if not 0 <= options.korean_share < 1:
        problems.append(f"korean_share={options.korean_share}: write a share from 0 to below 1")
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
    "korean_share": float,
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
            print(f"\n{failure.kind}: {failure}", file=sys.stderr, flush=True)
            return failure.code
    reports = [options.runs / f"judged_{seed}" / "expansion.json" for seed in options.seeds]
    print(summary(reports, options.runs, options.korean_share), flush=True)
    return 0


def stages_of(options: Options) -> list[Stage]:
    """One command each; the inputs of a stage hold what the ones before wrote."""
    runs, data = options.runs, options.runs / "data"
    found = [_data(options), _hybrid(options)]
    code = stages.code_hash(HERE.parents[1] / "checkpoint_tools")
    for seed in options.seeds:
        base, hf, judged = runs / f"base_{seed}", runs / f"hf_{seed}", runs / f"judged_{seed}"
        texts = ",".join(str(runs / lang / "judge.jsonl") for lang in ("korean", "english"))
        found += [
            Stage(
                f"base_{seed}",
                f"Train base model {seed}",
                ("-m", "megatron_ko.train", str(HERE / "train.yaml"), *_training(options, seed), "--ranks", "1"),
                lambda: [sha256_file(HERE / "train.yaml"), sha256_file(data / "manifest.json")],
                lambda base=base: any(base.glob("checkpoints/*/checkpoint.json")),
            ),
            Stage(
                f"hf_{seed}",
                f"Export base model {seed}",
                ("-m", "checkpoint_tools", "to-hf", f"src={base}", f"dst={hf}", "overwrite=true"),
                lambda base=base: [sha256_file(path) for path in base.glob("checkpoints/*/checkpoint.json")],
                lambda hf=hf: (hf / "verification.json").is_file(),
            ),
            Stage(
                f"judged_{seed}",
                f"Judge every initialisation in base model {seed}",
                ("-m", "checkpoint_tools", "expand-vocab", f"src={hf}", f"dst={judged}", f"tokenizer={runs / 'hybrid'}",
                 "init=compare", f"text={texts}", f"focus_text={runs / 'korean' / 'learn.jsonl'}",
                 f"judge_tokens={options.judge_tokens}", f"seed={seed}", "overwrite=true"),
                lambda hf=hf: [sha256_file(hf / "verification.json"), sha256_file(runs / "hybrid" / "fingerprint.json"), code],
                lambda judged=judged: (judged / "expansion.json").is_file(),
            ),
        ]  # fmt: skip
    return found


def _data(options: Options) -> Stage:
    runs = options.runs
    configs = [HERE / "data.yaml"] + ([HERE / "korean.yaml"] if options.korean_share else [])
    overrides = [
        f"output.folder={runs / 'data'}",
        f"inputs.english.paths=[{runs / 'english' / 'learn.jsonl'}]",
    ]
    if options.korean_share:
        overrides.append(f"inputs.korean.paths=[{runs / 'korean' / 'learn.jsonl'}]")
    texts = [runs / lang / "learn.jsonl" for lang in ("english", "korean")]
    return Stage(
        "data",
        "Prepare English and Python for the base",
        ("-m", "preprocessing", "run", *map(str, configs), *overrides),
        lambda: [sha256_file(path) for path in (*configs, *texts)],
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


def _training(options: Options, seed: int) -> list[str]:
    share = options.korean_share
    found = [
        f"run.folder={options.runs / f'base_{seed}'}",
        f"run.seed={seed}",
        f"data.manifest={options.runs / 'data' / 'manifest.json'}",
    ]
    if share:
        rest = 1 - share  # split as in data.yaml
        found.append(f"data.mixture={{en: {rest / 4:.6f}, code: {rest * 3 / 4:.6f}, ko: {share:.6f}}}")
    if options.steps:
        found += [f"training.steps={options.steps}", f"checkpoint.every_steps={options.steps}"]
        found += [
            f"schedule.warmup_steps={options.steps // 10}",
            f"schedule.decay_steps={options.steps // 3}",
        ]
    return found


if __name__ == "__main__":
    raise SystemExit(main())
