"""``mko preflight``: checks the machines of a run, alone on this host, or on all ranks of a job before its first step.

Owns the command. In a job, every rank leaves a record in the run folder, and the batch script has them judged together: a
node that cannot write, compute or communicate is then a missing record, and nothing waits for it.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from megatron_ko.config import cli
from megatron_ko.errors import (
    EXIT_BAD_NODE,
    EXIT_DONE,
    EXIT_STOPPED,
    EXIT_USER_ERROR,
    UserError,
    exit_code_of,
)
from megatron_ko.files import read_json, write_json, write_text
from megatron_ko.formats.manifest import read_manifest
from megatron_ko.formats.model_source import load_training
from megatron_ko.operations.batch import BLAMED
from megatron_ko.operations.machine_facts import facts_of_rank
from megatron_ko.operations.verdicts import Verdict, judge
from megatron_ko.planning.config_rules import layout_rules
from megatron_ko.planning.run_plan import Plan
from megatron_ko.preflight import preflight
from megatron_ko.tables import format_table

LIMIT_S = 600
"""A rank whose preflight takes longer is killed: something in it hangs."""


def parser() -> cli.Parser:
    made = cli.config_parser(
        "preflight",
        "Checks configuration, data, packages, GPUs, disk, clock and speed on this host before a run; a submitted job checks all "
        "of its nodes so before the first step.",
    )
    made.add_argument(
        "--ranks",
        type=cli.positive,
        default=1,
        metavar="N",
        help="ranks to start here for the measurement (default: 1)",
    )
    made.add_argument(
        "--no-speed", action="store_true", help="do not measure the speed of devices and network"
    )
    made.add_argument("--record", metavar="FOLDER", help="in a job: leave this rank's record in FOLDER")
    made.add_argument("--judge", metavar="FOLDER", help="in a job: judge the records in FOLDER")
    return made  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks the machines of a run. Exit code 77: the nodes in BLAMED are at fault; 2: something else must be corrected."""
    return exit_code_of(lambda: _main(parser().parse(arguments)))


def _main(given: argparse.Namespace) -> int:
    cli.require_configuration(given.config, "preflight")
    if given.record:
        return record_in_job(Path(given.record), given.config)
    if given.judge:
        folder = Path(given.judge)
        os.chdir(os.environ["WORKING_FOLDER"])  # paths of the configuration are relative to it
        hosts = os.environ["HOSTS"].split(",")
        size = int(os.environ["RANKS"])
        expected = [hosts[rank * len(hosts) // size] for rank in range(size)]
        verdicts = _judge(folder, given.config, expected)
        return _conclude(verdicts, hosts, folder.parent / BLAMED)
    checked = preflight(*cli.split(given.config), given.ranks)
    with tempfile.TemporaryDirectory(prefix="megatron_ko-") as temporary:
        folder = Path(temporary)
        _write_test(checked.run_folder)
        method = "fork" if checked.config.run.device == "cpu" else "spawn"
        if given.ranks == 1:
            _record(folder, given.config, 0, 1, 1, f"file://{folder / 'rendezvous'}", given.no_speed)
        else:
            from megatron_ko.training import launch

            launch.run_ranks(
                given.ranks,
                partial(_record_here, folder, given.config, given.ranks, given.no_speed),
                method,
                LIMIT_S,
            )
        verdicts = _judge(folder, given.config, [socket.gethostname()] * given.ranks)
    return EXIT_USER_ERROR if _print(verdicts) else EXIT_DONE


def record_in_job(folder: Path, config: Sequence[str]) -> int:
    """Leaves the record of this rank of a job. A stop request ends it with 75, and a hang is killed."""
    signal.signal(signal.SIGUSR1, lambda *_: os._exit(EXIT_STOPPED))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(EXIT_STOPPED))
    signal.alarm(LIMIT_S)
    rank, size, per_host = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    return _record(folder, config, rank, size, per_host, "env://", False)


def _record_here(
    folder: Path, config: Sequence[str], ranks: int, no_speed: bool, rank: int, init_method: str
) -> int:
    return _record(folder, config, rank, ranks, ranks, init_method, no_speed)


def _record(
    folder: Path, config: Sequence[str], rank: int, size: int, per_host: int, init_method: str, no_speed: bool
) -> int:
    """Writes the facts of this rank, then measures and writes them again: a hang leaves the facts."""
    run = load_training(*cli.split(config)).config
    facts: dict[str, Any] = facts_of_rank(run, rank, rank % per_host)
    path = folder / f"rank_{rank:05d}.json"
    write_json(path, {**facts, "clock_s": 0.0, "skipped": no_speed})
    # a shared disk stamps files with the clock of its server, with which all nodes are compared
    facts["clock_s"] = time.time() - path.stat().st_mtime
    write_json(path, {**facts, "skipped": no_speed})
    if no_speed:
        return EXIT_DONE
    from megatron_ko.training.machine_speed import measure

    facts.update(measure(run.run.device, rank, size, per_host, init_method))
    write_json(path, facts)
    return EXIT_DONE


def _judge(folder: Path, config: Sequence[str], expected: Sequence[str]) -> list[Verdict]:
    loaded = load_training(*cli.split(config), layout_rules(len(expected)))
    try:
        manifest = read_manifest(Path(loaded.config.data.manifest).expanduser())
    except UserError:
        manifest = None  # a verdict of its own
    if manifest is None and loaded.config.model.vocab_size is None:
        return [Verdict("fail", "data", f"{loaded.config.data.manifest}: cannot be read; check the path")]
    plan = Plan.of(loaded.config, len(expected), manifest)
    records = [read_json(path) for path in sorted(folder.glob("rank_*.json"))]
    return judge(records, loaded.config, plan, expected)


def _write_test(folder: Path) -> None:
    """Raises OSError, which is reported as a system error, if the run folder cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".preflight"
    write_text(path, f"{time.time()}\n")
    path.unlink()


def _conclude(verdicts: Sequence[Verdict], hosts: Sequence[str], blamed_file: Path) -> int:
    """Prints the verdicts; if nodes alone are at fault, and fewer than half of them, names them for the restart."""
    failed = _print(verdicts)
    if not failed:
        return EXIT_DONE
    blamed = {host for verdict in failed for host in verdict.blamed}
    if all(verdict.blamed for verdict in failed) and 2 * len(blamed) <= len(hosts) and len(hosts) > 1:
        with open(blamed_file, "a", encoding="utf-8") as file:
            file.writelines(f"{host}\n" for host in sorted(blamed))
        print(f"blamed       {', '.join(sorted(blamed))}: excluded when the job is requeued", file=sys.stderr)
        return EXIT_BAD_NODE
    return EXIT_USER_ERROR


def _print(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Prints a table, and returns the failures."""
    rows = [["", "check", "result"], *([v.state, v.what, v.detail] for v in verdicts)]
    print("\n".join(format_table(rows, left=2, sentences=True)), flush=True)
    return [verdict for verdict in verdicts if verdict.state == "fail"]


if __name__ == "__main__":
    raise SystemExit(main())
