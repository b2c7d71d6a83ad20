"""Each switch of ``speed``, and recomputation, against the plain path: the same steps on the same batches, with it and without.

Owns the table of switches. Cases of one rank share a process; those that leave something behind have their own.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from megatron_ko.config.loading import load
from megatron_ko.config.training import Config, PrecisionConfig
from megatron_ko.planning.config_rules import layout_rules
from megatron_ko.planning.installed import find_apex, has_flash_attention, uses_engine
from megatron_ko.planning.speed import switches_of
from tests.gpu.apart import ProcessFailed, call_apart
from tests.gpu.building import Layers, build_as_configured
from tests.gpu.real_tokens import read_batches
from tests.gpu.record import Check, Outcome, at_most, holds
from tests.gpu.runs import write_config
from tests.gpu.shapes import Setting

VOCAB = 260
STEPS = 6
"""Steps of each case: CUDA graphs are recorded in the first and replayed in the others."""
MICRO_BATCHES = 4
"""Micro-batches of a step, so that gradients accumulate, and enough of them for a virtual pipeline."""
_OFF = (
    "overlap_grad_reduce", "overlap_param_gather", "fused_gradient_accumulation", "fused_rope", "fused_swiglu",
    "fused_residual", "fused_norm_linear",
)  # fmt: skip
_PLAIN = ["speed.attention=sdpa", "speed.adam=torch", *(f"speed.{name}=false" for name in _OFF)]
PLAIN: dict[Layers, list[str]] = {
    "own": ["speed.layers=own", "precision.dtype=fp32", *_PLAIN],
    "engine": ["speed.layers=engine", "precision.dtype=bf16", *_PLAIN],
}
"""The plain path of our layers in fp32, and of Transformer Engine's in bf16, which its attention needs."""
BOUNDS = {"fp32": (1e-4, 1e-3), "bf16": (2e-2, 3e-2)}
"""Largest difference of a loss, and largest relative difference of a gradient norm."""
_BF16 = "precision.dtype=bf16"


@dataclass(frozen=True)
class Switch:
    """What one case changes. ``base``: overrides of the plain path, too; ``needs``: a package beside Transformer Engine."""

    layers: Layers
    on: tuple[str, ...]
    base: tuple[str, ...] = ()
    needs: str = ""
    ranks: int = 1
    alone: bool = False


_OVERLAP = ("speed.overlap_grad_reduce=true", "speed.bucket_size=20000")
_AWARE = "speed.precision_aware_adam=true"
_TENSORWISE = ("precision.fp8=tensorwise", "speed.adam=engine")
_SPLIT = ("parallel.tensor=2", "parallel.sequence=true")
_COMMON = {
    "swiglu": ("speed.fused_swiglu=true",),
    "residual": ("speed.fused_residual=true",),
    "cross_entropy": ("speed.fused_cross_entropy=true",),
    "grad_reduce": _OVERLAP,
    "param_gather": (*_OVERLAP, "speed.overlap_param_gather=true"),
    "recompute_selective": ("parallel.recompute.type=selective",),
    "recompute_full": ("parallel.recompute.type=full",),
}
_LAYERS: tuple[Layers, ...] = ("own", "engine")
SWITCHES: dict[str, Switch] = {
    **{
        f"{layers}_{name}": Switch(layers, on) for layers in _LAYERS for name, on in _COMMON.items()
    },
    "own_offload": Switch("own", ("speed.offload_optimizer=1.0",), base=(_BF16,)),
    "engine_offload": Switch("engine", ("speed.offload_optimizer=1.0",)),
    "own_compile": Switch("own", ("speed.compile=true",)),
    "own_accumulation": Switch("own", ("speed.fused_gradient_accumulation=true",), needs="apex", alone=True),
    "own_adam_apex": Switch("own", ("speed.adam=apex",), needs="apex"),
    "own_virtual_pipeline": Switch(
        "own", ("parallel.virtual_pipeline=2",), base=("parallel.pipeline=2", "model.layers=4"), ranks=2
    ),
    "own_grad_reduce_of_two": Switch("own", (*_OVERLAP, "speed.overlap_param_gather=true"), ranks=2),
    "engine_graphs": Switch("engine", ("speed.cuda_graphs=layers",), alone=True),
    "engine_rope": Switch("engine", ("speed.fused_rope=true",)),
    "engine_norm_linear": Switch("engine", ("speed.fused_norm_linear=true",)),
    "engine_accumulation": Switch("engine", ("speed.fused_gradient_accumulation=true",)),
    "engine_attention_auto": Switch("engine", ("speed.attention=auto",), alone=True),
    "engine_attention_fused": Switch("engine", ("speed.attention=fused",), alone=True),
    "engine_attention_flash": Switch("engine", ("speed.attention=flash",), needs="flash-attn", alone=True),
    "engine_adam": Switch("engine", ("speed.adam=engine",)),
    "engine_precision_aware": Switch("engine", ("speed.adam=engine", _AWARE)),
    "engine_moments_bf16": Switch("engine", ("speed.adam=engine", _AWARE, "speed.adam_moments=bf16")),
    "engine_moments_fp8": Switch("engine", ("speed.adam=engine", _AWARE, "speed.adam_moments=fp8")),
    "engine_gradients_bf16": Switch("engine", ("speed.adam=engine", _AWARE, "speed.gradients=bf16")),
    "engine_fp8_gather": Switch("engine", ("precision.fp8.parameter_gather=true",), base=_TENSORWISE),
    "engine_fp8_recompute": Switch("engine", ("parallel.recompute.type=selective",), base=_TENSORWISE),
    "engine_tensor_overlap": Switch("engine", ("speed.overlap_tensor_parallel=true",), base=_SPLIT, ranks=2),
}  # fmt: skip
Curve = list[tuple[float, float]]
"""Loss and gradient norm of each step."""


