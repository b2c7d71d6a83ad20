"""Rules of the optimizer Muon: what must be installed, what it cannot be combined with, and that a run keeps its optimizer. No torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from importlib import metadata
from typing import TYPE_CHECKING

from megatron_ko.config.loading import Rule
from megatron_ko.config.optimizer import MuonConfig, Optimizer
from megatron_ko.config.speed import SpeedConfig
from megatron_ko.config.training import Config, LoraConfig, StageConfig
from megatron_ko.errors import CheckpointError, Problem
from megatron_ko.planning.megatron_version import missing_for
from megatron_ko.planning.speed import spell

if TYPE_CHECKING:  # no rule of a configuration reads files
    from megatron_ko.formats.checkpoint_folder import Checkpoint

Problems = Iterator[tuple[str, str]]
PACKAGE, TESTED = "emerging-optimizers", "0.3.0"
"""NVIDIA's implementation. The version 999.9.9 of the same name on PyPI is of unknown origin."""
_INSTALL = f"pip install {PACKAGE}=={TESTED} (or pip install -e '.[muon]')"


def _muon_installed(optimizer: Optimizer) -> Problems:
    if not isinstance(optimizer, MuonConfig):
        return
    if problem := missing_for("0.19"):
        yield "optimizer.type", f"muon {problem}"
        return
    if importlib.util.find_spec("emerging_optimizers") is None:
        yield "optimizer.type", f"muon needs the package {PACKAGE}, which is not installed; {_INSTALL}"
        return
    version = metadata.version(PACKAGE)
    if version.split(".")[:2] != TESTED.split(".")[:2]:
        yield "optimizer.type", f"muon needs {PACKAGE} {TESTED}, but {version} is installed; {_INSTALL}"


def _muon_trains_everything(
    optimizer: Optimizer, stages: list[StageConfig], lora: LoraConfig | None
) -> Problems:
    if not isinstance(optimizer, MuonConfig):
        return
    for section, is_given in (("stages", bool(stages)), ("lora", lora is not None)):
        if is_given:
            yield (
                "optimizer.type",
                f"muon is not supported with {section}; set it to adamw, or remove {section}",
            )


def _muon_keeps_whole_state(optimizer: Optimizer, speed: SpeedConfig) -> Problems:
    if not isinstance(optimizer, MuonConfig):
        return
    for name in ("overlap_param_gather", "precision_aware_adam", "offload_optimizer"):
        if value := getattr(speed, name):
            yield (
                f"speed.{name}",
                f"{spell(value)} needs the distributed optimizer, which muon does without; remove it, or set optimizer.type: adamw",
            )


MUON_RULES = (
    Rule(("optimizer", "speed"), _muon_keeps_whole_state),
    Rule(("optimizer",), _muon_installed),
    Rule(("optimizer", "stages", "lora"), _muon_trains_everything),
)


def check_same_optimizer(start: Checkpoint, config: Config) -> None:
    """Raises CheckpointError if the checkpoint contains the state of another optimizer."""
    before = ((start.config or {}).get("optimizer") or {}).get("type", "adamw")
    if before != config.optimizer.type:
        message = (
            f"is {before} in the checkpoint but {config.optimizer.type} in the configuration; restore it, or start a new run from "
            "the weights (checkpoint.initial_weights)"
        )
        raise CheckpointError([Problem(str(start.folder), "optimizer.type", message, "optimizer-changed")])
