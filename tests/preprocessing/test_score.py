"""The step ``score``: columns in the order of the documents, quantiles, verdicts, and refusals."""

import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from preprocessing.config.scoring import (
    DecontaminateConfig,
    PerplexityModel,
    QualityModel,
    QualityTraining,
    ScoreConfig,
    TextSet,
)
from preprocessing.documents import new_shard
from preprocessing.scoring import perplexity, quality_model
from preprocessing.steps import score
from tests.preprocessing.corpus import EN, KO
from tests.preprocessing.refusals import refuses
from tests.preprocessing.scoring_context import SmallContext

pytest.importorskip("fasttext")


def column(texts):
    return pa.array(texts, pa.large_string())


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    config = QualityTraining(good=TextSet(), bad=TextSet(), dim=8, buckets=1000, min_count=1, epochs=20)
    lines = quality_model.prepare_lines(column([*KO, *(f"ㅋㅋ {i} 대박" for i in range(12))]))
    quality_model.train(lines, [i < 12 for i in range(24)], folder / "edu.bin", config)
    perplexity.save(perplexity.train(*perplexity.prepare(column([*KO, *EN])), 10_000), folder / "books.npz")
    return folder


@pytest.fixture
def config(models):
    return ScoreConfig(
        quality={"edu": QualityModel(model=str(models / "edu.bin"), langs=["ko"], min_score=0.5)},
        perplexity={
            "books": PerplexityModel(
                model=str(models / "books.npz"), langs=["ko", "en"], max_perplexity=1000.0
            )
        },
    )


@pytest.fixture
def units():
    generator = random.Random(5)
    texts = [
        *((text, "ko") for text in KO),
        *((text, "en") for text in EN),
        ("ㅋㅋ 1 대박", "ko"),
        ("x = 1", "code"),
        ("", "ko"),
    ]
    generator.shuffle(texts)
    return {
        name: [(f"{name}{i}", *texts[i]) for i in range(start, 24, 2)]
        for start, name in enumerate(("a", "b"))
    }


def rows_of(context):
    return [
        row for unit in context.units for row in pq.read_table(context.path("score", unit.name)).to_pylist()
    ]


def test_each_document_has_the_scores_of_its_models(tmp_path, config, units, models):
    context = SmallContext(tmp_path, units, score=config)
    outcome = score.run(context)
    documents = [document for name in units for document in units[name]]
    rows = rows_of(context)
    assert [(row["id"], row["lang"]) for row in rows] == [(identity, lang) for identity, _, lang in documents]
    classifier = quality_model.Classifier(models / "edu.bin", "good")
    model = perplexity.load(models / "books.npz")
    for row, (_, text, lang) in zip(rows, documents):
        one = column([text])
        assert row["quality_edu"] == (
            classifier.scores(quality_model.prepare_lines(one))[0] if lang == "ko" else None
        )
        expected = model.perplexities(one)[0] if lang in ("ko", "en") and text else None
        assert row["perplexity_books"] == expected
    assert outcome.summary["scored"] == {"quality_edu": 14, "perplexity_books": 22}
    assert pq.read_metadata(context.path("score", "a")).num_row_groups == 2  # those of the documents


def test_verdicts_follow_the_thresholds_and_null_passes(tmp_path, config):
    columns = pa.RecordBatch.from_pydict(
        {
            "lang": ["ko", "ko", "en", "en", "code"],
            "quality_edu": pa.array([0.4, 0.5, None, None, None], pa.float32()),
            "perplexity_books": pa.array([1000.0, 1001.0, 5.0, 2000.0, None], pa.float32()),
        }
    )
    context = SmallContext(tmp_path, {}, score=config)
    quantiles = {"perplexity_books": {"en": [6.0, 3000.0], "ko": [0.0, 3000.0]}}
    failed = {
        name: np.flatnonzero(rows).tolist()
        for name, rows in score.scoring_verdicts(columns, context.config, quantiles)
    }
    assert failed == {"quality_edu": [0], "perplexity_books": [1, 2, 3]}


