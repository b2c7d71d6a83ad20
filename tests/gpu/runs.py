"""Runs of the real program for the acceptance: their configuration, their loss curves, and what their checkpoints contain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.gpu.apart import call_apart
from tests.gpu.shapes import Setting

TERMS = {"loss", "distillation", "hidden_states"}
"""Terms of the loss in a record."""


def write_config(setting: Setting, name: str, shape: dict[str, Any], **sections: Any) -> Path:
    """Writes ``NAME.yaml`` into the work folder: defaults of the acceptance, overridden field by field by ``sections``."""
    fields: dict[str, Any] = {
        "run": {"folder": str(setting.work / name), "device": setting.device, "seed": 1, "timeout_s": 300.0},
        "model": {"max_sequence_length": 8192, **shape},
        "precision": {"dtype": "fp32"},
        "optimizer": {"learning_rate": 1e-3},
        "schedule": {"type": "constant", "warmup_steps": 2},
        "data": {"manifest": str(setting.manifest), "workers": 0 if setting.tiny else 1},
        "evaluation": {"every_steps": 1000, "max_sequences": 2},
        "checkpoint": {},
        "reporting": {"every_steps": 1, **({"peak_tflops": 1.0} if setting.device == "cpu" else {})},
    }
    for section, values in sections.items():
        if isinstance(values, dict):
            fields[section] = {**fields.get(section, {}), **values}
        else:
            fields[section] = values
    path = setting.work / f"{name}.yaml"
    path.write_text(yaml.safe_dump(fields, sort_keys=False), encoding="utf-8")
    return path


def train(device: str, config: Path, folder: Path, *overrides: str) -> dict[int, dict[str, float]]:
    """Trains in a process of its own; returns the records of all steps in ``folder`` by step."""
    fixed = [f"run.folder={folder}", f"run.device={device}"]
    code = call_apart(device, _train, str(config), [*fixed, *overrides])
    if code:
        raise RuntimeError(f"training in {folder} ended with exit code {code}")
    return curve(folder)


def _train(init_method: str, config: str, overrides: list[str]) -> int:
    from megatron_ko import initial_weights, preflight
    from megatron_ko import train as program

    checked = preflight.preflight([config], overrides, 1)
    with checked.lock_run_folder():
        return program.train(initial_weights.convert(checked), 0, init_method)


def curve(folder: Path) -> dict[int, dict[str, float]]:
    """The ``train`` records of a run by step."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    return {record["step"]: record for record in records if record["kind"] == "train"}


def write_cache(device: str, config: Path) -> None:
    """Writes the caches of a configuration, as ``mko distill cache`` does, in a process of its own."""
    code = call_apart(device, _write_cache, str(config), [f"run.device={device}"])
    if code:
        raise RuntimeError(f"the cache of {config} ended with exit code {code}")


def _write_cache(init_method: str, config: str, overrides: list[str]) -> int:
    from megatron_ko import distill

    checked, stages = distill.check([config], overrides, 1)
    return distill.write_caches(checked, distill.prepare(checked, stages, writes=True), 0, init_method)


def largest_difference(
    left: dict[int, dict[str, float]], right: dict[int, dict[str, float]], first: int
) -> float:
    """Largest difference of a term of the loss from step ``first`` on; infinite where steps or terms differ."""
    steps = [step for step in left if step >= first]
    if not steps or steps != [step for step in right if step >= first]:
        return float("inf")
    differences = []
    for step in steps:
        terms = TERMS & set(left[step])
        if terms != TERMS & set(right[step]):
            return float("inf")
        differences += [abs(left[step][name] - right[step][name]) for name in terms]
    return max(differences)


def compare_checkpoints(left: Path, right: Path) -> dict[str, float]:
    """Largest relative distance of a tensor: ``weights``, ``exp_avg`` and ``exp_avg_sq``. Infinite where names differ."""
    from tests.checkpoint_tensors import read_tensors

    a, b = read_tensors(left), read_tensors(right)
    largest: dict[str, float] = {"weights": 0.0}
    for name in sorted({*a, *b}):
        if name.startswith("random."):
            continue  # of the device that wrote it
        kind = next((part for part in ("exp_avg_sq", "exp_avg") if part in name), "weights")
        same = name in a and name in b
        value = relative_distance(a[name], b[name]) if same else float("inf")
        largest[kind] = max(largest.get(kind, 0.0), value)
    return largest


def relative_distance(left: Any, right: Any) -> float:
    """L2 norm of the difference over that of ``right``, of tensors on the CPU; 0 for two that are zero."""
    difference, size = (left.double() - right.double()).norm(), right.double().norm()
    return float(difference / size) if size else float(difference)
