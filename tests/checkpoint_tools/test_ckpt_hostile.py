"""Damaged, foreign and malicious input ends in one message and exit code 2, and never touches anything else."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from checkpoint_tools.ends import clear_destination
from checkpoint_tools.formats import hf, mcore
from megatron_ko.errors import CheckpointError


@pytest.fixture
def hf_copy(hf_models, tmp_path) -> Path:
    return Path(shutil.copytree(hf_models["mha"], tmp_path / "hf"))


@pytest.fixture
def sharded_copy(hf_models, tmp_path) -> Path:
    return Path(shutil.copytree(hf_models["gqa"], tmp_path / "sharded"))


@pytest.fixture
def ours_copy(checkpoints, tmp_path) -> Path:
    return Path(shutil.copytree(checkpoints["gqa"], tmp_path / "ours"))


def edit(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def edit_tensors(folder: Path, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


# --- Hugging Face folders --------------------------------------------------------------------------------


def test_path_that_does_not_exist_or_is_something_else(tmp_path, hf_models, checkpoints, refused):
    assert "no such folder" in refused("from-hf", src=tmp_path / "no", dst=tmp_path / "x")
    assert "no such folder" in refused("compare", a=tmp_path / "no", b=hf_models["mha"])
    assert "neither" in refused("compare", a=tmp_path, b=hf_models["mha"])
    assert "is not a Hugging Face folder" in refused("from-hf", src=checkpoints["mha"], dst=tmp_path / "x")
    assert "is not a checkpoint" in refused("to-hf", src=hf_models["mha"], dst=tmp_path / "x")


def test_truncated_safetensors(hf_copy, tmp_path, refused):
    whole = (hf_copy / "model.safetensors").read_bytes()
    for size in (len(whole) - 1, 40, 3, 0):
        (hf_copy / "model.safetensors").write_bytes(whole[:size])
        assert "not a whole safetensors file" in refused("from-hf", src=hf_copy, dst=tmp_path / "x")


def test_missing_extra_and_misshapen_tensors_are_listed_together(hf_copy, tmp_path, refused):
    def change(tensors):
        del tensors["model.layers.1.mlp.up_proj.weight"]
        tensors["model.layers.9.mlp.up_proj.weight"] = torch.zeros(96, 64, dtype=torch.bfloat16)
        tensors["model.norm.weight"] = torch.zeros(65, dtype=torch.bfloat16)

    edit_tensors(hf_copy, change)
    message = refused("from-hf", src=hf_copy, dst=tmp_path / "x")
    assert "missing (1):\n    model.layers.1.mlp.up_proj.weight" in message
    assert "left over (1):\n    model.layers.9.mlp.up_proj.weight" in message
    assert "model.norm.weight [65] instead of [64]" in message
    assert not (tmp_path / "x").exists()


def test_pickles_are_never_opened(hf_copy, tmp_path, refused):
    (hf_copy / "model.safetensors").unlink()
    (hf_copy / "pytorch_model.bin").write_bytes(evil_pickle(tmp_path / "ran"))
    assert "a pickle can run any code" in refused("from-hf", src=hf_copy, dst=tmp_path / "x")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("place", ["../outside.safetensors", "/etc/passwd", "sub/x.safetensors", "x.bin", 3])
def test_index_that_points_elsewhere(place, sharded_copy, tmp_path, refused):
    index = json.loads((sharded_copy / hf.INDEX).read_text())
    index["weight_map"]["model.norm.weight"] = place
    (sharded_copy / hf.INDEX).write_text(json.dumps(index))
    shutil.copy(next(sharded_copy.glob("*.safetensors")), tmp_path / "outside.safetensors")
    assert "a shard is a .safetensors file in the same folder" in refused(
        "from-hf", src=sharded_copy, dst=tmp_path / "x"
    )


def test_index_and_shards_that_disagree(sharded_copy, tmp_path, refused):
    index = json.loads((sharded_copy / hf.INDEX).read_text())
    removed = index["weight_map"].pop("model.norm.weight")
    (sharded_copy / hf.INDEX).write_text(json.dumps(index))
    assert "in the file, not in the index" in refused("from-hf", src=sharded_copy, dst=tmp_path / "x")
    (sharded_copy / removed).unlink()
    assert "no such file" in refused("from-hf", src=sharded_copy, dst=tmp_path / "x")
    (sharded_copy / hf.INDEX).write_text("{")
    assert "not valid JSON" in refused("from-hf", src=sharded_copy, dst=tmp_path / "x")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "gpt_neox"}, "llama and qwen2 are understood"),
        ({"hidden_act": "gelu"}, "only silu"),
        ({"attention_bias": True}, "bias on o_proj"),
        ({"mlp_bias": True}, "feed-forward"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0}}, "rope type is 'yarn'"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope type is 'linear'"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "lacks low_freq_factor"),
        ({"rope_scaling": [1]}, "not one flat mapping"),
        ({"rope_parameters": {"full_attention": {"rope_type": "default"}}}, "not one flat mapping"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantized"),
        ({"num_key_value_heads": 3}, "does not divide"),
        ({"num_hidden_layers": None}, "num_hidden_layers is missing"),
        ({"hidden_size": "64"}, "valid integer"),
        ({"rms_norm_eps": -1.0}, "greater than 0"),
    ],
)
def test_models_that_are_not_ours(values, message, hf_copy, tmp_path, refused):
    edit(hf_copy / "config.json", **values)
    assert message in refused("from-hf", src=hf_copy, dst=tmp_path / "x")


def test_mixed_number_formats_need_a_choice(hf_copy, tmp_path, run, refused):
    edit_tensors(hf_copy, lambda t: t.update({"model.norm.weight": t["model.norm.weight"].float()}))
    assert "give dtype=fp32 or dtype=bf16" in refused("from-hf", src=hf_copy, dst=tmp_path / "x")
    assert run("from-hf", src=hf_copy, dst=tmp_path / "x", dtype="fp32") == 0


# --- our checkpoints -------------------------------------------------------------------------------------


def test_half_written_checkpoint(ours_copy, tmp_path, refused):
    (ours_copy / "checkpoint.json").unlink()
    assert "half-written" in refused("to-hf", src=ours_copy, dst=tmp_path / "x")
    for name in (".metadata", "metadata.json", "common.pt"):
        (ours_copy / name).unlink()
    assert "half-written" in refused("to-hf", src=ours_copy, dst=tmp_path / "x")


def test_truncated_checkpoint(ours_copy, tmp_path, refused):
    data = ours_copy / "__0_0.distcp"
    whole = data.read_bytes()
    data.write_bytes(whole[:-5000])
    message = f"{len(whole) - 5000:,} bytes where checkpoint.json says {len(whole):,} bytes: damaged"
    assert message in refused("compare", a=ours_copy, b=ours_copy)
    data.unlink()
    assert "missing where checkpoint.json says" in refused("compare", a=ours_copy, b=ours_copy)
    data.write_bytes(whole[:1000] + bytes(len(whole) - 1000))
    assert "damaged or incomplete" in refused("to-hf", src=ours_copy, dst=tmp_path / "x")
    data.write_bytes(whole)
    index = ours_copy / ".metadata"
    index.write_bytes(index.read_bytes()[:-500])
    assert "damaged or incomplete" in refused("to-hf", src=ours_copy, dst=tmp_path / "x")


def evil_pickle(proof: Path) -> bytes:
    class Evil:
        def __reduce__(self):
            return (Path.touch, (proof,))

    return pickle.dumps(Evil())


def test_index_of_a_checkpoint_cannot_run_code(ours_copy, tmp_path, refused):
    (ours_copy / ".metadata").write_bytes(evil_pickle(tmp_path / "ran"))
    assert (
        "which no index needs" in refused("to-hf", src=ours_copy, dst=tmp_path / "x")
        and not (tmp_path / "ran").exists()
    )
    (ours_copy / ".metadata").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert "os.system, which no index needs" in refused("to-hf", src=ours_copy, dst=tmp_path / "x")


def test_index_of_a_checkpoint_cannot_point_outside(ours_copy, tmp_path, refused):
    index = pickle.loads((ours_copy / ".metadata").read_bytes())
    for info in index.storage_data.values():
        info.relative_path = "../elsewhere.distcp"
    (ours_copy / ".metadata").write_bytes(pickle.dumps(index))
    assert "points outside the folder" in refused("to-hf", src=ours_copy, dst=tmp_path / "x")


def test_checkpoint_of_another_model(ours_copy, tmp_path, refused):
    marker = json.loads((ours_copy / "checkpoint.json").read_text())
    edit(ours_copy / "checkpoint.json", model={**marker["model"], "tied_embeddings": True, "layers": 4})
    message = refused("to-hf", src=ours_copy, dst=tmp_path / "x")
    assert "left over (1):\n    output_layer.weight" in message and "[3, 64] instead of [4, 64]" in message
    edit(ours_copy / "checkpoint.json", model=marker["model"], vocab_size=2000)
    assert "do not fit" in refused("to-hf", src=ours_copy, dst=tmp_path / "x")
    edit(
        ours_copy / "checkpoint.json",
        vocab_size=1001,
        model={**marker["model"], "extra": {"qk_layernorm": True}},
    )
    assert "qk_layernorm" in refused("to-hf", src=ours_copy, dst=tmp_path / "x")


# --- destinations ----------------------------------------------------------------------------------------


def test_destination_must_be_empty_and_apart(hf_models, ours_copy, tmp_path, run, refused):
    for dst in (ours_copy, ours_copy / "inside", tmp_path):
        assert "choose another dst" in refused("to-hf", src=ours_copy, dst=dst, overwrite=True)
    assert run("to-hf", src=ours_copy, dst=tmp_path / "hf") == 0
    (tmp_path / "hf" / "README.md").write_text("mine")
    assert "overwrite=true" in refused("to-hf", src=ours_copy, dst=tmp_path / "hf")
    assert run("to-hf", src=ours_copy, dst=tmp_path / "hf", overwrite=True, max_shard_gb=0.0003) == 0
    assert (
        not (tmp_path / "hf" / "model.safetensors").exists()
        and (tmp_path / "hf" / "README.md").read_text() == "mine"
    )
    again = Path(shutil.copytree(ours_copy, tmp_path / "again"))
    assert run("from-hf", src=hf_models["mha"], dst=again, overwrite=True) == 0
    assert mcore.open_mcore(again).model.tied_embeddings


def test_killed_conversion_is_recognized(checkpoints, hf_models, tmp_path, refused):
    """The writers stop at their last tensor, as if killed: neither output can be taken for a whole one."""

    def stop_at(store, name):
        def read(wanted):
            if wanted == name:
                raise KeyboardInterrupt
            return store.tensor(wanted)

        from dataclasses import replace

        return replace(store, read=read)

    with pytest.raises(KeyboardInterrupt):
        hf.write_hf(
            stop_at(mcore.open_mcore(checkpoints["gqa"]), "model.norm.weight"), tmp_path / "hf", 0.0003
        )
    assert "did not finish" in refused("from-hf", src=tmp_path / "hf", dst=tmp_path / "x")
    with pytest.raises(KeyboardInterrupt):
        mcore.write_mcore(stop_at(hf.open_hf(hf_models["mha"]), "model.norm.weight"), tmp_path / "ours")
    assert "half-written" in refused("to-hf", src=tmp_path / "ours", dst=tmp_path / "x")


def test_destination_that_is_a_file(hf_models, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="is a file"):
        clear_destination(
            str(tmp_path / "file"), hf.open_hf(hf_models["mha"]), True, hf.clear_hf, "an export"
        )
