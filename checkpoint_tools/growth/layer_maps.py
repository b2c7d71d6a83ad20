"""Layer maps: which layer of the source each layer of a deeper model copies.

Owns the notation (``0-23,8-31``), the named maps and their arithmetic. No torch; ``depth`` applies a map to weights.

SOLAR: arXiv 2312.15166 (two copies, m layers dropped at the seam). Kanana: arXiv 2502.18934 (32 -> 40 layers; SOLAR's rule gives
m = 12). G_stack: arXiv 2405.15319 (k whole copies). LLaMA-Pro: arXiv 2401.02415 (a silent copy after each group of layers).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from megatron_ko.errors import ConfigError, Problem

MapName = Literal["solar", "kanana", "stack", "interleave", "llama-pro"]
MOST_LAYERS = 10_000
"""``model.layers`` allows no more."""
_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)


@dataclass(frozen=True)
class LayerMap:
    """``layers[i]`` is the layer of the source, of ``source_layers``, that layer i of the result copies."""

    layers: tuple[int, ...]
    source_layers: int

    @property
    def kept(self) -> tuple[int, ...] | None:
        """Layers of the result that compute the source if all others do nothing; None if the map has no such layers."""
        kept: list[int] = []
        for number, layer in enumerate(self.layers):
            if layer == len(kept):
                kept.append(number)
        return tuple(kept) if len(kept) == self.source_layers else None

    @property
    def new(self) -> tuple[int, ...]:
        """Layers of the result that are not ``kept``, or that repeat a layer where the map keeps no order."""
        kept = self.kept
        if kept is not None:
            return tuple(sorted(set(range(len(self.layers))) - set(kept)))
        first = {layer: number for number, layer in reversed(list(enumerate(self.layers)))}
        return tuple(number for number, layer in enumerate(self.layers) if first[layer] != number)

    @property
    def unused(self) -> tuple[int, ...]:
        """Layers of the source that no layer of the result copies."""
        return tuple(sorted(set(range(self.source_layers)) - set(self.layers)))

    @property
    def is_identity(self) -> bool:
        return self.layers == tuple(range(self.source_layers))


def parse_map(text: str, source_layers: int) -> LayerMap:
    """``0-23,8-31`` for a source of ``source_layers`` layers. Raises ConfigError for a map that does not grow it."""
    layers: list[int] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise _error(
                f"{part!r} is not a layer or a range of layers; write such as 0-23,8-31", "not-a-map"
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if max(first, last) >= source_layers:
            message = (
                f"{part.strip()} is outside of the {source_layers} layers 0-{source_layers - 1} of the source"
            )
            raise _error(f"{message}; correct the range", "layer-outside")
        if first > last:
            raise _error(f"{part.strip()} runs backwards; write {last}-{first}", "backward-range")
        layers += range(first, last + 1)
        if len(layers) > MOST_LAYERS:
            raise _error(f"has more than {MOST_LAYERS:,} layers; write a shorter map", "too-many-layers")
    if len(layers) < source_layers:
        message = f"has {len(layers)} layers, fewer than the {source_layers} of the source"
        raise _error(f"{message}; add ranges, or remove layers with mko checkpoint prune", "fewer-layers")
    return LayerMap(tuple(layers), source_layers)


def named_map(name: MapName, source_layers: int, layers: int | None, every: int | None) -> LayerMap:
    """The map ``name`` to ``layers`` layers, or of its paper's proportion. Raises ConfigError where the rule gives none.

    ``every`` (interleave and llama-pro): a copy after each so many layers.
    """
    n = source_layers
    if every is not None and name not in ("interleave", "llama-pro"):
        raise _error(
            f"belongs to interleave and llama-pro, not to {name}; remove it", "every-of-other-map", "--every"
        )
    if name in ("solar", "kanana"):
        return LayerMap(_overlap(name, n, layers), n)
    if name == "stack":
        target = 2 * n if layers is None else layers
        if target % n or target <= n:
            message = f"stack repeats all {n} layers: give a multiple from {2 * n} on; got {target}"
            raise _error(message, "no-such-map", "--layers")
        return LayerMap(_limited(tuple(range(n)) * (target // n)), n)
    return LayerMap(_doubled(name, n, layers, every), n)


def _overlap(name: str, n: int, layers: int | None) -> tuple[int, ...]:
    """The first n - m layers, then the last n - m: s = 2 (n - m) layers."""
    numerator, denominator = (3, 2) if name == "solar" else (5, 4)
    if layers is None and (numerator * n) % (2 * denominator):
        message = f"{name} makes {numerator}/{denominator} of the layers, which is no even number for {n}; give --layers"
        raise _error(message, "no-such-map", "--name")
    target = numerator * n // denominator if layers is None else layers
    if target % 2 or not n < target <= 2 * n:
        message = (
            f"{name} joins two equal parts: give an even number above {n}, at most {2 * n}; got {target}"
        )
        raise _error(message, "no-such-map", "--layers")
    part = target // 2
    return _limited((*range(part), *range(n - part, n)))


def _doubled(name: str, n: int, layers: int | None, every: int | None) -> tuple[int, ...]:
    """A copy after each ``every``-th layer."""
    if every is not None and layers is not None and layers != n + n // every:
        message = (
            f"with --every {every} gives {n + n // every} layers, not {layers}; leave out one of the two"
        )
        raise _error(message, "layers-and-every-differ", "--layers")
    if every is None and layers is not None:
        copies = layers - n
        if not 0 < copies <= n or n % copies:
            fitting = ", ".join(str(n + n // k) for k in range(n, 0, -1) if n % k == 0)
            raise _error(f"{name} makes {fitting} layers of {n}; got {layers}", "no-such-map", "--layers")
        every = n // copies
    if every is None:
        raise _error(f"{name} needs --every or --layers", "every-missing", "--every")
    if every > n:
        raise _error(
            f"is more than the {n} layers of the source; give a smaller number", "no-such-map", "--every"
        )
    doubled = ((layer, layer) if layer % every == every - 1 else (layer,) for layer in range(n))
    return _limited(tuple(layer for pair in doubled for layer in pair))


def _limited(layers: tuple[int, ...]) -> tuple[int, ...]:
    if len(layers) > MOST_LAYERS:
        raise _error(f"{len(layers):,} layers are more than {MOST_LAYERS:,}", "too-many-layers", "--layers")
    return layers


def format_map(layers: Sequence[int]) -> str:
    """``0-23,8-31``: the notation that ``parse_map`` reads."""
    parts: list[list[int]] = []
    for layer in layers:
        if parts and layer == parts[-1][1] + 1:
            parts[-1][1] = layer
        else:
            parts.append([layer, layer])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in parts)


def _error(message: str, rule: str, path: str = "--map") -> ConfigError:
    return ConfigError([Problem("", path, message, rule)])
