"""Trains the quality classifiers and language models of section ``score``.

Owns the command, its output, and the training of language models; ``quality_rounds`` trains the classifiers.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from megatron_ko.config.loading import Loaded
from megatron_ko.errors import ConfigError
from megatron_ko.files import sha256_file, write_json
from megatron_ko.tables import format_table
from preprocessing.config.pipeline import Config
from preprocessing.config.scoring import PerplexityModel, QualityModel
from preprocessing.running.context import Context
from preprocessing.scoring import perplexity, quality_model
from preprocessing.scoring.quality_rounds import train_quality
from preprocessing.scoring.training_text import texts_of

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--name", metavar="NAME", help="train only this model of score.quality or score.perplexity"
    )


def run(loaded: Loaded[Config], arguments: argparse.Namespace) -> int:
    context = Context(loaded)
    score = loaded.config.score
    chosen = {
        f"{kind}.{name}": model
        for kind, models in (("quality", score.quality), ("perplexity", score.perplexity))
        for name, model in models.items()
        if _has_text(model) and arguments.name in (None, name)
    }
    if not chosen:
        named = f" with the name {arguments.name!r}" if arguments.name else ""
        raise ConfigError(
            f"no model of section score{named} has text in 'train'; set train.good and train.bad, or train.reference",
            rule="no-training-text",
        )
    for name, model in chosen.items():
        if isinstance(model, QualityModel):
            show_rounds(name, train_quality(context, model))
        else:
            facts = train_perplexity(context, model)
            print(
                f"{name}: held-out perplexity {facts['median_perplexity']:.1f} (median), {facts['words']:,} different words"
            )
        print(f"{name}: {model.model}")
    return 0


def _has_text(model: QualityModel | PerplexityModel) -> bool:
    return (model.train.good if isinstance(model, QualityModel) else model.train.reference).is_configured


def show_rounds(name: str, facts: dict[str, Any]) -> None:
    heads = ("round", "good", "bad", "AUC", "accuracy", "precision", "recall", "good\nadded", "bad\nadded")
    rows: list[tuple[str, ...]] = [heads]
    for number, measures in enumerate(facts["rounds"], 1):
        counts = (measures[key] for key in ("good", "bad"))
        scores = (measures[key] for key in ("auc", "accuracy", "precision", "recall"))
        added = (measures.get(key, 0) for key in ("added_good", "added_bad"))
        rows.append(
            (
                str(number),
                *(f"{n:,}" for n in counts),
                *(f"{x:.4f}" for x in scores),
                *(f"{n:,}" for n in added),
            )
        )
    print(f"{name}: training documents, and measures on held-out documents")
    print("\n".join(format_table(rows)))
    print(f"{name}: {facts['ended']}")


def train_perplexity(context: Context, model: PerplexityModel) -> dict[str, Any]:
    """Trains one language model on the beginning of its reference; returns the facts written beside it."""
    config = model.train
    parts: list[list[str]] = [[], []]
    room, cut = config.max_mib << 20, False
    for column in texts_of(context, config.reference, model.langs):
        for text in column.drop_null().to_pylist():
            data = text.encode("utf-8")
            if len(data) > room:
                cut = True
                break
            room -= len(data)
            parts[xxhash.xxh64_intdigest(data) / 2**64 < config.held_out].append(text)
        if cut:
            log.warning(
                "%s: the reference is larger than max_mib = %d; the rest is ignored",
                model.model,
                config.max_mib,
            )
            break
    trained = perplexity.train(*perplexity.prepare(pa.array(parts[0], pa.large_string())), config.max_ngrams)
    path = Path(model.model).expanduser()
    perplexity.save(trained, path)
    held_out = trained.perplexities(pa.array(parts[1], pa.large_string()))
    held_out = held_out[~np.isnan(held_out)]
    facts = {
        "sha256": sha256_file(path),
        "documents": len(parts[0]),
        "held_out_documents": len(held_out),
        "reference_cut": cut,
        "words": len(trained.words.symbols),
        "pairs": len(trained.words.pairs),
        "triples": len(trained.words.triples),
        "median_perplexity": float(np.median(held_out)) if len(held_out) else float("nan"),
        "quantiles": {
            str(q): float(np.quantile(held_out, q)) for q in (0.05, 0.5, 0.9, 0.95, 0.99) if len(held_out)
        },
        "settings": context.as_data(config),
    }
    write_json(quality_model.facts_path(path), facts)
    return facts
