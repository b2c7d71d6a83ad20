"""The families of models in Hugging Face's ``config.json``: what each has, what it cannot express, what it alone writes.

Owns one entry per family; ``hf_config`` has what all of them share. A new family is an entry here, rows in
``megatron_ko.planning.weights`` if it has other weights, and a model in ``tests/checkpoint_tools/conftest.py``. No torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from megatron_ko.config.training import ModelConfig

UNSUPPORTED = "unsupported-setting"
Refusal = tuple[str, str, str]
"""``(key, message, rule)``."""


@dataclass(frozen=True)
class Family:
    """``find_problems(config, longest)`` yields the settings that would compute something else for sequences of up to
    ``longest`` tokens; ``settings(model)`` are the keys that only this family has.

    ``example`` names published models, for the table in the conversion guide.
    """

    model_type: str
    architecture: str
    example: str
    find_problems: Callable[[dict[str, Any], int], Iterator[Refusal]]
    settings: Callable[[ModelConfig], dict[str, Any]] = field(default=lambda model: {})
    qkv_bias: bool = False
    qk_norm: bool = False
    heads_must_divide: bool = False
    """Whether transformers refuses a hidden size that is not a multiple of the number of heads."""
    required: tuple[str, ...] = ("num_key_value_heads",)
    """Keys for which transformers would take a number of its own if they were missing."""


def _find_biases(config: dict[str, Any], longest: int) -> Iterator[Refusal]:
    if config.get("attention_bias"):
        yield "attention_bias", "a bias on o_proj is not supported, only on q, k and v (qwen2)", UNSUPPORTED
    if config.get("mlp_bias"):
        yield "mlp_bias", "a bias in the feed-forward layers is not supported", UNSUPPORTED


def _find_short_window(config: dict[str, Any], longest: int) -> Iterator[Refusal]:
    """Mistral's attention sees the last ``sliding_window`` tokens; without the key, transformers takes 4,096."""
    window = config.get("sliding_window", 4096)
    if window is not None and not (type(window) is int and window >= longest):
        message = (
            f"{window!r} is shorter than the longest sequence, {longest:,} tokens, and only full attention is supported; "
            f"with model.max_sequence_length (from-hf: --max-sequence-length) {window} or less it is exact"
        )
        yield "sliding_window", message, "sliding-window"


def _find_qwen_windows(config: dict[str, Any], longest: int) -> Iterator[Refusal]:
    if config.get("use_sliding_window"):
        yield "use_sliding_window", "sliding windows are not supported, only full attention", UNSUPPORTED


def _find_qwen3_settings(config: dict[str, Any], longest: int) -> Iterator[Refusal]:
    yield from _find_qwen_windows(config, longest)
    yield from _find_biases(config, longest)


def _no_windows(model: ModelConfig) -> dict[str, Any]:
    return {"use_sliding_window": False, "sliding_window": None, "max_window_layers": model.layers}


FAMILIES: dict[str, Family] = {
    family.model_type: family
    for family in (
        Family(
            "llama", "LlamaForCausalLM", "LLaMA 2 and 3, SOLAR, EEVE 10.8B, GECKO, Kanana", _find_biases,
            lambda model: {"attention_bias": False, "mlp_bias": False, "pretraining_tp": 1}, heads_must_divide=True,
            required=(),
        ),
        Family(
            "mistral", "MistralForCausalLM", "Mistral 7B and NeMo", _find_short_window,
            lambda model: {"sliding_window": None},
        ),
        Family("qwen2", "Qwen2ForCausalLM", "Qwen2, Qwen2.5", _find_qwen_windows, _no_windows, qkv_bias=True),
        Family(
            "qwen3", "Qwen3ForCausalLM", "Qwen3 (dense)", _find_qwen3_settings,
            lambda model: {**_no_windows(model), "attention_bias": False}, qk_norm=True,
            required=("num_key_value_heads", "head_dim"),
        ),
    )
}  # fmt: skip
"""In the order of preference for an export: the first that expresses a model."""

REFUSED: dict[str, str] = {
    "gpt_neox": "Polyglot-Ko: parallel residual, LayerNorm, biases, rotation of a part of the head",
    "phi": "Phi-2 and EEVE 2.8B: parallel residual, LayerNorm, biases, rotation of a part of the head",
    "phi3": "Phi-3: fused projections under other names, sliding windows",
    "gemma": "Gemma: scaled embeddings, GELU, norms with 1 + weight",
    "gemma2": "Gemma 2: soft caps of logits, norms after each block, sliding windows in every other layer",
    "gemma3_text": "Gemma 3: norms after each block, sliding windows, two rotary bases",
    "exaone": "EXAONE 3 and 3.5: other names of weights, code of its own",
    "exaone4": "EXAONE 4: norms after each block, sliding windows",
    "gpt2": "GPT-2: learned positions, LayerNorm, biases",
    "mixtral": "Mixtral: experts",
    "qwen2_moe": "Qwen2 MoE: experts",
    "qwen3_moe": "Qwen3 MoE: experts",
    "deepseek_v3": "DeepSeek V3: experts, latent attention",
}
"""What well-known families need that is not there."""


def family_for(model: ModelConfig) -> Family | None:
    """The family that computes the same as ``model`` in every version of transformers, or None."""
    divides = model.hidden_size % model.heads == 0
    for family in FAMILIES.values():
        same = (family.qkv_bias, family.qk_norm) == (model.qkv_bias, model.qk_norm)
        if same and (divides or not family.heads_must_divide):
            return family
    return None
