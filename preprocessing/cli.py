"""The command line: ``python -m preprocessing STEP CONFIG.yaml [more.yaml ...] [section.field=value ...]``.

Owns arguments and help; light, so that ``--help`` imports neither Arrow nor numba.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence

from megatron_ko.config.cli import manual
from megatron_ko.config.loading import load, to_yaml
from megatron_ko.errors import ConfigError, exit_code_of
from preprocessing.schema import RULES, Config, DomainConfig, JsonlInput, StdlibInput, TextInput

STEPS = ("clean", "deduplicate", "balance", "train-tokenizer", "encode", "validate", "run")
# unlike in training, a key may stand alone: seed=7
_OVERRIDE = re.compile(r"^[A-Za-z_][\w-]*(\.[\w-]+)*=")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m preprocessing",
        description="From raw text to token files and a manifest. Finished work is skipped; 'run' does all steps in order.",
        epilog="configuration fields (later files and overrides win; paths are relative to the working directory):\n\n"
        + "\n".join(_manual()),
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


def _manual() -> Iterator[str]:
    """The manual of the schema; mappings of sections are written out with NAME in place of the key."""
    skip = False
    for line in manual(Config).splitlines():
        if re.match(r"  (inputs|domains):", line):
            skip = True
        elif not line.startswith("      "):
            skip = False
        if not skip:
            yield line
    for kind in (JsonlInput, TextInput, StdlibInput):
        yield ""
        yield from _prefixed(kind, "inputs.NAME.")
    yield ""
    yield from _prefixed(DomainConfig, "domains.NAME.")


def _prefixed(kind: type, above: str) -> Iterator[str]:
    for line in manual(kind).splitlines():
        yield f"  {above}{line[2:]}" if re.match(r"  \S", line) else line


def main(arguments: Sequence[str] | None = None) -> int:
    return exit_code_of(lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    given = parser().parse_intermixed_args(arguments)
    files = [a for a in given.config if not _OVERRIDE.match(a)]
    if not files:
        raise ConfigError("no configuration file given; write 'python -m preprocessing run CONFIG.yaml'")
    loaded = load(Config, files, [a for a in given.config if _OVERRIDE.match(a)], RULES)
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
