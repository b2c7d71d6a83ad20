"""Slurm's programs: the only file that calls them, each with a time limit and without a shell.

Owns ``sbatch``, ``squeue``, ``sacct`` and ``scancel`` as functions. A Slurm that is absent or does not answer is a value
(``None``) where a command can do without, and an error where it cannot.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from megatron_ko.errors import UserError

ANSWER_S = 15.0
SUBMIT_S = 60.0
ALIVE = {"PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "REQUEUED", "REQUEUE_HOLD", "SUSPENDED"}


@dataclass(frozen=True)
class Job:
    """A job as Slurm sees it; ``state`` such as RUNNING, ``reason`` such as Priority or the nodes it runs on."""

    id: str
    state: str
    reason: str = ""
    hosts: str = ""
    left: str = ""
    """Time until the limit, as Slurm prints it."""


class NoAnswerError(Exception):
    """Slurm's program is not installed, or it did not answer in time."""


def submit(script: str, options: Sequence[str]) -> str:
    """Submits a batch script and returns the id of the job. Raises UserError with Slurm's own words."""
    try:
        done = _run(["sbatch", "--parsable", *options, script], SUBMIT_S)
    except NoAnswerError as error:
        raise UserError(
            f"{error}; submit on a login node, or see the script with --print", rule="no-slurm"
        ) from None
    if done.returncode:
        words = " ".join(done.stderr.split())[:500]
        raise UserError(f"sbatch refused the job: {words}; correct cluster.env or the options", rule="sbatch")
    return done.stdout.strip().partition(";")[0]


def jobs_of(ids: Sequence[str]) -> dict[str, Job] | None:
    """Jobs by id, from the queue and otherwise from the accounting; None if Slurm does not answer."""
    try:
        # one call for each id: squeue refuses a whole list for one id that it has forgotten
        found = dict(item for id in ids for item in _queued(id).items())
        missing = [id for id in ids if id not in found]
        return {**found, **(_accounted(missing) if missing else {})}
    except NoAnswerError:
        return None


def state_of_step(id: str) -> str:
    """State of a job or of a whole array: a failure of any task first, then what still runs or waits."""
    jobs = jobs_of([id])
    if jobs is None:
        return "no answer"
    states = {job.state for job in jobs.values()}
    failed = sorted(states - ALIVE - {"COMPLETED"})
    order = [*failed, "RUNNING", "COMPLETING", "CONFIGURING", "PENDING", *sorted(ALIVE), "COMPLETED"]
    return next((state for state in order if state in states), "forgotten by Slurm")


def _queued(id: str) -> dict[str, Job]:
    done = _run(["squeue", "--noheader", "--states=all", f"--jobs={id}", "--format=%i|%T|%r|%N|%L"], ANSWER_S)
    if done.returncode and "Invalid job id" not in done.stderr:
        raise NoAnswerError(f"squeue: {' '.join(done.stderr.split())[:200]}")
    rows = [line.split("|") for line in done.stdout.splitlines() if line.count("|") == 4]
    return {row[0]: Job(row[0], row[1], row[2], row[3], row[4]) for row in rows}


def _accounted(ids: Sequence[str]) -> dict[str, Job]:
    """A cluster without accounting has no more to say about old jobs."""
    try:
        done = _run(
            ["sacct", "--noheader", "--allocations", "--parsable2", f"--jobs={','.join(ids)}",
             "--format=JobIDRaw,State,NodeList"], ANSWER_S,
        )  # fmt: skip
    except NoAnswerError:
        return {}
    rows = [line.split("|") for line in done.stdout.splitlines() if line.count("|") == 2]
    return {row[0]: Job(row[0], row[1].partition(" ")[0], "", row[2]) for row in rows}


def cancel(ids: Sequence[str], *, pending_only: bool) -> bool:
    """Cancels jobs; returns False if Slurm does not answer or refuses."""
    if not ids:
        return True
    states = ["--state=PENDING"] if pending_only else []
    try:
        return _run(["scancel", "--quiet", *states, *ids], ANSWER_S).returncode == 0
    except NoAnswerError:
        return False


def _run(command: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except FileNotFoundError:
        raise NoAnswerError(f"{command[0]} is not installed here") from None
    except subprocess.TimeoutExpired:
        raise NoAnswerError(f"{command[0]} did not answer within {timeout_s:.0f} s") from None
