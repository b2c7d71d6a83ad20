"""The fastText classifier: its files, its measures, reproducible training, and rounds that find good text."""

import json
import random
import shutil
import struct
import sys
from argparse import Namespace

import numpy as np
import pyarrow as pa
import pytest

from megatron_ko.config.loading import Loaded
from megatron_ko.errors import ConfigError
from preprocessing.commands import train_quality
from preprocessing.config.scoring import (
    QualityModel,
    QualityTraining,
    ScoreConfig,
    TextSet,
    score_thresholds,
    score_training,
)
from preprocessing.scoring import quality_model, quality_rounds
from tests.preprocessing.refusals import refuses
from tests.preprocessing.scoring_context import SmallContext

pytest.importorskip("fasttext")
GOOD = ["논문은", "실험의", "결과를", "분석하여", "가설을", "검증하고", "이론의", "한계를", "설명한다"]
BAD = ["대박", "ㅋㅋ", "진짜", "꿀잼", "알바인가", "돈", "아깝다", "헐", "최고"]
FRESH = [
    "정리는",
    "공리에서",
    "증명되며",
    "따름정리가",
    "성립한다",
]  # words of good text that only the corpus knows
STALE = ["노잼", "망작", "ㅠㅠ", "졸림", "환불"]


def document(generator, words, count=30):
    return " ".join(generator.choice(words) for _ in range(count))


def settings(**changed):
    given = {"dim": 8, "buckets": 2000, "epochs": 10, "min_count": 1, "learning_rate": 0.3, **changed}
    return QualityTraining(**{"good": TextSet(sources=["good"]), "bad": TextSet(sources=["bad"]), **given})


def model_at(folder, **changed):
    return QualityModel(model=str(folder / "models" / "edu.bin"), langs=["ko"], train=settings(**changed))


@pytest.fixture(scope="module")
def units():
    generator = random.Random(1)
    made = {
        "good": [document(generator, GOOD) for _ in range(60)],
        "bad": [document(generator, BAD) for _ in range(60)],
        # half of the words are known, half are not
        "web": [
            document(generator, [*GOOD, *FRESH]) if i % 2 else document(generator, [*BAD, *STALE])
            for i in range(80)
        ],
    }
    return {
        name: [(f"{name}-{i}", text, "ko") for i, text in enumerate(texts)] for name, texts in made.items()
    }


def score(model, texts):
    path = quality_model.Path(model.model)
    lines = quality_model.prepare_lines(pa.array(texts, pa.large_string()))
    return quality_model.Classifier(path, model.label).scores(lines)


def test_training_separates_the_classes_and_reports_measures(tmp_path, units):
    model = model_at(tmp_path)
    facts = quality_rounds.train_quality(SmallContext(tmp_path / "out", units), model)
    assert len(facts["rounds"]) == 1 and facts["rounds"][0]["auc"] > 0.99
    good, bad = score(model, [" ".join(GOOD), " ".join(BAD)])
    assert good > 0.9 > 0.1 > bad
    beside = json.loads((tmp_path / "models" / "edu.bin.json").read_text(encoding="utf-8"))
    assert beside["sha256"] == quality_model.fingerprint_of(quality_model.Path(model.model))
    assert beside["labels"] == ["good", "bad"] and beside["settings"]["dim"] == 8
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["edu.bin", "edu.bin.json"]


def test_rounds_add_documents_and_learn_from_them(tmp_path, units):
    once, often = (
        model_at(tmp_path / "1"),
        model_at(tmp_path / "3", rounds=3, added_share=0.3, min_added_score=0.7),
    )
    context = SmallContext(tmp_path / "out", units)
    quality_rounds.train_quality(context, once)
    facts = quality_rounds.train_quality(context, often)
    first, second, *_ = facts["rounds"]
    assert first["added_good"] == first["added_bad"] > 10
    assert second["good"] == first["good"] + first["added_good"]
    asked = [" ".join(FRESH), " ".join(STALE)]
    before, after = score(once, asked), score(often, asked)
    assert after[0] > 0.8 > 0.2 > after[1]
    assert after[0] - after[1] > before[0] - before[1]


