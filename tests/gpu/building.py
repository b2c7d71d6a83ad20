"""Builds the model of a comparison with layers of its choice: ours, Transformer Engine's, or what the program would take.

The only place of the acceptance that knows how the program chooses layers.
"""

from __future__ import annotations

from typing import Any, Literal

from megatron_ko.config.model import ModelConfig
from megatron_ko.config.speed import SpeedConfig
from megatron_ko.config.training import Config, ParallelConfig, PrecisionConfig
from megatron_ko.planning.speed import decide, switches_of

Layers = Literal["own", "engine"]


def build_with(layers: Layers, model: ModelConfig, precision: PrecisionConfig, device: Any, seed: int) -> Any:
    """A GPT on one rank with these layers; on the CPU they are always ours."""
    from megatron_ko.training.model import build_gpt

    speed = SpeedConfig(layers=layers if device.type == "cuda" else "own")
    switches = decide(speed, device.type, precision.fp8)
    assert model.vocab_size is not None
    return build_gpt(
        model,
        ParallelConfig(),
        precision,
        vocab_size=model.vocab_size,
        device=device,
        seed=seed,
        switches=switches,
    )


def own_layers() -> dict[str, Any]:
    """Section of a configuration that keeps our layers where Transformer Engine is installed."""
    return {"speed": {"layers": "own"}}


def compiled_layers(device: str) -> list[str]:
    """Overrides that compile each of our layers, on a GPU."""
    return ["speed.compile=true"] if device == "cuda" else []


def build_as_configured(config: Config, vocab_size: int, device: Any, seed: int | None = None) -> Any:
    """The GPT that the program would build; without ``seed``, its weights are not initialized."""
    from megatron_ko.training.engine import prepare_rank
    from megatron_ko.training.model import build_gpt

    switches = switches_of(config)
    prepare_rank(config, switches, device)
    return build_gpt(
        config.model,
        config.parallel,
        config.precision,
        vocab_size=vocab_size,
        device=device,
        seed=seed,
        switches=switches,
    )
