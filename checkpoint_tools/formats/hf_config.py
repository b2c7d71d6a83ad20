"""``config.json`` of Hugging Face to our ``ModelConfig`` and back. No torch.

Owns which models are understood (llama; qwen2 where query, key and value have a bias) and refuses everything that
would compute something else. Reads the spellings of transformers 4 and 5, writes both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from megatron_ko.config.training import Llama3RopeScaling, ModelConfig, head_size
from megatron_ko.errors import CheckpointError
from megatron_ko.files import read_json
from megatron_ko.planning.config_rules import keeps_architecture

SPECIAL_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
TORCH_NAMES = {"bf16": "bfloat16", "fp32": "float32", "fp16": "float16"}
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
    """Raises CheckpointError when there is no ``config.json`` or it describes something else."""
    path = folder / "config.json"
    if not path.is_file():
        raise CheckpointError(
            f"{folder}: has no config.json, so it is not a Hugging Face folder or an export that did not finish; "
            "check the path or export again"
        )
    config = read_json(path, error=CheckpointError)
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: is not a JSON object; is this a model's config.json?")
    problems = list(_problems(config))
    if problems:
        raise CheckpointError("\n  ".join([f"{path}: this model cannot be converted", *problems]))
    try:
        model = TypeAdapter(ModelConfig).validate_python(_model_fields(config, path))
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['input']!r}: {e['msg']}" for e in error.errors()]
        raise CheckpointError("\n  ".join([f"{path}: values out of range", *lines])) from None
    if model.heads % model.kv_groups:
        raise CheckpointError(
            f"{path}: num_key_value_heads {model.kv_groups} does not divide num_attention_heads {model.heads}; "
            "every group needs as many heads"
        )
    if model.head_size is None and model.hidden_size % model.heads:
        raise CheckpointError(
            f"{path}: num_attention_heads {model.heads} does not divide hidden_size {model.hidden_size}; head_dim is needed"
        )
    return HfConfig(model, config["vocab_size"], {name: config.get(name) for name in SPECIAL_IDS})


def _problems(config: dict[str, Any]) -> Iterator[str]:
    """What this model is or has that our model is not or lacks."""
    kind = config.get("model_type")
    if kind not in ("llama", "qwen2"):
        yield f"model_type is {kind!r}; llama and qwen2 are understood"
        return
    for name in _REQUIRED:
        if config.get(name) is None:
            yield f"{name} is missing; write it into config.json"
    if config.get("hidden_act", "silu") != "silu":
        yield f"hidden_act is {config['hidden_act']!r}; only silu (SwiGLU) is understood"
    if kind == "llama" and config.get("attention_bias"):
        yield "attention_bias is true: it puts a bias on o_proj too; a bias is understood on q, k, v only (qwen2)"
    if config.get("mlp_bias"):
        yield "mlp_bias is true; a bias in the feed-forward is not understood"
    if config.get("use_sliding_window") or any(
        t != "full_attention" for t in config.get("layer_types") or []
    ):
        yield "some layers use a sliding window; only full attention is understood"
    if config.get("quantization_config") is not None:
        yield "the weights are quantized; take the unquantized model"
    yield from _rope_problems(config)


def _rope_problems(config: dict[str, Any]) -> Iterator[str]:
    given = [s for s in (config.get("rope_scaling"), config.get("rope_parameters")) if s]
    if any(not isinstance(s, dict) or any(isinstance(value, dict) for value in s.values()) for s in given):
        yield "rope_scaling or rope_parameters is not one flat mapping; one rotary embedding for all layers is understood"
        return
    for scaling in given:
        kind = _rope_type(scaling)
        if kind not in ("default", "llama3"):
            yield f"rope type is {kind!r}; default and llama3 are understood"
        elif kind == "llama3":
            missing = [name for name in _LLAMA3.values() if scaling.get(name) is None]
            if missing:
                yield f"llama3 rope scaling lacks {', '.join(missing)}; write them"
            elif not scaling["low_freq_factor"] < scaling["high_freq_factor"]:
                yield "llama3 rope scaling: low_freq_factor is not below high_freq_factor"
        if scaling.get("partial_rotary_factor", 1.0) != 1.0:
            yield "partial_rotary_factor is not 1; the whole head must be rotated"
    if config.get("partial_rotary_factor", 1.0) != 1.0:
        yield "partial_rotary_factor is not 1; the whole head must be rotated"
    if len(given) == 2:
        names = ("rope_theta", *_LLAMA3.values())
        old = {"rope_theta": config.get("rope_theta"), **given[0]}
        differ = [n for n in names if old.get(n) is not None and old[n] != given[1].get(n)]
        if differ or _rope_type(given[0]) != _rope_type(given[1]):
            yield f"rope_scaling and rope_parameters disagree ({', '.join(differ) or 'type'}); make them say the same"


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
            f"{origin}: model.extra has {', '.join(unknown)}, which may change what the model computes and which "
            "Llama's config.json cannot say; a model with it has no Hugging Face form here"
        )
    if not model.qkv_bias and model.hidden_size % model.heads:
        raise CheckpointError(
            f"{origin}: {model.heads} heads do not divide hidden_size {model.hidden_size}, which transformers' "
            "LlamaConfig refuses; the model can be trained but not exported"
        )


def config_json(
    model: ModelConfig, vocab_size: int, dtype: str, special_ids: dict[str, Any]
) -> dict[str, Any]:
    """A complete ``config.json``, understood by transformers from 4.45 to 5."""
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
