"""One optimizer step: forward and backward passes of all micro-batches, gradient synchronization, update.

The loss is the sum over real tokens, divided once by their number over all ranks and micro-batches
(``calculate_per_token_loss``), so it is exact with padding, uneven micro-batches and context parallelism.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from megatron_ko.config.optimizer import OptimizerConfig
from megatron_ko.config.training import PrecisionConfig, TrainingConfig
from megatron_ko.planning.speed import Switches
from megatron_ko.training.chunks import chunks_of, deal_batches
from megatron_ko.training.data import Batch
from megatron_ko.training.distributed import World, broadcast_from_last_stage, on_all_ranks
from megatron_ko.training.engine import sync_weights
from megatron_ko.training.freezing import Frozen, RowFreezer
from megatron_ko.training.losses import CrossEntropy, Loss
from megatron_ko.training.model import unwrap, wrap
from megatron_ko.training.optimizer import build_optimizer, clip_and_update, gradient_norm
from megatron_ko.training.skipping import AFTER_DIVERGENCE, Divergence, Guard

CROSS_ENTROPY = CrossEntropy()


@dataclass(frozen=True)
class StepResult:
    """Mean loss in nats per token and L2 norm of the gradients before clipping, over all ranks."""

    loss: float
    gradient_norm: float
    terms: dict[str, float] = field(default_factory=dict)
    """Means of the other terms of the loss, by name."""
    skipped: str = ""
    """Why the step did not update the weights (``skipping.REASONS``); empty if it did."""


@dataclass(frozen=True)
class Trainee:
    """What trains, which each training stage builds anew: the model in megatron-core's data-parallel wrapper, its optimizer,
    the loss, and the guard against steps that must not update it."""

    ddp_model: Any
    optimizer: Any
    loss: Loss = CROSS_ENTROPY
    guard: Guard = field(default_factory=Guard)
    frozen: Frozen = field(default_factory=Frozen)


def prepare(
    gpt: Any,
    config: OptimizerConfig,
    precision: PrecisionConfig,
    loss: Loss = CROSS_ENTROPY,
    guard: Guard | None = None,
    frozen: Frozen | None = None,
    switches: Switches | None = None,
) -> Trainee:
    """Wraps the GPT and builds its optimizer. Collective.

    Without ``guard``, a step that is not finite ends the run; ``frozen`` comes from ``freeze``. Without ``switches``, nothing
    overlaps.
    """
    ddp_model = wrap(gpt, switches, precision.fp8, distributed_optimizer=config.type != "muon")
    optimizer = build_optimizer(ddp_model, config, precision.dtype, switches, precision.fp8)
    frozen = frozen or Frozen()
    freezer = RowFreezer(optimizer, frozen) if frozen.rows or frozen.anchors else None
    connect(ddp_model, optimizer, freezer)
    return Trainee(ddp_model, optimizer, loss, guard or Guard(), frozen)


def connect(ddp_model: Any, optimizer: Any, freezer: RowFreezer | None = None) -> None:
    """Sets the hooks of the pipeline schedule; without ``finalize_model_grads``, gradients are never summed."""
    from megatron.core.distributed import finalize_model_grads

    def finalize_and_freeze(frozen: RowFreezer, *arguments: Any, **options: Any) -> None:
        finalize_model_grads(*arguments, **options)
        frozen.zero_gradients()

    chunks = chunks_of(ddp_model)
    config = unwrap(chunks[0]).config  # one object for all chunks
    config.no_sync_func = chunks[0].no_sync if len(chunks) == 1 else [chunk.no_sync for chunk in chunks]
    config.grad_scale_func = optimizer.scale_loss
    config.finalize_model_grads_func = (
        partial(finalize_and_freeze, freezer) if freezer else finalize_model_grads
    )


def train_step(
    trainee: Trainee, batches: Iterator[Batch], world: World, training: TrainingConfig, micro_batches: int
) -> StepResult:
    """Consumes ``micro_batches`` batches, each [micro-batch, sequence], and updates the weights once, unless the guard
    finds loss or gradients unfit: then weights and optimizer state stay as they are. Collective."""
    ddp_model, optimizer, loss = trainee.ddp_model, trainee.optimizer, trainee.loss
    for chunk in chunks_of(ddp_model):
        chunk.zero_grad_buffer()
    optimizer.zero_grad()
    totals = sum_batches(ddp_model, batches, world, training, micro_batches, forward_only=False, loss=loss)
    means = dict(zip(loss.names, _means(totals)))
    norm = gradient_norm(optimizer)
    skipped = trainee.guard.judge(sum(means.values()), norm, world.device)
    if not skipped:
        clip_and_update(optimizer, norm)
    return StepResult(means.pop("loss"), norm, means, skipped)


def check_weights(ddp_model: Any, world: World) -> None:
    """Raises Divergence if a weight of any rank is not finite, because it must not be saved. Collective.

    Gathers weights first that the next forward pass would gather.
    """
    sync_weights(ddp_model)
    finite = all(bool(torch.isfinite(weight).all()) for weight in ddp_model.parameters())
    if not on_all_ranks(finite, world.device):
        message = f"weights are not finite, so they are not saved; {AFTER_DIVERGENCE}"
        raise Divergence(message, "weights-not-finite")


def mean_loss(totals: Tensor) -> float:
    """Mean loss over the real tokens of all data-parallel ranks, from the ``sum_batches`` of each rank. Collective."""
    return _means(totals)[0]


def _means(totals: Tensor) -> list[float]:
    *sums, tokens = broadcast_from_last_stage(totals).tolist()
    return [value / tokens for value in sums]


def sum_batches(
    ddp_model: Any,
    batches: Iterator[Batch],
    world: World,
    training: TrainingConfig,
    count: int,
    *,
    forward_only: bool,
    totals: Tensor | None = None,
    loss: Loss = CROSS_ENTROPY,
) -> Tensor:
    """Adds the sums of ``loss`` and the real tokens of this rank's ``count`` micro-batches to ``totals``: [names + 1] float64.

    Collective.
    """
    from megatron.core.pipeline_parallel import get_forward_backward_func

    chunks = chunks_of(ddp_model)
    count, iterators = deal_batches(batches, count, chunks)
    more = {}
    gpt = unwrap(chunks[0])
    if gpt.config.pipeline_model_parallel_size > 1 and any(widths := loss.beside(gpt)):
        more["adjust_tensor_shapes_fn"] = partial(widen, widths)
    outputs = get_forward_backward_func()(
        forward_step_func=partial(_forward_step, loss),
        data_iterator=iterators,
        model=chunks,
        num_microbatches=count,
        seq_length=training.sequence_length,
        micro_batch_size=training.micro_batch_size,
        forward_only=forward_only,
        **more,
    )
    total = totals
    if total is None:
        total = torch.zeros(len(loss.names) + 1, dtype=torch.float64, device=world.device)
    for output in outputs:
        total += output["totals"]
    return total


def widen(
    beside: tuple[int, int], received: list[tuple[int, ...]], sent: list[tuple[int, ...]]
) -> list[list[tuple[int, ...]]]:
    """Shapes of the messages between pipeline stages with room for what travels ``beside``."""
    return [
        [(*shape[:-1], shape[-1] + width) for shape in shapes]
        for width, shapes in zip(beside, (received, sent))
    ]


def _forward_step(loss: Loss, batches: Iterator[Batch], model: Any) -> tuple[Tensor, Any]:
    return loss.forward(next(batches), model)