def write_columns(path, langs, values):
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("lang", pa.string()),
            ("quality_edu", pa.float32()),
            ("perplexity_books", pa.float32()),
        ]
    )
    with new_shard(path, schema) as shard:
        for start in range(0, len(langs), 50):
            part = slice(start, start + 50)
            numbers = pa.array(values[part], pa.float32())
            ids = pa.array(["x"] * len(numbers))
            shard.write(
                pa.RecordBatch.from_arrays([ids, pa.array(langs[part]), numbers, numbers], schema=schema)
            )


@pytest.mark.parametrize("kind", ["few", "many", "equal"])
def test_quantiles_are_those_of_all_values_sorted(tmp_path, kind):
    generator = np.random.default_rng(3)
    count = 3 if kind == "few" else 400
    drawn = generator.lognormal(4, 2, count).astype(np.float32)
    values = ([7.5] * count if kind == "equal" else drawn.tolist())[: count - 1] + [None]
    langs = generator.choice(["ko", "en"], count).tolist() if kind != "few" else ["ko"] * count
    half = count // 2
    write_columns(tmp_path / "a.parquet", langs[:half], values[:half])
    write_columns(tmp_path / "b.parquet", langs[half:], values[half:])
    config = ScoreConfig(
        quality={"edu": QualityModel(model="x", langs=["ko"], keep_quantile=0.1)},
        perplexity={
            "books": PerplexityModel(model="x", langs=["ko", "en", "code"], keep_quantiles=[0.02, 0.9])
        },
    )
    context = SmallContext(tmp_path, {}, score=config)
    found = score.quantiles_of([tmp_path / "a.parquet", tmp_path / "b.parquet"], context.config)
    for lang in sorted(set(langs)):
        ordered = sorted(v for v, of in zip(values, langs) if of == lang and v is not None)
        n = len(ordered)
        low, high = found["perplexity_books"][lang]
        assert low == ordered[min(int(0.02 * n), n - 1)]
        assert high == ordered[max(int(np.ceil(round(0.9 * n, 6))) - 1, 0)]
        if lang == "ko":
            best = found["quality_edu"]["ko"][0]
            assert sum(v >= best for v in ordered) >= 0.1 * n > sum(v > best for v in ordered) - 1
    assert "code" not in found["perplexity_books"]


def test_without_quantiles_nothing_is_read(tmp_path, config):
    context = SmallContext(tmp_path, {}, score=config)
    assert score.quantiles_of([tmp_path / "none.parquet"], context.config) == {}


def test_another_threshold_changes_no_column(tmp_path, config, units, models):
    first = SmallContext(tmp_path / "1", units, score=config)
    stricter = QualityModel(model=str(models / "edu.bin"), langs=["ko"], keep_quantile=0.1)
    second = SmallContext(
        tmp_path / "2", units, score=ScoreConfig(quality={"edu": stricter}, perplexity=config.perplexity)
    )
    seen = []
    for context in (first, second):
        do = context.finish
        context.finish = lambda step, tasks, version, do=do: (
            seen.append([task.depends for task in tasks]) or do(step, tasks, version)
        )
        score.run(context)
    assert seen[0] == seen[1]


def test_a_missing_model_is_refused_before_work(tmp_path, config, units):
    gone = ScoreConfig(perplexity={"gone": PerplexityModel(model=str(tmp_path / "gone.npz"), langs=["ko"])})
    with refuses(None, "gone.npz", "perplexity_gone"):
        score.run(SmallContext(tmp_path, units, score=gone))
    gone = ScoreConfig(quality={"gone": QualityModel(model=str(tmp_path / "gone.bin"), langs=["ko"])})
    with refuses("missing-file", "gone.bin"):
        score.run(SmallContext(tmp_path, units, score=gone))


def test_a_corpus_without_the_language_is_refused(tmp_path, config):
    units = {"a": [("a1", "Only English here.", "en")]}
    with refuses(None, "score.quality.edu", "ko"):
        score.run(SmallContext(tmp_path, units, score=config))


def test_sections_are_off_when_empty():
    assert not ScoreConfig().enabled and not DecontaminateConfig().enabled
