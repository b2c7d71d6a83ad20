"""A LoRA adapter in PEFT's format (``adapter_config.json``, ``adapter_model.safetensors``), merged into its base.

Owns the adapter's tensors: every one is either applied exactly or refused by name; ``lora_settings`` owns the settings. A weight W
becomes W + scale x B A, computed in fp32, where scale is alpha / r, or alpha / sqrt(r) with ``use_rslora``
(https://arxiv.org/abs/2106.09685, https://arxiv.org/abs/2312.03732). Pickle files are never opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from checkpoint_tools.formats.lora_settings import CONFIG, WEIGHTS, rank_and_scale, read_settings
from checkpoint_tools.formats.store import Store
from megatron_ko.errors import CheckpointError, Problem
from megatron_ko.formats.hf_families import FAMILIES
from megatron_ko.planning.weights import input_weight

PREFIX = "base_model.model."
_PART = re.compile(r"^(.+?)\.(?:lora_([AB])\.weight|lora_embedding_([AB])|(?:base_layer\.)?(weight|bias))$")
_EMBEDDING, _HEAD = input_weight().name, "lm_head.weight"


@dataclass(frozen=True)
class Update:
    """Names of the two factors in the file, and what multiplies their product. ``lookup``: of an embedding."""

    a: str
    b: str
    scale: float
    lookup: bool


@dataclass(frozen=True)
class Adapter:
    """``replaced``: tensors of the file that replace a weight, ``updates``: those that are added, by Llama's names.

    ``base_name``: folder or name on the hub of the model that it was trained on, as the file says; a name alone proves nothing.
    """

    folder: Path
    base_name: str | None
    replaced: dict[str, str]
    updates: dict[str, Update]
    read: Callable[[str], Tensor]

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor of the file."""
        return tuple(self.read(name).shape)

    def attach(self, model: Any) -> None:
        """Makes a model of transformers compute with the adapter beside its weights, as PEFT does before merging."""
        for name, stored in self.replaced.items():
            model.get_parameter(name).data.copy_(self.read(stored).float())
        for name, update in self.updates.items():
            a, b = self.read(update.a).float(), self.read(update.b).float()
            model.get_submodule(name.removesuffix(".weight")).register_forward_hook(
                _path_beside(a, b, update)
            )


def _path_beside(a: Tensor, b: Tensor, update: Update) -> Callable[..., Tensor]:
    def add(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        reduced = a.T[inputs[0]] if update.lookup else inputs[0] @ a.T
        return output + update.scale * (reduced @ b.T)

    return add


def merge(base: Store, adapter: Adapter) -> Store:
    """The base with the adapter's changes, in fp32."""

    def read(name: str) -> Tensor:
        stored = adapter.replaced.get(name)
        weight = (adapter.read(stored) if stored else base.tensor(name)).float()
        update = adapter.updates.get(name)
        if update is None:
            return weight
        product = adapter.read(update.b).float() @ adapter.read(update.a).float()
        return weight + update.scale * (product.T if update.lookup else product)

    return replace(base, dtype="fp32", read=read, adapter=str(adapter.folder))


# --- opening ---------------------------------------------------------------------------------------------


def open_adapter(folder: Path, base: Store) -> Adapter:
    """Opens an adapter and checks every setting and tensor against ``base``. Raises CheckpointError."""
    config = read_settings(folder)
    path = folder / WEIGHTS
    try:
        file = safe_open(path, framework="pt")
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 (no mapping)
        types = {file.get_slice(name).get_dtype() for name in shapes}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: is not a complete safetensors file ({error}); copy it again", rule="damaged-safetensors"
        ) from None
    if unknown := sorted(types - {"BF16", "F32", "F16"}):
        raise CheckpointError(
            f"{path}: tensors are {', '.join(unknown)}; use an adapter in BF16, F32 or F16",
            rule="unsupported-dtype",
        )
    reader = _Reader(path, config, shapes, base)
    problems = [Problem(str(path), *problem) for problem in reader.problems()]
    if not problems:
        problems = [Problem(str(folder / CONFIG), *problem) for problem in reader.find_absent()]
    if problems:
        raise CheckpointError(problems)
    name = config.get("base_model_name_or_path")
    base_name = name if isinstance(name, str) and name else None
    adapter = Adapter(folder, base_name, reader.replaced, reader.updates, file.get_tensor)
    if base.model.tied_embeddings:
        adapter = _keep_tied(adapter, base)
    return adapter


