"""Validation: the exact mean loss of each domain in nats per token and in bits per UTF-8 byte.

Looks for a stop request every second or after each micro-batch, whichever is longer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from megatron_ko.config.training import Config, EvaluationConfig, TrainingConfig
from megatron_ko.formats.manifest import Manifest
from megatron_ko.training.data import Batch, validation_batches
from megatron_ko.training.distributed import World, largest, stop_requested
from megatron_ko.training.documents import Packing
from megatron_ko.training.step import mean_loss, sum_batches

LOOK_EVERY_S = 1.0


def validation_of(
    ddp_model: Any, manifest: Manifest, world: World, config: Config
) -> Callable[[], dict[str, dict[str, float]] | None]:
    """``evaluate`` of the model of one run."""
    packing = Packing.of(config.data.packing, manifest.eod_id)
    return partial(evaluate, ddp_model, manifest, world, config.training, config.evaluation, packing)


@torch.no_grad()
def evaluate(
    ddp_model: Any,
    manifest: Manifest,
    world: World,
    training: TrainingConfig,
    evaluation: EvaluationConfig,
    packing: Packing | None = None,
) -> dict[str, dict[str, float]] | None:
    """Returns ``loss`` and ``bits_per_byte`` by validation set, or None if a stop request cut it short. Collective.

    Bits per byte are comparable between tokenizers: loss per token times tokens per byte of the whole set, including EOD.
    """
    ddp_model.eval()
    losses: dict[str, float] = {}
    bits: dict[str, float] = {}
    loss: float | None = math.nan  # without validation sets the result is empty
    for name, tokens in sorted(manifest.of_split("valid").items()):
        count, batches = validation_batches(
            tokens,
            world,
            sequence_length=training.sequence_length,
            micro_batch=training.micro_batch_size,
            max_sequences=evaluation.max_sequences,
            packing=packing,
        )
        loss = _mean_of_set(ddp_model, batches, world, training, count)
        if loss is None:
            break
        losses[name] = loss
        bits[name] = loss / math.log(2) * tokens.tokens / tokens.text_bytes
    ddp_model.train()
    return {"loss": losses, "bits_per_byte": bits} if loss is not None else None


def _mean_of_set(
    ddp_model: Any, batches: Iterator[Batch], world: World, training: TrainingConfig, count: int
) -> float | None:
    """Mean loss of ``count`` micro-batches, or None once a rank has noted a stop request. Collective.

    The order of the sum does not depend on how many micro-batches run between two looks at requests.
    """
    totals = torch.zeros(2, dtype=torch.float64, device=world.device)
    done, size = 0, 1
    while done < count:
        if stop_requested(world.device):
            return None
        begin = time.perf_counter()
        size = min(size, count - done)
        sum_batches(ddp_model, batches, world, training, size, forward_only=True, totals=totals)
        done += size
        if world.device.type == "cuda":
            torch.cuda.synchronize(world.device)  # the time of the work, not of queueing it
        seconds = largest(time.perf_counter() - begin, world.device)
        if seconds < LOOK_EVERY_S / 2:
            size *= 2
        elif seconds > LOOK_EVERY_S:
            size = max(1, size // 2)
    return mean_loss(totals)
