"""Tasks of a step in the tasks of a Slurm job array that share a file system.

Owns who does what (task i of a step belongs to array task i mod array tasks, whatever is done already), waiting for the others by their markers, and telling them of a
failure. Task 0 leads. Every task runs the same command; a task that is requeued skips what is finished.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from megatron_ko.errors import ConfigError, DataError
from megatron_ko.files import write_text
from preprocessing.running.markers import Marker
from preprocessing.running.processes import ProcessRunner
from preprocessing.running.tasks import Done, RunContext, StepTask

log = logging.getLogger(__name__)
POLL_S = (0.2, 10.0)
SAY_EVERY_S = 60.0


@dataclass(frozen=True)
class ArrayTask:
    """This task among the tasks of one array job."""

    task: int
    tasks: int
    job: str


def array_task_from_environment(environment: dict[str, str] | None = None) -> ArrayTask:
    """From Slurm's variables. Raises ConfigError outside a job array."""
    found = os.environ if environment is None else environment
    names = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_JOB_ID")
    missing = [name for name in names if name not in found]
    if missing:
        raise ConfigError(
            f"--runner slurm: {', '.join(missing)} not set; submit with 'sbatch --array=0-15 slurm/preprocess.sbatch ...'"
        )
    task, tasks, first = (int(found[name]) for name in names[:3])
    if not 0 <= task - first < tasks:
        raise ConfigError(
            f"--runner slurm: task {task} is not one of {tasks} consecutive ones from {first}; "
            "use an array without gaps, such as --array=0-15"
        )
    return ArrayTask(task - first, tasks, found["SLURM_ARRAY_JOB_ID"])


class SlurmRunner:
    """One task of the array; within it, a pool of ``workers`` processes."""

    shared = True

    def __init__(self, array_task: ArrayTask, workers: int, wait_s: float):
        self.array_task, self._wait_s = array_task, wait_s
        self._local = ProcessRunner(workers)
        self.leads = array_task.task == 0

    def run(self, context: RunContext, keyed: Sequence[StepTask], done: Done) -> None:
        tasks, task = self.array_task.tasks, self.array_task.task
        mine = [one for one in keyed if one.number % tasks == task]
        others = [one for one in keyed if one.number % tasks != task]
        try:
            self._local.run(context, mine, done)
        except Exception as error:  # a task that was stopped has not failed: the next start continues it
            write_text(
                self._failure_of(context, self.array_task.task),
                json.dumps(f"{type(error).__name__}: {error}"),
            )
            raise
        for one in others:
            self.wait_for(context, Marker(context.folder, one.marker_name), one.key)
            done(one, Marker(context.folder, one.marker_name).read(one.key) or {})

    def wait_for(self, context: RunContext, marker: Marker, key: str) -> None:
        """Raises DataError when a task failed or nothing came within the time given."""
        start = said = time.monotonic()
        pause = POLL_S[0]
        while marker.read(key) is None:
            self._raise_failure(context)
            now = time.monotonic()
            if now - start > self._wait_s:
                raise DataError(
                    f"{marker.path}: not written by another task within {self._wait_s / 60:.0f} minutes; look at the "
                    "logs of the other tasks, submit the array again: finished tasks are skipped (--wait-minutes)"
                )
            if now - said > SAY_EVERY_S:
                log.info("waiting for %s of another task, %.0f s", marker.path.stem, now - start)
                said = now
            time.sleep(pause)
            pause = min(pause * 1.5, POLL_S[1])

    def begin(self, context: RunContext) -> None:
        """Forgets this task's failure of an earlier start."""
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
                    f"task {task} of the array failed: {json.loads(path.read_text(encoding='utf-8'))}"
                )
