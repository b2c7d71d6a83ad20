"""The command lines ``mko data STEP|COMMAND`` and ``mko tokenizer COMMAND``, also ``python -m preprocessing``.

Owns arguments and help; light, so that ``--help`` imports neither Arrow nor numba. Commands beside the steps are
modules of ``preprocessing/commands`` with ``add_arguments(parser)`` and ``run``.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from megatron_ko.config.cli import (
    Parser,
    add_inspection,
    config_parser,
    describe_commands,
    positive,
    require_configuration,
    split,
    unknown_command,
)
from megatron_ko.config.loading import Loaded, load
from megatron_ko.config.manual import manual
from megatron_ko.errors import EXIT_BAD_RECORDS, EXIT_STOPPED, exit_code_of, report_message
from preprocessing.config import descriptions
from preprocessing.config.pipeline import RULES, Config
from preprocessing.config.running import with_kept_configurations
from preprocessing.running.supervision import STOPPED

if TYPE_CHECKING:
    from preprocessing.running.tasks import Runner

STEPS = {
    "run": "run every enabled step, in order; skips finished work",
    "clean": "read, detect languages, normalize the text, mask personal data",
    "lines": "remove boilerplate lines that recur in many documents (if lines.enabled)",
    "measure": "measure each document: numbers and MinHash signature, as columns",
    "score": "score quality and perplexity of each document (if score names a model)",
    "decontaminate": "find overlap with evaluation sets (if decontaminate names one)",
    "filter": "drop documents by thresholds over the columns measured; takes seconds",
    "deduplicate": "drop exact and near duplicates over all inputs",
    "balance": "write the corpus: domains, validation split",
    "train-tokenizer": "train a tokenizer on the corpus and prove that all readers agree",
    "encode": "write token files (.bin, .idx), shares, stages and the manifest",
    "validate": "check that the token files contain the text of the corpus",
}


# Sections that a step reads, besides output, inputs, domains and seed; ``run`` reads all.
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
class Command:
    """A command beside the steps. A ``configured`` one takes CONFIG.yaml and gets it loaded: ``run(loaded, arguments)``;
    others get ``run(arguments)``.

    Printing is all that a command with ``prints_only`` does: it is done when its reader has seen enough (``| head``).
    """

    module: str
    sentence: str
    configured: bool = True
    prints_only: bool = False
    subcommands: bool = False


DATA_COMMANDS = {
    "explain": Command(
        "preprocessing.commands.explain",
        "explain why a document was dropped, or what another threshold would change",
        prints_only=True,
    ),
    "calibrate": Command(
        "preprocessing.commands.calibrate", "derive thresholds from text you trust", prints_only=True
    ),
    "report": Command("preprocessing.commands.report", "write an HTML page about the data"),
    "diff": Command(
        "preprocessing.commands.diff",
        "write an HTML page of documents before and after, changes colored by rule",
        configured=False,
    ),
    "train-quality": Command(
        "preprocessing.commands.train_quality",
        "train the quality models of section score, in rounds over the corpus",
    ),
    "manifest": Command(
        "preprocessing.commands.manifest",
        "write the manifest of token files that exist, also of Megatron-LM",
        configured=False,
    ),
    "tokens": Command(
        "preprocessing.commands.token_files",
        "encode text; merge, split, shuffle, check token files",
        configured=False,
        subcommands=True,
    ),
}
TOKENIZER_COMMANDS = {
    "report": Command(
        "preprocessing.commands.tokenizer_report", "measure and compare tokenizers on text", configured=False
    ),
    "extend": Command(
        "preprocessing.commands.extend_tokenizer",
        "add Korean tokens to a tokenizer: EEVE's selection in rounds",
        configured=False,
    ),
    "hybrid": Command(
        "preprocessing.commands.hybrid_tokenizer",
        "merge a Korean SentencePiece model, cleaned by rule, with a base tokenizer",
        configured=False,
    ),
    "prune": Command(
        "preprocessing.commands.prune_tokenizer",
        "drop tokens that a text never uses, and write the map of ids",
        configured=False,
    ),
    "bias-sample": Command(
        "preprocessing.commands.bias_sample",
        "select documents rich in new tokens, as Parquet",
        configured=False,
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """``mko data``: a step, a command beside the steps, or ``tokenizer`` and one of its commands."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return exit_code_of(lambda: _run_and_report(given))
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr, flush=True)
        return EXIT_STOPPED


def _run_and_report(arguments: list[str]) -> int:
    """Runs a command; a file that someone removed from the output folder is a mistake of the user."""
    try:
        return _main(arguments)
    except FileNotFoundError as error:
        from preprocessing.running.markers import error_of_removed_output

        problem = error_of_removed_output(error)
        if problem is None:
            raise
        raise problem from None


def _main(arguments: list[str]) -> int:
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help"):
        print(overview())
        return 0
    if name == "tokenizer":
        return _run_tokenizer_command(arguments[1:])
    if name in DATA_COMMANDS:
        return _run_command(DATA_COMMANDS[name], f"data {name}", arguments[1:])
    if name in STEPS:
        return _run_step(name, arguments[1:])
    raise unknown_command("mko data", name, [*STEPS, *DATA_COMMANDS])


# --- steps -------------------------------------------------------------------------------------------------


def step_parser(step: str) -> Parser:
    """Its help explains the fields of the configuration that ``step`` reads."""
    parser = config_parser(f"data {step}", descriptions.STEPS[step], functools.partial(_manual_of, step))
    add_inspection(parser, "check configuration and inputs, print what would run, and stop")
    if step == "run":
        parser.add_argument(
            "--until",
            choices=[name for name in STEPS if name != "run"],
            metavar="STEP",
            help="last step to run, such as balance to write the corpus before there is a tokenizer",
        )
    _add_runner(parser)
    return parser


