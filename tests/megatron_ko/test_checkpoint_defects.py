"""Defects of megatron-core that ``checkpoint.py`` works around, with and without the workaround.

The tests undo one workaround and assert that the defect still exists: if an upgrade of megatron-core repairs it, the
test fails and the workaround can be removed. Differences between 0.16 and 0.19 are asserted for both (``NEWER``).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from megatron_ko.formats.run_folder import checkpoint_folder
from megatron_ko.planning.megatron_version import missing_for
from megatron_ko.preflight import preflight
from tests import ranks
from tests.tiny_run import write_tiny_run

pytestmark = pytest.mark.ranks
NEWER = missing_for("0.19") is None


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> str:
    """Five steps, saved after the fifth; returns the configuration."""
    folder = tmp_path_factory.mktemp("defects")
    config = write_tiny_run(folder)
    ranks.train(config, ["training.steps=5"])
    return config


def _built(rank: int, init_method: str, config: str, *overrides: str):
    """A new model and optimizer in a one-rank world, and the checkpoint of the run."""
    from megatron_ko.training import distributed, model, optimizer, step

    checked = preflight([config], ["training.steps=10", *overrides], 1)
    settings = checked.config
    world = distributed.start(settings.run, settings.parallel, rank, 1, init_method)
    gpt = model.build_gpt(
        settings.model, settings.parallel, settings.precision,
        vocab_size=checked.plan.vocab_size, device=world.device, seed=99,
    )  # fmt: skip
    ddp_model = model.wrap(gpt)
    adam = optimizer.build_optimizer(ddp_model, settings.optimizer, settings.precision.dtype)
    step.connect(ddp_model, adam)
    return checked, ddp_model, adam


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


def _resume_then_step(
    rank: int, init_method: str, config: str, undo: str, *overrides: str
) -> list[float] | str:
    from megatron_ko.training import checkpoint

    checked, ddp_model, adam = _built(rank, init_method, config, *overrides)
    if undo == "unshare":
        checkpoint._unshare_step = lambda optimizer: None
    if undo == "keep":
        checkpoint.keep_step_of_torch_adam = lambda: None
    if undo == "prime":
        checkpoint._prime = lambda optimizer: None
    if undo == "relabel":
        checkpoint.relabel_groups = lambda state, optimizer: None
    try:
        checkpoint.resume(checked.start, ddp_model, adam, checked.plan.layout)
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


def test_groups_are_matched_by_their_learning_rate(run):
    """0.19 matches no saved group if the configuration has another learning rate; 0.16 ignores learning rates."""
    outcome = ranks.on_ranks(1, _resume_then_step, run, "relabel", "optimizer.learning_rate=1e-4")[0]
    assert ("KeyError" in outcome) if NEWER else set(outcome) == {6.0}
    relabeled = ranks.on_ranks(1, _resume_then_step, run, "", "optimizer.learning_rate=1e-4")[0]
    assert set(relabeled) == {6.0}


def test_a_learning_rate_of_embeddings_may_begin_at_a_resume(run):
    """Their group, which the checkpoint lacks, comes from that of the other matrices; moments belong to parameters."""
    outcome = ranks.on_ranks(1, _resume_then_step, run, "", "optimizer.embedding_learning_rate=1e-4")[0]
    assert set(outcome) == {6.0}


def _save_without_sharding_type(rank: int, init_method: str, config: str, folder: str) -> str:
    import dataclasses

    from megatron_ko.formats.checkpoint_folder import Checkpoint
    from megatron_ko.training import checkpoint

    checked, ddp_model, adam = _built(rank, init_method, config)
    checkpoint._prime(adam)
    checkpoint.SHARDING.clear()
    target = dataclasses.replace(checked.start, folder=Path(folder))
    assert isinstance(target, Checkpoint)
    try:
        checkpoint.save(target, ddp_model, adam, checked.manifest.tokenizer_folder)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "saved"


def test_defect_default_sharding_type_cannot_be_saved(run, tmp_path):
    outcome = ranks.on_ranks(1, _save_without_sharding_type, run, str(tmp_path / "ckpt"))[0]
    assert "flattened_range" in outcome


def _groups_after_resume(rank: int, init_method: str, config: str) -> list[list[tuple]]:
    """(lr, weight_decay, max_lr, min_lr) of every group: as built, after loading, after ``set_hyperparameters``."""
    import dataclasses

    from megatron_ko.training import checkpoint, optimizer

    def groups() -> list[tuple]:
        return [tuple(g[k] for k in ("lr", "weight_decay", "max_lr", "min_lr")) for g in adam.param_groups]

    checked, ddp_model, adam = _built(rank, init_method, config, "optimizer.learning_rate=0.25")
    built = groups()
    checkpoint.resume(checked.start, ddp_model, adam, checked.plan.layout)
    loaded = groups()
    settings = dataclasses.replace(checked.config.optimizer, weight_decay=0.5)
    optimizer.set_hyperparameters(adam, settings, 0.125)
    return [built, loaded, groups()]


def test_defect_hyperparameters_come_back_from_the_checkpoint(run):
    """Loading overwrites learning rate and decay; ours are written before each step, labels stay the configuration's."""
    built, loaded, written = ranks.on_ranks(1, _groups_after_resume, run)[0]
    assert {group[0] for group in built} == {0.25} and all(group[0] < 3e-3 for group in loaded)
    assert {group[2:] for groups in (built, loaded, written) for group in groups} == {(0.25, 0.0)}
    assert {group[:2] for group in written} == {(0.125, 0.5), (0.125, 0.0)}


