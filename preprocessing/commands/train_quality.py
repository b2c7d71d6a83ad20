"""Train the quality classifiers and language models of section ``score``.

Owns the command, what it prints, and the training of language models; ``quality_rounds`` trains the classifiers.
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
from preprocessing.config.pipeline import Config
from preprocessing.config.scoring import PerplexityModel, QualityModel
from preprocessing.running.context import Context
from preprocessing.scoring import perplexity, quality_model
from preprocessing.scoring.quality_rounds import train_quality
from preprocessing.scoring.training_text import texts_of

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", metavar="NAME", help="only this model of score.quality or score.perplexity")


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
        asked = f"is called {arguments.name!r} and " if arguments.name else ""
        raise ConfigError(
            f"no model of section score {asked}names text in 'train'; give train.good and train.bad, or train.reference"
        )
    for name, model in chosen.items():
        if isinstance(model, QualityModel):
            show_rounds(name, train_quality(context, model))
        else:
            facts = train_perplexity(context, model)
            print(
                f"{name}: held-out perplexity {facts['median_perplexity']:.1f} (median), {facts['words']:,} words"
            )
        print(f"{name}: {model.model}")
    return 0


def _has_text(model: QualityModel | PerplexityModel) -> bool:
    return (model.train.good if isinstance(model, QualityModel) else model.train.reference).is_configured


def show_rounds(name: str, facts: dict[str, Any]) -> None:
    for number, found in enumerate(facts["rounds"], 1):
        added = (
            f"; {found['added_good']:,} good and {found['added_bad']:,} bad join"
            if "added_good" in found
            else ""
        )
        print(
            f"{name}, round {number}: {found['good']:,} good, {found['bad']:,} bad; held-out AUC {found['auc']:.4f}, "
            f"accuracy {found['accuracy']:.4f}, precision {found['precision']:.4f}, recall {found['recall']:.4f}{added}"
        )
    print(f"{name}: {facts['ended']}")


def train_perplexity(context: Context, model: PerplexityModel) -> dict[str, Any]:
    """Trains one language model on the start of its reference; returns what is written beside it."""
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
                "%s: the reference was read up to max_mib = %d; the rest is not used",
                model.model,
                config.max_mib,
            )
            break
    made = perplexity.train(*perplexity.prepared(pa.array(parts[0], pa.large_string())), config.max_ngrams)
    path = Path(model.model).expanduser()
    perplexity.save(made, path)
    found = made.perplexities(pa.array(parts[1], pa.large_string()))
    found = found[~np.isnan(found)]
    facts = {
        "sha256": sha256_file(path),
        "documents": len(parts[0]),
        "held_out_documents": len(found),
        "reference_cut": cut,
        "words": len(made.words.symbols),
        "pairs": len(made.words.pairs),
        "triples": len(made.words.triples),
        "median_perplexity": float(np.median(found)) if len(found) else float("nan"),
        "quantiles": {
            str(q): float(np.quantile(found, q)) for q in (0.05, 0.5, 0.9, 0.95, 0.99) if len(found)
        },
        "settings": context.as_data(config),
    }
    write_json(quality_model.facts_path(path), facts)
    return facts
