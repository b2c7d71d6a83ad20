"""The loss of a distilled stage: the divergence from the teacher, and the cross-entropy that is mixed with it.

Owns the pass of a micro-batch through both models and the loop over chunks of the sequence: of neither model the logits of the whole
micro-batch are ever in fp32. ``divergences`` owns the mathematics, ``hidden_states`` the distance between outputs of layers, ``teacher``
the teacher.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from megatron_ko.config.distillation import DistillationConfig, TopK
from megatron_ko.planning.hidden_states import pairs_of, projections_of
from megatron_ko.training.data import Batch
from megatron_ko.training.distributed import tensor_group
from megatron_ko.training.divergences import choose_divergence, target_chunks
from megatron_ko.training.hidden_states import STUDENT, TEACHER, Passage, sum_of_tokens
from megatron_ko.training.losses import Sums, call_model
from megatron_ko.training.model import unwrap
from megatron_ko.training.soft_targets import (
    IDS,
    LOG_PROBABILITIES,
    SoftTargets,
    chunks_of,
    fp32_chunks,
    real_columns,
    select_targets,
)
from megatron_ko.training.vocabulary import token_losses

TERM, HIDDEN_TERM = "distillation", "hidden_states"
"""Names of the divergence and of the distance between hidden states among the terms of the loss."""


@dataclass
class Seat:
    """Where the teacher of the present stage is; the losses of all stages share it, so that none keeps a teacher alive."""

    gpt: Any


@dataclass(frozen=True)
class Distillation:
    """Divergence from the teacher + ``language_model_weight`` x cross-entropy (+ z-loss, + distance between hidden states), summed over
    the real tokens.

    ``teacher`` contains a GPT in the layout of the student; it is None where batches contain the targets of a cache.
    """

    settings: DistillationConfig
    teacher: Seat | None = None
    z_loss: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        names = ("loss", "z_loss", TERM) if self.z_loss else ("loss", TERM)
        return (*names, HIDDEN_TERM) if pairs_of(self.settings) else names

    @property
    def _teacher(self) -> Any:
        """This rank's part of the teacher; None with a cache."""
        return self.teacher.gpt if self.teacher is not None else None

    def beside(self, gpt: Any) -> tuple[int, int]:
        """Widths of what travels beside the student's hidden states: those of the teacher, and the chosen states of both."""
        return Passage(self.settings, (gpt, self._teacher)).widths if self.teacher is not None else (0, 0)

    def projections(self, gpt: Any) -> dict[str, tuple[int, int]]:
        """Shapes of the projections of hidden states, by name, which train with the student."""
        if self.teacher is None:
            return {}
        return projections_of(self.settings, gpt.config.hidden_size, self._teacher.config.hidden_size)

    def forward(self, batch: Batch, model: Any) -> tuple[Tensor, Callable[[Tensor], Sums]]:
        gpt, mask = unwrap(model), batch["loss_mask"].float()
        if self.teacher is None:
            target = self._target(gpt.real_vocab_size, batch, None) if gpt.post_process else None
            return self._run_student(model, batch, target), partial(self._sum, mask, None)
        passage = Passage(self.settings, (gpt, self._teacher))
        if not gpt.pre_process:
            passage.receive(gpt.decoder.input_tensor)
        with torch.no_grad(), passage.capturing(TEACHER):
            taught = call_model(self._teacher, batch)  # on the last pipeline stage its logits
        if not gpt.post_process:
            with passage.capturing(STUDENT):
                output = self._run_student(model, batch, None)
            return passage.message(output, taught), partial(self._sum, mask, None)
        target = self._target(gpt.real_vocab_size, batch, taught)
        del taught  # top_k needs the logits no longer
        with passage.capturing(STUDENT):
            output = self._run_student(model, batch, target)
        distances = passage.distances()
        hidden = None
        if distances is not None:
            hidden = sum_of_tokens(distances, mask, gpt.config.sequence_parallel)
        return output, partial(self._sum, mask, hidden)

    def _run_student(self, model: Any, batch: Batch, target: Any) -> Tensor:
        """The student's hidden states, or on the last pipeline stage three numbers of each token: [3, B, S]."""
        gpt = unwrap(model)
        if gpt.post_process:
            gpt.compute_language_model_loss = partial(
                _token_losses, gpt.real_vocab_size, self.settings, self._is_mixed, target
            )
        output = call_model(model, batch)
        gpt.compute_language_model_loss = partial(token_losses, gpt.real_vocab_size)  # drops the target
        return output

    @property
    def _is_mixed(self) -> bool:
        """Whether terms beside the divergence have gradients."""
        return bool(self.settings.language_model_weight or self.z_loss)

    def _target(self, vocab_size: int, batch: Batch, logits: Tensor | None) -> Tensor | SoftTargets:
        loss, settings = self.settings.loss, self.settings
        if logits is None:
            ids, values = (batch[name].transpose(0, 1) for name in (IDS, LOG_PROBABILITIES))
            assert isinstance(loss, TopK), "a rule of the configuration"
            return SoftTargets(ids.long(), values).first(loss.k)
        if isinstance(loss, TopK):
            return select_targets(logits, vocab_size, loss.k, settings.temperature, settings.chunk_length)
        return logits

    def _sum(self, mask: Tensor, hidden: tuple[Tensor, Tensor] | None, output: Tensor) -> Sums:
        """``hidden``: the sum of the distances to minimize, and the one to report."""
        losses, log_sums_of_logits, divergences = output
        loss, divergence = (losses * mask).sum(), (divergences * mask).sum()
        total, terms = divergence, [loss, divergence]
        if self.settings.language_model_weight:
            total = total + self.settings.language_model_weight * loss
        if self.z_loss:
            z_loss = self.z_loss * (log_sums_of_logits.square() * mask).sum()
            total, terms = total + z_loss, [loss, z_loss, divergence]
        if hidden is not None and self.settings.hidden_states is not None:
            total, terms = total + self.settings.hidden_states.weight * hidden[0], [*terms, hidden[1]]
        tokens = mask.sum()
        totals = torch.stack([value.detach().double() for value in (*terms, tokens)])
        return total, tokens.int(), {"totals": totals}


