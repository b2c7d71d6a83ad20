"""The command line: ``python -m preprocessing STEP CONFIG.yaml [more.yaml ...] [section.field=value ...]``.

Owns arguments and help; light, so that ``--help`` imports neither Arrow nor numba.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from megatron_ko.config.cli import manual, split
from megatron_ko.config.loading import load, to_yaml
from megatron_ko.errors import ConfigError, exit_code_of
from preprocessing.schema import RULES, Config

STEPS = ("clean", "deduplicate", "balance", "train-tokenizer", "encode", "validate", "run")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m preprocessing",
        description="From raw text to token files and a manifest. Finished work is skipped; 'run' does all steps in order.",
        epilog="configuration fields (later files and overrides win; paths are relative to the working directory):\n\n"
        + manual(Config),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("step", choices=STEPS, help="what to do")
    made.add_argument("config", nargs="*", help="CONFIG.yaml [more.yaml ...] [section.field=value ...]")
    made.add_argument("--print-config", action="store_true", help="print the resolved configuration and stop")
    made.add_argument(
        "--dry-run",
        action="store_true",
        help="check the configuration and inputs, say what would run, and stop",
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    return exit_code_of(lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    given = parser().parse_intermixed_args(arguments)
    files, overrides = split(given.config)
    if not files:
        raise ConfigError("no configuration file given; write 'python -m preprocessing run CONFIG.yaml'")
    loaded = load(Config, files, overrides, RULES)
    if given.print_config:
        sys.stdout.write(to_yaml(loaded.config))
        return 0
    from megatron_ko.logs import set_up_logging
    from preprocessing import pipeline

    set_up_logging()
    if given.dry_run:
        print(pipeline.describe(loaded))
        return 0
    pipeline.run(loaded, given.step)
    return 0
