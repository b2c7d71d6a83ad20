"""Runs the tasks of a step in a Slurm job array whose tasks share a file system.

Owns the division of work (task i of a step belongs to array task i mod N, finished or not), waiting for the markers of
other array tasks, and passing a failure on to them. Array task 0 leads. Every array task runs the same command; a
requeued one skips finished work.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from megatron_ko.errors import ConfigError, DataError, Problem
from megatron_ko.files import write_text
from preprocessing.running.markers import Marker
from preprocessing.running.processes import ProcessRunner
from preprocessing.running.tasks import Done, RunContext, StepTask

log = logging.getLogger(__name__)
POLL_S = (0.2, 10.0)
LOG_EVERY_S = 60.0


@dataclass(frozen=True)
class ArrayTask:
    """This array task: its number ``task`` from 0 among the ``tasks`` of the array job ``job``."""

    task: int
    tasks: int
    job: str


def array_task_from_environment(environment: dict[str, str] | None = None) -> ArrayTask:
    """Reads Slurm's variables. Raises ConfigError outside a job array."""
    variables = os.environ if environment is None else environment
    names = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_JOB_ID")
    missing = [name for name in names if name not in variables]
    if missing:
        raise _runner_error(
            f"{', '.join(missing)} not set; submit with 'sbatch --array=0-15 slurm/preprocess.sbatch ...'",
            "not-in-a-job-array",
        )
    task, tasks, first = (int(variables[name]) for name in names[:3])
    if not 0 <= task - first < tasks:
        raise _runner_error(
            f"task {task} is not among {tasks} consecutive tasks from {first}; "
            "use an array without gaps, such as --array=0-15",
            "job-array-with-gaps",
        )
    return ArrayTask(task - first, tasks, variables["SLURM_ARRAY_JOB_ID"])


def _runner_error(message: str, rule: str) -> ConfigError:
    return ConfigError([Problem("command line", "--runner slurm", message, rule)])


class SlurmRunner:
    """Runs the tasks of one array task, in a pool of ``workers`` processes."""

    shared = True

    def __init__(self, array_task: ArrayTask, workers: int, wait_s: float):
        self.array_task, self._wait_s = array_task, wait_s
        self._local = ProcessRunner(workers)
        self.leads = array_task.task == 0

    def run(self, context: RunContext, tasks: Sequence[StepTask], done: Done) -> None:
        number, count = self.array_task.task, self.array_task.tasks
        mine = [task for task in tasks if task.number % count == number]
        others = [task for task in tasks if task.number % count != number]
        try:
            self._local.run(context, mine, done)
        except Exception as error:  # a stopped task has not failed: the next start continues it
            write_text(
                self._failure_of(context, self.array_task.task),
                json.dumps(f"{type(error).__name__}: {error}"),
            )
            raise
        for task in others:
            marker = Marker(context.folder, task.marker_name)
            self.wait_for(context, marker, task.key)
            done(task, marker.read(task.key) or {})

    def wait_for(self, context: RunContext, marker: Marker, key: str) -> None:
        """Raises DataError when another array task failed or the marker is not written within ``wait_s`` seconds."""
        start = logged = time.monotonic()
        pause = POLL_S[0]
        while marker.read(key) is None:
            self._raise_failure(context)
            now = time.monotonic()
            if now - start > self._wait_s:
                raise DataError(
                    f"{marker.path}: no array task wrote it within {self._wait_s / 60:.0f} minutes (--wait-minutes); "
                    "check the logs of the other array tasks and submit the array again: finished tasks are skipped",
                    rule="array-task-timeout",
                )
            if now - logged > LOG_EVERY_S:
                log.info("waiting for %s of another array task, %.0f s", marker.path.stem, now - start)
                logged = now
            time.sleep(pause)
            pause = min(pause * 1.5, POLL_S[1])

    def begin(self, context: RunContext) -> None:
        """Removes the failure that an earlier start of this array task recorded."""
        self._failure_of(context, self.array_task.task).unlink(missing_ok=True)

    def close(self) -> None:
        self._local.close()

    def _failure_of(self, context: RunContext, task: int) -> Path:
        return context.folder / "steps" / "failed" / f"{self.array_task.job}-{task:05d}.json"

    def _raise_failure(self, context: RunContext) -> None:
        for task in range(self.array_task.tasks):
            path = self._failure_of(context, task)
            if task != self.array_task.task and path.is_file():
                raise DataError(
                    f"task {task} of the array failed: {json.loads(path.read_text(encoding='utf-8'))}",
                    rule="array-task-failed",
                )
