"""Cross-entropy and log-sum-exp of logits whose columns are split over tensor-parallel ranks, with exact gradients.

Owns the count of real columns: columns of padding have neither probability nor gradient, whatever their logits are.
Everything is computed in fp32. Sums over the vocabulary take one all-reduce for the maximum and one for the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from megatron_ko.training.distributed import tensor_group


def token_losses(vocab_size: int, labels: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy in nats of each token [B, S], in the signature of GPTModel's ``compute_language_model_loss``.

    ``labels`` [B, S] are below ``vocab_size``, the number of columns without padding over all ranks; ``logits`` [S, B, C]
    are this rank's columns. Collective over the tensor-parallel ranks.
    """
    return cross_entropy_and_log_sum(vocab_size, labels, logits)[0]


def cross_entropy_and_log_sum(vocab_size: int, labels: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """``token_losses`` and the logarithm of the sum of the exponentials of each token's real logits, both [B, S].

    Overwrites fp32 ``logits``, which a model returns to nobody else.
    """
    losses, log_sums = _CrossEntropyAndLogSum.apply(
        logits, labels.transpose(0, 1), vocab_size, tensor_group()
    )
    return losses.transpose(0, 1), log_sums.transpose(0, 1)


def _exponentiate(part: Tensor, largest: Tensor) -> Tensor:
    """Replaces logits [S, B, C] by exponentials of their distance to ``largest`` [S, B]; returns their sums [S, B]."""
    part.sub_(largest.unsqueeze(-1)).exp_()
    return part.sum(-1)


_exponentials: Callable[[Tensor, Tensor], Tensor] = _exponentiate


def use_compiled(compiled: bool, **options: Any) -> None:
    """Chooses whether torch.compile fuses the passes over the logits, for all models of this process."""
    global _exponentials
    _exponentials = torch.compile(_exponentiate, **options) if compiled else _exponentiate


class _CrossEntropyAndLogSum(torch.autograd.Function):
    """d cross-entropy / d logits = softmax - one-hot label; d log-sum / d logits = softmax."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, labels: Tensor, vocab_size: int, group: dist.ProcessGroup
    ) -> tuple[Tensor, Tensor]:
        columns, is_split = logits.shape[-1], dist.get_world_size(group) > 1
        first = dist.get_rank(group) * columns
        real = min(max(vocab_size - first, 0), columns)
        values = logits.float()
        part = values[..., :real]
        largest = part.amax(-1) if real else values.new_full(labels.shape, -torch.inf)
        if is_split:
            dist.all_reduce(largest, op=dist.ReduceOp.MAX, group=group)

        own = labels - first
        is_here = (own >= 0) & (own < real)
        index = own.clamp(0, columns - 1).unsqueeze(-1)
        sums = values.new_zeros(
            2, *labels.shape
        )  # of exponentials, and the label's logit, which one rank has
        label = values.gather(-1, index).squeeze(-1) - largest
        sums[1] = label.masked_fill(~is_here, 0.0)
        sums[0] = _exponentials(part, largest)
        if is_split:
            dist.all_reduce(sums, group=group)
        total, label_logit = sums.unbind()
        log_total = total.log()
        ctx.real = real
        ctx.save_for_backward(values, total, index, is_here)
        return log_total - label_logit, log_total + largest

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        of_loss, of_log_sum = gradients
        values, total, index, is_here = ctx.saved_tensors  # exponentials; they become the gradient, once
        values[..., : ctx.real].mul_(((of_loss + of_log_sum) / total).unsqueeze(-1))
        values[..., ctx.real :].zero_()
        values.scatter_add_(-1, index, (-of_loss).masked_fill(~is_here, 0.0).unsqueeze(-1))
        return values, None, None, None
