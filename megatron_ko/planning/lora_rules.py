"""Rules over the section ``lora`` of the configuration, checked before anything starts. ``config_rules`` runs them."""

from __future__ import annotations

from collections.abc import Iterator

from megatron_ko.config.fp8 import uses_fp8
from megatron_ko.config.loading import Rule
from megatron_ko.config.training import CheckpointConfig, LoraConfig, PrecisionConfig
from megatron_ko.planning.adapters import expand_target

Problems = Iterator[tuple[str, str]]


def _lora_without_base(lora: LoraConfig | None, checkpoint: CheckpointConfig) -> Problems:
    if lora is not None and checkpoint.initial_weights is None:
        yield (
            "checkpoint.initial_weights",
            "none: an adapter is trained beside weights that exist; name their folder, or remove the section lora",
        )


def _lora_targets_overlap(lora: LoraConfig | None) -> Problems:
    names = [name for target in (lora.targets if lora else ()) for name in expand_target(target)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        yield (
            "lora.targets",
            f"{', '.join(twice)}: listed twice (qkv is q, k and v; fc1 is gate and up); remove one of them",
        )


def _lora_in_4bit(lora: LoraConfig | None) -> Problems:
    if lora is not None and lora.load_in_4bit:
        yield (
            "lora.load_in_4bit",
            "true: a base in 4 bits (QLoRA) needs a GPU and the package bitsandbytes, and is not supported; remove it, and the "
            "base is loaded in precision.dtype",
        )


def _lora_with_fp8(lora: LoraConfig | None, precision: PrecisionConfig) -> Problems:
    if lora is not None and uses_fp8(precision.fp8):
        yield (
            "precision.fp8",
            f"{precision.fp8.type}: FP8 needs the layers of Transformer Engine, and adapters need those of megatron-core; set it to "
            "none, or remove the section lora",
        )


LORA_RULES = (
    Rule(("lora", "checkpoint"), _lora_without_base),
    Rule(("lora",), _lora_targets_overlap),
    Rule(("lora",), _lora_in_4bit),
    Rule(("lora", "precision"), _lora_with_fp8),
)
