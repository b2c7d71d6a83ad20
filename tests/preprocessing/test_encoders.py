"""Engines against the reference, and the fallback when one differs."""

import logging

import numpy as np
import pytest

from preprocessing.tokenizers import encoders
from preprocessing.tokenizers.hard_texts import HARD_TEXTS
from tests.preprocessing.corpus import EN, KO
from tests.preprocessing.finished_steps import write_sentencepiece
from tests.preprocessing.refusals import refuses
from tests.tiny_data import write_tiny_data

TEXTS = [*KO, *EN, "<s> </s> <unk> <pad> </s", "주민번호 <|rrn|>입니다", "print('안녕')\r\n\tx = 1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_sentencepiece(tmp_path_factory.mktemp("tokenizer") / "t", TEXTS).folder


@pytest.fixture(scope="module")
def json_folder(tmp_path_factory):
    """The same tokenizer without ``tokenizer.model``."""
    return write_sentencepiece(tmp_path_factory.mktemp("tokenizer") / "t", TEXTS, with_model=False).folder


def ids_of(encoder, texts):
    ids, offsets = encoder.encode_batch(list(texts))
    assert offsets.dtype == np.int64 and len(offsets) == len(texts) + 1 and offsets[-1] == len(ids)
    return [ids[a:b].tolist() for a, b in zip(offsets[:-1], offsets[1:])]


@pytest.mark.parametrize("engine", ["bpe", "sentencepiece", "tokenizers", "fastokens", "gigatoken"])
@pytest.mark.parametrize("threads", [1, 2])
def test_every_engine_gives_the_ids_of_sentencepiece(folder, engine, threads):
    if encoders.engine_version(engine) is None:
        pytest.skip(f"{engine} is not installed")
    import sentencepiece

    plain = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    encoder = encoders.encoder_of(folder, engine, threads)
    texts = [*TEXTS, *HARD_TEXTS, *encoders.ALL_BYTES, "".join(TEXTS) * 20]
    for text, found in zip(texts, ids_of(encoder, texts)):
        assert found == plain.encode(text), repr(text[:80])
    assert ids_of(encoder, []) == []


def test_text_that_spells_a_special_token_stays_text(folder, json_folder):
    for place in (folder, json_folder):
        for engine in ("tokenizers", "fastokens"):
            if encoders.engine_version(engine):
                (found,) = ids_of(encoders.encoder_of(place, engine), ["<s></s><unk><pad>"])
                assert not {0, 1, 2, 3} & set(found)
                (placeholder,) = ids_of(encoders.encoder_of(place, engine), ["<|rrn|>"])
                assert len(placeholder) == 1


def test_unmergeable_pieces():
    token = {"id": 9, "content": "<|rrn|>", "special": False}
    model = {
        "vocab": {"a": 0, "b": 1, "ab": 2, "<s>": 3, "<0x41>": 4, "abc": 5, "<|rrn|>": 9},
        "merges": [["a", "b"]],
    }
    description = {"model": model, "added_tokens": [token, {"id": 10, "content": "[X]", "special": True}]}
    assert encoders.unmergeable_pieces(description) == ["<0x41>", "<s>", "[X]", "abc"]
    model["merges"] = ["a b", "ab c"]
    assert encoders.unmergeable_pieces(description) == ["<0x41>", "<s>", "[X]"]


def test_texts_that_spell_such_a_piece_go_to_the_reference(folder):
    class Marks(encoders.TextEncoder):
        name = "fast"

        def encode_batch(self, texts):
            return np.full(len(texts), 7, np.uint32), np.arange(len(texts) + 1)

    guarded = encoders.GuardedEncoder(Marks(), encoders.reference_of(folder), ["<s>"])
    expected = ids_of(encoders.reference_of(folder), ["x<s>y"])[0]
    assert ids_of(guarded, ["a", "x<s>y", "b"]) == [[7], expected, [7]]
    assert ids_of(guarded, ["<s"]) == [[7]]


def test_the_reference_is_what_the_folder_has(folder, json_folder):
    assert encoders.reference_of(folder).name == "sentencepiece"
    assert encoders.reference_of(json_folder).name == "tokenizers"
    with refuses("not-a-sentencepiece-model", "tokenizer.model"):
        encoders.encoder_of(json_folder, "sentencepiece")


def test_auto_takes_the_fast_engine_where_it_agrees(folder, json_folder):
    fast = "fastokens" if encoders.engine_version("fastokens") else "tokenizers"
    assert encoders.choose(folder, "auto", TEXTS) == "bpe"
    assert encoders.choose(folder, "sentencepiece", TEXTS) == "sentencepiece"
    assert encoders.choose(folder, "tokenizers", TEXTS) == "tokenizers"
    assert encoders.choose(json_folder, "auto", TEXTS) == fast


def test_without_fastokens_auto_takes_the_reference_and_logs_it_once(json_folder, monkeypatch, caplog):
    encoders._report_missing_fastokens.cache_clear()
    monkeypatch.setattr(
        encoders, "engine_version", lambda engine: None if engine == "fastokens" else encoders.OWN
    )
    with caplog.at_level(logging.INFO):
        assert [encoders.choose(json_folder, "auto", TEXTS) for _ in range(2)] == ["tokenizers"] * 2
    assert [("fastokens" in r.getMessage(), r.levelname) for r in caplog.records].count((True, "INFO")) == 1
    encoders._report_missing_fastokens.cache_clear()


class Wrong(encoders.TextEncoder):
    """Like the reference, except for texts with the letter q."""

    name = "fastokens"

    def __init__(self, folder, threads):
        self._right = encoders.reference_of(folder)

    def encode_batch(self, texts):
        return self._right.encode_batch([text.replace("q", "k") for text in texts])


def test_an_engine_that_differs_is_abandoned_with_a_warning(folder, monkeypatch, caplog):
    encoders._load.cache_clear()
    monkeypatch.setitem(encoders.FAST, "fastokens", Wrong)
    monkeypatch.setattr(encoders, "HARD_TEXTS", ())
    monkeypatch.setattr(encoders, "ALL_BYTES", ())
    assert encoders.choose(folder, "fastokens", ["abc"]) == "fastokens"
    with caplog.at_level(logging.WARNING):
        assert encoders.choose(folder, "fastokens", ["abc", "a quick q", "b"]) == "sentencepiece"
    (record,) = caplog.records
    assert record.args == ("fastokens", "a quick q", "sentencepiece")
    encoders._load.cache_clear()


def test_an_engine_that_does_not_support_the_tokenizer_is_abandoned(tmp_path, caplog):
    write_tiny_data(tmp_path)  # a tokenizer of words
    assert encoders.choose(tmp_path / "tokenizer", "auto", ["w5 w6"]) == "tokenizers" and not caplog.text
    assert encoders.choose(tmp_path / "tokenizer", "bpe", ["w5 w6"]) == "tokenizers"
    assert "bpe" in caplog.text and "tokenizer.model" in caplog.text
    assert ids_of(encoders.reference_of(tmp_path / "tokenizer"), ["w5 w6"]) == [[5, 6]]


def test_an_engine_that_is_not_installed_is_named(folder, monkeypatch):
    monkeypatch.setattr(encoders.importlib.util, "find_spec", lambda name: None)
    encoders._load.cache_clear()
    with refuses("missing-package", "gigatoken"):
        encoders.encoder_of(folder, "gigatoken")
