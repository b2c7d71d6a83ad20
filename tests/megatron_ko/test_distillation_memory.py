"""Memory of the loss of a distilled stage: the plan against the live bytes of the loss itself, under fake tensors."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from megatron_ko.config.distillation import DistillationConfig, ForwardKl, GeneralizedJsd, ReverseKl, TopK
from megatron_ko.config.training import ParallelConfig
from megatron_ko.planning.activations import StageShape
from megatron_ko.planning.distillation import loss_bytes
from megatron_ko.planning.memory import stage_memories
from tests import ranks
from tests.megatron_ko.test_flops import shape

VOCAB, LENGTH, BATCH, K, CHUNK = 32_000, 256, 2, 4, 128
TENSOR = 2
LOSSES = {
    "top_k": TopK(type="top_k", k=K),
    "top_k without tail": TopK(type="top_k", k=K, tail=False),
    "forward_kl": ForwardKl(),
    "reverse_kl": ReverseKl(type="reverse_kl"),
    "jsd": GeneralizedJsd(type="jsd"),
}
CASES = [
    (name, cached, width, temperature, weight, z_loss)
    for name, cached, width in itertools.product(LOSSES, (False, True), (2, 4))
    if not cached or name.startswith("top_k")
    for temperature, (weight, z_loss) in itertools.product((1.0, 2.0), ((0.0, 0.0), (0.0, 1e-4), (1.0, 0.0)))
]


def _settings(name: str, temperature: float, weight: float) -> DistillationConfig:
    return DistillationConfig(
        teacher="unused",
        loss=LOSSES[name],
        language_model_weight=weight,
        temperature=temperature,
        chunk_length=CHUNK,
    )


def _peaks(rank: int, init_method: str) -> list[int]:
    """Peak bytes of the loss of each case beside the student's logits."""
    from megatron_ko.training.distributed import import_megatron

    import_megatron("cpu")
    import torch.distributed as dist
    from megatron.core import parallel_state
    from torch.testing._internal.distributed.fake_pg import FakeStore

    dist.init_process_group("fake", rank=0, world_size=TENSOR, store=FakeStore())
    parallel_state.initialize_model_parallel(TENSOR, create_gloo_process_groups=False)
    return [_peak(*case) for case in CASES]


def _peak(name: str, cached: bool, width: int, temperature: float, weight: float, z_loss: float) -> int:
    """Of a forward and backward pass of the first of ``TENSOR`` ranks, whose group exchanges nothing."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    from megatron_ko.training.distillation import Distillation, Seat, _token_losses
    from megatron_ko.training.soft_targets import IDS, LOG_PROBABILITIES
    from tests.bench.plan_memory import Live

    settings = _settings(name, temperature, weight)
    with FakeTensorMode(allow_non_fake_inputs=True), Live() as live:
        dtype = torch.bfloat16 if width == 2 else torch.float32
        columns = (LENGTH, BATCH, VOCAB // TENSOR)
        labels, mask = torch.zeros(BATCH, LENGTH, dtype=torch.int64), torch.ones(BATCH, LENGTH)
        batch: dict[str, Any] = {}
        if cached:
            batch[IDS] = torch.zeros(BATCH, LENGTH, K, dtype=torch.int32)
            batch[LOG_PROBABILITIES] = torch.zeros(BATCH, LENGTH, K + 1, dtype=torch.float16)
        hidden = torch.zeros(columns, dtype=dtype, requires_grad=True)
        loss = Distillation(settings, None if cached else Seat(None), z_loss)
        before = live.now
        taught = None if cached else torch.zeros(columns, dtype=dtype)
        target = loss._target(VOCAB, batch, taught)
        del taught
        logits = hidden.clone()
        live.peak = live.now
        output = _token_losses(VOCAB, settings, loss._is_mixed, target, labels, logits)
        del target, logits
        total, _, _ = loss._sum(mask, None, output)
        del output
        total.backward()
    return live.peak - before - LENGTH * BATCH * VOCAB // TENSOR * width


@pytest.mark.ranks
def test_the_plan_has_every_chunk_that_the_loss_allocates():
    """Within a twentieth of a chunk in fp32, which is what numbers per token and sums may add."""
    (peaks,) = ranks.on_ranks(1, _peaks)
    differences = {}
    for case, peak in zip(CASES, peaks, strict=True):
        name, _, width, temperature, weight, z_loss = case
        stage = StageShape(
            model=shape(1, 64, 64, 4, 2),
            parallel=ParallelConfig(tensor=TENSOR),
            tokens=BATCH * LENGTH,
            positions=LENGTH,
            width=width,
            fused=True,
            vocab_size=VOCAB,
        )
        planned = loss_bytes(_settings(name, temperature, weight), stage, z_loss=z_loss > 0)
        differences[case] = (planned - peak) / (CHUNK * BATCH * VOCAB // TENSOR * 4)
    assert len(differences) == 84
    assert {case: missing for case, missing in differences.items() if abs(missing) > 0.05} == {}


@pytest.mark.parametrize("loss", [LOSSES["top_k"], LOSSES["top_k without tail"], LOSSES["jsd"]])
def test_a_z_loss_needs_one_more_chunk(loss):
    def activations(z_loss: bool, **fields: Any) -> int:
        settings = replace(DistillationConfig(teacher="unused", loss=loss, chunk_length=CHUNK), **fields)
        (memory,) = stage_memories(
            shape(1, 64, 64, 4, 2),
            ParallelConfig(),
            padded_vocab_size=VOCAB,
            data_parallel=1,
            micro_batch_size=BATCH,
            micro_batches=1,
            sequence_length=LENGTH,
            bytes_per_weight=2,
            distillation=settings,
            z_loss=z_loss,
        )
        return memory.activations_bytes

    chunk = CHUNK * BATCH * VOCAB * 4
    assert activations(True) == activations(False) + chunk
    assert activations(True, language_model_weight=1.0) == activations(True)
