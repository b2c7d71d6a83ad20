"""LoRA adapters in PEFT's format, merged on import. The truth adds the product of the factors by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from checkpoint_tools import verify
from checkpoint_tools.formats import mcore
from tests.checkpoint_tools.exaone import exaone_name, write_exaone

pytestmark = pytest.mark.ranks
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
CONFIG: dict[str, Any] = {
    "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "some/base", "bias": "none", "r": 4,
    "lora_alpha": 8, "lora_dropout": 0.05, "fan_in_fan_out": False, "init_lora_weights": True, "inference_mode": True,
    "use_dora": False, "use_rslora": False, "rank_pattern": {}, "alpha_pattern": {}, "modules_to_save": None,
    "target_modules": TARGETS, "layers_to_transform": None, "layers_pattern": None, "auto_mapping": None,
    "revision": None, "loftq_config": {}, "megatron_config": None, "megatron_core": "megatron.core",
    "layer_replication": None, "exclude_modules": None, "eva_config": None, "corda_config": None,
    "trainable_token_indices": None, "use_qalora": False, "qalora_group_size": 16, "lora_bias": False,
    "target_parameters": None, "peft_version": "0.18.0",
}  # fmt: skip
"""As PEFT 0.18 writes it."""


def base_tensors(folder: Path) -> dict[str, Tensor]:
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


def write_adapter(
    folder: Path,
    base: Path,
    changes: dict[str, Any] | None = None,
    targets: list[str] | None = None,
    rank: Callable[[str], int] = lambda module: 4,
    extra: dict[str, Tensor] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """An adapter of every module of ``base`` whose name ends with one of ``targets``."""
    generator = torch.Generator().manual_seed(11)
    targets = TARGETS if targets is None else targets
    tensors: dict[str, Tensor] = {f"base_model.model.{name}": value for name, value in (extra or {}).items()}
    for name, weight in sorted(base_tensors(base).items()):
        module = name.removesuffix(".weight")
        if name.endswith(".weight") and module.split(".")[-1] in targets:
            r, (out, inputs) = rank(module), weight.shape
            lookup = module.split(".")[-1] in ("embed_tokens", "wte")
            a, b = ("lora_embedding_A", "lora_embedding_B") if lookup else ("lora_A.weight", "lora_B.weight")
            if lookup:
                out, inputs = inputs, out
            tensors[f"base_model.model.{module}.{a}"] = torch.randn(r, inputs, generator=generator) * 0.2
            tensors[f"base_model.model.{module}.{b}"] = torch.randn(out, r, generator=generator) * 0.2
    folder.mkdir(parents=True)
    tensors = {name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()}
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    (folder / "adapter_config.json").write_text(
        json.dumps({**CONFIG, "target_modules": targets, **(changes or {})})
    )
    return folder


def logits_by_hand(base: Path, adapter: Path, scale: Callable[[str], float], tokens: Tensor) -> Tensor:
    """fp32 logits of transformers' base with scale x B A added to its weights."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    tensors = load_file(adapter / "adapter_model.safetensors")
    with torch.no_grad():
        for name, tensor in tensors.items():
            module = name.removeprefix("base_model.model.")
            if module.endswith(".lora_A.weight"):
                module = module.removesuffix(".lora_A.weight")
                b = tensors[name.replace("lora_A", "lora_B")].float()
                model.get_parameter(f"{module}.weight").add_(scale(module) * (b @ tensor.float()))
            elif module.endswith(".lora_embedding_A"):
                module = module.removesuffix(".lora_embedding_A")
                b = tensors[name.replace("embedding_A", "embedding_B")].float()
                model.get_parameter(f"{module}.weight").add_(scale(module) * (b @ tensor.float()).T)
            elif "lora" not in module:
                model.get_parameter(module.replace("base_layer.", "")).copy_(tensor.float())
        return model(input_ids=tokens).logits


def ranks_of(module: str) -> int:
    return 2 if module.endswith("layers.1.self_attn.q_proj") else 6 if module.endswith("down_proj") else 4


