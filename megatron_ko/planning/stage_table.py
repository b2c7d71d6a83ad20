"""The width of a plan, and the table of a run's stages."""

from __future__ import annotations

from typing import Any

from megatron_ko.tables import format_table

PAGE = 80
"""Columns of a plan."""
NAME = 13
"""Columns for the name of a line of a plan."""
_HEADER = ("stage", "steps", "tokens", "trainable", "rate", "length", "GiB")


def lines_of(plan: Any) -> list[str]:
    """Lines of the table of ``plan``, a ``Plan``; none in a run without stages. Memory is that of the fullest rank."""
    if not plan.stages:
        return []
    mixtures = [[(item.name, f"{item.share:.1%}") for item in own.shares] for _, own in plan.stages]
    moves = any(mixture != mixtures[0] for mixture in mixtures)  # one for all is in the lines of the data
    rows: list[tuple[str, ...]] = [
        (*_HEADER, "what trains; share and epochs of each set" if moves else "what trains"),
    ]
    for stage, own in plan.stages:
        trains = stage.describe()
        shares = ", ".join(f"{item.name} {item.share:.1%} {item.epochs:.2g}" for item in own.shares)
        rows.append(
            (
                stage.name,
                f"{own.steps:,}",
                _short(own.total_tokens),
                _short(own.trainable),
                f"{stage.config.optimizer.learning_rate:.1e}",
                str(own.sequence_length),
                f"{own.memory.total_bytes / 2**30:.2f}",
                f"{trains}; {shares}" if moves and shares else trains,
            )
        )
    return ["", *format_table(rows, sentences=True, width=PAGE)]


def _short(count: int) -> str:
    """``count`` with four digits and a unit: 36.70M."""
    for size, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.4g}{letter}"
    return str(count)
