"""Steps of a job: each is one command, run when its inputs changed and skipped when they did not.

Owns ``job.json`` (finished steps with the hash of their inputs, written after each step) and running a command so that
signals reach it and it never outlives the job. Knows nothing of what a step does.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from megatron_ko.errors import EXIT_STOPPED, UserError, exit_code_of, shell_exit_code
from megatron_ko.files import read_json, sha256_text, write_json
from megatron_ko.processes import die_with_parent

FORMAT = "megatron_ko-job-1"
# First word of a command: arguments of this Python that start the same program.
PROGRAMS = {"mko": ("-m", "megatron_ko"), "torchrun": ("-m", "torch.distributed.run"), "python": ()}


@dataclass(frozen=True)
class Step:
    """One command. ``inputs`` is called when its turn comes and returns JSON; ``is_there`` checks the result on disk."""

    name: str
    title: str
    command: tuple[str, ...]
    """As one types it, such as ("mko", "data", "run", "data.yaml"); its first word is one of ``PROGRAMS``."""
    inputs: Callable[[], Any]
    is_there: Callable[[], bool]
    replaced: Path | None = None
    """Run folder of a training that never continues one of other inputs: it is removed first."""
    version: int = 1
    """Raise it when the command writes another result for the same inputs: older results are then rebuilt."""

    def key(self) -> str:
        """Hash of everything the result depends on; code is represented by its version."""
        depends = [self.version, self.command, self.inputs()]
        return sha256_text(json.dumps(depends, sort_keys=True, ensure_ascii=False))


class StepFailed(UserError):
    """A command ended with a nonzero exit code, or stopped on request; the job ends with the same one."""

    label = "step failed"

    def __init__(self, step: Step, code: int):
        self.exit_code = code
        what = f"{step.title}: the command\n  {format_command(step.command)}\n"
        if code == EXIT_STOPPED:
            self.label = "step stopped"
            text = f"{what}stopped on request (exit code {code}); run the same job again and it continues"
        else:
            text = f"{what}ended with exit code {code}; its message is above. Run the same job again after the repair"
        super().__init__(text, rule="step-failed")


class Record:
    """``job.json``: the finished steps, the hash of their inputs, when they ended and how long they took; those that have begun."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.steps: dict[str, dict[str, Any]] = {}
        self.begun: dict[str, str] = {}
        """Hash of the inputs of steps whose command has begun but not ended well: it may have touched the result."""
        self.notes: dict[str, str] = {}
        if path.is_file():
            data = read_json(path)
            if isinstance(data, dict) and data.get("format") == FORMAT:
                self.steps, self.notes = data["steps"], data["notes"]
                self.begun = data.get("begun", {})

    def is_done(self, step: Step, key: str) -> bool:
        return self.steps.get(step.name, {}).get("key") == key and step.is_there()

    def add(self, step: Step, key: str, seconds: float) -> None:
        entry = {"key": key, "seconds": round(seconds, 1), "finished": round(time.time())}
        self.steps[step.name] = {**entry, "command": format_command(step.command)}
        self.begun.pop(step.name, None)
        self._write()

    def begin(self, step: Step, key: str) -> None:
        """The earlier result of the step no longer counts as finished."""
        self.steps.pop(step.name, None)
        self.begun[step.name] = key
        self._write()

    def last_key(self, step: Step) -> str | None:
        """Hash of the inputs for which the command last began."""
        return self.begun.get(step.name) or self.steps.get(step.name, {}).get("key")

    def note(self, name: str, value: str) -> None:
        self.notes[name] = value
        self._write()

    def _write(self) -> None:
        content = {"format": FORMAT, "steps": self.steps, "begun": self.begun, "notes": self.notes}
        write_json(self.path, content)


def exit_code_of_job(job: Callable[[], int]) -> int:
    """``exit_code_of``, for a program whose steps handle signals themselves: Ctrl-C between them ends it with 130."""
    try:
        return exit_code_of(job)
    except KeyboardInterrupt:
        return 130


def run_steps(plan: Sequence[Step], record: Record, before: Callable[[Step], None] | None = None) -> set[str]:
    """Runs the unfinished steps in their order, ``before`` ahead of each of all. Returns the names of those that ran.

    Raises StepFailed, whose exit code the job ends with.
    """
    ran = set()
    for number, step in enumerate(plan, start=1):
        if before is not None:
            before(step)
        if run_step(step, record, number, len(plan)):
            ran.add(step.name)
    return ran


def run_step(step: Step, record: Record, number: int, count: int) -> bool:
    """Runs the command unless its result is there. Returns whether it ran; raises StepFailed."""
    key = step.key()
    head = f"[{number}/{count}] {step.title}"
    if record.is_done(step, key):
        print(f"{head}: unchanged, reused", flush=True)
        return False
    if step.replaced is not None and record.last_key(step) not in (None, key):
        shutil.rmtree(step.replaced, ignore_errors=True)
    record.begin(step, key)
    print_heading(f"{head}\n$ {format_command(step.command)}")
    begin = time.monotonic()
    code = run_command(step.command)
    if code:
        raise StepFailed(step, code)
    if not step.is_there():
        raise UserError(
            f"{format_command(step.command)} ended without an error, but its result is missing",
            rule="missing-result",
        )
    record.add(step, key, time.monotonic() - begin)
    return True


def run_command(command: Sequence[str]) -> int:
    """Runs ``command`` with this Python; returns its exit code, or 128 + N when signal N killed it.

    SIGTERM and SIGUSR1 are passed on. Ctrl-C reaches the command from the terminal itself. When this process is killed
    the command dies with it, so that a second job never meets the rest of a first one.
    """
    child = subprocess.Popen(
        [sys.executable, *PROGRAMS[command[0]], *command[1:]],
        preexec_fn=partial(die_with_parent, os.getpid()),
    )

    def pass_on(number: int, frame: FrameType | None) -> None:
        if number != signal.SIGINT or not sys.stdin.isatty():
            child.send_signal(number)

    passed = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = {number: signal.signal(number, pass_on) for number in passed}
    try:
        code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return shell_exit_code(code)


def format_command(command: Sequence[str]) -> str:
    """The command as one types it."""
    return shlex.join(command)


def print_heading(text: str) -> None:
    """Prints a line of the job itself, set apart from the output of its commands."""
    bold, plain = ("\x1b[1m", "\x1b[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}{text}{plain}", flush=True)


def duration(seconds: float) -> str:
    """less than 0.1 s, 12.3 s, 4 min 05 s, 2 h 03 min."""
    if seconds < 0.05:
        return "less than 0.1 s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
