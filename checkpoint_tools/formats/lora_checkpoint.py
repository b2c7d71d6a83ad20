"""The adapters of a LoRA run's checkpoint, as ``lora.Adapter``, and their export in PEFT's format.

Owns the order of layers inside the stored factors and the files of an export; ``lora`` applies and reads adapters, and
``megatron_ko.planning.adapters`` owns names and shapes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from checkpoint_tools.formats import torch_dist
from checkpoint_tools.formats.lora import PREFIX, Adapter, Update
from checkpoint_tools.formats.lora_settings import CONFIG, WEIGHTS
from checkpoint_tools.formats.store import Store, check_names
from megatron_ko.errors import CheckpointError
from megatron_ko.files import atomic_file, write_json
from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.formats.hf_families import Family
from megatron_ko.planning.adapters import (
    FACTORS,
    LAYERS,
    adapted_weights,
    factor_shape,
    is_adapter,
    stored_name,
)
from megatron_ko.planning.weights import Weight, axis_sizes


def open_adapters(checkpoint: Checkpoint) -> Adapter:
    """The adapters of a checkpoint. Raises CheckpointError unless it has exactly those that it describes."""
    record = checkpoint.lora
    if record is None:
        raise CheckpointError(
            f"{checkpoint.folder}: contains the weights of a model, not adapters; use a checkpoint of a run with a section lora",
            rule="no-adapters",
        )
    model, rows = checkpoint.model, adapted_weights(record.targets)
    reader, sizes = torch_dist.SliceReader(checkpoint.folder), axis_sizes(checkpoint.model, 1)
    expected = {
        stored_name(row, factor): (model.layers, *factor_shape(row, factor, sizes, record.rank))
        for row in rows
        for factor in FACTORS
    }
    actual = {
        name: shape
        for name, shape in reader.shapes().items()
        if name.startswith(LAYERS) and (record.base or is_adapter(name))
    }
    check_names(str(checkpoint.folder), expected, actual)

    def read(name: str) -> Tensor:
        stored, _, layer = name.rpartition("/")
        shape = expected[stored][1:]
        return reader.read(stored, (int(layer), 0, 0), (1, *shape))[0]

    scale = record.alpha / record.rank

    def update(row: Weight, layer: int) -> Update:
        a, b = (f"{stored_name(row, factor)}/{layer}" for factor in FACTORS)
        return Update(a, b, scale, lookup=False)

    updates = {
        row.name.format(layer=layer): update(row, layer) for layer in range(model.layers) for row in rows
    }
    return Adapter(checkpoint.folder, None, {}, updates, read)


def shapes_of_base(checkpoint: Checkpoint, family: str) -> Store:
    """The base as far as an adapter must fit it; its tensors cannot be read."""

    def read(name: str) -> Tensor:
        raise AssertionError(f"{name}: an adapter changes no tensor of its base")

    return Store(
        origin=str(checkpoint.folder), model=checkpoint.model, vocab_size=checkpoint.vocab_size, dtype=checkpoint.dtype,
        read=read, family=family,
    )  # fmt: skip


def write_peft(
    checkpoint: Checkpoint, adapter: Adapter, family: Family, folder: Path, base_name: str | None
) -> None:
    """Writes the adapters with the names of ``family``; ``adapter_config.json`` is last."""
    record, tensors, targets = checkpoint.lora, {}, {}
    assert record is not None
    for name, update in adapter.updates.items():
        module = family.name_of(name).removesuffix(".weight")
        targets[module.rpartition(".")[2]] = None
        tensors[f"{PREFIX}{module}.lora_A.weight"] = adapter.read(update.a).contiguous()
        tensors[f"{PREFIX}{module}.lora_B.weight"] = adapter.read(update.b).contiguous()
    with atomic_file(folder / WEIGHTS) as file:
        file.write(safetensors.torch.save(tensors, {"format": "pt"}))
    alpha = int(record.alpha) if record.alpha == int(record.alpha) else record.alpha
    settings: dict[str, Any] = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base_name, "r": record.rank,
        "lora_alpha": alpha, "lora_dropout": 0.0, "target_modules": list(targets), "bias": "none",
        "fan_in_fan_out": False, "init_lora_weights": True, "inference_mode": True, "use_dora": False,
        "use_rslora": False, "rank_pattern": {}, "alpha_pattern": {}, "modules_to_save": None,
        "layers_to_transform": None,
    }  # fmt: skip
    write_json(folder / CONFIG, settings)


def clear_peft(folder: Path) -> None:
    """Removes the files of an earlier export, ``adapter_config.json`` first; leaves all others."""
    for name in (CONFIG, WEIGHTS, "verification.json"):
        (folder / name).unlink(missing_ok=True)
    for path in folder.glob(".*.tmp"):
        path.unlink()
