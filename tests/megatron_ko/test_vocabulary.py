"""One Vocabulary for all file formats; damaged files are reported; models are written again."""

import base64
import json
from pathlib import Path

import pytest

from megatron_ko.errors import CheckpointError, DataError
from megatron_ko.formats.id_map import IdMap, read_id_map, write_id_map
from megatron_ko.formats.sentencepiece_model import parse_model, read_model, with_pieces, without_dummy_prefix
from megatron_ko.formats.tiktoken_ranks import read_ranks, vocabulary_of
from megatron_ko.formats.tokenizer_json import vocabulary_in
from megatron_ko.formats.vocabulary import (
    BYTE,
    CONTROL,
    GAP,
    NORMAL,
    UNKNOWN,
    USER_DEFINED,
    Piece,
    Spelling,
    Vocabulary,
    merge,
)
from tests.preprocessing.sentencepiece_models import model_of

PIECES = [("\u2581", -1.0, NORMAL), ("a", -2.0, NORMAL), ("가", -3.0, NORMAL), ("\u2581a", -4.0, NORMAL), ("<|x|>", 0.0, USER_DEFINED)]  # fmt: skip


@pytest.fixture
def model():
    return read_model(model_of(PIECES), "small.model")


def test_a_model_is_read_as_its_pieces_kinds_scores_and_special_ids(model):
    vocabulary = model.vocabulary
    assert (vocabulary.algorithm, vocabulary.size, vocabulary.merges) == ("bpe", 258 + 5, None)
    assert vocabulary.pieces[:2] == [Piece("<unk>", 0.0, UNKNOWN), Piece("</s>", 0.0, CONTROL)]
    assert vocabulary.special_ids == {"bos_id": None, "eos_id": 1, "pad_id": None, "unk_id": 0}
    assert vocabulary.contents[:3] == (None, None, b"\0") and vocabulary.numbers(BYTE) == list(range(2, 258))
    assert vocabulary.contents[258:] == (b" ", b"a", "가".encode(), b" a", b"<|x|>")
    assert vocabulary.ids == {" ": 258, "a": 259, "가": 260, " a": 261, "<|x|>": 262}
    assert vocabulary.segment(" aa") == ["\u2581a", "a"] and vocabulary.format_piece("\u2581a") == " a"
    options = (model.byte_fallback, model.dummy_prefix, model.removes_blanks, model.escapes_blanks)
    assert options == (True, False, False, True) and not model.blanks_behind and model.charsmap == b""


def test_a_model_is_written_with_other_pieces_and_nothing_else_changes(model):
    pieces = [*model.vocabulary.pieces, Piece("가a", -9.5)]
    written = with_pieces(model.content, pieces)
    old, new = parse_model(model.content, "old"), parse_model(written, "new")
    assert read_model(written, "new").vocabulary.pieces == pieces
    assert new.trainer_spec.vocab_size == len(pieces) == len(old.pieces) + 1
    assert new.normalizer_spec == old.normalizer_spec
    new.trainer_spec.ClearField("vocab_size")
    assert new.trainer_spec == old.trainer_spec
    assert with_pieces(written, pieces) == written
    assert not read_model(without_dummy_prefix(written), "new").dummy_prefix


def test_the_self_test_of_a_model_which_names_old_ids_is_left_out(model):
    self_test = b"\x22\x06\x0a\x04\x0a\x02ab"  # field 4, which the schema does not know
    assert len(with_pieces(model.content + self_test, PIECES)) == len(with_pieces(model.content, PIECES))


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "pieces"), (b"\0", "parsing"), (b"no model", "parsing"), (b"\x0a\x05ab", "parsing"),
        (b"\x0a\x03\x0a\x01\xff", "UTF-8"), (b"\x0a\x00", "empty"), (model_of(PIECES)[:-3], "parsing"),
        (model_of(PIECES)[:900], "parsing"), (model_of(PIECES)[5:], "parsing"),
        (model_of([*PIECES, ("<0xGG>", 0.0, BYTE)]), "'<0xGG>'"), (model_of([("x", 0.0, BYTE)]), "'x'"),
    ],
)  # fmt: skip
def test_other_content_is_refused_with_the_reason(content, reason):
    with pytest.raises(DataError) as caught:
        read_model(content, "x.model")
    (problem,) = caught.value.problems
    assert (problem.where, problem.rule) == ("x.model", "not-a-sentencepiece-model")
    assert reason in problem.message


