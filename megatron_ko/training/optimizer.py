"""AdamW in megatron-core's distributed optimizer, or Muon beside AdamW, with hyperparameters from the configuration.

megatron-core restores learning rate and decay of every group from a checkpoint, so ``set_hyperparameters`` writes them
before each step: only the configuration determines them. The labels that identify a saved group (``max_lr``, ``min_lr``,
``start_wd``, ``end_wd``; megatron-core's scheduler is not used) keep the values they were built with.
"""

from __future__ import annotations

from typing import Any

import torch

from megatron_ko.config.fp8 import Fp8, NoFp8
from megatron_ko.config.optimizer import MuonConfig, OptimizerConfig
from megatron_ko.planning.speed import Switches
from megatron_ko.training.chunks import chunks_of
from megatron_ko.training.engine import use_adam
from megatron_ko.training.megatron_fields import optimizer_fields
from megatron_ko.training.muon import is_muon, muon_fields


def build_optimizer(
    ddp_model: Any,
    config: OptimizerConfig,
    dtype: str,
    switches: Switches | None = None,
    fp8: Fp8 | None = None,
) -> Any:
    """Builds the optimizer of this rank's wrapped model. Collective."""
    from megatron.core.optimizer import OptimizerConfig as MegatronOptimizerConfig
    from megatron.core.optimizer import ParamKey, get_megatron_optimizer, get_standard_config_overrides

    fields: dict[str, Any] = dict(
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
        **optimizer_fields(fp8 or NoFp8(), switches or Switches()),
    )
    if isinstance(config, MuonConfig):
        fields.update(muon_fields(config, dtype))
    settings = MegatronOptimizerConfig(**fields)
    if switches and next(ddp_model.parameters()).device.type == "cuda":
        use_adam(switches.adam)
    overrides: dict[Any, Any] = get_standard_config_overrides(settings)
    if config.embedding_learning_rate is not None:
        overrides[ParamKey(attr="is_embedding_or_output_parameter")] = {"is_decoupled_lr": True}
    optimizer = get_megatron_optimizer(settings, chunks_of(ddp_model), config_overrides=overrides)
    for adam in torch_adams(optimizer):
        for group in adam.param_groups:
            group["fused"] = True  # one pass over memory; torch's default loops over tensors
    return optimizer


def set_hyperparameters(optimizer: Any, config: OptimizerConfig, learning_rate: float) -> None:
    """Writes the learning rate of this step and all other hyperparameters to all groups.

    AdamW multiplies a weight by 1 - lr x weight_decay. Independent decay is 1 - (lr / peak) x weight_decay.
    """
    for group in optimizer.param_groups:
        peak = config.learning_rate
        if group["is_decoupled_lr"] and config.embedding_learning_rate is not None:
            peak = config.embedding_learning_rate
        if isinstance(config, MuonConfig) and is_muon(group):
            peak = config.muon_learning_rate or config.learning_rate
            group["momentum"] = config.momentum
        group["lr"] = learning_rate * (peak / config.learning_rate)
        decay = config.weight_decay * group["wd_mult"]
        group["weight_decay"] = decay / peak if config.decoupled == "independent" else decay
        if "betas" in group:
            group["betas"] = (config.beta1, config.beta2)
            group["eps"] = config.epsilon
        if "fused" in group:
            group["fused"] = True


def gradient_norm(optimizer: Any) -> float:
    """Hands the gradients to the optimizer and returns their L2 norm over all ranks, before clipping. Collective."""
    assert not optimizer.prepare_grads(), "only fp16 scales gradients and finds them infinite here"
    return float(optimizer.get_grad_norm())


def clip_and_update(optimizer: Any, norm: float) -> None:
    """Clips the gradients of norm ``norm`` and updates the weights: the rest of megatron-core's ``step``. Collective."""
    from megatron.core.optimizer.clip_grads import clip_grad_by_total_norm_fp32

    for part in distributed_optimizers(optimizer):
        if part.config.clip_grad > 0.0 and (parameters := part.get_parameters()):
            clip_grad_by_total_norm_fp32(parameters, part.config.clip_grad, norm)
    optimizer.step_with_ready_grads()


