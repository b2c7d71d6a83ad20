"""Divergences between a teacher's distribution and a student's over a split vocabulary, with exact gradients.

Owns the four divergences of the section ``distillation`` for one chunk of positions, and the log-sum-exp that they share with the
cross-entropy. Everything is in fp32; columns of padding are cut off before, so that an infinite logit there never meets a probability
of 0. A gradient needs no communication: what other ranks contribute to it is saved as numbers per token.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor

from megatron_ko.config.distillation import DistillationConfig, ForwardKl, GeneralizedJsd, ReverseKl, TopK
from megatron_ko.training.soft_targets import SoftTargets, chunks_of, fp32_chunks, log_sums, own_columns

Saved = tuple[Tensor, ...]
"""Numbers per token, each [s, B], that the gradient of a chunk needs beside logits and targets."""


@dataclass(frozen=True)
class Measures:
    """Numbers of each token of a chunk, all [s, B] in nats, and what the gradient needs."""

    log_sum: Tensor
    """Log-sum-exp of the student's logits, not divided by the temperature."""
    label: Tensor
    """The label's logit, not divided either."""
    divergence: Tensor
    saved: Saved


class Divergence(Protocol):
    """A divergence of the student's distribution at a temperature from the targets at the same."""

    overwrites: bool
    """Whether logits in fp32 have a spare column of -inf behind the real ones, for ids of other ranks, and are overwritten."""
    reads_all: bool
    """Whether the gradient needs the logits in fp32; otherwise it overwrites them as they are, without a spare column."""

    def measure(
        self, x: Tensor, target: Any, label: Tensor, group: dist.ProcessGroup, first: int
    ) -> Measures:
        """Of the student's logits ``x`` [s, B, columns of this rank], whose first column is the id ``first``. ``label`` [s, B]: this
        rank's part of the label's logit. Collective: one all-reduce for the largest and one for all sums."""
        ...

    def gradient(self, x: Tensor, target: Any, saved: Saved, first: int, weight: Tensor) -> Tensor:
        """Its gradient by ``x`` times ``weight`` [s, B]; a new tensor, or ``x``."""
        ...


@dataclass(frozen=True)
class _Dense:
    """Over the whole vocabulary; the target is the teacher's logits, divided by the temperature.

    A divergence D with dD/dq = g has the gradient q (g - <q, g>) by the logits of q.
    """

    overwrites, reads_all = False, True
    temperature: float

    def measure(
        self, x: Tensor, target: Tensor, label: Tensor, group: dist.ProcessGroup, first: int
    ) -> Measures:
        scaled = scale(x, self.temperature)
        (of_teacher, log_sum, *other), (label,) = log_sums(
            [target, x] if scaled is x else [target, x, scaled], group, [label]
        )
        [of_student] = other or [log_sum]
        student, teacher = scaled - of_student.unsqueeze(-1), target - of_teacher.unsqueeze(-1)
        sums = self.sums(student, teacher)
        if dist.get_world_size(group) > 1:
            dist.all_reduce(sums, group=group)
        return Measures(log_sum, label, sums[0], (of_student, of_teacher, sums[-1]))

    def gradient(self, x: Tensor, target: Tensor, saved: Saved, first: int, weight: Tensor) -> Tensor:
        of_student, of_teacher, mean = saved
        student = scale(x, self.temperature) - of_student.unsqueeze(-1)
        teacher = target - of_teacher.unsqueeze(-1)
        return self.slope(student, teacher, mean.unsqueeze(-1)).mul_(weight.unsqueeze(-1) / self.temperature)

    def sums(self, student: Tensor, teacher: Tensor) -> Tensor:
        """This rank's part of the divergence and, last, of <q, g>: [1 or 2, s, B], from log-probabilities."""
        raise NotImplementedError

    def slope(self, student: Tensor, teacher: Tensor, mean: Tensor) -> Tensor:
        raise NotImplementedError


class _ForwardKl(_Dense):
    def sums(self, student: Tensor, teacher: Tensor) -> Tensor:
        return (teacher - student).mul_(teacher.exp()).sum(-1).unsqueeze(0)

    def slope(self, student: Tensor, teacher: Tensor, mean: Tensor) -> Tensor:
        return student.exp_().sub_(teacher.exp_())


class _ReverseKl(_Dense):
    def sums(self, student: Tensor, teacher: Tensor) -> Tensor:
        return (student - teacher).mul_(student.exp()).sum(-1).unsqueeze(0)

    def slope(self, student: Tensor, teacher: Tensor, mean: Tensor) -> Tensor:
        return teacher.neg_().add_(student).sub_(mean).mul_(student.exp_())


@dataclass(frozen=True)
class _GeneralizedJsd(_Dense):
    """dD/dq = (1 - beta) (log q - log m) up to a constant."""

    beta: float

    def _mixture(self, student: Tensor, teacher: Tensor) -> Tensor:
        return torch.logaddexp(teacher + math.log(self.beta), student + math.log1p(-self.beta))

    def sums(self, student: Tensor, teacher: Tensor) -> Tensor:
        mixture = self._mixture(student, teacher)
        of_teacher = (teacher - mixture).mul_(teacher.exp()).sum(-1)
        of_student = (student - mixture).mul_(student.exp()).sum(-1)
        mean = (1 - self.beta) * of_student
        return torch.stack((self.beta * of_teacher + mean, mean))

    def slope(self, student: Tensor, teacher: Tensor, mean: Tensor) -> Tensor:
        difference = self._mixture(student, teacher).neg_().add_(student).mul_(1 - self.beta)
        return difference.sub_(mean).mul_(student.exp_())


