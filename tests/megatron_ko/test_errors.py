"""Exit codes, and training that says every mistake of a user on stderr before torch is imported."""

from __future__ import annotations

import json
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
from tests.tiny_run import write_tiny_run

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "megatron", "transformers", "transformer_engine"}


def raises(error: BaseException):
    def main() -> int:
        raise error

    return main


@pytest.mark.parametrize("result, code", [(None, 0), (0, 0), (1, 1), (EXIT_STOPPED, 75)])
def test_the_exit_code_is_what_the_program_returns(result, code):
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


def test_other_ranks_keep_quiet_about_the_mistake_rank_0_tells(capsys):
    assert exit_code_of(raises(DataError("x")), quiet=True) == 2
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("error", [ValueError, AssertionError, KeyboardInterrupt])
def test_a_bug_keeps_its_traceback(error):
    with pytest.raises(error):
        exit_code_of(raises(error()))


def test_problems_are_listed_with_place_path_and_message():
    one, two = Problem("a.yaml:3", "x.y", "is wrong"), Problem("", "", "also")
    assert str(ConfigError([one])) == "a.yaml:3: x.y: is wrong"
    assert str(ConfigError([one, two])) == "2 problems\n  a.yaml:3: x.y: is wrong\n  also"


PRINTS_FOREVER = """
import sys
from megatron_ko.errors import exit_code_of
def main():
    while True:
        print("x" * 100, flush=True)
sys.exit(exit_code_of(main))
"""


def test_a_run_whose_output_nobody_reads_is_not_done():
    """`... | head -1` closes the pipe: not 0, which would call an unfinished run done, and no traceback."""
    process = subprocess.Popen(
        [sys.executable, "-c", PRINTS_FOREVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(60) == 1
    assert error == "error: nobody reads the output any more (broken pipe)\n"


# --- python -m megatron_ko.train -------------------------------------------------------------------------

# As `python -m megatron_ko.train`, and says at the end which modules were imported.
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
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment},
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


def half_written(folder: Path) -> None:
    (folder / "weights").mkdir()
    (folder / "weights" / "__0_0.distcp").write_bytes(b"x")


def wrong_vocabulary(folder: Path) -> None:
    path = folder / "data" / "manifest.json"
    data = json.loads(path.read_text())
    data["tokenizer"]["vocab_size"] = "many"
    path.write_text(json.dumps(data))


MISTAKES = {
    "unknown key": (None, ["model.layer=3"], "config error: command line: model.layer: unknown key; did you mean 'layers'?"),
    "no such file": (None, ["no.yaml"], "config error: no.yaml: cannot be read (No such file or directory); check the path"),
    "no manifest": (lambda f: (f / "data/manifest.json").unlink(), [], "manifest.json: cannot be read"),
    "truncated data": (truncate, [], "ko_train.bin: "),
    "id beyond the vocabulary": (bad_id, [], "token id 65535 is beyond the vocabulary of 1001"),
    "wrong manifest": (wrong_vocabulary, [], "tokenizer.vocab_size: input should be a valid integer"),
    "FP8 on the CPU": (None, ["precision.fp8=delayed"], "precision.fp8: delayed needs a GPU and Transformer Engine"),
    "impossible layout": (None, ["--ranks", "3", "parallel.tensor=2"], "config error: command line: parallel: tensor 2"),
    "batch does not divide": (None, ["--ranks", "8"], "training.global_batch_size: 8 is not a multiple of"),
    "half-written weights": (half_written, ["checkpoint.initial_weights={folder}/weights"], "weights: is half-written"),
    "run folder is a file": (None, ["run.folder={folder}/train.yaml"], "train.yaml is a file, not a folder"),
    "no ranks": (None, ["--ranks", "0"], "'0' is not a positive integer"),
    "ranks to plan for, but not a plan": (None, ["--world-size", "8"], "--world-size plans only"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_training_ends_with_2_and_a_readable_message_before_torch_is_imported(folder, mistake):
    damage, arguments, message = MISTAKES[mistake]
    if damage:
        damage(folder)
    code, error, imported = train(str(folder / "train.yaml"), *(a.format(folder=folder) for a in arguments))
    assert code == 2
    assert message in error
    assert "Traceback" not in error
    assert "pydantic" in imported
    assert not imported & HEAVY
    assert not (folder / "run").exists()


def test_only_the_first_rank_under_torchrun_tells_the_mistake(folder):
    arguments = [str(folder / "train.yaml"), "parallel.tensor=4"]
    first = train(*arguments, RANK="0", WORLD_SIZE="6")
    second = train(*arguments, RANK="1", WORLD_SIZE="6")
    assert (first[0], second[0]) == (2, 2)
    assert "does not divide the 6 ranks" in first[1]
    assert second[1] == ""
    assert not (first[2] | second[2]) & HEAVY


def test_ranks_are_torchruns_business_under_torchrun(folder):
    code, error, _ = train(str(folder / "train.yaml"), "--ranks", "2", RANK="0", WORLD_SIZE="2")
    assert (code, error.count("\n")) == (2, 1)
    assert "--ranks 2 is for runs without torchrun, which started 2 ranks" in error


def test_a_dry_run_starts_nothing(folder):
    code, error, imported = train(str(folder / "train.yaml"), "--dry-run", "--world-size", "4")
    assert (code, error) == (0, "")
    assert not imported & HEAVY
    assert not (folder / "run").exists()


def test_dash_m_is_the_same_program(folder):
    """The way users start it, without the wrapper above."""
    overrides = ["precision.dtype=bf16", "precision.fp8=delayed"]
    command = [sys.executable, "-m", "megatron_ko.train", str(folder / "train.yaml"), *overrides]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("config error: command line: precision.fp8: delayed needs a GPU")
    assert len(done.stderr.splitlines()) == 1
