"""The boundary between two stages in one process: new wrapper, new optimizer, the moments of what goes on training.

Owns the release of the old buffers and the transfer of the optimizer state. The state of a parameter is divided among
data-parallel ranks by its position in the buffer, which changes with the parameters that train, so pieces are dealt anew.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from megatron_ko.config.optimizer import MuonConfig
from megatron_ko.planning.speed import switches_of
from megatron_ko.planning.stages import Stage
from megatron_ko.training import liveness, lora
from megatron_ko.training.chunks import chunks_of
from megatron_ko.training.distributed import World
from megatron_ko.training.engine import end_overlap
from megatron_ko.training.freezing import Frozen, freeze
from megatron_ko.training.hidden_states import set_projections
from megatron_ko.training.losses import Loss, choose_loss
from megatron_ko.training.model import set_rope_base
from megatron_ko.training.optimizer import (
    adam_step,
    distributed_optimizers,
    prime,
    set_adam_step,
    shard_of,
)
from megatron_ko.training.skipping import Guard
from megatron_ko.training.step import Trainee, prepare

_MOMENTS = ("exp_avg", "exp_avg_sq")
_TIES = ("main_grad", "grad_added_to_main_grad", "main_param", "main_param_sharded")


@dataclass(frozen=True)
class _Piece:
    """This rank's elements ``start`` to ``end`` of a parameter: master weight and moments, each [end - start] fp32."""

    start: int
    end: int
    tensors: dict[str, Tensor]


@liveness.working()
def enter(
    stage: Stage,
    vocab_size: int,
    gpt: Any,
    earlier: list[Trainee],
    world: World,
    guard: Guard | None = None,
    loss: Loss | None = None,
) -> Trainee:
    """Wraps the GPT for the stage, to minimize ``loss``, by default that of the section loss. Collective.

    ``earlier`` contains the trainee of the stage before, if any; it is removed from the list and freed. What trains in both
    stages keeps its moments and master weights; what begins to train starts with zero moments at the common step. Adapters
    that the stage does not train on are merged first; projections that it does not need are dropped. With Muon everything
    trains in every stage, so wrapper and optimizer stay.
    """
    config = stage.config
    with_muon = isinstance(config.optimizer, MuonConfig)
    set_rope_base(gpt, config.model)
    if earlier and with_muon:
        return replace(earlier.pop(), loss=loss or choose_loss(config.loss), guard=guard or Guard())
    pieces, step = {}, 0.0
    if earlier:
        end_overlap(earlier[-1].ddp_model)
        pieces, step = _collect(earlier[-1], gpt)
        _release(earlier, gpt)
    before = dict(gpt.named_parameters())
    frozen = Frozen()
    if config.lora is None:  # those of a whole run have frozen the rest
        lora.change(gpt, config.model, stage.lora, stage.seed)
        frozen = freeze(gpt, config.model, stage.selection(vocab_size), world.data_size * world.context_size)
    loss = loss or choose_loss(config.loss)
    set_projections(gpt, loss.projections(gpt), stage.seed)
    trainee = prepare(gpt, config.optimizer, config.precision, loss, guard, frozen, switches_of(config))
    if stage.number > 0 and not with_muon:
        anchors = {id(parameter) for parameter in frozen.anchors}
        kept = {
            name
            for name, p in gpt.named_parameters()
            if p.requires_grad and id(p) not in anchors and p is before.get(name)
        }
        _deal({name: piece for name, piece in pieces.items() if name in kept}, step, trainee, gpt)
    return trainee


@torch.no_grad()
def _collect(trainee: Trainee, gpt: Any) -> tuple[dict[str, _Piece], float]:
    """This rank's pieces by name of the parameter, without anchors, and Adam's step."""
    pieces, step = {}, 0.0
    anchors = {id(parameter) for parameter in trainee.frozen.anchors}
    for part in distributed_optimizers(trainee.optimizer):
        step = max(step, adam_step(part.optimizer))
        for name, parameter in gpt.named_parameters():
            if parameter in part.model_param_group_index_map and id(parameter) not in anchors:
                main, shard = shard_of(part, parameter)
                state = part.optimizer.state[main]
                tensors = {
                    "main": main.data,
                    **{moment: state[moment] for moment in _MOMENTS if moment in state},
                }
                copies = {key: tensor.detach().float().clone() for key, tensor in tensors.items()}
                pieces[name] = _Piece(shard.start, shard.end, copies)
    return pieces, step


def _release(earlier: list[Trainee], gpt: Any) -> None:
    """Frees wrapper, optimizer and their buffers: parameters are views of them, and hooks refer to both.

    ``end_overlap`` comes first. Its hooks can keep the wrapper itself, so the buffers are taken out of it.
    """
    for chunk in chunks_of(earlier[-1].ddp_model):
        chunk.buffers.clear()
        chunk.bucket_groups.clear()
    config = gpt.config
    config.no_sync_func = config.grad_scale_func = config.finalize_model_grads_func = None
    for parameter in gpt.parameters():
        parameter.data = parameter.data.clone()
        parameter.grad = None
        for name in _TIES:
            if hasattr(parameter, name):
                delattr(parameter, name)
    earlier.clear()
    gc.collect()


@torch.no_grad()
def _deal(pieces: dict[str, _Piece], step: float, trainee: Trainee, gpt: Any) -> None:
    """Deals the pieces to the new shards, one parameter at a time. Collective.

    Without any piece on any rank, the optimizer starts anew at step 0.
    """
    parts = distributed_optimizers(trainee.optimizer)
    for part in parts:
        prime(part.optimizer)
    device = next(gpt.parameters()).device
    common = torch.tensor(step if pieces else 0.0, dtype=torch.float64, device=device)
    dist.all_reduce(common, op=dist.ReduceOp.MAX)
    for part in parts:
        set_adam_step(part.optimizer, float(common))
        group = part.data_parallel_group
        for name, parameter in gpt.named_parameters():
            if not parameter.requires_grad:
                continue
            piece = pieces.get(name)
            have = torch.tensor(float(piece is not None), device=device)
            dist.all_reduce(have, group=group)
            if not have:
                continue  # master weights are those of the model, moments are zero
            for key in ("main", *_MOMENTS):
                full = torch.zeros(parameter.numel(), dtype=torch.float32, device=device)
                if piece is not None and key in piece.tensors:
                    full[piece.start : piece.end] = piece.tensors[key]
                dist.all_reduce(full, group=group)
                if parameter in part.model_param_group_index_map:
                    main, shard = shard_of(part, parameter)
                    target = main.data if key == "main" else part.optimizer.state[main][key]
                    target.copy_(full[shard.start : shard.end])
