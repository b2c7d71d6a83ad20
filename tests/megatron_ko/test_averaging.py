"""Averages at a period: the mean of the right checkpoints, the same after a kill, and no influence on the training."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from checkpoint_tools.__main__ import main as checkpoint_tool
from checkpoint_tools.formats import mcore
from checkpoint_tools.operations.average import REPORT
from megatron_ko.averaging import TEMPORARY
from megatron_ko.errors import ConfigError
from megatron_ko.formats.checkpoint_folder import Checkpoint, damaged_files
from megatron_ko.formats.retention import remove_old_checkpoints
from megatron_ko.formats.run_folder import AVERAGES, average_folder, checkpoint_folder, checkpoints_of
from megatron_ko.preflight import preflight
from tests import ranks
from tests.megatron_ko.test_resume import curve, same_tensors
from tests.megatron_ko.test_retention import steps_of
from tests.megatron_ko.test_run_folder import write_checkpoint
from tests.tiny_run import write_tiny_run

STEPS = 6
AVERAGE = ["checkpoint.average={last: 2, every_steps: 3}", "checkpoint.keep=1"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[str, Path]:
    """The same training on two ranks with averages (folder "with"), and on one without (folder "without")."""
    folder = tmp_path_factory.mktemp("averages")
    path = Path(write_tiny_run(folder))
    config = yaml.safe_load(path.read_text())
    config["model"]["layers"] = 2
    config["training"] = {
        "steps": STEPS,
        "global_batch_size": 4,
        "micro_batch_size": 2,
        "sequence_length": 32,
    }
    config["checkpoint"]["every_steps"] = 1
    config["evaluation"] = {"max_sequences": 4}
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    ranks.train(str(path), [f"run.folder={folder / 'without'}"], 2)
    ranks.train(str(path), [*AVERAGE, f"run.folder={folder / 'with'}"], 2)
    return str(path), folder


@pytest.mark.ranks
def test_averages_are_means_of_the_last_checkpoints_and_do_not_change_the_training(runs):
    _, folder = runs
    run, plain = folder / "with", folder / "without"
    assert curve(run) == curve(plain)
    assert same_tensors(checkpoint_folder(run, STEPS), checkpoint_folder(plain, STEPS))
    assert steps_of(run) == [5, 6]  # 5 is in the last average; the next save would remove it
    assert sorted(path.name for path in (run / AVERAGES).iterdir()) == ["step_00000003", "step_00000006"]
    for end in (3, 6):
        mean, described = (
            mcore.open_mcore(average_folder(run, end)),
            Checkpoint.read(average_folder(run, end)),
        )
        assert not described.optimizer and damaged_files(described) == []
        parts = [mcore.open_mcore(checkpoint_folder(plain, step)) for step in (end - 1, end)]
        for name in mean.names():
            assert torch.equal(mean.tensor(name), (parts[0].tensor(name) + parts[1].tensor(name)) / 2), name
        report = json.loads((average_folder(run, end) / REPORT).read_text())["checkpoints"]
        assert [entry["step"] for entry in report] == [end - 1, end]
    dst = folder / "by_hand"
    assert checkpoint_tool(["average", str(plain), str(dst), "--last", "2"]) == 0
    assert Checkpoint.read(dst).short_hash == Checkpoint.read(average_folder(run, 6)).short_hash


@pytest.mark.ranks
def test_a_run_killed_before_its_average_writes_it_when_it_continues(runs, tmp_path):
    config, folder = runs
    run = tmp_path / "run"
    shutil.copytree(folder / "without", run)
    for path in checkpoints_of(run):
        if Checkpoint.read(path).step > 3:
            shutil.rmtree(path)
    (run / AVERAGES / TEMPORARY).mkdir(parents=True)  # killed within the average of step 3
    (run / AVERAGES / TEMPORARY / "__0_0.distcp").write_bytes(b"half")
    shorter = [*AVERAGE, "training.steps=4", f"run.folder={run}"]
    ranks.train(config, shorter)
    assert [path.name for path in (run / AVERAGES).iterdir()] == ["step_00000003"]
    expected = Checkpoint.read(average_folder(folder / "with", 3))
    assert Checkpoint.read(average_folder(run, 3)).short_hash == expected.short_hash


def test_keep_leaves_the_checkpoints_of_the_next_average(tmp_path):
    left = {}
    for step in range(1, 7):
        write_checkpoint(tmp_path, step)
        needed = {1: [1, 2, 3], 2: [1, 2, 3], 3: [1, 2, 3], 4: [4, 5, 6], 5: [4, 5, 6], 6: [4, 5, 6]}[step]
        remove_old_checkpoints(tmp_path, 1, newest_step=step, needed=needed)
        left[step] = steps_of(tmp_path)
    assert left == {1: [1], 2: [1, 2], 3: [1, 2, 3], 4: [4], 5: [4, 5], 6: [4, 5, 6]}


def test_old_averages_go_and_averages_fall_on_checkpoints(tmp_path):
    from megatron_ko.averaging import _remove_old

    for step in (3, 6, 9):
        folder = average_folder(tmp_path, step)
        folder.mkdir(parents=True)
        (folder / "checkpoint.json").write_text("{}")
    _remove_old(tmp_path, 2)
    assert sorted(path.name for path in (tmp_path / AVERAGES).iterdir()) == ["step_00000006", "step_00000009"]
    config = write_tiny_run(tmp_path)
    wrong = ["checkpoint.every_steps=2", "checkpoint.average={last: 2, every_steps: 3}"]
    with pytest.raises(ConfigError) as caught:
        preflight([config], wrong, 1)
    assert (caught.value.rule, caught.value.problems[0].path) == (
        "averages-of-checkpoints", "checkpoint.average.every_steps",
    )  # fmt: skip
