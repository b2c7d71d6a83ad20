"""How a command gets its ranks: torchrun or Slurm starts each as a process, or the command starts ``--ranks`` of them itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from megatron_ko.config import cli
from megatron_ko.errors import ConfigError


def add_ranks(parser: cli.Parser) -> None:
    """Adds ``--ranks``."""
    parser.add_argument(
        "--ranks", type=cli.positive, metavar="N", help="ranks to start without torchrun (default: 1)"
    )


def world_size_of(given: Any, under_torchrun: bool) -> int:
    """Ranks of the command line ``given``. Raises ConfigError for ``--ranks`` under torchrun, which has decided."""
    if not under_torchrun:
        return given.ranks or 1
    if given.ranks is not None:
        raise ConfigError(
            f"--ranks {given.ranks} is for runs without torchrun, which started {os.environ['WORLD_SIZE']} ranks",
            rule="ranks-under-torchrun",
        )
    return int(os.environ["WORLD_SIZE"])


def start_ranks(world_size: int, task: Callable[[int, str], int], device: str) -> int:
    """Runs ``task(rank, init_method)`` on ranks of this host; returns their exit code."""
    from megatron_ko.training import distributed, launch

    # a process that has touched CUDA cannot be forked
    method = "fork" if device == "cpu" else "spawn"
    if method == "fork":
        distributed.import_megatron("cpu")
    return launch.run_ranks(world_size, task, method)
