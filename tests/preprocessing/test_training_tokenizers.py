"""Training: reproducible bytes, learned pieces, morphemes, sizes that do not fit, the conversion."""

import importlib.util
import json
import pickle
import re
import subprocess
import sys

import pytest
import tokenizers

from megatron_ko.errors import ConfigError, DataError
from megatron_ko.formats.sentencepiece_model import read_model
from megatron_ko.formats.tokenizer_folder import Tokenizer
from preprocessing.config.languages import KINDS as KINDS_OF_DATA
from preprocessing.config.pipeline import _distinct_tokens
from preprocessing.config.tokens import TokenizerConfig
from preprocessing.pii.masking import PLACEHOLDERS
from preprocessing.steps.train_tokenizer import write_folder
from preprocessing.tokenizers import byte_level, morphemes, proof, trainers
from preprocessing.tokenizers.hard_texts import HARD_TEXTS, generated_texts
from preprocessing.tokenizers.sentencepiece_to_json import to_tokenizer_json
from preprocessing.tokenizers.trainers import chunks
from tests.preprocessing.corpus import EN, KO
from tests.preprocessing.refusals import refuses

KINDS = ("bpe", "unigram", "byte_bpe")


def corpus():
    return ["\n".join(KO * 5), " ".join(EN * 5), open(json.__file__, encoding="utf-8").read()]


def settings_of(kind, **values):
    return TokenizerConfig(type=kind, **{"vocab_size": 700, **values})


def trained(kind, texts=None, **values):
    texts = corpus() if texts is None else texts
    if kind == "byte_bpe":
        return byte_level.train(texts, settings_of(kind, **values))
    return trainers.train(texts, settings_of(kind, **values))


@pytest.mark.parametrize("kind", KINDS)
def test_another_process_trains_the_same_bytes(kind):
    script = (
        "import sys, json, hashlib\nfrom tests.preprocessing.test_training_tokenizers import trained\n"
        "made = trained(sys.argv[1])\n"
        "print(hashlib.sha256(made if isinstance(made, bytes) else json.dumps(made).encode()).hexdigest())\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script, kind], capture_output=True, text=True, check=True, env=None
        ).stdout
        for _ in range(2)
    }
    assert len(found) == 1
    if kind != "byte_bpe":
        assert b".tsv" not in trained(kind)  # no path of a temporary file


@pytest.mark.parametrize("kind", KINDS)
def test_digits_are_split_by_default(tmp_path, kind):
    numbers = ["2024 2025 1234 " * 200, *corpus()]
    for split in (True, False):
        write_folder(tmp_path, numbers, settings_of(kind, split_digits=split, vocab_size=900))
        surfaces = Tokenizer(tmp_path).surfaces()
        assert any(sum(map(str.isdigit, surface)) > 1 for surface in surfaces) == (not split)
        if split:
            assert len(Tokenizer(tmp_path).encode("x2024")) == 5


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_are_never_learned(tmp_path, kind):
    text = "가<s>나</s> <|끝|> <pad> <|reserved_0|>\n" * 500
    wanted = settings_of(kind, special_tokens=["<|끝|>"], reserved_tokens=1, split_scripts=False)
    write_folder(tmp_path, [text, *corpus()], wanted)
    tokenizer = Tokenizer(tmp_path)
    ids = tokenizer.encode(text)
    pieces = {
        piece for piece in tokenizer.surfaces() if "<s>" in piece or "<|끝|>" in piece or "_0|>" in piece
    }
    assert len([p for p in tokenizer.surfaces() if p == "<|끝|>"]) == (kind == "byte_bpe")
    assert not pieces - {"<s>", "<|끝|>", "<|reserved_0|>"}
    assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("kind", KINDS)