class _Reader:
    """Sorts the tensors of an adapter into replaced weights and updates; collects what does not fit the base."""

    def __init__(
        self, path: Path, config: dict[str, Any], shapes: dict[str, tuple[int, ...]], base: Store
    ) -> None:
        self.path, self.config, self.shapes, self.base = path, config, shapes, base
        name_of = FAMILIES[base.family or "llama"].name_of
        # a tied base has no output embedding of its own, but an adapter may have changed it
        ours = {**{name: base.shape(name) for name in base.names()}, _HEAD: base.shape(_EMBEDDING)}
        self.names = {name_of(name): name for name in ours}
        if len(self.names) < len(ours):
            family = base.family or "llama"
            raise CheckpointError(
                f"{path}: adapters of {family} are not supported, because its query, key and value are one matrix; merge the adapter "
                "into the base with PEFT",
                rule="adapter-of-joined-weights",
            )
        self.weight_shapes = ours
        self.replaced: dict[str, str] = {}
        self.updates: dict[str, Update] = {}

    def problems(self) -> Iterator[tuple[str, str, str]]:
        """``(tensor, message, rule)`` of each tensor that cannot be applied; fills ``replaced`` and ``updates``."""
        factors: dict[tuple[str, bool], dict[str, str]] = {}
        for stored, shape in self.shapes.items():
            match = _PART.match(stored.removeprefix(PREFIX)) if stored.startswith(PREFIX) else None
            weight = match and self.names.get(f"{match[1]}.{match[4] or 'weight'}")
            if match is None or weight is None:
                yield (
                    stored,
                    "the base has no such module; use the base that the adapter was trained on",
                    "unknown-module",
                )
            elif match[4]:
                if shape != self.weight_shapes[weight]:
                    yield self._misfit(stored, weight)
                self.replaced[weight] = stored
            else:
                factors.setdefault((weight, match[2] is None), {})[match[2] or match[3]] = stored
        for (weight, lookup), pair in factors.items():
            if set(pair) != {"A", "B"}:
                message = "its other factor is missing; copy the adapter again"
                yield next(iter(pair.values())), message, "missing-factor"
                continue
            rank, scale = rank_and_scale(self.config, self.module_of(weight))
            shape = self.weight_shapes[weight]
            outputs, inputs = (shape[::-1] if lookup else shape) if len(shape) == 2 else (0, 0)
            for part, expected in (("A", (rank, inputs)), ("B", (outputs, rank))):
                if self.shapes[pair[part]] != expected:
                    yield self._misfit(pair[part], weight, expected)
            self.updates[weight] = Update(pair["A"], pair["B"], scale, lookup)

    def module_of(self, weight: str) -> str:
        """The base's name of the module of a weight."""
        return next(theirs for theirs, ours in self.names.items() if ours == weight).rpartition(".")[0]

    def _misfit(
        self, stored: str, weight: str, expected: tuple[float, ...] | None = None
    ) -> tuple[str, str, str]:
        shape = list(self.weight_shapes[weight])
        wanted = f", which needs {list(expected)} here" if expected else ""
        message = (
            f"has the shape {list(self.shapes[stored])}, but {weight} of the base has {shape}{wanted}; use the base that the "
            "adapter was trained on (a base with other rows: 'mko checkpoint expand-vocab')"
        )
        return stored, message, "adapter-shape"

    def find_absent(self) -> Iterator[tuple[str, str, str]]:
        """``(key, message, rule)`` of each module that the settings name and the file lacks."""
        targets = self.config.get("target_modules")
        chosen = self.config.get("layers_to_transform") is None and not self.config.get("exclude_modules")
        for stored, weight in self.names.items():
            module = stored.rpartition(".")[0]
            if self.base.model.tied_embeddings and weight == _HEAD:
                continue
            if stored.endswith(".weight") and chosen and isinstance(targets, list):
                named = any(module == target or module.endswith(f".{target}") for target in targets)
                if named and weight not in self.updates:
                    message = f"{module} has no tensors in {WEIGHTS}; copy the adapter again"
                    yield "target_modules", message, "missing-module"
            saved = any(module.endswith(name) for name in self.config.get("modules_to_save") or [])
            if saved and weight not in self.replaced:
                yield (
                    "modules_to_save",
                    f"{stored} is missing in {WEIGHTS}; copy the adapter again",
                    "missing-module",
                )


def _keep_tied(adapter: Adapter, base: Store) -> Adapter:
    """The adapter for tied embeddings. Raises CheckpointError if it makes input and output embedding differ."""
    if not {_EMBEDDING, _HEAD} & (adapter.updates.keys() | adapter.replaced.keys()):
        return adapter
    rows, head = (
        adapter.read(adapter.replaced[name]) if name in adapter.replaced else base.tensor(_EMBEDDING)
        for name in (_EMBEDDING, _HEAD)
    )
    if {_EMBEDDING, _HEAD} & adapter.updates.keys() or not torch.equal(rows.float(), head.float()):
        raise CheckpointError(
            f"{adapter.folder}: changes the embedding of {base.origin}, whose input and output embeddings are tied, for one "
            "of them alone; give the base an output embedding of its own (lm_head.weight, tie_word_embeddings: false)",
            rule="adapter-unties-embeddings",
        )
    return replace(adapter, replaced={k: v for k, v in adapter.replaced.items() if k != _HEAD})
