"""What Gemma 2 has and megatron-core lacks: norms of both branches, norms times 1 + weight, soft caps, scaled embeddings.

Owns these modules and the hooks that scale embeddings and cap logits (Gemma Team 2024, arXiv 2408.00118). Modules, names in a
checkpoint and splits are otherwise those of megatron-core. Importing this module imports megatron-core.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from megatron_ko.config.model import ModelConfig
from megatron_ko.training.attention import CausalAttention
from megatron_ko.training.parallel_layer import OwnLayer


class ShiftedRMSNorm(nn.Module):
    """Root mean square norm in fp32 that multiplies by 1 + weight; also supports a slice of the sequence.

    The flag on the weight makes megatron-core sum its gradient over tensor-parallel ranks, as in ``model.RMSNorm``.
    """

    def __init__(self, config: Any, hidden_size: int, eps: float = 1e-5, **_: Any) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.zeros(hidden_size, dtype=config.params_dtype))
        setattr(self.weight, "sequence_parallel", config.sequence_parallel)  # noqa: B010

    def forward(self, hidden: Tensor) -> Tensor:
        weight = 1.0 + self.weight.float()
        return nn.functional.rms_norm(hidden.float(), weight.shape, weight, self.eps).type_as(hidden)


class SandwichLayer(OwnLayer):
    """A layer that norms the output of attention, and of the feed-forward layer, before it is added."""

    def __init__(self, config: Any, submodules: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, submodules, *args, **kwargs)
        norm = submodules.input_layernorm
        self.attention_output_norm, self.mlp_output_norm = (
            norm(config=config, hidden_size=config.hidden_size, eps=config.layernorm_epsilon)
            for _ in range(2)
        )

    def compute(self, hidden: Tensor, attend: Callable[[Tensor], tuple[Tensor, Tensor | None]]) -> Tensor:
        attended, bias = attend(self.input_layernorm(hidden))
        branch = self.attention_output_norm(_with(bias, attended))
        hidden = self.add(self.self_attn_bda, (branch, None), hidden)
        passed, bias = self.mlp(self.pre_mlp_layernorm(hidden))
        return self.add(self.mlp_bda, (self.mlp_output_norm(_with(bias, passed)), None), hidden)


def _with(bias: Tensor | None, output: Tensor) -> Tensor:
    return output if bias is None else output + bias


class CappedAttention(CausalAttention):
    """``CausalAttention`` whose scores s become cap x tanh(s / cap). Keeps S x S scores per head, which SDPA would not."""

    def __init__(self, *args: Any, cap: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cap = cap

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, *, causal: bool, mask: Tensor | None = None
    ) -> Tensor:
        by_group = query.unflatten(1, (key.shape[1], -1))  # [B, groups, heads of a group, S, d]
        scores = by_group @ key.unsqueeze(2).transpose(-1, -2) * self.scale
        scores = self.cap * torch.tanh(scores / self.cap)
        if causal:
            mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf)
        shares = scores.softmax(-1, dtype=torch.float32).type_as(value)
        return (shares @ value.unsqueeze(2)).flatten(1, 2)


def add_hooks(gpt: Any, model: ModelConfig) -> None:
    """Makes this rank's part of a GPT scale its embeddings and cap its logits, where ``model`` says so."""
    if model.embedding_scale and gpt.pre_process:
        gpt.embedding.register_forward_hook(lambda module, inputs, output: _scaled(output, model.hidden_size))
    if model.logit_cap is not None and gpt.post_process:
        cap = model.logit_cap
        gpt.output_layer.register_forward_hook(
            lambda module, inputs, output: (cap * torch.tanh(output[0] / cap), output[1])
        )


def _scaled(embeddings: Tensor, hidden_size: int) -> Tensor:
    """Times the square root of ``hidden_size``, rounded to the number format of the embeddings as in Gemma."""
    return embeddings * torch.tensor(hidden_size**0.5, dtype=embeddings.dtype, device=embeddings.device)
