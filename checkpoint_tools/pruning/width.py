"""Store -> Store with fewer hidden channels, feed-forward channels or heads, and with tied embeddings.

Owns the index of every axis of the table of weights and the correction of norms. A norm that divides by the root mean square of
fewer channels divides by another number: with ``full`` channels before and ``kept`` after, its weight is multiplied by
sqrt(full / kept) and its epsilon by full / kept. Then channels that were zero can be removed without any change.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from checkpoint_tools.formats.store import BLOCK, Store
from checkpoint_tools.pruning.selection import Kept
from megatron_ko.config.model import ModelConfig, head_size
from megatron_ko.planning.weights import Axis, Weight, input_weight, output_weight


def prune_width(source: Store, target: ModelConfig, kept: Kept) -> Store:
    """The Store of shape ``target``, whose layers are still those of the source.

    Weights that lose nothing stay bit for bit. Raises nothing: ``shapes`` has checked the target.
    """
    factor = math.sqrt(source.model.hidden_size / target.hidden_size)

    def read(name: str) -> Tensor:
        entry, tensor = store.entries[name], source.tensor(name)
        for dim, axis in enumerate(entry.weight.axes):
            index = _index_of(axis, entry.layer, source.model, kept)
            if index is not None:
                tensor = tensor.index_select(dim, index)
        if kept.hidden is None:
            return tensor
        return _rescale(tensor, entry.weight, source.model, factor)

    store = replace(source, model=target, read=read)
    return store


def _index_of(axis: Axis, layer: int | None, model: ModelConfig, kept: Kept) -> Tensor | None:
    """What stays along an axis of a weight of a layer; None for everything."""
    if axis == "hidden":
        return kept.hidden
    if axis == "ffn" and kept.ffn is not None:
        return kept.ffn[layer]
    goes_with_heads = axis == "q" or (axis == "kv" and model.kv_groups == model.heads)
    if goes_with_heads and kept.heads is not None:
        width = head_size(model)
        return (kept.heads[layer][:, None] * width + torch.arange(width)).flatten()
    return None


def _rescale(tensor: Tensor, weight: Weight, model: ModelConfig, factor: float) -> Tensor:
    """The norms of the residual stream for fewer channels, and embeddings that are multiplied by sqrt(hidden_size)."""
    is_norm = weight.start == "ones" and weight.axes == ("hidden",)
    if weight == input_weight() and model.embedding_scale:
        return _in_fp32(lambda rows: rows * factor, tensor)
    # tied embeddings that grew by the factor have made the logits grow
    is_compensated = weight.depth == "last" and model.embedding_scale and model.tied_embeddings
    if not is_norm or is_compensated:
        return tensor
    shift = 1.0 if model.norm == "rms_shifted" else 0.0
    return _in_fp32(lambda rows: (rows + shift) * factor - shift, tensor)


def tie_embeddings(source: Store) -> Store:
    """The Store whose one embedding is the mean of the input and the output matrix, computed in fp32."""
    rows, head = input_weight().name, output_weight(source.model).name
    model = replace(source.model, tied_embeddings=True)

    def read(name: str) -> Tensor:
        if name != rows:
            return source.tensor(name)
        return _in_fp32(lambda a, b: (a + b) / 2, source.tensor(rows), source.tensor(head))

    return replace(source, model=model, read=read)


def _in_fp32(compute: Callable[..., Tensor], first: Tensor, *others: Tensor) -> Tensor:
    """``compute`` of tensors of one shape, in fp32, rounded once to the number format of the first; a few rows at a time."""
    result, rows = torch.empty_like(first), max(BLOCK * len(first) // first.numel(), 1)
    blocks = zip(*(tensor.split(rows) for tensor in (result, first, *others)), strict=True)
    for target, *values in blocks:
        target.copy_(compute(*(value.float() for value in values)))
    return result
