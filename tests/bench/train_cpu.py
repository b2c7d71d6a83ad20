"""Speed of our CPU step on one rank against a plain PyTorch loop with the same model, dtype and batch, in one run.

    python -m tests.bench.train_cpu [--rounds N] [--dtype fp32|bf16]

Steps of the two alternate, each timed separately; both start from the same weights and read the same batches, and their
losses are compared. One thread each, timed in CPU seconds, which other work on the machine disturbs least. Prints one JSON
line: ``vs_plain_torch`` is the median of the ratios of the pairs; ``tokens_per_s`` uses wall time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from megatron_ko.config.model import ModelConfig
from megatron_ko.config.optimizer import OptimizerConfig
from megatron_ko.config.training import ParallelConfig, PrecisionConfig, RunConfig, TrainingConfig

VOCAB, LENGTH, MICRO_BATCH, MICRO_BATCHES = 8192, 512, 2, 2
MODEL = ModelConfig(
    layers=4, hidden_size=512, ffn_hidden_size=1408, heads=8, kv_groups=4, max_sequence_length=LENGTH
)
ADAM = OptimizerConfig(learning_rate=1e-3)
TRAINING = TrainingConfig(
    steps=1,
    global_batch_size=MICRO_BATCH * MICRO_BATCHES,
    micro_batch_size=MICRO_BATCH,
    sequence_length=LENGTH,
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(options.rounds, options.dtype, Path(folder))))


def measure(rounds: int, dtype: str, folder: Path) -> dict[str, Any]:
    import torch

    from megatron_ko.training import distributed, model, optimizer, step
    from tests.plain_gpt import PlainGPT, copy_weights

    run = RunConfig(folder=str(folder), device="cpu")
    world = distributed.start(run, ParallelConfig(), 0, 1, f"file://{folder / 'rendezvous'}")
    gpt = model.build_gpt(
        MODEL, ParallelConfig(), PrecisionConfig(dtype=dtype), vocab_size=VOCAB, device=world.device, seed=1
    )
    plain = PlainGPT(MODEL, VOCAB)
    copy_weights(gpt, plain)
    plain.to(torch.bfloat16 if dtype == "bf16" else torch.float32)
    ours = step.prepare(gpt, ADAM, PrecisionConfig(dtype=dtype))
    matrices = [p for p in plain.parameters() if p.ndim > 1]
    vectors = [p for p in plain.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    theirs = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), eps=1e-8)
    generator = torch.Generator().manual_seed(1)

    def our_step(batches: list[dict]) -> float:
        optimizer.set_hyperparameters(ours.optimizer, ADAM, 1e-3)
        return step.train_step(ours, iter(batches), world, TRAINING, MICRO_BATCHES).loss

    def their_step(batches: list[dict]) -> float:
        with torch._C.DisableTorchFunction():  # without the mode that adapts megatron-core to the CPU
            return plain_step(batches)

    def plain_step(batches: list[dict]) -> float:
        theirs.zero_grad()
        total = 0.0
        for batch in batches:
            loss = plain.loss(batch["tokens"], batch["labels"]) / len(batches)
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        theirs.step()
        return total

    ratios, seconds, differences = [], [], []
    for number in range(rounds + 2):
        batches = [random_batch(generator) for _ in range(MICRO_BATCHES)]
        first, second = (our_step, their_step) if number % 2 else (their_step, our_step)
        times, walls, losses = {}, {}, {}
        for one in (first, second):
            begin, begin_cpu = time.perf_counter(), time.process_time()
            losses[one] = one(batches)
            times[one], walls[one] = time.process_time() - begin_cpu, time.perf_counter() - begin
        if number >= 2:  # the first pair allocates
            ratios.append(times[their_step] / times[our_step])
            seconds.append(walls[our_step])
        differences.append(abs(losses[our_step] - losses[their_step]))
    distributed.stop()
    tokens = MICRO_BATCHES * MICRO_BATCH * LENGTH
    return {
        "bench": "train_cpu",
        "vs_plain_torch": round(statistics.median(ratios), 4),
        "vs_plain_torch_low": round(min(ratios), 4),
        "vs_plain_torch_high": round(max(ratios), 4),
        "tokens_per_s": round(tokens / statistics.median(seconds), 1),
        "dtype": dtype,
        "rounds": rounds,
        "largest_loss_difference": max(differences),
    }


def random_batch(generator: Any) -> dict[str, Any]:
    """One micro-batch of random tokens."""
    import torch

    tokens = torch.randint(0, VOCAB, (MICRO_BATCH, LENGTH + 1), generator=generator)
    return {
        "tokens": tokens[:, :-1].contiguous(),
        "labels": tokens[:, 1:].contiguous(),
        "loss_mask": torch.ones(MICRO_BATCH, LENGTH),
        "position_ids": torch.arange(LENGTH).expand(MICRO_BATCH, -1),
    }


if __name__ == "__main__":
    main()
