"""megatron-core's own GPTModel on converted checkpoints: logits of transformers, and checkpoints of the trainer's layouts.

Processes talk over gloo; each test has a hard timeout.
"""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from checkpoint_tools import verify
from checkpoint_tools.formats import mcore
from megatron_ko.errors import CheckpointError
from tests.ranks import on_ranks

pytestmark = pytest.mark.ranks
TIMEOUT_S = 120.0


@pytest.fixture(autouse=True, scope="module")
def warm_ranks() -> None:
    multiprocessing.get_context("forkserver").set_forkserver_preload(["tests.warm"])


@pytest.mark.parametrize(("kind", "tensor_parallel"), [("gqa", 1), ("gqa", 2), ("qwen2", 2)])
def test_logits_are_those_of_transformers(kind, tensor_parallel, hf_models, checkpoints):
    store = mcore.open_mcore(checkpoints[kind])
    tokens = verify.sample_tokens(store, None)
    ours = mcore.megatron_logits(checkpoints[kind], tokens, tensor_parallel, TIMEOUT_S)
    theirs = verify.hf_logits(hf_models[kind], tokens)
    assert ours.shape == theirs.shape == (2, 64, 1001)
    assert theirs.std() > 0.5  # the models say something
    assert (ours - theirs).abs().max() < 1e-4


def test_parity_is_part_of_a_conversion_and_fails_on_a_wrong_layout(
    hf_models, tmp_path, run, refused, monkeypatch, capsys
):
    assert run("from-hf", src=hf_models["mha"], dst=tmp_path / "right", dtype="fp32", logits=True) == 0
    assert "logits of 128 tokens in fp32" in capsys.readouterr().out
    report = json.loads((tmp_path / "right" / "verification.json").read_text())
    assert report["logits"]["difference"] < 1e-4
    plain = mcore.join
    up_over_gate = {"stack": slice(None, None, -1)}  # instead of gate over up
    monkeypatch.setattr(
        mcore, "join", lambda parts, how, model: plain(parts[up_over_gate.get(how, slice(None))], how, model)
    )
    message = refused("from-hf", src=hf_models["mha"], dst=tmp_path / "wrong", dtype="fp32", logits=True)
    assert "the logits differ by" in message and "do not use it" in message


def test_uneven_tensor_parallel_is_refused(checkpoints):
    with pytest.raises(CheckpointError, match="does not divide kv_groups 2"):
        mcore.megatron_logits(checkpoints["gqa"], torch.zeros(1, 4, dtype=torch.int64), 4)


def test_checkpoints_of_tensor_and_pipeline_parallel_runs_are_read(checkpoints, tmp_path):
    """Our checkpoint, loaded by 2 ranks and saved again by megatron-core in their layout, holds the same tensors."""
    on_ranks(2, _resave, checkpoints["gqa"], tmp_path, timeout_s=TIMEOUT_S)
    before = mcore.open_mcore(checkpoints["gqa"])
    for layout in ("tensor", "pipeline"):
        after = verify.compare(before, mcore.open_mcore(tmp_path / layout))
        assert after.same_form and after.largest == 0 and len(after.rows) == 30


def _resave(rank: int, init_method: str, source: Path, target: Path) -> None:
    from megatron.core import dist_checkpointing

    from megatron_ko.config.training import ParallelConfig, PrecisionConfig, RunConfig
    from megatron_ko.formats.checkpoint_folder import Checkpoint
    from megatron_ko.training import distributed
    from megatron_ko.training.checkpoint import load_weights
    from megatron_ko.training.model import build_gpt

    checkpoint = Checkpoint.read(source)
    run = RunConfig(folder=str(target), device="cpu", timeout_s=60.0)
    # 3 layers are uneven on 2 pipeline stages: 2 and 1
    layouts = {"tensor": {}, "pipeline": {"num_layers_in_first_pipeline_stage": 2}}
    for layout, extra in layouts.items():
        parallel = ParallelConfig(**{layout: 2})
        world = distributed.start(run, parallel, rank, 2, f"{init_method}.{layout}")
        gpt = build_gpt(
            replace(checkpoint.model, extra=extra),
            parallel,
            PrecisionConfig(dtype="fp32"),
            vocab_size=checkpoint.vocab_size,
            device=world.device,
        )
        load_weights(checkpoint, gpt)
        if rank == 0:
            (target / layout).mkdir()
        torch.distributed.barrier()
        dist_checkpointing.save({"model": gpt.sharded_state_dict()}, str(target / layout))
        if rank == 0:
            description = json.loads((source / "checkpoint.json").read_text(encoding="utf-8"))
            del description["files"]  # the tensors are others
            (target / layout / "checkpoint.json").write_text(json.dumps(description), encoding="utf-8")
        torch.distributed.barrier()
        distributed.stop()
