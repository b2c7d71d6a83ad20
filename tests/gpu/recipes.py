"""FP8 recipes of a card, and the configuration that asks for one: the only place of the acceptance that knows the field."""

from __future__ import annotations

from megatron_ko.config.schema import paths_of
from megatron_ko.config.training import Config
from tests.gpu.shapes import Card

HOPPER, BLACKWELL = (9, 0), (10, 0)


def recipes_of(card: Card | None) -> tuple[str, ...]:
    """The FP8 recipes that run on ``card``; in the dry run without one, two names that stand for bf16."""
    if card is None:
        return ("tensorwise", "delayed")
    if card.capability < (8, 9):
        return ()
    if card.capability < HOPPER:
        return ("tensorwise", "delayed")
    return ("tensorwise", "delayed", "blockwise" if card.capability < BLACKWELL else "mxfp8")


def overrides_of(recipe: str, device: str) -> list[str]:
    """Overrides of a run in ``recipe``; ``bf16`` is none, and on the CPU every recipe is."""
    if recipe == "bf16" or device == "cpu":
        return ["precision.dtype=bf16"]
    field = "precision.fp8.recipe" if "precision.fp8.recipe" in paths_of(Config) else "precision.fp8"
    return ["precision.dtype=bf16", f"{field}={recipe}"]
