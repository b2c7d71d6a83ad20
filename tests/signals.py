"""Sends signals to a program at a chosen moment and checks its end: exit code, no process left, no traceback."""

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
ENABLED = ("env", f"--default-signal={','.join(number.name.removeprefix('SIG') for number in NUMBERS)}")
GONE_WITHIN_S = 10.0
LIMIT_S = 300.0
MARK = "TEST_OF_SIGNALS"


@dataclass
class Ended:
    """End of a program: exit code, output, and seconds from the signal until its last process ended."""

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
    """Sends ``number`` to the program, or to its whole process group, ``after_s`` seconds after it can handle signals.

    ``env`` turns on signals that whoever runs the tests ignores, as in the background of a script.
    """
    mark = f"{MARK}={folder.name}-{time.monotonic_ns()}"
    name, _, value = mark.partition("=")
    with open(folder / "output.txt", "w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            [*ENABLED, *command], cwd=folder, env={**os.environ, **(environment or {}), name: value}, start_new_session=True,
            stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            _wait_until(lambda: process.poll() is not None or handles_signals(process.pid))
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
    """Returns True if the program was stopped, False if it had finished.

    It may take GONE_WITHIN_S longer than a complete run without signals, whose duration measures the machine's load.
    """
    assert ended.code in (EXIT_DONE, EXIT_STOPPED), f"exit code {ended.code}\n{ended.text}"
    assert "Traceback" not in ended.text, ended.text
    assert "Error" not in ended.text, ended.text
    assert ended.seconds < GONE_WITHIN_S + undisturbed_s, (
        f"{ended.seconds:.1f} s until the last process ended\n{ended.text}"
    )
    return ended.code == EXIT_STOPPED


def handles_signals(pid: int) -> bool:
    """Whether the process blocks or catches all signals; no program can before its first line."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigBlk:", "SigCgt:"))]
    either = masks[0] | masks[1]
    return all(either >> (number - 1) & 1 for number in NUMBERS)


def living(mark: str) -> list[psutil.Process]:
    """Processes that inherited the mark in their environment, anywhere in the process tree."""
    processes = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if mark.encode() in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                processes.append(process)
    return [
        process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]


def _wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, f"did not happen within {LIMIT_S:.0f} s"
        time.sleep(0.01)