def _manual_of(step: str) -> str:
    sections = None if step == "run" else {*SECTIONS_OF_ALL, *SECTIONS_OF[step]}
    rule = "later files and overrides win; paths are relative to the working directory"
    return f"configuration fields ({rule}):\n\n{manual(Config, sections)}"


def _add_runner(parser: Parser) -> None:
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="processes on this machine, or in each task of a Slurm array (default: all cores)",
    )
    parser.add_argument(
        "--runner",
        choices=("processes", "slurm", "ray"),
        default="processes",
        help="processes of this machine (default), tasks of a Slurm array (slurm/preprocess.sbatch), or Ray",
    )
    parser.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="address of a running Ray cluster, or auto; without it Ray starts on this machine",
    )
    parser.add_argument(
        "--wait-minutes",
        type=positive,
        default=24 * 60,
        metavar="N",
        help="how long a task of a Slurm array waits for another one (default: a day)",
    )


def _run_step(step: str, arguments: list[str]) -> int:
    given = step_parser(step).parse(arguments)
    loaded = _load(given.config, f"data {step}")
    if given.print_config:
        sys.stdout.write(loaded.text)
        return 0
    from megatron_ko.logs import set_up_logging
    from preprocessing.steps import pipeline

    set_up_logging()
    until = given.until if step == "run" else None
    if given.dry_run:
        print(pipeline.describe(loaded, until))
        return 0
    runner = _runner(given)
    try:
        bad = pipeline.run(loaded, step, runner, until)
    finally:
        runner.close()
    if not bad or loaded.config.output.allow_bad_records:
        return 0
    from preprocessing.report.quarantine import describe_mistakes

    report_message(
        f"{describe_mistakes(Path(loaded.config.output.folder).expanduser() / 'quarantine.jsonl', bad)}\n"
        f"everything else is done (exit code {EXIT_BAD_RECORDS}; 0 with output.allow_bad_records=true)"
    )
    return EXIT_BAD_RECORDS


def _load(arguments: list[str], command: str) -> Loaded[Config]:
    files, overrides = split(arguments)
    require_configuration(files, command)
    return load(Config, files, overrides, RULES)


def _runner(given: Any) -> Runner:
    from preprocessing.running.processes import ProcessRunner, cores

    workers = given.workers or cores()
    if given.runner == "slurm":
        from preprocessing.running.slurm_array import SlurmRunner, array_task_from_environment

        return SlurmRunner(array_task_from_environment(), workers, given.wait_minutes * 60)
    if given.runner == "ray":
        from preprocessing.running.ray_cluster import RayRunner

        return RayRunner(given.ray_address, workers)
    return ProcessRunner(workers)


# --- commands beside the steps -------------------------------------------------------------------------------


def command_parser(command: Command, name: str) -> Parser:
    """Parser of ``mko NAME``, with the arguments that the command's module adds."""
    module = importlib.import_module(command.module)
    group, _, own = name.partition(" ")
    described = descriptions.TOKENIZER_COMMANDS if group == "tokenizer" else descriptions.DATA_COMMANDS
    sentence = described[own]
    if command.configured:
        parser = config_parser(name, sentence, takes_run=True)
    else:
        parser = Parser(prog=f"mko {name}", description=sentence)
    module.add_arguments(parser)
    return parser


def _run_command(command: Command, name: str, arguments: list[str]) -> int:
    given = command_parser(command, name).parse(arguments)
    from megatron_ko.logs import set_up_logging

    if command.configured:
        given.config = with_kept_configurations(given.config)
    loaded = [_load(given.config, name)] if command.configured else []
    set_up_logging()
    try:
        code = importlib.import_module(command.module).run(*loaded, given)
        sys.stdout.flush()
    except BrokenPipeError:
        if not command.prints_only:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the rest of the output
        return 0
    return code


def _run_tokenizer_command(arguments: list[str]) -> int:
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help"):
        print(tokenizer_overview())
        return 0
    if name not in TOKENIZER_COMMANDS:
        raise unknown_command("mko tokenizer", name, list(TOKENIZER_COMMANDS))
    return _run_command(TOKENIZER_COMMANDS[name], f"tokenizer {name}", arguments[1:])


# --- help --------------------------------------------------------------------------------------------------


def overview() -> str:
    """Help of ``mko data``: the steps, the commands beside them, the sections of a configuration."""
    config: Any = Config
    sections = {name: info.description or "" for name, info in config.__pydantic_fields__.items()}
    return "\n".join(
        (
            "usage: mko data STEP|COMMAND CONFIG.yaml ... [key=value ...] [options]\n",
            "Turns raw text into token files and a manifest. Skips finished work.\n",
            describe_commands("steps", STEPS),
            describe_commands("commands", _sentences(DATA_COMMANDS)),
            describe_commands("sections of a configuration", sections),
            "'mko data STEP --help' explains the fields of a step, 'mko data run --help' all.\n"
            "Tokenizers have commands of their own: 'mko tokenizer --help'.",
        )
    )


def tokenizer_overview() -> str:
    """Help of ``mko tokenizer``."""
    return "\n".join(
        (
            "usage: mko tokenizer COMMAND [options]\n",
            "Measures, compares, extends and prunes tokenizers ('mko data train-tokenizer'\ntrains one).\n",
            describe_commands("commands", _sentences(TOKENIZER_COMMANDS)),
            "'mko tokenizer COMMAND --help' explains one of them.",
        )
    )


def _sentences(commands: dict[str, Command]) -> dict[str, str]:
    return {name: command.sentence for name, command in commands.items()}
