"""Signals at moments of a program's life, and what must hold afterwards: the exit code, no process left, no traceback."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from megatron_ko.errors import EXIT_DONE, EXIT_STOPPED

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
GONE_WITHIN_S = 10.0
LIMIT_S = 300.0
MARK = "TEST_OF_SIGNALS"


@dataclass
class Ended:
    """How a program ended: its exit code, its output, and the seconds from the signal until its last process was gone."""

    code: int
    text: str
    seconds: float


def run_with_signal(
    command: Sequence[str],
    folder: Path,
    number: signal.Signals,
    after_s: float,
    whole_group: bool,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Sends ``number`` to the program, or to its whole process group, ``after_s`` seconds after it can answer signals."""
    mark = f"{MARK}={folder.name}-{time.monotonic_ns()}"
    name, _, value = mark.partition("=")
    with open(folder / "output.txt", "w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **(environment or {}), name: value}, start_new_session=True,
            stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            _wait_until(lambda: process.poll() is not None or answers(process.pid))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(after_s)
            sent = time.monotonic()
            if process.poll() is None:
                (os.killpg if whole_group else os.kill)(process.pid, number)
            code = process.wait(LIMIT_S)
            _wait_until(lambda: not living(mark))
            seconds = time.monotonic() - sent
        finally:
            for left in living(mark):
                with contextlib.suppress(psutil.NoSuchProcess):
                    left.kill()
        output.seek(0)
        return Ended(code, output.read(), seconds)


def check(ended: Ended, undisturbed_s: float) -> bool:
    """True when the program was stopped, False when it had finished.

    It may take GONE_WITHIN_S and as long as a whole run without signals, whose time says how busy this machine is.
    """
    assert ended.code in (EXIT_DONE, EXIT_STOPPED), f"exit code {ended.code}\n{ended.text}"
    assert "Traceback" not in ended.text, ended.text
    assert "Error" not in ended.text, ended.text
    assert ended.seconds < GONE_WITHIN_S + undisturbed_s, (
        f"{ended.seconds:.1f} s until the last process was gone\n{ended.text}"
    )
    return ended.code == EXIT_STOPPED


def answers(pid: int) -> bool:
    """All signals are blocked or caught: before its first line no program can answer one."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigBlk:", "SigCgt:"))]
    either = masks[0] | masks[1]
    return all(either >> (number - 1) & 1 for number in NUMBERS)


def living(mark: str) -> list[psutil.Process]:
    """Processes that inherited the mark in their environment, wherever they are in the tree."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if mark.encode() in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                found.append(process)
    return [process for process in found if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def _wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < end, f"did not happen within {LIMIT_S:.0f} s"
        time.sleep(0.01)
