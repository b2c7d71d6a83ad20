"""Distillation: the time of a step against plain training of the student, the size of a cache, and the memory against the plan.

    python -m tests.bench.distill [--rounds N] [--peaks [--only NAME]] [--peers]

Steps of the student trained plainly, with the teacher beside it (forward_kl), the same with two pairs of hidden states, and from a
cache on disk (top_k, reading included) alternate on one rank, in CPU seconds, with the same batches. ``online_vs_plain``,
``hidden_vs_plain`` and ``offline_vs_plain`` are medians of the ratios of the rounds; ``online_flops`` is the ratio of the FLOPs of the
plan; ``cache_write_us_per_token`` leaves the teacher out. ``--peaks`` compares the planned peak of the activations with megatron-core's
own passes under fake tensors (``tests/bench/plan_memory.py``) instead: one JSON line per loss, layout and pipeline stage. ``--peers``
compares the losses with NVIDIA's (``tests/bench/distill_peers.py``).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from megatron_ko.config.distillation import (
    DistillationConfig,
    ForwardKl,
    GeneralizedJsd,
    HiddenStatesConfig,
    LayerPair,
    ReverseKl,
    TopK,
)
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.optimizer import OptimizerConfig
from megatron_ko.config.training import ParallelConfig, PrecisionConfig, RunConfig, TrainingConfig
from megatron_ko.formats.checkpoint_folder import Origin
from megatron_ko.formats.teacher_cache import TeacherCache
from megatron_ko.planning.distillation import teacher_parallel
from megatron_ko.planning.flops import flops_per_token, forward_flops_per_token
from megatron_ko.planning.memory import stage_memories
from tests.bench import plan_memory

VOCAB, LENGTH, MICRO_BATCH, MICRO_BATCHES, K = 8192, 512, 2, 2, 64
STUDENT = ModelConfig(
    layers=4, hidden_size=256, ffn_hidden_size=704, heads=4, kv_groups=2, max_sequence_length=LENGTH
)
TEACHER = replace(STUDENT, hidden_size=512, ffn_hidden_size=1408, heads=8, kv_groups=4)
TWO_PAIRS = HiddenStatesConfig(layers=[LayerPair(student=1, teacher=1), LayerPair(student=3, teacher=3)])
ADAM = OptimizerConfig(learning_rate=1e-3)
TRAINING = TrainingConfig(
    steps=1,
    global_batch_size=MICRO_BATCH * MICRO_BATCHES,
    micro_batch_size=MICRO_BATCH,
    sequence_length=LENGTH,
)
LOSSES = {
    "forward_kl": ForwardKl(),
    "reverse_kl": ReverseKl(type="reverse_kl"),
    "jsd": GeneralizedJsd(type="jsd"),
    "top_k": TopK(type="top_k", k=K),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--peaks", action="store_true", help="compare memory instead of time")
    parser.add_argument("--peers", action="store_true", help="compare losses with those of NVIDIA instead")
    parser.add_argument("--only", default="", help="with --peaks: losses whose name contains this")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.peaks:
            lines = peaks(options.only)
        elif options.peers:
            lines = peers(options.rounds, Path(folder))
        else:
            lines = [measure(options.rounds, Path(folder))]
        for line in lines:
            print(json.dumps(line), flush=True)


def peers(rounds: int, folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of ``distill_peers.compare`` on one rank."""
    from megatron_ko.training import distributed

    _start(folder)
    from tests.bench import distill_peers

    yield from distill_peers.compare(rounds)
    distributed.stop()


def _start(folder: Path) -> Any:
    """One rank on the CPU."""
    from megatron_ko.training import distributed

    run = RunConfig(folder=str(folder), device="cpu")
    return distributed.start(run, ParallelConfig(), 0, 1, f"file://{folder / 'rendezvous'}")


# --- time ------------------------------------------------------------------------------------------------


