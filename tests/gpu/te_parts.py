"""The parts of accept-te: Transformer Engine's layers against ours, and each FP8 recipe of the card against bf16."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from megatron_ko.files import read_json, write_json
from megatron_ko.formats.run_folder import checkpoint_folder
from tests.gpu.apart import call_apart
from tests.gpu.core_parts import large_config, measure_speed, speed_checks
from tests.gpu.numerics import read_side, run_side
from tests.gpu.recipes import overrides_of, recipes_of
from tests.gpu.record import Outcome, at_least, at_most
from tests.gpu.runs import curve, largest_difference, relative_distance, train, write_config
from tests.gpu.shapes import Setting
from tests.gpu.switches import compare_switches

# Bounds of bf16, which has 8 bits of precision.
LOGITS, ONE_STEP = 3e-2, 2e-2
CURVE = 0.02
"""Mean distance of an FP8 loss curve from that of bf16 over the last quarter, relative to the loss."""
RESUMED = 0.01
"""The same for a curve that was resumed half-way, from the one without interruption: kernels add in any order."""
MFU, FASTER = 0.50, 1.35
BF16, DEFAULT = "bf16", "tensorwise"
"""What each recipe is compared with, and the recipe whose speed has a target."""


def compare_specs(setting: Setting) -> Outcome:
    """Logits, and loss and gradient norm of one step, of Transformer Engine's layers against ours, both in bf16."""
    scale, device = setting.scale, setting.device
    sides = {}
    for name, layers in (("ours", "own"), ("engine", "engine")):
        inputs = (device, scale.curve, str(setting.manifest), str(setting.work / f"spec_{name}"))
        size = (scale.curve_length, 2, 2)
        sides[name] = call_apart(device, run_side, *inputs, *size, BF16, layers)
    logits, true = (read_side(setting.work / f"spec_{name}")[0] for name in ("engine", "ours"))
    losses = [abs(a - b) for a, b in zip(sides["engine"]["losses"], sides["ours"]["losses"])]
    norms = [abs(a / b - 1) for a, b in zip(sides["engine"]["norms"], sides["ours"]["norms"])]
    checks = [
        at_most("logits, relative distance", relative_distance(logits, true), LOGITS),
        at_most("losses of a step and the next, largest difference", max(losses), ONE_STEP),
        at_most("gradient norms, largest relative difference", max(norms), LOGITS),
        at_most("our layers: modules of Transformer Engine", sides["ours"]["engine_modules"], 0),
    ]
    if device == "cuda":
        checks.append(at_least("modules of Transformer Engine", sides["engine"]["engine_modules"], 1))
    return Outcome({name: sides[name]["losses"] for name in sides}, checks)


def packing(setting: Setting) -> Outcome:
    """Attention within documents: Transformer Engine's kernels for variable lengths against a call for each document, in bf16."""
    scale, steps = setting.scale, setting.scale.leg
    batch = {"global_batch_size": scale.curve_batch, "micro_batch_size": min(2, scale.curve_batch)}
    config = write_config(
        setting, "packing", scale.curve, precision={"dtype": "bf16"}, checkpoint={"every_steps": steps},
        training={"steps": steps, "sequence_length": scale.curve_length, **batch},
        data={"packing": {"attention": "within_documents"}},
    )  # fmt: skip
    sides = {}
    for name in ("own", "engine"):
        layers = [f"speed.layers={name}"] if setting.device == "cuda" else []
        sides[name] = train(setting.device, config, setting.work / f"packing_{name}", *layers)
    losses = {name: [record["loss"] for record in side.values()] for name, side in sides.items()}
    norms = [side["gradient_norm"] for side in sides["engine"].values()]
    true_norms = [side["gradient_norm"] for side in sides["own"].values()]
    ratios = [abs(a / b - 1) for a, b in zip(norms, true_norms, strict=True)]
    return Outcome(
        losses,
        [
            at_most(
                "losses, largest difference", largest_difference(sides["engine"], sides["own"], 1), ONE_STEP
            ),
            at_most("gradient norms, largest relative difference", max(ratios), LOGITS),
        ],
    )


