"""Importance of channels, heads and layers, measured from the activations of forward passes in any layout.

Owns the hooks on megatron-core's layers and the sums over ranks. For each channel: the mean and the L2 norm of its absolute
activations over the positions of a sample; of these, the mean and the L2 norm over samples (Muralidharan et al. 2024, arXiv
2407.14679). For each layer: block influence, 1 - the mean cosine of its input and output (Men et al. 2024, arXiv 2403.03853),
and the change of the loss without it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from megatron_ko.config.training import Config
from megatron_ko.formats.importance_record import (
    BLOCK_INFLUENCE,
    NORMS,
    SITES,
    Site,
    tensor_name,
)
from megatron_ko.training.chunks import chunks_of
from megatron_ko.training.data import Batch, SampleOrder, training_batches
from megatron_ko.training.distributed import (
    World,
    context_group,
    data_group,
    gather_on_main,
    sum_over,
    tensor_group,
)
from megatron_ko.training.documents import PackedSamples, Packing
from megatron_ko.training.step import mean_loss, sum_batches


def layers_of(gpt: Any) -> Iterator[tuple[int, Any]]:
    """Number, from 0, and module of each layer of this rank's part of the GPT."""
    for chunk in chunks_of(gpt):
        for layer in chunk.decoder.layers:
            yield layer.layer_number - 1, layer


def batches_of(order: SampleOrder, samples: int, config: Config, world: World, eod: int) -> list[Batch]:
    """This rank's micro-batches of the first ``samples`` samples, which the micro-batches of all ranks divide."""
    packing = Packing.of(config.data.packing, eod)
    return list(
        training_batches(
            PackedSamples(order, packing) if packing else order.dataset,
            world,
            consumed=0,
            total=samples,
            batch_size=lambda _: samples,
            micro_batch=config.training.micro_batch_size,
            workers=0,
        )
    )


@torch.no_grad()
def measure(
    gpt: Any, batches: Sequence[Batch], world: World, config: Config
) -> tuple[float, dict[str, Tensor] | None]:
    """The loss in nats per token, and on rank 0 the scores by name, fp32 [layers, channels] and [layers]. Collective."""
    gpt.eval()
    collector = Collector(gpt, config)
    with collector:
        loss = loss_of(gpt, batches, world, config)
    return loss, collector.scores(len(batches) * config.training.micro_batch_size, world)


@torch.no_grad()
def loss_of(gpt: Any, batches: Sequence[Batch], world: World, config: Config) -> float:
    """Mean loss of the micro-batches of all ranks in nats per token. Collective."""
    return mean_loss(sum_batches(gpt, iter(batches), world, config.training, len(batches), forward_only=True))


@torch.no_grad()
def losses_without_layers(gpt: Any, batches: Sequence[Batch], world: World, config: Config) -> list[float]:
    """Mean loss without each layer, whose output is then its input. Collective."""
    gpt.eval()
    losses = []
    for number in range(config.model.layers):
        with _left_out(gpt, number):
            losses.append(loss_of(gpt, batches, world, config))
    return losses


@contextlib.contextmanager
def _left_out(gpt: Any, number: int) -> Iterator[None]:
    """The layer ``number`` does nothing, on the ranks that have it."""
    own = [layer for other, layer in layers_of(gpt) if other == number]
    for layer in own:
        layer.forward = _pass_through
    try:
        yield
    finally:
        for layer in own:
            del layer.forward  # that of the class again


def _pass_through(
    hidden_states: Tensor, *args: Any, context: Any = None, **kwargs: Any
) -> tuple[Tensor, Any]:
    return hidden_states, context


