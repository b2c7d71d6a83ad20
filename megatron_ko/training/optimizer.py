"""AdamW in megatron-core's distributed optimizer: groups, hyper-parameters owned by the configuration.

megatron-core restores learning rate and decay of every group from a checkpoint, so ``set_hyperparameters`` writes them
before each step: nothing but the configuration decides. The labels by which groups are found again (``max_lr``,
``min_lr``, ``start_wd``, ``end_wd``; their scheduler is not used) stay as they were built.
"""

from __future__ import annotations

from typing import Any

import torch

from megatron_ko.config.training import OptimizerConfig


def build_optimizer(ddp_model: Any, config: OptimizerConfig, dtype: str) -> Any:
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
        settings, [ddp_model], config_overrides=get_standard_config_overrides(settings)
    )
    for adam in torch_adams(built):
        for group in adam.param_groups:
            group["fused"] = True  # one pass over the memory; megatron-core leaves torch's loop over tensors
    return built


def set_hyperparameters(optimizer: Any, config: OptimizerConfig, learning_rate: float) -> None:
    """Writes the learning rate of this step and every other hyper-parameter into all groups."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
        group["weight_decay"] = config.weight_decay * group["wd_mult"]
        group["betas"] = (config.beta1, config.beta2)
        group["eps"] = config.epsilon
        if "fused" in group:
            group["fused"] = True


_KINDS = ("wd_mult", "lr_mult", "is_expert_parallel", "is_decoupled_lr")
_LABELS = ("max_lr", "min_lr", "start_wd", "end_wd", "optimizer")


def relabel_groups(state: dict[str, Any], optimizer: Any) -> None:
    """Gives the groups in a checkpoint's ``state`` the labels of this run's groups of the same kind.

    megatron-core 0.19 finds a saved group by its kind and its labels, the learning rate it was built with among them:
    with another rate in the configuration no group would be found. Kinds this run lacks are left alone.
    """
    assert "param_groups" in state.get("optimizer", {}), (
        "several optimizers are chained: relabel the groups of each"
    )
    ours = {_kind(group): group for group in optimizer.param_groups}
    assert len(ours) == len(optimizer.param_groups), "groups of one kind: give each an lr_mult of its own"
    for group in state["optimizer"]["param_groups"]:
        if same := ours.get(_kind(group)):
            for label in _LABELS:
                group.pop(label, None)
            group.update({label: same[label] for label in _LABELS if label in same})


def _kind(group: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(group.get(name) for name in _KINDS)


def torch_adams(optimizer: Any) -> list[torch.optim.Optimizer]:
    """The torch Adam(W) optimizers inside; empty where Transformer Engine's or Apex's FusedAdam is used."""
    inner = [o.optimizer for o in optimizer.chained_optimizers if not getattr(o, "is_stub_optimizer", False)]
    return [o for o in inner if isinstance(o, (torch.optim.Adam, torch.optim.AdamW))]
