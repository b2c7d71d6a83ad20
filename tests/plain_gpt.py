"""The same LLaMA-family GPT in plain PyTorch: the reference for results and speed, written for readability."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from megatron_ko.config.model import ModelConfig, head_size


class PlainLayer(nn.Module):
    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        size, hidden = head_size(model), model.hidden_size
        self.heads, self.groups, self.size, self.epsilon = (
            model.heads,
            model.kv_groups,
            size,
            model.norm_epsilon,
        )
        self.attention_norm, self.ffn_norm = (nn.Parameter(torch.ones(hidden)) for _ in range(2))
        self.query = nn.Linear(hidden, model.heads * size, bias=model.qkv_bias)
        self.key = nn.Linear(hidden, model.kv_groups * size, bias=model.qkv_bias)
        self.value = nn.Linear(hidden, model.kv_groups * size, bias=model.qkv_bias)
        self.query_norm, self.key_norm = (
            nn.Parameter(torch.ones(size)) if model.qk_norm else None for _ in range(2)
        )
        self.output = nn.Linear(model.heads * size, hidden, bias=False)
        self.gate, self.up = (nn.Linear(hidden, model.ffn_hidden_size, bias=False) for _ in range(2))
        self.down = nn.Linear(model.ffn_hidden_size, hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, length, hidden = x.shape
        normed = F.rms_norm(x, (hidden,), self.attention_norm, self.epsilon)
        query = self.query(normed).view(batch, length, self.heads, self.size).transpose(1, 2)
        key = self.key(normed).view(batch, length, self.groups, self.size).transpose(1, 2)
        value = self.value(normed).view(batch, length, self.groups, self.size).transpose(1, 2)
        if self.query_norm is not None and self.key_norm is not None:
            query = F.rms_norm(query, (self.size,), self.query_norm, self.epsilon)
            key = F.rms_norm(key, (self.size,), self.key_norm, self.epsilon)
        query, key = _turn(query, cos, sin), _turn(key, cos, sin)
        context = F.scaled_dot_product_attention(
            query, key, value, is_causal=True, enable_gqa=self.heads != self.groups
        )
        x = x + self.output(context.transpose(1, 2).reshape(batch, length, -1))
        normed = F.rms_norm(x, (hidden,), self.ffn_norm, self.epsilon)
        return x + self.down(F.silu(self.gate(normed)) * self.up(normed))


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class PlainGPT(nn.Module):
    """Maps tokens [B, S] to logits [B, S, vocab_size]."""

    def __init__(self, model: ModelConfig, vocab_size: int) -> None:
        super().__init__()
        self.model = model
        self.embedding = nn.Embedding(vocab_size, model.hidden_size)
        self.layers = nn.ModuleList(PlainLayer(model) for _ in range(model.layers))
        self.final_norm = nn.Parameter(torch.ones(model.hidden_size))
        self.head = nn.Linear(model.hidden_size, vocab_size, bias=False)
        if model.tied_embeddings:
            self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        size = head_size(self.model)
        exact = {"dtype": torch.float32, "device": tokens.device}
        frequencies = self.model.rope.base ** -(torch.arange(0, size, 2, **exact) / size)
        angles = torch.outer(torch.arange(tokens.shape[1], **exact), frequencies).repeat(1, 2)
        x = self.embedding(tokens)
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return self.head(F.rms_norm(x, x.shape[-1:], self.final_norm, self.model.norm_epsilon))

    def loss(self, tokens: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self(tokens).flatten(0, 1).float(), labels.flatten())


@torch.no_grad()
def copy_weights(gpt: Any, plain: PlainGPT) -> None:
    """From megatron-core's GPTModel on one rank (local spec); without rows of padding."""
    state = {name: tensor for name, tensor in gpt.state_dict().items() if isinstance(tensor, Tensor)}
    model, vocab = plain.model, plain.embedding.num_embeddings
    size, per_group = head_size(model), model.heads // model.kv_groups
    plain.embedding.weight.copy_(state["embedding.word_embeddings.weight"][:vocab])
    if not model.tied_embeddings:
        plain.head.weight.copy_(state["output_layer.weight"][:vocab])
    plain.final_norm.copy_(state["decoder.final_layernorm.weight"])
    for number, layer in enumerate(plain.layers):
        at = f"decoder.layers.{number}."
        layer.attention_norm.copy_(state[at + "input_layernorm.weight"])
        layer.ffn_norm.copy_(state[at + "pre_mlp_layernorm.weight"])
        fused = state[at + "self_attention.linear_qkv.weight"].view(model.kv_groups, per_group + 2, size, -1)
        layer.query.weight.copy_(fused[:, :per_group].flatten(0, 2))
        layer.key.weight.copy_(fused[:, per_group].flatten(0, 1))
        layer.value.weight.copy_(fused[:, per_group + 1].flatten(0, 1))
        if layer.query_norm is not None and layer.key_norm is not None:
            layer.query_norm.copy_(state[at + "self_attention.q_layernorm.weight"])
            layer.key_norm.copy_(state[at + "self_attention.k_layernorm.weight"])
        layer.output.weight.copy_(state[at + "self_attention.linear_proj.weight"])
        gate, up = state[at + "mlp.linear_fc1.weight"].chunk(2)
        layer.gate.weight.copy_(gate)
        layer.up.weight.copy_(up)
        layer.down.weight.copy_(state[at + "mlp.linear_fc2.weight"])
