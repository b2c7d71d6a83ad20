"""EXAONE: Llama's structure under other names. Its truth is transformers' Llama with the same tensors."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoint_tools import verify
from checkpoint_tools.formats import hf, mcore
from megatron_ko.errors import CheckpointError
from megatron_ko.formats.hf_config import read_config
from tests.checkpoint_tools.exaone import exaone_name, write_exaone
from tests.checkpoint_tools.test_ckpt_conversion import assert_same_bytes, tensors_of

pytestmark = pytest.mark.ranks


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """``llama`` and ``exaone`` (untied, llama3 rope, grouped queries), ``tied`` and ``tied-exaone`` (without the key)."""
    from transformers import AutoModelForCausalLM, LlamaConfig

    from tests.checkpoint_tools.conftest import LLAMA3, SHAPE

    root = tmp_path_factory.mktemp("exaone")
    shape: dict[str, Any] = dict(SHAPE)
    for name, tied in (("llama", False), ("tied", True)):
        torch.manual_seed(5)
        config = LlamaConfig(
            **shape,
            num_key_value_heads=2,
            rms_norm_eps=1e-5,
            rope_parameters=LLAMA3,
            tie_word_embeddings=tied,
        )
        model = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for weight, parameter in model.named_parameters():
                parameter.normal_(1.0 if "norm" in weight else 0.0, 0.2)
        model.save_pretrained(root / name)
    write_exaone(root / "llama", root / "exaone")
    write_exaone(root / "tied", root / "tied-exaone", tie_word_embeddings="absent", head_dim=16)
    return {name: root / name for name in ("llama", "exaone", "tied", "tied-exaone")}


@pytest.mark.parametrize(("llama", "exaone", "tp"), [("llama", "exaone", 2), ("tied", "tied-exaone", 0)])
def test_it_computes_what_the_llama_computes_and_returns_byte_by_byte(
    llama, exaone, tp, folders, tmp_path, run, capsys
):
    models = [read_config(folders[name]).model for name in (exaone, llama)]
    assert replace(models[0], head_size=16) == replace(models[1], head_size=16)
    assert run("from-hf", src=folders[exaone], dst=tmp_path / "ours", vocab_multiple=8) == 0
    assert "ExaoneForCausalLM" in capsys.readouterr().out
    tokens = verify.sample_tokens(mcore.open_mcore(tmp_path / "ours"), None)
    truth = verify.hf_logits(folders[llama], tokens)
    if tp:
        assert (mcore.megatron_logits(tmp_path / "ours", tokens, tp) - truth).abs().max() < 1e-4
    assert torch.equal(verify.hf_logits(folders[exaone], tokens), truth)
    assert (
        run("to-hf", src=tmp_path / "ours", dst=tmp_path / "back", family="exaone", max_shard_gb=0.0003) == 0
    )
    assert_same_bytes(tensors_of(tmp_path / "back"), tensors_of(folders[exaone]))
    index = json.loads((tmp_path / "back" / "model.safetensors.index.json").read_text())["weight_map"]
    assert index.keys() == tensors_of(folders[exaone]).keys()
    back, source = (json.loads((f / "config.json").read_text()) for f in (tmp_path / "back", folders[exaone]))
    source = {"tie_word_embeddings": True, **source}
    del source["auto_map"]
    source["rope_scaling"] = {
        key: float(v) if key != "rope_type" else v for key, v in source["rope_scaling"].items()
    }
    assert {key: back[key] for key in source} == source
    assert not {"num_hidden_layers", "hidden_act", "rms_norm_eps"} & back.keys()


def test_without_the_option_the_export_is_a_llama_that_transformers_loads(folders, tmp_path, run):
    assert run("from-hf", src=folders["exaone"], dst=tmp_path / "ours") == 0
    assert run("to-hf", src=tmp_path / "ours", dst=tmp_path / "back") == 0
    assert_same_bytes(tensors_of(tmp_path / "back"), tensors_of(folders["llama"]))
    tokens = verify.sample_tokens(mcore.open_mcore(tmp_path / "ours"), None)
    assert torch.equal(
        verify.hf_logits(tmp_path / "back", tokens), verify.hf_logits(folders["exaone"], tokens)
    )


def test_an_operation_within_the_format_keeps_the_family(folders, tmp_path):
    hf.write_hf(hf.open_hf(folders["exaone"]), tmp_path / "copy", 5.0)
    assert_same_bytes(tensors_of(tmp_path / "copy"), tensors_of(folders["exaone"]))
    assert json.loads((tmp_path / "copy" / "config.json").read_text())["model_type"] == "exaone"


@pytest.mark.parametrize(
    ("changes", "path", "rule"),
    [
        ({"head_dim": 32}, "head_dim", "unsupported-setting"),
        ({"rotary_pct": 0.25}, "rotary_pct", "unsupported-setting"),
        ({"activation_function": "gelu"}, "activation_function", "unsupported-setting"),
        ({"num_layers": "absent"}, "num_layers", "missing-key"),
        ({"layer_norm_epsilon": None}, "layer_norm_epsilon", "missing-key"),
        ({"attention_bias": True}, "attention_bias", "unsupported-setting"),
        ({"num_hidden_layers": 2}, "num_layers", "settings-differ"),
    ],
)
def test_what_it_cannot_be_is_refused_by_its_own_name_of_the_setting(changes, path, rule, folders, tmp_path):
    write_exaone(folders["llama"], tmp_path / "x", **changes)
    with pytest.raises(CheckpointError) as caught:
        read_config(tmp_path / "x")
    assert (path, rule) in [(problem.path, problem.rule) for problem in caught.value.problems]


def test_missing_tensors_have_the_names_of_the_file(folders, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(folders["exaone"], tmp_path / "x"))
    tensors = load_file(folder / "model.safetensors")
    del tensors["transformer.h.1.mlp.c_fc_0.weight"]
    tensors["transformer.h.1.mlp.gate_proj.weight"] = torch.zeros(1)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(CheckpointError) as caught:
        hf.open_hf(folder)
    assert caught.value.rule == "tensors-do-not-match"
    for name in ("transformer.h.1.mlp.c_fc_0.weight", "transformer.h.1.mlp.gate_proj.weight"):
        assert name in str(caught.value)


@pytest.mark.parametrize(("model", "family"), [("gqa", "exaone"), ("mistral", "llama"), ("qwen2", "exaone")])
def test_a_family_that_does_not_express_the_model_is_refused(
    model, family, checkpoints, tmp_path, expect_error
):
    error = expect_error("to-hf", src=checkpoints[model], dst=tmp_path / "x", family=family)
    assert (error.rule, error.problems[0].path) == ("family-without-model", "--family")
    assert not (tmp_path / "x").exists()


def test_names_are_those_of_the_publisher(folders):
    store = hf.open_hf(folders["exaone"])
    from megatron_ko.formats.hf_families import FAMILIES

    assert [FAMILIES["exaone"].name_of(name) for name in store.names()] == [
        exaone_name(n) for n in store.names()
    ]
