"""A transformer layer with parallel residual, and LayerNorm for a slice of the sequence: GPT-NeoX, Phi-2.

Attention and feed-forward layer read the same input: x + attention(norm(x)) + mlp(norm'(x)) (Wang and Komatsuzaki 2021,
GPT-J). Modules, names in a checkpoint and splits are those of megatron-core's ``TransformerLayer``. Importing this module
imports megatron-core.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from megatron.core.transformer.identity_op import IdentityOp
from megatron.core.transformer.transformer_layer import TransformerLayer
from torch import Tensor, nn


class LayerNorm(nn.Module):
    """LayerNorm over the last dim that also supports a slice of the sequence.

    Sequence parallelism splits the sequence over tensor-parallel ranks, so the gradients are partial sums; the flags on both
    parameters make megatron-core sum them. Input and output: [sequence, batch, hidden].
    """

    def __init__(self, config: Any, hidden_size: int, eps: float = 1e-5, **_: Any) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(hidden_size, dtype=config.params_dtype))
        self.bias = nn.Parameter(torch.zeros(hidden_size, dtype=config.params_dtype))
        for parameter in (self.weight, self.bias):
            setattr(parameter, "sequence_parallel", config.sequence_parallel)  # noqa: B010

    def forward(self, hidden: Tensor) -> Tensor:
        return nn.functional.layer_norm(hidden, self.weight.shape, self.weight, self.bias, self.eps)


class OwnLayer(TransformerLayer):
    """A layer that computes its output by itself, from the modules of megatron-core's ``TransformerLayer``."""

    input_layernorm: Any
    pre_mlp_layernorm: Any
    mlp: Any

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        context: Tensor | None = None,
        rotary_pos_emb: Tensor | None = None,
        packed_seq_params: Any = None,
        **others: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """Maps [sequence, batch, hidden] to the same shape, and returns ``context`` as it is."""
        if used := sorted(name for name, value in others.items() if value is not None):
            raise NotImplementedError(f"{type(self).__name__} supports no {', '.join(used)}")
        attend = partial(
            self.self_attention,
            attention_mask=attention_mask,
            rotary_pos_emb=rotary_pos_emb,
            packed_seq_params=packed_seq_params,
        )
        return self.compute(hidden_states, attend), context

    def compute(self, hidden: Tensor, attend: Callable[[Tensor], tuple[Tensor, Tensor | None]]) -> Tensor:
        """Maps [sequence, batch, hidden] to the same shape; ``attend`` returns the output of attention and its bias."""
        raise NotImplementedError

    def add(self, bias_dropout_add: Any, with_bias: tuple[Tensor, Tensor | None], residual: Tensor) -> Tensor:
        """The residual plus a branch and its bias, by megatron-core's ``bias_dropout_add``."""
        if self.config.fp32_residual_connection:
            residual = residual.float()
        add = bias_dropout_add(self.training, self.config.bias_dropout_fusion)
        return add(with_bias, residual, self.hidden_dropout)


class ParallelLayer(OwnLayer):
    """A layer without ``pre_mlp_layernorm`` gives the feed-forward layer what ``input_layernorm`` returns.

    Transformer Engine has both norms inside its linear layers, and neither here: then both layers read x itself.
    """

    def compute(self, hidden: Tensor, attend: Callable[[Tensor], tuple[Tensor, Tensor | None]]) -> Tensor:
        attention_input = self.input_layernorm(hidden)
        shared = isinstance(self.pre_mlp_layernorm, IdentityOp)
        mlp_input = attention_input if shared else self.pre_mlp_layernorm(hidden)
        output = self.add(self.self_attn_bda, attend(attention_input), hidden)
        return self.add(self.mlp_bda, self.mlp(mlp_input), output)
