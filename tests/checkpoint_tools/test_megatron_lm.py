"""Checkpoints of Megatron-LM: written by megatron-core on two ranks with an ``argparse.Namespace``, as Megatron-LM does."""

from __future__ import annotations

import argparse
import json
import pickle
import shutil
import signal
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoint_tools import verify
from checkpoint_tools.formats import mcore
from checkpoint_tools.formats.megatron_args import model_of, read_args
from megatron_ko.errors import CheckpointError
from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.formats.tokenizer_folder import write_tokenizer_folder
from tests.ranks import on_ranks

pytestmark = pytest.mark.ranks
MODELS = ("qwen3", "qwen2")
ARGS: dict[str, Any] = {
    "num_layers": 3, "encoder_num_layers": 3, "hidden_size": 64, "ffn_hidden_size": 96, "num_attention_heads": 4,
    "group_query_attention": True, "num_query_groups": 2, "kv_channels": 32, "max_position_embeddings": 128,
    "seq_length": 64, "untie_embeddings_and_output_weights": True, "norm_epsilon": 1e-6, "rotary_base": 10000,
    "rotary_percent": 1.0, "use_rope_scaling": False, "rope_scaling_factor": 8.0, "position_embedding_type": "rope",
    "normalization": "RMSNorm", "swiglu": True, "add_bias_linear": False, "add_qkv_bias": False, "qk_layernorm": True,
    "padded_vocab_size": 1024, "make_vocab_size_divisible_by": 128, "tensor_model_parallel_size": 2, "vocab_size": None,
    "init_method_std": 0.01, "num_experts": None, "apply_layernorm_1p": False, "window_size": None, "spec": None,
    "multi_latent_attention": False, "mtp_num_layers": None, "rotary_interleaved": False, "squared_relu": False,
    "attention_dropout": 0.0, "hidden_dropout": 0.0, "lr": 1e-4, "data_path": ["0.5", "x"], "params_dtype": torch.float32,
}  # fmt: skip
OF_MODEL: dict[str, dict[str, Any]] = {
    "qwen3": {},
    "qwen2": {"kv_channels": 16, "add_qkv_bias": True, "qk_layernorm": False},
}


def arguments(**changes: Any) -> argparse.Namespace:
    """``ARGS`` with objects that Megatron-LM keeps in its arguments, too."""
    from megatron.core.transformer.enums import AttnBackend

    objects = {"attention_backend": AttnBackend.auto, "exit_signal": signal.SIGTERM, "load": Path("x")}
    return argparse.Namespace(**{**ARGS, **objects, **changes})


def _save(rank: int, init_method: str, sources: dict[str, Path], target: Path) -> None:
    from megatron.core import dist_checkpointing

    from megatron_ko.config.training import ParallelConfig, PrecisionConfig, RunConfig
    from megatron_ko.training import distributed
    from megatron_ko.training.checkpoint import load_weights
    from megatron_ko.training.model import build_gpt

    parallel = ParallelConfig(tensor=2)
    for name, source in sources.items():
        world = distributed.start(
            RunConfig(folder=str(target), device="cpu", timeout_s=60.0),
            parallel,
            rank,
            2,
            f"{init_method}.{name}",
        )
        checkpoint = Checkpoint.read(source)
        gpt = build_gpt(
            checkpoint.model, parallel, PrecisionConfig(dtype="fp32"), vocab_size=1001, device=world.device
        )
        load_weights(checkpoint, gpt)
        folder = target / name / "iter_0000005"
        if rank == 0:
            folder.mkdir(parents=True)
            (target / name / "latest_checkpointed_iteration.txt").write_text("5")
        torch.distributed.barrier()
        state = {
            "args": arguments(**OF_MODEL[name]), "checkpoint_version": 3.0, "iteration": 5,
            "num_floating_point_operations_so_far": 0, "model": gpt.sharded_state_dict(),
            "opt_param_scheduler": {"max_lr": 1e-4, "num_steps": 40}, "rng": [torch.arange(4)],
        }  # fmt: skip
        dist_checkpointing.save(state, str(folder))
        torch.distributed.barrier()
        distributed.stop()


