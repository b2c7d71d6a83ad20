"""Operation ``prune``: a smaller model, of a given shape or of at most a number of parameters."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from checkpoint_tools.changes import Change, finish, open_changed
from checkpoint_tools.formats.store import Store
from checkpoint_tools.formats.store_fingerprint import fingerprint_store
from checkpoint_tools.operations.importance import aggregation_of
from checkpoint_tools.options.surgery import Prune
from checkpoint_tools.pruning import depth, width
from checkpoint_tools.pruning.report import describe_proposals
from checkpoint_tools.pruning.scores_file import ImportanceScores, read_scores
from checkpoint_tools.pruning.selection import Kept, choose, keep_layers, shares_of
from checkpoint_tools.pruning.shapes import Sizes, check_export, check_sizes, propose, target_of
from megatron_ko.config.model import ModelConfig, head_size
from megatron_ko.errors import CheckpointError, ConfigError, Problem
from megatron_ko.wording import format_count

HALF = 0.5
_SIZES = ("layers", "hidden_size", "ffn_hidden_size", "heads", "kv_groups")


def run(options: Prune) -> int:
    source = open_changed(options)
    sizes = Sizes(options.hidden_size, options.ffn_hidden_size, options.heads, options.layers)
    _check_options(options, source, sizes)
    check_sizes(source.model, sizes)
    scores = _read_scores(options, source)
    layers = _layers_of(options, source, scores)
    if layers is not None:
        sizes = replace(sizes, layers=len(layers))
    target = _target(options, source, sizes, scores)
    family = check_export(source, target)
    kept = choose(
        scores, aggregation_of(options), source.model, target, layers=layers, align_heads=options.align_heads
    )
    store = prune(source, target, kept)
    _describe(source, store, kept, family)
    return finish(store, source, Change("prune", _facts(options, source, store, kept, scores)), options)


def prune(source: Store, target: ModelConfig, kept: Kept) -> Store:
    """The Store of shape ``target`` with what is ``kept``. Embeddings are tied first, layers removed last."""
    store = source
    if target.tied_embeddings and not source.model.tied_embeddings:
        store = width.tie_embeddings(store)
    store = width.prune_width(store, replace(target, layers=source.model.layers), kept)
    return store if kept.layers is None else depth.keep_layers(store, kept.layers)


# --- what the options ask for ----------------------------------------------------------------------------


def _check_options(options: Prune, source: Store, sizes: Sizes) -> None:
    problems = []
    nothing = sizes.is_empty() and not (options.drop_layers or options.parameters or options.tie_embeddings)
    if nothing:
        message = "nothing to prune; give sizes such as --hidden-size and --layers, or --parameters"
        problems.append(Problem("", "--parameters", message, "nothing-to-prune"))
    if options.drop_layers is not None and options.layers is not None:
        message = "names the layers that --layers chooses by score; give one of the two"
        problems.append(Problem("", "--drop-layers", message, "layers-twice"))
    if options.tie_embeddings and source.model.tied_embeddings:
        message = f"the embeddings of {source.origin} are tied; remove it"
        problems.append(Problem("", "--tie-embeddings", message, "already-tied"))
    if problems:
        raise ConfigError(problems)


def _read_scores(options: Prune, source: Store) -> ImportanceScores | None:
    """Raises CheckpointError if scores are missing, or belong to another model than the source."""
    if options.scores is None:
        removes = {
            name: size
            for name in ("hidden_size", "ffn_hidden_size", "heads", "layers")
            if (size := getattr(options, name)) is not None and size < getattr(source.model, name)
        }
        if removes or options.parameters is not None:
            what = ", ".join(f"--{name.replace('_', '-')}" for name in removes) or "--parameters"
            message = f"needed to choose what {what} keeps; write mko importance CONFIG.yaml --out FILE.safetensors first"
            raise ConfigError([Problem("", "--scores", message, "scores-needed")])
        return None
    scores = read_scores(Path(options.scores).expanduser())
    if fingerprint_store(source) != scores.record.fingerprint:
        raise CheckpointError(
            f"{scores.path}: was measured on other weights ({scores.record.source}) than those of {source.origin}; measure the "
            "importance of this model",
            rule="scores-of-another-model",
        )
    return scores


def _layers_of(options: Prune, source: Store, scores: ImportanceScores | None) -> tuple[int, ...] | None:
    """Layers that stay; None for all of them."""
    count = source.model.layers
    if options.drop_layers is not None:
        dropped = set(options.drop_layers)
        if len(dropped) < len(options.drop_layers):
            message = f"{options.drop_layers}: names a layer twice; name each layer once"
            raise ConfigError([Problem("", "--drop-layers", message, "layer-twice")])
        if max(dropped) >= count or len(dropped) == count:
            message = (
                f"{sorted(dropped)}: must be some of the layers 0 to {count - 1}, and leave at least one"
            )
            raise ConfigError([Problem("", "--drop-layers", message, "no-such-layer")])
        return tuple(layer for layer in range(count) if layer not in dropped)
    if options.layers is None or options.layers == count:
        return None
    assert scores is not None
    return keep_layers(scores.layers(options.layer_score), options.layers)


def _target(options: Prune, source: Store, sizes: Sizes, scores: ImportanceScores | None) -> ModelConfig:
    tied = source.model.tied_embeddings or options.tie_embeddings
    if options.parameters is None:
        return replace(target_of(source.model, sizes), tied_embeddings=tied)
    assert scores is not None

    def measure(model: ModelConfig) -> Any:
        return shares_of(scores, aggregation_of(options), model, options.align_heads)

    proposals = propose(source, sizes, int(options.parameters), tied, measure)
    print("\n".join(["", *describe_proposals(proposals), ""]))
    return proposals[0].model


# --- what is reported ------------------------------------------------------------------------------------


def _describe(source: Store, store: Store, kept: Kept, family: str | None) -> None:
    for name in _SIZES:
        before, after = getattr(source.model, name), getattr(store.model, name)
        if before != after:
            print(f"{name} {before:,} -> {after:,}")
    if kept.layers is not None:
        dropped = [str(n) for n in range(source.model.layers) if n not in kept.layers]
        print(f"removes {format_count(len(dropped), 'layer')}: {', '.join(dropped)}")
    if store.model.tied_embeddings != source.model.tied_embeddings:
        print("ties the embeddings: the mean of both matrices")
    if family is not None and source.family is not None and family != source.family:
        print(
            f"an export has model_type {family}: {source.family} cannot express {store.model.heads} heads of "
            f"{head_size(store.model)} at hidden size {store.model.hidden_size:,}"
        )
    width_kept = min(
        getattr(store.model, name) / getattr(source.model, name)
        for name in ("hidden_size", "ffn_hidden_size", "layers")
    )
    if width_kept < HALF:
        print(
            "removes more than half of one size at once; several smaller steps, with training between them, lose less"
        )


def _facts(
    options: Prune, source: Store, store: Store, kept: Kept, scores: ImportanceScores | None
) -> dict[str, Any]:
    how = aggregation_of(options)
    facts: dict[str, Any] = {
        "shape": {
            name: {"before": getattr(source.model, name), "after": getattr(store.model, name)}
            for name in _SIZES
        },
        "head_size": head_size(store.model),
        "norm_epsilon": store.model.norm_epsilon,
        "tied_embeddings": store.model.tied_embeddings,
        "layers": list(kept.layers) if kept.layers is not None else "all",
    }
    if scores is not None:
        facts["scores"] = {"file": str(scores.path), **asdict(scores.record)}
        facts["aggregation"] = {
            **asdict(how),
            "align_heads": options.align_heads,
            "layer_score": options.layer_score,
        }
        facts["shares_kept"] = asdict(shares_of(scores, how, store.model, options.align_heads))
    return facts
