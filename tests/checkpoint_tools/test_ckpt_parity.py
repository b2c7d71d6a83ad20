"""megatron-core's GPTModel on converted checkpoints: equal logits, and checkpoints of several layouts.

Processes communicate over gloo; each test has a hard timeout.
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
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


@pytest.mark.parametrize(
    ("model", "tensor_parallel"),
    [
        *(("gqa", 1), ("gqa", 2), ("qwen2", 2), ("qwen3", 1), ("qwen3", 2), ("mistral", 2)),
        *(("phi", 2), ("gemma2", 2)),
        *(
            pytest.param(model, 1, marks=pytest.mark.slow)
            for model in ("qwen2", "mistral", "gpt_neox", "phi", "gemma2")
        ),
        pytest.param("gpt_neox", 2, marks=pytest.mark.slow),
    ],
)
def test_logits_are_those_of_transformers(model, tensor_parallel, hf_models, checkpoints):
    store = mcore.open_mcore(checkpoints[model])
    tokens = verify.sample_tokens(store, None)
    ours = mcore.megatron_logits(checkpoints[model], tokens, tensor_parallel, TIMEOUT_S)
    theirs = verify.hf_logits(hf_models[model], tokens)
    assert ours.shape == theirs.shape == (2, 64, 1001)
    assert theirs.std() > 0.5  # not all alike
    assert (ours - theirs).abs().max() < 1e-4


def test_conversion_compares_logits_and_fails_on_a_wrong_order(
    hf_models, tmp_path, run, expect_error, monkeypatch
):
    assert run("from-hf", src=hf_models["mha"], dst=tmp_path / "right", dtype="fp32", logits=True) == 0
    report = json.loads((tmp_path / "right" / "verification.json").read_text())
    assert report["logits"]["difference"] < 1e-4 and report["logits"]["positions"] == 128
    plain = mcore.join
    up_over_gate = {"stack": slice(None, None, -1)}  # instead of gate over up
    monkeypatch.setattr(
        mcore, "join", lambda parts, how, model: plain(parts[up_over_gate.get(how, slice(None))], how, model)
    )
    error = expect_error("from-hf", src=hf_models["mha"], dst=tmp_path / "wrong", dtype="fp32", logits=True)
    assert error.rule == "verification-failed"
    report = json.loads((tmp_path / "wrong" / "verification.json").read_text())
    assert report["logits"]["difference"] > 1e-4


def test_a_llama_whose_heads_do_not_divide_its_hidden_size_has_logits(hf_models, tmp_path, run):
    """Kanana's 2.1B as its publisher writes it: transformers 5 refuses the shape as a Llama, not as a Mistral."""
    source = Path(shutil.copytree(hf_models["mistral"], tmp_path / "hf"))
    config = json.loads((source / "config.json").read_text())
    del config["sliding_window"]
    config |= {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
    (source / "config.json").write_text(json.dumps(config))
    assert run("from-hf", src=source, dst=tmp_path / "ours", logits=True) == 0
    assert run("to-hf", src=tmp_path / "ours", dst=tmp_path / "back", logits=True) == 0
    tokens = torch.arange(40)[None]
    truth = verify.hf_logits(hf_models["mistral"], tokens)
    assert torch.equal(verify.hf_logits(source, tokens), truth)
    assert torch.equal(verify.hf_logits(tmp_path / "back", tokens), truth)


def test_uneven_tensor_parallel_is_refused_before_anything_is_written(
    checkpoints, hf_models, tmp_path, expect_error
):
    for operation, source in (("from-hf", hf_models["gqa"]), ("to-hf", checkpoints["gqa"])):
        error = expect_error(operation, src=source, dst=tmp_path / "x", logits=True, tensor_parallel=4)
        assert [(p.path, p.rule) for p in error.problems] == [("--tensor-parallel", "does-not-divide")]
        assert not (tmp_path / "x").exists()


def test_a_comparison_of_nothing_is_refused(checkpoints, expect_error):
    same = {"a": checkpoints["gqa"], "b": checkpoints["gqa"]}
    for options, path in (({"weights": False}, "--no-weights"), ({"tokens": [1, 2]}, "--tokens")):
        assert [problem.path for problem in expect_error("compare", **same, **options).problems] == [path]


def test_uneven_tensor_parallel_is_refused(checkpoints):
    with pytest.raises(CheckpointError) as caught:
        mcore.megatron_logits(checkpoints["gqa"], torch.zeros(1, 4, dtype=torch.int64), 4)
    assert caught.value.rule == "does-not-divide"
    assert caught.value.problems[0].path == "--tensor-parallel" and "kv_groups 2" in str(caught.value)


def test_checkpoints_of_tensor_and_pipeline_parallel_runs_are_read(checkpoints, tmp_path):
    """A checkpoint that 2 ranks load and megatron-core saves in their layout contains the same tensors."""
    on_ranks(2, _resave, checkpoints["gqa"], tmp_path, timeout_s=TIMEOUT_S)
    before = mcore.open_mcore(checkpoints["gqa"])
    for layout in ("tensor", "pipeline"):
        after = verify.compare(before, mcore.open_mcore(tmp_path / layout))
        assert after.same_structure and after.largest_difference == 0 and len(after.rows) == 30


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
    layouts = {
        "tensor": ParallelConfig(tensor=2),
        "pipeline": ParallelConfig(pipeline=2, first_stage_layers=2),
    }
    for layout, parallel in layouts.items():
        world = distributed.start(run, parallel, rank, 2, f"{init_method}.{layout}")
        gpt = build_gpt(
            checkpoint.model,
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
            del description["files"]  # other files have the tensors
            (target / layout / "checkpoint.json").write_text(json.dumps(description), encoding="utf-8")
        torch.distributed.barrier()
        distributed.stop()
