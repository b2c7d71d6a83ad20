"""The command line: ``python -m preprocessing STEP|COMMAND CONFIG.yaml [more.yaml ...] [section.field=value ...]``.

Owns arguments and help; light, so that ``--help`` imports neither Arrow nor numba. Commands beside the steps are
modules of ``preprocessing/commands`` with ``add_arguments(parser)`` and ``run``.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from megatron_ko.config.cli import manual, positive, split
from megatron_ko.config.loading import load, to_yaml
from megatron_ko.errors import EXIT_BAD_RECORDS, EXIT_STOPPED, ConfigError, exit_code_of
from preprocessing.config.pipeline import RULES, Config
from preprocessing.running.supervision import STOPPED

if TYPE_CHECKING:
    from preprocessing.running.tasks import Runner

STEPS = {
    "run": "every step below that is on, in order; finished work is skipped",
    "clean": "read, find languages, normalise the text, mask personal data",
    "lines": "remove boilerplate lines that stand in many documents (where lines.enabled)",
    "measure": "numbers about each document, and its MinHash signature, as columns",
    "score": "quality and perplexity of each document (where score names a model)",
    "decontaminate": "overlap with evaluation sets (where decontaminate names one)",
    "filter": "drop documents by thresholds over those columns; costs seconds",
    "deduplicate": "drop exact and near duplicates over all inputs",
    "balance": "write the corpus: domains, validation split",
    "train-tokenizer": "train a tokenizer on the corpus, and prove that all readers agree",
    "encode": "token files (.bin, .idx), shares, stages, the manifest",
    "validate": "check that the token files say what the corpus says",
}


# the sections that a step reads, beside output, inputs, domains and seed; ``run`` reads all
SECTIONS_OF = {
    "clean": ("clean",),
    "lines": ("lines",),
    "measure": ("deduplicate",),
    "score": ("score",),
    "decontaminate": ("decontaminate",),
    "filter": ("filter", "score", "decontaminate"),
    "deduplicate": ("deduplicate",),
    "balance": ("balance",),
    "train-tokenizer": ("tokenizer", "balance"),
    "encode": ("encode", "balance"),
    "validate": (),
}
SECTIONS_OF_ALL = ("output", "inputs", "domains", "seed")


@dataclass(frozen=True)
class Tool:
    """``configured`` tools take CONFIG.yaml and get it loaded: ``run(loaded, arguments)``; others ``run(arguments)``.

    One that only ``shows`` something is done when its reader has seen enough (``| head``).
    """

    module: str
    sentence: str
    configured: bool = True
    shows: bool = False


TOOLS = {
    "explain": Tool(
        "preprocessing.commands.explain",
        "why a document was dropped, or what another threshold would change",
        shows=True,
    ),
    "calibrate": Tool("preprocessing.commands.calibrate", "thresholds from text you trust", shows=True),
    "report": Tool("preprocessing.commands.report", "one HTML page about the data"),
    "train-quality": Tool(
        "preprocessing.commands.train_quality",
        "train the quality models of section score, in rounds over the corpus",
    ),
    "tokenizer-report": Tool(
        "preprocessing.commands.tokenizer_report", "measure and compare tokenizers on text", configured=False
    ),
    "extend-tokenizer": Tool(
        "preprocessing.commands.extend_tokenizer",
        "add Korean tokens to a tokenizer: EEVE's selection in rounds",
        configured=False,
    ),
    "bias-sample": Tool(
        "preprocessing.commands.bias_sample", "documents rich in new tokens, as Parquet", configured=False
    ),
    "hybrid-tokenizer": Tool(
        "preprocessing.commands.hybrid_tokenizer",
        "merge a Korean SentencePiece model, cleaned by rule, with a base tokenizer",
        configured=False,
    ),
    "prune-tokenizer": Tool(
        "preprocessing.commands.prune_tokenizer",
        "drop tokens that a text never uses, and write the map of ids",
        configured=False,
    ),
    "tokens": Tool(
        "preprocessing.commands.token_files", "merge, split, shuffle, check token files", configured=False
    ),
}


def parser(step: str | None = None) -> argparse.ArgumentParser:
    """``step``: whose sections the help explains; without one it names the steps, the commands and the sections."""
    made = argparse.ArgumentParser(
        prog="python -m preprocessing",
        usage="python -m preprocessing STEP|COMMAND CONFIG.yaml [more.yaml ...] [section.field=value ...] [options]",
        description=f"{step}: {STEPS[step]}"
        if step
        else "From raw text to token files and a manifest. Finished work is skipped.",
        epilog=_fields_of(step) if step else _overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("step", choices=(*STEPS, *TOOLS), metavar="STEP|COMMAND", help="what to do, see below")
    _add_configuration(made)
    made.add_argument("--print-config", action="store_true", help="print the resolved configuration and stop")
    made.add_argument(
        "--dry-run",
        action="store_true",
        help="check the configuration and inputs, say what would run, and stop",
    )
    _add_runner(made)
    return made


def _overview() -> str:
    config: Any = Config
    sections = {name: info.description or "" for name, info in config.__pydantic_fields__.items()}
    return "\n".join(
        (
            _named("steps", STEPS),
            _named(
                "commands (each has its own --help)", {name: tool.sentence for name, tool in TOOLS.items()}
            ),
            _named("sections of the configuration", sections),
            "'python -m preprocessing STEP --help' explains the fields that a step reads, 'run --help' all of them.",
        )
    )


def _fields_of(step: str) -> str:
    read = None if step == "run" else {*SECTIONS_OF_ALL, *SECTIONS_OF[step]}
    rule = "later files and overrides win; paths are relative to the working directory"
    return f"configuration fields ({rule}):\n\n{manual(Config, read)}"


def _named(title: str, lines: dict[str, str]) -> str:
    width = max(map(len, lines))
    return f"{title}:\n" + "".join(f"  {name:{width}}  {sentence}\n" for name, sentence in lines.items())


def _add_configuration(made: argparse.ArgumentParser) -> None:
    made.add_argument("config", nargs="*", help="CONFIG.yaml [more.yaml ...] [section.field=value ...]")


def _add_runner(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="processes on this machine, or of each task of a Slurm array (default: all cores)",
    )
    made.add_argument(
        "--runner", choices=("processes", "slurm", "ray"), default="processes",
        help="who does the work: processes of this machine, the tasks of a Slurm array (slurm/preprocess.sbatch), or Ray",
    )  # fmt: skip
    made.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="of a running Ray cluster, or auto; without it Ray starts on this machine",
    )
    made.add_argument(
        "--wait-minutes", type=positive, default=24 * 60, metavar="N",
        help="how long a task of a Slurm array waits for another (default: a day)",
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        return exit_code_of(lambda: _main(list(sys.argv[1:] if arguments is None else arguments)))
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr, flush=True)
        return EXIT_STOPPED


def _main(arguments: list[str]) -> int:
    if arguments and arguments[0] in TOOLS:
        return _run_tool(arguments[0], arguments[1:])
    step = next((argument for argument in arguments if not argument.startswith("-")), None)
    given = parser(step if step in STEPS else None).parse_intermixed_args(arguments)
    loaded = _load(given, given.step)
    if given.print_config:
        sys.stdout.write(to_yaml(loaded.config))
        return 0
    from megatron_ko.logs import set_up_logging
    from preprocessing.steps import pipeline

    set_up_logging()
    if given.dry_run:
        print(pipeline.describe(loaded))
        return 0
    runner = _runner(given)
    try:
        bad = pipeline.run(loaded, given.step, runner)
    finally:
        runner.close()
    if not bad or loaded.config.output.allow_bad_records:
        return 0
    print(
        f"{bad:,} records could not be read, see quarantine.jsonl; everything else is done (exit code {EXIT_BAD_RECORDS}; "
        "0 with output.allow_bad_records=true)",
        file=sys.stderr,
    )
    return EXIT_BAD_RECORDS


def _load(given: argparse.Namespace, step: str) -> Any:
    files, overrides = split(given.config)
    if not files:
        raise ConfigError(f"no configuration file given; write 'python -m preprocessing {step} CONFIG.yaml'")
    return load(Config, files, overrides, RULES)


def _run_tool(name: str, arguments: list[str]) -> int:
    tool = TOOLS[name]
    module = importlib.import_module(tool.module)
    made = argparse.ArgumentParser(
        prog=f"python -m preprocessing {name}", description=(module.__doc__ or "").splitlines()[0]
    )
    if tool.configured:
        _add_configuration(made)
    module.add_arguments(made)
    given = made.parse_intermixed_args(arguments) if tool.configured else made.parse_args(arguments)
    from megatron_ko.logs import set_up_logging

    loaded = [_load(given, name)] if tool.configured else []
    set_up_logging()
    try:
        code = module.run(*loaded, given)
        sys.stdout.flush()
    except BrokenPipeError:
        if not tool.shows:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left of the output
        return 0
    return code


def _runner(given: argparse.Namespace) -> Runner:
    from preprocessing.running.processes import ProcessRunner, cores

    workers = given.workers or cores()
    if given.runner == "slurm":
        from preprocessing.running.slurm_array import SlurmRunner, array_task_from_environment

        return SlurmRunner(array_task_from_environment(), workers, given.wait_minutes * 60)
    if given.runner == "ray":
        from preprocessing.running.ray_cluster import RayRunner

        return RayRunner(given.ray_address, workers)
    return ProcessRunner(workers)
