"""The adapter in PEFT's format that a new LoRA run trains on (``lora.initial_adapter``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from megatron_ko.config.training import LoraConfig
from megatron_ko.errors import CheckpointError, Problem
from megatron_ko.formats.checkpoint_folder import Checkpoint


def load(settings: LoraConfig, base: Checkpoint, gpt: Any) -> None:
    """Copies this rank's part of the adapter into ``gpt``, which has adapters beside the weights of ``base``.

    Raises CheckpointError unless the adapter has exactly the rank, scale and targets of ``settings``.
    """
    from checkpoint_tools.formats import lora, mcore
    from megatron_ko.training.lora import factors_of

    assert settings.initial_adapter is not None
    folder = Path(settings.initial_adapter).expanduser()
    store = mcore.open_tensors(base.folder, base.model, base.vocab_size, base.padded_vocab_size)
    adapter = lora.open_adapter(folder, store)
    if problems := [Problem(str(folder), *problem) for problem in _differences(adapter, settings, base)]:
        raise CheckpointError(problems)
    for _, pair in factors_of(gpt):
        update = adapter.updates[pair.name]
        pair.put(adapter.read(update.a), adapter.read(update.b))


def _differences(adapter: Any, settings: LoraConfig, base: Checkpoint) -> list[tuple[str, str, str]]:
    """``(path, message, rule)`` of what the settings do not express."""
    from megatron_ko.planning.adapters import adapted_weights

    rows = adapted_weights(settings.targets)
    wanted = {row.name.format(layer=layer) for row in rows for layer in range(base.model.layers)}
    has, rule, problems = set(adapter.updates), "initial-adapter", []
    if adapter.replaced:
        names = ", ".join(sorted(adapter.replaced)[:4])
        message = f"replaces whole weights ({names}), which lora does not train; merge it with 'mko checkpoint from-hf --adapter'"
        problems.append(("modules_to_save", message, rule))
    if wanted != has:
        names = ", ".join(sorted(wanted ^ has)[:4])
        message = f"{names}: in the adapter or in lora.targets, but not in both; set lora.targets to the weights of the adapter"
        problems.append(("target_modules", message, rule))
    ranks = {adapter.shape(update.a)[0] for update in adapter.updates.values()}
    if ranks != {settings.rank}:
        message = f"{', '.join(map(str, sorted(ranks)))} in the adapter, but lora.rank is {settings.rank}; make them equal"
        problems.append(("r", message, rule))
    scales, scale = {update.scale for update in adapter.updates.values()}, settings.alpha / settings.rank
    if scales != {scale}:
        shown = ", ".join(f"{value:g}" for value in sorted(scales))
        message = f"scales by {shown}, but lora.alpha / lora.rank is {scale:g}; make them equal"
        problems.append(("lora_alpha", message, rule))
    return problems
