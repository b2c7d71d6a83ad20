"""FP8 recipes of a card, and the configuration that asks for one: the only place of the acceptance that knows the field."""

from __future__ import annotations

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
    return ["precision.dtype=bf16", f"precision.fp8={recipe}"]