def measure(rounds: int, folder: Path) -> dict[str, Any]:
    import torch

    from megatron_ko.training import distributed, model, optimizer, step
    from megatron_ko.training.cached_targets import CachedTargets, encode, hash_of_tokens
    from megatron_ko.training.distillation import Distillation, Seat
    from megatron_ko.training.hidden_states import set_projections
    from megatron_ko.training.losses import CrossEntropy
    from megatron_ko.training.soft_targets import select_targets
    from megatron_ko.training.teacher import _logits
    from tests.bench.train_cpu import random_batch

    world = _start(folder)
    precision = PrecisionConfig(dtype="fp32")

    def build(shape: ModelConfig) -> Any:
        return model.build_gpt(
            shape, ParallelConfig(), precision, vocab_size=VOCAB, device=world.device, seed=1
        )

    teacher = build(TEACHER).requires_grad_(False).eval()
    teacher.compute_language_model_loss = _logits
    settings = {name: DistillationConfig(teacher="unused", loss=LOSSES[name]) for name in LOSSES}
    losses = {
        "plain": CrossEntropy(),
        "online": Distillation(settings["forward_kl"], Seat(teacher)),
        "hidden": Distillation(replace(settings["forward_kl"], hidden_states=TWO_PAIRS), Seat(teacher)),
        "offline": Distillation(settings["top_k"]),
    }

    def prepare(loss: Any) -> Any:
        student = build(STUDENT)
        set_projections(student, loss.projections(student), 1)
        return step.prepare(student, ADAM, precision, loss)

    trainees = {name: prepare(loss) for name, loss in losses.items()}
    generator = torch.Generator().manual_seed(1)

    cache = replace(
        _cache(K, VOCAB), folder=folder, sequence_length=LENGTH,
        samples=MICRO_BATCHES * MICRO_BATCH, samples_per_shard=MICRO_BATCHES * MICRO_BATCH,
    )  # fmt: skip
    writing: list[float] = []

    def write(batches: list[dict[str, Any]]) -> CachedTargets:
        """The samples of the batches, whose targets are in a cache on disk."""
        rows, records = [], []
        for batch in batches:
            with torch.no_grad():
                logits = teacher(batch["tokens"], batch["position_ids"], None, labels=batch["labels"])
                chosen = select_targets(logits, VOCAB, K, 1.0, LENGTH)
            for place in range(MICRO_BATCH):
                rows.append({name: values[place] for name, values in batch.items()})
                records.append((chosen.ids[:, place], chosen.log_probabilities[:, place]))
        begin = time.process_time()
        cache.write_shard(
            0,
            ((hash_of_tokens(row), encode(ids, values, cache)) for row, (ids, values) in zip(rows, records)),
        )
        writing.append((time.process_time() - begin) / (len(rows) * LENGTH))
        return CachedTargets(rows, cache)

    def read(samples: CachedTargets) -> Iterator[dict[str, Any]]:
        """Batches as training reads them: inside the time of a step."""
        for number in range(MICRO_BATCHES):
            own = [samples[number * MICRO_BATCH + place] for place in range(MICRO_BATCH)]
            yield torch.utils.data.default_collate(own)

    seconds: dict[str, list[float]] = {name: [] for name in losses}
    names = list(losses)
    for number in range(rounds + 2):
        batches = [random_batch(generator) for _ in range(MICRO_BATCHES)]
        cached = write(batches)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            optimizer.set_hyperparameters(trainees[name].optimizer, ADAM, 1e-3)
            begin = time.process_time()
            source = read(cached) if name == "offline" else iter(batches)
            step.train_step(trainees[name], source, world, TRAINING, MICRO_BATCHES)
            if number >= 2:  # the first ones allocate
                seconds[name].append(time.process_time() - begin)
    begin = time.process_time()
    for _ in range(rounds):
        list(read(cached))
    reading = (time.process_time() - begin) / (rounds * cache.samples * LENGTH)
    distributed.stop()
    own, extra = (
        flops_per_token(STUDENT, VOCAB, LENGTH),
        forward_flops_per_token(TEACHER, VOCAB, LENGTH),
    )
    ratios = {
        name: statistics.median(a / b for a, b in zip(seconds[name], seconds["plain"]))
        for name in ("online", "hidden", "offline")
    }
    return {
        "bench": "distill",
        "online_vs_plain": round(ratios["online"], 3),
        "online_flops": round((own + extra) / own, 3),
        "hidden_vs_plain": round(ratios["hidden"], 3),
        "offline_vs_plain": round(ratios["offline"], 3),
        "cache_bytes_per_token": {k: bytes_per_token(k, 128_256) for k in (32, 64, 128)},
        "cache_write_us_per_token": round(statistics.median(writing) * 1e6, 2),
        "cache_read_us_per_token": round(reading * 1e6, 2),
        "rounds": rounds,
    }


