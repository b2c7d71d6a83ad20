"""Our engine against SentencePiece: trained models, random ones, long texts, a full table of words, and refusals."""

import io
import random

import numpy as np
import pyarrow as pa
import pytest
import sentencepiece

from megatron_ko.formats.sentencepiece_model import read_model
from megatron_ko.formats.vocabulary import CONTROL, NORMAL, UNUSED, USER_DEFINED
from preprocessing.kernels import bpe_words
from preprocessing.tokenizers import bpe_encoder, bpe_tables, encoders
from preprocessing.tokenizers.bpe_encoder import BpeEncoder
from preprocessing.tokenizers.bpe_tables import Unsupported
from preprocessing.tokenizers.hard_texts import HARD_TEXTS
from tests.preprocessing.corpus import EN, KO
from tests.preprocessing.refusals import refuses
from tests.preprocessing.sentencepiece_models import model_of, random_model, random_text

PIECES = [
    (p, -float(n), NORMAL) for n, p in enumerate(["\u2581", "a", "b", "ab", "가", "나", "가나", "\u2581가나"])
]
CODE = "def f(x):\n    return {'a': [1, 22, 333]}  # 설명\n\n\n\tif x == 10:\n\t\tpass\n"


def engine_of(content, threads=1):
    return BpeEncoder.from_tables(bpe_tables.tables_of(read_model(content, "model")), threads)


def ids_of(engine, texts):
    ids, offsets = engine.encode_batch(list(texts))
    assert ids.dtype == np.uint32 and offsets[0] == 0 and offsets[-1] == len(ids)
    return [ids[a:b].tolist() for a, b in zip(offsets[:-1], offsets[1:])]


def assert_equal(content, texts, times=2, **options):
    """Encodes twice: words are new, then cached."""
    plain, engine = sentencepiece.SentencePieceProcessor(model_proto=content), engine_of(content, **options)
    for _ in range(times):
        for text, found in zip(texts, ids_of(engine, texts), strict=True):
            assert found == plain.encode(text), repr(text[:80])
    return engine


def trained(texts, vocab_size, **options):
    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=made, model_type="bpe", vocab_size=vocab_size, byte_fallback=True,
        remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, minloglevel=2, hard_vocab_limit=False,
        **{"normalization_rule_name": "identity", "character_coverage": 0.98, "add_dummy_prefix": False} | options,
    )  # fmt: skip
    return made.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {"split_digits": True},
        {"user_defined_symbols": ["<|rrn|>", "가나", "다.", "the", "th", "\u2581\u2581", "a\u2581b"]},
        {"split_by_unicode_script": False, "split_by_whitespace": False},
    ],
)
def test_trained_models(options):
    content = trained([*KO, *EN, CODE] * 2, 900, **options)
    texts = [
        *KO,
        *EN,
        CODE,
        "a b <|rrn|><|rrn가나다.",
        *HARD_TEXTS,
        *encoders.ALL_BYTES,
        "".join([*KO, CODE]) * 9,
    ]
    assert_equal(content, texts)


def fuzz(models, seed):
    chance, refused = random.Random(seed), 0
    for _ in range(models):
        content, texts = random_model(chance), [random_text(chance) for _ in range(100)]
        try:
            engine_of(content)
        except Unsupported:
            refused += 1
            continue
        assert_equal(content, texts)
    return refused


def test_random_models_and_texts():
    assert fuzz(60, 1) < 10


@pytest.mark.slow
def test_a_hundred_thousand_random_texts():
    assert fuzz(1100, 2) < 100


@pytest.mark.parametrize("piece", ["한", " ", "ab", "가나", "a\n", "\U0001f600", "-"])
def test_long_texts_of_one_word(piece):
    assert_equal(model_of([*PIECES, ("aa", 3.0, NORMAL), ("aaaa", 2.0, NORMAL)]), [piece * 20_000], times=1)
    assert_equal(trained([piece * 50, *KO], 700), [piece * 30_000], times=1)


