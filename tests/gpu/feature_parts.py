"""The parts of accept-features: what else a run can train, and towards what, on the device against the CPU, in fp32; each switch
of ``speed`` in our layers against the plain path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from megatron_ko.formats.run_folder import checkpoint_folder
from tests.gpu.building import own_layers
from tests.gpu.core_parts import LOSSES, MOMENTS, WEIGHTS
from tests.gpu.record import Check, Outcome, at_least, at_most, holds
from tests.gpu.runs import compare_checkpoints, curve, largest_difference, train, write_cache, write_config
from tests.gpu.shapes import Setting
from tests.gpu.switches import compare_switches

WITHIN = 1e-4
"""Least difference of a loss within documents from that across them; two devices differ by rounding, far below."""
OLD_ROWS = 130
"""Rows of the embeddings that count as old, half of the vocabulary of bytes."""


def _base(setting: Setting, name: str = "base", **shape: int) -> Path:
    """A checkpoint, trained once on the CPU: of the small model, or of one with another ``shape``."""
    leg, folder = setting.scale.leg, setting.work / name
    if not checkpoint_folder(folder, leg).is_dir():
        model = {**setting.scale.small, **shape}
        train("cpu", write_config(setting, name, model, **_run(setting, {"steps": leg})), folder)
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


def packing(setting: Setting) -> Outcome:
    """Attention within documents, labels at their ends left out, languages in one sequence."""
    steps = 2 * setting.scale.leg
    sections = _run(setting, {"steps": steps})
    packed = {"attention": "within_documents", "label_at_eod": "masked", "stretches": 2}
    data = {"order": "windows", "packing": packed}
    config = write_config(setting, "packing", setting.scale.small, data=data, **sections)
    last, checks = _compare(setting, config, steps)
    across = train("cpu", config, setting.work / "across", "data.packing.attention=across_documents")
    other = largest_difference(across, _curve_of(last["cpu"]), 1)
    checks.append(at_least("losses, difference from attention across documents", other, WITHIN))
    return Outcome({"steps": steps}, checks)


def _curve_of(checkpoint: Path) -> dict[int, dict[str, float]]:
    return curve(checkpoint.parent.parent)


def distillation(divergence: dict[str, Any], hidden: str | None = None) -> Callable[[Setting], Outcome]:
    """The part that trains towards a wider teacher, whose states are projected where ``hidden`` names a distance of them."""

    def part(setting: Setting) -> Outcome:
        small, steps = setting.scale.small, 2 * setting.scale.leg
        heads, last_layer = small["heads"] + 2, small["layers"] - 1
        width = small["hidden_size"] // small["heads"] * heads
        teacher = _base(setting, "teacher", heads=heads, hidden_size=width)
        section: dict[str, Any] = {"teacher": str(teacher), "language_model_weight": 0.5, **divergence}
        if hidden:
            pairs = [{"student": 0, "teacher": 0}, {"student": last_layer, "teacher": last_layer}]
            section["hidden_states"] = {"layers": pairs, "loss": hidden}
        name = f"distillation_{section['loss']['type']}_{hidden}"
        config = write_config(setting, name, small, distillation=section, **_run(setting, {"steps": steps}))
        last, checks = _compare(setting, config, steps)
        terms = {"distillation", "hidden_states"} & set(_curve_of(last["device"])[steps])
        checks.append(holds("terms of the loss compared", len(terms) == (2 if hidden else 1)))
        return Outcome({"steps": steps}, checks)

    return part


def teacher_cache(setting: Setting) -> Outcome:
    """A cache written on the device, from which a run on the CPU trains, against one beside its teacher on the CPU."""
    scale, steps = setting.scale, setting.scale.leg
    section = {"teacher": str(_base(setting)), "loss": {"type": "top_k", "k": 16}}
    sections = _run(setting, {"steps": steps})
    online = write_config(setting, "online", scale.small, distillation=section, **sections)
    section["cache"] = str(setting.work / "cache")
    cached = write_config(setting, "cached", scale.small, distillation=section, **sections)
    write_cache(setting.device, cached)
    expected = train("cpu", online, setting.work / "online")
    actual = train("cpu", cached, setting.work / "cached")
    difference = largest_difference(actual, expected, 1)
    return Outcome({"steps": steps}, [at_most("losses, largest difference", difference, LOSSES)])


FEATURES = {
    "lora": lora,
    "rows": rows,
    "packing": packing,
    "distillation": distillation({"loss": {"type": "forward_kl"}, "temperature": 2.0}),
    "hidden_states": distillation({"loss": {"type": "reverse_kl"}}, hidden="cosine"),
    "hidden_states_mse": distillation({"loss": {"type": "jsd"}}, hidden="mse"),
    "teacher_cache": teacher_cache,
    "switches": compare_switches("own"),
}
