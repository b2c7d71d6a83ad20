"""Adapters of the real PEFT: its adapters import with its logits, and ours load in it. Skips itself where PEFT is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoint_tools.formats import mcore
from checkpoint_tools.verify import sample_tokens
from tests import ranks
from tests.megatron_ko.test_lora import write_base, write_config
from tests.tiny_data import write_tiny_data

peft = pytest.importorskip("peft", reason="needs the package peft: pip install -e '.[eval]'")
pytestmark = pytest.mark.ranks
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "all projections": ("gqa", {}),
    "rsLoRA and patterns on biases": (
        "qwen2",
        {"use_rslora": True, "rank_pattern": {"down_proj": 6}, "alpha_pattern": {"q_proj": 3}},
    ),
    "a saved module on a tied base": ("mha", {"modules_to_save": ["norm"]}),
    "a base with GELU": ("phi", {"target_modules": ["q_proj", "v_proj", "dense", "fc1", "fc2"]}),
}


def load(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.mark.parametrize("name", SETTINGS)
def test_an_adapter_of_peft_imports_with_its_logits(name, hf_models, tmp_path, run):
    base, changes = SETTINGS[name]
    settings = {"r": 4, "lora_alpha": 8, "target_modules": TARGETS, "task_type": "CAUSAL_LM", **changes}
    model = peft.get_peft_model(load(hf_models[base]), peft.LoraConfig(**settings)).eval()
    torch.manual_seed(5)
    with torch.no_grad():
        for weight, parameter in model.named_parameters():
            if "lora_" in weight or "modules_to_save" in weight:
                parameter.normal_(1.0 if "norm" in weight else 0.0, 0.2)
    model.save_pretrained(tmp_path / "adapter")
    source = hf_models[base]
    assert run("from-hf", src=source, dst=tmp_path / "out", adapter=tmp_path / "adapter", dtype="fp32") == 0
    tokens = sample_tokens(mcore.open_mcore(tmp_path / "out"), None)
    with torch.no_grad():
        theirs = model(input_ids=tokens).logits
    assert (mcore.megatron_logits(tmp_path / "out", tokens) - theirs).abs().max() < 1e-4
    with torch.no_grad():
        assert (load(source)(input_ids=tokens).logits - theirs).abs().max() > 0.05


def test_an_adapter_of_ours_loads_in_peft(tmp_path, run):
    write_tiny_data(tmp_path / "data")
    ranks.train(write_config(tmp_path, write_base(tmp_path / "base", {"qkv_bias": True}), "biases"), [])
    assert run("to-hf", src=tmp_path / "base", dst=tmp_path / "hf") == 0
    assert run("export-lora", src=tmp_path / "run", dst=tmp_path / "adapter") == 0
    tokens = sample_tokens(mcore.open_mcore(tmp_path / "base"), None)
    model = peft.PeftModel.from_pretrained(load(tmp_path / "hf"), str(tmp_path / "adapter")).eval()
    with torch.no_grad():
        theirs = model(input_ids=tokens).logits
        plain = load(tmp_path / "hf")(input_ids=tokens).logits
    assert (mcore.megatron_logits(tmp_path / "run", tokens) - theirs).abs().max() < 1e-4
    assert (plain - theirs).abs().max() > 1e-3
