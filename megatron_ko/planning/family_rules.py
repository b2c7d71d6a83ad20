"""Rules over the fields of ``model`` that only some families have, checked before anything starts. ``config_rules`` runs them."""

from __future__ import annotations

from collections.abc import Iterator

from megatron_ko.config.fp8 import uses_fp8
from megatron_ko.config.loading import Rule
from megatron_ko.config.model import ModelConfig, has_gate
from megatron_ko.config.recompute import SelectiveRecompute
from megatron_ko.config.speed import SpeedConfig
from megatron_ko.config.training import LoraConfig, ParallelConfig, PrecisionConfig, StageConfig
from megatron_ko.planning.stages import any_adapters

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
    if uses_fp8(precision.fp8) and (field := needs_plain_layers(model)):
        yield (
            "precision.fp8",
            f"{precision.fp8.type}: FP8 needs the layers of Transformer Engine, and {field} needs those of megatron-core; set it to none",
        )


def _lora_without_gate(model: ModelConfig, lora: LoraConfig | None, stages: list[StageConfig]) -> Problems:
    if any_adapters(lora, stages) and model.feed_forward != "swiglu":
        yield (
            "lora",
            f"adapters are supported with model.feed_forward swiglu only, but it is {model.feed_forward}; remove the section "
            "lora, and all weights train",
        )


def _speed_of_family(model: ModelConfig, speed: SpeedConfig) -> Problems:
    field = needs_plain_layers(model)
    if field and speed.layers == "engine":
        yield "speed.layers", f"engine: {field} needs own layers; set it to own or auto"
    if field and speed.cuda_graphs != "none":
        yield (
            "speed.cuda_graphs",
            f"{speed.cuda_graphs}: {field} needs own layers, which have none; remove it",
        )
    if speed.fused_rope and model.rope.fraction != 1.0:
        message = f"true rotates whole heads, but model.rope.fraction is {model.rope.fraction}; remove it"
        yield "speed.fused_rope", message
    if speed.fused_swiglu and model.feed_forward != "swiglu":
        yield (
            "speed.fused_swiglu",
            f"true is for model.feed_forward swiglu, but it is {model.feed_forward}; remove it",
        )


def _recompute_of_family(model: ModelConfig, parallel: ParallelConfig) -> Problems:
    recompute = parallel.recompute
    if model.residual == "sequential" or not isinstance(recompute, SelectiveRecompute):
        return
    if parts := [name for name in recompute.modules if name != "attention"]:
        yield (
            "parallel.recompute.modules",
            f"{', '.join(parts)}: cannot be computed again alone where model.residual is {model.residual}; use attention, or "
            "parallel.recompute.type: full",
        )


FAMILY_RULES = (
    Rule(("model", "speed"), _speed_of_family),
    Rule(("model", "parallel"), _recompute_of_family),
    Rule(("model",), _linear_bias),
    Rule(("model",), _qk_norm),
    Rule(("model", "precision"), _plain_layers_with_fp8),
    Rule(("model", "lora", "stages"), _lora_without_gate),
)
