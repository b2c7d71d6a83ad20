"""One optimizer step: forward and backward passes of all micro-batches, gradient synchronization, update.

The loss is the sum over real tokens, divided once by their number over all ranks and micro-batches
(``calculate_per_token_loss``), so it is exact with padding, uneven micro-batches and context parallelism.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from megatron_ko.config.training import OptimizerConfig, PrecisionConfig, TrainingConfig
from megatron_ko.errors import UserError
from megatron_ko.training.data import Batch
from megatron_ko.training.distributed import World, broadcast_from_last_stage, on_all_ranks
from megatron_ko.training.freezing import Frozen, RowFreezer
from megatron_ko.training.model import wrap
from megatron_ko.training.optimizer import build_optimizer

AFTER_DIVERGENCE = (
    "lower the learning rate or check the data of this step (metrics.jsonl names its documents); to continue from an earlier "
    "checkpoint, set checkpoint.resume to its folder"
)


class Divergence(UserError):
    """Loss, gradients or weights are no longer finite."""

    label = "training stopped"

    def __init__(
        self, message: str, rule: str, loss: float | None = None, gradient_norm: float | None = None
    ) -> None:
        super().__init__(message, rule=rule)
        self.loss, self.gradient_norm = loss, gradient_norm


@dataclass(frozen=True)
class StepResult:
    """Mean loss in nats per token and L2 norm of the gradients before clipping, over all ranks."""

    loss: float
    gradient_norm: float


@dataclass(frozen=True)
class Trainee:
    """The model in megatron-core's data-parallel wrapper and its optimizer, which each training stage builds anew."""

    ddp_model: Any
    optimizer: Any
    frozen: Frozen = field(default_factory=Frozen)


def prepare(
    gpt: Any, config: OptimizerConfig, precision: PrecisionConfig, frozen: Frozen | None = None
) -> Trainee:
    """Wraps the GPT and builds its optimizer; ``frozen`` comes from ``freeze``. Collective."""
    ddp_model = wrap(gpt)
    optimizer = build_optimizer(ddp_model, config, precision.dtype)
    frozen = frozen or Frozen()
    freezer = RowFreezer(optimizer, frozen) if frozen.rows or frozen.anchors else None
    connect(ddp_model, optimizer, freezer)
    return Trainee(ddp_model, optimizer, frozen)


def connect(ddp_model: Any, optimizer: Any, freezer: RowFreezer | None = None) -> None:
    """Sets the hooks of the pipeline schedule; without ``finalize_model_grads``, gradients are never summed."""
    from megatron.core.distributed import finalize_model_grads

    def finalize_and_freeze(*arguments: Any, **options: Any) -> None:
        finalize_model_grads(*arguments, **options)
        if freezer is not None:
            freezer.zero_gradients()

    config = ddp_model.module.config if hasattr(ddp_model.module, "config") else ddp_model.config
    config.no_sync_func = ddp_model.no_sync
    config.grad_scale_func = optimizer.scale_loss
    config.finalize_model_grads_func = finalize_and_freeze if freezer else finalize_model_grads


def train_step(
    trainee: Trainee, batches: Iterator[Batch], world: World, training: TrainingConfig, micro_batches: int
) -> StepResult:
    """Consumes ``micro_batches`` batches, each [micro-batch, sequence], and updates the weights once. Collective."""
    ddp_model, optimizer = trainee.ddp_model, trainee.optimizer
    ddp_model.zero_grad_buffer()
    optimizer.zero_grad()
    loss = mean_loss(sum_batches(ddp_model, batches, world, training, micro_batches, forward_only=False))
    updated, norm, _ = optimizer.step()
    if not on_all_ranks(updated and math.isfinite(norm) and math.isfinite(loss), world.device):
        message = f"loss {loss} or gradient norm {norm} is not finite; {AFTER_DIVERGENCE}"
        raise Divergence(message, "loss-not-finite", loss, float(norm))
    return StepResult(loss, float(norm))


def check_weights(ddp_model: Any, world: World) -> None:
    """Raises Divergence if a weight of any rank is not finite, because it must not be saved. Collective."""
    finite = all(bool(torch.isfinite(weight).all()) for weight in ddp_model.parameters())
    if not on_all_ranks(finite, world.device):
        message = f"weights are not finite, so they are not saved; {AFTER_DIVERGENCE}"
        raise Divergence(message, "weights-not-finite")


def mean_loss(totals: Tensor) -> float:
    """Mean loss over the real tokens of all data-parallel ranks, from the ``sum_batches`` of each rank. Collective."""
    loss_sum, tokens = broadcast_from_last_stage(totals).tolist()
    return loss_sum / tokens


def sum_batches(
    ddp_model: Any,
    batches: Iterator[Batch],
    world: World,
    training: TrainingConfig,
    count: int,
    *,
    forward_only: bool,
    totals: Tensor | None = None,
) -> Tensor:
    """Adds loss and number of real tokens of this rank's ``count`` micro-batches to ``totals``: [2] float64. Collective."""
    from megatron.core.pipeline_parallel import get_forward_backward_func

    outputs = get_forward_backward_func()(
        forward_step_func=_forward_step,
        data_iterator=batches,
        model=[ddp_model],
        num_microbatches=count,
        seq_length=training.sequence_length,
        micro_batch_size=training.micro_batch_size,
        forward_only=forward_only,
    )
    total = torch.zeros(2, dtype=torch.float64, device=world.device) if totals is None else totals
    for output in outputs:
        total += output["totals"]
    return total


def _forward_step(batches: Iterator[Batch], model: Any) -> tuple[Tensor, Any]:
    batch = next(batches)
    losses = model(batch["tokens"], batch["position_ids"], None, labels=batch["labels"])

    def loss_function(losses: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        mask = batch["loss_mask"].float()
        total = (losses.float() * mask).sum()
        tokens = mask.sum()
        report = torch.stack((total.detach().double(), tokens.double()))
        return total, tokens.int(), {"totals": report}

    return losses, loss_function