def test_a_character_that_is_only_part_of_pieces():
    pieces = [("\u2581", -1.0, NORMAL), ("xy", -2.0, NORMAL), ("xyz", -3.0, NORMAL)]
    engine = assert_equal(model_of(pieces), ["xy", "xyz", "x", "yz", "xxyzz y"])
    assert ids_of(engine, ["xyx"]) == [[259, 2 + ord("x")]]


def test_equal_scores_are_merged_from_the_left():
    pieces = [
        ("\u2581", 0.0, NORMAL),
        ("a", 0.0, NORMAL),
        ("b", 0.0, NORMAL),
        ("ab", -1.0, NORMAL),
        ("ba", -1.0, NORMAL),
    ]
    engine = assert_equal(model_of(pieces), ["aba", "bab", "baba", "abab" * 30])
    assert ids_of(engine, ["aba"]) == [[261, 259]]


def test_unused_pieces_are_split():
    pieces = [
        *PIECES,
        ("abab", -9.0, UNUSED),
        ("나가", -9.0, UNUSED),
        ("c", -9.0, UNUSED),
        ("abababab", -10.0, NORMAL),
    ]
    engine = assert_equal(model_of(pieces), ["abab", "ababab", "abab" * 2, "abab" * 3, "c", "cc가나가c"])
    assert ids_of(engine, ["abab"]) == [[261, 261]]
    several = [*PIECES, ("aa", -9.0, NORMAL), ("aaa", -9.0, UNUSED)]
    with pytest.raises(Unsupported):
        engine_of(model_of(several))


def test_replacements_of_the_model_are_applied(tmp_path):
    rules = tmp_path / "rules.tsv"
    rules.write_text("2581\tFDD1 31\nFDD1\tFDD1 30\n", encoding="utf-8")
    model = trained([*KO, "\u2581 \ufdd1" * 9], 700, normalization_rule_tsv=str(rules))
    assert read_model(model, "").charsmap
    texts = ["\u2581", "a\u2581b 가\ufdd1", "x", " \u2581 ", "", "\ufdd0\ufdd11\u2580", *KO]
    engine = assert_equal(model, texts)
    assert ids_of(engine, ["\u2581"]) != ids_of(engine, [" "])
    assert_equal(model, ["가", "\u2581a", "나 다"] * 30, threads=3)


def test_a_blank_before_every_text(tmp_path):
    """Like the models of Llama 2."""
    rules = tmp_path / "rules.tsv"
    rules.write_text("2581\tFDD1 31\n", encoding="utf-8")
    texts = ["", " ", "a", " a", "  b", "한글 한", "<|a|>한", "\u2581x", "\n", *KO, *EN, *HARD_TEXTS]
    for options in ({"user_defined_symbols": ["\u2581한", "<|a|>"]}, {"normalization_rule_tsv": str(rules)}):
        assert_equal(trained([*KO, *EN], 700, add_dummy_prefix=True, **options), texts, threads=2)
    with pytest.raises(Unsupported):  # a replacement would change a symbol
        engine_of(trained(KO, 700, normalization_rule_tsv=str(rules), user_defined_symbols=["\u2581한"]))


def test_threads_and_slices_of_columns():
    content = trained([*KO, *EN], 700)
    texts = [*KO, *EN, "", "a"] * 5
    plain, engine = sentencepiece.SentencePieceProcessor(model_proto=content), engine_of(content, threads=3)
    column = pa.array(["x", *texts, "y"], pa.large_string()).slice(1, len(texts))
    for _ in range(2):
        ids, offsets = engine.encode_column(column)
        assert [ids[a:b].tolist() for a, b in zip(offsets[:-1], offsets[1:])] == [
            plain.encode(t) for t in texts
        ]
    assert (
        ids_of(engine, []) == []
        and ids_of(engine, [""]) == [[]]
        and ids_of(engine, ["", "", "a"])[:2] == [[], []]
    )