def test_longest_piece(tmp_path, kind):
    write_folder(tmp_path, [*corpus(), "abcdefghijklmnop " * 300], settings_of(kind, max_piece_characters=5))
    plain = [s for s in Tokenizer(tmp_path).surfaces() if not s.startswith("<") and "\u2047" not in s]
    assert max(len(surface) for surface in plain if surface.isascii()) in (4, 5)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_size_that_does_not_fit_is_refused_with_one_that_does(kind):
    with pytest.raises(trainers.TooLarge) as error:
        trained(kind, KO, vocab_size=50_000)
    assert error.value.rule == "vocab-too-large" and str(error.value.largest) in str(error.value)
    again = pickle.loads(pickle.dumps(error.value))
    assert (again.rule, again.largest, str(again)) == (
        error.value.rule,
        error.value.largest,
        str(error.value),
    )
    largest = error.value.largest
    assert read_model(trained(kind, KO, vocab_size=largest), kind).vocabulary.size == largest
    with refuses("no-text"):
        trained(kind, [])


def test_a_size_of_bytes_that_does_not_fit_is_refused_with_one_that_does():
    with pytest.raises(DataError) as error:
        trained("byte_bpe", KO, vocab_size=50_000)
    assert error.value.rule == "vocab-too-large"
    largest = int(re.findall(r"\d+", str(error.value))[-1])
    assert len(trained("byte_bpe", KO, vocab_size=largest)["model"]["vocab"]) == largest
    with refuses("vocab-too-small", "200"):
        trained("byte_bpe", KO, vocab_size=200)
    with refuses("no-text"):
        trained("byte_bpe", [])


def test_text_with_a_character_that_sentencepiece_skips_is_learned_from():
    model = read_model(trained("bpe", ["\u2585나무들 \0나무들\n" * 99], vocab_size=276), "trained")
    assert any("나무들" in piece.text for piece in model.vocabulary.pieces)


def test_names_of_existing_tokens_are_refused():
    def refused(**values):
        """The refused fields with the names in their messages."""
        problems = list(_distinct_tokens(TokenizerConfig(**values)))
        return [(path, message.split("'")[1]) for path, message in problems]

    special, symbols = "tokenizer.special_tokens", "tokenizer.symbols"
    assert refused(symbols=["@@"], special_tokens=["<|x|>"], reserved_tokens=2) == []
    assert refused(special_tokens=["<s>"]) == [(special, "<s>")]
    assert refused(symbols=["<0x41>"])[0] == (symbols, "<0x41>")
    assert refused(symbols=["<|x|>"], special_tokens=["<|x|>"])[0] == (symbols, "<|x|>")
    assert refused(special_tokens=["<|reserved_0|>"], reserved_tokens=1)[0] == (special, "<|reserved_0|>")
    assert set(PLACEHOLDERS.values()) == {f"<|{kind}|>" for kind in KINDS_OF_DATA}
    assert refused(special_tokens=["<|rrn|>"])[0] == (special, "<|rrn|>")


# --- morphemes -------------------------------------------------------------------------------------------


def test_morphemes_without_mecab_name_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with refuses("missing-package", "megatron_ko[morphemes]", error=ConfigError):
        morphemes.segmenter("mecab")


@pytest.mark.parametrize("kind", KINDS)
def test_no_piece_crosses_a_morpheme(tmp_path, monkeypatch, kind):
    """With a stand-in analyzer that splits before every particle."""
    end = morphemes.MORPHEME_END
    monkeypatch.setattr(
        trainers, "segmenter", lambda kind: lambda text: text.replace("에서", f"{end}에서{end}")
    )
    text = "학교에서는 집에서도 강에서만 산에서\n" * 300
    write_folder(tmp_path, [text, *corpus()], settings_of(kind, morphemes="mecab"))
    surfaces = Tokenizer(tmp_path).surfaces()
    crossing = [surface for surface in surfaces if "에서" in surface and surface != "에서"]
    assert kind == "unigram" or "에서" in surfaces
    assert crossing == []
    assert not any(end in surface for surface in surfaces)
    assert Tokenizer(tmp_path).decode(Tokenizer(tmp_path).encode(text)) == text


@pytest.mark.skipif(importlib.util.find_spec("mecab") is None, reason="needs python-mecab-ko")
def test_mecab_cuts_hangul_words_only():
    cut = morphemes.segmenter("mecab")
    text = "영등포구청역에 있는 x=1 맛집을\n\tabc漢字 먹었다"
    found = cut(text)
    assert found.replace(morphemes.MORPHEME_END, "") == text
    assert f"맛집{morphemes.MORPHEME_END}을" in found
    assert f"먹{morphemes.MORPHEME_END}었{morphemes.MORPHEME_END}다" in found


