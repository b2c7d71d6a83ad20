"""Forecasts and refusals before a tokenizer is trained."""

import logging
import re
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from megatron_ko.errors import DataError
from megatron_ko.formats.vocabulary import BLANK
from preprocessing.config.tokens import TokenizerConfig
from preprocessing.steps import train_tokenizer
from preprocessing.tokenizers import forecast, trainers
from preprocessing.tokenizers.escapes import MARK
from tests.preprocessing.corpus import EN, KO
from tests.preprocessing.refusals import refuses


def test_characters_are_counted_as_python_counts_them(monkeypatch):
    monkeypatch.setattr(forecast, "COUNTED_CHARACTERS", 50)
    texts = [*KO, *EN, "👍🏽\0\n", ""]
    counts = forecast.count_characters(iter(texts))
    whole = "".join(texts)
    assert counts.sum() == len(whole)
    assert {chr(point): counts[point] for point in np.flatnonzero(counts)} == {
        c: whole.count(c) for c in set(whole)
    }


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@pytest.mark.parametrize("coverage", [1.0, 0.999, 0.98])
def test_smallest_vocabulary_is_that_of_sentencepiece(kind, coverage):
    """The trainer accepts this size and refuses one less."""
    texts = [*KO, *EN, f"드문 글자 {BLANK}{MARK} 漢字"]

    def settings(size):
        return TokenizerConfig(
            type=kind, vocab_size=size, character_coverage=coverage, special_tokens=["<|뒤|>"], symbols=["@@"]
        )

    smallest = forecast.smallest_vocabulary(settings(1000), forecast.count_characters(texts))
    with refuses("vocab-too-small", str(smallest)):
        forecast.refuse_impossible(settings(smallest - 1), iter(texts))
    forecast.refuse_impossible(settings(smallest), iter(texts))
    with refuses("vocab-too-small", str(smallest)):
        trainers.train(texts, settings(smallest - 1))
    trainers.train(texts, settings(smallest + 5))


def test_too_small_for_bytes():
    with refuses("vocab-too-small", "268"):
        forecast.refuse_impossible(TokenizerConfig(type="byte_bpe", vocab_size=267), iter(KO))
    forecast.refuse_impossible(TokenizerConfig(type="byte_bpe", vocab_size=268), iter(KO))


def test_no_text_and_no_korean(caplog):
    with refuses("no-text"):
        forecast.refuse_impossible(TokenizerConfig(), iter([""]))
    with caplog.at_level(logging.WARNING):
        forecast.refuse_impossible(TokenizerConfig(), iter(KO))
    assert caplog.records == []
    with caplog.at_level(logging.WARNING):
        forecast.refuse_impossible(TokenizerConfig(), iter(EN))
    (record,) = caplog.records
    assert record.args == (0.0,)


def test_too_little_memory_is_refused_with_a_size_that_fits(monkeypatch, caplog):
    monkeypatch.setattr(forecast, "free_memory", lambda: 2 << 30)
    settings = TokenizerConfig(type="unigram")
    with pytest.raises(DataError) as error:
        forecast.refuse_too_much(settings, 100_000_000)
    assert error.value.rule == "too-little-memory"
    assert "2.9 GiB" in str(error.value) and "2.0 GiB" in str(error.value)
    numbers = [int(number.replace(",", "")) for number in re.findall(r"\d{1,3}(?:,\d{3})+", str(error.value))]
    fitting = numbers[-1]
    with caplog.at_level(logging.INFO):
        forecast.refuse_too_much(settings, fitting)
    assert "unigram" in caplog.text and "32,000" in caplog.text
    with refuses("too-little-memory"):
        forecast.refuse_too_much(settings, fitting + 1_000_000)
    forecast.refuse_too_much(settings, fitting // 3, 2)
    with refuses("too-little-memory", "tokenizer.english_only"):
        forecast.refuse_too_much(settings, fitting, 2)
    monkeypatch.setattr(forecast, "free_memory", lambda: 1 << 20)
    with refuses("too-little-memory"):
        forecast.refuse_too_much(settings, 1000)


def test_the_limit_of_a_control_group_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(forecast, "CONTROL_GROUP", tmp_path)
    machine = forecast.free_memory()
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("50000\n")
    (tmp_path / "memory.stat").write_text("anon 100\ninactive_file 20000\n")
    assert forecast.free_memory() == pytest.approx(machine, rel=0.2)
    (tmp_path / "memory.max").write_text("100000\n")
    assert forecast.free_memory() == 100_000 - 50_000 + 20_000


def test_the_sample_has_the_shares_that_were_asked_for(tmp_path):
    """Domains of 400, 120 and 20 kB in a sample of 200 kB; the smallest would have to be read more than eight times."""
    sizes = {}
    for name, documents in (("ko", 2000), ("en", 600), ("code", 100)):
        ids = [f"{name}-{number}" for number in range(documents)]
        texts = [f"{number:05d} {name}".ljust(200, "x") for number in range(documents)]
        columns = {"id": ids, "text": texts, "lang": [name] * documents}
        (tmp_path / "clean").mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), tmp_path / "clean" / f"{name}_train-00000.parquet")
        sizes[name] = 200 * documents
    settings = TokenizerConfig(sample_bytes=200_000)
    domains = [{"name": name, "split": "train", "bytes": size} for name, size in sizes.items()]
    context = SimpleNamespace(
        folder=tmp_path,
        config=SimpleNamespace(tokenizer=settings, seed=7, domains={}, balance=None),
        summary_of=lambda step: {"domains": domains},
    )
    for shares in ({"ko": 0.35, "en": 0.28, "code": 0.37}, {"ko": 0.05, "en": 0.05, "code": 0.9}):
        taken = Counter(text.split()[1][:2] for text in train_tokenizer.sample(context, shares, sizes))
        expected = {name[:2]: min(share * 1000, 8 * sizes[name] / 200) for name, share in shares.items()}
        for name, count in expected.items():
            assert taken[name] == pytest.approx(count, abs=3 * count**0.5), (name, taken)  # chosen by hash
        size = train_tokenizer.bytes_of_sample(settings, shares, sizes)
        assert size == pytest.approx(200 * sum(taken.values()), rel=0.1)
    assert list(train_tokenizer.sample(context, shares, sizes)) == list(
        train_tokenizer.sample(context, shares, sizes)
    )
