"""What a batch script asks of Python: ``begin`` a job, ``watch`` it for signs of life, ``end`` it.

Owns the history that these write and the environment dump of a job. ``job.sh`` calls Slurm.
"""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from megatron_ko.config.cli import Parser
from megatron_ko.errors import EXIT_DONE, EXIT_STOPPED, EXIT_USER_ERROR, exit_code_of
from megatron_ko.files import write_text
from megatron_ko.formats.job_folder import (
    STOP_REQUEST,
    append_history,
    log_folder,
    read_heartbeat,
    read_history,
    read_submission,
)
from megatron_ko.formats.run_folder import checkpoints_of, last_metrics
from megatron_ko.operations.cluster import shown_variables
from megatron_ko.operations.restarts import LOSSES, REQUESTS, decide

NOT_REQUEUED = 1
HUNG = 3
"""Exit code of ``watch``: the run showed no sign of life."""
BLAMED = "blamed"
"""File in the log folder of a job: names of nodes that a preflight blames, one a line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Begins, watches or ends a job, from its batch script."""
    parser = Parser(prog="batch", description=main.__doc__)
    parser.add_argument("action", choices=("begin", "watch", "end"))
    parser.add_argument("job", metavar="FOLDER", help="job folder")
    parser.add_argument("code", nargs="?", type=int, default=0, help="exit code of the ranks, for end")
    given = parser.parse(arguments)
    folder = Path(given.job)
    actions = {"begin": begin, "watch": watch, "end": lambda job: end(job, given.code)}
    return exit_code_of(lambda: actions[given.action](folder))


def begin(folder: Path) -> int:
    """Records a start and prints a free port. Returns another code than 0 if the job must not start."""
    run, submission, job = run_of(folder), read_submission(folder), os.environ["SLURM_JOB_ID"]
    if (run / STOP_REQUEST).exists():
        print("not started: stopped by mko stop; mko submit starts the run again", file=sys.stderr)
        return EXIT_STOPPED
    history = read_history(folder)
    last = next((record for record in reversed(history) if record["event"] == "end"), None)
    if last and last["code"] != EXIT_DONE and not last["requeued"]:
        print(f"not started: job {last['job']} ended for good: {last['why']}", file=sys.stderr)
        return last["code"] or EXIT_USER_ERROR
    logs = log_folder(run, submission.name, job)
    if not (logs / "environment.txt").exists():
        write_text(logs / "environment.txt", environment_text(submission.revision))
    append_history(
        folder, "start", job,
        restart=int(os.environ.get("SLURM_RESTART_COUNT", "0")), hosts=os.environ.get("HOSTS", ""),
        step=last_step(run), checkpoint=newest_name(run),
    )  # fmt: skip
    print(free_port())
    return EXIT_DONE


def watch(folder: Path, every_s: float | None = None) -> int:
    """Waits until the run has shown no sign of life for the time of the submission, then returns HUNG.

    Signs of life are heartbeats since this start; the batch script ends this process when the ranks have ended.
    """
    run, limit = run_of(folder), read_submission(folder).hang_s
    started, parent = time.time(), os.getppid()
    every_s = every_s or min(10.0, limit / 4)
    while os.getppid() == parent:
        silent = time.time() - max(started, read_heartbeat(run) or 0.0)
        if silent > limit:
            print(
                f"no sign of life for {silent:.0f} s: all ranks write their stacks and are killed",
                file=sys.stderr,
            )
            return HUNG
        time.sleep(every_s)
    return EXIT_DONE


def end(folder: Path, code: int) -> int:
    """Records an end and decides. Returns 0 if the job is requeued, and prints the nodes that it must exclude then."""
    run, submission, job = run_of(folder), read_submission(folder), os.environ["SLURM_JOB_ID"]
    logs = log_folder(run, submission.name, job)
    code, rank, host = first_failure(logs / "ended", code)
    step, checkpoint = last_step(run), newest_name(run)
    ends = [record for record in read_history(folder) if record["event"] == "end"]
    decision = decide(
        code, step, checkpoint, ends, submission.max_restarts, stop_requested=(run / STOP_REQUEST).exists()
    )
    blamed = blamed_nodes(logs)
    append_history(
        folder, "end", job, code=code, step=step, checkpoint=checkpoint, requeued=decision.requeue, why=decision.why,
        rank=rank, host=host, blamed=blamed,
    )  # fmt: skip
    if code == EXIT_DONE:
        return NOT_REQUEUED
    where = f" (rank {rank} on {host})" if rank is not None else ""
    action = "requeued" if decision.requeue else "not requeued"
    print(f"{action} after exit code {code}{where}: {decision.why}", file=sys.stderr)
    if decision.requeue:
        print(",".join(blamed))
    return EXIT_DONE if decision.requeue else NOT_REQUEUED


def first_failure(ended: Path, code: int) -> tuple[int, int | None, str]:
    """Exit code of the job, and the rank and host that ended it, if a rank did.

    A rank that fails ends the others, and srun returns the highest code, which may be that of an ended rank. Therefore
    the first rank whose code is neither a request nor a loss decides, else srun's code.
    """
    if code == EXIT_DONE or not ended.is_dir():
        return code, None, ""
    found = []
    for path in ended.iterdir():
        words = path.read_text(encoding="utf-8").split()
        if path.name.isdecimal() and len(words) == 2 and words[0].isdecimal():
            found.append((path.stat().st_mtime_ns, int(words[0]), int(path.name), words[1]))
    failed = sorted(item for item in found if item[1] not in REQUESTS | LOSSES)
    same = sorted(item for item in found if item[1] == code)
    for _, own, rank, host in [*failed[:1], *same[:1]]:
        return own, rank, host
    return code, None, ""


def blamed_nodes(logs: Path) -> list[str]:
    """Nodes that a preflight of this job has blamed, in its first or an earlier start."""
    path = logs / BLAMED
    return sorted(set(path.read_text(encoding="utf-8").split())) if path.is_file() else []


def run_of(folder: Path) -> Path:
    return folder.parent.parent


def last_step(run: Path) -> int:
    """Last step in ``metrics.jsonl``; 0 before the first."""
    return max((record["step"] for record in last_metrics(run / "metrics.jsonl")), default=0)


def newest_name(run: Path) -> str | None:
    checkpoints = checkpoints_of(run)
    return checkpoints[-1].name if checkpoints else None


def free_port() -> int:
    """A port that nobody listens on now, for the rendezvous, which listens there seconds later."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def environment_text(revision: str, environment: dict[str, str] | os._Environ[str] = os.environ) -> str:
    """Versions of everything, revision, driver, and variables of Slurm and of libraries without secrets."""
    facts: dict[str, Any] = {
        "revision": revision,
        "host": f"{socket.gethostname()}, Linux {platform.release()}",
        "python": f"{platform.python_version()} ({sys.executable})",
        "driver": _driver(),
    }
    packages = sorted(
        {f"{dist.metadata['Name']} {dist.version}" for dist in metadata.distributions()}, key=str.lower
    )
    variables = [f"{name}={value}" for name, value in shown_variables(environment).items()]
    parts = [f"{name}: {value}" for name, value in facts.items()]
    return "\n".join([*parts, "", "[packages]", *packages, "", "[variables]", *variables]) + "\n"


def _driver() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version,name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "none (no nvidia-smi)"
    return "; ".join(done.stdout.split("\n")).strip("; ") or "none"


if __name__ == "__main__":
    raise SystemExit(main())