_KEYS = ("wd_mult", "lr_mult", "is_expert_parallel", "is_decoupled_lr")
_LABELS = ("max_lr", "min_lr", "start_wd", "end_wd", "optimizer")


def relabel_groups(state: dict[Any, Any], optimizer: Any) -> None:
    """Copies the labels of this run's groups to the groups with the same key in a checkpoint's ``state``.

    megatron-core 0.19 identifies a saved group by its key and labels, which include the learning rate it was built with:
    with another learning rate in the configuration, no group would match. Groups that this run lacks stay unchanged; those
    that the checkpoint lacks are added.
    """
    parts = optimizer.chained_optimizers
    states = [state] if len(parts) == 1 else [state[number] for number in range(len(parts))]
    for part, own in zip(parts, states, strict=True):
        _relabel(own.get("optimizer", own)["param_groups"], part.param_groups)


def _relabel(saved_groups: list[dict[str, Any]], own_groups: list[dict[str, Any]]) -> None:
    ours = {_key(group): group for group in own_groups}
    assert len(ours) == len(own_groups), "groups have equal keys; give each its own lr_mult"
    for group in saved_groups:
        if same := ours.get(_key(group)):
            for label in _LABELS:
                group.pop(label, None)
            group.update({label: same[label] for label in _LABELS if label in same})
    # a group that the checkpoint lacks: embeddings with a rate of their own, or only anchors of this layout
    saved = {_key(group): group for group in saved_groups}
    for key, group in ours.items():
        if key not in saved:
            other = {name: value for name, value in next(iter(saved.values())).items() if name not in _LABELS}
            fields = {name: value for name, value in group.items() if name not in ("params", "step")}
            saved_groups.append({**other, **fields})


def _key(group: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(group.get(name) for name in _KEYS)


def distributed_optimizers(optimizer: Any) -> list[Any]:
    """megatron-core's optimizers of this rank that have parameters: one distributed optimizer, or those of Muon and AdamW."""
    return [o for o in optimizer.chained_optimizers if not getattr(o, "is_stub_optimizer", False)]


def shard_of(part: Any, parameter: Any) -> tuple[Any, Any]:
    """The tensor that a distributed optimizer holds for a parameter, and its range of the parameter's elements.

    ``part.model_param_group_index_map`` contains the parameters of which this rank owns an element.
    """
    group, index = part.model_param_group_index_map[parameter]
    main = part.optimizer.param_groups[group]["params"][index]
    return main, part._get_model_param_range_map(parameter)["param"]


def torch_adams(optimizer: Any) -> list[torch.optim.Optimizer]:
    """Returns the torch Adam(W) optimizers inside; none if Transformer Engine's or Apex's FusedAdam is used."""
    inner = [o.optimizer for o in distributed_optimizers(optimizer)]
    return [o for o in inner if isinstance(o, (torch.optim.Adam, torch.optim.AdamW))]


def prime(adam: Any) -> None:
    """Creates the state of parameters that have none: zero moments and, for torch's Adam, a step of 0.

    The step is beside the parameter: the fused kernel of a GPU reads it there.
    """
    counts = isinstance(adam, (torch.optim.Adam, torch.optim.AdamW))
    for parameter in (p for group in adam.param_groups for p in group["params"]):
        if not adam.state[parameter]:
            if counts:
                adam.state[parameter]["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            zeros = [torch.zeros_like(parameter.data) for _ in range(2)]
            adam.state[parameter].update(exp_avg=zeros[0], exp_avg_sq=zeros[1])


def adam_step(adam: Any) -> float:
    """The steps that Adam has counted: of each parameter in torch, of each group in FusedAdam."""
    counted = [float(state["step"]) for state in adam.state.values() if "step" in state]
    counted += [float(group["step"]) for group in adam.param_groups if "step" in group]
    return max(counted, default=0.0)


def set_adam_step(adam: Any, step: float) -> None:
    """Sets the step of all parameters, which have been primed."""
    for state in adam.state.values():
        if "step" in state:
            state["step"] = torch.full_like(state["step"], step)
    if not isinstance(adam, (torch.optim.Adam, torch.optim.AdamW)):
        for group in adam.param_groups:
            group["step"] = int(step)
