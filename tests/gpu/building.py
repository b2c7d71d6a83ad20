"""Builds the model of a comparison with layers of its choice: ours, Transformer Engine's, or what the program would take.

The only place of the acceptance that knows how the program chooses layers.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any, Literal

from megatron_ko.config.schema import paths_of
from megatron_ko.config.training import Config, ModelConfig, ParallelConfig, PrecisionConfig

Layers = Literal["own", "engine"]


def build_with(layers: Layers, model: ModelConfig, precision: PrecisionConfig, device: Any, seed: int) -> Any:
    """A GPT on one rank with these layers; on the CPU they are always ours."""
    from megatron_ko.training.model import build_gpt

    if "switches" in inspect.signature(build_gpt).parameters:
        speed = importlib.import_module("megatron_ko.config.speed").SpeedConfig(
            layers=layers if device.type == "cuda" else "own"
        )
        decide = importlib.import_module("megatron_ko.planning.speed").decide
        options: dict[str, Any] = {"switches": decide(speed, device.type, precision.fp8)}
    else:
        options = {"with_engine": layers == "engine"}
    assert model.vocab_size is not None
    return build_gpt(
        model, ParallelConfig(), precision, vocab_size=model.vocab_size, device=device, seed=seed, **options
    )


def own_layers() -> dict[str, Any]:
    """Section of a configuration that keeps our layers where Transformer Engine is installed, if this version has it."""
    return {"speed": {"layers": "own"}} if "speed.layers" in paths_of(Config) else {}


def compiled_layers(device: str) -> list[str]:
    """Overrides that compile each of our layers, on a GPU and if this version can."""
    return ["speed.compile=true"] if device == "cuda" and "speed.compile" in paths_of(Config) else []


def build_as_configured(config: Config, vocab_size: int, device: Any) -> Any:
    """The GPT that the program would build, its weights not initialized."""
    from megatron_ko.training.model import build_gpt

    options: dict[str, Any] = {}
    if "switches" in inspect.signature(build_gpt).parameters:
        switches = importlib.import_module("megatron_ko.planning.speed").switches_of(config)
        importlib.import_module("megatron_ko.training.engine").prepare_rank(config, switches, device)
        options = {"switches": switches}
    return build_gpt(
        config.model, config.parallel, config.precision, vocab_size=vocab_size, device=device, **options
    )