def logits_of(checkpoint: Path, base: Path, tokens: Tensor) -> Tensor:
    """fp32 logits of transformers with the weights of a checkpoint in the place of those of ``base``."""
    from transformers import AutoModelForCausalLM

    store = mcore.open_mcore(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    with torch.no_grad():
        for name in store.names():
            model.get_parameter(name).copy_(store.tensor(name))
        return model(input_ids=tokens).logits


CASES: dict[str, dict[str, Any]] = {
    "plain": {"model": "gqa", "scale": lambda m: 2.0},
    "rslora": {"model": "qwen3", "changes": {"use_rslora": True}, "scale": lambda m: 8 / math.sqrt(4)},
    "patterns": {
        "model": "gqa",
        "rank": ranks_of,
        "changes": {
            "rank_pattern": {"model.layers.1.self_attn.q_proj": 2, "down_proj": 6},
            "alpha_pattern": {r"layers\.[02]\.mlp\.up_proj": 1.0, "^model.layers.1.self_attn.q_proj": 5},
        },
        "scale": lambda m: {
            "model.layers.1.self_attn.q_proj": 5 / 2,
            "model.layers.0.mlp.up_proj": 1 / 4,
            "model.layers.2.mlp.up_proj": 1 / 4,
        }.get(m, 8 / 6 if m.endswith("down_proj") else 2.0),
    },
    "embeddings": {"model": "gqa", "targets": ["embed_tokens", "lm_head", "q_proj"], "scale": lambda m: 2.0},
    "saved": {
        "model": "gqa",
        "changes": {"modules_to_save": ["embed_tokens", "lm_head", "norm"]},
        "saved": ("embed_tokens.weight", "lm_head.weight", "norm.weight"),
        "scale": lambda m: 2.0,
    },
    "bf16 on biases": {"model": "qwen2", "dtype": torch.bfloat16, "scale": lambda m: 2.0},
    "tied base": {"model": "mha", "scale": lambda m: 2.0},
}


@pytest.mark.parametrize("name", CASES)
def test_merged_logits_are_those_of_the_base_with_the_delta_added_by_hand(
    name, hf_models, tmp_path, run, capsys
):
    case = CASES[name]
    base = hf_models[case["model"]]
    saved = {
        weight: torch.randn(tensor.shape, generator=torch.Generator().manual_seed(len(weight))) * 0.3
        for weight, tensor in base_tensors(base).items()
        if case.get("saved") and weight.endswith(case["saved"])
    }
    adapter = write_adapter(
        tmp_path / "adapter", base, case.get("changes"), case.get("targets"), case.get("rank", lambda m: 4), saved,
        case.get("dtype", torch.float32),
    )  # fmt: skip
    # --logits compares with the adapter beside the weights, as PEFT computes before merging
    options = {"logits": True} if name == "patterns" else {}
    assert run("from-hf", src=base, dst=tmp_path / "out", adapter=adapter, dtype="fp32", **options) == 0
    tokens = verify.sample_tokens(mcore.open_mcore(tmp_path / "out"), None)
    truth = logits_by_hand(base, adapter, case["scale"], tokens)
    assert (logits_of(tmp_path / "out", base, tokens) - truth).abs().max() < 1e-4
    assert (verify.hf_logits(base, tokens) - truth).abs().max() > 0.05
    if name == "saved":
        assert (mcore.megatron_logits(tmp_path / "out", tokens) - truth).abs().max() < 1e-4
    marker = json.loads((tmp_path / "out" / "checkpoint.json").read_text())
    report = json.loads((tmp_path / "out" / "verification.json").read_text())
    assert marker["adapter"] == report["adapter"] == str(adapter) and str(adapter) in capsys.readouterr().out
    assert ("logits" in report) == (name == "patterns")


@pytest.mark.parametrize(
    "named, warned", [("elsewhere/other-base", True), ("elsewhere/base", False), (None, False)]
)
def test_an_adapter_that_names_another_base_is_a_warning(hf_models, tmp_path, run, capsys, named, warned):
    base = tmp_path / "base"
    base.symlink_to(hf_models["gqa"])
    adapter = write_adapter(tmp_path / "adapter", base, {"base_model_name_or_path": named})
    assert run("from-hf", src=base, dst=tmp_path / "out", adapter=adapter, dry_run=True) == 0
    assert ("other-base" in capsys.readouterr().out) == warned


def test_the_adapter_of_an_exaone_has_its_names(hf_models, tmp_path, run):
    from transformers import AutoModelForCausalLM, LlamaConfig

    from tests.checkpoint_tools.conftest import SHAPE

    torch.manual_seed(1)
    shape: dict[str, Any] = dict(SHAPE)
    config = LlamaConfig(**shape, num_key_value_heads=2)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "llama")
    base = write_exaone(tmp_path / "llama", tmp_path / "exaone")
    adapter = write_adapter(tmp_path / "adapter", base, targets=["out_proj", "c_fc_0", "wte"])
    assert run("from-hf", src=base, dst=tmp_path / "out", adapter=adapter) == 0
    factors = load_file(adapter / "adapter_model.safetensors")
    renamed = {}
    for name in base_tensors(tmp_path / "llama"):
        theirs = exaone_name(name).removesuffix(".weight")
        for stored, tensor in factors.items():
            if stored.startswith(f"base_model.model.{theirs}.lora"):
                renamed[stored.replace(theirs, name.removesuffix(".weight"))] = tensor
    assert len(renamed) == len(factors) == 14
    (tmp_path / "as-llama").mkdir()
    save_file(renamed, tmp_path / "as-llama" / "adapter_model.safetensors")
    tokens = verify.sample_tokens(mcore.open_mcore(tmp_path / "out"), None)
    truth = logits_by_hand(tmp_path / "llama", tmp_path / "as-llama", lambda m: 2.0, tokens)
    assert (logits_of(tmp_path / "out", tmp_path / "llama", tokens) - truth).abs().max() < 1e-4


