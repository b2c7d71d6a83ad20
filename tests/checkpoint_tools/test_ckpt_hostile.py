"""Damaged, foreign and malicious input ends with one error and exit code 2, and changes no other file."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from checkpoint_tools.__main__ import main
from checkpoint_tools.endpoints import clear_destination
from checkpoint_tools.formats import hf, mcore
from megatron_ko.errors import CheckpointError
from megatron_ko.formats.checkpoint_folder import UNFINISHED
from megatron_ko.formats.hf_config import read_config

LLAMA3_OLD = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.5, "high_freq_factor": 6.0,
    "original_max_position_embeddings": 32,
}  # fmt: skip


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


def test_path_that_does_not_exist_or_is_something_else(tmp_path, hf_models, checkpoints, expect_error):
    assert expect_error("from-hf", src=tmp_path / "no", dst=tmp_path / "x").rule == "missing-folder"
    assert expect_error("compare", a=tmp_path / "no", b=hf_models["mha"]).rule == "missing-folder"
    assert expect_error("compare", a=tmp_path, b=hf_models["mha"]).rule == "wrong-format"
    assert expect_error("from-hf", src=checkpoints["mha"], dst=tmp_path / "x").rule == "wrong-format"
    assert expect_error("to-hf", src=hf_models["mha"], dst=tmp_path / "x").rule == "wrong-format"


def test_truncated_safetensors(hf_copy, tmp_path, expect_error):
    whole = (hf_copy / "model.safetensors").read_bytes()
    for size in (len(whole) - 1, 40, 3, 0):
        (hf_copy / "model.safetensors").write_bytes(whole[:size])
        assert expect_error("from-hf", src=hf_copy, dst=tmp_path / "x").rule == "damaged-safetensors"


def test_missing_extra_and_misshapen_tensors_are_listed_together(hf_copy, tmp_path, expect_error):
    def change(tensors):
        del tensors["model.layers.1.mlp.up_proj.weight"]
        tensors["model.layers.9.mlp.up_proj.weight"] = torch.zeros(96, 64, dtype=torch.bfloat16)
        tensors["model.norm.weight"] = torch.zeros(65, dtype=torch.bfloat16)

    edit_tensors(hf_copy, change)
    error = expect_error("from-hf", src=hf_copy, dst=tmp_path / "x")
    assert error.rule == "tensors-do-not-match"
    for name in ("model.layers.1.mlp.up_proj.weight", "model.layers.9.mlp.up_proj.weight"):
        assert name in str(error)
    assert "model.norm.weight [65]" in str(error) and "[64]" in str(error)
    assert not (tmp_path / "x").exists()


def test_pickles_are_never_opened(hf_copy, tmp_path, expect_error):
    (hf_copy / "model.safetensors").unlink()
    (hf_copy / "pytorch_model.bin").write_bytes(evil_pickle(tmp_path / "ran"))
    error = expect_error("from-hf", src=hf_copy, dst=tmp_path / "x")
    assert error.rule == "pickled-weights" and "pytorch_model.bin" in str(error)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("shard", ["../outside.safetensors", "/etc/passwd", "sub/x.safetensors", "x.bin", 3])
def test_index_that_points_elsewhere(shard, sharded_copy, tmp_path, expect_error):
    index = json.loads((sharded_copy / hf.INDEX).read_text())
    index["weight_map"]["model.norm.weight"] = shard
    (sharded_copy / hf.INDEX).write_text(json.dumps(index))
    shutil.copy(next(sharded_copy.glob("*.safetensors")), tmp_path / "outside.safetensors")
    error = expect_error("from-hf", src=sharded_copy, dst=tmp_path / "x")
    assert error.rule == "shard-outside-folder" and repr(shard) in str(error)


def test_index_and_shards_that_disagree(sharded_copy, tmp_path, expect_error):
    index = json.loads((sharded_copy / hf.INDEX).read_text())
    removed = index["weight_map"].pop("model.norm.weight")
    (sharded_copy / hf.INDEX).write_text(json.dumps(index))
    error = expect_error("from-hf", src=sharded_copy, dst=tmp_path / "x")
    assert error.rule == "index-mismatch" and removed in str(error) and "model.norm.weight" in str(error)
    (sharded_copy / removed).unlink()
    error = expect_error("from-hf", src=sharded_copy, dst=tmp_path / "x")
    assert error.rule == "missing-shard" and removed in str(error)
    (sharded_copy / hf.INDEX).write_text("{")
    error = expect_error("from-hf", src=sharded_copy, dst=tmp_path / "x")
    assert error.rule == "invalid-json" and hf.INDEX in str(error)


NEOX = {"model_type": "gpt_neox", "hidden_act": "gelu", "attention_bias": True}
GEMMA2 = {
    "model_type": "gemma2", "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh",
    "query_pre_attn_scalar": 16,
}  # fmt: skip


@pytest.mark.parametrize(
    ("values", "path", "rule"),
    [
        ({"model_type": "gpt2"}, "model_type", "unsupported-model"),
        ({**NEOX, "attention_bias": False}, "attention_bias", "unsupported-setting"),
        (NEOX, "rotary_pct", "missing-key"),
        ({**NEOX, "hidden_act": "relu"}, "hidden_act", "unsupported-setting"),
        (
            {"model_type": "phi", "hidden_act": "gelu_new", "qk_layernorm": True},
            "qk_layernorm",
            "unsupported-setting",
        ),
        ({**GEMMA2, "sliding_window": 64}, "sliding_window", "sliding-window"),
        ({**GEMMA2, "query_pre_attn_scalar": None}, "query_pre_attn_scalar", "missing-key"),
        (
            {**GEMMA2, "use_bidirectional_attention": True},
            "use_bidirectional_attention",
            "unsupported-setting",
        ),
        ({"hidden_act": "gelu"}, "hidden_act", "unsupported-setting"),
        ({"attention_bias": True}, "attention_bias", "unsupported-setting"),
        ({"mlp_bias": True}, "mlp_bias", "unsupported-setting"),
        (
            {"rope_parameters": {"rope_type": "yarn", "factor": 2.0}},
            "rope_parameters",
            "unsupported-rope-type",
        ),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling", "unsupported-rope-type"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rope_scaling", "missing-key"),
        ({"rope_scaling": [1]}, "rope_scaling", "rope-per-layer"),
        (
            {"rope_parameters": {"full_attention": {"rope_type": "default"}}},
            "rope_parameters",
            "rope-per-layer",
        ),
        ({"rope_scaling": {**LLAMA3_OLD, "factor": "eight"}}, "rope_scaling", "not-a-number"),
        ({"model_type": ["llama"]}, "model_type", "unsupported-model"),
        # without the key, the window is 4,096
        ({"model_type": "mistral", "max_position_embeddings": 8192}, "sliding_window", "sliding-window"),
        ({"model_type": "mistral", "sliding_window": 127}, "sliding_window", "sliding-window"),
        ({"model_type": "mistral", "sliding_window": True}, "sliding_window", "sliding-window"),
        ({"model_type": "qwen3", "head_dim": None}, "head_dim", "missing-key"),
        ({"model_type": "qwen3", "attention_bias": True}, "attention_bias", "unsupported-setting"),
        ({"model_type": "qwen2", "num_key_value_heads": None}, "num_key_value_heads", "missing-key"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor", "unsupported-setting"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config", "unsupported-setting"),
        ({"num_key_value_heads": 3}, "num_key_value_heads", "does-not-divide"),
        ({"num_hidden_layers": None}, "num_hidden_layers", "missing-key"),
        ({"hidden_size": "64"}, "hidden_size", "int-type"),
        ({"rms_norm_eps": -1.0}, "rms_norm_eps", "greater-than"),
        # a text that is not empty would be true
        (
            {**NEOX, "rotary_pct": 0.5, "use_parallel_residual": "false"},
            "use_parallel_residual",
            "wrong-type",
        ),
        ({"attention_bias": "false"}, "attention_bias", "wrong-type"),
        ({"hidden_act": ["silu"]}, "hidden_act", "wrong-type"),
        ({"architectures": 1.5}, "architectures", "wrong-type"),
        ({"layer_types": True}, "layer_types", "wrong-type"),
        ({"eos_token_id": "2"}, "eos_token_id", "wrong-type"),
        ({"eos_token_id": [2, None]}, "eos_token_id", "wrong-type"),
        ({"pad_token_id": {}}, "pad_token_id", "wrong-type"),
    ],
)
def test_unsupported_models(values, path, rule, hf_copy, tmp_path, expect_error):
    edit(hf_copy / "config.json", **values)
    problem = expect_error("from-hf", src=hf_copy, dst=tmp_path / "x").problems[0]
    assert (problem.where, problem.path, problem.rule) == (str(hf_copy / "config.json"), path, rule)


ODD: list[Any] = [
    "x",
    "",
    "2",
    "nan",
    "1e400",
    -1,
    1.5,
    10**30,
    float("nan"),
    True,
    None,
    [],
    [None],
    {},
    {"type": ["x"]},
]


@pytest.mark.parametrize("model", ["gqa", "mistral", "qwen2", "qwen3", "gpt_neox", "phi", "gemma2"])
def test_any_value_of_any_key_is_read_or_refused(model, hf_models, tmp_path):
    """Never another exception than an error that names the file."""
    config = json.loads((hf_models[model] / "config.json").read_text())
    errors: list[CheckpointError] = []
    for key in config:
        for value in ODD:
            (tmp_path / "config.json").write_text(json.dumps({**config, key: value}))
            try:
                read_config(tmp_path)
            except CheckpointError as error:
                errors.append(error)
    assert errors and all(str(tmp_path / "config.json") in str(error) for error in errors)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"num_attention_heads": 0}, "num_attention_heads"),
        ({"hidden_size": 64.5}, "hidden_size"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": -5}}, "rope_parameters.rope_theta"),
        ({"rope_parameters": None, "rope_scaling": None, "rope_theta": "nan"}, "rope_theta"),
    ],
)
def test_a_number_out_of_range_is_named_by_its_key_in_the_file(change, key, hf_models, tmp_path):
    config = json.loads((hf_models["gqa"] / "config.json").read_text())
    if "rope_parameters" not in change:
        config.pop("rope_parameters", None)
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(CheckpointError) as caught:
        read_config(tmp_path)
    [problem] = caught.value.problems
    assert problem.where == str(tmp_path / "config.json") and problem.path == key


def test_special_ids_outside_of_the_embedding_are_a_warning(hf_models, tmp_path):
    config = json.loads((hf_models["gqa"] / "config.json").read_text())
    rows = config["vocab_size"]
    path = tmp_path / "config.json"
    for ids, named in (([2, rows], str(rows)), (-1, "-1"), (rows - 1, None), ([2], None), (None, None)):
        path.write_text(json.dumps({**config, "eos_token_id": ids}))
        warnings = read_config(tmp_path).warnings
        assert [f"eos_token_id {named}" in warning for warning in warnings] == (
            [] if named is None else [True]
        )


def test_mixed_number_formats_need_a_choice(hf_copy, tmp_path, run, expect_error):
    edit_tensors(hf_copy, lambda t: t.update({"model.norm.weight": t["model.norm.weight"].float()}))
    assert expect_error("from-hf", src=hf_copy, dst=tmp_path / "x").rule == "mixed-dtypes"
    assert run("from-hf", src=hf_copy, dst=tmp_path / "x", dtype="fp32") == 0


def test_a_window_is_accepted_for_sequences_that_fit_into_it(hf_copy, tmp_path, run):
    edit(hf_copy / "config.json", model_type="mistral", sliding_window=64)
    assert run("from-hf", src=hf_copy, dst=tmp_path / "x", max_sequence_length=64) == 0
    assert mcore.open_mcore(tmp_path / "x").model.max_sequence_length == 64


@pytest.mark.parametrize("factor", [0.0, 0.5])
def test_the_output_embedding_of_a_tied_model_must_be_its_input_embedding(
    factor, hf_copy, tmp_path, run, expect_error
):
    embedding = load_file(hf_copy / "model.safetensors")["model.embed_tokens.weight"]
    edit_tensors(hf_copy, lambda t: t.update({"lm_head.weight": embedding + factor * embedding}))
    if factor:
        assert expect_error("from-hf", src=hf_copy, dst=tmp_path / "x").rule == "tied-head-differs"
    else:
        assert run("from-hf", src=hf_copy, dst=tmp_path / "x") == 0
        assert "lm_head.weight" not in mcore.open_mcore(tmp_path / "x").entries


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_weights_that_are_not_finite_are_refused_by_name(value, hf_copy, tmp_path, run, expect_error):
    def damage(tensors):
        tensors["model.layers.1.mlp.up_proj.weight"][3, 5] = value

    edit_tensors(hf_copy, damage)
    error = expect_error("from-hf", src=hf_copy, dst=tmp_path / "x")
    assert error.rule == "not-finite" and "model.layers.1.mlp.up_proj.weight" in str(error)
    assert run("from-hf", src=hf_copy, dst=tmp_path / "y", allow_nonfinite=True) == 0
    assert expect_error("to-hf", src=tmp_path / "y", dst=tmp_path / "z").rule == "not-finite"
    assert run("to-hf", src=tmp_path / "y", dst=tmp_path / "w", allow_nonfinite=True) == 0


# --- checkpoints -----------------------------------------------------------------------------------------


def test_half_written_checkpoint(ours_copy, tmp_path, expect_error):
    (ours_copy / "checkpoint.json").unlink()
    assert expect_error("to-hf", src=ours_copy, dst=tmp_path / "x").rule == "incomplete-checkpoint"
    for name in (".metadata", "metadata.json", "common.pt"):
        (ours_copy / name).unlink()
    assert expect_error("to-hf", src=ours_copy, dst=tmp_path / "x").rule == "incomplete-checkpoint"


def test_truncated_checkpoint(ours_copy, tmp_path, expect_error):
    data = ours_copy / "__0_0.distcp"
    whole = data.read_bytes()
    data.write_bytes(whole[:-5000])
    error = expect_error("compare", a=ours_copy, b=ours_copy)
    assert error.rule == "wrong-size" and data.name in str(error)
    assert f"{len(whole) - 5000:,}" in str(error) and f"{len(whole):,}" in str(error)
    data.unlink()
    error = expect_error("compare", a=ours_copy, b=ours_copy)
    assert error.rule == "missing-file" and data.name in str(error)
    data.write_bytes(whole[:1000] + bytes(len(whole) - 1000))
    assert expect_error("to-hf", src=ours_copy, dst=tmp_path / "x").rule == "wrong-checksum"
    edit(ours_copy / "checkpoint.json", files={})
    assert expect_error("to-hf", src=ours_copy, dst=tmp_path / "x").rule == "damaged-checkpoint"
    data.write_bytes(whole)
    index = ours_copy / ".metadata"
    index.write_bytes(index.read_bytes()[:-500])
    assert expect_error("to-hf", src=ours_copy, dst=tmp_path / "x").rule == "damaged-index"


def evil_pickle(proof: Path) -> bytes:
    class Evil:
        def __reduce__(self):
            return (Path.touch, (proof,))

    return pickle.dumps(Evil())


def test_index_of_a_checkpoint_cannot_run_code(ours_copy, tmp_path, expect_error):
    edit(ours_copy / "checkpoint.json", files={})  # an attacker would write the right checksums
    (ours_copy / ".metadata").write_bytes(evil_pickle(tmp_path / "ran"))
    assert expect_error("to-hf", src=ours_copy, dst=tmp_path / "x").rule == "damaged-index"
    assert not (tmp_path / "ran").exists()
    (ours_copy / ".metadata").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    error = expect_error("to-hf", src=ours_copy, dst=tmp_path / "x")
    assert error.rule == "damaged-index" and "os.system" in str(error)


def test_index_of_a_checkpoint_cannot_point_outside(ours_copy, tmp_path, expect_error):
    edit(ours_copy / "checkpoint.json", files={})
    index = pickle.loads((ours_copy / ".metadata").read_bytes())
    for info in index.storage_data.values():
        info.relative_path = "../elsewhere.distcp"
    (ours_copy / ".metadata").write_bytes(pickle.dumps(index))
    error = expect_error("to-hf", src=ours_copy, dst=tmp_path / "x")
    assert error.rule == "damaged-index" and "../elsewhere.distcp" in str(error)


def test_checkpoint_of_another_model(ours_copy, tmp_path, expect_error):
    marker = json.loads((ours_copy / "checkpoint.json").read_text())
    edit(ours_copy / "checkpoint.json", model={**marker["model"], "tied_embeddings": True, "layers": 4})
    error = expect_error("to-hf", src=ours_copy, dst=tmp_path / "x")
    assert error.rule == "tensors-do-not-match"
    assert "output_layer.weight" in str(error) and "[3, 64]" in str(error) and "[4, 64]" in str(error)
    edit(ours_copy / "checkpoint.json", model=marker["model"], vocab_size=2000)
    error = expect_error("to-hf", src=ours_copy, dst=tmp_path / "x")
    assert error.rule == "vocabulary-larger-than-padded"
    edit(
        ours_copy / "checkpoint.json",
        vocab_size=1001,
        model={**marker["model"], "extra": {"qk_layernorm": True}},
    )
    error = expect_error("to-hf", src=ours_copy, dst=tmp_path / "x")
    assert error.rule == "setting-without-hugging-face-form" and "qk_layernorm" in str(error)


# --- destinations ----------------------------------------------------------------------------------------


def test_destination_must_be_empty_and_apart(hf_models, ours_copy, tmp_path, run, expect_error):
    for dst in (ours_copy, ours_copy / "inside", tmp_path):
        error = expect_error("to-hf", src=ours_copy, dst=dst, overwrite=True)
        assert error.rule == "overlapping-folders" and str(dst) in str(error)
    assert run("to-hf", src=ours_copy, dst=tmp_path / "hf") == 0
    (tmp_path / "hf" / "README.md").write_text("mine")
    assert expect_error("to-hf", src=ours_copy, dst=tmp_path / "hf").rule == "destination-not-empty"
    assert run("to-hf", src=ours_copy, dst=tmp_path / "hf", overwrite=True, max_shard_gb=0.0003) == 0
    assert (
        not (tmp_path / "hf" / "model.safetensors").exists()
        and (tmp_path / "hf" / "README.md").read_text() == "mine"
    )
    again = Path(shutil.copytree(ours_copy, tmp_path / "again"))
    assert run("from-hf", src=hf_models["mha"], dst=again, overwrite=True) == 0
    assert mcore.open_mcore(again).model.tied_embeddings


def test_a_run_takes_no_output_for_its_own(hf_models, ours_copy, tmp_path, run, expect_error):
    """Not its folder, not what its training writes there; a folder beside them is free, and one named checkpoints is no run."""
    training = tmp_path / "run"
    newest = training / "checkpoints" / "step_00000005"
    shutil.copytree(ours_copy, newest)
    before = sorted(training.rglob("*"))
    taken = [training, newest, newest / "hf", training / "checkpoints", training / "checkpoints" / "new"]
    (tmp_path / "link").symlink_to(training / "checkpoints")
    for dst in (*taken, training / "logs" / "hf", training / "tokenizer", tmp_path / "link" / "new"):
        error = expect_error("from-hf", src=hf_models["mha"], dst=dst, overwrite=True)
        assert error.rule == "destination-of-a-run" and str(training) in str(error)
        error = expect_error(
            "merge", src=hf_models["mha"], others=[str(hf_models["mha"])], dst=dst, dry_run=True
        )
        assert error.rule == "destination-of-a-run"
    error = expect_error("to-hf", src=training, dst=training / "checkpoints" / "hf")
    assert error.rule == "destination-of-a-run"
    assert sorted(training.rglob("*")) == before
    assert run("to-hf", src=training, dst=training / "hf") == 0
    assert run("from-hf", src=hf_models["mha"], dst=tmp_path / "mine" / "checkpoints" / "ko") == 0
    started = tmp_path / "started"
    started.mkdir()
    for name in ("config.yaml", "plan.txt"):
        (started / name).write_text("")
    error = expect_error("from-hf", src=hf_models["mha"], dst=started / "checkpoints" / "step_00000000")
    assert error.rule == "destination-of-a-run"


def test_killed_conversion_is_recognized(checkpoints, hf_models, tmp_path, expect_error):
    """The writers stop at their last tensor, as if killed; neither output passes for a complete one."""

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
    assert expect_error("from-hf", src=tmp_path / "hf", dst=tmp_path / "x").rule == "missing-config"
    with pytest.raises(KeyboardInterrupt):
        mcore.write_mcore(stop_at(hf.open_hf(hf_models["mha"]), "model.norm.weight"), tmp_path / "ours")
    error = expect_error("to-hf", src=tmp_path / "ours", dst=tmp_path / "x")
    assert error.rule == "incomplete-checkpoint" and str(tmp_path / "ours") in str(error)


@pytest.mark.parametrize("operation", ["to-hf", "from-hf"])
def test_a_killed_conversion_is_started_again(
    operation, ours_copy, hf_models, tmp_path, run, expect_error, monkeypatch
):
    """Killed at its first tensor, and then while the result is compared; a finished one is not replaced."""
    src, dst = {"to-hf": ours_copy, "from-hf": hf_models["mha"]}[operation], tmp_path / "result"

    def be_killed(*_):
        raise KeyboardInterrupt

    for place in ("torch.Tensor.aminmax", "checkpoint_tools.verify.compare"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(place, be_killed)
            run(operation, src=src, dst=dst)
        assert (dst / UNFINISHED).is_file() and not (dst / "verification.json").exists()
    assert run(operation, src=src, dst=dst) == 0
    assert not (dst / UNFINISHED).exists()
    assert expect_error(operation, src=src, dst=dst).rule == "destination-not-empty"


def test_a_full_disk_is_an_error_before_the_first_byte(
    ours_copy, hf_models, tmp_path, expect_error, monkeypatch
):
    monkeypatch.setattr("checkpoint_tools.formats.store.free_bytes", lambda folder: 1000)
    for operation, src in (("to-hf", ours_copy), ("from-hf", hf_models["mha"])):
        for options in ({}, {"dry_run": True}):
            error = expect_error(operation, src=src, dst=tmp_path / operation, **options)
            assert error.rule == "disk-full" and "1,000" in str(error)
        assert {path.name for path in (tmp_path / operation).iterdir()} == {UNFINISHED}


def test_a_dry_run_prints_sizes_and_writes_nothing(ours_copy, hf_models, tmp_path, capsys):
    for operation, src in (("to-hf", ours_copy), ("from-hf", hf_models["mha"])):
        assert main([operation, str(src), str(tmp_path / operation), "--dry-run"]) == 0
        printed = capsys.readouterr().out
        assert str(tmp_path / operation) in printed and "1 file" in printed and " are free" in printed
        assert not (tmp_path / operation).exists()


def test_destination_that_is_a_file(hf_models, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError) as caught:
        clear_destination(
            str(tmp_path / "file"), hf.open_hf(hf_models["mha"]), True, hf.clear_hf, "an export"
        )
    assert caught.value.rule == "destination-is-a-file"
