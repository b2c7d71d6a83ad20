"""The order of weights that share one tensor: query, key and value of each group, gate over up.

Checkpoints of megatron-core join weights so, and some Hugging Face families (GPT-NeoX) query, key and value.
"""

from __future__ import annotations

import torch
from torch import Tensor

from megatron_ko.config.model import ModelConfig, head_size


def join(parts: list[Tensor], how: str, model: ModelConfig) -> Tensor:
    """Joins weights, in the order of the table, to one layer of a stored tensor."""
    if how == "copy":
        return parts[0]
    if how == "stack":
        return torch.cat(parts)
    width, rest = head_size(model), parts[0].shape[1:]
    by_group = [part.reshape(model.kv_groups, -1, width, *rest) for part in parts]
    return torch.cat(by_group, dim=1).reshape(-1, *rest)


def part_of(whole: Tensor, part: str, model: ModelConfig) -> Tensor:
    """Extracts one weight from a layer of a stored tensor; the inverse of ``join``."""
    if part in ("gate", "up"):
        return whole.chunk(2)[("gate", "up").index(part)]
    queries, width, rest = model.heads // model.kv_groups, head_size(model), whole.shape[1:]
    heads = whole.reshape(model.kv_groups, queries + 2, width, *rest)
    selected = {"q": heads[:, :queries], "k": heads[:, queries], "v": heads[:, queries + 1]}[part]
    return selected.reshape(-1, *rest)
