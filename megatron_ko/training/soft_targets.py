"""The teacher's k most probable tokens of each position, as training computes them and as a cache has them.

Owns the selection over a vocabulary whose columns are split over tensor-parallel ranks, and the 16 bits of a log-probability:
targets that were written and read are bit for bit those of a teacher beside the student.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from megatron_ko.training.distributed import tensor_group

IDS, LOG_PROBABILITIES = "teacher_ids", "teacher_log_probabilities"
"""Entries of a batch that comes from a cache: [B, S, k] and [B, S, k + 1]."""


@dataclass(frozen=True)
class SoftTargets:
    """``ids`` [S, B, k] int64, most probable first; ``log_probabilities`` [S, B, k + 1] float16: theirs, and that of all other
    tokens together."""

    ids: Tensor
    log_probabilities: Tensor

    def first(self, k: int) -> SoftTargets:
        """The first ``k`` of them; the rest joins the other tokens."""
        if k == self.ids.shape[-1]:
            return self
        values = self.log_probabilities.float()
        rest = values[..., k:].logsumexp(-1, keepdim=True)
        return SoftTargets(
            self.ids[..., :k].contiguous(), torch.cat((values[..., :k], rest), -1).to(torch.float16)
        )

    def part(self, rows: slice) -> tuple[Tensor, Tensor]:
        """``(ids, log_probabilities)`` of some positions: [s, B, k], and [s, B, k + 1] fp32 that sum to 1 despite the rounding."""
        return self.ids[rows], self.log_probabilities[rows].float().log_softmax(-1)


def log_sums(
    parts: list[Tensor], group: dist.ProcessGroup, more: Callable[[list[Tensor]], list[Tensor]] | None = None
) -> tuple[list[Tensor], list[Tensor]]:
    """``(logarithms of the sums of exponentials, summed extras)`` of logits [s, B, columns of this rank], each [s, B].

    ``more`` computes this rank's extras, each [s, B, ...], from the largest logits of all ranks. One all-reduce for the largest and one
    for all sums; a rank may have no real columns.
    """
    is_split = dist.get_world_size(group) > 1
    none = parts[0].new_full(parts[0].shape[:-1], -torch.inf)
    largest = torch.stack([part.amax(-1) if part.shape[-1] else none for part in parts])
    if is_split:
        dist.all_reduce(largest, op=dist.ReduceOp.MAX, group=group)
    sums = [(part - top.unsqueeze(-1)).exp_().sum(-1) for part, top in zip(parts, largest)]
    extras = more(list(largest)) if more else []
    if is_split:
        flat = torch.cat([value.flatten() for value in (*sums, *extras)])
        dist.all_reduce(flat, group=group)
        pieces = flat.split([value.numel() for value in (*sums, *extras)])
        reduced = [piece.view_as(value) for piece, value in zip(pieces, (*sums, *extras))]
        sums, extras = reduced[: len(sums)], reduced[len(sums) :]
    return [total.log() + top for total, top in zip(sums, largest)], extras


def real_columns(logits: Tensor, vocab_size: int, group: dist.ProcessGroup) -> tuple[int, int]:
    """``(id of this rank's first column, number of its columns without padding)``."""
    columns = logits.shape[-1]
    first = dist.get_rank(group) * columns
    return first, min(max(vocab_size - first, 0), columns)


@torch.no_grad()
def select_targets(
    logits: Tensor, vocab_size: int, k: int, temperature: float, chunk_length: int
) -> SoftTargets:
    """The targets in the teacher's logits [S, B, columns of this rank], ``chunk_length`` positions at a time.

    The same on every tensor-parallel rank. Collective over them.
    """
    group = tensor_group()
    first, real = real_columns(logits, vocab_size, group)
    ids, values = [], []
    for chunk in logits.split(chunk_length):
        part = chunk[..., :real].float() / temperature
        best, columns = _largest(part, first, k, group)
        parts = [part]
        if k < vocab_size:  # summed on their own: 1 minus the sum of k probabilities would be rounding noise
            parts.append(part.masked_fill(chosen_here(columns, first, real), -torch.inf))
        (total, *rest), _ = log_sums(parts, group)
        others = rest[0] - total if rest else torch.full_like(total, -torch.inf)
        ids.append(columns)
        values.append(torch.cat((best - total.unsqueeze(-1), others.unsqueeze(-1)), -1).to(torch.float16))
    return SoftTargets(torch.cat(ids), torch.cat(values))


def chosen_here(ids: Tensor, first: int, real: int) -> Tensor:
    """Which of this rank's ``real`` columns, from id ``first`` on, are among ``ids`` [s, B, k]: [s, B, real] bool."""
    here = (ids >= first) & (ids < first + real)
    chosen = torch.zeros(*ids.shape[:-1], real + 1, dtype=torch.bool, device=ids.device)
    return chosen.scatter_(-1, torch.where(here, ids - first, real), True)[..., :real]


def _largest(part: Tensor, first: int, k: int, group: dist.ProcessGroup) -> tuple[Tensor, Tensor]:
    """The k largest of all ranks' columns [s, B, k] and their ids, largest first; the lower rank first among equals."""
    ranks = dist.get_world_size(group)
    best, columns = part.topk(min(k, part.shape[-1]), -1)
    columns = columns + first
    if ranks == 1:
        return best, columns
    missing = k - best.shape[-1]
    best = torch.nn.functional.pad(best, (0, missing), value=-torch.inf)
    columns = torch.nn.functional.pad(columns, (0, missing), value=-1)
    all_best, all_columns = ([torch.empty_like(own) for _ in range(ranks)] for own in (best, columns))
    dist.all_gather(all_best, best.contiguous(), group=group)
    dist.all_gather(all_columns, columns.contiguous(), group=group)
    best, order = torch.cat(all_best, -1).sort(stable=True, dim=-1, descending=True)
    columns = torch.cat(all_columns, -1).gather(-1, order)
    return best[..., :k].contiguous(), columns[..., :k].contiguous()
