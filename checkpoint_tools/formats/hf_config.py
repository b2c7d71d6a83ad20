"""Converts Hugging Face's ``config.json`` to ``ModelConfig`` and back. No torch.

Owns the supported models (llama; qwen2, whose query, key and value have a bias) and rejects every setting that would
compute something else. Reads the spellings of transformers 4 and 5, writes both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from megatron_ko.config.loading import problem_of
from megatron_ko.config.training import Llama3RopeScaling, ModelConfig, head_size
from megatron_ko.errors import CheckpointError, Problem
from megatron_ko.files import read_json
from megatron_ko.planning.config_rules import keeps_architecture

SPECIAL_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
TORCH_NAMES = {"bf16": "bfloat16", "fp32": "float32", "fp16": "float16"}
_UNSUPPORTED = "unsupported-setting"
_REQUIRED = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "max_position_embeddings", "rms_norm_eps",
)  # fmt: skip
_LLAMA3 = {
    "factor": "factor",
    "low_freq_factor": "low_freq_factor",
    "high_freq_factor": "high_freq_factor",
    "original_max_sequence_length": "original_max_position_embeddings",
}


@dataclass(frozen=True)
class HfConfig:
    model: ModelConfig
    vocab_size: int
    special_ids: dict[str, Any]


# --- reading ---------------------------------------------------------------------------------------------


def read_config(folder: Path) -> HfConfig:
    """Reads ``config.json``. Raises CheckpointError when it is missing or its model is not supported."""
    path = folder / "config.json"
    if not path.is_file():
        raise CheckpointError(
            f"{folder}: has no config.json; it is not a Hugging Face folder, or it is an unfinished export; "
            "check the path or export again",
            rule="missing-config",
        )
    config = read_json(path, error=CheckpointError)
    if not isinstance(config, dict):
        raise CheckpointError(
            f"{path}: is not a JSON object; give a folder with the config.json of a model",
            rule="not-an-object",
        )
    problems = [Problem(str(path), key, message, rule) for key, message, rule in _find_problems(config)]
    if problems:
        raise CheckpointError(problems)
    try:
        model = TypeAdapter(ModelConfig).validate_python(_model_fields(config, path))
    except ValidationError as error:
        raise CheckpointError(
            [problem_of(str(path), item, f"{item['input']!r}: {item['msg']}") for item in error.errors()]
        ) from None
    if model.heads % model.kv_groups:
        message = f"{model.kv_groups} does not divide num_attention_heads {model.heads}; choose a divisor"
        raise CheckpointError([Problem(str(path), "num_key_value_heads", message, "does-not-divide")])
    if model.head_size is None and model.hidden_size % model.heads:
        message = f"{model.heads} does not divide hidden_size {model.hidden_size}; add head_dim"
        raise CheckpointError([Problem(str(path), "num_attention_heads", message, "does-not-divide")])
    return HfConfig(model, config["vocab_size"], {name: config.get(name) for name in SPECIAL_IDS})


def _find_problems(config: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """``(key, message, rule)`` of every setting that the models here do not support."""
    model_type = config.get("model_type")
    if model_type not in ("llama", "qwen2"):
        yield "model_type", f"{model_type!r} is not supported; use llama or qwen2", "unsupported-model"
        return
    for name in _REQUIRED:
        if config.get(name) is None:
            yield name, "is missing; add it to config.json", "missing-key"
    if config.get("hidden_act", "silu") != "silu":
        yield "hidden_act", f"{config['hidden_act']!r} is not supported, only silu (SwiGLU)", _UNSUPPORTED
    if model_type == "llama" and config.get("attention_bias"):
        yield "attention_bias", "a bias on o_proj is not supported, only on q, k and v (qwen2)", _UNSUPPORTED
    if config.get("mlp_bias"):
        yield "mlp_bias", "a bias in the feed-forward layers is not supported", _UNSUPPORTED
    if config.get("use_sliding_window") or any(
        t != "full_attention" for t in config.get("layer_types") or []
    ):
        yield "use_sliding_window", "sliding windows are not supported, only full attention", _UNSUPPORTED
    if config.get("quantization_config") is not None:
        yield (
            "quantization_config",
            "quantized weights are not supported; use the unquantized model",
            _UNSUPPORTED,
        )
    yield from _find_rope_problems(config)


def _find_rope_problems(config: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    scalings = {key: config[key] for key in ("rope_scaling", "rope_parameters") if config.get(key)}
    for key, scaling in scalings.items():
        if not isinstance(scaling, dict) or any(isinstance(value, dict) for value in scaling.values()):
            yield key, "must be one flat mapping, the same for all layers", "rope-per-layer"
            return
    for key, scaling in scalings.items():
        rope_type = _rope_type(scaling)
        if rope_type not in ("default", "llama3"):
            yield key, f"type {rope_type!r} is not supported; use default or llama3", "unsupported-rope-type"
        elif rope_type == "llama3":
            missing = [name for name in _LLAMA3.values() if scaling.get(name) is None]
            if missing:
                yield key, f"{', '.join(missing)} missing; llama3 needs them", "missing-key"
            elif not scaling["low_freq_factor"] < scaling["high_freq_factor"]:
                yield key, "low_freq_factor must be below high_freq_factor", "frequency-order"
    for key, values in (("", config), *scalings.items()):
        if values.get("partial_rotary_factor", 1.0) != 1.0:
            path = f"{key}.partial_rotary_factor".removeprefix(".")
            yield path, "must be 1; rotating a part of the head is not supported", _UNSUPPORTED
    if len(scalings) == 2:
        first, second = scalings["rope_scaling"], scalings["rope_parameters"]
        names = ("rope_theta", *_LLAMA3.values())
        old = {"rope_theta": config.get("rope_theta"), **first}
        differ = [n for n in names if old.get(n) is not None and old[n] != second.get(n)]
        if differ or _rope_type(first) != _rope_type(second):
            message = (
                f"differs from rope_parameters ({', '.join(differ) or 'type'}); give both the same values"
            )
            yield "rope_scaling", message, "rope-settings-differ"


def _rope_type(scaling: dict[str, Any]) -> str:
    return scaling.get("rope_type", scaling.get("type", "default"))


def _model_fields(config: dict[str, Any], path: Path) -> dict[str, Any]:
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    base = rope.get("rope_theta", config.get("rope_theta", 10000.0))
    scaling: dict[str, Any] = {"type": "none"}
    if _rope_type(rope) == "llama3":
        scaling = {"type": "llama3", **{ours: rope[theirs] for ours, theirs in _LLAMA3.items()}}
    return {
        "layers": config["num_hidden_layers"],
        "hidden_size": config["hidden_size"],
        "ffn_hidden_size": config["intermediate_size"],
        "heads": config["num_attention_heads"],
        "kv_groups": config["num_attention_heads"]
        if (kv := config.get("num_key_value_heads")) is None
        else kv,
        "head_size": config.get("head_dim"),
        "max_sequence_length": config["max_position_embeddings"],
        "vocab_size": config["vocab_size"],
        "tied_embeddings": config.get("tie_word_embeddings", False),
        "norm_epsilon": config["rms_norm_eps"],
        "qkv_bias": config["model_type"] == "qwen2",
        "init_std": config.get("initializer_range") or 0.02,
        "rope": {"base": base, "scaling": scaling},
    }


# --- writing ---------------------------------------------------------------------------------------------


def check_exportable(origin: str, model: ModelConfig) -> None:
    """Raises CheckpointError when transformers' Llama or Qwen2 would compute something else."""
    unknown = [name for name in model.extra if not keeps_architecture(name)]
    if unknown:
        raise CheckpointError(
            f"{origin}: model.extra sets {', '.join(unknown)}, which may change the model's results, but Llama's "
            "config.json has no such setting; this model cannot be exported",
            rule="setting-without-hugging-face-form",
        )
    if not model.qkv_bias and model.hidden_size % model.heads:
        raise CheckpointError(
            f"{origin}: {model.heads} heads do not divide hidden_size {model.hidden_size}, as LlamaConfig of "
            "transformers requires; this model cannot be exported",
            rule="heads-without-hugging-face-form",
        )


