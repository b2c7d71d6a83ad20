"""Step ``score``: computes quality and perplexity of each document as columns, and applies thresholds to them.

Owns the columns ``quality_NAME`` and ``perplexity_NAME`` (float32, null in languages a model does not judge), the
quantiles of the corpus, and the verdicts that ``filter`` reads, including those about ``decontaminate``. Text is read
here; another threshold needs only the columns.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from megatron_ko.errors import DataError
from megatron_ko.files import sha256_file
from preprocessing.config.scoring import PerplexityModel, QualityModel, ScoreConfig
from preprocessing.documents import new_shard, read_batches
from preprocessing.running.context import Context, Outcome, Task
from preprocessing.scoring import perplexity, quality_model

STEP = "score"
VERSION = 1
"""Increase when this step writes other bytes for the same inputs and configuration, shared code included."""
HALF_BITS = 16  # bits of a value counted in each of the two passes that find a quantile

Scorer = Callable[[pa.Array], np.ndarray]


def score_batch(batch: pa.RecordBatch, config: ScoreConfig, keys: dict[str, str]) -> pa.RecordBatch:
    """``id, lang`` and one column per model; ``keys``: SHA-256 of each model's file."""
    columns = {"id": batch["id"], "lang": batch["lang"]}
    for name, model in models_of(config).items():
        out = np.full(batch.num_rows, np.nan, np.float32)
        mine = pc.is_in(batch["lang"], pa.array(list(model.langs), pa.string()))
        rows = np.flatnonzero(mine.to_numpy(zero_copy_only=False))
        if len(rows):
            out[rows] = scorer_of(model, keys[name])(batch["text"].take(pa.array(rows)))
        columns[name] = pa.array(out, pa.float32(), from_pandas=True)
    return pa.RecordBatch.from_pydict(columns, schema=columns_schema(config))


def columns_schema(config: ScoreConfig) -> pa.Schema:
    fields = [(name, pa.float32()) for name in models_of(config)]
    return pa.schema([("id", pa.string()), ("lang", pa.string()), *fields])


def models_of(config: ScoreConfig) -> dict[str, QualityModel | PerplexityModel]:
    """Models by the name of their column."""
    return {
        **{f"quality_{name}": model for name, model in config.quality.items()},
        **{f"perplexity_{name}": model for name, model in config.perplexity.items()},
    }


def scorer_of(model: QualityModel | PerplexityModel, key: str) -> Scorer:
    path = Path(model.model).expanduser()
    if isinstance(model, PerplexityModel):
        return _language_model(path, key).perplexities
    classifier = quality_model.open_classifier(path, model.label, key)
    return lambda column: classifier.scores(quality_model.prepare_lines(column))


@functools.lru_cache(maxsize=8)
def _language_model(path: Path, key: str) -> Any:
    """Loaded once per process; ``key`` is the SHA-256 of the file."""
    return perplexity.open_model(path)


def identities_of(config: ScoreConfig) -> dict[str, str | None]:
    """SHA-256 of each model's file, None if it does not exist yet; for the key of the step."""
    paths = {name: Path(model.model).expanduser() for name, model in models_of(config).items()}
    return {name: sha256_file(path) if path.is_file() else None for name, path in paths.items()}


def model_keys(config: ScoreConfig) -> dict[str, str]:
    """SHA-256 of each model's file, by column. Raises DataError for a missing file."""
    keys = {}
    for name, model in models_of(config).items():
        path = Path(model.model).expanduser()
        if isinstance(model, QualityModel):
            keys[name] = quality_model.fingerprint_of(path)
        elif path.is_file():
            keys[name] = sha256_file(path)
        else:
            raise DataError(
                f"{path}: the language model of {name} does not exist; train it with "
                "'mko data train-quality CONFIG.yaml'",
                rule="missing-file",
            )
    return keys


# --- the step --------------------------------------------------------------------------------------------


def run(context: Context) -> Outcome:
    """Scores every unfinished unit."""
    keys = model_keys(context.config.score)
    # the columns depend neither on thresholds nor on how a model was trained
    depends = [
        [name, list(model.langs), getattr(model, "label", None)]
        for name, model in models_of(context.config.score).items()
    ]
    tasks = [
        Task(
            unit.name, score_unit, (number, keys),
            [depends, keys, context.upstream(context.text_step, unit.name)], unit.size,
        )
        for number, unit in enumerate(context.units)
    ]  # fmt: skip
    summaries = context.finish(STEP, tasks, VERSION)
    scored = {name: sum(summary["scored"][name] for summary in summaries) for name in keys}
    for name, count in scored.items():
        if not count:
            langs = ", ".join(models_of(context.config.score)[name].langs)
            problem = context.loaded.problem(
                f"score.{name.replace('_', '.', 1)}",
                f"the corpus has no document in {langs}; correct 'langs'",
                "no-documents-to-score",
            )
            raise DataError([problem])
    return Outcome([], {"documents": sum(summary["documents_in"] for summary in summaries), "scored": scored})


def score_unit(context: Context, number: int, keys: dict[str, str]) -> Outcome:
    unit = context.units[number]
    config: ScoreConfig = context.config.score
    path = context.path(STEP, unit.name)
    documents, scored = 0, dict.fromkeys(keys, 0)
    with new_shard(path, columns_schema(config)) as shard:
        for batch in read_batches(context.documents_path(unit), ["id", "text", "lang"]):
            columns = score_batch(batch, config, keys)
            shard.write(columns)
            documents += batch.num_rows
            for name in keys:
                scored[name] += batch.num_rows - columns[name].null_count
    return Outcome([path], {"documents_in": documents, "documents_out": documents, "scored": scored})


# --- thresholds ------------------------------------------------------------------------------------------