def test_a_model_that_is_cut_at_any_byte_is_refused():
    content = model_of(PIECES)
    for end in [*range(0, 300), *range(len(content) - 120, len(content))]:
        with pytest.raises(DataError) as caught:
            read_model(content[:end], "x.model")
        assert caught.value.rule == "not-a-sentencepiece-model"
    pieces = parse_model(content, "x.model")
    pieces.ClearField("trainer_spec")
    pieces.ClearField("normalizer_spec")
    with pytest.raises(DataError) as caught:
        read_model(pieces.SerializeToString(), "x.model")
    assert caught.value.rule == "not-a-sentencepiece-model"


def described(model, **other):
    return {"added_tokens": [], "model": model, **other}


def test_a_byte_level_description_is_read_by_its_letters():
    added = [
        {"id": 5, "content": "<|end|>", "special": True},
        {"id": 6, "content": "한 글", "special": False},
    ]
    vocab = {"a": 0, "Ġ": 1, "Ġa": 2, "ê": 3}
    content = described(
        {"type": "BPE", "vocab": vocab, "merges": ["Ġ a"]}, pre_tokenizer={"type": "ByteLevel"}, added_tokens=added
    )  # fmt: skip
    vocabulary = vocabulary_in(content, Path("t"))
    assert vocabulary.contents == (b"a", b" ", b" a", b"\xea", None, None, "한 글".encode())
    assert vocabulary.names == ("a", "Ġ", "Ġa", "ê", None, "<|end|>", "한 글")
    assert [piece.kind for piece in vocabulary.pieces[4:]] == [GAP, CONTROL, USER_DEFINED]
    assert vocabulary.surfaces[:4] == ("a", " ", " a", None) and vocabulary.merges == [("Ġ", "a")]
    assert vocabulary.segment(" a") == ["Ġa"] and vocabulary.format_piece("ê") == "\\xea"
    assert vocabulary_in(content, Path("t"), special=["a"]).contents[0] is None


def test_other_descriptions_define_their_blanks_and_parts_of_words():
    blank = {"type": "Metaspace", "replacement": "_"}
    words = vocabulary_in(
        described({"type": "WordPiece", "vocab": {"[UNK]": 0, "un": 1, "##do": 2}, "unk_token": "[UNK]", "continuing_subword_prefix": "##"}),
        Path("t"),
    )  # fmt: skip
    assert words.contents == (None, b"un", b"do") and words.special_ids == {"unk_id": 0}
    scores = vocabulary_in(
        described({"vocab": [["<unk>", 0.0], ["_a", -1.5], ["<0x41>", -2.0]], "unk_id": 0, "byte_fallback": True}, decoder=blank),
        Path("t"),
    )  # fmt: skip
    assert scores.algorithm == "unigram" and scores.contents == (None, b" a", b"A")
    assert scores.pieces[1:] == [Piece("_a", -1.5), Piece("<0x41>", -2.0, BYTE)]


def damage_of(content) -> tuple[str, str, str]:
    """Where, path and rule of the only problem."""
    with pytest.raises(DataError) as caught:
        vocabulary_in(content, Path("t"))
    (problem,) = caught.value.problems
    return problem.where, problem.path, problem.rule


@pytest.mark.parametrize(
    "content",
    [
        [], described([]), described({}), described({"vocab": 3}), described({"vocab": {"a": "x"}}),
        described({"vocab": {"a": -1}}), described({"vocab": ["a"]}), described({"vocab": [["a"]]}),
        described({"vocab": [["a", "b"]]}), described({"vocab": [[["a"], 0.0]]}), described({"vocab": {"a": True}}),
    ],
)  # fmt: skip
def test_a_description_without_a_vocabulary_is_refused(content):
    assert damage_of(content) == ("t", "", "no-vocabulary")


BPE, SCORES = {"vocab": {"a": 0}}, {"vocab": [["a", -1.0]]}


@pytest.mark.parametrize(
    "content, path, rule",
    [
        (described({"vocab": {"a": 1 << 40}}), "", "id-too-large"),
        (described(BPE) | {"added_tokens": [{"id": 1 << 40, "content": "a"}]}, "", "id-too-large"),
        (described(SCORES | {"unk_id": 1}), "model.unk_id", "unknown-id"),
        (described(SCORES | {"unk_id": -1}), "model.unk_id", "unknown-id"),
    ],
)
def test_impossible_ids_are_refused(content, path, rule):
    assert damage_of(content) == ("t", path, rule)


