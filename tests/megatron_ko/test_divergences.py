"""Divergences over a split and padded vocabulary, against plain torch over the real columns: values and gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from megatron_ko.config.distillation import DistillationConfig, TopK
from megatron_ko.config.training import ParallelConfig, RunConfig
from tests import ranks

COLUMNS = 48
LOSSES: dict[str, dict[str, Any]] = {
    "forward": {"loss": {"type": "forward_kl"}},
    "forward, T 2.5, mixed": {
        "loss": {"type": "forward_kl"},
        "temperature": 2.5,
        "language_model_weight": 0.7,
    },
    "reverse": {"loss": {"type": "reverse_kl"}, "temperature": 0.5},
    "jsd": {"loss": {"type": "jsd", "beta": 0.3}, "temperature": 1.5, "language_model_weight": 0.2},
    "top-k": {"loss": {"type": "top_k", "k": 6}},
    "top-k, T 2": {"loss": {"type": "top_k", "k": 19}, "temperature": 2.0},
    "top-k without tail": {
        "loss": {"type": "top_k", "k": 19, "tail": False},
        "language_model_weight": 1.0,
    },
    "top-k without tail, T 0.5": {"loss": {"type": "top_k", "k": 19, "tail": False}, "temperature": 0.5},
}
CASES = [
    (name, vocab, dtype)
    for name in LOSSES
    for vocab, dtype in (
        (48, torch.float32),
        (41, torch.float32),
        (20, torch.float32),
        (41, torch.bfloat16),
    )
]
"""With two ranks, the second has 24, 17 and no real columns."""
Z_LOSS = 0.01


def settings(name: str) -> DistillationConfig:
    return DistillationConfig(teacher="unused", chunk_length=3, **LOSSES[name])


def inputs(vocab: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits of both models [S, B, C], whose padding is larger than every real logit or infinite, labels [B, S], and a mask."""
    generator = torch.Generator().manual_seed(vocab)
    student, teacher = (2 * torch.randn(7, 3, COLUMNS, generator=generator) for _ in range(2))
    student[..., vocab:] = 90.0
    teacher[..., vocab:] = -torch.inf
    labels = torch.randint(0, vocab, (3, 7), generator=generator)
    labels[0, :2] = torch.tensor([0, vocab - 1])
    mask = (torch.rand(3, 7, generator=generator) > 0.3).float()
    return student.to(dtype), teacher.to(dtype), labels, mask


def ours(rank: int, init_method: str, size: int) -> list[tuple[list[float], Tensor, Any]]:
    """Totals, the gradient of this rank's logits and the 16-bit targets [B, S, k + 1], of each case."""
    from megatron_ko.training import distillation, distributed, soft_targets

    run = RunConfig(folder="unused", device="cpu", timeout_s=60.0)
    distributed.start(run, ParallelConfig(tensor=size), rank, size, init_method)
    results = []
    for name, vocab, dtype in CASES:
        student, teacher, labels, mask = inputs(vocab, dtype)
        part = student.chunk(size, -1)[rank].clone().requires_grad_()
        loss = distillation.Distillation(settings(name), None, Z_LOSS if "mixed" in name else 0.0)
        target: Any = teacher.chunk(size, -1)[rank].clone()
        batch: dict[str, Tensor] = {}
        if name.startswith("top-k"):
            batch = targets_of_a_cache(loss, vocab, target)
            target = loss._target(vocab, batch, target)
            again: Any = loss._target(vocab, batch, None)
            assert torch.equal(target.ids, again.ids)
            assert torch.equal(target.log_probabilities, again.log_probabilities)
        # the model computes with the logits that it returns, so they are no leaf
        output = distillation._token_losses(
            vocab, loss.settings, loss._is_mixed, target, labels, part.mul(1.0)
        )
        total, tokens, report = loss._sum(mask, None, output)
        total.backward()
        assert part.grad is not None and int(tokens) == int(mask.sum())
        chosen = batch.get(soft_targets.LOG_PROBABILITIES)
        results.append((report["totals"].tolist(), part.grad.detach(), chosen))
    distributed.stop()
    return results


def targets_of_a_cache(loss: Any, vocab: int, logits: Tensor) -> dict[str, Tensor]:
    from megatron_ko.training import soft_targets

    targets = loss._target(vocab, {}, logits)
    return {
        soft_targets.IDS: targets.ids.transpose(0, 1),
        soft_targets.LOG_PROBABILITIES: targets.log_probabilities.transpose(0, 1),
    }


def plain(name: str, student: Tensor, teacher: Tensor, rounded: Tensor | None) -> Tensor:
    """The divergence of each token, by its definition; of top-k, from the targets in 16 bits."""
    loss, temperature = LOSSES[name]["loss"], LOSSES[name].get("temperature", 1.0)
    q = (student / temperature).softmax(-1)
    p = (teacher / temperature).softmax(-1)
    if loss["type"] == "forward_kl":
        return (p * (p / q).log()).sum(-1)
    if loss["type"] == "reverse_kl":
        return (q * (q / p).log()).sum(-1)
    if loss["type"] == "jsd":
        beta = loss["beta"]
        m = beta * p + (1 - beta) * q
        return beta * (p * (p / m).log()).sum(-1) + (1 - beta) * (q * (q / m).log()).sum(-1)
    assert rounded is not None
    ids = p.argsort(-1, descending=True)[..., : loss["k"]]
    rest = 1 - p.gather(-1, ids).sum(-1, keepdim=True)
    exact = torch.cat((p.gather(-1, ids), rest), -1).log()
    torch.testing.assert_close(rounded.double(), exact, rtol=6e-4, atol=6e-4)
    q = q.gather(-1, ids)
    p = rounded.double().exp()
    if loss.get("tail", True):
        q = torch.cat((q, 1 - q.sum(-1, keepdim=True)), -1)
    else:
        p = p[..., :-1]
    p, q = p / p.sum(-1, keepdim=True), q / q.sum(-1, keepdim=True)
    return torch.where(p > 0, p * (p / q).log(), 0.0).sum(-1)