class Collector:
    """Adds up activations while it is entered; adds nothing to what the layers compute.

    ``_sums``: per site and layer, float64 [4, channels of this rank]: over samples, the sum of means, of squared means, of L2
    norms and of squared L2 norms over positions.
    """

    def __init__(self, gpt: Any, config: Config) -> None:
        self._gpt, self._config = gpt, config
        self._sums: dict[tuple[Site, int], Tensor] = {}
        self._cosines: dict[int, Tensor] = {}
        self._handles: list[Any] = []

    def __enter__(self) -> Collector:
        for number, layer in layers_of(self._gpt):
            attention, mlp = layer.self_attention, layer.mlp
            reads: list[tuple[Site, Any]] = [
                ("attention_input", attention.linear_qkv),
                ("mlp_input", mlp.linear_fc1),
                ("product", mlp.linear_fc2),
                ("heads", attention.linear_proj),
            ]
            for site, module in reads:
                add = partial(self._add, site, number)
                self._handles.append(module.register_forward_pre_hook(_input_to(add)))
            if self._config.model.feed_forward in ("swiglu", "geglu_tanh"):
                self._handles.append(mlp.linear_fc1.register_forward_hook(partial(self._add_gate_up, number)))
            self._handles.append(
                layer.register_forward_hook(partial(self._add_cosine, number), with_kwargs=True)
            )
        return self

    def __exit__(self, *exc: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _add(self, site: Site, number: int, absolute: Tensor) -> None:
        """``absolute`` [positions, samples, channels] of this rank, which is overwritten."""
        length = self._config.training.sequence_length
        sums = absolute.sum(0)  # many times as fast as torch.linalg.vector_norm along the first dimension
        squares = absolute.square_().sum(0)
        parallel = self._config.parallel
        groups = [tensor_group()] if parallel.sequence and SITES[site] == "hidden" else []
        groups += [context_group()] if parallel.context > 1 else []
        for group in groups:
            sums, squares = sum_over(torch.stack((sums, squares)), group)
        means, norms = (sums / length).double(), squares.double().sqrt()
        added = torch.stack([means.sum(0), means.square().sum(0), norms.sum(0), norms.square().sum(0)])
        key = (site, number)
        self._sums[key] = self._sums[key] + added if key in self._sums else added

    def _add_gate_up(self, number: int, module: Any, inputs: Any, output: tuple[Tensor, Any]) -> None:
        gate, up = output[0].float().chunk(2, dim=-1)
        self._add("gate_up", number, gate.abs().add_(up.abs()).div_(2))

    def _add_cosine(self, number: int, module: Any, inputs: Any, named: dict[str, Any], output: Any) -> None:
        before = (inputs[0] if inputs else named["hidden_states"]).float()
        after = (output[0] if isinstance(output, tuple) else output).float()
        cosines = torch.nn.functional.cosine_similarity(before, after, dim=-1)
        added = torch.stack((cosines.double().sum(), cosines.new_tensor(cosines.numel()).double()))
        self._cosines[number] = self._cosines[number] + added if number in self._cosines else added

    def scores(self, own_samples: int, world: World) -> dict[str, Tensor] | None:
        """The scores of all ranks, on rank 0. Collective.

        ``own_samples``: samples of one data-parallel rank.
        """
        samples = own_samples * world.data_size
        parts: dict[Any, Any] = {}
        for key, sums in self._sums.items():
            parts[key] = sum_over(sums, data_group()).cpu()
        for number, sums in self._cosines.items():
            # tensor-parallel ranks have equal sums or, with sequence parallelism, parts
            total = sum_over(sums, data_group(), tensor_group(), context_group())
            parts[BLOCK_INFLUENCE, number] = 1.0 - (total[0] / total[1]).cpu()
        is_first_replica = world.data_rank == 0 and dist.get_rank(context_group()) == 0
        by_rank = gather_on_main((dist.get_rank(tensor_group()), parts if is_first_replica else {}))
        return _join(by_rank, samples) if by_rank is not None else None


def _input_to(add: Callable[[Tensor], None]) -> Callable[[Any, tuple[Tensor, ...]], None]:
    def hook(module: Any, inputs: tuple[Tensor, ...]) -> None:
        add(inputs[0].float().abs())

    return hook


def _join(by_rank: list[tuple[int, dict[Any, Any]]], samples: int) -> dict[str, Tensor]:
    """Scores of the whole model: channels in the order of tensor-parallel ranks, layers in that of the model."""
    found: dict[tuple[str, int], list[Tensor]] = {}
    for rank, parts in sorted(by_rank, key=lambda item: item[0]):
        for (site, number), value in parts.items():
            if rank == 0 or SITES.get(site) in ("ffn", "q"):
                found.setdefault((site, number), []).append(value)
    scores = {}
    for site in dict.fromkeys(site for site, _ in found):
        numbers = sorted(number for other, number in found if other == site)
        if site == BLOCK_INFLUENCE:
            scores[site] = torch.stack([found[site, number][0] for number in numbers]).float()
            continue
        whole = torch.stack([torch.cat(found[site, number], dim=-1) for number in numbers])
        for row, sequence in enumerate(NORMS):
            own: Any = site
            scores[tensor_name(own, sequence, "mean")] = (whole[:, 2 * row] / samples).float()
            scores[tensor_name(own, sequence, "l2")] = whole[:, 2 * row + 1].sqrt().float()
    return scores
