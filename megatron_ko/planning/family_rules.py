"""Rules over the fields of ``model`` that only some families have, checked before anything starts. ``config_rules`` runs them."""

from __future__ import annotations

from collections.abc import Iterator

from megatron_ko.config.loading import Rule
from megatron_ko.config.training import LoraConfig, ModelConfig, PrecisionConfig

Problems = Iterator[tuple[str, str]]


def _linear_bias(model: ModelConfig) -> Problems:
    if model.linear_bias and not model.qkv_bias:
        yield (
            "model.linear_bias",
            "true needs model.qkv_bias, because megatron-core gives all projections biases; set model.qkv_bias: true",
        )
    if model.linear_bias and model.feed_forward == "swiglu":
        yield (
            "model.linear_bias",
            "true is not supported with model.feed_forward swiglu, only with gelu or gelu_tanh; change either",
        )


def _one_norm_with_fp8(model: ModelConfig, precision: PrecisionConfig) -> Problems:
    if precision.fp8 != "none" and model.residual == "parallel_one_norm":
        yield (
            "precision.fp8",
            f"{precision.fp8}: FP8 needs the layers of Transformer Engine, and a norm that two of them share needs those of "
            "megatron-core; set it to none",
        )


def _lora_without_gate(model: ModelConfig, lora: LoraConfig | None) -> Problems:
    if lora is not None and model.feed_forward != "swiglu":
        yield (
            "lora",
            f"adapters are supported with model.feed_forward swiglu only, but it is {model.feed_forward}; remove the section "
            "lora, and all weights train",
        )


FAMILY_RULES = (
    Rule(("model",), _linear_bias),
    Rule(("model", "precision"), _one_norm_with_fp8),
    Rule(("model", "lora"), _lora_without_gate),
)
