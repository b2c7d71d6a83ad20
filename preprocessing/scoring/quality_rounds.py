"""Trains a quality classifier in rounds.

Owns the split into training and held-out documents and the additions from the corpus: as in Kanana (arXiv:2502.18934),
the classifier scores the corpus, the documents with the surest scores join the training set, and it is trained again.
Kanana's report states neither threshold nor number of rounds; here both classes grow equally, within limits, and a round
with a worse measure is rejected.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from megatron_ko.errors import DataError
from megatron_ko.wording import format_count
from preprocessing.config.scoring import QualityModel, QualityTraining
from preprocessing.running.context import Context
from preprocessing.scoring import quality_model
from preprocessing.scoring.training_text import read_languages, tasks_of, texts_of


@dataclasses.dataclass
class Examples:
    """Prepared lines and their class, by hash of the line; a line of both classes is good."""

    good: dict[int, bool]
    lines: dict[int, str]

    def add(self, digest: int, line: str, is_good: bool) -> None:
        self.good[digest] = self.good.get(digest, False) or is_good
        self.lines[digest] = line

    def count(self, is_good: bool) -> int:
        return sum(good == is_good for good in self.good.values())

    def sort(self) -> tuple[list[str], np.ndarray]:
        """``(lines, good)`` in the order of the hashes, which mixes the classes."""
        order = sorted(self.lines)
        good = np.array([self.good[digest] for digest in order], bool)
        return [self.lines[digest] for digest in order], good


def train_quality(context: Context, model: QualityModel) -> dict[str, Any]:
    """Trains one classifier in rounds; returns the facts written beside it. Keeps the training lines in memory."""
    config = model.train
    examples, held_out = _examples(context, model, config)
    lines, good = held_out.sort()
    path = Path(model.model).expanduser()
    trial = path.with_name(f".{path.name}.round.tmp")
    rounds: list[dict[str, Any]] = []
    ended = f"ended after {format_count(config.rounds, 'round')}"
    best = 0.0
    try:
        for number in range(config.rounds):
            quality_model.train(*examples.sort(), trial, config)
            classifier = quality_model.Classifier(trial, quality_model.GOOD)
            measures = quality_model.measure(classifier.scores(lines), good)
            sizes = {"good": examples.count(True), "bad": examples.count(False)}
            rounds.append({**sizes, **dataclasses.asdict(measures)})
            if measures.auc < best - config.max_auc_loss:
                ended = f"round {number + 1} was rejected: held-out AUC fell from {best:.4f} to {measures.auc:.4f}"
                break
            best = max(best, measures.auc)
            trial.replace(path)
            if number + 1 == config.rounds:
                break
            added = _choose_additions(context, model, classifier, {*examples.lines, *held_out.lines})
            rounds[-1].update({"added_good": len(added[True]), "added_bad": len(added[False])})
            if not added[True]:
                ended = f"round {number + 1} was the last: no further document could join"
                break
            for is_good, new in added.items():
                for digest, line in new:
                    examples.add(digest, line, is_good)
    finally:
        trial.unlink(missing_ok=True)
    facts = {
        "settings": context.as_data(config),
        "langs": list(model.langs),
        "rounds": rounds,
        "ended": ended,
    }
    quality_model.write_facts(path, facts)
    return facts


def _examples(context: Context, model: QualityModel, config: QualityTraining) -> tuple[Examples, Examples]:
    """Splits the configured documents into ``(training, held out)``."""
    training, held_out = Examples({}, {}), Examples({}, {})
    for is_good, texts in ((False, config.bad), (True, config.good)):
        lines: dict[int, str] = {}
        for batch in texts_of(context, texts, model.langs):
            for line in _lines(batch, config.max_characters):
                lines[_digest(line, config.seed)] = line
        if len(lines) < 2:
            raise DataError(
                f"{model.model}: {len(lines)} {'good' if is_good else 'bad'} documents with words in "
                f"{', '.join(model.langs)}; name paths or sources with more",
                rule="too-few-documents",
            )
        for digest in sorted(lines)[: config.max_documents]:
            # the lower half of the hash, independent of the order above
            is_held_out = (digest & 0xFFFFFFFF) / 2**32 < config.held_out
            (held_out if is_held_out else training).add(digest, lines[digest], is_good)
    for is_good in (True, False):
        if not training.count(is_good) or not held_out.count(is_good):
            raise DataError(
                f"{model.model}: {training.count(is_good)} {'good' if is_good else 'bad'} documents for training and "
                f"{held_out.count(is_good)} held out; add documents, or change held_out",
                rule="too-few-documents",
            )
    return training, held_out


def _lines(column: pa.Array, max_characters: int) -> Iterator[str]:
    import pyarrow.compute as pc

    cut = pc.utf8_slice_codeunits(column, 0, max_characters)  # type: ignore[attr-defined]
    yield from filter(None, quality_model.prepare_lines(cut))


def _digest(line: str, seed: int) -> int:
    return xxhash.xxh64_intdigest(line.encode("utf-8"), seed)


def _choose_additions(
    context: Context, model: QualityModel, classifier: quality_model.Classifier, known: set[int]
) -> dict[bool, list[tuple[int, str]]]:
    """The best and the worst candidates, equally many of each, ties by hash. Keeps max_added lines of each."""
    config = model.train
    best: list[tuple[float, int, str]] = []
    worst: list[tuple[float, int, str]] = []
    scored: set[int] = set()
    for lines in _candidates(context, model, config):
        new = {
            digest: line
            for line in lines
            if (digest := _digest(line, config.seed)) not in known and digest not in scored
        }
        scored.update(new)
        for (digest, line), score in zip(new.items(), classifier.scores(list(new.values())).tolist()):
            _push(best, (score, digest, line), config.max_added)
            _push(worst, (1.0 - score, digest, line), config.max_added)
    sure = [[item for item in heap if item[0] >= config.min_added_score] for heap in (best, worst)]
    count = min(len(sure[0]), len(sure[1]), int(config.added_share * len(scored)))
    chosen = [sorted(items, reverse=True)[:count] for items in sure]
    return {
        is_good: [(digest, line) for _, digest, line in items]
        for is_good, items in zip((True, False), chosen)
    }


def _push(heap: list[tuple[float, int, str]], item: tuple[float, int, str], size: int) -> None:
    if len(heap) < size:
        heapq.heappush(heap, item)
    else:
        heapq.heappushpop(heap, item)


def _candidates(context: Context, model: QualityModel, config: QualityTraining) -> Iterator[list[str]]:
    tasks = tasks_of(context, config.candidates)
    total = sum(pq.read_metadata(context.documents_path(task)).num_rows for task in tasks)
    limit = int(min(1.0, config.max_candidates / max(total, 1)) * 2**64)
    for batch in read_languages(context, tasks, model.langs):
        ids = batch["id"].to_pylist()
        mask = [xxhash.xxh64_intdigest(identity.encode("utf-8"), config.seed) <= limit for identity in ids]
        yield list(_lines(batch["text"].filter(pa.array(mask, pa.bool_())), config.max_characters))