def reason_to_skip(name: str, device: str) -> str:
    """What this host lacks for a switch; empty where it can run. The dry run needs nothing."""
    import torch

    switch = SWITCHES[name]
    if device == "cpu":
        return ""
    if switch.layers == "engine" and not uses_engine():
        return "Transformer Engine is not installed"
    if switch.needs == "apex" and find_apex() != "compiled":
        return "NVIDIA's Apex is not installed"
    if switch.needs == "flash-attn" and not has_flash_attention():
        return "flash-attn is not installed"
    if torch.cuda.device_count() < switch.ranks:
        return f"needs {switch.ranks} GPUs"
    return ""


def compare_switches(layers: Layers) -> Any:
    """The part of the acceptance that compares all switches of these layers."""
    return lambda setting: compare(setting, [name for name, s in SWITCHES.items() if s.layers == layers])


def compare(setting: Setting, names: Sequence[str]) -> Outcome:
    """Losses and gradient norms with each switch against the plain path."""
    outcome = Outcome()
    able = []
    for name in names:
        if reason := reason_to_skip(name, setting.device):
            outcome.numbers[name] = f"skipped: {reason}"
        else:
            able.append(name)
    curves: dict[str, Any] = {}
    for process in _processes(able):
        curves |= _run(setting, process)
    for name in able:
        plain, fused = curves[_plain_of(name)], curves[name]
        if isinstance(plain, str) or isinstance(fused, str):
            outcome.numbers[name] = {"error": plain if isinstance(plain, str) else fused}
            outcome.checks.append(holds(f"{name} runs", False))
            continue
        outcome.numbers[name] = [loss for loss, _ in fused]
        outcome.checks += _checks(name, fused, plain)
    return outcome


def _checks(name: str, fused: Curve, plain: Curve) -> list[Check]:
    loss, norm = BOUNDS["bf16" if _BF16 in overrides_of(name)[0] else "fp32"]
    losses = [abs(a - b) for (a, _), (b, _) in zip(fused, plain, strict=True)]
    norms = [abs(a / b - 1) for (_, a), (_, b) in zip(fused, plain, strict=True)]
    return [
        at_most(f"{name}: losses", max(losses), loss),
        at_most(f"{name}: gradient norms", max(norms), norm),
    ]


def _plain_of(name: str) -> str:
    """Name of the plain path that a switch is compared with: cases with the same overrides share it."""
    switch = SWITCHES[name]
    return " ".join(["plain", switch.layers, *switch.base, str(switch.ranks)])


