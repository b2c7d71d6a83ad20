"""Formats of weights, gradients and optimizer state that change the memory of a rank: FP8, Adam's formats, offloading.

Owns their bytes; ``memory.py`` adds them up. From Transformer Engine's and megatron-core's source, not calibrated on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from megatron_ko.config.fp8 import DelayedFp8, NoFp8, bf16_layers, gathers_parameters, uses_fp8
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.training import Config, ParallelConfig
from megatron_ko.planning.speed import switches_of
from megatron_ko.planning.weights import Entry, axis_sizes, multiplies

_MOMENT = {"fp32": 4, "bf16": 2, "fp8": 1}


@dataclass(frozen=True)
class StateFormats:
    """Bytes per parameter, and the layers whose matrix products are FP8."""

    master: int | None = None
    """Of the optimizer's own weight; None: 4 beside bf16 weights, none beside fp32."""
    moment: int = 4
    """Of each of the two moments."""
    gradient: int = 4
    offloaded: float = 0.0
    """Fraction of the optimizer's state in host memory."""
    fp8_layers: range = range(0)
    fp8_weights: bool = False
    """Whether FP8 weights replace those in bf16; otherwise they are copies."""

    def copies(self, entries: Iterable[Entry], model: ModelConfig, tensor: int) -> int:
        """Bytes of FP8 copies of weights on one rank: one for the forward pass, one transposed for the backward pass."""
        if self.fp8_weights:
            return 0  # both take as much as the weight in bf16, which is gone
        return 2 * sum(
            entry.size_per_rank(tensor)
            for entry in entries
            if entry.layer is not None and entry.layer in self.fp8_layers and multiplies(entry.weight, model)
        )

    def saved_activations(self, model: ModelConfig, parallel: ParallelConfig, layers: Iterable[int]) -> float:
        """Bytes per token that FP8 inputs of matrix products save in ``layers``: one of two for each value."""
        count = len(set(layers) & set(self.fp8_layers))
        sizes = axis_sizes(model, 0)
        whole = 2 * sizes["hidden"] / (parallel.tensor if parallel.sequence else 1)
        return count * (whole + (sizes["q"] + sizes["ffn"]) / parallel.tensor)


PLAIN = StateFormats()


def formats_of(config: Config) -> StateFormats:
    """The formats of a run."""
    fp8, switches = config.precision.fp8, switches_of(config)
    first, last = bf16_layers(fp8)
    layers = range(first, max(first, config.model.layers - last)) if uses_fp8(fp8) else range(0)
    # where FP8 scales come from the present values, megatron-core keeps fp32 weights itself
    remainders = switches.precision_aware_adam and isinstance(fp8, (NoFp8, DelayedFp8))
    return StateFormats(
        master=2 if remainders else None,
        moment=_MOMENT[switches.adam_moments],
        gradient=_MOMENT[switches.gradients],
        offloaded=switches.offload_optimizer,
        fp8_layers=layers,
        fp8_weights=gathers_parameters(fp8),
    )
