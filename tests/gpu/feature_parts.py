"""The parts of accept-features: what a run can train beside everything, on the device against the CPU, in fp32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from megatron_ko.formats.run_folder import checkpoint_folder
from tests.gpu.building import own_layers
from tests.gpu.core_parts import LOSSES, MOMENTS, WEIGHTS
from tests.gpu.record import Check, Outcome, at_most, holds
from tests.gpu.runs import compare_checkpoints, largest_difference, train, write_config
from tests.gpu.shapes import Setting

OLD_ROWS = 130
"""Rows of the embeddings that count as old, half of the vocabulary of bytes."""


def _base(setting: Setting) -> Path:
    """The checkpoint that both features start from, trained once on the CPU."""
    leg, folder = setting.scale.leg, setting.work / "base"
    if not checkpoint_folder(folder, leg).is_dir():
        config = write_config(setting, "base", setting.scale.small, **_run(setting, {"steps": leg}))
        train("cpu", config, folder)
    return checkpoint_folder(folder, leg)


def _run(setting: Setting, training: dict[str, Any]) -> dict[str, Any]:
    scale = setting.scale
    batch = {"global_batch_size": scale.small_batch, "micro_batch_size": scale.small_batch}
    return {
        "training": {"sequence_length": scale.small_length, **batch, **training},
        "checkpoint": {"every_steps": scale.leg},
        **own_layers(),
    }


def _compare(setting: Setting, config: Path, steps: int) -> tuple[dict[str, Path], list[Check]]:
    """Trains on the CPU and on the device; returns the last checkpoints and the checks of losses and tensors."""
    folders = {name: config.with_name(f"{config.stem}_{name}") for name in ("cpu", "device")}
    expected = train("cpu", config, folders["cpu"])
    actual = train(setting.device, config, folders["device"])
    last = {name: checkpoint_folder(folder, steps) for name, folder in folders.items()}
    distances = compare_checkpoints(last["device"], last["cpu"])
    checks = [at_most("losses, largest difference", largest_difference(actual, expected, 1), LOSSES)]
    checks += [
        at_most(name, value, WEIGHTS if name == "weights" else MOMENTS) for name, value in distances.items()
    ]
    return last, checks


def lora(setting: Setting) -> Outcome:
    """Adapters beside a frozen base."""
    base, steps = _base(setting), 2 * setting.scale.leg
    sections = _run(setting, {"steps": steps})
    sections["checkpoint"]["initial_weights"] = str(base)
    config = write_config(setting, "lora", setting.scale.small, lora={"rank": 4, "alpha": 8.0}, **sections)
    _, checks = _compare(setting, config, steps)
    return Outcome({"steps": steps}, checks)


def rows(setting: Setting) -> Outcome:
    """A stage in which only new rows of the embeddings train, then one in which everything does."""
    from tests.checkpoint_tensors import read_tensors

    base, leg = _base(setting), setting.scale.leg
    sections = _run(setting, {"old_vocab_size": OLD_ROWS})
    sections["checkpoint"]["initial_weights"] = str(base)
    stages = [
        {"name": "rows", "steps": leg, "trains": {"embedding": "new", "output": "new"}},
        {"name": "all", "steps": leg},
    ]
    config = write_config(setting, "rows", setting.scale.small, stages=stages, **sections)
    last, checks = _compare(setting, config, 2 * leg)
    before = read_tensors(base)
    after = read_tensors(checkpoint_folder(last["device"].parent.parent, leg))
    moved = [
        name
        for name in before
        if not name.startswith(("optimizer", "random")) and not _keeps(name, before, after)
    ]
    checks.append(holds("frozen rows and layers keep every bit", not moved))
    return Outcome({"steps": 2 * leg, "moved": moved}, checks)


def _keeps(name: str, before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether a weight is what it was, in a matrix of the vocabulary its old rows, while a new row has changed."""
    if "word_embeddings" not in name and "output_layer" not in name:
        return bool(before[name].equal(after[name]))
    old = before[name][:OLD_ROWS].equal(after[name][:OLD_ROWS])
    return bool(old and not before[name][OLD_ROWS:].equal(after[name][OLD_ROWS:]))


FEATURES = {"lora": lora, "rows": rows}
