"""Korean for a model you have, with the commands that a user types.

    python -m examples.continue [base.section.field=value ...] [data.section.field=value ...] [train.section.field=value ...]
                                [--new N] [--ranks N] [--runs FOLDER]

Trains a small English base, exports it, and from then on uses nothing but its Hugging Face folder: extends its tokenizer,
adds rows to its embedding, encodes Korean and English with the new tokenizer, continues the training, exports, compares and
generates. Ends with bits per byte of both languages before, after the expansion, and after the training. A second call
repeats only what changed; a killed one continues.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from megatron_ko.config.cli import Parser, positive
from megatron_ko.config.loading import load
from megatron_ko.errors import ConfigError, UsageError
from megatron_ko.files import sha256_file, sha256_text
from megatron_ko.formats.model_source import load_training
from megatron_ko.formats.run_folder import checkpoints_of
from megatron_ko.job.steps import Record, Step, exit_code_of_job, run_steps
from megatron_ko.planning.config_rules import layout_rules
from preprocessing.config import pipeline as data_schema
from preprocessing.readers.input_units import find_units

from .results import summarize

HERE = Path("examples/continue")
RUNS = Path("runs/continue")
PREFIXES = ("base", "data", "train")
WEIGHTS = "model.safetensors"
PROMPTS = ("한글은 ", "오늘 아침에는 ", "The old library ", "Return the ")


@dataclass(frozen=True)
class Options:
    """The command line; ``overrides`` by prefix, without it."""

    runs: Path
    new: int
    ranks: int
    overrides: dict[str, tuple[str, ...]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the unfinished steps and prints the table. Returns 0, or the exit code of the command that failed."""
    return exit_code_of_job(lambda: run(parse(arguments)))


def parse(arguments: Sequence[str] | None) -> Options:
    """Parses the command line. Raises UsageError for unknown settings."""
    parser = Parser(prog="python -m examples.continue", description=__doc__)
    parser.add_argument(
        "settings", nargs="*", metavar="PREFIX.section.field=value",
        help="overrides of base.yaml (base.), of corpus.yaml (data., for both models) and of train.yaml (train.)",
    )  # fmt: skip
    parser.add_argument("--new", type=positive, default=1500, metavar="N", help="new tokens (default 1500)")
    parser.add_argument(
        "--ranks", type=positive, default=2, metavar="N", help="ranks to train on (default 2)"
    )
    parser.add_argument(
        "--runs", type=Path, default=RUNS, metavar="FOLDER", help=f"folder of results (default {RUNS})"
    )
    given = parser.parse(arguments)
    overrides: dict[str, list[str]] = {prefix: [] for prefix in PREFIXES}
    for setting in given.settings:
        prefix, dot, rest = setting.partition(".")
        if not dot or "=" not in rest or prefix not in overrides:
            names = " or ".join(f"{name}.section.field=value" for name in PREFIXES)
            raise UsageError(f"{setting!r}: write {names}", rule="unknown-argument")
        overrides[prefix].append(rest)
    return Options(given.runs, given.new, given.ranks, {k: tuple(v) for k, v in overrides.items()})


def run(options: Options) -> int:
    """Runs the steps, then prints the table. Returns the exit code of a command that failed."""
    check_configurations(options)
    record = Record(options.runs / "job.json")

    def check(step: Step) -> None:
        if step.name in ("base", "train"):
            check_same_training(step, options.runs / step.name, record)

    run_steps(steps_of(options), record, check)
    print(summarize(options.runs), flush=True)
    return 0


def check_configurations(options: Options) -> None:
    """Checks the configurations of both trainings before the first step. Raises ConfigError."""
    rules = layout_rules(options.ranks)
    base = load_training([str(HERE / "base.yaml")], options.overrides["base"], rules).config.model
    # the expanded model, which does not exist yet, has the shape of the base
    names = ("layers", "hidden_size", "ffn_hidden_size", "heads", "kv_groups", "max_sequence_length")
    shape = [f"model.{name}={getattr(base, name)}" for name in names]
    overrides = [*options.overrides["train"], "model.from=none", *shape]
    load_training([str(HERE / "train.yaml")], overrides, rules)


def check_same_training(step: Step, folder: Path, record: Record) -> None:
    """Raises ConfigError if ``folder`` contains a training with other settings or data than those of ``step``."""
    settings = json.dumps([step.command[:-2], step.inputs()])  # without the number of ranks, which may change
    key, note = sha256_text(settings), f"{step.name}_trained_on"
    if checkpoints_of(folder) and record.notes.get(note) not in (None, key):
        raise ConfigError(
            f"{folder}: contains a training with other settings or data; choose another folder with --runs, or remove {folder} "
            "to train again",
            rule="another-training",
        )
    record.note(note, key)


# --- steps -----------------------------------------------------------------------------------------------


def steps_of(options: Options) -> list[Step]:
    """The commands; the inputs of a step include the outputs of earlier steps."""
    return [*_base_steps(options), *_tokenizer_steps(options), *_training_steps(options)]


def _base_steps(options: Options) -> list[Step]:
    """From text to somebody's model."""
    runs = options.runs
    english, manifest, hf = runs / "english.jsonl", runs / "base_data" / "manifest.json", runs / "base_hf"
    return [
        Step(
            "text", "Write the documentation of this Python as English text",
            ("python", "-m", "examples.continue.texts", str(english)),
            lambda: [sys.version, sha256_file(HERE / "texts.py")], english.is_file,
        ),
        _data(options, "base_data", "Prepare the data of the base", "base_data.yaml", result=manifest),
        _training(options, "base", "Train the base", manifest),
        Step(
            "base_hf", "Export the base: somebody's model",
            ("mko", "checkpoint", "to-hf", str(runs / "base"), str(hf), "--overwrite"),
            lambda: _newest(runs / "base"), (hf / "verification.json").is_file,
        ),
    ]  # fmt: skip


