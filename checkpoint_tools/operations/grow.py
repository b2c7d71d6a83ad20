"""Operation ``grow``: a deeper or wider model whose layers and channels copy those of the source."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, replace
from typing import Any

from checkpoint_tools.changes import Change, finish, open_changed
from checkpoint_tools.formats.store import Store, loses_digits, with_dtype
from checkpoint_tools.growth.depth import deepen
from checkpoint_tools.growth.layer_maps import LayerMap, format_map, named_map, parse_map
from checkpoint_tools.growth.width import Widths, check_widths, widen
from checkpoint_tools.options import Grow
from megatron_ko.errors import ConfigError, Problem
from megatron_ko.tables import terminal_width

_WIDTHS = ("hidden_size", "ffn_hidden_size", "heads", "kv_groups")


def run(options: Grow) -> int:
    _check_options(options)
    source = open_changed(options)
    layer_map, widths = _layers_of(options, source), _widths_of(options, source)
    is_zero = _is_zero(options)
    preserves = _check_meaning(options, layer_map, is_zero)
    store = grow(source, layer_map, widths, is_zero, options.noise, options.seed, options.dtype)
    if options.logits and loses_digits(source.dtype, store.dtype):
        message = f"needs equal weights, but {store.dtype} rounds {source.dtype}; leave out --logits, or write --dtype fp32"
        raise ConfigError([Problem("", "--logits", message, "logits-of-rounded-weights")])
    print("\n".join(_describe(source, store, layer_map, is_zero)))
    facts = _facts(options, source, store, layer_map, is_zero, preserves)
    tolerance = options.tolerance if options.logits else None
    return finish(store, source, Change("grow", facts, logits=tolerance), options)


def grow(
    source: Store,
    layer_map: LayerMap,
    widths: Widths,
    is_zero: bool = False,
    noise: float = 0.0,
    seed: int = 0,
    dtype: str | None = None,
) -> Store:
    """The Store with ``widths`` and the layers of ``layer_map``, whose new ones are silent if ``is_zero``."""
    if widths == Widths.of(source.model):
        store = with_dtype(source, dtype)
    else:
        store = widen(source, widths, noise, seed, dtype)
    return deepen(store, layer_map, frozenset(layer_map.new if is_zero else ()))


# --- what the options ask for ----------------------------------------------------------------------------


def _check_options(options: Grow) -> None:
    """Raises ConfigError for options that contradict each other."""
    deeper = options.map is not None or options.name is not None
    wider = any(getattr(options, name) is not None for name in ("width", *_WIDTHS))
    problems = []
    if not (deeper or wider):
        message = "nothing to grow; give a map such as 0-23,8-31, or --name or --width"
        problems.append(Problem("", "--map", message, "nothing-to-grow"))
    if options.map is not None and options.name is not None:
        problems.append(Problem("", "--name", "is a map, like --map; give one of the two", "two-maps"))
    for name in ("layers", "every"):
        if getattr(options, name) is not None and options.name is None:
            message = "belongs to --name; give one, or leave it out"
            problems.append(Problem("", f"--{name}", message, "needs-name"))
    if options.new_layers is not None and not deeper:
        message = "is about layers that --map or --name adds; leave it out"
        problems.append(Problem("", "--new-layers", message, "no-new-layers"))
    if options.name == "llama-pro" and options.new_layers == "copy":
        message = "the new layers of llama-pro are zero at first; use --name interleave for copies"
        problems.append(Problem("", "--new-layers", message, "zero-by-definition"))
    if options.noise and not wider:
        message = "is between copies of channels; give --width, or leave it out"
        problems.append(Problem("", "--noise", message, "noise-without-width"))
    if problems:
        raise ConfigError(problems)


def _layers_of(options: Grow, source: Store) -> LayerMap:
    count = source.model.layers
    if options.name is not None:
        return named_map(options.name, count, options.layers, options.every)
    if options.map is not None:
        return parse_map(options.map, count)
    return LayerMap(tuple(range(count)), count)


def _widths_of(options: Grow, source: Store) -> Widths:
    chosen = {name: size for name in _WIDTHS if (size := getattr(options, name)) is not None}
    widths = replace(Widths.of(source.model, options.width or 1), **chosen)
    check_widths(source.model, widths)
    return widths


def _is_zero(options: Grow) -> bool:
    return options.new_layers == "zero" or options.name == "llama-pro"


def _check_meaning(options: Grow, layer_map: LayerMap, is_zero: bool) -> bool:
    """Whether the logits stay the same. Raises ConfigError if they do not, but options require it."""
    if is_zero and layer_map.kept is None:
        message = "keeps the logits only where the map contains each layer of the source, in order; use copy, or another map"
        raise ConfigError([Problem("", "--new-layers", message, "no-order-to-keep")])
    preserves = is_zero or layer_map.is_identity
    if options.logits and not preserves:
        message = "copied layers change the logits; leave it out, or give --new-layers zero"
        raise ConfigError([Problem("", "--logits", message, "logits-change")])
    return preserves


# --- what is printed and recorded ------------------------------------------------------------------------


def _describe(source: Store, store: Store, layer_map: LayerMap, is_zero: bool) -> list[str]:
    """The layer list and the sizes that change, in lines that fit the terminal."""
    lines = []
    if not layer_map.is_identity:
        title = f"layers {layer_map.source_layers} -> {len(layer_map.layers)}: "
        lines += _wrap(title, format_map(layer_map.layers))
        kind = "silent" if is_zero else "copied"
        lines += _wrap(f"  {kind} ({len(layer_map.new)}): ", format_map(layer_map.new))
        if layer_map.unused:
            lines += _wrap("  layers of the source that are left out: ", format_map(layer_map.unused))
    for name in _WIDTHS:
        before, after = getattr(source.model, name), getattr(store.model, name)
        if before != after:
            lines.append(f"{name} {before:,} -> {after:,}")
    return lines or ["no layer and no width changes"]


def _wrap(title: str, ranges: str) -> list[str]:
    spaced = ranges.replace(",", ", ")
    return textwrap.wrap(title + spaced, terminal_width(), subsequent_indent="    ", break_on_hyphens=False)


def _facts(
    options: Grow, source: Store, store: Store, layer_map: LayerMap, is_zero: bool, preserves: bool
) -> dict[str, Any]:
    return {
        "map": options.name or options.map,
        "layers": {
            "before": source.model.layers,
            "after": store.model.layers,
            "sources": list(layer_map.layers),
            "new": list(layer_map.new),
            "new_layers": "zero" if is_zero else "copy",
        },
        "widths": {"before": asdict(Widths.of(source.model)), "after": asdict(Widths.of(store.model))},
        "noise": options.noise,
        "seed": options.seed,
        "preserves_logits": preserves,
    }
