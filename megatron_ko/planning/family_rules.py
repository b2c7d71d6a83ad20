"""Rules over the fields of ``model`` that only some families have, checked before anything starts. ``config_rules`` runs them."""

from __future__ import annotations

from collections.abc import Iterator

from megatron_ko.config.loading import Rule
from megatron_ko.config.training import LoraConfig, ModelConfig, PrecisionConfig, has_gate

Problems = Iterator[tuple[str, str]]


def _linear_bias(model: ModelConfig) -> Problems:
    if model.linear_bias and not model.qkv_bias:
        yield (
            "model.linear_bias",
            "true needs model.qkv_bias, because megatron-core gives all projections biases; set model.qkv_bias: true",
        )
    if model.linear_bias and has_gate(model):
        yield (
            "model.linear_bias",
            f"true is not supported with model.feed_forward {model.feed_forward}, only with gelu or gelu_tanh; change either",
        )


def _qk_norm(model: ModelConfig) -> Problems:
    if model.qk_norm and model.norm != "rms":
        yield "model.qk_norm", f"true needs model.norm rms, but it is {model.norm}; change either"


def needs_plain_layers(model: ModelConfig) -> str | None:
    """The field for which a model needs megatron-core's own layers, on a GPU too; None if Transformer Engine has all it needs."""
    values = {
        "residual": model.residual in ("parallel_one_norm", "sandwich") and model.residual,
        "norm": model.norm == "rms_shifted" and model.norm,
        "attention_cap": model.attention_cap,
    }
    return next((f"model.{name} {value}" for name, value in values.items() if value), None)


def _plain_layers_with_fp8(model: ModelConfig, precision: PrecisionConfig) -> Problems:
    if precision.fp8 != "none" and (field := needs_plain_layers(model)):
        yield (
            "precision.fp8",
            f"{precision.fp8}: FP8 needs the layers of Transformer Engine, and {field} needs those of megatron-core; set it to none",
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
    Rule(("model",), _qk_norm),
    Rule(("model", "precision"), _plain_layers_with_fp8),
    Rule(("model", "lora"), _lora_without_gate),
)
