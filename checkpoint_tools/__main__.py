"""The command line ``mko checkpoint OPERATION``, also ``python -m checkpoint_tools``: arguments, help, exit codes.

torch is imported when the arguments are right.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from checkpoint_tools.options.commands import OPERATIONS
from megatron_ko.config.cli import Parser, describe_commands, unknown_command
from megatron_ko.config.options import options_parser, read_options
from megatron_ko.errors import EXIT_DONE, exit_code_of
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
        raise unknown_command("mko checkpoint", name, OPERATIONS)
    options = read_options(OPERATIONS[name].options, operation_parser(name), given[1:])
    set_up_logging()
    logging.getLogger("torch.distributed").setLevel(logging.ERROR)
    return _import_operation(OPERATIONS[name].module or name.replace("-", "_")).run(options)


def _import_operation(module: str) -> Any:
    """Imports an operation, and with it torch, which reads how to use memory and cores when it is imported.

    Tensors in large pages cost fewer page faults, and threads that wait for work do not keep their cores busy. Imported modules
    stay until the end, so that they are not searched for garbage.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    gc.disable()
    try:
        return importlib.import_module(f"checkpoint_tools.operations.{module}")
    finally:
        if not gc.get_freeze_count():  # once in a process
            gc.freeze()
        gc.enable()


def overview() -> str:
    """Help of ``mko checkpoint``."""
    sentences = {name: operation.sentence for name, operation in OPERATIONS.items()}
    return (
        "usage: mko checkpoint COMMAND ... [options]\n\n"
        "Converts, compares, extends, grows, prunes and merges checkpoints.\n\n"
        f"{describe_commands('commands', sentences)}\n"
        "'mko checkpoint COMMAND --help' explains one of them."
    )


if __name__ == "__main__":
    raise SystemExit(main())