def _processes(names: Sequence[str]) -> list[list[str]]:
    """Cases by process, of one rank or more: each is a switch or a plain path."""
    shared: dict[Layers, list[str]] = {"own": [], "engine": []}
    alone: list[list[str]] = []
    for name in names:
        switch = SWITCHES[name]
        if switch.ranks > 1:  # a layout lasts as long as its processes
            alone += [[_plain_of(name)], [name]]
            continue
        if _plain_of(name) not in shared[switch.layers]:
            shared[switch.layers].append(_plain_of(name))
        if switch.alone:
            alone.append([name])
        else:
            shared[switch.layers].append(name)
    return [process for process in (*shared.values(), *alone) if process]


def overrides_of(case: str) -> tuple[list[str], int]:
    """Overrides and ranks of a switch or of a plain path."""
    if case in SWITCHES:
        switch = SWITCHES[case]
        return [*PLAIN[switch.layers], *switch.base, *switch.on], switch.ranks
    switch = next(s for name, s in SWITCHES.items() if _plain_of(name) == case)
    return [*PLAIN[switch.layers], *switch.base], switch.ranks


def configured(path: Path, case: str) -> Config:
    """The configuration of a case for a GPU; raises ConfigError if the rules refuse it."""
    overrides, ranks = overrides_of(case)
    return load(Config, [str(path)], ["run.device=cuda", *overrides], layout_rules(ranks)).config


def _run(setting: Setting, cases: Sequence[str]) -> dict[str, Curve | str]:
    """The curve of each case, or its error, from one process of each rank."""
    scale, ranks = setting.scale, overrides_of(cases[0])[1]
    training = {
        "steps": STEPS, "sequence_length": scale.small_length,
        "global_batch_size": MICRO_BATCHES * ranks, "micro_batch_size": 1,
    }  # fmt: skip
    shape = {**scale.small, "vocab_size": VOCAB}
    path = write_config(setting, f"switches_{ranks}", shape, training=training)
    try:
        found: dict[str, Any] = call_apart(
            setting.device,
            _train_cases,
            str(path),
            list(cases),
            setting.device,
            str(setting.manifest),
            ranks=ranks,
        )
    except ProcessFailed as error:
        return dict.fromkeys(cases, str(error))
    return found


def _train_cases(
    init_method: str, path: str, cases: list[str], device: str, manifest: str
) -> dict[str, Curve | str]:
    from megatron_ko.training import distributed

    rank, ranks = int(os.environ["LOCAL_RANK"]), overrides_of(cases[0])[1]
    configs = {case: configured(Path(path), case) for case in cases}
    first = _on_device(configs[cases[0]], device)
    world = distributed.start(first.run, first.parallel, rank, ranks, init_method)
    found: dict[str, Curve | str] = {}
    for case, config in configs.items():
        try:
            found[case] = _train(_on_device(config, device), world, Path(manifest))
        except Exception:
            found[case] = traceback.format_exc()
    distributed.stop()
    return found


def _on_device(config: Config, device: Any) -> Config:
    """The same run on ``device``: on the CPU nothing is fused, and nothing is in FP8."""
    changed = dataclasses.replace(config, run=dataclasses.replace(config.run, device=device))
    if device == "cpu":
        changed = dataclasses.replace(changed, precision=PrecisionConfig(dtype=config.precision.dtype))
    return changed


def _train(config: Config, world: Any, manifest: Path) -> Curve:
    """Trains the steps of one case from the same weights on the same batches, then frees what it has built."""
    from megatron_ko.training import boundary, engine, optimizer, step, vocabulary

    training, adam = config.training, config.optimizer
    gpt = build_as_configured(config, VOCAB, world.device, seed=1)
    trainees = [step.prepare(gpt, adam, config.precision, switches=switches_of(config))]
    stream = read_batches(manifest, training.sequence_length, world.data_size)
    curve: Curve = []
    try:
        for _ in range(STEPS):
            optimizer.set_hyperparameters(trainees[0].optimizer, adam, adam.learning_rate)
            rows = (
                {name: value[[world.data_rank]].to(world.device) for name, value in batch.items()}
                for batch in itertools.islice(stream, MICRO_BATCHES)
            )
            result = step.train_step(trainees[0], rows, world, training, MICRO_BATCHES)
            curve.append((result.loss, result.gradient_norm))
    finally:
        engine.end_overlap(trainees[0].ddp_model)
        boundary._release(trainees, gpt)
        vocabulary.use_compiled(False)
    return curve
