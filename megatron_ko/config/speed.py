"""The section ``speed``: how the same model is computed and communicated, and in which formats Adam keeps its state.

``planning/speed.py`` owns what a field that is not given means on a device, and the rules over several fields.
"""

from __future__ import annotations

from typing import Literal

from megatron_ko.config.fields import Flag, Fraction, PositiveInt, section


@section
class SpeedConfig:
    layers: Literal["auto", "engine", "own"] = "auto"
    """Modules of the layers: engine (Transformer Engine's), own (megatron-core's with our RMSNorm and attention), or auto (engine
    on a GPU where it is installed, otherwise own). Checkpoints are the same."""
    attention: Literal["auto", "flash", "fused", "sdpa"] = "auto"
    """Kernel of attention: flash (FlashAttention), fused (cuDNN) or sdpa (PyTorch's own choice); auto lets Transformer Engine
    choose, and is sdpa in own layers."""
    compile: Flag = False
    """Whether torch.compile compiles each layer; own layers on a GPU only."""
    overlap_grad_reduce: Flag | None = None
    """Whether gradients are reduced over data-parallel ranks during the backward pass; by default on a GPU."""
    overlap_param_gather: Flag | None = None
    """Whether updated weights are gathered during the next forward pass; by default on a GPU with
    overlap_grad_reduce, except of adapters."""
    bucket_size: PositiveInt | None = None
    """Parameters whose gradients are reduced together when reduction overlaps; by default 40 million or, if larger, a million for
    each data-parallel rank."""
    overlap_tensor_parallel: Flag = False
    """Whether communication of tensor-parallel ranks overlaps with matrix products (Transformer Engine's user buffers); needs
    parallel.sequence."""
    fused_gradient_accumulation: Flag | None = None
    """Whether matrix products add weight gradients to the fp32 buffer themselves; by default in layers of Transformer Engine."""
    fused_rope: Flag | None = None
    """Whether one kernel rotates queries and keys; by default in layers of Transformer Engine."""
    fused_swiglu: Flag | None = None
    """Whether one compiled kernel computes SwiGLU; by default on a GPU."""
    fused_residual: Flag | None = None
    """Whether one compiled kernel adds the residual; by default on a GPU."""
    fused_norm_linear: Flag | None = None
    """Whether the norms before attention and SwiGLU are part of the matrix products behind them; by default in layers of
    Transformer Engine."""
    fused_cross_entropy: Flag = False
    """Whether torch.compile fuses the passes of the loss over the logits; on a GPU only."""
    cuda_graphs: Literal["none", "layers"] = "none"
    """What is recorded and replayed as CUDA graphs: none, or each layer's forward and backward pass."""
    adam: Literal["auto", "engine", "apex", "torch"] = "auto"
    """Implementation of AdamW: engine (Transformer Engine's FusedAdam), apex (NVIDIA's Apex), torch (fused kernel), or auto: the
    first that is installed."""
    precision_aware_adam: Flag = False
    """Whether Adam keeps of each fp32 weight only the 16 bits that its bf16 weight lacks (exact); needs adam: engine."""
    adam_moments: Literal["fp32", "bf16", "fp8"] = "fp32"
    """Number format of both moments; below fp32 it needs precision_aware_adam."""
    gradients: Literal["fp32", "bf16"] = "fp32"
    """Number format in which gradients are accumulated and reduced; bf16 needs precision_aware_adam."""
    offload_optimizer: Fraction = 0.0
    """Fraction of the parameters whose optimizer state and update are on the host's CPU."""