def test_a_full_table_of_words_starts_anew(monkeypatch):
    monkeypatch.setattr(bpe_encoder, "MAX_WORDS", bpe_words.FIRST_ROOM)
    content = trained([*KO, *EN], 700)
    chance = random.Random(3)
    words = [" " + "".join(chance.choice("가나다라마는은이a") for _ in range(7)) for _ in range(50_000)]
    engine = assert_equal(content, ["".join(words[n : n + 500]) for n in range(0, len(words), 500)], times=1)
    table, _, kept, _ = engine._words[0]
    assert len(table) == bpe_words.FIRST_ROOM and 0 < kept <= len(table) // 2


def test_words_are_distinguished_by_all_their_bytes():
    """Words of one hash: the table has two rows, so that most lookups begin at the same row."""
    words = np.zeros((2, 4), np.uint64)
    keys = [
        bpe_words.pack(np.frombuffer(word + bytes(24), np.uint8), 0, len(word))
        for word in (b"a", b"a\0", b"b")
    ]
    assert len({tuple(int(part) for part in key) for key in keys}) == 3
    out = np.arange(5, 10, dtype=np.uint32)
    lists = np.empty(16, np.uint32)
    row = -1 - bpe_words.find_word(words, 0, *keys[0])
    bpe_words.put_word(words, lists, 0, row, *keys[0], out, 0, 5)
    assert bpe_words.find_word(words, 0, *keys[0]) == row
    for other in keys[1:]:
        assert bpe_words.find_word(words, row, *other) == -1 - (1 - row)
    found = np.zeros(8, np.uint32)
    assert bpe_words.copy_ids(words[row, 3], lists, found, 0) == 5 and found[:5].tolist() == [5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(model_of(PIECES, trainer={3: 1}), id="not BPE"),
        pytest.param(model_of(PIECES, trainer={35: 0}), id="no byte pieces"),
        pytest.param(model_of(PIECES, trainer={24: 1}), id="blanks after words"),
        pytest.param(model_of(PIECES, normalizer={4: 1}), id="removes blanks"),
        pytest.param(model_of(PIECES, normalizer={5: 0}), id="does not escape blanks"),
        pytest.param(model_of(PIECES, normalizer={2: bytes(1 << 17)}), id="normalizes text"),
        pytest.param(model_of(PIECES, normalizer={2: b"\xff\0\0\0"}), id="unreadable normalizer"),
        pytest.param(model_of(PIECES[1:]), id="no blank"),
        pytest.param(model_of([("\u2581", -1.0, UNUSED), *PIECES[1:]]), id="unused blank"),
        pytest.param(model_of([*PIECES, ("ab", -9.0, NORMAL)]), id="duplicate piece"),
        pytest.param(model_of([*PIECES, ("x", -9.0, CONTROL)]), id="control piece of one character"),
        pytest.param(model_of([*PIECES, ("x", float("nan"), NORMAL)]), id="score not a number"),
    ],
)
def test_models_it_cannot_encode_exactly_are_refused(model):
    with pytest.raises(Unsupported):
        engine_of(model)


@pytest.mark.parametrize("damage", [slice(None, 900), slice(None, -3), slice(5, None), slice(0, 0)])
def test_a_broken_model_is_named(damage):
    with refuses(None, "x/tokenizer.model"):
        read_model(model_of(PIECES)[damage], "x/tokenizer.model")


def test_user_symbols_are_matched_before_anything_else():
    pieces = [*PIECES, ("aab", 0.0, USER_DEFINED), ("b\u2581a", 0.0, USER_DEFINED), ("가", 0.0, NORMAL)][:-1]
    engine = assert_equal(model_of(pieces), ["aaab", "aab", "xaabab", "ab a b a", "b\u2581a", "aa", "b "])
    assert ids_of(engine, ["aab"]) == [[258 + len(PIECES)]]