def test_the_number_format_is_that_of_the_base_and_rounds_once(hf_models, tmp_path, run, expect_error):
    base = hf_models["mha"]  # bf16
    adapter = write_adapter(tmp_path / "adapter", base, targets=["q_proj"])
    assert run("from-hf", src=base, dst=tmp_path / "out", adapter=adapter) == 0
    store = mcore.open_mcore(tmp_path / "out")
    name = "model.layers.1.self_attn.q_proj.weight"
    factors = load_file(adapter / "adapter_model.safetensors")
    a, b = (factors[f"base_model.model.{name.removesuffix('.weight')}.lora_{part}.weight"] for part in "AB")
    expected = (base_tensors(base)[name].float() + 2.0 * (b @ a)).bfloat16()
    assert store.dtype == "bf16" and torch.equal(store.tensor(name), expected)
    rounding = json.loads((tmp_path / "out" / "verification.json").read_text())["rounding"]
    assert (rounding["from"], rounding["to"]) == ("fp32", "bf16") and rounding["largest_difference"] > 0
    error = expect_error("from-hf", src=base, dst=tmp_path / "x", adapter=adapter, logits=True)
    assert error.rule == "logits-of-rounded-weights"


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "dora": ({"use_dora": True}, "use_dora", "unsupported-adapter"),
    "bias": ({"bias": "lora_only"}, "bias", "unsupported-adapter"),
    "type": ({"peft_type": "IA3"}, "peft_type", "unsupported-adapter"),
    "no type": ({"peft_type": None}, "peft_type", "unsupported-adapter"),
    "fan": ({"fan_in_fan_out": True}, "fan_in_fan_out", "unsupported-adapter"),
    "pissa": ({"init_lora_weights": "pissa_niter_16"}, "init_lora_weights", "unsupported-adapter"),
    "task": ({"task_type": "SEQ_CLS"}, "task_type", "unsupported-adapter"),
    "tokens": ({"trainable_token_indices": [1]}, "trainable_token_indices", "unsupported-adapter"),
    "replication": ({"layer_replication": [[0, 2]]}, "layer_replication", "unsupported-adapter"),
    "of the future": ({"use_some_novelty": True}, "use_some_novelty", "unsupported-adapter"),
    "no rank": ({"r": None}, "r", "not-a-number"),
    "rank of zero": ({"rank_pattern": {"q_proj": 0}}, "rank_pattern", "not-a-number"),
    "expression": ({"alpha_pattern": {"(": 1}}, "alpha_pattern", "not-an-expression"),
    "absent": ({"target_modules": ["q_proj", "k_proj"]}, "target_modules", "missing-module"),
    "not saved": ({"modules_to_save": ["lm_head"]}, "modules_to_save", "missing-module"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_settings_that_mean_something_else_are_refused_by_name(name, hf_models, tmp_path, expect_error):
    changes, path, rule = REFUSED[name]
    adapter = write_adapter(tmp_path / "adapter", hf_models["gqa"], changes, ["q_proj"])
    (adapter / "adapter_config.json").write_text(
        json.dumps({**CONFIG, "target_modules": ["q_proj"], **changes})
    )
    error = expect_error("from-hf", src=hf_models["gqa"], dst=tmp_path / "x", adapter=adapter)
    assert (path, rule) in [(problem.path, problem.rule) for problem in error.problems]
    assert error.problems[0].where == str(adapter / "adapter_config.json") and not (tmp_path / "x").exists()


def _drop(ending: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda tensors: {name: value for name, value in tensors.items() if not name.endswith(ending)}


def _resize(ending: str, *shape: int) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda tensors: {n: torch.zeros(shape) if n.endswith(ending) else v for n, v in tensors.items()}


BROKEN: dict[str, tuple[Callable[[dict[str, Tensor]], dict[str, Tensor]], str, str]] = {
    "factor": (_drop("layers.1.self_attn.q_proj.lora_B.weight"), "layers.1.self_attn.q_proj.lora_A.weight", "missing-factor"),
    "inputs": (_resize("layers.1.self_attn.q_proj.lora_A.weight", 4, 32), "layers.1.self_attn.q_proj.lora_A.weight", "adapter-shape"),
    "rank": (_resize("layers.1.self_attn.q_proj.lora_B.weight", 128, 2), "layers.1.self_attn.q_proj.lora_B.weight", "adapter-shape"),
    "rows": (lambda t: {**t, "base_model.model.lm_head.weight": torch.zeros(1005, 64)}, "lm_head.weight", "adapter-shape"),
    "layers": (lambda t: {**t, "base_model.model.model.layers.3.mlp.up_proj.lora_A.weight": torch.zeros(4, 64)},
               "layers.3.mlp.up_proj.lora_A.weight", "unknown-module"),
    "magnitude": (lambda t: {**t, "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector": torch.zeros(4)},
                  "lora_magnitude_vector", "unknown-module"),
    "norm": (lambda t: {**t, "base_model.model.model.norm.lora_A.weight": torch.zeros(4, 64),
                        "base_model.model.model.norm.lora_B.weight": torch.zeros(64, 4)}, "norm.lora_A.weight", "adapter-shape"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_tensors_that_do_not_fit_the_base_are_errors_with_their_names(
    name, hf_models, tmp_path, expect_error
):
    change, tensor, rule = BROKEN[name]
    adapter = write_adapter(tmp_path / "adapter", hf_models["gqa"], None, ["q_proj"])
    path = adapter / "adapter_model.safetensors"
    save_file(change(load_file(path)), path)
    error = expect_error("from-hf", src=hf_models["gqa"], dst=tmp_path / "x", adapter=adapter)
    assert error.problems[0].rule == rule and error.problems[0].path.endswith(tensor)
    assert error.problems[0].where == str(path) and not (tmp_path / "x").exists()


def test_an_adapter_of_joined_weights_is_refused(hf_models, tmp_path, expect_error):
    adapter = write_adapter(tmp_path / "adapter", hf_models["gpt_neox"], targets=["dense"])
    error = expect_error("from-hf", src=hf_models["gpt_neox"], dst=tmp_path / "x", adapter=adapter)
    assert error.rule == "adapter-of-joined-weights" and "gpt_neox" in str(error)
    assert not (tmp_path / "x").exists()


def test_tied_embeddings_stay_tied_or_the_adapter_is_refused(hf_models, tmp_path, run, expect_error):
    base = hf_models["mha"]
    saved = {
        "model.embed_tokens.weight": torch.full((1001, 64), 0.5),
        "lm_head.weight": torch.full((1001, 64), 0.5),
    }
    modules = {"modules_to_save": ["embed_tokens", "lm_head"]}
    equal = write_adapter(tmp_path / "equal", base, modules, ["q_proj"], extra=saved)
    assert run("from-hf", src=base, dst=tmp_path / "out", adapter=equal, dtype="fp32") == 0
    assert (mcore.open_mcore(tmp_path / "out").tensor("model.embed_tokens.weight") == 0.5).all()
    one = write_adapter(tmp_path / "one", base, {"modules_to_save": ["lm_head"]}, ["q_proj"],
                        extra={"lm_head.weight": saved["lm_head.weight"]})  # fmt: skip
    rows = write_adapter(tmp_path / "rows", base, None, ["embed_tokens"])
    for number, adapter in enumerate((one, rows)):
        error = expect_error("from-hf", src=base, dst=tmp_path / f"x{number}", adapter=adapter)
        assert error.rule == "adapter-unties-embeddings" and not (tmp_path / f"x{number}").exists()


def test_folders_that_are_no_adapter_are_named(hf_models, tmp_path, expect_error):
    base = hf_models["mha"]
    adapter = write_adapter(tmp_path / "adapter", base, None, ["q_proj"])
    weights = adapter / "adapter_model.safetensors"
    half = weights.read_bytes()[:100]

    def error(folder: Path, **options: Any) -> str:
        return expect_error("from-hf", src=base, adapter=folder, **{"dst": tmp_path / "x", **options}).rule

    assert error(tmp_path / "none") == "missing-folder"
    assert error(base) == "missing-config"
    assert error(adapter, dst=adapter / "out") == "overlapping-folders"
    weights.write_bytes(half)
    assert error(adapter) == "damaged-safetensors"
    weights.unlink()
    assert error(adapter) == "missing-weights"
    (adapter / "adapter_model.bin").write_bytes(b"")
    assert error(adapter) == "pickled-weights"
    (adapter / "adapter_config.json").write_text("[]")
    save_file({"x": torch.zeros(1, dtype=torch.int8)}, weights)
    assert error(adapter) == "not-an-object"
    (adapter / "adapter_config.json").write_text(json.dumps(CONFIG))
    assert error(adapter) == "unsupported-dtype"
