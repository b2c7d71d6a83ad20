"""``python -m checkpoint_tools OP key=value ...``: arguments, help and exit codes.

Owns the command line only. torch is imported when the arguments are right.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import logging
import sys
from collections.abc import Sequence
from typing import Any

from checkpoint_tools.options import OPERATIONS
from megatron_ko.config.cli import manual
from megatron_ko.config.loading import load
from megatron_ko.errors import EXIT_DONE, ConfigError, Problem, exit_code_of
from megatron_ko.logs import set_up_logging

_HELP = ("-h", "--help", "help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one operation; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return exit_code_of(lambda: _main(given))


def _main(given: list[str]) -> int:
    if not given or given[0] in _HELP:
        print(_overview())
        return EXIT_DONE
    name = given[0]
    if name not in OPERATIONS:
        near = difflib.get_close_matches(name, OPERATIONS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(OPERATIONS)}"
        raise ConfigError(f"{name!r} is not an operation; {hint}")
    if any(argument in _HELP for argument in given[1:]):
        print(_operation_help(name))
        return EXIT_DONE
    options = _options(name, given[1:])
    set_up_logging()
    logging.getLogger("torch.distributed").setLevel(logging.ERROR)
    return importlib.import_module(f"checkpoint_tools.operations.{name.replace('-', '_')}").run(options)


def _options(name: str, given: list[str]) -> Any:
    """Raises ConfigError with every mistake at once, unknown keys with a suggestion."""
    for argument in given:
        if argument.startswith("-"):
            raise ConfigError(
                f"{argument}: options are written key=value; see python -m checkpoint_tools {name} --help"
            )
    try:
        return load(OPERATIONS[name], [], given).config
    except ConfigError as error:
        raise ConfigError([_as_argument(problem) for problem in error.problems]) from None


def _as_argument(problem: Problem) -> Problem:
    message = problem.message.replace(f"write '{problem.path}: ...'", f"write {problem.path}=...")
    return Problem(
        "",
        problem.path,
        message.replace("neither a file nor an override; write section.field", "no option; write key"),
    )


def _overview() -> str:
    lines = ["usage: python -m checkpoint_tools OP key=value ...", "", "operations:"]
    lines += [f"  {name:<13} {inspect.getdoc(options)}" for name, options in OPERATIONS.items()]
    return "\n".join([*lines, "", "python -m checkpoint_tools OP --help lists the keys of one."])


def _operation_help(name: str) -> str:
    options = OPERATIONS[name]
    return f"usage: python -m checkpoint_tools {name} key=value ...\n\n{inspect.getdoc(options)}\n\n{manual(options)}"


if __name__ == "__main__":
    raise SystemExit(main())
