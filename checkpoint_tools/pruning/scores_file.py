"""Reads a file of importance scores, and aggregates them to one score per channel, head or layer.

Owns the six choices of Kanana's table (arXiv 2502.18934): norm over positions and over samples, sum over layers or not, SwiGLU
product or mean of gate and up. Whether heads are compared within their group belongs to ``selection``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from megatron_ko.errors import CheckpointError
from megatron_ko.formats.importance_record import (
    BLOCK_INFLUENCE,
    LEFT_OUT_LOSS,
    ImportanceRecord,
    Norm,
    Site,
    tensor_name,
)

LayerScore = Literal["influence", "loss"]


@dataclass(frozen=True)
class Aggregation:
    """How the activations of a channel become one score.

    ``layer_sum``: sums the scores of hidden channels over layers; otherwise those of the first layer rank them.
    """

    sequence: Norm = "mean"
    batch: Norm = "l2"
    layer_sum: bool = True
    ffn: Literal["product", "gate_up"] = "product"

    def describe(self) -> str:
        layers = "sum over layers" if self.layer_sum else "first layer"
        return f"{self.sequence} over positions, {self.batch} over samples, {layers}, ffn by {self.ffn}"


@dataclass(frozen=True)
class ImportanceScores:
    """Scores of one model; a higher one means more important."""

    path: Path
    record: ImportanceRecord
    tensors: Mapping[str, Tensor]

    def hidden(self, how: Aggregation) -> Tensor:
        """[hidden_size]: both inputs of each layer, after their norms."""
        by_layer = self._site("attention_input", how) + self._site("mlp_input", how)
        return by_layer.sum(0) if how.layer_sum else by_layer[0]

    def ffn(self, how: Aggregation) -> Tensor:
        """[layers, ffn_hidden_size]. Raises CheckpointError for the mean of gate and up of a model without a gate."""
        if how.ffn == "gate_up" and not self.record.gate:
            raise CheckpointError(
                f"{self.path}: the model has no gate, so --ffn-score gate_up has no scores; use product",
                rule="no-gate",
            )
        return self._site(how.ffn, how)

    def heads(self, how: Aggregation) -> Tensor:
        """[layers, heads]: the L2 norm of the scores of a head's channels, as in NVIDIA's Model Optimizer."""
        channels = self._site("heads", how).unflatten(1, (self.record.heads, self.record.head_size))
        return torch.linalg.vector_norm(channels, dim=-1)

    def layers(self, how: LayerScore = "influence") -> Tensor:
        """[layers]. Raises CheckpointError if the loss without each layer was not measured."""
        if how == "loss" and not self.record.left_out:
            raise CheckpointError(
                f"{self.path}: has no losses without layers; measure again with mko importance --leave-out, or use influence",
                rule="no-losses-without-layers",
            )
        return self.tensors[BLOCK_INFLUENCE if how == "influence" else LEFT_OUT_LOSS].double()

    def _site(self, site: Site, how: Aggregation) -> Tensor:
        return self.tensors[tensor_name(site, how.sequence, how.batch)].double()


def read_scores(path: Path) -> ImportanceScores:
    """Raises CheckpointError if the file is missing, damaged, of another kind, or has other tensors than its record names."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; run mko importance first", rule="missing-scores")
    try:
        with safe_open(path, "pt") as file:
            record = ImportanceRecord.from_metadata(str(path), file.metadata())
            expected = dict(record.shapes())
            actual = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            if actual != expected:
                wrong = sorted(set(actual.items()) ^ set(expected.items()))
                raise CheckpointError(
                    f"{path}: {wrong[0][0]} is missing or has another shape than its record says; measure again",
                    rule="scores-do-not-match",
                )
            tensors = {name: file.get_tensor(name) for name in expected}
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error}); measure again", rule="unreadable-scores"
        ) from None
    if bad := next((name for name, tensor in tensors.items() if not tensor.isfinite().all()), None):
        raise CheckpointError(
            f"{path}: {bad} has numbers that are NaN or infinite; the weights or the data are damaged",
            rule="scores-not-finite",
        )
    return ImportanceScores(path, record, tensors)
