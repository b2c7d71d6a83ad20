"""Validation: the exact mean loss of each domain in nats per token and in bits per UTF-8 byte."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from megatron_ko.config.training import Config, EvaluationConfig, TrainingConfig
from megatron_ko.formats.manifest import Manifest
from megatron_ko.training.data import validation_batches
from megatron_ko.training.distributed import World
from megatron_ko.training.step import run_batches


def validation_of(
    ddp_model: Any, manifest: Manifest, world: World, config: Config
) -> Callable[[], dict[str, dict[str, float]]]:
    """``evaluate`` of the model of one run."""
    return partial(evaluate, ddp_model, manifest, world, config.training, config.evaluation)


@torch.no_grad()
def evaluate(
    ddp_model: Any, manifest: Manifest, world: World, training: TrainingConfig, evaluation: EvaluationConfig
) -> dict[str, dict[str, float]]:
    """Returns ``loss`` and ``bits_per_byte`` by validation set. Collective.

    Bits per byte are comparable between tokenizers: loss per token times tokens per byte of the whole set, including EOD.
    """
    ddp_model.eval()
    losses: dict[str, float] = {}
    bits: dict[str, float] = {}
    for name, tokens in sorted(manifest.of_split("valid").items()):
        count, batches = validation_batches(
            tokens,
            world,
            sequence_length=training.sequence_length,
            micro_batch=training.micro_batch_size,
            max_sequences=evaluation.max_sequences,
        )
        loss = run_batches(ddp_model, batches, world, training, count, forward_only=True)
        losses[name] = loss
        bits[name] = loss / math.log(2) * tokens.tokens / tokens.text_bytes
    ddp_model.train()
    return {"loss": losses, "bits_per_byte": bits}
