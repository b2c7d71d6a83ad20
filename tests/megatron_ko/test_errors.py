"""Exit codes, and training that reports user errors on stderr before torch is imported."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from megatron_ko.errors import (
    EXIT_STOPPED,
    CheckpointError,
    ConfigError,
    DataError,
    Problem,
    UserError,
    exit_code_of,
)
from megatron_ko.logs import RunFile
from tests.tiny_run import write_tiny_run

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "megatron", "transformers", "transformer_engine"}


def raises(error: BaseException):
    def main() -> int:
        raise error

    return main


@pytest.mark.parametrize("result, code", [(None, 0), (0, 0), (1, 1), (EXIT_STOPPED, 75)])
def test_the_exit_code_is_the_return_value(result, code):
    assert exit_code_of(lambda: result) == code


@pytest.mark.parametrize(
    "error, line",
    [
        (UserError("x"), "error: x\n"),
        (ConfigError("x"), "config error: x\n"),
        (DataError("x"), "data error: x\n"),
        (CheckpointError("x"), "checkpoint error: x\n"),
    ],
)
def test_a_mistake_of_the_user_is_2_and_one_line_on_stderr(error, line, capsys):
    assert exit_code_of(raises(error)) == 2
    assert capsys.readouterr() == ("", line)


def test_other_ranks_do_not_repeat_the_message_of_rank_0(capsys):
    assert exit_code_of(raises(DataError("x")), quiet=True) == 2
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("error", [ValueError, AssertionError, KeyboardInterrupt])
def test_a_bug_keeps_its_traceback(error):
    with pytest.raises(error):
        exit_code_of(raises(error()))


def test_problems_are_listed_with_origin_path_and_message():
    one, two = Problem("a.yaml:3", "x.y", "is wrong"), Problem("", "", "also")
    assert str(ConfigError([one])) == "a.yaml:3: x.y: is wrong"
    assert str(ConfigError([one, two])) == "2 problems\n  a.yaml:3: x.y: is wrong\n  also"


def test_a_remedy_is_part_of_the_message_but_not_of_the_cause():
    error = ConfigError("a: is damaged (x; y)", rule="r", remedy="use another")
    assert str(error) == "a: is damaged (x; y); use another"
    assert (error.rule, error.problems[0].cause) == ("r", "a: is damaged (x; y)")


PRINTS_FOREVER = """
import sys
from megatron_ko.errors import exit_code_of
def main():
    while True:
        print("x" * 100, flush=True)
sys.exit(exit_code_of(main))
"""


def test_a_run_whose_output_is_closed_is_not_done():
    """`... | head -1` closes the pipe: exit code 0 would mean that the run is done; there is no traceback."""
    process = subprocess.Popen(
        [sys.executable, "-c", PRINTS_FOREVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(300) == 1
    assert error.startswith("error: ") and error.count("\n") == 1


# --- python -m megatron_ko.train -------------------------------------------------------------------------

# Runs `python -m megatron_ko.train` and prints the imported modules at the end.
TRAIN = """
import runpy, sys
try:
    runpy.run_module("megatron_ko.train", run_name="__main__", alter_sys=True)
finally:
    print("imported:", *sorted({name.partition(".")[0] for name in sys.modules}), flush=True)
