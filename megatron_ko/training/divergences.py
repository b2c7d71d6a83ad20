"""Divergences between a teacher's distribution and a student's over a split vocabulary, with exact gradients.

Owns the four divergences of the section ``distillation`` for one chunk of positions. Everything is in fp32; columns of padding are cut
off before, so that an infinite logit there never meets a probability of 0. A gradient needs no communication: what other ranks
contribute to it is saved as numbers per token.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor

from megatron_ko.config.distillation import DistillationConfig, ForwardKl, GeneralizedJsd, ReverseKl, TopK
from megatron_ko.training.distributed import sum_over
from megatron_ko.training.soft_targets import SoftTargets, chosen_here, log_sums

Saved = tuple[Tensor, ...]
"""Numbers per token, each [s, B], that the gradient of a chunk needs beside logits and targets."""


class Divergence(Protocol):
    """A divergence of the student's logits ``x`` [s, B, columns of this rank], divided by the temperature, from the targets."""

    def value(
        self, x: Tensor, target: Any, group: dist.ProcessGroup, first: int, log_sum: Tensor | None = None
    ) -> tuple[Tensor, Saved]:
        """The divergence of each token [s, B] in nats, and what ``gradient`` needs. Collective. ``first``: id of the first column;
        ``log_sum``: log-sum-exp of ``x`` over all ranks [s, B], where it is known."""
        ...

    def gradient(self, x: Tensor, target: Any, saved: Saved, first: int) -> Tensor:
        """Its gradient by ``x``, a new tensor."""
        ...


class _Dense:
    """Over the whole vocabulary; the target is the teacher's logits, divided by the temperature.

    A divergence D with dD/dq = g has the gradient q (g - <q, g>) by the logits of q.
    """

    def value(
        self, x: Tensor, target: Tensor, group: dist.ProcessGroup, first: int, log_sum: Tensor | None = None
    ) -> tuple[Tensor, Saved]:
        if log_sum is None:
            (of_student, of_teacher), _ = log_sums([x, target], group)
        else:
            of_student, ((of_teacher,), _) = log_sum, log_sums([target], group)
        student, teacher = x - of_student.unsqueeze(-1), target - of_teacher.unsqueeze(-1)
        sums = self.sums(student, teacher)
        if dist.get_world_size(group) > 1:
            dist.all_reduce(sums, group=group)
        return sums[0], (of_student, of_teacher, sums[-1])

    def gradient(self, x: Tensor, target: Tensor, saved: Saved, first: int) -> Tensor:
        of_student, of_teacher, mean = saved
        student, teacher = x - of_student.unsqueeze(-1), target - of_teacher.unsqueeze(-1)
        return self.slope(student, teacher, mean.unsqueeze(-1))

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


class _GeneralizedJsd(_Dense):
    """dD/dq = (1 - beta) (log q - log m) up to a constant."""

    def __init__(self, beta: float) -> None:
        self.beta = beta

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


class _TopK:
    """Over k tokens and, with ``tail``, all others as one more; the target is ``SoftTargets.part``."""

    def __init__(self, tail: bool) -> None:
        self.tail = tail

    def value(
        self, x: Tensor, target: Any, group: dist.ProcessGroup, first: int, log_sum: Tensor | None = None
    ) -> tuple[Tensor, Saved]:
        ids, teacher = target
        here, own = _columns(ids, first, x.shape[-1])
        logits = torch.where(here, _gather(x, own), 0.0)
        if self.tail:
            parts = [x.masked_fill(chosen_here(ids, first, x.shape[-1]), -torch.inf)]
            parts += [x] if log_sum is None else []
            (others, *whole), (logits,) = log_sums(parts, group, lambda _: [logits])
            total = whole[0] if log_sum is None else log_sum
            student = torch.cat((logits, others.unsqueeze(-1)), -1) - total.unsqueeze(-1)
            # the gradient of another token is q - (teacher's tail) x (its share of the student's tail)
            shift = others - teacher[..., -1]
        else:
            teacher, logits = teacher[..., :-1].log_softmax(-1), sum_over(logits, group)
            total = shift = logits.logsumexp(-1)
            student = logits - total.unsqueeze(-1)
        weight = teacher.exp()
        terms = torch.where(weight > 0, weight * (teacher - student), 0.0)
        return terms.sum(-1), (total, shift)

    def gradient(self, x: Tensor, target: Any, saved: Saved, first: int) -> Tensor:
        ids, teacher = target
        total, shift = saved
        here, own = _columns(ids, first, x.shape[-1])
        teacher = teacher[..., :-1] if self.tail else teacher[..., :-1].log_softmax(-1)
        student = _gather(x, own) - total.unsqueeze(-1)
        chosen = torch.where(here, student.exp() - teacher.exp(), 0.0)
        if not x.shape[-1]:
            return torch.zeros_like(x)
        if self.tail:
            others = (x - total.unsqueeze(-1)).exp_().sub_((x - shift.unsqueeze(-1)).exp_())
            others.masked_fill_(chosen_here(ids, first, x.shape[-1]), 0.0)
        else:
            others = torch.zeros_like(x)
        return others.scatter_add_(-1, own, chosen)


def _columns(ids: Tensor, first: int, real: int) -> tuple[Tensor, Tensor]:
    """Which ids are columns of this rank, and the column of each, 0 for those of other ranks."""
    here = (ids >= first) & (ids < first + real)
    return here, torch.where(here, ids - first, 0)


def _gather(values: Tensor, columns: Tensor) -> Tensor:
    return values.gather(-1, columns) if values.shape[-1] else values.new_zeros(columns.shape)


def choose_divergence(settings: DistillationConfig) -> Divergence:
    """The divergence that the configuration describes."""
    loss = settings.loss
    if isinstance(loss, TopK):
        return _TopK(loss.tail)
    if isinstance(loss, GeneralizedJsd):
        return _GeneralizedJsd(loss.beta)
    return {ForwardKl: _ForwardKl, ReverseKl: _ReverseKl}[type(loss)]()


def rows_of(target: Tensor | SoftTargets, rows: slice, real: int, temperature: float) -> Any:
    """The part of the teacher's logits, or of its targets, that belongs to a chunk of positions."""
    if isinstance(target, SoftTargets):
        return target.part(rows)
    return scale(target[rows][..., :real].float(), temperature)


def scale(logits: Tensor, temperature: float) -> Tensor:
    """Logits divided by the temperature; themselves at 1."""
    return logits if temperature == 1 else logits / temperature
