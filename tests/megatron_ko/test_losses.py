"""Losses over a split and padded vocabulary, against torch over the real columns: values and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from megatron_ko.config.training import LossConfig, ParallelConfig, RunConfig
from tests import ranks

COLUMNS, COEFFICIENT = 48, 0.3
CASES = [(vocab, dtype) for vocab in (48, 41, 20) for dtype in (torch.float32, torch.bfloat16)]
"""With two ranks, the second has 24, 17 and no real columns."""


def inputs(vocab: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Logits [S, B, C] whose padding is larger than every real logit, labels [B, S] of both ranks, and a mask."""
    generator = torch.Generator().manual_seed(vocab)
    logits = 4 * torch.randn(7, 3, COLUMNS, generator=generator)
    logits[..., vocab:] = 90.0
    labels = torch.randint(0, vocab, (3, 7), generator=generator)
    labels[0, :2] = torch.tensor([0, vocab - 1])
    return logits.to(dtype), labels, (torch.rand(3, 7, generator=generator) > 0.3).float()


def ours(rank: int, init_method: str, size: int) -> list[tuple[list[float], Tensor]]:
    """Totals and the gradient of this rank's logits, of each case."""
    from megatron_ko.training import distributed, losses

    run = RunConfig(folder="unused", device="cpu", timeout_s=60.0)
    distributed.start(run, ParallelConfig(tensor=size), rank, size, init_method)
    results = []
    for vocab, dtype in CASES:
        logits, labels, mask = inputs(vocab, dtype)
        part = logits.chunk(size, -1)[rank].clone().requires_grad_()
        loss = losses.choose_loss(LossConfig(z_loss=COEFFICIENT))
        assert isinstance(loss, losses.CrossEntropyWithZLoss) and loss.names == ("loss", "z_loss")
        output = losses._loss_and_log_sum(vocab, labels, part)
        total, tokens, report = loss._sum(mask, output)
        total.backward()
        assert part.grad is not None and int(tokens) == int(mask.sum())
        plain = losses.token_losses(vocab, labels, logits.chunk(size, -1)[rank].clone())
        assert torch.equal(plain, output[0].detach())
        results.append((report["totals"].tolist(), part.grad.detach()))
    distributed.stop()
    return results


@pytest.mark.ranks
@pytest.mark.parametrize("size", [1, 2])
def test_losses_and_gradients_equal_those_of_torch(size):
    by_rank = ranks.on_ranks(size, ours, size)
    for number, (vocab, dtype) in enumerate(CASES):
        logits, labels, mask = inputs(vocab, dtype)
        logits.requires_grad_()
        real = logits[..., :vocab].float().transpose(0, 1)
        loss = torch.nn.functional.cross_entropy(real.flatten(0, 1), labels.flatten(), reduction="none")
        loss = (loss.view_as(mask) * mask).sum()
        z_loss = COEFFICIENT * (real.logsumexp(-1).square() * mask).sum()
        (loss + z_loss).backward()
        assert logits.grad is not None
        gradient = torch.cat([results[number][1] for results in by_rank], -1)
        precision = 1e-6 if dtype == torch.float32 else 2e-2
        torch.testing.assert_close(gradient, logits.grad, rtol=precision, atol=precision)
        assert bool((gradient[..., vocab:] == 0).all()), "padding must get no gradient"
        for totals, _ in (results[number] for results in by_rank):
            assert totals == pytest.approx(
                [float(loss.detach()), float(z_loss.detach()), float(mask.sum())], rel=1e-6
            )
