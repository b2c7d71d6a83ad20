"""The file of importance scores (safetensors): the names of its tensors, and the record of the model and data they belong to.

Owns names, shapes and the record, which is JSON in the metadata of the file. ``training.importance`` measures,
``checkpoint_tools.pruning`` reads. No torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from megatron_ko.config.model import ModelConfig, has_gate, head_size
from megatron_ko.errors import CheckpointError

FORMAT = "megatron_ko-importance-1"
KEY = "importance"
"""Key of the record in the metadata of the file."""
Norm = Literal["mean", "l2"]
Site = Literal["attention_input", "mlp_input", "gate_up", "product", "heads"]
NORMS: tuple[Norm, ...] = ("mean", "l2")
SITES: dict[Site, Literal["hidden", "ffn", "q"]] = {
    "attention_input": "hidden",
    "mlp_input": "hidden",
    "gate_up": "ffn",
    "product": "ffn",
    "heads": "q",
}
"""Where activations are read, and the axis of their channels. ``attention_input`` and ``mlp_input``: after the norm.
``gate_up``: mean of the absolute outputs of the gate and up projections, of models with a gate. ``product``: input of the
down projection. ``heads``: input of the output projection of attention."""
BLOCK_INFLUENCE = "block_influence"
LEFT_OUT_LOSS = "left_out_loss"


def tensor_name(site: Site, sequence: Norm, batch: Norm) -> str:
    """Name of the scores [layers, channels] of one site under one aggregation over positions and over samples."""
    return f"{site}.sequence_{sequence}.batch_{batch}"


@dataclass(frozen=True)
class ImportanceRecord:
    """What scores belong to. ``fingerprint`` names the weights, ``data`` the samples; ``loss`` is their mean in nats per token."""

    fingerprint: str
    source: str
    layers: int
    hidden_size: int
    ffn_hidden_size: int
    heads: int
    kv_groups: int
    head_size: int
    gate: bool
    samples: int
    sequence_length: int
    data: dict[str, Any]
    loss: float
    left_out: bool
    """Whether the loss without each layer was measured."""

    @staticmethod
    def shape_of(model: ModelConfig) -> dict[str, Any]:
        """The fields that describe the model."""
        names = ("layers", "hidden_size", "ffn_hidden_size", "heads", "kv_groups")
        return {
            **{name: getattr(model, name) for name in names},
            "head_size": head_size(model),
            "gate": has_gate(model),
        }

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Name and shape of each tensor of the file."""
        widths = {
            "hidden": self.hidden_size,
            "ffn": self.ffn_hidden_size,
            "q": self.heads * self.head_size,
        }
        for site, axis in SITES.items():
            if site == "gate_up" and not self.gate:
                continue
            for sequence in NORMS:
                for batch in NORMS:
                    yield tensor_name(site, sequence, batch), (self.layers, widths[axis])
        yield BLOCK_INFLUENCE, (self.layers,)
        if self.left_out:
            yield LEFT_OUT_LOSS, (self.layers,)

    def metadata(self) -> dict[str, str]:
        return {KEY: json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False)}

    @classmethod
    def from_metadata(cls, path: str, metadata: dict[str, str] | None) -> ImportanceRecord:
        """Raises CheckpointError unless the file is one of importance scores of this version."""
        try:
            content = json.loads((metadata or {})[KEY])
            if content.pop("format") != FORMAT:
                raise ValueError
            if set(content) != {field.name for field in fields(cls)}:
                raise ValueError
        except (KeyError, ValueError, AttributeError):
            raise CheckpointError(
                f"{path}: is not a file of importance scores ({FORMAT}); give one that mko importance wrote",
                rule="not-importance-scores",
            ) from None
        return cls(**content)
