"""A configuration or folder that belongs to another command is named as such."""

from __future__ import annotations

import subprocess
import sys

import pytest

from checkpoint_tools.__main__ import main as operation_main
from megatron_ko.config.loading import load
from megatron_ko.config.sections import SECTIONS
from megatron_ko.config.training import Config
from megatron_ko.errors import CheckpointError, ConfigError, DataError
from megatron_ko.formats.run_folder import newest_checkpoint
from megatron_ko.job.generate import generate
from megatron_ko.job.report.collect import read_facts
from megatron_ko.program import init
from preprocessing.config import pipeline
from tests.test_layers import ROOT

ROOTS = {"data": (pipeline.Config, pipeline.RULES), "train": (Config, ())}


@pytest.mark.parametrize("program", SECTIONS)
def test_the_sections_of_a_program_are_the_fields_of_its_configuration(program):
    assert list(SECTIONS[program]) == list(ROOTS[program][0].__pydantic_fields__)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert init.main(["my"]) == 0
    return tmp_path / "my"


@pytest.mark.parametrize(
    ("program", "files", "wrong", "command"),
    [
        ("train", ["my/data.yaml"], "my/data.yaml", "mko data run my/data.yaml"),
        ("data", ["my/train.yaml"], "my/train.yaml", "mko train my/train.yaml"),
        ("train", ["my/train.yaml", "my/data.yaml"], "my/data.yaml", "mko data run my/data.yaml"),
        ("data", ["my/data.yaml", "my/train.yaml"], "my/train.yaml", "mko plan my/train.yaml"),
    ],
)
def test_a_file_of_the_other_program_is_one_problem_with_the_right_command(
    folder, program, files, wrong, command
):
    with pytest.raises(ConfigError) as caught:
        load(ROOTS[program][0], files, [], ROOTS[program][1])
    [problem] = caught.value.problems
    assert (problem.where, problem.rule) == (wrong, "other-configuration")
    assert command in problem.message


@pytest.mark.parametrize(
    ("program", "text", "rule"),
    [
        ("data", "data: {mixture: {ko: 1.0}}", "other-configuration"),
        ("train", "tokenizer: {vocab_size: 8000}", "other-configuration"),
        ("train", "run: {folder: r}\nfilter: {preset: ko}", "missing"),  # as much of one as of the other
        ("train", "zebra: 1", "missing"),
        ("data", "", "missing"),
    ],
)
def test_only_a_file_that_fits_the_other_program_better_is_sent_there(tmp_path, program, text, rule):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(ROOTS[program][0], [str(tmp_path / "a.yaml")], [])
    assert caught.value.rule == rule


# --- folders ------------------------------------------------------------------------------------------------


def write_started_run(folder):
    """A run folder before its first checkpoint."""
    folder.mkdir(parents=True)
    for name in ("config.yaml", "plan.txt"):
        (folder / name).write_text("")


OPENERS = {
    "to-hf": lambda run: operation_main(["to-hf", str(run), str(run.parent / "out")]),
    "compare": lambda run: operation_main(["compare", str(run), str(run)]),
    "prune-vocab": lambda run: operation_main(
        ["prune-vocab", str(run), str(run.parent / "out"), "--map", "m", "--tokenizer", "t"]
    ),
}


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("killed_in_a_save", [False, True])
def test_a_run_without_a_checkpoint_is_a_run_folder(tmp_path, capsys, opener, killed_in_a_save):
    write_started_run(tmp_path / "run")
    if killed_in_a_save:
        (tmp_path / "run" / "checkpoints" / "step_00000010").mkdir(parents=True)
    with pytest.raises(CheckpointError) as caught:
        newest_checkpoint(tmp_path / "run")
    assert caught.value.rule == "no-checkpoints"
    assert OPENERS[opener](tmp_path / "run") == 2
    assert capsys.readouterr().err.strip().endswith(str(caught.value))


@pytest.mark.parametrize("opener", ["to-hf", "compare"])
def test_the_folder_of_a_job_names_the_run_in_it(tmp_path, capsys, opener):
    write_started_run(tmp_path / "job" / "train")
    assert OPENERS[opener](tmp_path / "job") == 2
    assert f"{tmp_path / 'job' / 'train'}?" in capsys.readouterr().err


def test_generation_from_a_run_folder_names_its_export(tmp_path):
    write_started_run(tmp_path / "run")
    with pytest.raises(CheckpointError) as caught:
        generate(tmp_path / "run", [], 1, 0, 1)
    assert caught.value.rule == "run-folder" and f"to-hf {tmp_path / 'run'} " in str(caught.value)
    (tmp_path / "run" / "hf").mkdir()
    (tmp_path / "run" / "hf" / "config.json").write_text("{}")
    with pytest.raises(CheckpointError) as caught:
        generate(tmp_path / "run", [], 1, 0, 1)
    assert caught.value.rule == "run-folder" and f"{tmp_path / 'run' / 'hf'}?" in str(caught.value)
    for folder, rule in ((tmp_path, "missing-file"), (tmp_path / "nowhere", "missing-folder")):
        with pytest.raises(CheckpointError) as caught:
            generate(folder, [], 1, 0, 1)
        assert caught.value.rule == rule


def test_the_report_of_a_folder_that_is_not_a_job_is_one_problem(tmp_path):
    write_started_run(tmp_path / "job" / "train")
    for folder, rule in ((tmp_path / "nowhere", "missing-folder"), (tmp_path, "not-a-job")):
        with pytest.raises(DataError) as caught:
            read_facts(folder)
        [problem] = caught.value.problems
        assert problem.rule == rule and str(folder) in problem.message
    with pytest.raises(DataError) as caught:
        read_facts(tmp_path / "job" / "train")
    assert caught.value.rule == "not-a-job" and f"{tmp_path / 'job'}?" in str(caught.value)


def test_the_hint_of_a_report_is_not_counted_as_a_problem(tmp_path):
    write_started_run(tmp_path / "job" / "train")
    with pytest.raises(DataError) as caught:
        read_facts(tmp_path / "job")
    problems = caught.value.problems
    assert len(problems) == 6 and {problem.rule for problem in problems} == {"missing-file"}
    assert all(problem.where.startswith(str(tmp_path)) for problem in problems)
    assert "mko job" in str(caught.value) and str(caught.value).startswith("6 ")


# --- no configuration ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["train"], "mko train CONFIG.yaml"),
        (["train", "--dry-run"], "mko train CONFIG.yaml"),
        (["train", "--print-config"], "mko train CONFIG.yaml"),
        (["plan"], "mko plan CONFIG.yaml"),
        (["plan", "--print-config"], "mko plan CONFIG.yaml"),
        (["data", "filter"], "mko data filter CONFIG.yaml"),
        (["data", "run", "--dry-run"], "mko data run CONFIG.yaml"),
    ],
)
def test_a_missing_configuration_names_the_command_that_was_typed(arguments, command):
    done = subprocess.run(  # a process of its own: these commands take signals over, or fork
        [sys.executable, "-m", "megatron_ko", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and command in done.stderr
