"""Width growth that keeps the function: hidden size, feed-forward width, query heads and KV groups (hypercloning).

Every channel of the wider model is a copy of one of the source: ``sources`` maps new to old. A matrix that reads a widened axis
divides the weight of a channel among its copies, so that the sum is the source's (arXiv 2409.12903; for the feed-forward layer
Net2Net, arXiv 1511.05641). Copies of the residual stream are of equal number, because norms average over it; head size, head
norms and rotation stay as they are. Noise between copies sums to zero, so it changes no output and breaks the symmetry.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from checkpoint_tools.formats.store import BLOCK, DTYPES, Store
from megatron_ko.config.model import ModelConfig, head_size
from megatron_ko.errors import ConfigError, Problem
from megatron_ko.planning.weights import Axis, Entry

MOST_WIDTH = 2**24


@dataclass(frozen=True)
class Widths:
    """Sizes of the result; each is at least that of the source."""

    hidden_size: int
    ffn_hidden_size: int
    heads: int
    kv_groups: int

    @staticmethod
    def of(model: ModelConfig, factor: int = 1) -> Widths:
        return Widths(
            factor * model.hidden_size, factor * model.ffn_hidden_size, factor * model.heads, factor * model.kv_groups
        )  # fmt: skip


def check_widths(model: ModelConfig, widths: Widths) -> None:
    """Raises ConfigError for sizes that a copy of each channel cannot reach."""
    problems = []
    for name in ("hidden_size", "ffn_hidden_size", "heads", "kv_groups"):
        new, old = getattr(widths, name), getattr(model, name)
        if new < old:
            message = f"{new} is below the {old} of the source; give at least that, or prune with mko checkpoint prune"
            problems.append(_problem(name, message, "narrower"))
        elif new > MOST_WIDTH:
            problems.append(
                _problem(name, f"{new:,} is above {MOST_WIDTH:,}; give a smaller size", "too-wide")
            )
    if widths.hidden_size % model.hidden_size:
        message = f"{widths.hidden_size} is not a multiple of the source's {model.hidden_size}: norms would average over other channels"
        problems.append(_problem("hidden_size", f"{message}; give a multiple", "not-a-multiple"))
    if widths.heads % widths.kv_groups:
        message = f"{widths.kv_groups} does not divide {widths.heads} heads; choose a divisor"
        problems.append(_problem("kv_groups", message, "does-not-divide"))
    if problems:
        raise ConfigError(problems)


def _problem(name: str, message: str, rule: str) -> Problem:
    return Problem("", f"--{name.replace('_', '-')}", message, rule)


def widen(store: Store, widths: Widths, noise: float = 0.0, seed: int = 0, dtype: str | None = None) -> Store:
    """The Store with ``widths``, computed in fp32 and rounded once to ``dtype`` or the source's format.

    ``noise`` is the standard deviation between copies, as a share of that of the numbers of each matrix.
    """
    model = _wide_model(store.model, widths)
    target = dtype or store.dtype
    sources = _sources(store.model, widths)

    def read(name: str) -> Tensor:
        tensor = store.tensor(name)
        entry = wide.entries[name]
        result = torch.empty(entry.shape, dtype=DTYPES[target])
        generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {name}".encode()))
        for rows, block in _blocks(tensor, entry, sources, noise, generator):
            result[rows] = _fit_output(block, entry, store.model, widths)
        return result

    wide = replace(store, model=model, read=read, dtype=target)
    return wide


def _wide_model(model: ModelConfig, widths: Widths) -> ModelConfig:
    return replace(
        model, hidden_size=widths.hidden_size, ffn_hidden_size=widths.ffn_hidden_size, heads=widths.heads,
        kv_groups=widths.kv_groups, head_size=head_size(model),
    )  # fmt: skip


def _sources(model: ModelConfig, widths: Widths) -> dict[Axis, Tensor]:
    """The channel of the source that each new one copies, by axis that may be widened."""
    size = torch.arange(head_size(model))
    groups = torch.arange(widths.kv_groups) % model.kv_groups
    heads = torch.tensor(_head_sources(model.heads, model.kv_groups, widths.heads, widths.kv_groups))
    return {
        "hidden": torch.arange(widths.hidden_size) % model.hidden_size,
        "ffn": torch.arange(widths.ffn_hidden_size) % model.ffn_hidden_size,
        "q": (heads[:, None] * size.numel() + size).flatten(),
        "kv": (groups[:, None] * size.numel() + size).flatten(),
    }


def _head_sources(heads: int, groups: int, new_heads: int, new_groups: int) -> list[int]:
    """The query head that each new one copies: of the group that its own group copies, and each at least once.

    The copies of one group take up its heads one after the other, so that four groups of one head can copy one of four.
    """
    old, new = heads // groups, new_heads // new_groups
    result = []
    for group in range(new_groups):
        copy, source = divmod(group, groups)
        result += [source * old + (copy * new + head) % old for head in range(new)]
    if missing := set(range(heads)) - set(result):
        message = f"{new_heads} heads on {new_groups} groups leave out {len(missing)} of the {heads} heads of the source"
        raise ConfigError(
            [_problem("heads", f"{message}; give more heads, or a multiple of both", "heads-left-out")]
        )
    return result


def _blocks(
    tensor: Tensor, entry: Entry, sources: dict[Axis, Tensor], noise: float, generator: torch.Generator
) -> Iterator[tuple[slice, Tensor]]:
    """Rows of the widened tensor in fp32, and where they belong; a limited number at a time."""
    axes, (count, *rest) = entry.weight.axes, entry.shape
    rows = sources.get(axes[0], torch.arange(count))
    columns = sources.get(axes[1]) if len(axes) == 2 else None
    copies = torch.bincount(columns) if columns is not None and entry.weight.use == "product" else None
    spread = noise * float(tensor.float().std()) if copies is not None and noise else 0.0
    step = max(BLOCK // math.prod(rest), 1)
    for start in range(0, count, step):
        block = tensor[rows[start : start + step]].float()
        if columns is not None:
            block = block[:, columns]
            if copies is not None:
                block /= copies[columns]
            if spread:
                block += _noise_between_copies(block.shape, columns, spread, generator)
        yield slice(start, start + step), block


def _noise_between_copies(
    shape: torch.Size, columns: Tensor, spread: float, generator: torch.Generator
) -> Tensor:
    """Normal numbers of deviation ``spread`` whose sum over the copies of each channel is zero."""
    copies = torch.bincount(columns)
    noise = torch.randn(shape, generator=generator) * (spread / copies[columns])
    means = torch.zeros(shape[0], len(copies)).index_add_(1, columns, noise) / copies
    return noise - means[:, columns]


def _fit_output(block: Tensor, entry: Entry, model: ModelConfig, widths: Widths) -> Tensor:
    """Corrects embedding and final norm for scales that depend on the hidden size, and for tied embeddings.

    Gemma multiplies embeddings by sqrt(hidden size), which grows. The rows of a tied embedding cannot be divided among copies, so
    the final norm makes up for their number.
    """
    copies = widths.hidden_size // model.hidden_size
    grown = math.sqrt(copies) if model.embedding_scale else 1.0
    if entry.weight.depth == "first":
        return block / grown
    if entry.weight.depth == "last" and entry.weight.axes == ("hidden",) and model.tied_embeddings:
        share = grown / copies
        shift = 1.0 if model.norm == "rms_shifted" and entry.name.endswith("weight") else 0.0
        return (block + shift) * share - shift
    return block
