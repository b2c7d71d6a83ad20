"""``mko save``: lets a run save after its present step and go on."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from megatron_ko.config.cli import Parser, bounded
from megatron_ko.errors import EXIT_BUG, UserError, exit_code_of
from megatron_ko.formats.job_folder import SAVE_REQUEST, read_heartbeat, request
from megatron_ko.formats.run_folder import checkpoints_of
from megatron_ko.operations.control import checked_run

ALIVE_S = 600.0


def parser() -> Parser:
    made = Parser(
        prog="mko save",
        description="Lets a run save a checkpoint after its present step and go on; waits until it has.",
    )
    made.add_argument("run", metavar="RUN", help="run folder")
    made.add_argument(
        "--wait-s",
        type=bounded(0, 86_400),
        default=600,
        metavar="S",
        help="seconds to wait for the checkpoint (default: 600; 0 does not wait)",
    )
    return made  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    return exit_code_of(lambda: _main(parser().parse(arguments)))


def _main(given: argparse.Namespace) -> int:
    run = checked_run(given.run)
    before = {path.name for path in checkpoints_of(run)}
    seen = read_heartbeat(run)
    if seen is None or time.time() - seen > ALIVE_S:
        raise UserError(f"{run}: shows no sign of life; see 'mko status {given.run}'", rule="not-running")
    request(run, SAVE_REQUEST)
    end = time.monotonic() + given.wait_s
    while (run / SAVE_REQUEST).exists() and time.monotonic() < end:
        time.sleep(0.2)
    new = sorted({path.name for path in checkpoints_of(run)} - before)
    if new:
        print(f"{run}: saved {new[-1]}")
        return 0
    if given.wait_s == 0:
        print(f"{run}: saves after this step")
        return 0
    print(f"{run}: has not saved within {given.wait_s} s; see 'mko status {given.run}'")
    return EXIT_BUG
