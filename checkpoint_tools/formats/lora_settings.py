"""The settings of a LoRA adapter in PEFT's format, ``adapter_config.json``. No torch.

Owns which settings are applied exactly; all others are refused by name, unknown ones too. ``lora`` owns the tensors.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from megatron_ko.errors import CheckpointError, Problem
from megatron_ko.files import read_json
from megatron_ko.formats.run_folder import require_folder

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_READ = frozenset(
    ("peft_type", "task_type", "bias", "use_dora", "init_lora_weights", "fan_in_fan_out", "r", "lora_alpha", "use_rslora",
     "rank_pattern", "alpha_pattern", "target_modules", "exclude_modules", "layers_to_transform", "modules_to_save")
)  # fmt: skip
_WITHOUT_EFFECT = frozenset(
    ("auto_mapping", "base_model_name_or_path", "revision", "inference_mode", "lora_dropout", "layers_pattern",
     "peft_version", "eva_config", "runtime_config", "megatron_core", "qalora_group_size", "ensure_weight_tying")
)  # fmt: skip
"""Settings that change the training or the search for modules, but not the meaning of the tensors."""
_KEEPS_BASE = (True, False, None, "gaussian", "eva", "orthogonal")
"""Values of ``init_lora_weights`` with which the base stays as it is; PiSSA, OLoRA, CorDA and LoftQ change it."""
_REQUIRED = {"bias": "none", "use_dora": False, "fan_in_fan_out": False}
_WHY = {
    "bias": "biases trained with the adapter are not supported",
    "use_dora": "DoRA is not supported",
    "fan_in_fan_out": "only layers of GPT-2 (Conv1D) have it, and no family here has them; set it to false for linear layers",
}


def read_settings(folder: Path) -> dict[str, Any]:
    """Reads ``adapter_config.json``. Raises CheckpointError listing all settings that are not supported."""
    path = folder / CONFIG
    require_folder(folder, "--adapter")
    if not path.is_file():
        raise CheckpointError(
            f"{folder}: has no {CONFIG}; it is not an adapter in PEFT's format, check --adapter",
            rule="missing-config",
        )
    if not (folder / WEIGHTS).is_file():
        pickled = (folder / "adapter_model.bin").is_file()
        raise CheckpointError(
            f"{folder}: has no {WEIGHTS}"
            + ("; adapter_model.bin is a pickle, which can run any code: convert it where it comes from" if pickled
               else "; copy the adapter again"),
            rule="pickled-weights" if pickled else "missing-weights",
        )  # fmt: skip
    config = read_json(path, error=CheckpointError)
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: is not a JSON object; copy the adapter again", rule="not-an-object")
    if problems := [Problem(str(path), *problem) for problem in _find_unsupported(config)]:
        raise CheckpointError(problems)
    return config


def _find_unsupported(config: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """``(key, message, rule)`` of each setting with which merging would compute something else."""
    if config.get("peft_type") != "LORA":
        message = f"{config.get('peft_type')!r} is not supported, only LORA; merge it with peft"
        yield "peft_type", message, "unsupported-adapter"
        return
    for key, value in _REQUIRED.items():
        if config.get(key, value) != value:
            yield key, f"{config[key]!r}: {_WHY[key]}; merge it with peft", "unsupported-adapter"
    if config.get("task_type") not in (None, "CAUSAL_LM"):
        yield "task_type", f"{config['task_type']!r} is not supported, only CAUSAL_LM", "unsupported-adapter"
    if (start := config.get("init_lora_weights", True)) not in _KEEPS_BASE:
        message = f"{start!r} changes the weights of the base; save the adapter as plain LoRA, or merge it with peft"
        yield "init_lora_weights", message, "unsupported-adapter"
    for key in sorted(set(config) - _READ - _WITHOUT_EFFECT):
        if config[key]:
            message = f"{config[key]!r}: this setting is not supported; merge the adapter with peft"
            yield key, message, "unsupported-adapter"
    for key in ("r", "lora_alpha"):
        number = config.get(key)
        if isinstance(number, bool) or not isinstance(number, (int, float)) or number <= 0:
            yield key, f"{number!r}: must be a number above 0; copy the adapter again", "not-a-number"
    for key in ("rank_pattern", "alpha_pattern"):
        pattern = config.get(key) or {}
        if not isinstance(pattern, dict) or not all(
            type(n) in (int, float) and n > 0 for n in pattern.values()
        ):
            yield key, f"{pattern!r}: must map names of modules to numbers above 0", "not-a-number"
        elif bad := [text for text in pattern if not _is_expression(text)]:
            yield key, f"{bad[0]!r}: is not a regular expression", "not-an-expression"
    for key in ("target_modules", "modules_to_save"):
        if isinstance(names := config.get(key), list) and not all(isinstance(name, str) for name in names):
            yield key, f"{names!r}: must be names of modules", "not-a-name"


def _is_expression(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def rank_and_scale(config: dict[str, Any], module: str) -> tuple[int, float]:
    """Rank of a module, by the base's name, and what multiplies the product of its factors."""
    rank, alpha = (
        _number(config, "rank_pattern", "r", module),
        _number(config, "alpha_pattern", "lora_alpha", module),
    )
    return int(rank), alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _number(config: dict[str, Any], pattern: str, default: str, module: str) -> float:
    """The first entry of the pattern that matches the end of the module's name, as PEFT searches it."""
    entries = config.get(pattern) or {}
    return next((n for text, n in entries.items() if re.match(rf"(.*\.)?({text})$", module)), config[default])
