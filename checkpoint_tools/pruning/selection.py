"""What a smaller model keeps: the channels, heads and layers with the highest scores.

Owns the choice; ``width`` and ``depth`` apply it. Equal scores keep the lower index, so the choice is deterministic.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from checkpoint_tools.pruning.scores_file import Aggregation, ImportanceScores
from megatron_ko.config.model import ModelConfig


@dataclass(frozen=True)
class Kept:
    """Indices in the source, None where everything stays.

    ``hidden`` [hidden], rising; ``ffn`` [source layers, ffn], rising; ``heads`` [source layers, heads] in the order of the
    smaller model, group by group; ``layers``, rising.
    """

    hidden: Tensor | None = None
    ffn: Tensor | None = None
    heads: Tensor | None = None
    layers: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Shares:
    """Share of the sum of scores that a smaller model keeps, of each kind; 1.0 where everything stays."""

    hidden: float = 1.0
    ffn: float = 1.0
    heads: float = 1.0

    @property
    def product(self) -> float:
        return self.hidden * self.ffn * self.heads


def choose(
    scores: ImportanceScores | None,
    how: Aggregation,
    source: ModelConfig,
    target: ModelConfig,
    *,
    layers: tuple[int, ...] | None = None,
    align_heads: bool = True,
) -> Kept:
    """What ``target`` keeps of ``source``; ``scores`` may be None where the width stays.

    ``align_heads``: as many query heads of each KV group; otherwise the best heads of a layer, which then read keys and values
    of other groups than before.
    """
    hidden = ffn = heads = None
    if target.hidden_size < source.hidden_size:
        assert scores is not None
        hidden = keep_highest(scores.hidden(how), target.hidden_size)
    if target.ffn_hidden_size < source.ffn_hidden_size:
        assert scores is not None
        ffn = keep_highest(scores.ffn(how), target.ffn_hidden_size)
    if target.heads < source.heads:
        assert scores is not None
        # with as many groups as heads, each head goes with its group
        groups = source.kv_groups if align_heads and source.kv_groups < source.heads else 1
        heads = keep_heads(scores.heads(how), target.heads, groups)
    return Kept(hidden, ffn, heads, layers)


def keep_highest(scores: Tensor, count: int) -> Tensor:
    """Indices of the ``count`` highest scores of each row [..., count], rising."""
    order = torch.sort(scores, dim=-1, descending=True, stable=True).indices
    return order[..., :count].sort(dim=-1).values


def keep_heads(scores: Tensor, count: int, groups: int) -> Tensor:
    """Of ``scores`` [layers, heads], the best ``count / groups`` heads of each group [layers, count], rising."""
    by_group = scores.unflatten(1, (groups, -1))
    kept = keep_highest(by_group, count // groups)
    return (kept + torch.arange(groups)[:, None] * by_group.shape[-1]).flatten(1)


def keep_layers(scores: Tensor, count: int) -> tuple[int, ...]:
    """Numbers of the ``count`` layers with the highest scores."""
    return tuple(keep_highest(scores, count).tolist())


def shares_of(scores: ImportanceScores, how: Aggregation, target: ModelConfig, align_heads: bool) -> Shares:
    """Shares that a model of the shape ``target`` keeps."""
    record = scores.record
    groups = record.kv_groups if align_heads and record.kv_groups < record.heads else 1
    heads = scores.heads(how)
    return Shares(
        _share(scores.hidden(how), keep_highest(scores.hidden(how), target.hidden_size)),
        _share(scores.ffn(how), keep_highest(scores.ffn(how), target.ffn_hidden_size)),
        _share(heads, keep_heads(heads, target.heads, groups)),
    )


def _share(scores: Tensor, kept: Tensor) -> float:
    total = float(scores.sum())
    return float(scores.gather(-1, kept).sum()) / total if total else 1.0
