"""Store -> Store with some of the layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from checkpoint_tools.formats.store import Store


def keep_layers(source: Store, layers: Sequence[int]) -> Store:
    """The Store whose layer n is layer ``layers[n]`` of the source, bit for bit."""

    def read(name: str) -> Tensor:
        entry = store.entries[name]
        layer = None if entry.layer is None else layers[entry.layer]
        return source.tensor(entry.weight.name.format(layer=layer))

    store = replace(source, model=replace(source.model, layers=len(layers)), read=read)
    return store
