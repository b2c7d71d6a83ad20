"""One device's side of a comparison, in a process of its own: initial weights, logits, gradients, losses of some steps."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path
from typing import Any

from megatron_ko.config.model import ModelConfig
from megatron_ko.config.optimizer import OptimizerConfig
from megatron_ko.config.training import ParallelConfig, PrecisionConfig, RunConfig, TrainingConfig
from tests.gpu.building import Layers, build_with

ADAM = OptimizerConfig(learning_rate=1e-3)


def run_side(
    init_method: str,
    device: str,
    shape: dict[str, Any],
    tokens: str,
    target: str,
    length: int,
    batch: int,
    steps: int,
    dtype: str = "fp32",
    layers: Layers = "own",
) -> dict[str, Any]:
    """Trains ``steps`` steps of one micro-batch. Writes logits and first gradients to ``target``, for ``read_side``.

    Returns ``weights`` (a hash), ``losses``, ``norms``, and ``engine_modules``: how many modules are Transformer Engine's.
    """
    import torch

    from megatron_ko.training import distributed, optimizer, step
    from tests.gpu.real_tokens import read_batches

    run = RunConfig(folder=target, device=device)  # type: ignore[arg-type]
    world = distributed.start(run, ParallelConfig(), 0, 1, init_method)
    precision = PrecisionConfig(dtype=dtype)  # type: ignore[arg-type]
    settings = ModelConfig(max_sequence_length=length, **{"vocab_size": 260, **shape})
    gpt = build_with(layers, settings, precision, world.device, seed=1)
    digest = _hash_weights(gpt)
    batches = [
        {name: value.to(world.device) for name, value in entry.items()}
        for entry in itertools.islice(read_batches(Path(tokens), length, batch), steps)
    ]
    with torch.no_grad():
        logits = gpt(batches[0]["tokens"], batches[0]["position_ids"], None)[..., : settings.vocab_size]
    trainee = step.prepare(gpt, ADAM, precision)
    training = TrainingConfig(
        steps=steps, global_batch_size=batch, micro_batch_size=batch, sequence_length=length
    )
    results, gradients = [], {}
    for number, entry in enumerate(batches):
        optimizer.set_hyperparameters(trainee.optimizer, ADAM, ADAM.learning_rate)
        results.append(step.train_step(trainee, iter([entry]), world, training, 1))
        if number == 0:
            gradients = {
                name: p.main_grad.to("cpu", torch.float32, copy=True) for name, p in gpt.named_parameters()
            }
    torch.save({"logits": logits.float().cpu(), **gradients}, target)
    modules = [type(module).__module__ for module in gpt.modules()]
    distributed.stop()
    return {
        "weights": digest,
        "losses": [result.loss for result in results],
        "norms": [result.gradient_norm for result in results],
        "engine_modules": sum("transformer_engine" in name for name in modules),
    }


def _hash_weights(gpt: Any) -> str:
    content = hashlib.sha256()
    for name, parameter in sorted(gpt.named_parameters()):
        content.update(name.encode() + parameter.detach().float().cpu().numpy().tobytes())
    return content.hexdigest()


def read_side(target: Path) -> tuple[Any, dict[str, Any]]:
    """The logits and the gradients by name of ``run_side``."""
    import torch

    tensors = torch.load(target, weights_only=True)
    return tensors.pop("logits"), tensors
