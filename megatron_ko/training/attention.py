"""Causal attention on ``scaled_dot_product_attention``: grouped queries, no S x S mask, documents, context parallelism.

Replaces megatron-core's ``DotProductAttention`` (same constructor and forward) where Transformer Engine is missing. Under
context parallelism, keys and values are gathered over the context group; rank i of n has the zig-zag chunks i and 2n-1-i
of the sequence, as ``get_batch_on_this_cp_rank`` distributes them. Attention within documents is one call for each document; under
context parallelism, one for each block of queries, with only the keys from the first of its documents on.
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
from megatron_ko.training.documents import Documents, carried_by

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
        if attention_mask is not None or attention_bias is not None:
            raise NotImplementedError("CausalAttention supports no mask or bias; use Transformer Engine")
        documents = carried_by(packed_seq_params)
        if self.context_size > 1:
            return self._context_parallel(query, key, value, documents)
        query, key, value = (t.permute(1, 2, 0, 3) for t in (query, key, value))
        if documents is None:
            context = self._attend(query, key, value, causal=True)
        else:
            context = self._within_documents(query, key, value, documents)
        return context.permute(2, 0, 1, 3).flatten(2)

    def _within_documents(self, query: Tensor, key: Tensor, value: Tensor, documents: Documents) -> Tensor:
        """[B, heads, S, d] of all; one call for each document."""
        rows = []
        for row, spans in enumerate(documents.spans):
            own = [tensor[row : row + 1] for tensor in (query, key, value)]
            parts = [self._attend(*(t[:, :, start:end] for t in own), causal=True) for start, end in spans]
            rows.append(torch.cat(parts, dim=2))
        return torch.cat(rows)

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, *, causal: bool, mask: Tensor | None = None
    ) -> Tensor:
        grouped = query.shape[1] != key.shape[1]
        return scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=causal, scale=self.scale, enable_gqa=grouped
        )

    def _context_parallel(
        self, query: Tensor, key: Tensor, value: Tensor, documents: Documents | None
    ) -> Tensor:
        group = distributed.context_group()
        rank, size = dist.get_rank(group), self.context_size
        key, value = gather_zigzag(torch.stack((key, value)), group).unbind(0)
        key, value = key.permute(1, 2, 0, 3), value.permute(1, 2, 0, 3)
        chunk = query.shape[0] // 2
        outputs = []
        query = query.permute(1, 2, 0, 3)
        for half, number in enumerate((rank, 2 * size - 1 - rank)):
            for row in range(0, chunk, QUERY_BLOCK):
                here = slice(half * chunk + row, half * chunk + min(row + QUERY_BLOCK, chunk))
                starts, lowest = None, 0
                if documents is not None:
                    starts, lowest = documents.starts[:, here], int(documents.host_starts[:, here].min())
                outputs.append(
                    checkpoint(
                        self._block, query[:, :, here], key, value, number * chunk + row, starts, lowest,
                        use_reentrant=False, preserve_rng_state=False,
                    )
                )  # fmt: skip
        return torch.cat(outputs, dim=2).permute(2, 0, 1, 3).flatten(2)

    def _block(
        self, query: Tensor, key: Tensor, value: Tensor, first: int, starts: Tensor | None, lowest: int
    ) -> Tensor:
        """Attention of queries from position ``first`` on to the keys from ``lowest`` up to the last query, of its own
        document where ``starts`` [B, rows] contains the first position of each query's; only this call has the mask."""
        rows = query.shape[2]
        last = first + rows
        mask = torch.ones(rows, last - lowest, dtype=torch.bool, device=query.device).tril_(first - lowest)
        if starts is not None:
            positions = torch.arange(lowest, last, device=query.device)
            mask = (mask & (positions >= starts[:, :, None])).unsqueeze(1)
        keys, values = key[:, :, lowest:last], value[:, :, lowest:last]
        return self._attend(query, keys, values, causal=False, mask=mask)


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
