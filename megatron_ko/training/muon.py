"""Muon as megatron-core offers it: momentum, orthogonalized by Newton-Schulz iterations, for the matrices of the layers.

Owns the translation of the configuration to megatron-core's fields. megatron-core gives embeddings, output, norms and biases to
AdamW, orthogonalizes query, key and value apart, and gate and up as the one matrix that it stores
(Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/). Its distributed optimizer takes only Adam, so every
data-parallel rank has the whole state; dividing it by layers (``use_layer_wise_distributed_optimizer``) needs an all-gather of
unequal parts, which gloo lacks.
"""

from __future__ import annotations

from typing import Any

from megatron_ko.config.optimizer import MuonConfig

_MODES = {"gather": "duplicated", "distribute": "distributed", "blockwise": "blockwise"}


def muon_fields(config: MuonConfig, dtype: str) -> dict[str, Any]:
    """Fields of megatron-core's ``OptimizerConfig`` that Muon has in addition, or with other values than AdamW."""
    return {
        "optimizer": "muon",
        "use_distributed_optimizer": False,
        "muon_momentum": config.momentum,
        "muon_nesterov": config.nesterov,
        "muon_num_ns_steps": config.newton_schulz_steps,
        "muon_coefficient_type": config.coefficients,
        "muon_scale_mode": config.scale,
        "muon_extra_scale_factor": config.scale_factor,
        "muon_tp_mode": _MODES[config.split_over_ranks],
        "muon_fp32_matmul_prec": "medium" if dtype == "bf16" else "highest",
    }


def is_muon(group: dict[str, Any]) -> bool:
    """Whether Muon trains the parameters of a group, and not AdamW."""
    return "momentum" in group
