"""Sizes of the acceptance: models, lengths and steps, for a GPU and, tiny, for the dry run on the CPU. No torch."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from megatron_ko.config.model import ModelConfig
from megatron_ko.config.training import ParallelConfig
from megatron_ko.planning.memory import stage_memories
from megatron_ko.planning.weights import padded_vocab_size

ROOT = Path(__file__).resolve().parents[2]
MEMORY_SHARE = 0.75
"""Share of the GPU's memory that the plan of the large model may take; the rest is for what a plan cannot count."""
MAX_LAYERS = 16


@dataclass(frozen=True)
class Scale:
    """Lengths in tokens, batches in sequences."""

    small: dict[str, Any]
    """Model that a CPU can train, for comparisons of the devices in fp32."""
    small_length: int
    small_batch: int
    steps: int
    """Steps that both devices train."""
    leg: int
    """Steps between two checkpoints of the runs that change the device or are killed."""
    large: dict[str, Any]
    """Model whose speed counts; ``layers`` 0 means as many as fit."""
    lengths: tuple[int, ...]
    tokens_per_step: int
    warm_up: int
    timed: int
    curve: dict[str, Any]
    """Model of the loss curves in FP8; all widths are multiples of 128."""
    curve_length: int
    curve_batch: int
    curve_steps: int


FULL = Scale(
    small={"layers": 4, "hidden_size": 256, "ffn_hidden_size": 704, "heads": 4, "kv_groups": 2},
    small_length=256,
    small_batch=4,
    steps=20,
    leg=5,
    # width of LLaMA-3 8B (arXiv 2407.21783)
    large={
        "layers": 0, "hidden_size": 4096, "ffn_hidden_size": 14336, "heads": 32, "kv_groups": 8, "vocab_size": 128_256,
    },
    lengths=(4096, 8192),
    tokens_per_step=32_768,
    warm_up=2,
    timed=6,
    curve={
        "layers": 8, "hidden_size": 1024, "ffn_hidden_size": 4096, "heads": 16, "kv_groups": 4, "vocab_size": 512,
    },
    curve_length=1024,
    curve_batch=16,
    curve_steps=200,
)  # fmt: skip
_NARROW = {"layers": 2, "hidden_size": 64, "ffn_hidden_size": 128, "heads": 4, "kv_groups": 2}
TINY = Scale(
    small=_NARROW,
    small_length=32,
    small_batch=2,
    steps=3,
    leg=2,
    large={**_NARROW, "vocab_size": 512},
    lengths=(32, 64),
    tokens_per_step=128,
    warm_up=1,
    timed=2,
    curve={**_NARROW, "vocab_size": 512},
    curve_length=64,
    curve_batch=2,
    curve_steps=4,
)


@dataclass(frozen=True)
class Card:
    """A GPU as ``nvidia-smi`` describes it."""

    name: str
    memory_gib: float
    driver: str
    capability: tuple[int, int]


def find_card() -> Card | None:
    """The first GPU of this host, or None without a driver. Does not start CUDA in this process."""
    fields = "name,memory.total,driver_version,compute_cap"
    try:
        done = subprocess.run(
            ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=60,
        )
    except FileNotFoundError:
        return None
    if done.returncode or not done.stdout.strip():
        return None
    name, memory, driver, capability = (part.strip() for part in done.stdout.splitlines()[0].split(","))
    major, _, minor = capability.partition(".")
    return Card(name, float(memory) / 1024, driver, (int(major), int(minor)))


@dataclass(frozen=True)
class Setting:
    """One acceptance: where it runs and how large."""

    device: str
    tiny: bool
    work: Path
    """Folder of run folders and tensors, which nobody reads afterwards."""
    manifest: Path
    card: Card | None
    layers: int | None = None
    """Layers of the large model instead of those that fit."""

    @property
    def scale(self) -> Scale:
        return TINY if self.tiny else FULL

    @property
    def large(self) -> dict[str, Any]:
        """The large model with its layers."""
        shape = dict(self.scale.large)
        if self.layers or not shape["layers"]:
            shape["layers"] = self.layers or layers_that_fit(self.scale, self.card)
        return shape


def layers_that_fit(scale: Scale, card: Card | None) -> int:
    """The most layers of the large model whose plan takes ``MEMORY_SHARE`` of the card, at the longest sequences in bf16."""
    if card is None:
        raise ValueError("without a GPU there is no memory to fill; use --tiny or --layers")
    limit = card.memory_gib * 2**30 * MEMORY_SHARE
    fitting = [layers for layers in range(1, MAX_LAYERS + 1) if _plan_bytes(scale, layers) <= limit]
    if not fitting:
        raise ValueError(f"{card.name} with {card.memory_gib:.0f} GiB is too small for one layer")
    return fitting[-1]


def _plan_bytes(scale: Scale, layers: int) -> int:
    shape = {**scale.large, "layers": layers, "max_sequence_length": max(scale.lengths)}
    model = ModelConfig(**shape)
    (used,) = stage_memories(
        model,
        ParallelConfig(),
        padded_vocab_size=padded_vocab_size(shape["vocab_size"], model.vocab_multiple),
        data_parallel=1,
        micro_batch_size=1,
        micro_batches=1,
        sequence_length=max(scale.lengths),
        bytes_per_weight=2,
    )
    return used.total_bytes
