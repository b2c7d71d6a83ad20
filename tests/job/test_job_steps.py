"""A step runs when its inputs changed, is skipped when they did not, and is recorded only when it succeeded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from megatron_ko.errors import EXIT_STOPPED, UserError
from megatron_ko.job.steps import Record, Step, StepFailed, duration, format_command, run_command, run_step


def counting_step(folder: Path, inputs: object = 1, code: int = 0) -> Step:
    """Appends a line to ``ran`` and ends with ``code``."""
    program = f"open({str(folder / 'ran')!r}, 'a').write('x'); raise SystemExit({code})"
    return Step("count", "Count", ("python", "-c", program), lambda: inputs, (folder / "ran").is_file)


def times_run(folder: Path) -> int:
    return len((folder / "ran").read_text())


def test_second_run_is_skipped(tmp_path: Path) -> None:
    assert run_step(counting_step(tmp_path), Record(tmp_path / "job.json"), 1, 1)
    assert not run_step(counting_step(tmp_path), Record(tmp_path / "job.json"), 1, 1)
    assert times_run(tmp_path) == 1


def test_changed_inputs_command_version_or_lost_result_run_again(tmp_path: Path) -> None:
    record = Record(tmp_path / "job.json")
    run_step(counting_step(tmp_path, inputs={"a": 1}), record, 1, 1)
    assert run_step(counting_step(tmp_path, inputs={"a": 2}), record, 1, 1)
    other = Step("count", "Count", ("python", "-c", "pass"), lambda: {"a": 2}, lambda: True)
    assert run_step(other, record, 1, 1)
    assert run_step(replace(other, version=2), record, 1, 1)
    run_step(counting_step(tmp_path), record, 1, 1)
    (tmp_path / "ran").unlink()
    assert run_step(counting_step(tmp_path), record, 1, 1)
    assert times_run(tmp_path) == 1


def test_failed_step_is_not_recorded_and_says_its_command(tmp_path: Path) -> None:
    record = Record(tmp_path / "job.json")
    run_step(counting_step(tmp_path, inputs=1), record, 1, 1)
    with pytest.raises(StepFailed) as failure:
        run_step(counting_step(tmp_path, inputs=2, code=3), record, 1, 1)
    assert failure.value.exit_code == 3 and "python -c" in str(failure.value)
    # neither the new inputs nor the old ones count as done: the failed command may have touched the result
    assert json.loads((tmp_path / "job.json").read_text())["steps"] == {}


def test_a_requested_stop_is_no_failure(tmp_path: Path) -> None:
    labels = {}
    for code in (1, EXIT_STOPPED):
        with pytest.raises(StepFailed) as failure:
            run_step(counting_step(tmp_path, inputs=code, code=code), Record(tmp_path / "job.json"), 1, 1)
        labels[code] = failure.value.label
    assert labels[1] != labels[EXIT_STOPPED]


@pytest.mark.parametrize(("inputs", "stays"), [(1, True), (2, False)])
def test_a_training_that_was_cut_off_continues_only_for_the_same_inputs(
    tmp_path: Path, inputs: int, stays: bool
) -> None:
    folder = tmp_path / "run"
    cut_off = f"import os, pathlib; pathlib.Path({str(folder)!r}).mkdir(); os.kill(os.getpid(), 9)"
    training = Step("t", "T", ("python", "-c", cut_off), lambda: 1, folder.is_dir, folder)
    for step, code in (
        (training, 128 + 9),
        (replace(training, inputs=lambda: inputs), 1 if stays else 128 + 9),
    ):
        with pytest.raises(StepFailed) as failure:
            run_step(step, Record(tmp_path / "job.json"), 1, 1)
        assert failure.value.exit_code == code, "mkdir of a folder that is there ends with 1"


def test_success_without_a_result_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        run_step(
            Step("a", "A", ("python", "-c", "pass"), lambda: 1, lambda: False),
            Record(tmp_path / "job.json"),
            1,
            1,
        )
    assert caught.value.rule == "missing-result"


def test_record_survives_being_read_again(tmp_path: Path) -> None:
    record = Record(tmp_path / "job.json")
    record.note("trained_on", "abc")
    run_step(counting_step(tmp_path), record, 1, 1)
    again = Record(tmp_path / "job.json")
    assert again.notes == {"trained_on": "abc"}
    assert again.steps["count"]["command"].startswith("python -c")


def test_exit_code_of_a_killed_command() -> None:
    assert run_command(["python", "-c", "import os; os.kill(os.getpid(), 9)"]) == 128 + 9


def test_command_line_is_quoted_for_people() -> None:
    assert format_command(["mko", "x", "a=[1, 2]"]) == "mko x 'a=[1, 2]'"


@pytest.mark.parametrize(("seconds", "text"), [(1.26, "1.3 s"), (245, "4 min 05 s"), (7380, "2 h 03 min")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def start_sleeper(tmp_path: Path) -> tuple[subprocess.Popen, int]:
    """A process that runs a command, and the id of the command's process."""
    command = (
        f"import os, signal, sys, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()) + '.');"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(75)); time.sleep(60)"
    )
    program = f"from megatron_ko.job.steps import run_command; raise SystemExit(run_command(['python', '-c', {command!r}]))"
    job = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (tmp_path / "pid").is_file() or not (tmp_path / "pid").read_text().endswith("."):
        assert time.monotonic() < deadline and job.poll() is None
        time.sleep(0.02)
    return job, int((tmp_path / "pid").read_text()[:-1])


def gone(process: int) -> bool:
    for _ in range(500):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        try:
            if Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True  # dead; in a container nobody may collect it
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def test_request_to_stop_reaches_the_command(tmp_path: Path) -> None:
    job, command = start_sleeper(tmp_path)
    time.sleep(0.3)  # the command installs its handler after it wrote its id
    job.send_signal(signal.SIGTERM)
    assert job.wait(timeout=300) == 75
    assert gone(command)


def test_command_dies_with_a_killed_job(tmp_path: Path) -> None:
    job, command = start_sleeper(tmp_path)
    job.kill()
    job.wait(timeout=300)
    assert gone(command)
