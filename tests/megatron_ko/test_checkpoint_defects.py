"""Each defect of megatron-core 0.16.1 that ``checkpoint.py`` works around, shown with and without the workaround.

The tests undo one workaround and assert that the defect is there: when an upgrade of megatron-core repairs it,
the test fails and the workaround can go.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from megatron_ko.formats.run_folder import checkpoint_folder
from megatron_ko.plan import preflight
from tests import ranks
from tests.tiny_run import write_tiny_run

pytestmark = pytest.mark.ranks


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> str:
    """Five steps, saved after the fifth; returns the configuration."""
    folder = tmp_path_factory.mktemp("defects")
    config = write_tiny_run(folder)
    ranks.train(config, ["training.steps=5"])
    return config


def _built(rank: int, init_method: str, config: str):
    """A fresh model and optimizer in a one-rank world, and the checkpoint of the run."""
    from megatron_ko.training import distributed, model, optimizer, step

    checked = preflight([config], ["training.steps=10"], 1)
    settings = checked.config
    world = distributed.start(settings.run, settings.parallel, rank, 1, init_method)
    gpt = model.build_gpt(
        settings.model, settings.parallel, settings.precision,
        vocab_size=checked.plan.vocab_size, device=world.device, seed=99,
    )  # fmt: skip
    wrapped = model.wrap(gpt)
    adam = optimizer.build_optimizer(wrapped, settings.optimizer, settings.precision.dtype)
    step.connect(wrapped, adam)
    return checked, wrapped, adam


def _steps(adam) -> list[float]:
    from megatron_ko.training.optimizer import torch_adams

    return [float(state["step"]) for inner in torch_adams(adam) for state in inner.state.values()]


def _one_more_step(adam) -> None:
    import torch

    from megatron_ko.training.optimizer import torch_adams

    for inner in torch_adams(adam):
        for group in inner.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.zeros_like(parameter)
        inner.step()


def _resume_then_step(rank: int, init_method: str, config: str, undo: str) -> list[float] | str:
    from megatron_ko.training import checkpoint

    checked, wrapped, adam = _built(rank, init_method, config)
    if undo == "unshare":
        checkpoint._unshare_step = lambda optimizer: None
    if undo == "keep":
        checkpoint.keep_step_of_torch_adam = lambda: None
    if undo == "prime":
        checkpoint._prime = lambda optimizer: None
    if undo == "sharding":
        checkpoint.SHARDING.clear()
    try:
        checkpoint.resume(checked.start, wrapped, adam, checked.plan.layout)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    _one_more_step(adam)
    return _steps(adam)


def test_step_of_adam_is_restored_and_advances_once(run):
    steps = ranks.on_ranks(1, _resume_then_step, run, "")[0]
    assert len(steps) > 10 and set(steps) == {6.0}


def test_defect_shared_step_tensor(run):
    """Without cloning, one tensor is the step of all parameters and advances once per parameter."""
    steps = ranks.on_ranks(1, _resume_then_step, run, "unshare")[0]
    assert isinstance(steps, list) and max(steps) > 6.0


def test_defect_step_is_missing_from_the_loaded_tensors(run):
    outcome = ranks.on_ranks(1, _resume_then_step, run, "keep")[0]
    assert isinstance(outcome, str) and "KeyError" in outcome and "step" in outcome


def test_defect_fresh_adam_cannot_be_loaded_into(run):
    outcome = ranks.on_ranks(1, _resume_then_step, run, "prime")[0]
    assert isinstance(outcome, str) and "Error" in outcome


def _save_without_sharding_type(rank: int, init_method: str, config: str, folder: str) -> str:
    import dataclasses

    from megatron_ko.formats.checkpoint_folder import Checkpoint
    from megatron_ko.training import checkpoint

    checked, wrapped, adam = _built(rank, init_method, config)
    checkpoint._prime(adam)
    checkpoint.SHARDING.clear()
    target = dataclasses.replace(checked.start, folder=Path(folder))
    assert isinstance(target, Checkpoint)
    try:
        checkpoint.save(target, wrapped, adam, checked.manifest.tokenizer_folder)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "saved"


def test_defect_default_sharding_type_cannot_be_saved(run, tmp_path):
    outcome = ranks.on_ranks(1, _save_without_sharding_type, run, str(tmp_path / "ckpt"))[0]
    assert "flattened_range" in outcome


def _groups_after_resume(rank: int, init_method: str, config: str) -> tuple[list[float], list[float]]:
    from megatron_ko.training import checkpoint, optimizer

    checked, wrapped, adam = _built(rank, init_method, config)
    checkpoint.resume(checked.start, wrapped, adam, checked.plan.layout)
    restored = [group["lr"] for group in adam.param_groups]
    optimizer.set_hyperparameters(adam, checked.config.optimizer, 0.125)
    return restored, [
        value for group in adam.param_groups for value in (group["lr"], group["max_lr"], group["min_lr"])
    ]


def test_defect_learning_rate_comes_back_from_the_checkpoint(run):
    """The groups hold the saved run's rate after loading; ``set_hyperparameters`` overrules every copy of it."""
    restored, written = ranks.on_ranks(1, _groups_after_resume, run)[0]
    assert restored and all(rate != 0.125 for rate in restored)
    assert set(written) == {0.125}


def test_half_written_checkpoint_is_ignored_by_the_run_and_named_when_asked_for(run):
    from megatron_ko.errors import CheckpointError
    from megatron_ko.formats.checkpoint_folder import Checkpoint
    from megatron_ko.formats.run_folder import start_of_run

    checked = preflight([run], ["training.steps=10"], 1)
    newer = checkpoint_folder(checked.config.run.folder, 7)
    newer.mkdir(exist_ok=True)
    assert start_of_run(checked.config).step == 5
    with pytest.raises(CheckpointError, match="half-written"):
        Checkpoint.read(newer)
    newer.rmdir()