def bytes_per_token(k: int, vocab_size: int) -> int:
    """Of a cache of the teacher's ``k`` most probable tokens."""
    return _cache(k, vocab_size).bytes_per_token


def _cache(k: int, vocab_size: int) -> TeacherCache:
    return TeacherCache(
        folder=Path(), teacher=Origin("", 0, ""), tokenizer_fingerprint="", vocab_size=vocab_size, k=k, temperature=1.0,
        sequence_length=1, samples=1, samples_per_shard=1, dtype="bf16", data={},
    )  # fmt: skip


# --- memory ----------------------------------------------------------------------------------------------

LARGE_TEACHER = replace(
    plan_memory.MODEL, layers=16, hidden_size=4096, ffn_hidden_size=14336, heads=32, kv_groups=8
)
LAYOUTS = {
    "one rank": ParallelConfig(),
    "TP2": ParallelConfig(tensor=2),
    "PP2": ParallelConfig(pipeline=2),
    "TP2, SP, PP2": ParallelConfig(tensor=2, sequence=True, pipeline=2),
}


PAIRS = [LayerPair(student=3, teacher=7), LayerPair(student=7, teacher=15)]
HIDDEN = HiddenStatesConfig(layers=PAIRS)


def peaks(only: str = "") -> Iterator[dict[str, Any]]:
    """Planned and measured peaks of the activations in GiB, without the teacher's weights, and their ratio."""
    from megatron_ko.training.distributed import import_megatron

    import_megatron("cpu")
    losses = {name: DistillationConfig(teacher="unused", loss=loss) for name, loss in LOSSES.items()}
    losses["hidden states"] = replace(losses["forward_kl"], hidden_states=HIDDEN)
    losses["whole teacher"] = replace(losses["hidden states"], teacher_tensor=1)
    for loss, settings in losses.items():
        if only not in loss:
            continue
        for layout, parallel in LAYOUTS.items():
            if layout != "one rank" and loss not in ("forward_kl", "hidden states", "whole teacher"):
                continue
            if loss == "whole teacher" and parallel.tensor == 1:
                continue
            case = plan_memory.Case(parallel)
            for stage in range(parallel.pipeline):
                planned = _planned(case, settings)[stage].activations_bytes
                measured = plan_memory.measure(case, "cuda", stage, partial(_loss, case, settings))
                yield {
                    "loss": loss,
                    "layout": layout,
                    "stage": stage,
                    "planned": round(planned / 2**30, 3),
                    "measured": round(measured / 2**30, 3),
                    "peak_vs_plan": round(measured / planned, 3),
                }


def _planned(case: plan_memory.Case, settings: DistillationConfig) -> Any:
    return stage_memories(
        case.model,
        case.parallel,
        padded_vocab_size=case.model.vocab_size or 0,
        data_parallel=1,
        micro_batch_size=case.micro_batch_size,
        micro_batches=case.micro_batches,
        sequence_length=case.sequence_length,
        bytes_per_weight=2,
        device="cuda",
        distillation=settings,
        teacher=LARGE_TEACHER,
    )


def _loss(case: plan_memory.Case, settings: DistillationConfig) -> Any:
    from megatron_ko.training.distillation import Distillation, Seat
    from megatron_ko.training.teacher import _logits, _own_columns

    layout = teacher_parallel(case.parallel, LARGE_TEACHER, case.model, settings)
    fewer = layout.tensor < case.parallel.tensor
    groups = _groups_of_a_whole_teacher() if fewer else None
    teacher = plan_memory._build(replace(case, model=LARGE_TEACHER, parallel=layout), "cuda", groups)
    teacher.requires_grad_(False).eval()
    teacher.compute_language_model_loss = partial(_own_columns, layout.tensor) if fewer else _logits
    return Distillation(settings, Seat(teacher))


def _groups_of_a_whole_teacher() -> Any:
    """``distributed.groups_of_fewer(1)``, without its exchange of objects, for which fake tensors have no bytes."""
    import torch.distributed as dist
    from megatron.core.process_groups_config import ProcessGroupCollection

    groups: Any = ProcessGroupCollection.use_mpu_process_groups()
    groups.tp = dist.new_group([dist.get_rank()])
    return groups


if __name__ == "__main__":
    main()