def _token_losses(
    vocab_size: int,
    settings: DistillationConfig,
    is_mixed: bool,
    target: Tensor | SoftTargets,
    labels: Tensor,
    logits: Tensor,
) -> Tensor:
    """Cross-entropy, log-sum-exp and divergence of each token: [3, B, S], for ``logits`` [S, B, columns of this rank].

    Overwrites ``logits`` in the backward pass. Collective over the tensor-parallel ranks.
    """
    return _TokenLosses.apply(
        logits, labels.transpose(0, 1), vocab_size, settings, is_mixed, target, tensor_group()
    ).transpose(1, 2)


class _TokenLosses(torch.autograd.Function):
    """Keeps both models' logits as they are and numbers per token; the backward pass computes a chunk at a time again."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        labels: Tensor,
        vocab_size: int,
        settings: DistillationConfig,
        is_mixed: bool,
        target: Tensor | SoftTargets,
        group: dist.ProcessGroup,
    ) -> Tensor:
        ctx.first, ctx.real = real_columns(logits, vocab_size, group)
        ctx.settings, ctx.is_mixed = settings, is_mixed
        divergence, length = choose_divergence(settings), settings.chunk_length
        losses, saved = [], []
        for (rows, values), part in zip(
            fp32_chunks(logits, ctx.real, length, int(divergence.overwrites)),
            target_chunks(target, ctx.real, settings),
        ):
            own, here = _own_labels(labels[rows], ctx.first, ctx.real)
            label = torch.where(here, values.gather(-1, own).squeeze(-1) if ctx.real else 0.0, 0.0)
            found = divergence.measure(values, part, label, group, ctx.first)
            losses.append(torch.stack((found.log_sum - found.label, found.log_sum, found.divergence)))
            saved.append(torch.stack(found.saved))
        result = torch.cat(losses, 1)
        kept = (target,) if isinstance(target, Tensor) else (target.ids, target.log_probabilities)
        ctx.save_for_backward(logits, labels, result[1].clone(), torch.cat(saved, 1), *kept)
        return result

    @staticmethod
    def backward(ctx: Any, gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        logits, labels, log_sum, saved, *kept = ctx.saved_tensors
        target = kept[0] if len(kept) == 1 else SoftTargets(*kept)
        settings, real = ctx.settings, ctx.real
        divergence, length = choose_divergence(settings), settings.chunk_length
        logits = logits.detach()  # its chunks become those of the gradient
        of_loss, of_log_sum, of_divergence = gradients.unbind()
        chunks = _real_chunks(logits, real, length)
        if divergence.reads_all or ctx.is_mixed:
            spare = int(divergence.overwrites and divergence.reads_all)
            chunks = fp32_chunks(logits, real, length, spare)
        for (rows, x), part in zip(chunks, target_chunks(target, real, settings)):
            probabilities = None
            if ctx.is_mixed:
                probabilities = (x[..., :real] - log_sum[rows].unsqueeze(-1)).exp_()
            numbers = tuple(saved[:, rows].unbind())
            slope = divergence.gradient(x, part, numbers, ctx.first, of_divergence[rows])
            if probabilities is not None:
                weight = of_loss[rows].unsqueeze(-1)
                slope = slope.addcmul_(probabilities, weight + of_log_sum[rows].unsqueeze(-1))
                own, here = _own_labels(labels[rows], ctx.first, real)
                if real:
                    slope.scatter_add_(-1, own, torch.where(here.unsqueeze(-1), -weight, 0.0))
            if slope.data_ptr() != logits[rows].data_ptr():  # otherwise they have become the gradient already
                logits[rows][..., :real] = slope
            logits[rows][..., real:] = 0.0
        return logits, None, None, None, None, None, None


def _real_chunks(logits: Tensor, real: int, length: int) -> Iterator[tuple[slice, Tensor]]:
    """Positions and their real columns as they are."""
    for rows in chunks_of(len(logits), length):
        yield rows, logits[rows][..., :real]


def _own_labels(labels: Tensor, first: int, real: int) -> tuple[Tensor, Tensor]:
    """Column of each label on this rank [s, B, 1], 0 for those of other ranks, and whether it is here [s, B]."""
    own = labels - first
    here = (own >= 0) & (own < real)
    return torch.where(here, own, 0).unsqueeze(-1), here
