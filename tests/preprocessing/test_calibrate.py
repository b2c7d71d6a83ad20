"""Thresholds derived from trusted text."""

import argparse
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from preprocessing.commands import calibrate
from preprocessing.config.rules import FilterConfig
from preprocessing.documents import new_shard
from preprocessing.judging import rules
from preprocessing.judging.prose import measure
from preprocessing.judging.rule_table import PROSE
from preprocessing.text.language import detect
from tests.preprocessing.refusals import refuses

GOOD = [
    "\n".join(f"{tree}나무 숲에 {bird}새가 살고 {bird}꽃이 {tree}들판에 핀다." for bird in "가나다라마바사")
    for tree in "가나다라마바사아자차"
]
NOISY = ["★" * (30 + n) + " 할인 할인 할인" for n in range(1, 11)]


class Stand:
    """The part of a context that calibrate uses."""

    def __init__(self, folder, texts):
        self.folder = folder
        self.units = [SimpleNamespace(name=f"{name}-0", input_name=name) for name in texts]
        self.config = SimpleNamespace(inputs={name: SimpleNamespace(source=None) for name in texts})
        for name, documents in texts.items():
            measured = measure(pa.array(documents, pa.large_string()), "ko")
            columns = {
                "lang": pa.array(["ko"] * len(documents)),
                "misread": pa.array([0] * len(documents), pa.int32()),
            }
            columns |= detect(pa.array(documents, pa.large_string())).columns()
            batch = pa.RecordBatch.from_pydict({**columns, **measured})
            with new_shard(self.path("measure", f"{name}-0"), batch.schema) as shard:
                for start in range(0, batch.num_rows, 4):
                    shard.write(batch.slice(start, 4))

    def path(self, step, name, suffix=".parquet"):
        return self.folder / f"{step}-{name}{suffix}"

    def upstream(self, step, name):
        assert step == "measure"
        return "key"


def rule(field):
    return next(one for one in PROSE if one.field == field)


def test_a_threshold_keeps_the_quantile_and_a_stricter_one_does_not():
    values = np.random.Generator(np.random.PCG64(1)).random(1000).astype(np.float32)
    weights = np.ones(1000)
    for field, kept in (("max_top_2_gram", values.__le__), ("min_hangul_ratio", values.__ge__)):
        low = field.startswith("min")
        limit = calibrate.threshold(rule(field), values, weights, 0.95, whole=False)
        assert 0.95 <= kept(limit).mean() < 0.955
        assert kept(limit * (1.01 if low else 0.99)).mean() < 0.95


def test_thresholds_by_hand():
    values, ones = np.array([1, 2, 3, 4, np.nan], np.float32), np.ones(5)
    longest, shortest = rule("max_characters"), rule("min_characters")
    assert calibrate.threshold(longest, values, ones, 0.75, whole=True) == 3
    assert calibrate.threshold(longest, values, ones, 0.76, whole=True) == 4
    assert calibrate.threshold(shortest, values, ones, 0.75, whole=True) == 2
    assert calibrate.threshold(longest, values, np.array([97, 1, 1, 1, 9]), 0.97, whole=True) == 1
    assert calibrate.threshold(longest, np.full(2, np.nan, np.float32), np.ones(2), 0.9, whole=True) is None


@pytest.mark.parametrize(
    ("value", "down", "whole", "expected"),
    [(0.12345, False, False, 0.124), (0.12345, True, False, 0.123), (0.123, False, False, 0.123), (12345.6, False, True, 12346),
     (12345.6, True, True, 12345), (0.00071, False, False, 0.00071), (1.0, True, False, 1.0), (0.0, False, False, 0.0)],
)  # fmt: skip
def test_rounding_is_on_the_mild_side(value, down, whole, expected):
    assert calibrate._round_milder(value, down, whole) == pytest.approx(expected, abs=1e-12)


def test_the_yaml_is_a_configuration_that_keeps_trusted_text_and_drops_noise(tmp_path):
    import yaml

    measured = calibrate.read(Stand(tmp_path, {"books": GOOD, "web": NOISY}), 1000)
    lines = list(calibrate.to_yaml(measured, {"books"}, 1.0, "documents"))
    config = FilterConfig(**yaml.safe_load("\n".join(lines))["filter"])
    assert config.ko.max_symbol_ratio is None  # books contain no symbols
    assert config.ko.min_hangul_ratio and config.ko.min_sentence_ends == 7
    for texts, kept in ((GOOD, True), (NOISY, False)):
        table = measure(pa.array(texts, pa.large_string()), "ko")
        extra = {
            name: pa.array([0] * len(texts), pa.int32())
            for name in ("misread", "spam_terms", "spam_groups", "spam_contact", "lorem")
        }
        extra |= detect(pa.array(texts, pa.large_string())).columns()
        batch = pa.RecordBatch.from_pydict({"lang": pa.array(["ko"] * len(texts)), **table, **extra})
        reasons = rules.find_reasons(batch, config)
        assert all((reason is None) == kept for reason in reasons), reasons
    assert lines[-1].endswith("books 0.00 % of 10, web 100.00 % of 10")
    assert any("min_alphabetic_words" in line and "books 0.00 %, web 100.00 %" in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_a_large_source_does_not_outvote_a_small_one(tmp_path):
    texts = {"large": ["가" * 10 + "다."] * 99, "small": ["나" * 100 + "다."]}
    lines = list(
        calibrate.to_yaml(calibrate.read(Stand(tmp_path, texts), 1000), {"large", "small"}, 0.9, "documents")
    )
    shares = {
        line.split("#")[0].strip(): line.split("#")[1].strip()
        for line in lines
        if ":" in line and "#" in line
    }
    assert shares["min_characters: 12"] == shares["max_characters: 102"] == "large 0.00 %, small 0.00 %"


def test_of_a_long_source_every_nth_document_is_read(tmp_path):
    texts = [f"{'가' * n}다." for n in range(1, 31)]
    measured = calibrate.read(Stand(tmp_path, {"books": texts}), 10)
    assert measured["ko", "books"].of(rule("min_characters")).tolist() == [n + 2 for n in range(1, 31, 3)]


def test_an_unknown_source_is_refused_with_those_that_exist(tmp_path, monkeypatch):
    monkeypatch.setattr(calibrate, "Context", lambda loaded: Stand(tmp_path, {"books": GOOD}))
    given = argparse.Namespace(source=["boks"], quantile=0.99, weight="documents", documents=100)
    with refuses("unknown-source", "boks", "books"):
        calibrate.run(None, given)


def test_shares_of_many_sources_fit_the_terminal(tmp_path):
    texts = {f"a_source_with_a_long_name_{number}": GOOD[:2] for number in range(4)}
    measured = calibrate.read(Stand(tmp_path, texts), 1000)
    lines = list(calibrate.to_yaml(measured, set(texts), 0.99, "documents"))
    assert max(map(len, lines)) <= 80
    assert sum("a_source_with_a_long_name_3 0.00 %" in line for line in lines) > 5


@pytest.mark.parametrize("text", ["1.2", "0.1", "viel", "nan"])
def test_a_quantile_out_of_range_is_refused(text):
    parser = argparse.ArgumentParser()
    calibrate.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--quantile", text])
