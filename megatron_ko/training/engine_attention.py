"""Attention within documents on Transformer Engine's kernels for sequences of variable length (format ``thd``).

Owns the one subclass of its core attention. Only on a GPU; without context parallelism, for which ``thd`` would have to pad every
document.
"""

from __future__ import annotations

import functools
from typing import Any

from torch import Tensor

from megatron_ko.training.documents import attend_flat, carried_by


@functools.cache
def engine_attention() -> type:
    """The class, with the constructor and forward of megatron-core's core attention on Transformer Engine."""
    from megatron.core.extensions.transformer_engine import TEDotProductAttention

    class DocumentAttention(TEDotProductAttention):
        def forward(
            self,
            query: Tensor,
            key: Tensor,
            value: Tensor,
            attention_mask: Tensor | None,
            attn_mask_type: Any,
            attention_bias: Tensor | None = None,
            packed_seq_params: Any = None,
            **more: Any,
        ) -> Tensor:
            documents = carried_by(packed_seq_params)
            attend = super().forward
            if documents is None:
                return attend(query, key, value, attention_mask, attn_mask_type, attention_bias, **more)

            def attend_thd(query: Tensor, key: Tensor, value: Tensor, parameters: Any) -> Tensor:
                return attend(
                    query,
                    key,
                    value,
                    None,
                    attn_mask_type,
                    attention_bias,
                    packed_seq_params=parameters,
                    **more,
                )

            return attend_flat(attend_thd, query, key, value, documents)

    return DocumentAttention
