"""The command line ``mko checkpoint OPERATION``, also ``python -m checkpoint_tools``: arguments, help, exit codes.

torch is imported when the arguments are right.
"""

from __future__ import annotations

import importlib
import logging
import sys
import textwrap
from collections.abc import Sequence

from checkpoint_tools.options import OPERATIONS
from megatron_ko.config.cli import Parser
from megatron_ko.config.options import options_parser, read_options
from megatron_ko.config.suggestions import nearest_name
from megatron_ko.errors import EXIT_DONE, UsageError, exit_code_of
from megatron_ko.logs import set_up_logging


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one operation; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return exit_code_of(lambda: _main(given))


def operation_parser(name: str) -> Parser:
    operation = OPERATIONS[name]
    return options_parser(f"checkpoint {name}", operation.options, operation.inputs)


def _main(given: list[str]) -> int:
    name = given[0] if given else "--help"
    if name in ("-h", "--help"):
        print(overview())
        return EXIT_DONE
    if name not in OPERATIONS:
        near = nearest_name(name, OPERATIONS)
        hint = f"did you mean 'mko checkpoint {near}'?" if near else f"known: {', '.join(OPERATIONS)}"
        raise UsageError(f"'mko checkpoint {name}' is not a command; {hint}", rule="unknown-command")
    options = read_options(OPERATIONS[name].options, operation_parser(name), given[1:])
    set_up_logging()
    logging.getLogger("torch.distributed").setLevel(logging.ERROR)
    return importlib.import_module(f"checkpoint_tools.operations.{name.replace('-', '_')}").run(options)


def overview() -> str:
    """Help of ``mko checkpoint``."""
    width = max(map(len, OPERATIONS)) + 4
    lines = ["usage: mko checkpoint COMMAND ... [options]", "", "commands:"]
    lines += [
        textwrap.fill(
            operation.options.__doc__ or "",
            79,
            initial_indent=f"  {name:{width - 2}}",
            subsequent_indent=" " * width,
        )
        for name, operation in OPERATIONS.items()
    ]
    return "\n".join([*lines, "", "'mko checkpoint COMMAND --help' explains one of them."])


if __name__ == "__main__":
    raise SystemExit(main())
