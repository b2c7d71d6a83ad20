"""Speed and memory of the large model: our step with the program's own data and reports, and plain PyTorch.

Both read the same batches and run in processes of their own, one after the other.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from megatron_ko.preflight import Preflight, preflight
from tests.gpu.building import build_as_configured

GIB = 2**30


class Waiting:
    """An iterator that counts the seconds its caller waits."""

    def __init__(self, inner: Iterator[Any]) -> None:
        self._inner, self.seconds = inner, 0.0

    def __iter__(self) -> Waiting:
        return self

    def __next__(self) -> Any:
        begin = time.perf_counter()
        try:
            return next(self._inner)
        finally:
            self.seconds += time.perf_counter() - begin


def measure_ours(
    init_method: str, config: str, overrides: list[str], warm_up: int, timed: int, profiled: int
) -> dict[str, Any]:
    """Speed of ``timed`` steps, the peak of memory beside the plan's, shares of a step that data and reports take, and a
    profile of ``profiled`` more steps. Every step reports."""
    from megatron_ko.planning.position import Position
    from megatron_ko.training import boundary, data, distributed, metrics, optimizer, reporting, step
    from tests.gpu.profiling import profile_steps

    checked = preflight([config], overrides, 1)
    settings, (stage, plan) = checked.config, checked.plan.stages_from(0)[0]
    world = distributed.start(settings.run, settings.parallel, 0, 1, init_method)
    gpt = build_as_configured(settings, plan.vocab_size, world.device)
    fill(gpt)
    trainee = boundary.enter(stage, plan.vocab_size, gpt, [], world)
    index = Path(settings.run.folder) / "index"
    order, end = data.order_of_stage(stage, Position(), checked.manifest, {}, cache=index)
    batches = Waiting(data.batches_between(0, end, order, settings, world, checked.manifest.eod_id))
    position, reporting_s = Position(), 0.0
    report = reporting.Reporter(settings, checked.plan, world, position)
    report.begin_stage(stage, plan, position)
    size = settings.training.global_batch_size
    rate = settings.optimizer.learning_rate
    losses: list[float] = []

    def train_one_step() -> None:
        nonlocal position, reporting_s
        optimizer.set_hyperparameters(trainee.optimizer, stage.config.optimizer, rate)
        position = position.after_step(size, size * plan.sequence_length)
        micro_batches = plan.micro_batches_of(size)
        result = step.train_step(trainee, batches, world, stage.config.training, micro_batches)
        losses.append(result.loss)
        _synchronize(
            world.device
        )  # the update is the step's, though a report would be the first to wait for it
        begin = time.perf_counter()
        report.count_step(position)
        report.step(position, result, rate)
        reporting_s += time.perf_counter() - begin

    metrics.forget_peak_memory(world.device)
    for _ in range(warm_up):
        train_one_step()
    _synchronize(world.device)
    batches.seconds, reporting_s = 0.0, 0.0
    begin = time.perf_counter()
    for _ in range(timed):
        train_one_step()
    _synchronize(world.device)
    seconds = time.perf_counter() - begin
    waited, reported, memory = batches.seconds, reporting_s, metrics.memory_gib(world.device)
    peak = metrics.peak_of(world.device, settings.precision, settings.reporting.peak_tflops)
    tokens_per_s = timed * size * plan.sequence_length / seconds
    tflops = tokens_per_s * plan.flops_per_token / 1e12
    profile = profile_steps(train_one_step, profiled, world.device.type) if profiled else {}
    distributed.stop()
    return {
        "parameters": plan.parameters,
        "layers": settings.model.layers,
        "tokens_per_step": size * plan.sequence_length,
        "step_s": seconds / timed,
        "tokens_per_s": tokens_per_s,
        "tflops": tflops,
        "mfu": tflops / peak.tflops,
        "peak_tflops": peak.tflops,
        "peak_name": peak.name,
        "memory_gib": memory,
        "plan_gib": plan.memory.total_bytes / GIB,
        "data_share": waited / seconds,
        "reporting_share": reported / seconds,
        "first_loss": losses[0],
        "last_loss": losses[warm_up + timed - 1],
        "profile": profile,
    }


def fill(gpt: Any) -> None:
    """Random weights drawn on the device itself, which is quick: speed depends on numbers only in being none special."""
    import torch

    with torch.no_grad():
        for parameter in gpt.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.02)
            else:
                parameter.fill_(1.0)


def measure_plain(
    init_method: str, config: str, overrides: list[str], warm_up: int, timed: int
) -> dict[str, Any]:
    """Speed and memory of the same model, batches and clipping in plain PyTorch, compiled on a GPU.

    Weights, gradients and AdamW's moments are bf16, which is faster and smaller than our fp32 ones.
    """
    import torch

    checked = preflight([config], overrides, 1)
    on_cpu = checked.config.run.device == "cpu"
    # on the CPU without the mode that adapts megatron-core to it
    with torch._C.DisableTorchFunction() if on_cpu else contextlib.nullcontext():
        return _measure_plain(checked, warm_up, timed)


def _measure_plain(checked: Preflight, warm_up: int, timed: int) -> dict[str, Any]:
    import torch

    from megatron_ko.planning.position import Position
    from megatron_ko.training import data, metrics
    from megatron_ko.training.distributed import World
    from tests.plain_gpt import PlainGPT

    settings, (stage, plan) = checked.config, checked.plan.stages_from(0)[0]
    device = torch.device(settings.run.device)
    world = World(0, 1, device, 0, 1, 1, True, True)
    with torch.device(device):
        plain = PlainGPT(settings.model, plan.vocab_size).to(torch.bfloat16)
    fill(plain)
    matrices = [p for p in plain.parameters() if p.ndim > 1]
    vectors = [p for p in plain.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=settings.optimizer.learning_rate, betas=(0.9, 0.95), fused=True)
    loss_of = torch.compile(plain.loss, dynamic=False) if device.type == "cuda" else plain.loss
    index = Path(settings.run.folder) / "index"
    order, end = data.order_of_stage(stage, Position(), checked.manifest, {}, cache=index)
    batches = data.batches_between(0, end, order, settings, world, checked.manifest.eod_id)
    count = plan.micro_batches_of(settings.training.global_batch_size)

    def train_one_step() -> float:
        adam.zero_grad()
        total = torch.zeros((), device=device)
        for _ in range(count):
            batch = next(batches)
            loss = loss_of(batch["tokens"], batch["labels"]) / count
            loss.backward()
            total += loss.detach()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        adam.step()
        return float(total)

    metrics.forget_peak_memory(device)
    for _ in range(warm_up):
        train_one_step()
    _synchronize(device)
    begin = time.perf_counter()
    for _ in range(timed):
        train_one_step()
    _synchronize(device)
    seconds = time.perf_counter() - begin
    tokens = settings.training.global_batch_size * plan.sequence_length
    return {
        "step_s": seconds / timed,
        "tokens_per_s": timed * tokens / seconds,
        "memory_gib": metrics.memory_gib(device),
        "compiled": device.type == "cuda",
    }


def _synchronize(device: Any) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
