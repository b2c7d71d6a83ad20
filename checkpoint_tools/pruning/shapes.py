"""Shapes of smaller models: the configuration of one, its checks, and proposals for a budget of parameters.

Owns what can be pruned in which family, and what a Hugging Face model of the result needs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from checkpoint_tools.formats.hf_config import exported_family
from checkpoint_tools.formats.store import Store
from checkpoint_tools.pruning.selection import Shares
from megatron_ko.config.model import ModelConfig, head_size
from megatron_ko.errors import CheckpointError, Problem
from megatron_ko.formats.hf_families import family_for
from megatron_ko.planning.weights import axis_sizes, parameter_count, weights_of

CLOSE = 0.97
"""Proposals have at least this share of the budget, if any shape does."""
SHOWN = 8


@dataclass(frozen=True)
class Sizes:
    """Sizes that the user has chosen; None: those of the source, or to be proposed."""

    hidden_size: int | None = None
    ffn_hidden_size: int | None = None
    heads: int | None = None
    layers: int | None = None

    def is_empty(self) -> bool:
        return self == Sizes()


@dataclass(frozen=True)
class Proposal:
    """A shape within the budget, its exact number of parameters, and the shares of the scores that it keeps."""

    model: ModelConfig
    parameters: int
    shares: Shares


def target_of(source: ModelConfig, sizes: Sizes) -> ModelConfig:
    """The configuration of the smaller model: the head size stays and is explicit, epsilon is that of the corrected norms."""
    hidden = sizes.hidden_size or source.hidden_size
    heads = sizes.heads or source.heads
    width = head_size(source) if (hidden, heads) != (source.hidden_size, source.heads) else source.head_size
    return replace(
        source,
        hidden_size=hidden,
        ffn_hidden_size=sizes.ffn_hidden_size or source.ffn_hidden_size,
        heads=heads,
        kv_groups=heads if source.kv_groups == source.heads else source.kv_groups,
        head_size=width,
        layers=sizes.layers or source.layers,
        norm_epsilon=source.norm_epsilon * source.hidden_size / hidden
        if hidden != source.hidden_size
        else source.norm_epsilon,
    )


def check_sizes(source: ModelConfig, sizes: Sizes) -> None:
    """Raises CheckpointError with every size that the source does not have or that its family cannot give up."""
    problems = []
    for name, option in _OPTIONS.items():
        size, most = getattr(sizes, name), getattr(source, name)
        if size is not None and size > most:
            message = f"{size:,} is more than the {most:,} of the model; pruning only removes"
            problems.append(Problem("", option, message, "larger-than-source"))
    if sizes.hidden_size is not None and sizes.hidden_size < source.hidden_size and source.norm == "layer":
        message = (
            "model.norm is layer: LayerNorm subtracts the mean of all channels, so no channel can be removed without a change; "
            "prune --ffn-hidden-size, --heads or --layers"
        )
        problems.append(Problem("", "--hidden-size", message, "hidden-under-layer-norm"))
    grouped = source.kv_groups < source.heads
    if sizes.heads is not None and grouped and sizes.heads % source.kv_groups:
        message = (
            f"{sizes.heads} is not a multiple of the {source.kv_groups} KV groups, which each keep as many query heads; "
            f"choose {', '.join(map(str, range(source.kv_groups, source.heads + 1, source.kv_groups)))}"
        )
        problems.append(Problem("", "--heads", message, "heads-do-not-divide"))
    if problems:
        raise CheckpointError(problems)


_OPTIONS = {
    "hidden_size": "--hidden-size",
    "ffn_hidden_size": "--ffn-hidden-size",
    "heads": "--heads",
    "layers": "--layers",
}


def check_export(source: Store, target: ModelConfig) -> str | None:
    """The ``model_type`` of an export of ``target``; None if the source has none either.

    Raises CheckpointError if pruning would make a model that can no longer be exported.
    """
    try:
        own = exported_family(source.origin, source.model, source.family)
    except CheckpointError:
        return None
    try:
        return exported_family(source.origin, target, source.family).model_type
    except CheckpointError as error:
        if error.rule != "no-hugging-face-model":
            raise
    size, heads, width = target.hidden_size, target.heads, head_size(target)
    raise CheckpointError(
        f"no supported model of transformers has hidden size {size:,} with {heads} heads of {width} in this family "
        f"(of {own.model_type}); choose a hidden size that {heads} divides, "
        "or leave --hidden-size and --heads",
        rule="target-without-hugging-face-form",
    )


# --- budget ----------------------------------------------------------------------------------------------


def propose(
    source: Store,
    sizes: Sizes,
    budget: int,
    tied: bool,
    shares_of: Callable[[ModelConfig], Shares],
) -> list[Proposal]:
    """Shapes of at most ``budget`` parameters, the one that keeps the largest share of the scores first.

    ``sizes`` fixes some of them; the layers stay unless it has their number. ``tied``: whether the result has tied embeddings.
    A shape's share is the product of its shares of hidden channels, feed-forward channels and heads. Raises CheckpointError if
    the smallest shape is larger than the budget.
    """
    model = replace(source.model, tied_embeddings=tied)
    counted = [(_count(shape, source.vocab_size), shape) for shape in _grid(model, sizes)]
    counted = [(count, shape) for count, shape in counted if _is_exportable(source, shape)]
    smallest = min(count for count, _ in counted) if counted else None
    if smallest is None or smallest > budget:
        least = (
            f"the smallest shape has {smallest:,}" if smallest else "no shape of these sizes can be exported"
        )
        message = (
            f"{budget:,} parameters cannot be reached: {least}; raise the budget, or change the fixed sizes"
        )
        raise CheckpointError([Problem("", "--parameters", message, "budget-too-small")])
    within = [(count, shape) for count, shape in counted if count <= budget]
    close = [item for item in within if item[0] >= CLOSE * budget] or [max(within, key=lambda item: item[0])]
    cache: dict[tuple[int, int, int], Shares] = {}
    proposals = []
    for count, shape in close:
        key = (shape.hidden_size, shape.ffn_hidden_size, shape.heads)
        cache[key] = cache.get(key) or shares_of(shape)
        proposals.append(Proposal(shape, count, cache[key]))
    proposals.sort(key=lambda p: (p.shares.product, p.parameters), reverse=True)
    assert proposals[0].parameters == parameter_count(proposals[0].model, source.vocab_size)
    return proposals


def _is_exportable(source: Store, shape: ModelConfig) -> bool:
    return family_for(source.model) is None or family_for(shape) is not None


def _count(model: ModelConfig, vocab_size: int) -> int:
    """``parameter_count`` without an object per tensor."""
    sizes = axis_sizes(model, vocab_size)
    return sum(
        math.prod(weight.shape(sizes)) * (model.layers if weight.per_layer else 1)
        for weight in weights_of(model)
    )


def _grid(model: ModelConfig, sizes: Sizes) -> Iterator[ModelConfig]:
    """Every shape in steps of a sixteenth of each size, at most 256 hidden and 512 feed-forward channels; powers of two."""
    hidden = [model.hidden_size] if model.norm == "layer" else _steps(model.hidden_size, 256)
    unit = model.kv_groups if model.kv_groups < model.heads else 1
    choices: Sequence[Sequence[int]] = (
        [sizes.hidden_size] if sizes.hidden_size else hidden,
        [sizes.ffn_hidden_size] if sizes.ffn_hidden_size else _steps(model.ffn_hidden_size, 512),
        [sizes.heads] if sizes.heads else range(unit, model.heads + 1, unit),
    )
    for h, f, n in itertools.product(*choices):
        yield target_of(model, Sizes(h, f, n, sizes.layers))


def _steps(size: int, largest: int) -> list[int]:
    """Multiples of a power of two, and ``size`` itself."""
    step = min(2 ** int(math.log2(max(size // 16, 1))), largest)
    return sorted({*range(step, size + 1, step), size})
