"""Which checkpoints stay, which are removed after a save, and which are set aside."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from megatron_ko.config.training import CheckpointConfig
from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.formats.retention import remove_leftovers, remove_old_checkpoints, set_aside_newer
from megatron_ko.formats.run_folder import checkpoint_folder, checkpoints_of, is_run_folder, newest_checkpoint
from megatron_ko.planning.config_rules import layout_rules
from tests.megatron_ko.test_run_folder import write_checkpoint


def steps_of(run: Path) -> list[int]:
    return [int(path.name.removeprefix("step_")) for path in checkpoints_of(run)]


@pytest.mark.parametrize(
    "keep, expected", [(None, [1, 2, 3]), (1, [3]), (2, [2, 3]), (3, [1, 2, 3]), (9, [1, 2, 3])]
)
def test_the_newest_checkpoints_are_kept(tmp_path, keep, expected):
    for step in (2, 3, 1):
        write_checkpoint(tmp_path, step)
    half = checkpoint_folder(tmp_path, 4)
    half.mkdir()  # being written: neither counted nor removed
    removed = remove_old_checkpoints(tmp_path, keep)
    assert [Checkpoint.read(path).step for path in checkpoints_of(tmp_path)] == expected
    assert removed == [checkpoint_folder(tmp_path, step) for step in (1, 2, 3) if step not in expected]
    assert not any(path.exists() for path in removed) and half.is_dir()


def test_a_removal_that_is_killed_leaves_no_checkpoint_that_looks_complete(tmp_path, monkeypatch):
    write_checkpoint(tmp_path, 1)
    write_checkpoint(tmp_path, 2)

    def killed(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        remove_old_checkpoints(tmp_path, 1)
    assert [path.name for path in checkpoints_of(tmp_path)] == ["step_00000002"]


def test_leftovers_of_a_killed_save_are_removed_before_the_next(tmp_path):
    write_checkpoint(tmp_path, 1)
    write_checkpoint(tmp_path, 3)
    halves = [checkpoint_folder(tmp_path, step) for step in (2, 4)]
    for half in halves:
        half.mkdir()
        (half / "__0_0.distcp").write_bytes(b"x")
    other = tmp_path / "checkpoints" / "notes"
    other.mkdir()
    assert remove_leftovers(tmp_path) == halves
    assert not any(half.exists() for half in halves) and other.is_dir()
    assert steps_of(tmp_path) == [1, 3]
    assert remove_leftovers(tmp_path / "new") == []


def test_permanent_checkpoints_stay_and_do_not_count(tmp_path):
    for step in range(1, 8):
        write_checkpoint(tmp_path, step)
    remove_old_checkpoints(tmp_path, 1, keep_every=3)
    assert steps_of(tmp_path) == [3, 6, 7]


def test_permanent_steps_must_be_saved_ones():
    (rule,) = (rule for rule in layout_rules(None) if rule.name == "permanent-checkpoints")
    assert [path for path, _ in rule.check(CheckpointConfig(every_steps=4, keep_every=6))] == [
        "checkpoint.keep_every"
    ]
    assert not list(rule.check(CheckpointConfig(every_steps=4, keep_every=8)))


@pytest.mark.parametrize(
    ("losses", "keep", "expected"),
    [
        ([5.0, 4.0, 3.0, 2.9], 1, [4]),  # falls
        ([3.0, 2.9, 6.0, 7.0], 1, [2, 4]),  # diverges: the newest before the rise stays
        ([3.0, 2.9, 6.0, 7.0], 3, [2, 3, 4]),
        ([3.0, 2.9, 6.0, 3.1], 1, [4]),  # recovers
        ([3.0, 3.3, 3.2, 3.25], 1, [4]),  # noise
        ([3.0, 3.25, 3.5, 3.75], 1, [2, 4]),  # rises slowly
        ([None, None, None, None], 1, [4]),  # of an earlier version
        ([None, 2.0, 9.0, 9.0], 1, [2, 4]),
    ],
)
def test_the_newest_checkpoint_before_a_rise_of_the_loss_stays(tmp_path, losses, keep, expected, caplog):
    """As a run does it: after each save."""
    for step, loss in enumerate(losses, 1):
        lowest = min((known for known in losses[:step] if known is not None), default=None)
        write_checkpoint(tmp_path, step, loss=loss, lowest_loss=lowest)
        with caplog.at_level(logging.WARNING):
            remove_old_checkpoints(tmp_path, keep, newest_step=step)
    assert steps_of(tmp_path) == expected
    rises = any(loss is not None and loss > 3.3 for loss in losses[2:])
    assert ("step_00000002" in caplog.text) == (rises and keep == 1)


def test_damaged_checkpoints_neither_count_nor_outlive_the_sound_ones(tmp_path):
    for step in (1, 2, 3, 4):
        write_checkpoint(tmp_path, step)
    (checkpoint_folder(tmp_path, 3) / ".metadata").unlink()
    remove_old_checkpoints(tmp_path, 2, newest_step=4)
    assert [path.name for path in checkpoints_of(tmp_path)] == [
        "step_00000002",
        "step_00000003",
        "step_00000004",
    ]
    write_checkpoint(tmp_path, 5)
    remove_old_checkpoints(tmp_path, 2, newest_step=5)
    assert steps_of(tmp_path) == [4, 5]


def test_a_damaged_newer_checkpoint_does_not_displace_the_one_just_saved(tmp_path):
    """A run went on from 1 because 10 is damaged in a way that only its checksums show, and saved 5."""
    for step in (1, 10, 5):
        write_checkpoint(tmp_path, step)
    remove_old_checkpoints(tmp_path, 1, newest_step=5)
    assert steps_of(tmp_path) == [5, 10]


def test_newer_checkpoints_are_set_aside_as_a_run(tmp_path):
    for step in (1, 2, 3):
        write_checkpoint(tmp_path, step)
    (tmp_path / "metrics.jsonl").write_bytes(b"{}\n")
    target = tmp_path / "set_aside" / "after_step_00000001"
    assert set_aside_newer(tmp_path, 1) == target
    assert steps_of(tmp_path) == [1] and steps_of(target) == [2, 3]
    assert (target / "metrics.jsonl").read_bytes() == (tmp_path / "metrics.jsonl").read_bytes() == b"{}\n"
    assert is_run_folder(target) and newest_checkpoint(target).step == 3
    assert set_aside_newer(tmp_path, 1) is None
    write_checkpoint(tmp_path, 2)
    again = set_aside_newer(tmp_path, 1)
    assert again is not None and again.name == "after_step_00000001-2" and steps_of(target) == [2, 3]


def test_a_move_that_is_killed_loses_nothing_and_is_finished_by_the_next_start(tmp_path, monkeypatch):
    for step in (1, 2, 3):
        write_checkpoint(tmp_path, step)
    rename = Path.rename

    def killed(self, target):
        if self.name == "step_00000002":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        set_aside_newer(tmp_path, 1)
    monkeypatch.undo()
    set_aside_newer(tmp_path, 1)
    aside = [steps_of(folder) for folder in sorted((tmp_path / "set_aside").iterdir())]
    assert steps_of(tmp_path) == [1] and aside == [[3], [2]]