def _tokenizer_steps(options: Options) -> list[Step]:
    """Korean tokens for somebody's tokenizer, and rows for somebody's model."""
    runs = options.runs
    data, tokenizer, expanded = runs / "data", runs / "tokenizer", runs / "expanded"
    corpus = {
        split: [data / "clean" / f"{lang}_{split}-00000.parquet" for lang in ("ko", "en")]
        for split in ("train", "valid")
    }
    judged = ",".join(map(str, corpus["valid"]))
    return [
        _data(options, "corpus", "Clean the text for the continued training", result=corpus["train"][0], until="balance"),
        Step(
            "tokenizer", "Add Korean to its tokenizer",
            ("mko", "tokenizer", "extend", str(runs / "base_hf"), "--text", str(data), "--out", str(tokenizer),
             "--max-new", str(options.new), "--min-count", "5"),
            lambda: _hashes(runs / "base_hf" / "tokenizer.json", *corpus["train"]),
            (tokenizer / "fingerprint.json").is_file,
        ),
        _data(options, "data", "Encode with the extended tokenizer", "tokenizer.yaml", result=data / "manifest.json"),
        Step(
            "expanded", "Add rows to its embedding",
            ("mko", "checkpoint", "expand-vocab", str(runs / "base_hf"), str(expanded), "--tokenizer", str(tokenizer),
             "--init", "best", "--text", judged, "--judge-tokens", "4000", "--overwrite"),
            lambda: _hashes(runs / "base_hf" / WEIGHTS, tokenizer / "fingerprint.json", *corpus["valid"]),
            (expanded / "verification.json").is_file,
        ),
    ]  # fmt: skip


def _training_steps(options: Options) -> list[Step]:
    """From the expanded model to one that also knows Korean."""
    runs = options.runs
    run, hf, samples = runs / "train", runs / "hf", runs / "samples.json"
    prompts = [part for prompt in PROMPTS for part in ("--prompt", prompt)]
    return [
        _training(options, "train", "Continue the training", runs / "data" / "manifest.json", runs / "expanded" / WEIGHTS),
        Step(
            "hf", "Export to Hugging Face and verify",
            ("mko", "checkpoint", "to-hf", str(run), str(hf), "--logits", "--overwrite"),
            lambda: _newest(run), (hf / "verification.json").is_file,
        ),
        Step(
            "compare", "Compare the export with the run",
            ("mko", "checkpoint", "compare", str(run), str(hf), "--tolerance", "0"),
            lambda: [*_newest(run), *_hashes(hf / WEIGHTS)], (hf / "config.json").is_file,
        ),
        Step(
            "samples", "Generate text",
            ("mko", "generate", str(hf), *prompts, "--tokens", "32", "--out", str(samples)),
            lambda: _hashes(hf / WEIGHTS), samples.is_file,
        ),
    ]  # fmt: skip


def _data(
    options: Options, name: str, title: str, *more: str, result: Path, until: str | None = None
) -> Step:
    """``mko data run`` of corpus.yaml and ``more``; its inputs are the configuration, the text and the tokenizer."""
    folder, tokenizer = result.parent if until is None else result.parents[1], options.runs / "tokenizer"
    moved = [
        f"output.folder={folder}",
        f"inputs.documentation.paths=[{options.runs / 'english.jsonl'}]",
        *([f"tokenizer.folder={tokenizer}"] if "tokenizer.yaml" in more else []),
    ]
    files = [str(HERE / file) for file in ("corpus.yaml", *more)]
    overrides = [*(moved if options.runs != RUNS else []), *options.overrides["data"]]

    def inputs() -> list[Any]:
        loaded = load(data_schema.Config, files, overrides, data_schema.RULES)
        stamps = [(label, file.stat().st_size, file.stat().st_mtime_ns)
                  for unit in find_units(loaded) for file, label in zip(unit.files, unit.labels)]  # fmt: skip
        of_tokenizer = _hashes(tokenizer / "fingerprint.json") if "tokenizer.yaml" in more else []
        return [asdict(loaded.config), stamps, *of_tokenizer]

    last = ("--until", until) if until else ()
    return Step(name, title, ("mko", "data", "run", *files, *overrides, *last), inputs, result.is_file)


def _training(options: Options, name: str, title: str, manifest: Path, *more: Path) -> Step:
    """``mko train NAME.yaml`` in the folder ``name``."""
    run, expanded = options.runs / name, options.runs / "expanded"
    moved = [f"run.folder={run}", f"data.manifest={manifest}"]
    if name == "train":
        moved += [f"model.from={expanded}", f"checkpoint.initial_weights={expanded}"]
    overrides = [*(moved if options.runs != RUNS else []), *options.overrides[name]]

    return Step(
        name, title, ("mko", "train", str(HERE / f"{name}.yaml"), *overrides, "--ranks", str(options.ranks)),
        lambda: _hashes(HERE / f"{name}.yaml", manifest, *more), lambda: bool(checkpoints_of(run)),
    )  # fmt: skip


def _hashes(*files: Path) -> list[Any]:
    return [sha256_file(file) for file in files]


def _newest(run: Path) -> list[Any]:
    """Identity of the newest checkpoint: it lists the checksums of its files."""
    return [sha256_file(checkpoints_of(run)[-1] / "checkpoint.json")]


if __name__ == "__main__":
    raise SystemExit(main())
