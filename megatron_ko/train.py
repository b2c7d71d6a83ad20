"""Training, as a story: check, plan, build, restore, then step, report, evaluate, save.

    torchrun --nproc-per-node 8 -m megatron_ko.train CONFIG.yaml [more.yaml] [section.field=value]
    python -m megatron_ko.train CONFIG.yaml --ranks 2          one host, without torchrun

Everything a user can have got wrong is reported before torch is imported.
"""

from __future__ import annotations

import os

from megatron_ko.training import stop

if __name__ == "__main__":  # before the imports below, which take their time
    stop.listen_as_rank() if "RANK" in os.environ else stop.listen()

import contextlib
import functools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from megatron_ko.config import cli
from megatron_ko.config.loading import to_yaml
from megatron_ko.config.training import Config
from megatron_ko.errors import EXIT_PEER_LOST, EXIT_STOPPED, ConfigError, exit_code_of
from megatron_ko.files import locked_folder, write_text
from megatron_ko.logs import set_up_logging
from megatron_ko.plan import Preflight, preflight, show_plan


def train(checked: Preflight, rank: int, init_method: str = "env://") -> int:
    """One rank's whole run. Returns the exit code."""
    from megatron_ko.training.session import Session

    config = checked.config
    set_up_logging(rank, Path(config.run.folder).expanduser() / "logs")
    session = Session(checked, rank, init_method)
    while session.running:
        result, rate = session.step()
        if session.done == 1 or session.is_due(config.reporting.every_steps):
            session.report(result, rate)
        if session.is_due(config.evaluation.every_steps) and (session.finished or not session.stopped):
            session.validate()
        if session.is_due(config.checkpoint.every_steps):
            session.save()
    return session.end()


def run_rank(checked: Preflight, rank: int, init_method: str = "env://") -> int:
    """``train``; a rank that others have left ends with an exit code of its own."""
    try:
        return train(checked, rank, init_method)
    except BaseException as error:
        from megatron_ko.training.distributed import lost_peer

        report = lost_peer(error)
        if report is None:
            raise
        if stop.requested():
            return EXIT_STOPPED
        print(f"[rank {rank}] another rank was lost: {report}", file=sys.stderr, flush=True)
        return EXIT_PEER_LOST


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains a GPT on megatron-core. Under torchrun or Slurm each process is a rank; alone it starts --ranks."""
    parser = cli.parser("python -m megatron_ko.train", main.__doc__ or "", Config)
    parser.add_argument(
        "--ranks", type=cli.positive, metavar="N", help="ranks to start on this host (without torchrun); 1"
    )
    given = parser.parse_intermixed_args(arguments)
    if given.world_size and not (given.dry_run or given.print_config):
        parser.error("--world-size plans only (with --dry-run); --ranks N or torchrun starts ranks")
    under_torchrun = "RANK" in os.environ and "WORLD_SIZE" in os.environ
    rank = int(os.environ["RANK"]) if under_torchrun else 0
    return exit_code_of(lambda: _main(given, rank, under_torchrun), quiet=rank != 0)


def _main(given: Any, rank: int, under_torchrun: bool) -> int:
    if under_torchrun and given.ranks is not None:
        raise ConfigError(
            f"--ranks {given.ranks} is for runs without torchrun, which started {os.environ['WORLD_SIZE']} ranks"
        )
    world_size = int(os.environ["WORLD_SIZE"]) if under_torchrun else given.ranks or 1
    if given.print_config or given.dry_run:
        return show_plan(given, world_size)
    set_up_logging(rank)
    checked = preflight(*cli.split(given.config), world_size)
    with contextlib.ExitStack() as stack:
        if rank == 0:
            stack.enter_context(_run_folder_of(checked))
        if under_torchrun:  # what one rank alone finds from here on, it says
            said = f"[rank {rank}] " if rank else ""
            return exit_code_of(
                lambda: run_rank(checked, rank),
                say=lambda text: print(said + text, file=sys.stderr, flush=True),
            )
        from megatron_ko.training import distributed, launch

        forks = checked.config.run.device == "cpu"  # a process that has touched CUDA cannot be forked
        if forks:
            distributed.import_megatron("cpu")
        return launch.run_ranks(
            world_size, functools.partial(run_rank, checked), "fork" if forks else "spawn"
        )


@contextlib.contextmanager
def _run_folder_of(checked: Preflight) -> Iterator[None]:
    """The run folder, written and locked while the run lasts: a second run in it would overwrite the first."""
    folder = Path(checked.config.run.folder).expanduser()
    with locked_folder(folder):
        write_text(folder / "config.yaml", to_yaml(checked.config))
        write_text(folder / "plan.txt", checked.plan.text())
        print(checked.plan.text(), end="", flush=True)
        yield


if __name__ == "__main__":
    code = main()
    stop.ignore()
    raise SystemExit(code)
