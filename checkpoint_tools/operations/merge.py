"""Operation ``merge``: combines the weights of several models of one shape."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from checkpoint_tools.changes import Change, finish, open_changed
from checkpoint_tools.endpoints import check_apart, open_model
from checkpoint_tools.merging import WITH_BASE, Mixing, merge
from checkpoint_tools.options.surgery import Merge
from megatron_ko.errors import ConfigError, Problem


def run(options: Merge) -> int:
    mixing = _read_mixing(options)
    source = open_changed(options)
    others = [open_model(path) for path in options.others]
    base = open_model(options.base) if options.base is not None else None
    for store in [*others, *([base] if base else [])]:
        check_apart(options.dst, Path(store.origin), "a source")
    merged = merge([source, *others], mixing, base, options.dtype or source.dtype)
    facts = {
        **asdict(mixing),
        "models": [store.origin for store in [source, *others]],
        "base": base.origin if base else None,
    }
    change = Change("merge", facts, moments="dropped: merged weights have no state of an optimizer")
    return finish(merged, source, change, options)


def _read_mixing(options: Merge) -> Mixing:
    """Raises ConfigError listing the options that do not belong to the method."""
    count, problems = 1 + len(options.others), []

    def add(path: str, message: str, rule: str) -> None:
        problems.append(Problem("", path, message, rule))

    needs_base = options.method in WITH_BASE
    if needs_base and options.base is None:
        add(
            "--base",
            f"missing: {options.method} adds differences from a base; give the model that all began as",
            "missing-base",
        )
    if not needs_base and options.base is not None:
        add(
            "--base",
            f"{options.method} has no base; remove it, or choose one of {', '.join(WITH_BASE)}",
            "base-without-use",
        )
    if options.method == "slerp" and count != 2:
        add("--others", f"slerp merges two models, but {count} are given; name one", "not-two-models")
    if options.weights is not None and len(options.weights) != count:
        add(
            "--weights",
            f"{len(options.weights)} weights for {count} models; give one for each, SRC first",
            "wrong-count",
        )
    if options.weights is not None and not sum(options.weights):
        add("--weights", "their sum is 0; give at least one weight above 0", "weights-without-sum")
    if options.method in ("linear", "slerp", "task") and options.density != 1.0:
        add(
            "--density",
            f"{options.method} drops nothing; remove it, or choose ties, dare or dare-ties",
            "density-without-use",
        )
    if not needs_base and options.scale != 1.0:
        add("--scale", f"{options.method} has no differences to scale; remove it", "scale-without-use")
    if problems:
        raise ConfigError(problems)
    weights = tuple(options.weights) if options.weights is not None else (1.0,) * count
    return Mixing(options.method, weights, options.density, options.scale, options.seed)
