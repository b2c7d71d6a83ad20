"""Rules over the section ``lora`` of the configuration and of its stages, checked before anything starts. ``config_rules`` runs them."""

from __future__ import annotations

from collections.abc import Iterator

from megatron_ko.config.fp8 import uses_fp8
from megatron_ko.config.loading import Rule
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.training import (
    AdapterConfig,
    CheckpointConfig,
    LoraConfig,
    PrecisionConfig,
    StageConfig,
    TrainingConfig,
)
from megatron_ko.planning.adapters import adapted_weights, expand_target, target_of
from megatron_ko.planning.selection import Selection

Problems = Iterator[tuple[str, str]]


def _adapters(lora: LoraConfig | None, stages: list[StageConfig]) -> Iterator[tuple[str, AdapterConfig]]:
    """Each section with adapters and its path."""
    if lora is not None:
        yield "lora", lora
    for number, stage in enumerate(stages):
        if stage.lora is not None:
            yield f"stages.{number}.lora", stage.lora


def _lora_without_base(
    lora: LoraConfig | None, checkpoint: CheckpointConfig, stages: list[StageConfig]
) -> Problems:
    first = "stages.0.lora" if stages and stages[0].lora else None
    where = "lora" if lora is not None else first
    if where is not None and checkpoint.initial_weights is None:
        yield (
            "checkpoint.initial_weights",
            f"none: an adapter is trained beside weights that exist; name their folder, or remove {where}",
        )


def _lora_targets_overlap(lora: LoraConfig | None, stages: list[StageConfig]) -> Problems:
    for path, item in _adapters(lora, stages):
        names = [name for target in item.targets for name in expand_target(target)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            yield (
                f"{path}.targets",
                f"{', '.join(twice)}: listed twice (qkv is q, k and v; fc1 is gate and up); remove one of them",
            )


def _lora_in_4bit(lora: LoraConfig | None, stages: list[StageConfig]) -> Problems:
    for path, item in _adapters(lora, stages):
        if item.load_in_4bit:
            yield (
                f"{path}.load_in_4bit",
                "true: a base in 4 bits (QLoRA) needs a GPU and the package bitsandbytes, and is not supported; remove it, and "
                "the base is loaded in precision.dtype",
            )


def _lora_with_fp8(
    lora: LoraConfig | None, precision: PrecisionConfig, stages: list[StageConfig]
) -> Problems:
    paths = [path for path, _ in _adapters(lora, stages)]
    if paths and uses_fp8(precision.fp8):
        yield (
            "precision.fp8",
            f"{precision.fp8.type}: FP8 needs the layers of Transformer Engine, and adapters need those of megatron-core; set it to "
            f"none, or remove {paths[0]}",
        )


def _lora_beside_trained_weights(
    stages: list[StageConfig], model: ModelConfig, training: TrainingConfig
) -> Problems:
    """A weight trains whole or through its adapter, not both."""
    for number, stage in enumerate(stages):
        if stage.lora is None or stage.trains is None:
            continue
        selection = Selection.of(stage.trains, model, model.vocab_size or 2**31, training.old_vocab_size)
        both = [
            target_of(weight)
            for weight in adapted_weights(stage.lora.targets)
            if any(selection.trains(weight, layer) for layer in range(model.layers))
        ]
        if both:
            yield (
                f"stages.{number}.lora.targets",
                f"{', '.join(both)}: trains whole in this stage, too (stages.{number}.trains); remove the layers there, or the "
                "target here",
            )


LORA_RULES = (
    Rule(("lora", "checkpoint", "stages"), _lora_without_base),
    Rule(("lora", "stages"), _lora_targets_overlap),
    Rule(("lora", "stages"), _lora_in_4bit),
    Rule(("lora", "precision", "stages"), _lora_with_fp8),
    Rule(("stages", "model", "training"), _lora_beside_trained_weights),
)