def config_json(
    model: ModelConfig, vocab_size: int, dtype: str, special_ids: dict[str, Any]
) -> dict[str, Any]:
    """A complete ``config.json`` for transformers from 4.45 to 5."""
    qwen = model.qkv_bias
    scaling = model.rope.scaling
    rope: dict[str, Any] = {"rope_type": "default"}
    if isinstance(scaling, Llama3RopeScaling):
        rope = {"rope_type": "llama3", **{theirs: getattr(scaling, ours) for ours, theirs in _LLAMA3.items()}}
    only_llama = {"attention_bias": False, "mlp_bias": False, "pretraining_tp": 1}
    only_qwen = {"use_sliding_window": False, "sliding_window": None, "max_window_layers": model.layers}
    return {
        "architectures": ["Qwen2ForCausalLM" if qwen else "LlamaForCausalLM"],
        "model_type": "qwen2" if qwen else "llama",
        "vocab_size": vocab_size,
        "hidden_size": model.hidden_size,
        "intermediate_size": model.ffn_hidden_size,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads,
        "num_key_value_heads": model.kv_groups,
        "head_dim": head_size(model),
        "hidden_act": "silu",
        "max_position_embeddings": model.max_sequence_length,
        "initializer_range": model.init_std,
        "rms_norm_eps": model.norm_epsilon,
        "tie_word_embeddings": model.tied_embeddings,
        "rope_theta": model.rope.base,
        "rope_scaling": rope if rope["rope_type"] != "default" else None,
        "rope_parameters": {**rope, "rope_theta": model.rope.base},
        **(only_qwen if qwen else only_llama),
        "attention_dropout": 0.0,
        "use_cache": True,
        **{name: special_ids.get(name) for name in SPECIAL_IDS},
        "torch_dtype": TORCH_NAMES[dtype],
        "dtype": TORCH_NAMES[dtype],
    }


def generation_config_json(special_ids: dict[str, Any]) -> dict[str, Any]:
    return {"_from_model_config": True, **{k: v for k, v in special_ids.items() if v is not None}}
