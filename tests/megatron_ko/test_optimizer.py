"""Optimizer groups against PyTorch's own AdamW over five steps of the same gradients: every weight."""

from __future__ import annotations

import dataclasses

import pytest

from megatron_ko.config.model import ModelConfig
from megatron_ko.config.optimizer import OptimizerConfig
from megatron_ko.config.training import ParallelConfig, PrecisionConfig, RunConfig
from tests import ranks

MODEL = ModelConfig(
    layers=1, hidden_size=32, ffn_hidden_size=48, heads=4, kv_groups=2, max_sequence_length=32, vocab_multiple=8,
    qkv_bias=True,
)  # fmt: skip
RATES = (2e-3, 4e-3, 3e-3, 1e-3, 0.0)
"""Learning rate of each step; the peak is 4e-3."""
CASES = {
    "AdamW": dict(),
    "independent decay": dict(decoupled="independent", weight_decay=0.02),
    "embeddings": dict(embedding_learning_rate=1e-3),
    "embeddings, independent decay": dict(
        embedding_learning_rate=1e-3, decoupled="independent", weight_decay=0.02
    ),
}


def difference(rank: int, init_method: str) -> dict[tuple[str, bool], float]:
    """Largest difference of a weight after five steps, of each case, with untied and tied embeddings."""
    import torch

    from megatron_ko.training import distributed, model, optimizer, step

    run = RunConfig(folder="unused", device="cpu", timeout_s=60.0)
    world = distributed.start(run, ParallelConfig(), rank, 1, init_method)
    found = {}
    for name, changes in CASES.items():
        for tied in (False, True):
            shape = dataclasses.replace(MODEL, tied_embeddings=tied)
            config = OptimizerConfig(learning_rate=4e-3, **{"weight_decay": 0.5, **changes})
            precision = PrecisionConfig(dtype="fp32")
            gpt = model.build_gpt(
                shape, ParallelConfig(), precision, vocab_size=61, device=world.device, seed=1
            )
            plain = {name: weight.detach().clone() for name, weight in gpt.named_parameters()}
            ours = step.prepare(gpt, config, precision)
            theirs = _adamw(plain, config)
            generator = torch.Generator().manual_seed(2)
            for rate in RATES:
                for key, weight in gpt.named_parameters():
                    gradient = torch.randn(weight.shape, generator=generator)
                    plain[key].grad = gradient
                    weight.main_grad.copy_(gradient)
                torch.nn.utils.clip_grad_norm_(plain.values(), config.clip_grad_norm)
                _step(theirs, config, rate)
                optimizer.set_hyperparameters(ours.optimizer, config, rate)
                norm = optimizer.gradient_norm(ours.optimizer)
                optimizer.clip_and_update(ours.optimizer, norm)
            found[name, tied] = max(float((w - plain[key]).abs().max()) for key, w in gpt.named_parameters())
    distributed.stop()
    return found


def _adamw(plain, config):
    """One AdamW for each kind of weight: (weights, optimizer, peak, decay)."""
    import torch

    def is_embedding(name: str) -> bool:
        return name.startswith(("embedding.", "output_layer."))

    made = []
    for embedding, decays in ((True, True), (False, True), (False, False)):
        weights = [w for n, w in plain.items() if is_embedding(n) == embedding and (w.ndim > 1) == decays]
        peak = (config.embedding_learning_rate or config.learning_rate) if embedding else config.learning_rate
        decay = config.weight_decay if decays else 0.0
        inside = 0.0 if config.decoupled == "independent" else decay
        adam = torch.optim.AdamW(weights, lr=peak, betas=(0.9, 0.95), eps=1e-8, weight_decay=inside)
        made.append((weights, adam, peak, decay))
    return made


def _step(theirs, config, rate: float) -> None:
    """Independent decay, written out: a weight loses the fraction schedule x decay before Adam's update."""
    fraction = rate / config.learning_rate
    for weights, adam, peak, decay in theirs:
        if config.decoupled == "independent":
            for weight in weights:
                weight.mul_(1 - fraction * decay)
        adam.param_groups[0]["lr"] = peak * fraction
        adam.step()


@pytest.mark.ranks
def test_weights_equal_those_of_pytorchs_adamw():
    for case, value in ranks.on_ranks(1, difference)[0].items():
        assert value < 2e-7, case
