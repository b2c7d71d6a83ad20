"""The teacher's k most probable tokens of each position, as training computes them and as a cache has them.

Owns the selection over a vocabulary whose columns are split over tensor-parallel ranks, and the 16 bits of a log-probability:
targets that were written and read are bit for bit those of a teacher beside the student.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    parts: Sequence[Tensor],
    group: dist.ProcessGroup,
    extras: Sequence[Tensor] = (),
    *,
    overwrite: bool = False,
) -> tuple[list[Tensor], list[Tensor]]:
    """``(logarithms of the sums of exponentials, extras summed over the ranks)`` of logits [s, B, columns of this rank], each [s, B].

    One all-reduce for the largest and one for all sums; a rank may have no real columns. The sum of no finite logit is -inf.
    ``overwrite``: ``parts`` become the exponentials, which saves a copy.
    """
    is_split = dist.get_world_size(group) > 1
    none = parts[0].new_full(parts[0].shape[:-1], -torch.inf)
    largest = torch.stack([part.amax(-1) if part.shape[-1] else none for part in parts])
    if is_split:
        dist.all_reduce(largest, op=dist.ReduceOp.MAX, group=group)
    largest.clamp_(min=torch.finfo(largest.dtype).min)  # -inf minus -inf is not a number
    sums = []
    for part, top in zip(parts, largest):
        distances = part.sub_(top.unsqueeze(-1)) if overwrite else part - top.unsqueeze(-1)
        sums.append(distances.exp_().sum(-1))
    summed = list(extras)
    if is_split:
        flat = torch.cat([value.flatten() for value in (*sums, *extras)])
        dist.all_reduce(flat, group=group)
        pieces = flat.split([value.numel() for value in (*sums, *extras)])
        reduced = [piece.view_as(value) for piece, value in zip(pieces, (*sums, *extras))]
        sums, summed = reduced[: len(sums)], reduced[len(sums) :]
    return [total.log() + top for total, top in zip(sums, largest)], summed


def chunks_of(positions: int, length: int) -> Iterator[slice]:
    """The chunks of at most ``length`` positions, in order."""
    return (slice(start, start + length) for start in range(0, positions, length))


def fp32_chunks(
    logits: Tensor, real: int, length: int, spare: int = 0, temperature: float = 1.0
) -> Iterator[tuple[slice, Tensor]]:
    """``(positions, their real columns in fp32)``, ``length`` positions of ``logits`` [S, B, columns of this rank] at a time, divided
    by ``temperature``.

    All chunks share one buffer, so that each is valid until the next. ``spare`` columns of -inf follow the real ones, and the chunk may
    be overwritten; without them it may be a view of the logits.
    """
    buffer = None
    for rows in chunks_of(len(logits), length):
        part = logits[rows][..., :real]
        if part.dtype == torch.float32 and not spare and temperature == 1:
            yield rows, part
            continue
        if buffer is None:
            buffer = part.new_empty((*part.shape[:-1], real + spare), dtype=torch.float32)
        chunk = buffer[: len(part)]
        chunk[..., :real].copy_(part)
        chunk[..., real:] = -torch.inf
        yield rows, chunk if temperature == 1 else chunk.div_(temperature)


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
    for rows, chunk in fp32_chunks(logits, real, chunk_length, 1, temperature):
        best, columns = _largest(logits[rows][..., :real], first, k, group)
        best = best if temperature == 1 else best / temperature
        # the others are summed on their own: 1 minus the sum of k probabilities would be rounding noise
        chunk.scatter_(-1, own_columns(columns, first, real), -torch.inf)
        (others,), _ = log_sums([chunk], group, overwrite=True)
        total = torch.logaddexp(others, best.logsumexp(-1)).unsqueeze(-1)
        chosen = torch.cat((best - total, others.unsqueeze(-1) - total), -1)
        ids.append(columns)
        # rounding may exceed the logarithm of 1; a zero always has the sign of a logarithm of a probability
        values.append(chosen.to(torch.float16).clamp_(max=0).abs_().neg_())
    return SoftTargets(torch.cat(ids), torch.cat(values))


def own_columns(ids: Tensor, first: int, real: int) -> Tensor:
    """Columns of ids on this rank, which has ``real`` columns from id ``first`` on; ``real`` for those of other ranks."""
    here = (ids >= first) & (ids < first + real)
    return torch.where(here, ids - first, real)


def _largest(part: Tensor, first: int, k: int, group: dist.ProcessGroup) -> tuple[Tensor, Tensor]:
    """The k largest of all ranks' columns [s, B, k] and their ids, largest first; the lower rank first among equals."""
    ranks = dist.get_world_size(group)
    best, columns = part.topk(min(k, part.shape[-1]), -1)
    best, columns = best.float(), columns + first
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