@pytest.fixture(scope="module")
def folders(checkpoints, tmp_path_factory) -> dict[str, Path]:
    """A Megatron-LM folder of each model, and the folder of a tokenizer of 1,001 tokens."""
    root = tmp_path_factory.mktemp("megatron")
    on_ranks(2, _save, {name: checkpoints[name] for name in MODELS}, root)
    vocabulary = {"<unk>": 0, "<s>": 3, "</s>": 9, **{f"w{i}": i for i in range(1001) if i not in (0, 3, 9)}}
    content = {
        "version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    }  # fmt: skip
    write_tokenizer_folder(root / "tokenizer", content, {"bos": "<s>", "eos": "</s>", "unk": "<unk>"})
    return {name: root / name for name in (*MODELS, "tokenizer")}


def with_args(source: Path, folder: Path, **changes: Any) -> Path:
    """A copy with other arguments, in ``common.pt`` as megatron-core up to 0.16 writes it; ``"absent"`` removes one."""
    shutil.copytree(source / "iter_0000005", folder)
    args = arguments(**changes)
    for name in [name for name, value in changes.items() if value == "absent"]:
        delattr(args, name)
    torch.save({"args": args, "iteration": 5, "rng": [torch.arange(4)]}, folder / "common.pt")
    return folder


@pytest.mark.parametrize(("model", "tp"), [("qwen3", 2), ("qwen2", 1)])
def test_weights_and_shape_are_read_and_logits_are_equal(
    model, tp, folders, hf_models, checkpoints, tmp_path, run, capsys
):
    assert run("from-megatron", src=folders[model], dst=tmp_path / "out", tokenizer=folders["tokenizer"]) == 0
    printed = capsys.readouterr().out
    assert "iter_0000005" in printed and "warning" not in printed
    original, ours = mcore.open_mcore(checkpoints[model]), mcore.open_mcore(tmp_path / "out")
    same = verify.compare(original, ours)
    assert same.same_structure and same.largest_difference == 0 and len(same.rows) > 30
    assert {**asdict(ours.model), "init_std": 0, "head_size": 0} == {
        **asdict(original.model),
        "init_std": 0,
        "head_size": 0,
    }
    assert (ours.model.init_std, ours.vocab_size, ours.dtype) == (0.01, 1001, "fp32")
    assert ours.special_ids == {"bos_token_id": 3, "eos_token_id": 9, "pad_token_id": None}
    marker = Checkpoint.read(tmp_path / "out")
    assert (marker.step, marker.optimizer) == (0, False) and marker.tokenizer_fingerprint is not None
    tokens = verify.sample_tokens(ours, None)
    truth = verify.hf_logits(hf_models[model], tokens)
    assert (mcore.megatron_logits(tmp_path / "out", tokens, tp) - truth).abs().max() < 1e-4


def test_arguments_of_older_versions_are_in_common_pt(folders, tmp_path, run):
    folder = with_args(folders["qwen3"], tmp_path / "lm" / "release", num_experts=None, init_method_std=0.02)
    (tmp_path / "lm" / "latest_checkpointed_iteration.txt").write_text("release\n")
    options = {"tokenizer": folders["tokenizer"], "dtype": "bf16", "vocab_multiple": 8}
    for number, source in enumerate((tmp_path / "lm", folder)):
        assert run("from-megatron", src=source, dst=tmp_path / f"out{number}", **options) == 0
        ours = mcore.open_mcore(tmp_path / f"out{number}")
        assert (ours.model.init_std, ours.model.vocab_multiple, ours.dtype) == (0.02, 8, "bf16")
    report = json.loads((tmp_path / "out0" / "verification.json").read_text())
    assert (report["rounding"]["from"], report["rounding"]["to"]) == ("fp32", "bf16")


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "learned positions": ({"position_embedding_type": "learned_absolute"}, "position_embedding_type", "unsupported-argument"),
    "LayerNorm": ({"normalization": "LayerNorm"}, "normalization", "unsupported-argument"),
    "no SwiGLU": ({"swiglu": False}, "swiglu", "unsupported-argument"),
    "biases": ({"add_bias_linear": True}, "add_bias_linear", "unsupported-argument"),
    "experts": ({"num_experts": 8}, "num_experts", "unsupported-argument"),
    "partial rotation": ({"rotary_percent": 0.5}, "rotary_percent", "unsupported-argument"),
    "norms from one": ({"apply_layernorm_1p": True}, "apply_layernorm_1p", "unsupported-argument"),
    "window": ({"window_size": (128, 0)}, "window_size", "unsupported-argument"),
    "latent": ({"multi_latent_attention": True}, "multi_latent_attention", "unsupported-argument"),
    "more tokens": ({"mtp_num_layers": 1}, "mtp_num_layers", "unsupported-argument"),
    "other layers": ({"spec": ["some.module", "spec"]}, "spec", "unsupported-argument"),
    "no layers": ({"num_layers": "absent"}, "num_layers", "missing-argument"),
    "no base": ({"rotary_base": "absent"}, "rotary_base", "missing-argument"),
    "unknown tie": ({"untie_embeddings_and_output_weights": "absent"}, "untie_embeddings_and_output_weights", "missing-argument"),
    "text": ({"hidden_size": "64"}, "hidden_size", "not-a-number"),
    "truth": ({"num_query_groups": True}, "num_query_groups", "not-a-number"),
    "uneven": ({"num_query_groups": 3}, "num_query_groups", "does-not-divide"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_arguments_of_another_model_are_refused_by_name(name):
    changes, path, rule = REFUSED[name]
    args = {key: value for key, value in {**ARGS, **changes}.items() if value != "absent"}
    with pytest.raises(CheckpointError) as caught:
        model_of(args, "args")
    assert (path, rule) in [(problem.path, problem.rule) for problem in caught.value.problems]


def test_all_arguments_are_reported_at_once_and_nothing_is_written(folders, tmp_path, expect_error):
    folder = with_args(
        folders["qwen3"], tmp_path / "iter_0000007", num_experts=8, swiglu=False, num_layers="absent"
    )
    error = expect_error("from-megatron", src=folder, dst=tmp_path / "x", tokenizer=folders["tokenizer"])
    assert {problem.path for problem in error.problems} == {"num_experts", "swiglu", "num_layers"}
    assert not (tmp_path / "x").exists()


def test_arguments_become_the_fields_of_the_model():
    model = model_of({**ARGS, "group_query_attention": False, "kv_channels": None, "use_rope_scaling": True,
                      "untie_embeddings_and_output_weights": False, "rotary_base": 500_000}, "args")  # fmt: skip
    assert (model.kv_groups, model.head_size, model.tied_embeddings, model.rope.base) == (
        4,
        None,
        True,
        500_000.0,
    )
    assert asdict(model.rope.scaling) == {
        "type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_sequence_length": 8192,
    }  # fmt: skip


def test_the_scaling_of_positions_is_that_of_megatron_core():
    from megatron.core.models.common.embeddings.rotary_pos_embedding import RotaryEmbedding

    from megatron_ko.config.model import Llama3RopeScaling
    from megatron_ko.training.model import llama3_frequencies

    keywords = {
        "kv_channels": 64,
        "rotary_percent": 1.0,
        "rotary_base": 500_000,
        "use_cpu_initialization": True,
    }
    plain, scaled = (
        RotaryEmbedding(**keywords, rope_scaling=scaling, rope_scaling_factor=32.0)
        for scaling in (False, True)
    )
    model = model_of({**ARGS, "use_rope_scaling": True, "rope_scaling_factor": 32.0}, "args")
    assert isinstance(model.rope.scaling, Llama3RopeScaling)
    ours = llama3_frequencies(plain.inv_freq, model.rope.scaling)
    assert not torch.equal(scaled.inv_freq, plain.inv_freq)
    assert torch.allclose(ours, scaled.inv_freq, rtol=1e-6, atol=0)


class Harmful:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        import os

        return os.system, ("touch harm",)


@pytest.mark.parametrize("value", [Harmful(), pytest.param(print, id="function"), ValueError("x")])
def test_other_objects_are_refused_and_not_run(value, folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path(shutil.copytree(folders["qwen3"] / "iter_0000005", tmp_path / "iter_0000005"))
    torch.save({"args": arguments(novelty=value)}, folder / "common.pt")
    with pytest.raises(CheckpointError) as caught:
        read_args(folder)
    assert caught.value.rule == "foreign-class" and not (tmp_path / "harm").exists()


def test_folders_that_cannot_be_read_are_named(folders, tmp_path, expect_error):
    source = Path(shutil.copytree(folders["qwen3"], tmp_path / "source"))
    folder = source / "iter_0000005"

    def error(src: Path = folder, **options: Any) -> str:
        given = {"dst": tmp_path / "x", "tokenizer": folders["tokenizer"], **options}
        return expect_error("from-megatron", src=src, **given).rule

    assert error(tmp_path / "none") == "missing-folder"
    assert error(folders["tokenizer"]) == "wrong-format"
    assert error(tokenizer=tmp_path) == "missing-tokenizer"
    assert error(dst=folder / "out") == error(dst=folders["tokenizer"] / "out") == "overlapping-folders"
    (source / "latest_checkpointed_iteration.txt").write_text("../../etc")
    assert error(source) == "damaged-index"
    (source / "latest_checkpointed_iteration.txt").write_text("6")
    assert error(source) == "missing-folder"
    (source / "latest_checkpointed_iteration.txt").unlink()
    assert error(source) == "no-iteration"
    torch.save({"iteration": 5}, folder / "common.pt")
    assert error() == "missing-arguments"
    (folder / "common.pt").write_bytes(pickle.dumps({"args": arguments()}))
    assert error() == "damaged-checkpoint"
    torch.save({"args": arguments(num_layers=2)}, folder / "common.pt")
    assert error() == "tensors-do-not-match"
    torch.save({"args": arguments(padded_vocab_size=1000)}, folder / "common.pt")
    assert error() == "vocabulary-mismatch"
    (folder / "metadata.json").write_text(json.dumps({"sharded_backend": "zarr"}))
    assert error() == "unsupported-format"
    (folder / "metadata.json").unlink()
    assert error() == "incomplete-checkpoint"
    (folder / "mp_rank_00").mkdir()
    assert error() == "legacy-checkpoint"
    assert not (tmp_path / "x").exists()


def test_a_tokenizer_that_pads_to_other_rows_is_a_warning(folders, tmp_path, run, capsys):
    folder = with_args(
        folders["qwen3"],
        tmp_path / "iter_0000005",
        tensor_model_parallel_size=8,
        make_vocab_size_divisible_by=64,
    )
    assert run("from-megatron", src=folder, dst=tmp_path / "same", tokenizer=folders["tokenizer"]) == 0
    assert "warning" not in capsys.readouterr().out
    other = with_args(folders["qwen3"], tmp_path / "iter_0000006", make_vocab_size_divisible_by=8)
    assert run("from-megatron", src=other, dst=tmp_path / "other", tokenizer=folders["tokenizer"]) == 0
    printed = capsys.readouterr().out
    assert "warning" in printed and "1,008" in printed and "1,024" in printed


def test_the_way_from_other_operations_is_shown(folders, tmp_path, expect_error):
    error = expect_error("to-hf", src=folders["qwen3"] / "iter_0000005", dst=tmp_path / "x")
    assert error.rule == "incomplete-checkpoint" and "from-megatron" in str(error)
