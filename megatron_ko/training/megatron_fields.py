"""The fields of megatron-core's configurations that ``precision.fp8`` and ``speed`` set: pure functions, for both versions.

``model.py`` builds ``TransformerConfig`` and the data-parallel wrapper with them, ``optimizer.py`` the optimizer.
"""

from __future__ import annotations

from typing import Any

import torch

from megatron_ko.config.fp8 import DelayedFp8, Fp8, bf16_layers, gathers_parameters, uses_fp8
from megatron_ko.planning.speed import Switches

# Adam of Transformer Engine keeps FP8 moments as bytes
_MOMENTS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp8": torch.uint8}


def transformer_fields(fp8: Fp8, switches: Switches, *, apex: bool = False) -> dict[str, Any]:
    """Fields of ``TransformerConfig``; ``apex``: NVIDIA's compiled build is installed.

    Linear layers of megatron-core accumulate gradients with a kernel of Apex; those of Transformer Engine have their own
    (``engine.fuse_gradient_accumulation``).
    """
    fields: dict[str, Any] = dict(
        gradient_accumulation_fusion=switches.fused_gradient_accumulation and apex,
        bias_activation_fusion=switches.fused_swiglu,
        bias_dropout_fusion=switches.fused_residual,
        apply_rope_fusion=switches.fused_rope,
    )
    if switches.overlap_tensor_parallel:
        fields["tp_comm_overlap"] = True
    if switches.cuda_graphs:
        fields["cuda_graph_impl"] = "local"
    if switches.attention in ("flash", "fused"):
        from megatron.core.transformer.enums import AttnBackend

        fields["attention_backend"] = AttnBackend[switches.attention]
    return {**fields, **_fp8_fields(fp8)}


def _fp8_fields(fp8: Fp8) -> dict[str, Any]:
    if not uses_fp8(fp8):
        return {}
    first, last = bf16_layers(fp8)
    fields: dict[str, Any] = dict(fp8=fp8.format, fp8_recipe=fp8.type, fp8_param=gathers_parameters(fp8))  # type: ignore[union-attr]
    if first or last:
        fields.update(
            first_last_layers_bf16=True,
            num_layers_at_start_in_bf16=first,
            num_layers_at_end_in_bf16=last,
        )
    if isinstance(fp8, DelayedFp8):
        fields.update(fp8_amax_history_len=fp8.history_steps, fp8_amax_compute_algo="max")
    return fields


def data_parallel_fields(fp8: Fp8, switches: Switches) -> dict[str, Any]:
    """Fields of ``DistributedDataParallelConfig``."""
    return dict(
        use_distributed_optimizer=True,
        grad_reduce_in_fp32=switches.gradients == "fp32",
        overlap_grad_reduce=switches.overlap_grad_reduce,
        overlap_param_gather=switches.overlap_param_gather,
        bucket_size=switches.bucket_size,
        check_for_nan_in_grad=False,
        fp8_param_gather=gathers_parameters(fp8),
        reuse_grad_buf_for_mxfp8_param_ag=_shares_buffer(fp8),
    )


def optimizer_fields(fp8: Fp8, switches: Switches) -> dict[str, Any]:
    """Fields of ``OptimizerConfig``, without hyperparameters."""
    fields: dict[str, Any] = dict(
        overlap_param_gather=switches.overlap_param_gather,
        fp8_recipe=fp8.type if uses_fp8(fp8) else None,
        reuse_grad_buf_for_mxfp8_param_ag=_shares_buffer(fp8),
    )
    if switches.precision_aware_adam:
        fields.update(
            use_precision_aware_optimizer=True,
            main_grads_dtype=_MOMENTS[switches.gradients],
            exp_avg_dtype=_MOMENTS[switches.adam_moments],
            exp_avg_sq_dtype=_MOMENTS[switches.adam_moments],
        )
    if switches.offload_optimizer:
        fields.update(
            optimizer_cpu_offload=True,
            optimizer_offload_fraction=switches.offload_optimizer,
            overlap_cpu_optimizer_d2h_h2d=True,
        )
    return fields


def _shares_buffer(fp8: Fp8) -> bool:
    """MXFP8 weights are gathered through the gradient buffer, without which they need one of their own."""
    return fp8.type == "mxfp8" and gathers_parameters(fp8)
