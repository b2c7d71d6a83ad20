"""Complete runs: weights they refuse to save, where they continue, and values on which ranks must agree."""

from __future__ import annotations

import json
import pickletools
import subprocess
import sys
from pathlib import Path

import pytest

from megatron_ko.errors import ConfigError
from megatron_ko.formats.run_folder import checkpoint_folder, checkpoints_of
from megatron_ko.preflight import preflight
from megatron_ko.training.launch import run_ranks
from tests import ranks
from tests.run_records import records
from tests.tiny_run import write_tiny_run

pytestmark = pytest.mark.ranks
ROOT = Path(__file__).resolve().parents[2]


def command(config: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "megatron_ko.train", config, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.mark.any_core
def test_diverged_weights_are_not_saved(tmp_path):
    config = write_tiny_run(tmp_path)
    fixed = [
        "schedule={type: constant}",
        "checkpoint.every_steps=1",
        "training.steps=3",
        "optimizer.clip_grad_norm=0.0",
    ]
    done = command(config, *fixed, "optimizer.learning_rate=1e38", "--ranks", "2")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert checkpoints_of(tmp_path / "run") == []
    ranks.train(config, [*fixed, "optimizer.learning_rate=1e-3"], 2)


def _only_rank_one_fails(rank: int, init_method: str) -> int:
    if rank == 1:
        raise ConfigError("only here")
    return 0


def test_an_error_of_one_rank_is_printed_with_the_rank(capfd):
    assert run_ranks(2, _only_rank_one_fails) == 2
    error = capfd.readouterr().err
    assert "[rank 1]" in error and "only here" in error


@pytest.mark.any_core
def test_position_counts_samples_when_the_batch_changes(tmp_path):
    """Five steps of 8, then five of 16: 40 + 80 samples, and the order of samples continues at 40."""
    config = write_tiny_run(tmp_path)
    run = tmp_path / "run"
    ranks.train(config, ["training.steps=5"])
    ranks.train(config, ["training.global_batch_size=16"])
    last = records(run, "train")[-1]
    assert (last["step"], last["samples"], last["tokens"]) == (10, 120, 7680)
    marker = json.loads((checkpoint_folder(run, 10) / "checkpoint.json").read_text(encoding="utf-8"))
    assert (marker["samples"], marker["tokens"]) == (120, 7680)


def test_an_incomplete_index_is_built_again(tmp_path):
    config, overrides = write_tiny_run(tmp_path), ["training.steps=2", "data.order=megatron"]
    ranks.train(config, overrides)
    (index,) = (tmp_path / "run" / "index").iterdir()
    (index / "complete").unlink()
    for file in index.glob("*shuffle_index.npy"):
        file.write_bytes(file.read_bytes()[:100])
    for folder in checkpoints_of(tmp_path / "run"):
        (folder / "checkpoint.json").unlink()
    ranks.train(config, overrides)
    assert [r["step"] for r in records(tmp_path / "run", "train")] == [1, 2]


def test_checkpoints_contain_no_foreign_objects(tmp_path):
    """Random state and weights are tensors; the pickled rest, index and groups, uses only allowed names."""
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata

    from megatron_ko.training.checkpoint_index import check_objects, read_index

    config = write_tiny_run(tmp_path)
    ranks.train(config, ["training.steps=2"], 2)
    folder = checkpoint_folder(tmp_path / "run", 2)
    index = read_index(folder)
    check_objects(folder, index)
    entries = index.state_dict_metadata
    assert any(name.startswith("random.") for name in entries)
    objects = {name for name, entry in entries.items() if not isinstance(entry, TensorStorageMetadata)}
    assert objects == (set() if (folder / "common.pt").exists() else {"common_state/shard_0_1"})
    names = {
        f"{a}" for op, a, _ in pickletools.genops((folder / ".metadata").read_bytes()) if op.name == "GLOBAL"
    }
    assert not any(name.startswith(("os ", "subprocess ", "builtins eval")) for name in names)


def _with_another_start(rank: int, init_method: str, config: str) -> str:
    import dataclasses

    from megatron_ko.errors import CheckpointError
    from megatron_ko.train import train

    checked = preflight([config], [], 2)
    if rank == 1:
        checked = dataclasses.replace(checked, start=None)
    try:
        train(checked, rank, init_method)
    except CheckpointError as error:
        return error.rule
    return "started"


def test_ranks_that_see_different_checkpoints_raise_instead_of_hanging(tmp_path):
    config = write_tiny_run(tmp_path)
    ranks.train(config, ["training.steps=5"])
    assert ranks.on_ranks(2, _with_another_start, config) == ["ranks-disagree"] * 2


@pytest.mark.parametrize(("job", "code"), [("", 2), ("0001", 76)], ids=["by hand", "in a job"])
def test_two_runs_in_one_folder_are_refused(tmp_path, monkeypatch, job, code):
    """A job is requeued: an earlier start may go on where Slurm has lost the node."""
    from megatron_ko.files import locked_folder

    if job:
        monkeypatch.setenv("MKO_JOB", job)
    config = write_tiny_run(tmp_path)
    with locked_folder(tmp_path / "run"):
        done = command(config)
    assert done.returncode == code
    assert str(tmp_path / "run") in done.stderr


@pytest.mark.any_core
def test_initial_weights_are_not_needed_to_resume(tmp_path):
    config = write_tiny_run(tmp_path)
    ranks.train(config, ["training.steps=2", f"run.folder={tmp_path / 'first'}"])
    weights = f"checkpoint.initial_weights={tmp_path / 'first'}"
    ranks.train(config, ["training.steps=4", weights])
    (tmp_path / "first").rename(tmp_path / "moved")
    ranks.train(config, ["training.steps=6", weights])
    assert records(tmp_path / "run", "train")[-1]["step"] == 6


def test_a_truncated_checkpoint_is_reported_before_ranks_start(tmp_path):
    config = write_tiny_run(tmp_path)
    ranks.train(config, ["training.steps=2"])
    shard = next(checkpoint_folder(tmp_path / "run", 2).glob("*.distcp"))
    shard.write_bytes(shard.read_bytes()[:1000])
    done = command(config, "training.steps=4")
    assert done.returncode == 2
    assert shard.name in done.stderr and "1,000" in done.stderr and "Traceback" not in done.stderr


def test_an_edited_tokenizer_is_refused(tmp_path):
    config = write_tiny_run(tmp_path)
    path = tmp_path / "data" / "tokenizer" / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"w10"', '"W10"'), encoding="utf-8")
    done = command(config)
    assert done.returncode == 2
    assert "tokenizer.json" in done.stderr