"""


def train(*arguments: str, **environment: str) -> tuple[int, str, set[str]]:
    """Exit code, stderr, and the top-level modules that were imported."""
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, *arguments], cwd=ROOT,
        capture_output=True, text=True, timeout=300, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    return done.returncode, done.stderr, set(done.stdout.rpartition("imported:")[2].split())


@pytest.fixture(scope="module")
def intact(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_run(folder)
    return folder


@pytest.fixture
def folder(intact, tmp_path) -> Path:
    """A run whose data a test may damage."""
    copy = Path(shutil.copytree(intact, tmp_path / "tiny"))
    (copy / "train.yaml").write_text((copy / "train.yaml").read_text().replace(str(intact), str(copy)))
    return copy


def truncate(folder: Path) -> None:
    path = folder / "data" / "tokens" / "ko_train.bin"
    path.write_bytes(path.read_bytes()[:-2])


def bad_id(folder: Path) -> None:
    path = folder / "data" / "tokens" / "ko_train.bin"
    path.write_bytes(b"\xff\xff" + path.read_bytes()[2:])


def incomplete(folder: Path) -> None:
    (folder / "weights").mkdir()
    (folder / "weights" / "__0_0.distcp").write_bytes(b"x")


def wrong_vocabulary(folder: Path) -> None:
    path = folder / "data" / "manifest.json"
    data = json.loads(path.read_text())
    data["tokenizer"]["vocab_size"] = "many"
    path.write_text(json.dumps(data))


# Damage, arguments, and values that the message contains.
MISTAKES = {
    "unknown key": (None, ["model.layer=3"], ["command line", "model.layer", "'layers'"]),
    "no such file": (None, ["no.yaml"], ["no.yaml"]),
    "no manifest": (lambda f: (f / "data/manifest.json").unlink(), [], ["manifest.json"]),
    "truncated data": (truncate, [], ["ko_train.bin"]),
    "id outside the vocabulary": (bad_id, [], ["ko_train.bin", "65535", "1001"]),
    "wrong manifest": (wrong_vocabulary, [], ["manifest.json", "tokenizer.vocab_size"]),
    "FP8 on the CPU": (None, ["precision.fp8=delayed"], ["precision.fp8", "delayed", "cpu"]),
    "impossible layout": (None, ["--ranks", "3", "parallel.tensor=2"], ["command line", "parallel", "tensor 2"]),
    "batch does not divide": (None, ["--ranks", "8"], ["training.global_batch_size", "8", "16"]),
    "incomplete weights": (incomplete, ["checkpoint.initial_weights={folder}/weights"], ["weights", "checkpoint.json"]),
    "run folder is a file": (None, ["run.folder={folder}/train.yaml"], ["run.folder", "train.yaml"]),
    "no ranks": (None, ["--ranks", "0"], ["--ranks", "'0'"]),
    "ranks to plan for, but not a plan": (None, ["--world-size", "8"], ["--world-size", "--dry-run"]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_training_ends_with_2_and_a_readable_message_before_torch_is_imported(folder, mistake):
    damage, arguments, values = MISTAKES[mistake]
    if damage:
        damage(folder)
    code, error, imported = train(str(folder / "train.yaml"), *(a.format(folder=folder) for a in arguments))
    assert code == 2
    assert [value for value in values if value not in error] == []
    assert "Traceback" not in error
    assert "megatron_ko" in imported
    assert not imported & HEAVY
    assert not (folder / "run").exists()


def test_only_the_first_rank_under_torchrun_reports_the_mistake(folder):
    arguments = [str(folder / "train.yaml"), "parallel.tensor=4"]
    first = train(*arguments, RANK="0", WORLD_SIZE="6")
    second = train(*arguments, RANK="1", WORLD_SIZE="6")
    assert (first[0], second[0]) == (2, 2)
    assert "parallel" in first[1] and "6" in first[1]
    assert second[1] == ""
    assert not (first[2] | second[2]) & HEAVY


def test_torchrun_and_ranks_exclude_each_other(folder):
    code, error, _ = train(str(folder / "train.yaml"), "--ranks", "2", RANK="0", WORLD_SIZE="2")
    assert (code, error.count("\n")) == (2, 1)
    assert "--ranks 2" in error


def test_a_dry_run_starts_nothing(folder):
    code, error, imported = train(str(folder / "train.yaml"), "--dry-run", "--world-size", "4")
    assert (code, error) == (0, "")
    assert not imported & HEAVY
    assert not (folder / "run").exists()


def test_dash_m_is_the_same_program(folder):
    """The way users start it, without the wrapper above."""
    overrides = ["precision.dtype=bf16", "precision.fp8=delayed"]
    command = [sys.executable, "-m", "megatron_ko.train", str(folder / "train.yaml"), *overrides]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "precision.fp8" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_log_file_on_a_full_disk_is_reported_once(capsys):
    handler = RunFile("/dev/full", encoding="utf-8")
    for number in range(3):
        handler.handle(logging.LogRecord("x", logging.WARNING, "x.py", number, "line", (), None))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "/dev/full" in lines[0]
