"""AdamW in megatron-core's distributed optimizer: groups, hyper-parameters owned by the configuration.

megatron-core stores learning rate and decay in every group and prefers what a checkpoint restored (defect 5 of
0.16.1), so ``set_hyperparameters`` writes them before each step: nothing but the configuration decides.
"""

from __future__ import annotations

from typing import Any

import torch

from megatron_ko.config.training import OptimizerConfig


def build_optimizer(wrapped: Any, config: OptimizerConfig, dtype: str) -> Any:
    """The distributed optimizer of this rank's wrapped model. Collective: every rank builds it."""
    from megatron.core.optimizer import OptimizerConfig as MegatronOptimizerConfig
    from megatron.core.optimizer import get_megatron_optimizer, get_standard_config_overrides

    settings = MegatronOptimizerConfig(
        optimizer="adam",
        lr=config.learning_rate,
        min_lr=0.0,
        weight_decay=config.weight_decay,
        adam_beta1=config.beta1,
        adam_beta2=config.beta2,
        adam_eps=config.epsilon,
        clip_grad=config.clip_grad_norm,
        bf16=dtype == "bf16",
        params_dtype=torch.bfloat16 if dtype == "bf16" else torch.float32,
        use_distributed_optimizer=True,
    )
    built = get_megatron_optimizer(
        settings, [wrapped], config_overrides=get_standard_config_overrides(settings)
    )
    for adam in torch_adams(built):
        for group in adam.param_groups:
            group["fused"] = True  # one pass over the memory; megatron-core leaves torch's loop over tensors
    return built


def set_hyperparameters(optimizer: Any, config: OptimizerConfig, learning_rate: float) -> None:
    """Writes the learning rate of this step and every other hyper-parameter into all groups."""
    for group in optimizer.param_groups:
        group["lr"] = group["max_lr"] = group["min_lr"] = learning_rate
        group["weight_decay"] = config.weight_decay * group["wd_mult"]
        group["start_wd"] = group["end_wd"] = config.weight_decay
        group["betas"] = (config.beta1, config.beta2)
        group["eps"] = config.epsilon
        if "fused" in group:
            group["fused"] = True


def torch_adams(optimizer: Any) -> list[torch.optim.Optimizer]:
    """The torch Adam(W) optimizers inside; empty where Transformer Engine's or Apex's FusedAdam is used."""
    inner = [o.optimizer for o in optimizer.chained_optimizers if not getattr(o, "is_stub_optimizer", False)]
    return [o for o in inner if isinstance(o, (torch.optim.Adam, torch.optim.AdamW))]
