"""FP8 recipes of a card, and the configuration that asks for one: the only place of the acceptance that knows the field."""

from __future__ import annotations

from megatron_ko.planning.fp8_rules import MULTIPLE, gpu_problem
from tests.gpu.shapes import Card

CUDA = "13.0"
"""What the acceptance's torch is built for."""


def recipes_of(card: Card | None) -> tuple[str, ...]:
    """The FP8 recipes that run on ``card``; in the dry run without one, two names that stand for bf16."""
    if card is None:
        return ("tensorwise", "delayed")
    return tuple(name for name in MULTIPLE if gpu_problem(name, card.name, card.capability, CUDA) is None)


def overrides_of(recipe: str, device: str) -> list[str]:
    """Overrides of a run in ``recipe``; ``bf16`` is none, and on the CPU every recipe is."""
    if recipe == "bf16" or device == "cpu":
        return ["precision.dtype=bf16"]
    return ["precision.dtype=bf16", f"precision.fp8={recipe}"]