def test_the_surest_documents_are_added(tmp_path, units, trained):
    model = model_at(tmp_path, added_share=0.2, min_added_score=0.7)
    context = SmallContext(tmp_path / "out", units)
    classifier = quality_model.Classifier(trained, "good")
    known = {quality_rounds._digest(text, 1234) for name in ("good", "bad") for _, text, _ in units[name]}
    added = quality_rounds._choose_additions(context, model, classifier, known)
    web = {text: classifier.scores([text])[0] for _, text, _ in units["web"]}
    ordered = sorted(web, key=lambda text: -web[text])
    assert {line for _, line in added[True]} == set(ordered[: int(0.2 * len(web))])
    assert {line for _, line in added[False]} == set(ordered[-int(0.2 * len(web)) :])


def test_training_ends_when_no_document_can_be_added(tmp_path, units):
    only = {name: units[name] for name in ("good", "bad")}
    facts = quality_rounds.train_quality(SmallContext(tmp_path / "out", only), model_at(tmp_path, rounds=5))
    assert len(facts["rounds"]) == 1 and "no further document" in facts["ended"]


def test_a_round_that_measures_worse_is_rejected(tmp_path, units, trained_once, monkeypatch):
    found = iter([0.9, 0.8])
    monkeypatch.setattr(
        quality_model, "measure", lambda *_: quality_model.Measures(next(found), 1.0, 1.0, 1.0, 12)
    )
    model = model_at(tmp_path, rounds=3, added_share=0.3, min_added_score=0.7)
    context = SmallContext(tmp_path / "out", units)
    facts = quality_rounds.train_quality(context, model)
    assert len(facts["rounds"]) == 2 and "rejected" in facts["ended"]
    kept = quality_model.Path(model.model).read_bytes()
    assert kept == (trained_once / "edu.bin").read_bytes()


@pytest.mark.parametrize("buckets, dim", [(1000, 8), (60_000, 32)])
def test_two_trainings_write_the_same_bytes(tmp_path, units, buckets, dim):
    """Vectors that fit into memory used before, which fastText reads uninitialized, and vectors that do not."""
    written = []
    for name in ("a", "b"):
        model = model_at(tmp_path / name, buckets=buckets, dim=dim)
        quality_rounds.train_quality(SmallContext(tmp_path / name / "out", units), model)
        written.append([(tmp_path / name / "models" / f).read_bytes() for f in ("edu.bin", "edu.bin.json")])
    assert written[0] == written[1]


def test_files_are_training_text_too(tmp_path, units, trained_once):
    for name in ("good", "bad"):
        lines = [json.dumps({"body": text}) for _, text, _ in units[name]]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    texts = {name: TextSet(paths=[str(tmp_path / f"{name}.jsonl")], field="body") for name in ("good", "bad")}
    from_files = quality_rounds.train_quality(SmallContext(tmp_path / "out", {}), model_at(tmp_path, **texts))
    from_sources = json.loads((trained_once / "edu.bin.json").read_text(encoding="utf-8"))
    assert from_files["rounds"] == from_sources["rounds"]
    with refuses("field-not-text", "good.jsonl:1", "'text'"):
        wrong = TextSet(paths=[str(tmp_path / "good.jsonl")])
        quality_rounds.train_quality(
            SmallContext(tmp_path / "out3", {}), model_at(tmp_path, good=wrong, bad=texts["bad"])
        )


def test_a_corpus_without_the_language_is_refused(tmp_path, units):
    english = {name: [(i, text, "en") for i, text, _ in rows] for name, rows in units.items()}
    with refuses("too-few-documents", "0 bad", "ko"):
        quality_rounds.train_quality(SmallContext(tmp_path / "out", english), model_at(tmp_path))


def test_an_unknown_source_is_refused(tmp_path, units):
    with refuses("unknown-source", "none", "bad, good, web"):
        quality_rounds.train_quality(
            SmallContext(tmp_path / "out", units), model_at(tmp_path, bad=TextSet(sources=["none"]))
        )


def test_the_command_needs_something_to_train(monkeypatch, tmp_path):
    context = SmallContext(tmp_path, {}, score=ScoreConfig())
    monkeypatch.setattr(train_quality, "Context", lambda loaded: context)
    with refuses("no-training-text", "'edu'", error=ConfigError):
        train_quality.run(Loaded(context.config, {}), Namespace(name="edu"))


