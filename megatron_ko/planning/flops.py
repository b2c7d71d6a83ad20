"""Floating-point operations and parameters of a dense LLaMA-family GPT, in closed form.

Model FLOPs: forward and backward, causal attention counted half, recomputation not counted
(Narayanan et al. 2021, arXiv 2104.04473, without its recompute term).
"""

from __future__ import annotations

from megatron_ko.config.training import ModelConfig, head_size

# Dense matrix-product peaks without sparsity, TFLOP/s, from NVIDIA's data sheets.
GPU_PEAK_TFLOPS = {
    "H100": {"bf16": 989.4, "fp8": 1978.9},
    "H200": {"bf16": 989.4, "fp8": 1978.9},
    "A100": {"bf16": 312.0},
}


def parameters(model: ModelConfig, vocab_size: int) -> int:
    """Trainable parameters with ``vocab_size`` embedding rows."""
    hidden, query, kv = model.hidden_size, model.heads * head_size(model), model.kv_groups * head_size(model)
    attention = hidden * (query + 2 * kv) + query * hidden + (query + 2 * kv if model.qkv_bias else 0)
    layer = attention + 3 * hidden * model.ffn_hidden_size + 2 * hidden
    embeddings = (1 if model.tied_embeddings else 2) * vocab_size * hidden
    return model.layers * layer + hidden + embeddings


def flops_per_token(model: ModelConfig, vocab_size: int, sequence_length: int) -> float:
    """FLOPs of training on one token of a sequence of ``sequence_length``."""
    hidden, query, kv = model.hidden_size, model.heads * head_size(model), model.kv_groups * head_size(model)
    attention = hidden * (query + 2 * kv) + query * sequence_length + query * hidden
    feed_forward = 3 * hidden * model.ffn_hidden_size
    return 6.0 * (model.layers * (attention + feed_forward) + hidden * vocab_size)