@pytest.mark.parametrize(
    "content, path",
    [
        (described(BPE | {"unk_token": {"content": "a"}}), "model.unk_token"),
        (described(BPE | {"unk_token": ["a"]}), "model.unk_token"),
        (described(BPE | {"type": 3}), "model.type"),
        (described(BPE | {"type": ["BPE"]}), "model.type"),
        (described(BPE | {"type": "Unigram"}), "model.vocab"),
        (described(SCORES | {"type": "WordPiece"}), "model.vocab"),
        (described(BPE | {"merges": 5}), "model.merges"),
        (described(BPE | {"merges": {"a": "b"}}), "model.merges"),
        (described(BPE | {"merges": [5]}), "model.merges"),
        (described(BPE | {"merges": ["a"]}), "model.merges"),
        (described(BPE | {"merges": [["a", 5]]}), "model.merges"),
        (described(BPE | {"continuing_subword_prefix": 2}), "model.continuing_subword_prefix"),
        (described(BPE | {"end_of_word_suffix": ["x"]}), "model.end_of_word_suffix"),
        (described(SCORES | {"unk_id": "0"}), "model.unk_id"),
        (described(BPE) | {"added_tokens": 3}, "added_tokens"),
        (described(BPE) | {"added_tokens": ["a"]}, "added_tokens[0]"),
        (described(BPE) | {"added_tokens": [{"id": 1}]}, "added_tokens[0].content"),
        (described(BPE) | {"added_tokens": [{"id": "1", "content": "b"}]}, "added_tokens[0].id"),
        (described(BPE, pre_tokenizer=[{"type": "ByteLevel"}]), "pre_tokenizer"),
        (described(BPE, normalizer="NFC"), "normalizer"),
        (described(BPE, decoder=0), "decoder"),
        (described(BPE, decoder={"type": {}}), "decoder.type"),
        (described(BPE, pre_tokenizer={"type": "Sequence", "pretokenizers": None}), "pre_tokenizer.pretokenizers"),
        (described(BPE, pre_tokenizer={"type": "Sequence", "pretokenizers": [3]}), "pre_tokenizer.pretokenizers[0]"),
        (described(BPE, decoder={"type": "Replace", "pattern": " ", "content": "_"}), "decoder.pattern"),
        (described(BPE, decoder={"type": "Replace", "pattern": {"String": 5}, "content": " "}), "decoder.pattern.String"),
        (described(BPE, decoder={"type": "Replace", "pattern": {"String": " "}}), "decoder.content"),
        (described(BPE, decoder={"type": "Sequence", "decoders": [{"type": "Metaspace"}]}), "decoder.decoders[0].replacement"),
    ],
)  # fmt: skip
def test_a_value_of_a_wrong_type_is_reported_with_its_path(content, path):
    assert damage_of(content) == ("t", path, "wrong-type")


def test_an_added_token_may_take_the_id_of_another():
    """Odd but readable: callers refuse it."""
    added = [{"content": "b", "id": 0}]
    vocabulary = vocabulary_in(
        described({"vocab": [["a", -1.0], ["b", -2.0]]}) | {"added_tokens": added}, Path("t")
    )
    assert vocabulary.pieces == [Piece("b", 0.0, USER_DEFINED)]


def test_ranks_are_merged_lowest_first(tmp_path):
    tokens = [*(bytes([byte]) for byte in range(256)), b"bc", b"ab", b"abc"]
    lines = [base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens)]
    (tmp_path / "x.tiktoken").write_bytes(b"".join(lines))
    vocabulary = vocabulary_of(read_ranks(tmp_path / "x.tiktoken"))
    assert list(vocabulary.contents) == tokens
    assert vocabulary.segment("abc") == ["abc"] and vocabulary.segment("ab c") == ["ab", "Ġ", "c"]
    assert merge(list("abcb"), vocabulary.rank) == ["abc", "b"]


def test_a_symbol_of_a_description_is_the_text_itself_and_one_of_a_model_is_not():
    piece = Piece("\u2581x", kind=USER_DEFINED)
    assert Vocabulary("bpe", [piece], Spelling()).contents == (b" x",)
    assert Vocabulary("bpe", [piece], Spelling(literal=True)).contents == ("\u2581x".encode(),)


def test_a_map_of_ids_comes_back_and_another_file_is_refused(tmp_path):
    path = tmp_path / "id_map.json"
    write_id_map(path, IdMap("sha256-2:a", "sha256-2:b", [0, 2]))
    assert read_id_map(path, 3) == IdMap("sha256-2:a", "sha256-2:b", [0, 2])
    with pytest.raises(CheckpointError) as caught:
        read_id_map(path, 2)
    assert caught.value.rule == "invalid-id-map"
    path.write_text(json.dumps({"format": "other"}))
    with pytest.raises(CheckpointError) as caught:
        read_id_map(path, 3)
    assert caught.value.rule == "unknown-format"
