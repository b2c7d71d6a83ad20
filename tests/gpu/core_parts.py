"""The parts of accept-core: our own modules on a GPU, without Transformer Engine."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from megatron_ko.formats.run_folder import checkpoint_folder, checkpoints_of
from tests.gpu.apart import ProcessFailed, call_apart
from tests.gpu.building import compiled_layers, own_layers
from tests.gpu.numerics import read_side, run_side
from tests.gpu.recipes import overrides_of
from tests.gpu.record import Check, Outcome, at_least, at_most, holds
from tests.gpu.runs import compare_checkpoints, largest_difference, relative_distance, train, write_config
from tests.gpu.shapes import ROOT, Setting
from tests.gpu.throughput import measure_ours, measure_plain

# Bounds of fp32 on two devices, whose sums have other orders.
LOGITS, GRADIENTS, LOSSES = 1e-4, 1e-3, 1e-3
WEIGHTS, MOMENTS = 1e-3, 1e-2
RESUMED = 1e-5
# The targets of the acceptance.
MFU, DATA_SHARE, MEMORY = 0.50, 0.02, 0.10
FIRST_CHECKPOINT_S = 240.0
PROFILED = 2
"""Steps of a profile."""


def compare_devices(setting: Setting) -> Outcome:
    """Initial weights, logits, gradients and losses of the device against the CPU, in fp32."""
    scale = setting.scale
    sides = {}
    for name, device in (("cpu", "cpu"), ("device", setting.device)):
        inputs = (device, scale.small, str(setting.manifest), str(setting.work / f"side_{name}"))
        sides[name] = call_apart(
            device, run_side, *inputs, scale.small_length, scale.small_batch, scale.steps
        )
    logits, gradients = read_side(setting.work / "side_device")
    true_logits, true_gradients = read_side(setting.work / "side_cpu")
    distances = {name: relative_distance(gradients[name], true) for name, true in true_gradients.items()}
    farthest = dict(sorted(distances.items(), key=lambda item: -item[1])[:5])
    losses = [abs(a - b) for a, b in zip(sides["device"]["losses"], sides["cpu"]["losses"])]
    numbers = {name: sides[name]["losses"] for name in sides}
    return Outcome(
        {"steps": scale.steps, "losses": numbers, "gradients": farthest},
        [
            holds("initial weights equal", sides["device"]["weights"] == sides["cpu"]["weights"]),
            at_most("logits, relative distance", relative_distance(logits, true_logits), LOGITS),
            at_most("gradients, largest relative distance", max(distances.values()), GRADIENTS),
            at_most("losses, largest difference", max(losses), LOSSES),
        ],
    )


def cross_devices(setting: Setting) -> Outcome:
    """A run that begins on the CPU, goes on on the device and ends on the CPU, against one on the CPU alone; fp32."""
    scale, leg = setting.scale, setting.scale.leg
    config = write_config(setting, "devices", scale.small, **_small_run(setting, 3 * leg))
    whole, relay = setting.work / "whole", setting.work / "relay"
    expected = train("cpu", config, whole)
    train(
        setting.device, config, relay,
        f"training.steps={2 * leg}", f"checkpoint.resume={checkpoint_folder(whole, leg)}",
    )  # fmt: skip
    actual = train("cpu", config, relay)
    there = compare_checkpoints(checkpoint_folder(relay, 2 * leg), checkpoint_folder(whole, 2 * leg))
    back = compare_checkpoints(checkpoint_folder(relay, 3 * leg), checkpoint_folder(whole, 3 * leg))
    checks = [at_most("losses, largest difference", largest_difference(actual, expected, leg + 1), LOSSES)]
    for where, distances in (("CPU to device", there), ("device to CPU", back)):
        limits = {name: WEIGHTS if name == "weights" else MOMENTS for name in distances}
        checks += [at_most(f"{where}: {name}", value, limits[name]) for name, value in distances.items()]
        checks.append(
            holds(f"{where}: optimizer state compared", {"exp_avg", "exp_avg_sq"} <= set(distances))
        )
    return Outcome({"steps": 3 * leg, "checkpoint_every": leg}, checks)


def _small_run(setting: Setting, steps: int) -> dict[str, Any]:
    scale = setting.scale
    batch = {"global_batch_size": scale.small_batch, "micro_batch_size": scale.small_batch}
    return {
        "training": {"steps": steps, "sequence_length": scale.small_length, **batch},
        "checkpoint": {"every_steps": scale.leg},
        **own_layers(),
    }


def kill_and_resume(setting: Setting) -> Outcome:
    """kill -9 of the real program after its first checkpoint, then the same run to its end, against an undisturbed one; fp32."""
    leg = setting.scale.leg
    config = write_config(setting, "killed", setting.scale.small, **_small_run(setting, 1000 * leg))
    killed, undisturbed = setting.work / "killed", setting.work / "undisturbed"
    ranks_left = _kill_after_checkpoint(config, killed)
    newest = len(checkpoints_of(killed)) * leg
    steps = f"training.steps={newest + leg}"
    actual = train(setting.device, config, killed, steps)
    expected = train(setting.device, config, undisturbed, steps)
    difference = largest_difference(actual, expected, 1)
    return Outcome(
        {"killed_after_step": newest, "steps": newest + leg, "bit_for_bit": difference == 0.0},
        [
            at_most("ranks that outlive the program", ranks_left, 0),
            at_most("losses, largest difference", difference, RESUMED),
        ],
    )


def _kill_after_checkpoint(config: Path, folder: Path) -> int:
    """Starts the program, kills it once it has saved, and returns how many of its processes are left."""
    log = folder.with_suffix(".log")
    command = [sys.executable, "-m", "megatron_ko.train", str(config), f"run.folder={folder}"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + FIRST_CHECKPOINT_S
        while not checkpoints_of(folder) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        started = process.poll() is None and bool(checkpoints_of(folder))
        ranks = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.kill()
        process.wait()
    if not started:
        raise RuntimeError(f"the run ended without a checkpoint:\n{log.read_text(encoding='utf-8')[-4000:]}")
    return len(psutil.wait_procs(ranks, timeout=15)[1])


def large_config(setting: Setting, length: int, layers: dict[str, Any]) -> Path:
    """The run of the large model with sequences of ``length`` tokens, one in a micro-batch; ``layers`` chooses them."""
    scale = setting.scale
    training = {
        "steps": scale.warm_up + scale.timed + PROFILED,
        "global_batch_size": scale.tokens_per_step // length,
        "micro_batch_size": 1,
        "sequence_length": length,
    }
    return write_config(
        setting, f"large_{length}", setting.large,
        training=training, precision={"dtype": "bf16"}, optimizer={"learning_rate": 1e-5}, data={"workers": 1},
        **layers,
    )  # fmt: skip


def measure_speed(
    setting: Setting, config: Path, recipe: str = "bf16", options: Sequence[str] = ()
) -> dict[str, Any]:
    """``measure_ours`` of the large model in ``recipe``, with further overrides."""
    scale = setting.scale
    folder = setting.work / "_".join([config.stem, recipe, str(len(options))])
    overrides = [*overrides_of(recipe, setting.device), *options, f"run.folder={folder}"]
    return call_apart(
        setting.device, measure_ours, str(config), overrides, scale.warm_up, scale.timed, PROFILED
    )


def speed(length_index: int) -> Callable[[Setting], Outcome]:
    """The part for one of the lengths: our step in bf16, at the last one with compiled layers, too; then plain PyTorch.

    The targets are those of our faster one.
    """

    def part(setting: Setting) -> Outcome:
        scale = setting.scale
        length = scale.lengths[length_index]
        config = large_config(setting, length, own_layers())
        ours = measure_speed(setting, config)
        outcome = Outcome({"sequence_length": length, "ours": ours})
        faster = ours
        options = compiled_layers(setting.device) if length == scale.lengths[-1] else []
        if options and (
            compiled := _try("compiled", outcome, measure_speed, setting, config, "bf16", options)
        ):
            faster = max(ours, compiled, key=lambda measured: measured["tokens_per_s"])
        outcome.checks += speed_checks(setting, faster)
        inputs = (str(config), [f"run.folder={setting.work / 'plain'}"], scale.warm_up, scale.timed)
        plain = _try("plain", outcome, call_apart, setting.device, measure_plain, *inputs)
        if plain and setting.device == "cuda":
            ratio = faster["tokens_per_s"] / plain["tokens_per_s"]
            outcome.checks.append(at_least("tokens/s over plain PyTorch", ratio, 1.0))
        return outcome

    return part


def _try(name: str, outcome: Outcome, measure: Callable[..., Any], *arguments: Any) -> dict[str, Any] | None:
    """Adds a measurement to the numbers; where it fails, its error and a check, and what was measured before still counts."""
    try:
        measured: dict[str, Any] = measure(*arguments)
    except ProcessFailed as error:
        outcome.numbers[name] = {"error": str(error)}
        outcome.checks.append(holds(f"{name} runs", False))
        return None
    outcome.numbers[name] = measured
    return measured


def speed_checks(setting: Setting, ours: dict[str, Any], mfu: float | None = MFU) -> list[Check]:
    """The targets of one measurement; on the CPU none, because they are a GPU's."""
    if setting.device == "cpu":
        return []
    checks = [
        at_most(
            "data and reports, share of a step", ours["data_share"] + ours["reporting_share"], DATA_SHARE
        ),
        at_most("memory, distance from the plan", abs(ours["memory_gib"] / ours["plan_gib"] - 1), MEMORY),
    ]
    return [*checks, at_least("MFU in bf16", ours["mfu"], mfu)] if mfu else checks


CORE = {
    "compare_devices": compare_devices,
    "cross_devices": cross_devices,
    "kill_and_resume": kill_and_resume,
    "speed_short": speed(0),
    "speed_long": speed(1),
}
