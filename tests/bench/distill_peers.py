"""Losses of distillation against those of NVIDIA on the same tensors, in one process: values, gradients, time and memory.

``megatron.training.distillation`` is in the wheel of megatron-core; ``nvidia-modelopt`` belongs into an environment of its own
(``pip install nvidia-modelopt==0.47.0``). A peer that cannot be imported is reported with the reason. ``tests.bench.distill --peers``
prints what ``compare`` yields.

A case is the value per token and the gradient by the student's logits, or states, in bf16 on one rank. Both compute in fp32.
``memory`` counts what exists at a time beside the inputs, and the gradient; kernels' own buffers are not seen.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from megatron_ko.config.distillation import (
    DistillationConfig,
    ForwardKl,
    HiddenStatesConfig,
    LayerPair,
    ReverseKl,
    TopK,
)
from megatron_ko.training.distillation import _token_losses
from megatron_ko.training.distributed import tensor_group
from megatron_ko.training.hidden_states import STUDENT, TEACHER, Passage
from megatron_ko.training.soft_targets import SoftTargets, select_targets
from tests.bench.plan_memory import Live

VOCAB, LENGTH, MICRO_BATCH, WIDTH, K = 32_000, 1024, 1, 4096, 64
LARGE_VOCAB = 128_256
SETTINGS = DistillationConfig(teacher="unused")
Value = Callable[[Tensor], Tensor]
"""The loss of each token in nats [S, B] from what the student has computed."""


@dataclass(frozen=True)
class Case:
    """One loss of ours and of a peer from the same ``student`` tensor [S, B, width]."""

    loss: str
    peer: str
    student: Tensor
    ours: Value
    theirs: Value


def compare(rounds: int) -> Iterator[dict[str, Any]]:
    """One record per case, then the sizes of both caches; needs a process group of one rank."""
    generator = torch.Generator().manual_seed(1)
    for build in (_megatron, _modelopt):
        try:
            cases = build(generator)
        except ImportError as error:
            yield {"peer": build.__name__.strip("_"), "absent": str(error).splitlines()[0]}
            continue
        for case in cases:
            yield _measure(case, rounds)
    yield _cache_sizes(generator)


def _measure(case: Case, rounds: int) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    results = {}
    sides = [("ours", case.ours), ("theirs", case.theirs)]
    for number in range(rounds + 1):
        for name, value in sides if number % 2 else reversed(sides):
            leaf = case.student.clone().requires_grad_()
            begin = time.process_time()
            losses = value(leaf)
            (gradient,) = torch.autograd.grad(
                losses.sum(), leaf
            )  # backward() copies one that overwrites logits
            if number:  # the first round allocates
                seconds[name].append(time.process_time() - begin)
            results[name] = losses.detach(), gradient.float()
    ours, theirs = results["ours"], results["theirs"]
    memory = {name: _peak(value, case.student) for name, value in sides}
    return {
        "loss": case.loss,
        "peer": case.peer,
        "time_vs_peer": round(
            statistics.median(a / b for a, b in zip(seconds["ours"], seconds["theirs"])), 3
        ),
        "memory_vs_peer": round(memory["ours"] / memory["theirs"], 3),
        "memory_mib": [round(memory[name] / 2**20, 1) for name in ("ours", "theirs")],
        "mean": float(f"{theirs[0].mean().item():.4g}"),
        "largest_difference": float(f"{(ours[0] - theirs[0]).abs().max().item():.2g}"),
        "gradient_difference": float(f"{((ours[1] - theirs[1]).norm() / theirs[1].norm()).item():.2g}"),
    }


def _peak(value: Value, student: Tensor) -> int:
    """Most bytes at a time that one loss and its backward pass create."""
    leaf = student.clone().requires_grad_()
    with Live() as live:
        torch.autograd.grad(value(leaf).sum(), leaf)
    return live.peak


# --- cases -----------------------------------------------------------------------------------------------


def _logits(generator: torch.Generator, vocab: int = VOCAB) -> tuple[Tensor, Tensor]:
    """Of a student and of a teacher that agree in part, with a few probable tokens each: [S, B, vocab] bf16."""
    shared = torch.randn(LENGTH, MICRO_BATCH, vocab, generator=generator) * 2
    own = [torch.randn(shared.shape, generator=generator) for _ in range(2)]
    return (shared + own[0]).bfloat16(), (1.5 * shared + own[1]).bfloat16()


def _ours(
    settings: DistillationConfig, target: Callable[[], Tensor | SoftTargets], student: Tensor
) -> Tensor:
    """Includes the cross-entropy, which is reported in every step."""
    labels = torch.zeros(MICRO_BATCH, LENGTH, dtype=torch.int64)
    losses = _token_losses(student.shape[-1], settings, False, target(), labels, student)
    return losses[2].transpose(0, 1)


def _targets(teacher: Tensor) -> SoftTargets:
    return select_targets(teacher, teacher.shape[-1], K, 1.0, SETTINGS.chunk_length)


def _megatron(generator: torch.Generator) -> list[Case]:
    from megatron.core.tensor_parallel import vocab_parallel_cross_entropy
    from megatron.training.distillation.cached_logits_loss import topk_kl_div

    student, teacher = _logits(generator)
    chosen, labels = _targets(teacher), torch.zeros(LENGTH, MICRO_BATCH, dtype=torch.int64)
    settings = replace(SETTINGS, loss=TopK(type="top_k", k=K))

    def theirs(logits: Tensor) -> Tensor:
        """With the cross-entropy, which its trainer always computes, here at a weight of 0."""
        values, group = chosen.log_probabilities[..., :K], tensor_group()
        losses = topk_kl_div(logits, values, chosen.ids, 1, 0, group, add_ghost_token=True)
        return losses.transpose(0, 1) + 0 * vocab_parallel_cross_entropy(logits.float(), labels)

    ours = partial(_ours, settings, lambda: chosen)
    return [Case("top_k with a tail, from a cache", "megatron.training.distillation", student, ours, theirs)]


def _modelopt(generator: torch.Generator) -> list[Case]:
    from modelopt.torch.distill.plugins import megatron as peer  # type: ignore[import-not-found]

    student, teacher = _logits(generator)
    config = SimpleNamespace(tensor_model_parallel_size=1, sequence_parallel=False)
    hidden, target = (torch.randn(LENGTH, MICRO_BATCH, WIDTH, generator=generator) for _ in range(2))
    top_k = replace(SETTINGS, loss=TopK(type="top_k", k=K, tail=False))

    def theirs(loss: Any, other: Tensor, value: Tensor) -> Tensor:
        return loss(value, other)[0].transpose(0, 1)

    def case(name: str, value: Tensor, other: Tensor, ours: Value, loss: Any) -> Case:
        return Case(name, f"modelopt {type(loss).__name__}", value, ours, partial(theirs, loss, other))

    def of_logits(name: str, settings: DistillationConfig, find: Callable[[], Any], loss: Any) -> Case:
        return case(name, student, teacher, partial(_ours, settings, find), loss)

    reverse = replace(SETTINGS, loss=ReverseKl(type="reverse_kl"))
    warm = replace(SETTINGS, loss=ForwardKl(), temperature=2.0)
    return [
        of_logits("forward_kl", SETTINGS, lambda: teacher, peer.LogitsKLLoss(config)),
        of_logits("forward_kl, temperature 2", warm, lambda: teacher, peer.LogitsKLLoss(config, 2.0)),
        of_logits("reverse_kl", reverse, lambda: teacher, peer.LogitsKLLoss(config, reverse=True)),
        of_logits("top_k without a tail", top_k, lambda: _targets(teacher), peer.TopKLogitsKLLoss(config, top_k=K)),
        case("cosine", hidden, target, partial(_distance, "cosine", target), peer.HiddenStateCosineLoss(config)),
        case("mse", hidden, target, partial(_distance, "mse", target), peer.MSELoss(config)),
    ]  # fmt: skip


def _distance(loss: Any, target: Tensor, student: Tensor) -> Tensor:
    """Of one pair of layers, whose outputs two models without layers have computed."""
    models = (SimpleNamespace(config=SimpleNamespace(sequence_parallel=False)),) * 2
    settings = HiddenStatesConfig(layers=[LayerPair(student=0, teacher=0)], loss=loss)
    passage = Passage(replace(SETTINGS, hidden_states=settings), models)  # type: ignore[arg-type]
    for side, states in ((STUDENT, student), (TEACHER, target)):
        passage._keep((side, 0), None, None, states)
    distances = passage.distances()
    assert distances is not None
    return distances


# --- caches ----------------------------------------------------------------------------------------------


def _cache_sizes(generator: torch.Generator) -> dict[str, Any]:
    """Bytes per token of megatron.training's format (two tensors of ids, one of float16, packed by zstd 3), of the same targets."""
    from tests.bench.distill import bytes_per_token

    line: dict[str, Any] = {"cache_bytes_per_token": bytes_per_token(K, LARGE_VOCAB)}
    try:
        import zstandard
        from megatron.training.distillation.utils_logits import pack_indices
    except ImportError as error:
        return line | {"peer": "megatron.training.distillation", "absent": str(error)}
    _, teacher = _logits(generator, LARGE_VOCAB)
    chosen = _targets(teacher)
    low, high = pack_indices(chosen.ids)
    content, file = (
        {"values": [chosen.log_probabilities[..., :K]], "indices_low": [low], "bit_17": [high]},
        io.BytesIO(),
    )
    torch.save(content, file)
    packed = zstandard.ZstdCompressor(level=3).compress(file.getvalue())
    return line | {
        "peer": "megatron.training.distillation",
        "theirs": round(len(packed) / (LENGTH * MICRO_BATCH), 1),
    }
