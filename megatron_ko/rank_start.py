"""How a command gets its ranks: torchrun or Slurm starts each as a process, or the command starts ``--ranks`` of them itself."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

from megatron_ko.config import cli
from megatron_ko.errors import EXIT_PEER_LOST, EXIT_STOPPED, ConfigError, exit_code_of
from megatron_ko.logs import record_error


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


def require_devices(device: str, world_size: int, under_torchrun: bool) -> None:
    """Raises ConfigError where a rank that starts here has no GPU. Before weights are converted, which takes long."""
    if device == "cuda":
        from megatron_ko.training import distributed

        distributed.require_gpu(int(os.environ.get("LOCAL_RANK", 0)) if under_torchrun else world_size - 1)


def run_on_ranks(
    task: Callable[[int, str], int], *, world_size: int, rank: int, under_torchrun: bool, device: str
) -> int:
    """Runs ``task(rank, init_method)`` with ``run_rank``: on this rank under torchrun, otherwise on ``world_size`` ranks that it starts.
    From here on each rank reports its own errors."""
    task = functools.partial(run_rank, task)
    if not under_torchrun:
        return start_ranks(world_size, task, device)
    said = f"[rank {rank}] " if rank else ""
    return exit_code_of(
        lambda: task(rank, "env://"), report=lambda text: print(said + text, file=sys.stderr, flush=True)
    )


def start_ranks(world_size: int, task: Callable[[int, str], int], device: str) -> int:
    """Runs ``task(rank, init_method)`` on ranks of this host; returns their exit code."""
    from megatron_ko.training import distributed, launch

    # a process that has touched CUDA cannot be forked
    method = "fork" if device == "cpu" else "spawn"
    if method == "fork":
        distributed.import_megatron("cpu")
    return launch.run_ranks(world_size, task, method)


def run_rank(task: Callable[[int, str], int], rank: int, init_method: str) -> int:
    """Runs ``task(rank, init_method)``; if another rank was lost, ends with EXIT_PEER_LOST. Errors are in the rank's log file, too."""
    try:
        return task(rank, init_method)
    except BaseException as error:
        from megatron_ko.training import stop
        from megatron_ko.training.distributed import lost_peer

        record_error(error)
        report = lost_peer(error)
        if report is None:
            raise
        if stop.is_requested():
            return EXIT_STOPPED
        print(f"[rank {rank}] another rank was lost: {report}", file=sys.stderr, flush=True)
        return EXIT_PEER_LOST
