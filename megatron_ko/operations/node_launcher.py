"""The ranks of one node, started by torchrun (``LAUNCHER=torchrun`` in cluster.env): one task of Slurm for each node.

Owns what Slurm does for ranks that are its own tasks: signals reach them, each has a log and leaves its exit code, and none outlives
its job. torchrun starts each rank in a session of its own, which neither signals nor the end of a job may reach.

    node_launcher --ranks 8 [--logs] [--keep-going] MODULE [ARGUMENT ...]     in the batch script, once for each node
    node_launcher --rank ...                                                 by torchrun, once for each rank
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from megatron_ko.config.cli import positive
from megatron_ko.errors import shell_exit_code
from megatron_ko.processes import die_with_parent

FORWARDED = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)
LOOK_S = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Starts the ranks of this node through torchrun, or as torchrun's child one of them. Returns the exit code."""
    # not our parser: the options of the module are not this program's
    parser = argparse.ArgumentParser(prog="node_launcher", description=main.__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--ranks", type=positive, metavar="N", help="ranks of each node")
    which.add_argument("--rank", action="store_true", help="be one rank, which torchrun has started")
    parser.add_argument("--logs", action="store_true", help="give each rank a log of its own")
    parser.add_argument(
        "--keep-going", action="store_true", help="let a rank that fails leave the others alone"
    )
    parser.add_argument(
        "program", nargs=argparse.REMAINDER, metavar="MODULE", help="module and its arguments"
    )
    given = parser.parse_args(arguments)
    options = [*(["--logs"] if given.logs else []), *(["--keep-going"] if given.keep_going else [])]
    if given.rank:
        return run_rank(given.program, given.logs, given.keep_going)
    return run_node(given.ranks, [*options, *given.program])


def run_node(ranks: int, program: Sequence[str]) -> int:
    """Runs torchrun for the ranks of this node; forwards SIGUSR1 and SIGUSR2 to them, which it does not know."""
    node, nodes = os.environ["SLURM_NODEID"], os.environ["SLURM_NNODES"]
    launcher = [
        sys.executable, "-m", "torch.distributed.run", f"--nnodes={nodes}", f"--node-rank={node}", f"--nproc-per-node={ranks}",
        f"--master-addr={os.environ['MASTER_ADDR']}", f"--master-port={os.environ['MASTER_PORT']}", "--max-restarts=0", "--",
        os.environ["START"], "megatron_ko.operations.node_launcher", "--rank",
    ]  # fmt: skip
    received: list[int] = []
    for number in FORWARDED:  # Slurm sends SIGTERM to torchrun itself, which ends its ranks
        signal.signal(number, lambda number, frame: received.append(number))
    torchrun = subprocess.Popen([*launcher, *program], preexec_fn=_become_torchrun)
    told: set[tuple[int, int]] = set()
    while torchrun.poll() is None:
        for number in received:
            if number in (signal.SIGUSR1, signal.SIGUSR2):
                _tell_ranks(torchrun.pid, number, told)
        time.sleep(LOOK_S)
    return shell_exit_code(torchrun.returncode)


def _tell_ranks(torchrun: int, number: int, told: set[tuple[int, int]]) -> None:
    """Sends a signal once to every rank, also to those that torchrun starts only now."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(torchrun).children():
            if (process.pid, number) not in told:
                told.add((process.pid, number))
                process.send_signal(number)


def run_rank(program: Sequence[str], logs: bool, keep_going: bool) -> int:
    """Runs one rank; forwards signals to it, and writes its exit code to ENDED unless it is 0.

    With ``keep_going``, returns 0 in any case: torchrun would end the other ranks.
    """
    die_with_parent()
    rank, ended = int(os.environ["RANK"]), Path(os.environ["ENDED"])
    # before the rank exists there is nothing to end, and a request then must not be lost
    received: list[int] = []
    for number in FORWARDED:
        signal.signal(number, lambda number, frame: received.append(number))
    command = [sys.executable, os.environ["START"], *program]
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(open(ended.parent / f"rank_{rank:05d}.log", "ab")) if logs else None
        process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=_become_rank)

    def forward(number: int, frame: object = None) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)

    for number in FORWARDED:
        signal.signal(number, forward)
    for number in received:
        forward(number)
    code = shell_exit_code(process.wait())
    if code:
        node = os.environ.get("SLURMD_NODENAME", "?")
        (ended / str(rank)).write_text(f"{code} {node}\n", encoding="utf-8")
    return 0 if keep_going else code


def _become_torchrun() -> None:
    """Signals that torchrun does not know would kill it."""
    die_with_parent()
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)


def _become_rank() -> None:
    die_with_parent()
    for number in FORWARDED:
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    raise SystemExit(main())
