"""The distance between outputs of chosen layers of student and teacher, and the projections that it trains.

Owns the capture of layer outputs, their way to the last pipeline stage beside the hidden states of both models, and the matrices that
project the student's states to the teacher's width. Under sequence parallelism each tensor-parallel rank has the states of its
tokens; otherwise all of them compute the same.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from megatron_ko.config.distillation import DistillationConfig
from megatron_ko.planning.hidden_states import PROJECTIONS, name_of, pairs_of
from megatron_ko.training.distributed import tensor_group, tensor_part

STUDENT, TEACHER = 0, 1
_Slot = tuple[int, int]
"""A model (``STUDENT`` or ``TEACHER``) and the number of one of its layers."""


class Passage:
    """The chosen states of one micro-batch on one pipeline stage: received, captured, sent on, and compared on the last one.

    ``models`` are this rank's parts of the student and of the teacher.
    """

    def __init__(self, settings: DistillationConfig, models: tuple[Any, Any]) -> None:
        self._settings, self._models = settings, models
        pairs = pairs_of(settings)
        chosen = ({pair.student for pair in pairs}, {pair.teacher for pair in pairs})
        self._slots = [(side, layer) for side in (STUDENT, TEACHER) for layer in sorted(chosen[side])]
        self._states: dict[_Slot, Tensor] = {}

    @property
    def widths(self) -> tuple[int, int]:
        """Widths of the teacher's hidden states and of the chosen states, received and sent by this stage."""
        teacher = self._models[TEACHER].config.hidden_size
        received, sent = (sum(map(self._width, slots)) for slots in (self._before(), self._until()))
        return teacher + received, teacher + sent

    def receive(self, message: Tensor) -> None:
        """Divides what the stage before has sent [S, B, all widths]: the inputs of both models, then the chosen states."""
        sizes = [model.config.hidden_size for model in self._models]
        parts = message.split([*sizes, *map(self._width, self._before())], -1)
        # kernels expect the memory of one model alone
        self._models[STUDENT].set_input_tensor(parts[0].contiguous())
        self._models[TEACHER].set_input_tensor(self._whole(parts[1].detach()).contiguous())
        for slot, part in zip(self._before(), parts[2:], strict=True):
            self._states[slot] = part if slot[0] == STUDENT else part.detach()

    def message(self, student: Tensor, teacher: Tensor) -> Tensor:
        """What the next stage receives, from the outputs of both models."""
        states = (self._states[slot].to(student.dtype) for slot in self._until())
        return torch.cat((student, self._own_tokens(teacher), *states), -1)

    @contextmanager
    def capturing(self, side: int) -> Iterator[None]:
        """Keeps the outputs of the chosen layers of a model that computes within."""
        wanted = {layer for model, layer in self._slots if model == side}
        handles = [
            layer.register_forward_hook(partial(self._keep, (side, layer.layer_number - 1)))
            for layer in (self._models[side].decoder.layers if wanted else ())
            if layer.layer_number - 1 in wanted
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def distances(self) -> Tensor | None:
        """Mean distance of the pairs for each token of this rank [S, B] in fp32, on the last pipeline stage; None without pairs."""
        pairs, hidden = pairs_of(self._settings), self._settings.hidden_states
        if not pairs or hidden is None:
            return None
        projections = getattr(self._models[STUDENT], PROJECTIONS, {})
        total: Any = 0.0
        for pair in pairs:
            own, target = self._states[STUDENT, pair.student], self._states[TEACHER, pair.teacher]
            if own.shape[-1] != target.shape[-1]:
                own = projections[name_of(pair)](own)
            own, target = own.float(), target.float()
            if hidden.loss == "cosine":
                total = total + 1 - _cosine(own, target)
            else:
                total = total + nn.functional.mse_loss(own, target, reduction="none").mean(-1)
        return total / len(pairs)

    def _keep(self, slot: _Slot, layer: Any, inputs: Any, output: Any) -> None:
        states = output[0] if isinstance(output, tuple) else output
        self._states[slot] = self._own_tokens(states) if slot[0] == TEACHER else states

    @property
    def _splits_teacher(self) -> bool:
        """Whether the student has states of this rank's tokens, and the teacher of all."""
        student, teacher = (model.config.sequence_parallel for model in self._models)
        return student and not teacher

    def _own_tokens(self, states: Tensor) -> Tensor:
        """This rank's part of the teacher's states [S, B, H], as sequence parallelism splits the student's."""
        if not self._splits_teacher:
            return states
        rank, ranks = tensor_part()
        return states.chunk(ranks)[rank].clone()

    def _whole(self, states: Tensor) -> Tensor:
        """The teacher's states of all tokens. Collective over the tensor-parallel ranks."""
        if not self._splits_teacher:
            return states
        parts = [
            torch.empty_like(states, memory_format=torch.contiguous_format) for _ in range(tensor_part()[1])
        ]
        dist.all_gather(parts, states.contiguous(), group=tensor_group())
        return torch.cat(parts)

    def _width(self, slot: _Slot) -> int:
        return self._models[slot[0]].config.hidden_size

    def _before(self) -> list[_Slot]:
        """The chosen states that earlier pipeline stages have computed."""
        first = [model.decoder.layers[0].layer_number - 1 for model in self._models]
        return [slot for slot in self._slots if slot[1] < first[slot[0]]]

    def _until(self) -> list[_Slot]:
        """Those that have been computed at the end of this one."""
        last = [model.decoder.layers[-1].layer_number - 1 for model in self._models]
        return [slot for slot in self._slots if slot[1] <= last[slot[0]]]


def _cosine(own: Tensor, target: Tensor) -> Tensor:
    """Cosine of states [S, B, H] in fp32, 0 for a state of zeros; fewer passes than ``cosine_similarity`` of torch."""
    dot, squares = torch.linalg.vecdot, torch.linalg.vecdot(own, own) * torch.linalg.vecdot(target, target)
    return dot(own, target) * squares.clamp_min(1e-32).rsqrt()


def sum_of_tokens(distances: Tensor, mask: Tensor, sequence_parallel: bool) -> tuple[Tensor, Tensor]:
    """``(sum to minimize, sum to report)`` of ``distances`` over the real tokens of ``mask`` [B, S].

    Under sequence parallelism the first is that of this rank's tokens, whose gradients belong to it. Collective then.
    """
    mask, group = mask.transpose(0, 1), tensor_group()
    if not sequence_parallel:
        total = (distances * mask).sum()
        return total, total.detach()
    own = mask.chunk(dist.get_world_size(group))[dist.get_rank(group)]
    total = (distances * own).sum()
    everywhere = total.detach().clone()
    dist.all_reduce(everywhere, group=group)
    return total, everywhere


# --- projections -----------------------------------------------------------------------------------------


class Projection(nn.Module):
    """A matrix [teacher's width, student's width] without bias, the same on all tensor-parallel ranks."""

    def __init__(self, weight: Tensor, sequence_parallel: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        # megatron-core then sums its gradient, of which each rank has the part of its tokens
        setattr(self.weight, "sequence_parallel", sequence_parallel)  # noqa: B010

    def forward(self, states: Tensor) -> Tensor:
        return nn.functional.linear(states, self.weight)


def set_projections(gpt: Any, shapes: Mapping[str, tuple[int, int]], seed: int) -> None:
    """Gives the last pipeline stage of an unwrapped GPT projections of these ``shapes``; those of a stage before stay if all are the same.

    A new one is drawn from a normal distribution that keeps the variance, by ``seed`` and name: the same in every layout.
    """
    old = getattr(gpt, PROJECTIONS, None)
    if old is not None:
        if {name: tuple(projection.weight.shape) for name, projection in old.items()} == shapes:
            return
        delattr(gpt, PROJECTIONS)
    if not shapes or not gpt.post_process:
        return
    device, config = next(gpt.parameters()).device, gpt.config
    made = {}
    for name, shape in shapes.items():
        weight = _draw(shape, f"{seed}/{PROJECTIONS}/{name}").to(device, config.params_dtype)
        made[name] = Projection(weight, config.sequence_parallel)
    setattr(gpt, PROJECTIONS, nn.ModuleDict(made))


def _draw(shape: tuple[int, int], key: str) -> Tensor:
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:7], "little")
    generator = torch.Generator().manual_seed(number)  # on the CPU: a GPU draws other numbers
    return torch.empty(shape).normal_(0.0, 1 / math.sqrt(shape[1]), generator=generator)
