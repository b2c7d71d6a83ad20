"""What a plan and a second start find: a finished run, and weights that do not fit although the data is missing."""

from __future__ import annotations

import shutil
import sys

import pytest

from megatron_ko import plan, train
from megatron_ko.errors import CheckpointError
from megatron_ko.inputs.weights import find_weights
from megatron_ko.preflight import preflight
from tests.megatron_ko.test_run_folder import write_checkpoint
from tests.tiny_run import write_tiny_run


@pytest.fixture
def config_file(tmp_path):
    return write_tiny_run(tmp_path)


@pytest.fixture
def finished(config_file, tmp_path):
    """The configuration of a run that has all its 10 steps."""
    checked = preflight([config_file], [], 1)
    written = write_checkpoint(
        tmp_path / "run",
        10,
        model=checked.config.model,
        tokenizer_fingerprint=checked.manifest.tokenizer_fingerprint,
    )
    (written.folder / "common.pt").touch()
    return config_file


def test_a_finished_run_is_reported_with_the_way_to_extend_it(finished, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    imported = set(sys.modules)
    assert train.main([finished]) == 0
    printed = capsys.readouterr().out
    assert "step_00000010" in printed and "training.steps=20" in printed and "run.folder" in printed
    assert "megatron.core" not in set(sys.modules) - imported
    assert sorted(tmp_path.rglob("*")) == before


def test_more_steps_continue_it(finished):
    assert preflight([finished], [], 1).is_finished
    assert not preflight([finished], ["training.steps=11"], 1).is_finished


def test_a_dry_run_reports_it_too(finished, capsys):
    assert train.main([finished, "--dry-run"]) == 0
    assert "training.steps=20" in capsys.readouterr().out


@pytest.mark.parametrize("data", ["present", "missing"])
def test_a_dry_run_checks_initial_weights(config_file, tmp_path, data):
    write_checkpoint(tmp_path / "other", 0, optimizer=False)
    weights = f"checkpoint.initial_weights={tmp_path / 'other'}"
    nowhere = f"checkpoint.initial_weights={tmp_path / 'nowhere'}"
    if data == "missing":
        shutil.rmtree(tmp_path / "data")
    for override in (weights, nowhere):
        assert plan.main([config_file, "model.vocab_size=1001", "model.layers=2", override]) == 2
        assert (
            train.main([config_file, "--dry-run", "model.vocab_size=1001", "model.layers=2", override]) == 2
        )


def test_a_plan_without_ranks_is_that_of_the_layout(config_file, capsys):
    assert plan.main([config_file, "parallel.tensor=2", "parallel.pipeline=2"]) == 0
    assert capsys.readouterr().out.split()[:2] == ["ranks", "4"]


@pytest.mark.parametrize("command", [plan.main, train.main])
def test_a_command_without_a_configuration_asks_for_one(command, capsys):
    assert command([]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_without_data_the_tokenizer_is_not_compared(finished):
    config = preflight([finished], [], 1).config
    assert find_weights(config, 1001, None)[0] is not None
    with pytest.raises(CheckpointError):
        find_weights(config, 1001, "sha256:" + 64 * "0")
