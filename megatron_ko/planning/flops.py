"""Floating-point operations of training a dense GPT: sums over the table of weights, plus attention.

Model FLOPs: forward and backward pass, half of full attention because of causality, no recomputation
(Narayanan et al. 2021, arXiv 2104.04473, without its recompute term).
"""

from __future__ import annotations

from megatron_ko.config.model import ModelConfig
from megatron_ko.planning.weights import axis_sizes, multiplies, stage_entries

# Peaks of dense matrix products (no sparsity) in TFLOP/s, from NVIDIA's data sheets.
# The first entry that is part of the name of a GPU counts: the PCIe and NVL cards are slower than the SXM module.
GPU_PEAK_TFLOPS = {
    "H100 PCIe": {"bf16": 756.5, "fp8": 1513.0},
    "H100 NVL": {"bf16": 835.5, "fp8": 1671.0},
    "H100": {"bf16": 989.4, "fp8": 1978.9},
    "H200": {"bf16": 989.4, "fp8": 1978.9},
    "A100": {"bf16": 312.0},
}


def fp8_share(model: ModelConfig, vocab_size: int, sequence_length: int, fp8_layers: range) -> float:
    """Fraction of ``flops_per_token`` that the matrix products of ``fp8_layers`` take."""
    entries = stage_entries(model, vocab_size, 0, 1)
    inside = sum(
        entry.size
        for entry in entries
        if entry.layer is not None and entry.layer in fp8_layers and multiplies(entry.weight, model)
    )
    return 6.0 * inside / flops_per_token(model, vocab_size, sequence_length)


def flops_per_token(
    model: ModelConfig, vocab_size: int, sequence_length: float, adapter_parameters: int | None = None
) -> float:
    """FLOPs of training on one token of a sequence of ``sequence_length`` tokens; with attention within documents, of
    ``document_spans.mean_span`` tokens.

    Forward and backward pass take 6 FLOPs per element of a matrix that multiplies. Attention multiplies queries with keys
    and probabilities with values: 2 x query width x sequence length multiplications, halved by causality.
    With ``adapter_parameters``, the matrices are frozen: without their gradients they take 4 FLOPs per element.
    """
    entries = stage_entries(model, vocab_size, 0, 1)
    matrices = sum(entry.size for entry in entries if multiplies(entry.weight, model))
    attention = model.layers * axis_sizes(model, vocab_size)["q"] * sequence_length
    if adapter_parameters is not None:
        return 4.0 * matrices + 6.0 * (attention + adapter_parameters)
    return 6.0 * (matrices + attention)


def forward_flops_per_token(model: ModelConfig, vocab_size: int, sequence_length: float) -> float:
    """FLOPs of the forward pass alone, such as a teacher's: a third of those of training."""
    return flops_per_token(model, vocab_size, sequence_length) / 3
