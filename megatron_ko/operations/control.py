"""``mko stop``: lets a run save and end. The request is a file in the run folder, so it needs neither Slurm nor a process id.

Owns what stop and save share: the check of the run folder, and the cancellation of jobs that wait.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from megatron_ko.config.cli import Parser
from megatron_ko.errors import ConfigError, exit_code_of
from megatron_ko.formats.job_folder import STOP_REQUEST, check_owner, job_folders, read_submission, request
from megatron_ko.formats.run_folder import is_run_folder, suggest_run_folder
from megatron_ko.operations import slurm_client


def parser() -> Parser:
    made = Parser(
        prog="mko stop",
        description="Lets a run save and end with exit code 75; its job is not requeued, and its waiting jobs are canceled. "
        "'mko submit' or 'mko train' continues it.",
    )
    made.add_argument("runs", nargs="+", metavar="RUN", help="run folders")
    made.add_argument("--now", action="store_true", help="also cancel the running job, without a save")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    return exit_code_of(lambda: _main(parser().parse(arguments)))


def _main(given: argparse.Namespace) -> int:
    for run in map(checked_run, given.runs):
        request(run, STOP_REQUEST)
        jobs = jobs_of_run(run)
        answered = slurm_client.cancel(jobs, pending_only=not given.now)
        if given.now:
            print(
                f"{run}: "
                + ("canceled" if answered else "Slurm does not answer; the run stops at its next step")
            )
        elif answered:
            print(f"{run}: saves after this step and ends with exit code 75")
        else:
            print(
                f"{run}: stops at its next step; Slurm does not answer, so a waiting job ends as soon as it starts"
            )
    return 0


def checked_run(text: str) -> Path:
    """An absolute run folder of this user. Raises ConfigError otherwise."""
    run = Path(text).expanduser().absolute()
    if not (is_run_folder(run) or job_folders(run)):
        raise ConfigError(f"{run}: is not a run folder; {suggest_run_folder(run)}", rule="not-a-run")
    check_owner(run)
    return run


def jobs_of_run(run: Path) -> list[str]:
    """Ids of the jobs of the last submission; empty for a run without Slurm."""
    folders = job_folders(run)
    if not folders:
        return []
    submission = read_submission(folders[-1])
    return [*submission.jobs, *submission.others.values()]