# --- conversion and proof --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_generated_strings_give_the_same_ids_in_all_readers(tmp_path, kind):
    write_folder(
        tmp_path / "t", corpus(), settings_of(kind, special_tokens=["<|x|>"], symbols=["안녕하세요!"])
    )
    texts = generated_texts(3_000, Tokenizer(tmp_path / "t").surfaces(), seed=5)
    found = proof.prove(tmp_path / "t", texts, tmp_path / "work", ())
    assert found.texts == 3_000 + len(HARD_TEXTS)
    assert "tokenizers " + tokenizers.__version__ in found.readers


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_proof_notices_a_wrong_conversion(tmp_path, kind):
    folder = write_folder(tmp_path, corpus(), settings_of(kind)).folder
    data = json.loads((folder / "tokenizer.json").read_text())
    if kind == "bpe":
        data["model"]["merges"] = data["model"]["merges"][::-1]
    else:
        data["model"]["vocab"] = [
            [piece, score + 5 * (len(piece) == 2)] for piece, score in data["model"]["vocab"]
        ]
    (folder / "tokenizer.json").write_text(json.dumps(data))
    with refuses("other-ids", "tokenizers"):
        proof.prove(folder, [*KO, *EN, *corpus()], tmp_path / "work", ())


def test_proof_includes_transformers(tmp_path):
    """One process for a right folder, one for a folder whose special tokens are matched in text."""
    folder = write_folder(tmp_path / "t", corpus(), settings_of("bpe")).folder
    (found,) = [r for r in proof.prove(folder, KO, tmp_path / "work").readers if r.startswith("transformers")]
    assert found.split()[1][0].isdigit()
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "split_special_tokens": False}))
    with refuses("other-ids", "transformers", "'<s>'"):
        proof.prove(folder, KO, tmp_path / "work")
    (folder / "tokenizer_config.json").write_text("{")
    with refuses("transformers-cannot-read", str(folder)):
        proof.prove(folder, KO, tmp_path / "work")


@pytest.mark.parametrize(
    ("corpus_bytes", "strings"), [(0, 10_000), (999_999, 10_000), (5_000_000, 50_000), (10**9, 100_000)]
)
def test_generated_strings_grow_with_the_corpus(corpus_bytes, strings):
    assert proof.strings_for(corpus_bytes, 100_000) == strings
    assert proof.strings_for(corpus_bytes, 300) == 300


def test_models_that_lose_text_are_refused(tmp_path):
    import io

    import sentencepiece

    def made(**options):
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(KO),
            model_writer=out,
            vocab_size=150,
            minloglevel=2,
            hard_vocab_limit=False,
            **options,
        )
        return read_model(out.getvalue(), "other")

    with refuses("normalizing-model"):
        to_tokenizer_json(made(model_type="bpe", normalization_rule_name="nmt_nfkc"))
    with refuses("not-bpe-or-unigram"):
        to_tokenizer_json(made(model_type="char", normalization_rule_name="identity"))


def test_generated_strings_are_reproducible_and_varied():
    texts = list(generated_texts(2_000, ["가나", "다라마"], seed=1))
    assert texts == list(generated_texts(2_000, ["가나", "다라마"], seed=1))
    whole = "".join(texts)
    for part in ("\0", "\r\n", "\t", "\u2581", "\ufdd1", "</s>", "\u1112", "ㅋ", "가나", "\u200d"):
        assert part in whole
    assert any(ord(character) > 0xFFFF for character in whole)
    whole.encode("utf-8")  # no lone surrogates


def test_chunks_lose_nothing():
    text = "줄 하나\n" * 50 + "긴" * 100 + "\n끝"
    parts = list(chunks(text, 40))
    assert "".join(parts) == text
    assert max(map(len, parts)) <= 40
    assert parts[0].endswith("\n")
