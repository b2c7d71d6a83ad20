"""``mko status``: state, job, speed, checkpoints and restarts of runs, from their folders and from Slurm where it answers.

Owns the command and its lines. Reads only: anybody who may read a run folder may ask.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from megatron_ko.config.cli import Parser, bounded
from megatron_ko.errors import ConfigError, exit_code_of
from megatron_ko.formats.checkpoint_folder import MARKER
from megatron_ko.formats.job_folder import (
    STOP_REQUEST,
    Submission,
    job_folders,
    log_folder,
    read_heartbeat,
    read_history,
    read_submission,
)
from megatron_ko.formats.run_folder import checkpoints_of, is_run_folder, last_metrics, suggest_run_folder
from megatron_ko.operations import slurm_client
from megatron_ko.operations.slurm_client import Job
from megatron_ko.tables import format_table, terminal_width, wrap
from megatron_ko.wording import format_count

SILENT_S = 120.0
"""A run without Slurm whose last heartbeat is older is not running."""
LABEL = 12


@dataclass(frozen=True)
class State:
    """What is known of one run. ``jobs``: None where Slurm does not answer; ``train`` the last report of a step."""

    run: Path
    submission: Submission | None
    jobs: dict[str, Job] | None
    history: list[dict[str, Any]]
    train: dict[str, Any]
    ended: dict[str, Any]
    world_size: int
    silent_s: float | None
    checkpoint: str
    checkpoint_age_s: float | None
    stop_requested: bool

    @property
    def steps(self) -> int | None:
        return self.submission.steps if self.submission else None

    @property
    def job(self) -> Job | None:
        """The job that runs, else the one that waits, else the last that Slurm remembers."""
        jobs = list((self.jobs or {}).values())
        order = ("RUNNING", "COMPLETING", "CONFIGURING", "PENDING")
        alive = [job for state in order for job in jobs if job.state == state]
        return next(iter(alive), jobs[-1] if jobs else None)

    @property
    def word(self) -> str:
        """``done``, ``running``, ``waiting``, ``stopping``, ``stopped``, ``failed``, ``silent`` or ``not started``."""
        ended_in_slurm = self.job is not None and self.job.state not in slurm_client.ALIVE
        if self.history and self.history[-1].get("requeued") and not (self.stop_requested or ended_in_slurm):
            return "waiting"
        alive = self.job is not None and self.job.state in ("RUNNING", "COMPLETING")
        beats = self.silent_s is not None and self.silent_s < SILENT_S and not self.ended
        if alive or (beats and (self.jobs is None or not self.submission)):
            return "stopping" if self.stop_requested else "running"
        if self.ended.get("reason") == "done":
            return "done"
        if self.job is not None and self.job.state in ("PENDING", "CONFIGURING"):
            return "waiting"
        ends = [record for record in self.history if record["event"] == "end"]
        if ends and not ends[-1]["requeued"] and ends[-1]["code"] not in (0, 75):
            return "failed"
        if self.ended or (self.stop_requested and not alive):
            return "stopped"
        return "silent" if self.train or self.history else "not started"


def parser() -> Parser:
    made = Parser(
        prog="mko status",
        description="Shows the state of runs: one in full, several in a table. Without RUN, all run folders in runs/.",
    )
    made.add_argument("runs", nargs="*", metavar="RUN", help="run folders")
    made.add_argument(
        "--lines",
        type=bounded(0, 1000),
        default=10,
        metavar="N",
        help="lines of a failed rank's log (default: 10)",
    )
    return made  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    return exit_code_of(lambda: _main(parser().parse(arguments)))


def _main(given: argparse.Namespace) -> int:
    runs = [Path(text).expanduser().absolute() for text in given.runs]
    if not runs and Path("runs").is_dir():
        runs = sorted(path.absolute() for path in Path("runs").iterdir() if _is_run(path))
    if not runs:
        raise ConfigError("no run folders in runs/; name one: mko status RUN", rule="no-runs")
    if unknown := [run for run in runs if not _is_run(run)]:
        raise ConfigError(
            f"{unknown[0]}: is not a run folder; {suggest_run_folder(unknown[0])}", rule="not-a-run"
        )
    states: list[State] = []
    for run in runs:  # a Slurm that does not answer is asked once
        states.append(state_of(run, asks=not states or states[-1].jobs is not None))
    lines = lines_of(states[0], given.lines) if len(states) == 1 else table_of(states)
    print("\n".join(lines))
    return 0


def _is_run(path: Path) -> bool:
    return path.is_dir() and (is_run_folder(path) or bool(job_folders(path)))


def state_of(run: Path, asks: bool = True) -> State:
    """Reads a run folder and asks Slurm about its last submission; without ``asks`` as if Slurm did not answer."""
    folders = job_folders(run)
    submission = read_submission(folders[-1]) if folders else None
    history = [record for folder in folders[-1:] for record in read_history(folder)]
    train: dict[str, Any] = {}
    ended: dict[str, Any] = {}
    world_size = submission.world_size if submission else 0
    for record in last_metrics(run / "metrics.jsonl"):
        if record["kind"] == "start":
            world_size, ended = record["world_size"], {}
        train = record if record["kind"] == "train" else train
        ended = record if record["kind"] == "end" else ended
    seen, complete = read_heartbeat(run), checkpoints_of(run)
    now = time.time()
    return State(
        run=run,
        submission=submission,
        jobs=(slurm_client.jobs_of(submission.jobs) if submission else {}) if asks else None,
        history=history,
        train=train,
        ended=ended,
        world_size=world_size,
        silent_s=None if seen is None else max(0.0, now - seen),
        checkpoint=complete[-1].name if complete else "",
        checkpoint_age_s=max(0.0, now - (complete[-1] / MARKER).stat().st_mtime) if complete else None,
        stop_requested=(run / STOP_REQUEST).exists(),
    )


def lines_of(state: State, log_lines: int) -> list[str]:
    """One run in full, in the width of the terminal."""
    rows = [("run", str(state.run)), ("state", state.word), *_job_rows(state)]
    if state.jobs is not None and state.submission is not None:
        for name, id in state.submission.others.items():
            rows.append((name, f"{id} {slurm_client.state_of_step(id)}, {_log_of_step(state, name)}"))
    if state.train:
        rows.append(("step", _step_text(state)))
        rows.append(("loss", f"{state.train['loss']:.4f}, gradient norm {state.train['gradient_norm']:.3g}"))
        speed = f"{state.train['tokens_per_s']:,.0f} tokens/s, {state.train['tokens']:,} tokens so far"
        rows.append(
            ("speed", speed + (f", {duration(state.train['eta_s'])} left" if state.word == "running" else ""))
        )
    if state.silent_s is not None and state.word in ("running", "stopping", "silent"):
        rows.append(("heartbeat", f"{duration(state.silent_s)} ago"))
    if state.checkpoint_age_s is not None:
        rows.append(("checkpoint", f"{state.checkpoint}, {duration(state.checkpoint_age_s)} ago"))
    lines = [line for label, text in rows for line in _labeled(label, text)]
    for number, text in enumerate(_restart_texts(state)):
        lines += _labeled("" if number else "restarts", text)
    return lines + (_failure_lines(state, log_lines) if log_lines else [])


def _job_rows(state: State) -> list[tuple[str, str]]:
    submission, job = state.submission, state.job
    if submission is None:
        return [("ranks", f"{state.world_size}, without Slurm")] if state.world_size else []
    jobs = ", ".join(submission.jobs)
    shape = f"{format_count(submission.nodes, 'node')} x {format_count(submission.ranks_per_node, 'rank')}"
    rows = [("job", f"{jobs} ({submission.name}), {shape}")]
    if state.jobs is None:
        rows.append(("slurm", "does not answer; this is what the run folder contains"))
    elif job is None:
        rows.append(("slurm", "has forgotten the job"))
    else:
        more = f" on {job.hosts}, {job.left} left" if job.hosts and job.state == "RUNNING" else ""
        reason = f" ({job.reason})" if job.reason not in ("", "None") and job.state == "PENDING" else ""
        rows.append(("slurm", f"{job.id} {job.state}{reason}{more}"))
    return rows


def _log_of_step(state: State, name: str) -> str:
    """The log of a step before or after the training; the tasks of an array have one each."""
    assert state.submission is not None
    return f"logs/{state.submission.name}-{name}-*.log"


def _step_text(state: State) -> str:
    step = state.train["step"]
    return f"{step:,} of {state.steps:,} ({step / state.steps:.1%})" if state.steps else f"{step:,}"


def _restart_texts(state: State) -> list[str]:
    """A line for each end of the last submission, newest last; starts without an end were ended by Slurm."""
    texts = []
    open_start: dict[str, Any] | None = None
    for record in state.history:
        if record["event"] == "start":
            if open_start:
                texts.append(_restart_text(open_start, "ended by Slurm: preempted, requeued or a lost node"))
            open_start = record
        else:
            open_start = None
            if record["code"]:
                where = f", rank {record['rank']} on {record['host']}" if record["rank"] is not None else ""
                what = "requeued" if record["requeued"] else "not requeued"
                texts.append(
                    _restart_text(record, f"exit code {record['code']}{where}: {record['why']}; {what}")
                )
    return texts[-8:]


def _restart_text(record: dict[str, Any], text: str) -> str:
    when = time.strftime("%m-%d %H:%M", time.localtime(record["time"]))
    return f"{when} step {record['step']:,}: {text}"


def _failure_lines(state: State, count: int) -> list[str]:
    """The end of the log of the rank that failed last, unless the run is well."""
    ends = [record for record in state.history if record["event"] == "end" and record["code"] not in (0, 75)]
    if not ends or state.submission is None or state.word not in ("failed", "waiting", "silent"):
        return []
    folder = log_folder(state.run, state.submission.name, ends[-1]["job"])
    rank = ends[-1]["rank"]
    path = folder / f"rank_{rank or 0:05d}.log"
    if not path.is_file():
        path = folder.with_name(folder.name + ".log")
    if not path.is_file():
        return []
    last = path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    width = terminal_width()
    return [
        "",
        f"last lines of {path.relative_to(state.run)}:",
        *(piece for line in last for piece in wrap(line, "  ", width)),
    ]


def table_of(states: Sequence[State]) -> list[str]:
    """A line for each of several runs."""
    rows = [["run", "state", "step", "of", "loss", "tok/s", "left", "saved", "starts"]]
    for state in states:
        train = state.train
        starts = sum(record["event"] == "start" for record in state.history)
        rows.append(
            [
                state.run.name[:24], state.word, f"{train['step']:,}" if train else "-",
                f"{state.steps:,}" if state.steps else "-", f"{train['loss']:.3f}" if train else "-",
                f"{train['tokens_per_s']:,.0f}" if train else "-",
                duration(train["eta_s"]) if train and state.word == "running" else "-",
                duration(state.checkpoint_age_s) if state.checkpoint_age_s is not None else "-", str(starts),
            ]
        )  # fmt: skip
    notes = (
        ["Slurm does not answer; this is what the run folders contain"]
        if any(s.jobs is None for s in states)
        else []
    )
    return format_table(rows, left=2) + notes


def _labeled(label: str, text: str) -> list[str]:
    lines = wrap(text, " " * (LABEL + 1))
    return [f"{label:<{LABEL}} {lines[0].lstrip()}", *lines[1:]]


def duration(seconds: float) -> str:
    """Two units: ``59s``, ``4m05s``, ``3h04m``, ``2d03h``."""
    minutes, rest = divmod(int(min(seconds, 1e12)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours:02d}h"
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


if __name__ == "__main__":
    raise SystemExit(main())
