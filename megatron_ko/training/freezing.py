"""What does not train in a stage: whole parameters, and rows of the embeddings, which keep every bit.

Owns the application of a ``Selection`` to a model and to megatron-core's distributed optimizer. A zero gradient is not enough
to freeze a row: AdamW's decay and moments still move it. Therefore the optimizer sees only the part of a shard that
trains: hooks around its step swap weights, gradients and moments for that part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from megatron_ko.config.model import ModelConfig
from megatron_ko.planning.selection import Ranges, Selection
from megatron_ko.training.local_weights import local_weights
from megatron_ko.training.lora import factors_of
from megatron_ko.training.optimizer import distributed_optimizers, prime, shard_of

# megatron-core pads the parameters of a rank to a multiple of this number on each data-parallel rank.
_SHARD_UNIT = 128


@dataclass(frozen=True)
class Frozen:
    """What does not train on this rank, beside parameters that require no gradient."""

    rows: list[tuple[Any, Ranges]] = field(default_factory=list)
    """Partly frozen parameters and their rows that train, counted from the parameter's first row."""
    anchors: list[Any] = field(default_factory=list)
    """Parameters without a row that trains, which only give the optimizer of each rank something to hold."""


def freeze(gpt: Any, model: ModelConfig, selection: Selection | None, data_size: int) -> Frozen:
    """Sets ``requires_grad`` of every parameter; None selects everything, and adapters always train. ``data_size`` ranks share
    an optimizer.

    A rank without trainable parameters, or with fewer than its data-parallel ranks can share, gets anchors: megatron-core
    cannot save an optimizer without parameters.
    """
    frozen = Frozen()
    if selection is None:
        gpt.requires_grad_(True)
        return frozen
    trained, rest = 0, []
    for _, pair in factors_of(gpt):
        trained += sum(factor.numel() for factor in pair.requires_grad_(True).parameters())
    for weight in local_weights(gpt, model):
        parameter, first = weight.parameter, weight.stored.first
        trains = selection.trains(first, weight.layer)
        parameter.requires_grad_(trains)
        if not trains:
            rest.append(parameter)
            continue
        trained += parameter.numel()
        rows = selection.rows_of(first)
        if rows is not None:
            frozen.rows.append((parameter, _local(rows, weight.first_row, len(parameter))))
    for parameter in sorted(rest, key=lambda p: p.numel()):
        if trained > _SHARD_UNIT * data_size * (data_size - 1):
            break
        parameter.requires_grad_(True)
        frozen.anchors.append(parameter)
        trained += parameter.numel()
    return frozen


def _local(rows: Ranges, first: int, count: int) -> Ranges:
    """``rows`` of a matrix as rows of the part with ``count`` rows from ``first`` on."""
    spans = (range(max(r.start - first, 0), min(r.stop - first, count)) for r in rows)
    return tuple(span for span in spans if len(span))


class RowFreezer:
    """Keeps frozen rows of one optimizer bit-identical: weights, master weights and moments, and out of the clipping norm."""

    def __init__(self, optimizer: Any, frozen: Frozen) -> None:
        self._parts = [*frozen.rows, *((parameter, ()) for parameter in frozen.anchors)]
        self._shards: list[tuple[Any, Tensor, Tensor | slice | None]] = []
        self._whole: list[tuple[Tensor, dict[str, Tensor], Tensor | slice | None]] = []
        for part in distributed_optimizers(optimizer):
            prime(part.optimizer)
            for parameter, rows in self._parts:
                if parameter not in part.model_param_group_index_map:
                    continue  # this rank owns no element of it
                main, shard = shard_of(part, parameter)
                width = parameter.numel() // len(parameter)
                pick = _pick(rows, width, shard.start, shard.end, main.device)
                self._shards.append((part.optimizer, main, pick))
            part.optimizer.register_step_pre_hook(self._narrow)
            part.optimizer.register_step_post_hook(self._widen)

    @torch.no_grad()
    def zero_gradients(self) -> None:
        """Clears the gradients of frozen rows; call it between the reduction of gradients and the optimizer's step."""
        for parameter, rows in self._parts:
            for span in _gaps(rows, len(parameter)):
                parameter.main_grad[span.start : span.stop].zero_()

    @torch.no_grad()
    def _narrow(self, adam: Any, *_: Any) -> None:
        """Leaves the optimizer only the elements that train; without any, no gradient, so that Adam skips the shard."""
        for owner, main, pick in self._shards:
            if owner is not adam:
                continue
            state = adam.state[main]
            whole = {name: value for name, value in state.items() if torch.is_tensor(value) and value.dim()}
            self._whole.append((main.data, whole, pick))
            gradient, main.grad = main.grad, None
            if pick is None or gradient is None:
                continue
            main.data = main.data[pick]
            main.grad = gradient[pick]
            state.update({name: value[pick] for name, value in whole.items()})

    @torch.no_grad()
    def _widen(self, adam: Any, *_: Any) -> None:
        """Puts whole tensors back, with the elements that were trained."""
        mine = [main for owner, main, _ in self._shards if owner is adam]
        for main, (data, whole, pick) in zip(mine, self._whole, strict=True):
            state = adam.state[main]
            main.grad = None
            if pick is None:
                if "step" in state:
                    state["step"] += 1  # megatron-core requires one step of all parameters
                continue
            if isinstance(pick, Tensor):  # a copy, not a view
                data[pick] = main.data
                for name, value in whole.items():
                    value[pick] = state[name]
            main.data = data
            state.update(whole)
        self._whole.clear()


def _pick(rows: Ranges, width: int, start: int, end: int, device: Any) -> Tensor | slice | None:
    """Elements ``start`` to ``end`` of a matrix that are in ``rows``, counted from ``start``: None for none of them."""
    spans = [(max(r.start * width, start) - start, min(r.stop * width, end) - start) for r in rows]
    spans = [(first, last) for first, last in spans if first < last]
    if len(spans) <= 1:
        return slice(*spans[0]) if spans else None
    return torch.cat([torch.arange(first, last, device=device) for first, last in spans])


def _gaps(rows: Ranges, count: int) -> Iterator[range]:
    """Rows of ``count`` that are not in ``rows``."""
    begin = 0
    for span in (*rows, range(count, count)):
        if begin < span.start:
            yield range(begin, span.start)
        begin = span.stop