@dataclass(frozen=True)
class _TopK:
    """Over k tokens and all others as one more; the target is ``SoftTargets.part``.

    The others are summed alone, by overwriting the logits of the k; the sum of all follows from both.
    """

    overwrites, reads_all = True, True
    temperature: float

    def measure(
        self, x: Tensor, target: Any, label: Tensor, group: dist.ProcessGroup, first: int
    ) -> Measures:
        ids, teacher = target
        own = own_columns(ids, first, x.shape[-1] - 1)
        logits = _gather(x, own)
        scaled = scale(x, self.temperature)
        parts = [scaled.scatter_(-1, own, -torch.inf)] + ([] if scaled is x else [x])
        (others, *whole), (logits, label) = log_sums(parts, group, [logits, label], overwrite=True)
        logits = scale(logits, self.temperature)
        total = torch.logaddexp(others, logits.logsumexp(-1))
        student = torch.cat((logits, others.unsqueeze(-1)), -1) - total.unsqueeze(-1)
        [log_sum] = whole or [total]
        return Measures(log_sum, label, _kl(teacher, student), (total, others))

    def gradient(self, x: Tensor, target: Any, saved: Saved, first: int, weight: Tensor) -> Tensor:
        """Of another token q - (teacher's tail) x (its share of the student's tail), which one exponential has for both."""
        ids, teacher = target
        total, others = saved
        weight = (weight / self.temperature).unsqueeze(-1)
        own = own_columns(ids, first, x.shape[-1] - 1)
        student = scale(x.gather(-1, own), self.temperature) - total.unsqueeze(-1)
        chosen = (student.exp() - teacher[..., :-1].exp()) * weight
        tail = ((others - total).exp() - teacher[..., -1].exp()).unsqueeze(-1) * weight
        # -inf where all tokens are among the k
        others = others.clamp_min(torch.finfo(x.dtype).min).unsqueeze(-1)
        x = x if self.temperature == 1 else x.div_(self.temperature)
        return x.sub_(others).exp_().mul_(tail).scatter_(-1, own, chosen)[..., :-1]


@dataclass(frozen=True)
class _TopKAlone:
    """Over k tokens, after scaling both distributions to sum to 1 over them; the target is ``SoftTargets.part``."""

    overwrites, reads_all = True, False
    temperature: float

    def measure(
        self, x: Tensor, target: Any, label: Tensor, group: dist.ProcessGroup, first: int
    ) -> Measures:
        ids, teacher = target
        logits = _gather(x, own_columns(ids, first, x.shape[-1] - 1))
        (log_sum,), (logits, label) = log_sums([x], group, [logits, label], overwrite=True)
        logits = scale(logits, self.temperature)
        total = logits.logsumexp(-1)
        divergence = _kl(teacher[..., :-1].log_softmax(-1), logits - total.unsqueeze(-1))
        return Measures(log_sum, label, divergence, (total,))

    def gradient(self, x: Tensor, target: Any, saved: Saved, first: int, weight: Tensor) -> Tensor:
        ids, teacher = target
        [total] = saved
        if not x.shape[-1]:
            return x
        own = own_columns(ids, first, x.shape[-1])
        here = own < x.shape[-1]
        own = torch.where(here, own, 0)
        student = scale(x.gather(-1, own).float(), self.temperature) - total.unsqueeze(-1)
        slope = student.exp() - teacher[..., :-1].log_softmax(-1).exp()
        slope = torch.where(here, slope * (weight / self.temperature).unsqueeze(-1), 0.0)
        return x.zero_().scatter_add_(-1, own, slope.to(x.dtype))


def _gather(x: Tensor, columns: Tensor) -> Tensor:
    """The logits of ``columns``; 0 where another rank has them (the last column)."""
    return x.gather(-1, columns).masked_fill_(columns == x.shape[-1] - 1, 0.0)


def _kl(teacher: Tensor, student: Tensor) -> Tensor:
    """KL(teacher || student) of log-probabilities [..., n]; a probability of 0 adds nothing."""
    weight = teacher.exp()
    return torch.where(weight > 0, weight * (teacher - student), 0.0).sum(-1)


def choose_divergence(settings: DistillationConfig) -> Divergence:
    """The divergence that the configuration describes."""
    loss, temperature = settings.loss, settings.temperature
    if isinstance(loss, TopK):
        return _TopK(temperature) if loss.tail else _TopKAlone(temperature)
    if isinstance(loss, GeneralizedJsd):
        return _GeneralizedJsd(temperature, loss.beta)
    return {ForwardKl: _ForwardKl, ReverseKl: _ReverseKl}[type(loss)](temperature)


def target_chunks(target: Tensor | SoftTargets, real: int, settings: DistillationConfig) -> Iterator[Any]:
    """The teacher's logits, divided by the temperature, or its targets, of each chunk of positions; each is valid until the next."""
    length = settings.chunk_length
    if isinstance(target, Tensor):
        chunks = fp32_chunks(target, real, length, temperature=settings.temperature)
        yield from (values for _, values in chunks)
    else:
        yield from (target.part(rows) for rows in chunks_of(len(target.ids), length))


def scale(logits: Tensor, temperature: float) -> Tensor:
    """Logits divided by the temperature; themselves at 1."""
    return logits if temperature == 1 else logits / temperature