def scoring_verdicts(
    columns: pa.RecordBatch, config: Any, quantiles: dict[str, Any]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields ``(reason, failed: [rows] bool)`` per model and for n-grams of evaluation sets; null never fails.

    ``config`` has the sections ``score`` and ``decontaminate``; ``quantiles``: result of ``quantiles_of``.
    """
    langs = columns["lang"].to_numpy(zero_copy_only=False)
    for name, model in models_of(config.score).items():
        values = columns[name].to_numpy(zero_copy_only=False).astype(np.float32)
        low, high = _fixed(model)
        failed = (values < np.float32(low)) | (values > np.float32(high))
        for lang, (lowest, highest) in quantiles.get(name, {}).items():
            failed |= (langs == lang) & ((values < np.float32(lowest)) | (values > np.float32(highest)))
        yield name, failed
    if config.decontaminate.enabled:
        many = (
            columns["contaminated_ngrams"].to_numpy(zero_copy_only=False) >= config.decontaminate.min_ngrams
        )
        yield (
            "contaminated",
            many & (columns["contaminated_share"].to_numpy() >= config.decontaminate.min_share),
        )


def bounds_of(config: ScoreConfig, quantiles: dict[str, Any], lang: str) -> dict[str, tuple[float, float]]:
    """Lowest and highest value that pass, by column, of the models that judge ``lang``."""
    return {
        name: tuple(quantiles.get(name, {}).get(lang, _fixed(model)))
        for name, model in models_of(config).items()
        if lang in model.langs
    }


def fields_of(config: ScoreConfig) -> dict[str, str]:
    """The field of the configuration that decides, by column of the models."""
    fields = {}
    for kind, models, shares in (
        ("quality", config.quality, "keep_quantile"),
        ("perplexity", config.perplexity, "keep_quantiles"),
    ):
        value = "min_score" if kind == "quality" else "max_perplexity"
        for name, model in models.items():
            field = value if getattr(model, shares) is None else shares
            fields[f"{kind}_{name}"] = f"score.{kind}.{name}.{field}"
    return fields


def _fixed(model: QualityModel | PerplexityModel) -> tuple[float, float]:
    if isinstance(model, QualityModel):
        return (-np.inf if model.min_score is None else model.min_score), np.inf
    low = -np.inf if model.min_perplexity is None else model.min_perplexity
    return low, np.inf if model.max_perplexity is None else model.max_perplexity


def quantiles_of(paths: Sequence[Path], config: Any) -> dict[str, dict[str, list[float]]]:
    """Lowest and highest value that pass, by column and language, of models configured by shares instead of values.

    Exact over all documents of the step: the values are read twice and counted by their first and last 16 bits.
    """
    wanted = {(name, lang): shares for name, model in models_of(config.score).items()
              if (shares := _shares(model)) is not None for lang in sorted(set(model.langs))}  # fmt: skip
    quantiles: dict[str, dict[str, list[float]]] = {}
    if not wanted:
        return quantiles
    high = {key: np.zeros(1 << HALF_BITS, np.int64) for key in wanted}
    for key, bits in _values(paths, wanted):
        high[key] += np.bincount(bits >> HALF_BITS, minlength=1 << HALF_BITS)
    ranks = {key: _ranks(shares, int(high[key].sum())) for key, shares in wanted.items() if high[key].any()}
    upper = {
        (key, rank): int(np.searchsorted(np.cumsum(high[key]), rank, "right"))
        for key, pair in ranks.items() for rank in pair
    }  # fmt: skip
    low = {(key, half): np.zeros(1 << HALF_BITS, np.int64) for (key, _), half in upper.items()}
    for key, bits in _values(paths, ranks):
        for half in {upper[key, rank] for rank in ranks[key]}:
            inside = bits[bits >> HALF_BITS == half] & ((1 << HALF_BITS) - 1)
            low[key, half] += np.bincount(inside, minlength=1 << HALF_BITS)
    for (name, lang), pair in ranks.items():
        key = name, lang
        quantiles.setdefault(name, {})[lang] = [
            _value(
                upper[key, rank],
                rank - int(high[key][: upper[key, rank]].sum()),
                low[key, upper[key, rank]],
            )
            for rank in pair
        ]
    return quantiles


def _shares(model: QualityModel | PerplexityModel) -> tuple[float, float] | None:
    """Quantiles of the lowest and the highest value that pass."""
    if isinstance(model, QualityModel):
        return None if model.keep_quantile is None else (1.0 - model.keep_quantile, 1.0)
    return None if model.keep_quantiles is None else (model.keep_quantiles[0], model.keep_quantiles[1])


def _ranks(shares: tuple[float, float], documents: int) -> tuple[int, int]:
    """Ranks from 0 of the lowest and highest value that pass; at least one document passes."""
    # six digits, so that 1 - 0.9 is a tenth
    low = min(int(np.floor(round(shares[0] * documents, 6))), documents - 1)
    return low, max(low, int(np.ceil(round(shares[1] * documents, 6))) - 1)


def _values(
    paths: Sequence[Path], wanted: Iterable[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], np.ndarray]]:
    """Yields the values that are not null, made non-negative, as the integers of their bits, which have the same order."""
    keys = list(wanted)
    names = sorted({name for name, _ in keys})
    for path in paths:
        for batch in read_batches(path, ["lang", *names]):
            langs = batch["lang"]
            for name, lang in keys:
                values = batch[name].filter(pc.equal(langs, lang)).drop_null().to_numpy()
                yield (name, lang), np.abs(values).view(np.uint32).astype(np.int64)


def _value(half: int, rank: int, counts: np.ndarray) -> float:
    bits = half << HALF_BITS | int(np.searchsorted(np.cumsum(counts), rank, "right"))
    return float(np.array([bits], np.uint32).view(np.float32)[0])