def test_the_command_prints_every_round(monkeypatch, tmp_path, units, capsys):
    context = SmallContext(tmp_path, units, score=ScoreConfig(quality={"edu": model_at(tmp_path, rounds=2)}))
    monkeypatch.setattr(train_quality, "Context", lambda loaded: context)
    assert train_quality.run(Loaded(context.config, {}), Namespace(name=None)) == 0
    lines = capsys.readouterr().out.splitlines()
    facts = json.loads((tmp_path / "models" / "edu.bin.json").read_text(encoding="utf-8"))
    rows = [line.split() for line in lines if line.strip()[:1].isdigit()]
    assert [row[0] for row in rows] == [str(number) for number in range(1, len(facts["rounds"]) + 1)]
    assert rows[0][1] == str(facts["rounds"][0]["good"]) and rows[0][3] == f"{facts['rounds'][0]['auc']:.4f}"
    assert any(str(tmp_path / "models" / "edu.bin") in line for line in lines)


# --- files -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory, units):
    folder = tmp_path_factory.mktemp("trained")
    quality_rounds.train_quality(SmallContext(folder / "out", units), model_at(folder))
    return folder / "models"


@pytest.fixture
def trained(tmp_path, trained_once):
    shutil.copytree(trained_once, tmp_path / "models")
    return tmp_path / "models" / "edu.bin"


def test_labels_are_read_from_the_file(trained):
    assert sorted(quality_model.check_file(trained)) == ["bad", "good"]
    with refuses("unknown-label", "'excellent'", "bad", "good"):
        quality_model.Classifier(trained, "excellent")


def patched(place, form, value):
    def change(data):
        struct.pack_into(form, data, place, value)
        return data

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: b"\x80\x04" + data[2:], id="magic"),
        pytest.param(lambda data: data[:40], id="truncated header"),
        pytest.param(lambda data: data[:-4], id="truncated matrix"),
        pytest.param(lambda data: data + b"\0", id="longer than its parts"),
        pytest.param(patched(8, "<i", 9), id="matrix of another size"),
        pytest.param(patched(8, "<i", 1 << 30), id="impossible size"),
        pytest.param(patched(36, "<i", 1), id="word vectors"),
        pytest.param(patched(68, "<i", 1 << 30), id="number of labels"),
        pytest.param(patched(64, "<i", 1 << 30), id="number of words"),
    ],
)
def test_forged_files_are_refused_before_the_library_reads_them(trained, change, monkeypatch):
    monkeypatch.setitem(sys.modules, "fasttext", None)
    data = change(bytearray(trained.read_bytes()))
    trained.write_bytes(data)
    with refuses("not-a-classifier", "edu.bin"):
        quality_model.Classifier(trained, "good")


def test_a_missing_or_replaced_model_is_refused(trained, tmp_path):
    with refuses("missing-file", "none.bin"):
        quality_model.fingerprint_of(tmp_path / "none.bin")
    trained.write_bytes(trained.read_bytes() + b"\0")
    with refuses("checksum-mismatch", "edu.bin.json"):
        quality_model.fingerprint_of(trained)


def test_a_missing_package_is_named(trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "fasttext", None)
    with refuses("missing-package", "megatron_ko[quality]"):
        quality_model.Classifier(trained, "good")


# --- measures and text -----------------------------------------------------------------------------------


def test_the_auc_is_the_share_of_pairs_in_order():
    generator = np.random.default_rng(7)
    scores = generator.integers(0, 12, 60) / 12
    good = generator.random(60) < 0.4
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[good] for b in scores[~good]]
    assert quality_model.auc_of(scores, good) == pytest.approx(np.mean(pairs))
    with refuses("one-class"):
        quality_model.auc_of(scores, np.ones(60, bool))


def test_accuracy_precision_and_recall():
    measured = quality_model.measure(np.array([0.9, 0.6, 0.4, 0.1]), np.array([True, False, True, False]))
    assert (measured.accuracy, measured.precision, measured.recall, measured.documents) == (0.5, 0.5, 0.5, 4)


def test_text_cannot_spell_a_label(tmp_path):
    lines = quality_model.prepare_lines(pa.array(["__label__bad 좋다\n__label__good"], pa.large_string()))
    assert quality_model.PREFIX not in lines[0] and "\n" not in lines[0]


def test_settings_that_contradict_are_named():
    alone = settings(good=TextSet())
    both = QualityModel(model="a.bin", langs=["ko"], min_score=0.5, keep_quantile=0.1, train=alone)
    config = ScoreConfig(quality={"edu": both})
    assert [path for path, _ in score_thresholds(config)] == ["score.quality.edu"]
    assert [path for path, _ in score_training(config)] == ["score.quality.edu.train.good"]
