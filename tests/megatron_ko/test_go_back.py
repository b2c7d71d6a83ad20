"""``checkpoint.resume: FOLDER``: back to a checkpoint of this run, or on from one of another run."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from megatron_ko.errors import CheckpointError
from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.formats.run_folder import checkpoint_folder, checkpoints_of
from megatron_ko.preflight import Preflight, preflight
from tests import ranks
from tests.megatron_ko.test_checksums import flip
from tests.megatron_ko.test_run_folder import write_checkpoint
from tests.tiny_run import write_tiny_run

FIXED = ["training.steps=6", "checkpoint.every_steps=2"]


def steps_of(run: Path) -> list[int]:
    return [int(path.name.removeprefix("step_")) for path in checkpoints_of(run)]


def losses(run: Path) -> list[tuple[int, float]]:
    lines = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return [(record["step"], record["loss"]) for record in lines if record["kind"] == "train"]


# --- the choice, before ranks start ---------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path) -> str:
    """A run with checkpoints 2, 4 and 6, without tensors."""
    file = write_tiny_run(tmp_path)
    for step in (2, 4, 6):
        add(file, tmp_path / "run", step)
    return file


def add(config: str, run: Path, step: int, **changes) -> Checkpoint:
    checked = preflight([config], ["run.folder=nowhere"], 1)
    fits = dict(model=checked.config.model, tokenizer_fingerprint=checked.manifest.tokenizer_fingerprint)
    files = {"x.distcp": {"bytes": 1, "xxh3_128": f"{step:032d}"}}  # so that hashes differ
    written = write_checkpoint(run, step, **fits, data=checked.data_of(0), **changes)
    for name in ("common.pt", "x.distcp"):
        (written.folder / name).write_bytes(b"x")
    marker = written.folder / "checkpoint.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "files": files}))
    return Checkpoint.read(written.folder)


def choose(config: str, resume: Path | str, *overrides: str) -> Preflight:
    return preflight([config], [*FIXED, f"checkpoint.resume={resume}", *overrides], 1)


def rule_of(config: str, resume: Path | str, *overrides: str) -> str:
    with pytest.raises(CheckpointError) as caught:
        choose(config, resume, *overrides)
    return caught.value.rule


def test_a_checkpoint_or_a_run_is_chosen(config, tmp_path):
    checked = choose(config, checkpoint_folder(tmp_path / "run", 2))
    assert checked.start is not None and checked.origin is not None and checked.goes_back
    assert checked.start.step == checked.origin.step == 2
    assert checked.origin.folder == str(checkpoint_folder(tmp_path / "run", 2))
    newest = choose(config, tmp_path / "run")
    assert newest.start is not None and newest.start.step == 6 and newest.is_finished
    relative = os.path.relpath(checkpoint_folder(tmp_path / "run", 2))
    assert choose(config, relative).origin == checked.origin
    other = choose(config, checkpoint_folder(tmp_path / "run", 4), f"run.folder={tmp_path / 'new'}")
    assert other.start is not None and (other.start.step, other.goes_back) == (4, True)
    assert not choose(config, "auto").goes_back and choose(config, "auto").origin is None


def test_the_same_command_goes_on_after_the_first_new_checkpoint(config, tmp_path):
    run, chosen = tmp_path / "run", checkpoint_folder(tmp_path / "run", 2)
    origin = choose(config, chosen).origin
    for step in (4, 6):
        shutil.rmtree(checkpoint_folder(run, step))
    add(config, run, 3, resumed_from=origin)
    for resume in (chosen, "auto"):
        checked = choose(config, resume)
        assert checked.start is not None and checked.start.step == 3
        assert checked.origin == origin and not checked.goes_back
    # a later choice counts, also of the same run
    assert choose(config, checkpoint_folder(run, 3)).goes_back
    moved = tmp_path / "moved"
    shutil.move(run, moved)
    checked = choose(config, checkpoint_folder(moved, 2), f"run.folder={moved}")
    assert checked.start is not None and (checked.start.step, checked.goes_back) == (3, False)


def test_the_other_run_is_not_needed_after_the_first_checkpoint(config, tmp_path):
    chosen = checkpoint_folder(tmp_path / "run", 2)
    new = f"run.folder={tmp_path / 'new'}"
    add(config, tmp_path / "new", 4, resumed_from=choose(config, chosen, new).origin)
    shutil.rmtree(tmp_path / "run")
    checked = choose(config, chosen, new)
    assert checked.start is not None and (checked.start.step, checked.goes_back) == (4, False)


@pytest.mark.parametrize("damage", ["nothing", "all newer ones"])
def test_a_run_with_other_checkpoints_does_not_take_over_those_of_another(config, tmp_path, damage):
    add(config, tmp_path / "other", 4)
    if damage != "nothing":
        for folder in checkpoints_of(tmp_path / "run"):
            (folder / "x.distcp").unlink()
    assert rule_of(config, tmp_path / "other") == "resume-foreign"


def test_what_cannot_be_chosen_is_named(config, tmp_path):
    (tmp_path / "empty").mkdir()
    assert rule_of(config, tmp_path / "nowhere") == "missing-checkpoint"
    assert rule_of(config, "nevr") == "missing-checkpoint"
    assert rule_of(config, tmp_path / "empty") == "not-a-checkpoint"
    add(config, tmp_path / "weights", 0, optimizer=False)
    assert rule_of(config, tmp_path / "weights", f"run.folder={tmp_path / 'new'}") == "no-optimizer-state"
    (checkpoint_folder(tmp_path / "run", 4) / "x.distcp").unlink()
    assert rule_of(config, checkpoint_folder(tmp_path / "run", 4)) == "missing-file"
    (checkpoint_folder(tmp_path / "run", 4) / "checkpoint.json").unlink()
    assert rule_of(config, checkpoint_folder(tmp_path / "run", 4)) == "incomplete-checkpoint"


# --- runs ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("finished")
    config = write_tiny_run(folder)
    ranks.train(config, FIXED)
    return config, folder / "run"


@pytest.mark.ranks
def test_a_run_goes_back_once_and_keeps_what_was_newer(finished, tmp_path):
    config, before = finished
    run = Path(shutil.copytree(before, tmp_path / "run"))
    back = [*FIXED, f"run.folder={run}", f"checkpoint.resume={checkpoint_folder(run, 2)}"]
    ranks.train(config, [*back, "training.steps=5"])
    aside = run / "set_aside" / "after_step_00000002"
    assert steps_of(run) == [2, 4, 5] and steps_of(aside) == [4, 6]
    assert losses(aside) == losses(before) and losses(run)[:2] == losses(before)[:2]
    assert [step for step, _ in losses(run)] == [1, 2, 3, 4, 5]
    origins = [Checkpoint.read(path).resumed_from for path in checkpoints_of(run)]
    assert origins[0] is None and origins[1] == origins[2]
    assert origins[1] is not None and origins[1].folder == str(checkpoint_folder(run, 2))
    ranks.train(config, back)  # the same command goes on
    assert steps_of(run) == [2, 4, 5, 6] and len(list((run / "set_aside").iterdir())) == 1
    assert preflight([config], [*FIXED, f"run.folder={run}"], 1).is_finished  # and so does auto


@pytest.mark.ranks
def test_another_run_branches_off_bit_for_bit(finished, tmp_path):
    config, before = finished
    new = tmp_path / "new"
    ranks.train(config, [*FIXED, f"run.folder={new}", f"checkpoint.resume={checkpoint_folder(before, 2)}"])
    assert losses(new) == losses(before)[2:] and steps_of(new) == [4, 6] and steps_of(before) == [2, 4, 6]
    last = Checkpoint.read(checkpoint_folder(new, 6)).data
    assert last == Checkpoint.read(checkpoint_folder(before, 6)).data and last is not None
    assert sum(item.samples for item in last.train.values()) == 48


@pytest.mark.ranks
def test_a_damaged_choice_is_an_error_that_moves_nothing(finished, tmp_path, capfd):
    config, before = finished
    run = Path(shutil.copytree(before, tmp_path / "run"))
    flip(next(checkpoint_folder(run, 4).glob("*.distcp")))
    chosen = f"checkpoint.resume={checkpoint_folder(run, 4)}"
    with pytest.raises(AssertionError):
        ranks.train(config, [*FIXED, f"run.folder={run}", chosen])
    assert "step_00000004" in capfd.readouterr().err
    assert steps_of(run) == [2, 4, 6] and not (run / "set_aside").exists() and losses(run) == losses(before)
