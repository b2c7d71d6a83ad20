"""Stages of a job: each is one command, run when its inputs changed and left alone when they did not.

Owns ``stages.json`` (what is finished, with the hash of its inputs, written after each stage) and running a command so
that signals reach it and it never outlives the job. Knows nothing of what a stage does.
"""

from __future__ import annotations

import ctypes
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from megatron_ko.errors import EXIT_STOPPED, UserError
from megatron_ko.files import read_json, sha256_text, write_json

FORMAT = "megatron_ko-stages-1"
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Stage:
    """One command. ``inputs`` is asked when its turn comes, as JSON; ``is_there`` looks at the result on disk."""

    name: str
    title: str
    command: tuple[str, ...]
    """Arguments of the Python interpreter, such as ("-m", "preprocessing", "run", "data.yaml")."""
    inputs: Callable[[], Any]
    is_there: Callable[[], bool]
    version: int = 1
    """Raise when the command writes another result for the same inputs: results of earlier versions are made again."""

    def key(self) -> str:
        """Hash of everything the result depends on; code counts by its version."""
        depends = [self.version, self.command, self.inputs()]
        return sha256_text(json.dumps(depends, sort_keys=True, ensure_ascii=False))


class StageFailed(UserError):
    """A command ended with another exit code than 0; the job ends with the same one."""

    label = "stage failed"

    def __init__(self, stage: Stage, code: int):
        self.code = code
        what = f"{stage.title}: the command\n  {shown(stage.command)}\n"
        if code == EXIT_STOPPED:
            text = f"{what}stopped on request (exit code {code}); run the same job again and it continues"
        else:
            text = f"{what}ended with exit code {code}; its message is above. Run the same job again after the repair"
        super().__init__(text)


class Record:
    """``stages.json``: which stages are finished, of which inputs, when, and how long they took."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stages: dict[str, dict[str, Any]] = {}
        self.notes: dict[str, str] = {}
        if path.is_file():
            data = read_json(path)
            if isinstance(data, dict) and data.get("format") == FORMAT:
                self.stages, self.notes = data["stages"], data["notes"]

    def is_done(self, stage: Stage, key: str) -> bool:
        return self.stages.get(stage.name, {}).get("key") == key and stage.is_there()

    def add(self, stage: Stage, key: str, seconds: float) -> None:
        entry = {"key": key, "seconds": round(seconds, 1), "finished": round(time.time())}
        self.stages[stage.name] = {**entry, "command": ["python", *stage.command]}
        self._write()

    def forget(self, name: str) -> None:
        if self.stages.pop(name, None):
            self._write()

    def note(self, name: str, value: str) -> None:
        self.notes[name] = value
        self._write()

    def _write(self) -> None:
        write_json(self.path, {"format": FORMAT, "stages": self.stages, "notes": self.notes})


def run_stage(stage: Stage, record: Record, number: int, count: int) -> bool:
    """Runs the command unless its result is there. Returns whether it ran; raises StageFailed."""
    key = stage.key()
    head = f"[{number}/{count}] {stage.title}"
    if record.is_done(stage, key):
        print(f"{head}: unchanged, reused", flush=True)
        return False
    record.forget(stage.name)
    say(f"{head}\n$ {shown(stage.command)}")
    begin = time.monotonic()
    code = run_command(stage.command)
    if code:
        raise StageFailed(stage, code)
    if not stage.is_there():
        raise UserError(f"{shown(stage.command)} ended without an error, but its result is missing")
    record.add(stage, key, time.monotonic() - begin)
    return True


def run_command(command: Sequence[str]) -> int:
    """Runs this Python with ``command``; its exit code, or 128 + N when signal N killed it.

    SIGTERM and SIGUSR1 are passed on. Ctrl-C reaches the command from the terminal itself. When this process is killed
    the command dies with it, so that a second job never meets the rest of a first one.
    """
    parent = os.getpid()

    def die_with_parent() -> None:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    child = subprocess.Popen([sys.executable, *command], preexec_fn=die_with_parent)

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
    return code if code >= 0 else 128 - code


def shown(command: Sequence[str]) -> str:
    """The command as one types it."""
    return shlex.join(["python", *command])


def say(text: str) -> None:
    """A line of the job itself, set apart from the output of its commands."""
    bold, plain = ("\x1b[1m", "\x1b[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}{text}{plain}", flush=True)


def duration(seconds: float) -> str:
    """12.3 s, 4 min 05 s, 2 h 03 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