def loss_curve(recipe: str) -> Callable[[Setting], Outcome]:
    """The part that trains in ``recipe`` on real tokens, once through and once resumed half-way.

    The curve of bf16 is read from its own part, which ran before.
    """

    def part(setting: Setting) -> Outcome:
        scale = setting.scale
        half, steps = scale.curve_steps // 2, scale.curve_steps
        batch = {"global_batch_size": scale.curve_batch, "micro_batch_size": scale.curve_batch}
        training = {"steps": steps, "sequence_length": scale.curve_length, **batch}
        config = write_config(
            setting, "curve", scale.curve, training=training, checkpoint={"every_steps": half}
        )
        whole, resumed = (setting.work / f"curve_{recipe}_{name}" for name in ("whole", "resumed"))
        overrides = overrides_of(recipe, setting.device)
        once = train(setting.device, config, whole, *overrides)
        start = f"checkpoint.resume={checkpoint_folder(whole, half)}"
        again = train(setting.device, config, resumed, start, *overrides)
        losses = {step: record["loss"] for step, record in once.items()}
        checks = [
            at_most("resumed half-way, distance", _distance(again, once, half + 1), RESUMED),
            at_most("last loss over the first", losses[steps] / losses[1], 1.0),
        ]
        numbers = {
            "steps": steps,
            "losses": {
                step: losses[step]
                for step in sorted({1, *range(0, steps + 1, max(1, steps // 10))} & set(losses))
            },
            "memory_gib": max(record["memory_gib"] for record in once.values()),
        }
        if recipe != BF16:
            true = curve(setting.work / f"curve_{BF16}_whole")
            distance = _distance(once, true, steps - steps // 4 + 1)
            checks.insert(0, at_most("distance from bf16 over the last quarter", distance, CURVE))
        return Outcome(numbers, checks)

    return part


def _distance(left: dict[int, dict[str, float]], right: dict[int, dict[str, float]], first: int) -> float:
    """Mean relative distance of the losses from step ``first`` on; infinite where a step is missing."""
    steps = [step for step in right if step >= first]
    if not steps or any(step not in left for step in steps):
        return float("inf")
    return statistics.fmean(abs(left[step]["loss"] / right[step]["loss"] - 1) for step in steps)


def speed_in(recipe: str) -> Callable[[Setting], Outcome]:
    """The part that measures speed and memory of the large model in ``recipe``, and its ratio to bf16, which ran before."""

    def part(setting: Setting) -> Outcome:
        length = setting.scale.lengths[-1]
        measured = measure_speed(setting, large_config(setting, length, {}), recipe)
        outcome = Outcome(
            {"sequence_length": length, "ours": measured},
            speed_checks(setting, measured, MFU if recipe == BF16 else None),
        )
        kept = setting.work / "speed_bf16.json"
        if recipe == BF16:
            write_json(kept, measured)
            return outcome
        ratio = measured["tokens_per_s"] / read_json(kept)["tokens_per_s"]
        outcome.numbers["over_bf16"] = ratio
        if setting.device == "cuda" and recipe == DEFAULT:
            outcome.checks.append(at_least("tokens/s over bf16", ratio, FASTER))
        return outcome

    return part


def te_parts(setting: Setting) -> dict[str, Callable[[Setting], Outcome]]:
    """The parts for the recipes of this card; those in FP8 read what those in bf16 left in the work folder."""
    recipes = (BF16, *recipes_of(setting.card))
    curves = {f"curve_{recipe}": loss_curve(recipe) for recipe in recipes}
    speeds = {f"speed_{recipe}": speed_in(recipe) for recipe in recipes}
    switches = compare_switches("engine")
    return {"compare_specs": compare_specs, "packing": packing, "switches": switches, **curves, **speeds}