def _servers_of_a_save(rank: int, init_method: str, config: str, folder: str, undo: str) -> list[str]:
    """Processes that run after a save."""
    import dataclasses
    import multiprocessing

    from megatron_ko.training import checkpoint

    checked, ddp_model, adam = _built(rank, init_method, config)
    checkpoint.resume(checked.start, ddp_model, adam, checked.plan.layout)
    if undo:
        checkpoint._use_plain_results_queue = lambda: None
    target = dataclasses.replace(checked.start, folder=Path(folder))
    checkpoint.save(target, ddp_model, adam, checked.manifest.tokenizer_folder)
    return [process.name for process in multiprocessing.active_children()]


def test_defect_saving_starts_a_server_process(run, tmp_path):
    assert ranks.on_ranks(1, _servers_of_a_save, run, str(tmp_path / "ours"), "")[0] == []
    assert "SyncManager" in ranks.on_ranks(1, _servers_of_a_save, run, str(tmp_path / "plain"), "undo")[0][0]


def _marked_weights(rank: int, init_method: str, config: str) -> set[str]:
    """Names of the split weights that megatron-core itself marks."""
    from megatron_ko.training import model

    model._mark_split_weights = lambda *_: None
    _, ddp_model, _ = _built(rank, init_method, config)
    weights = model.unwrap(ddp_model).named_parameters()
    return {name.split(".")[-2] for name, w in weights if getattr(w, "tensor_model_parallel", False)}


def test_split_weights_are_marked_since_0_19(run):
    """0.16 marks them only while it initializes weights, which we do ourselves."""
    split = {"word_embeddings", "linear_qkv", "linear_proj", "linear_fc1", "linear_fc2", "output_layer"}
    assert ranks.on_ranks(1, _marked_weights, run)[0] == (split if NEWER else set())


def test_an_incomplete_checkpoint_is_ignored_by_the_run_and_refused_by_name(run):
    from megatron_ko.errors import CheckpointError
    from megatron_ko.formats.checkpoint_folder import Checkpoint
    from megatron_ko.formats.run_folder import start_of_run

    checked = preflight([run], ["training.steps=10"], 1)
    newer = checkpoint_folder(checked.config.run.folder, 7)
    newer.mkdir(exist_ok=True)
    assert start_of_run(checked.config)[0].step == 5
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.read(newer)
    assert caught.value.rule == "incomplete-checkpoint"
    newer.rmdir()
