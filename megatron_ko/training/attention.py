"""Causal attention on ``scaled_dot_product_attention``: grouped queries, no S x S mask, context parallelism.

Replaces megatron-core's ``DotProductAttention`` (same constructor and forward) where Transformer Engine is missing. Under
context parallelism, keys and values are gathered over the context group; rank i of n has the zig-zag chunks i and 2n-1-i
of the sequence, as ``get_batch_on_this_cp_rank`` distributes them.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from megatron_ko.training import distributed

QUERY_BLOCK = 512  # rows of the mask in memory at a time under context parallelism


class CausalAttention(nn.Module):
    """Core attention of one rank: query [S, B, heads, d], key and value [S, B, groups, d] to [S, B, heads * d]."""

    def __init__(
        self,
        config: Any,
        layer_number: int,
        attn_mask_type: Any,
        attention_type: str,
        attention_dropout: float | None = None,
        softmax_scale: float | None = None,
        cp_comm_type: str | None = None,
        pg_collection: Any = None,
    ) -> None:
        super().__init__()
        self.scale = softmax_scale if softmax_scale is not None else 1.0 / math.sqrt(config.kv_channels)
        self.context_size = config.context_parallel_size

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None = None,
        attn_mask_type: Any = None,
        attention_bias: Tensor | None = None,
        packed_seq_params: Any = None,
    ) -> Tensor:
        if attention_mask is not None or attention_bias is not None or packed_seq_params is not None:
            raise NotImplementedError(
                "CausalAttention supports no mask, bias or packed sequences; use Transformer Engine"
            )
        if self.context_size == 1:
            context = self._attend(*(t.permute(1, 2, 0, 3) for t in (query, key, value)), causal=True)
            return context.permute(2, 0, 1, 3).flatten(2)
        return self._context_parallel(query, key, value)

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, *, causal: bool, mask: Tensor | None = None
    ) -> Tensor:
        grouped = query.shape[1] != key.shape[1]
        return scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=causal, scale=self.scale, enable_gqa=grouped
        )

    def _context_parallel(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        group = distributed.context_group()
        rank, size = dist.get_rank(group), self.context_size
        key, value = gather_zigzag(torch.stack((key, value)), group).unbind(0)
        key, value = key.permute(1, 2, 0, 3), value.permute(1, 2, 0, 3)
        chunk = query.shape[0] // 2
        outputs = []
        for part, number in zip(query.permute(1, 2, 0, 3).split(chunk, dim=2), (rank, 2 * size - 1 - rank)):
            for row in range(0, chunk, QUERY_BLOCK):
                block = part[:, :, row : row + QUERY_BLOCK]
                first = number * chunk + row
                outputs.append(
                    checkpoint(
                        self._block, block, key, value, first, use_reentrant=False, preserve_rng_state=False
                    )
                )
        return torch.cat(outputs, dim=2).permute(2, 0, 1, 3).flatten(2)

    def _block(self, query: Tensor, key: Tensor, value: Tensor, first: int) -> Tensor:
        """Attention of queries from position ``first`` on to all keys up to the last query; only this call has the mask."""
        rows = query.shape[2]
        last = first + rows
        mask = torch.ones(rows, last, dtype=torch.bool, device=query.device).tril_(diagonal=first)
        return self._attend(query, key[:, :, :last], value[:, :, :last], causal=False, mask=mask)


def gather_zigzag(local: Tensor, group: dist.ProcessGroup) -> Tensor:
    """Gathers dim 1 (sequence) of [2, S/n, ...] over the context group, in the order of positions: [2, S, ...].

    The backward pass sums the gradients of all ranks and returns this rank's two chunks.
    """
    return _GatherZigzag.apply(local, group)  # type: ignore[return-value]


class _GatherZigzag(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, local: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.group = group
        size = dist.get_world_size(group)
        parts = [torch.empty_like(local) for _ in range(size)]
        dist.all_gather(parts, local.contiguous(), group=group)
        halves = [part.chunk(2, dim=1) for part in parts]
        return torch.cat([first for first, _ in halves] + [second for _, second in reversed(halves)], dim=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        gradient = gradient.contiguous()
        dist.all_reduce(gradient, group=ctx.group)
        rank, size = dist.get_rank(ctx.group), dist.get_world_size(ctx.group)
        chunks = gradient.chunk(2 * size, dim=1)
        return torch.cat((chunks[rank], chunks[2 * size - 1 - rank]), dim=1), None
