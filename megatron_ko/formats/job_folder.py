"""The job folders of a run, ``RUN/job/0001`` and following: one for each submission, never changed by a later one.

Owns the names inside, the record of a submission, the history of its starts and ends, and the requests that ``mko stop`` and
``mko save`` leave in the run folder. Does not call Slurm.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from megatron_ko.errors import ConfigError, DataError
from megatron_ko.files import read_json, write_json
from megatron_ko.formats.run_folder import read_metrics

JOBS = "job"
"""Folder in a run folder: a numbered folder for each submission."""
CODE, CONFIG, SCRIPT = "code", "config.yaml", "job.sh"
"""In a job folder: the copied packages, the resolved configuration, the rendered batch script."""
SUBMISSION = "submission.json"
"""In a job folder, written last: how the job was submitted."""
HISTORY = "history.jsonl"
"""In a job folder: a record for each start and each end of a job."""
STOP_REQUEST, SAVE_REQUEST = "stop.request", "save.request"
"""In a run folder: what ``mko stop`` and ``mko save`` ask for."""
HEARTBEAT = "heartbeat.json"
"""In a run folder: when the run was last seen alive, every few seconds by rank 0."""
ENDED = "ended"
"""In the log folder of a job: a file for each rank that ended with an exit code other than 0."""
_NUMBER = re.compile(r"^\d{4,}$")


@dataclass(frozen=True)
class Submission:
    """How a job was submitted. ``jobs``: ids in Slurm, in the order of the chain; ``others``: those of steps before and after
    the training, by name. Times in seconds."""

    name: str
    jobs: list[str]
    others: dict[str, str]
    nodes: int
    ranks_per_node: int
    gpus_per_node: int
    time_limit: str
    max_restarts: int
    hang_s: int
    steps: int
    working_folder: str
    user: str
    host: str
    time: float
    revision: str
    runtime: str

    @property
    def world_size(self) -> int:
        return self.nodes * self.ranks_per_node


def job_folders(run: Path) -> list[Path]:
    """Complete job folders of a run, oldest first."""
    parent = run / JOBS
    if not parent.is_dir():
        return []
    numbered = [path for path in parent.iterdir() if _NUMBER.match(path.name)]
    return sorted((p for p in numbered if (p / SUBMISSION).is_file()), key=lambda p: int(p.name))


def new_job_folder(run: Path) -> Path:
    """Creates the next free job folder; two submissions at the same time get different ones."""
    parent = run / JOBS
    parent.mkdir(parents=True, exist_ok=True)
    numbers = [int(path.name) for path in parent.iterdir() if _NUMBER.match(path.name)]
    number = max(numbers, default=0)
    while True:
        number += 1
        try:
            (parent / f"{number:04d}").mkdir()
        except FileExistsError:
            continue
        return parent / f"{number:04d}"


def write_submission(folder: Path, submission: Submission) -> None:
    write_json(folder / SUBMISSION, dataclasses.asdict(submission))


def read_submission(folder: Path) -> Submission:
    """Raises DataError if the record is damaged or of another version."""
    path = folder / SUBMISSION
    content = read_json(path)
    names = {field.name for field in dataclasses.fields(Submission)}
    if not isinstance(content, dict) or content.keys() != names:
        keys = set(content) if isinstance(content, dict) else set()
        wrong = ", ".join(sorted(names ^ keys))
        raise DataError(
            f"{path}: has missing or unknown fields ({wrong}); move this job folder away, then submit again",
            rule="job-record",
        )
    return Submission(**content)


def append_history(folder: Path, event: str, job: str, **values: Any) -> None:
    """Adds a record of kind ``start`` or ``end``; it is on the disk when this returns."""
    record = {"event": event, "time": round(time.time(), 3), "job": job, **values}
    with open(folder / HISTORY, "a", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Records of a job folder, oldest first; a torn last line is ignored."""
    path = folder / HISTORY
    return list(read_metrics(path)) if path.is_file() else []


def log_folder(run: Path, name: str, job: str) -> Path:
    """Logs of the ranks of a job, over all of its restarts."""
    return run / "logs" / f"{name}-{job}"


# --- owners and requests ---------------------------------------------------------------------------------


def check_owner(run: Path) -> None:
    """Raises ConfigError if the run folder, or a part that this module writes, belongs to another user."""
    for path in (run, run / JOBS, run / "logs"):
        if path.exists() and path.stat().st_uid != os.geteuid():
            raise ConfigError(
                f"{path}: belongs to user {path.stat().st_uid}, not to you ({os.geteuid()}); choose another run.folder",
                rule="foreign-run-folder",
            )


def request(run: Path, name: str) -> None:
    """Leaves a request, which rank 0 reads within seconds; a repeated one changes nothing."""
    write_json(
        run / name, {"time": round(time.time(), 3), "host": socket.gethostname(), "user": os.geteuid()}
    )


def forget_requests(run: Path) -> None:
    for name in (STOP_REQUEST, SAVE_REQUEST):
        (run / name).unlink(missing_ok=True)


def read_heartbeat(run: Path) -> float | None:
    """Time of the last heartbeat in seconds since the epoch, or None."""
    try:
        return float(json.loads((run / HEARTBEAT).read_text(encoding="utf-8"))["time"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent, or being replaced on a disk without atomic renames
