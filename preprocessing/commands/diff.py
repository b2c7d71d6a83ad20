"""Writes one HTML page of documents before and after a run, every change colored by its rule.

Owns the command and its arguments; ``preprocessing/differences`` compares the documents and builds the page.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from megatron_ko.config.cli import positive
from megatron_ko.config.loading import load
from megatron_ko.config.suggestions import nearest_name
from megatron_ko.errors import DataError, UsageError
from megatron_ko.files import write_text
from megatron_ko.wording import format_count
from preprocessing.config.pipeline import RULES, Config, source_of
from preprocessing.config.running import kept_configuration
from preprocessing.readers.starting_folder import starting_folder, working_directory
from preprocessing.running.context import Context

if TYPE_CHECKING:
    from preprocessing.differences.selection import Selection

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="RUN", help="output folder of a run, finished or not, or its configuration"
    )
    parser.add_argument(
        "--count", type=positive, default=150, metavar="N", help="maximum number of documents (default: 150)"
    )
    parser.add_argument(
        "--seed", type=_natural, default=1234, metavar="N",
        help="another seed selects other documents (default: 1234)",
    )  # fmt: skip
    parser.add_argument("--source", metavar="NAME", help="only documents of this source")
    parser.add_argument(
        "--only", choices=("changed", "dropped", "all"), default="changed",
        help="changed: documents that changed or were dropped (default); dropped; or all",
    )  # fmt: skip
    parser.add_argument(
        "--rule",
        metavar="NAME",
        help="only documents that this rule changed, or that were dropped for this reason",
    )
    parser.add_argument("--out", metavar="FILE", help="file to write (default: RUN/diff.html)")


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 64:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer from 0 to 2^64 - 1")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    folder = _output_folder(Path(arguments.run).expanduser())
    path = Path(arguments.out).expanduser() if arguments.out else folder / "diff.html"
    loaded = load(Config, [str(kept_configuration(folder))], [], RULES)
    start = starting_folder(folder, loaded.config.output.folder) or Path.cwd()
    shown = folder if start == Path.cwd() else folder.resolve()
    override = f"output.folder={json.dumps(str(shown), ensure_ascii=False)}"
    with working_directory(start):
        html, selection = _compare(
            Context(load(Config, [str(kept_configuration(shown))], [override], RULES)), arguments
        )
    write_text(path, html)
    print(f"wrote {path}: {len(selection.documents):,} of {selection.matching:,} documents that match")
    return 0


def _compare(context: Context, arguments: argparse.Namespace) -> tuple[str, Selection]:
    """The page, and the documents on it. Relative paths of inputs begin in the working directory."""
    from preprocessing.differences.page import page
    from preprocessing.differences.selection import Query, select
    from preprocessing.steps.order import StepKeys

    _check_inputs(context)
    _check_source(context, arguments.source)
    reasons = _check_rule(context, arguments.rule)
    query = Query(
        arguments.count,
        arguments.seed,
        arguments.source,
        arguments.only,
        arguments.rule,
        arguments.rule in reasons,
    )
    selection = select(context, query)
    is_outdated = StepKeys(context).summary("clean") is None
    if is_outdated:
        log.warning(
            "%s: step 'clean' is not finished for this configuration, version and inputs; the page describes the existing "
            "files", context.folder,
        )  # fmt: skip
    return page(context, query, selection, is_outdated), selection


def _check_inputs(context: Context) -> None:
    """Reports once that the inputs are elsewhere, instead of once for each pattern."""
    try:
        _ = context.units
    except DataError as error:
        missing = [problem for problem in error.problems if problem.rule == "no-match"]
        if len(missing) < len(error.problems):
            raise
        count = format_count(len(missing), "path")
        raise DataError(
            f"{context.folder}: {count} of its inputs {'is' if len(missing) == 1 else 'are'} not found from {Path.cwd()}: "
            f"{missing[0].message}; run the command in the folder in which the run was started, or restore the files",
            rule="inputs-not-found",
        ) from None


def _output_folder(run: Path) -> Path:
    """``run`` itself, or the output folder that the configuration ``run`` names."""
    if not run.is_file():
        return run
    folder = Path(load(Config, [str(run)], [], RULES).config.output.folder).expanduser()
    if not folder.is_dir():
        raise DataError(
            f"{run}: its output folder {folder} does not exist; run 'mko data run {run}' first, in the folder where its "
            "relative paths begin",
            rule="missing-run",
        )
    return folder


def _check_source(context: Context, source: str | None) -> None:
    known = sorted({source_of(name, item) for name, item in context.config.inputs.items()})
    if source is not None and source not in known:
        raise UsageError(f"--source {source}: no such source; {_hint(source, known)}", rule="unknown-source")


def _check_rule(context: Context, rule: str | None) -> set[str]:
    """Refuses an unknown rule; returns the reasons of drops."""
    from preprocessing.differences.attribution import rule_names
    from preprocessing.differences.fates import reasons_of

    names, reasons = rule_names(context.config.clean), reasons_of(context.config)
    if rule is not None and rule not in (*names, *reasons):
        raise UsageError(
            f"--rule {rule}: no such rule; {_hint(rule, [*names, *reasons])}", rule="unknown-rule"
        )
    return set(reasons)


def _hint(name: str, known: Iterable[str]) -> str:
    near = nearest_name(name, known)
    return f"did you mean {near}?" if near else f"known: {', '.join(known)}"