@pytest.mark.ranks
@pytest.mark.parametrize("size", [1, 2])
def test_divergences_and_gradients_equal_those_of_torch(size):
    by_rank = ranks.on_ranks(size, ours, size)
    for number, (name, vocab, dtype) in enumerate(CASES):
        student, teacher, labels, mask = inputs(vocab, dtype)
        student.requires_grad_()
        real = student[..., :vocab].double().transpose(0, 1)
        of_teacher, rounded = teacher[..., :vocab].double().transpose(0, 1), by_rank[0][number][2]
        divergence = (plain(name, real, of_teacher, rounded) * mask).sum()
        loss = torch.nn.functional.cross_entropy(real.flatten(0, 1), labels.flatten(), reduction="none")
        loss = (loss.view_as(mask) * mask).sum()
        terms = [loss, divergence]
        total = divergence + LOSSES[name].get("language_model_weight", 0.0) * loss
        if "mixed" in name:
            z_loss = Z_LOSS * (real.logsumexp(-1).square() * mask).sum()
            terms, total = [loss, z_loss, divergence], total + z_loss
        total.backward()
        assert student.grad is not None
        gradient = torch.cat([results[number][1] for results in by_rank], -1)
        precision = 2e-5 if dtype == torch.float32 else 2e-2  # of logits divided by temperatures below 1
        torch.testing.assert_close(
            gradient,
            student.grad,
            rtol=precision,
            atol=precision,
            msg=lambda text, name=name: f"{name}, {text}",
        )
        assert bool((gradient[..., vocab:] == 0).all()), "padding must get no gradient"
        expected = [*(float(term.detach()) for term in terms), float(mask.sum())]
        for totals, *_ in (results[number] for results in by_rank):
            assert totals == pytest.approx(expected, rel=1e-5), name


def hard(rank: int, init_method: str) -> list[tuple[float, bool]]:
    """Divergence and finiteness of the gradient where probabilities leave fp32, of each loss."""
    from megatron_ko.training import distillation, distributed

    run = RunConfig(folder="unused", device="cpu", timeout_s=60.0)
    distributed.start(run, ParallelConfig(), rank, 1, init_method)
    results = []
    for name in LOSSES:
        student = torch.zeros(1, 1, COLUMNS)
        student[..., 0] = 300.0
        teacher = torch.randn(1, 1, COLUMNS, generator=torch.Generator().manual_seed(1))
        loss = distillation.Distillation(settings(name))
        part = student.clone().requires_grad_()
        target: Any = loss._target(COLUMNS, {}, teacher)
        output = distillation._token_losses(
            COLUMNS, loss.settings, False, target, torch.ones(1, 1, dtype=torch.long), part.mul(1.0)
        )
        output[2].sum().backward()
        assert part.grad is not None
        results.append((float(output[2].detach()), bool(part.grad.isfinite().all())))
    distributed.stop()
    return results


@pytest.mark.ranks
def test_a_student_that_excludes_what_the_teacher_expects_has_a_finite_gradient():
    [results] = ranks.on_ranks(1, hard)
    for name, (value, finite) in zip(LOSSES, results):
        assert finite and value > 0.1, name


def peak_in_chunks(rank: int, init_method: str) -> list[float]:
    """Most bytes beside bf16 logits and their targets during a top-k loss and its gradient, in chunks in fp32, with and without a tail."""
    from megatron_ko.training import distillation, distributed
    from tests.bench.plan_memory import Live

    run = RunConfig(folder="unused", device="cpu", timeout_s=60.0)
    distributed.start(run, ParallelConfig(), rank, 1, init_method)
    vocab, chunk, peaks = 20_000, 4, []
    for tail in (True, False):
        loss = distillation.Distillation(
            DistillationConfig(teacher="unused", chunk_length=chunk, loss=TopK(type="top_k", k=6, tail=tail))
        )
        target = loss._target(vocab, {}, torch.randn(20, 1, vocab).bfloat16())
        logits, labels = torch.randn(20, 1, vocab).bfloat16().requires_grad_(), torch.ones(1, 20).long()
        with Live() as live:
            output = distillation._token_losses(vocab, loss.settings, False, target, labels, logits)
            torch.autograd.grad(output[2].sum(), logits)
        peaks.append((live.peak - logits.nbytes) / (4 * chunk * vocab))  # the gradient is in the logits
    distributed.stop()
    return peaks


@pytest.mark.ranks
def test_a_top_k_loss_has_one_chunk_in_fp32_at_a_time():
    [peaks] = ranks.on_ranks(1, peak_in_chunks)
    assert max(peaks) < 1.2


def all_tokens(rank: int, init_method: str) -> Tensor:
    from megatron_ko.training import distributed, soft_targets

    run = RunConfig(folder="unused", device="cpu", timeout_s=60.0)
    distributed.start(run, ParallelConfig(), rank, 1, init_method)
    targets = soft_targets.select_targets(torch.randn(2, 1, 8), 5, 5, 1.0, 2)
    distributed.stop()
    return targets.log_probabilities


@pytest.mark.ranks
def test_all_tokens_as_targets_leave_no_others():
    [values] = ranks.on_ranks(1, all_tokens)
    assert bool((values[..., -1] == -torch.inf).all())
    torch.testing.assert_close(values[..., :-1].float().exp().sum(-1), torch.ones(2, 1), rtol=2e-3, atol=0)
