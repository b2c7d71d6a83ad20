"""One Vocabulary, whichever file it is read from; damaged files are named with the remedy; models are written again."""

import base64
import json
from pathlib import Path

import pytest

from megatron_ko.errors import CheckpointError, DataError
from megatron_ko.formats.id_map import IdMap, read_id_map, write_id_map
from megatron_ko.formats.sentencepiece_model import parsed, read_model, with_pieces, without_dummy_prefix
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
    old, new = parsed(model.content, "old"), parsed(written, "new")
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
        (b"", "it has no pieces"), (b"\0", "parsing"), (b"no model", "parsing"), (b"\x0a\x05ab", "parsing"),
        (b"\x0a\x03\x0a\x01\xff", "not UTF-8"), (b"\x0a\x00", "a piece is empty"), (model_of(PIECES)[:-3], "parsing"),
        (model_of(PIECES)[:900], "parsing"), (model_of(PIECES)[5:], "parsing"),
        (model_of([*PIECES, ("<0xGG>", 0.0, BYTE)]), "byte piece '<0xGG>'"), (model_of([("x", 0.0, BYTE)]), "byte piece 'x'"),
    ],
)  # fmt: skip
def test_what_is_not_a_model_is_named_with_the_reason_and_the_remedy(content, reason):
    with pytest.raises(DataError, match=f"x.model: is not a SentencePiece model.*{reason}.*copy it again"):
        read_model(content, "x.model")


def test_a_model_that_is_cut_at_any_byte_is_refused():
    content = model_of(PIECES)
    for end in [*range(0, 300), *range(len(content) - 120, len(content))]:
        with pytest.raises(DataError, match="x.model: is not a SentencePiece model, or damaged"):
            read_model(content[:end], "x.model")
    pieces = parsed(content, "x.model")
    pieces.ClearField("trainer_spec")
    pieces.ClearField("normalizer_spec")
    with pytest.raises(DataError, match="it ends after its pieces"):
        read_model(pieces.SerializeToString(), "x.model")


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


def test_other_descriptions_say_how_they_write_blanks_and_parts_of_words():
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


@pytest.mark.parametrize(
    "model, reason",
    [
        ({}, "no vocabulary"), ({"vocab": 3}, "no vocabulary"), ({"vocab": {"a": "x"}}, "no vocabulary"),
        ({"vocab": {"a": -1}}, "no vocabulary"), ({"vocab": {"a": 1 << 40}}, "not below"),
        ({"vocab": {"a": 0}, "merges": ["a"]}, "is no pair"),
    ],
)  # fmt: skip
def test_a_damaged_description_is_named(model, reason):
    with pytest.raises(DataError, match=f"t: .*{reason}.*save the tokenizer again"):
        vocabulary_in(described(model), Path("t"))


BPE, SCORES = {"vocab": {"a": 0}}, {"vocab": [["a", -1.0]]}


@pytest.mark.parametrize(
    "content, reason",
    [
        ([], "no vocabulary"), (described([]), "no vocabulary"), (described({"vocab": ["a"]}), "no vocabulary"),
        (described({"vocab": [["a"]]}), "no vocabulary"), (described({"vocab": [["a", "b"]]}), "no vocabulary"),
        (described({"vocab": [[["a"], 0.0]]}), "no vocabulary"), (described({"vocab": {"a": True}}), "no vocabulary"),
        (described(BPE | {"unk_token": {"content": "a"}}), "model.unk_token must be text"),
        (described(BPE | {"unk_token": ["a"]}), "model.unk_token must be text"),
        (described(BPE | {"type": 3}), "model.type must be text, not 3"),
        (described(BPE | {"type": ["BPE"]}), "model.type must be text"),
        (described(BPE | {"type": "Unigram"}), "model.vocab must be a list"),
        (described(SCORES | {"type": "WordPiece"}), "model.vocab must be a list"),
        (described(BPE | {"merges": 5}), "model.merges must be a list, not 5"),
        (described(BPE | {"merges": {"a": "b"}}), "model.merges must be a list"),
        (described(BPE | {"merges": [5]}), "the merge 5 is not a pair"),
        (described(BPE | {"merges": [["a", 5]]}), "is no pair"),
        (described(BPE | {"continuing_subword_prefix": 2}), "model.continuing_subword_prefix must be text"),
        (described(BPE | {"end_of_word_suffix": ["x"]}), "model.end_of_word_suffix must be text"),
        (described(SCORES | {"unk_id": "0"}), "model.unk_id must be an integer"),
        (described(SCORES | {"unk_id": 1}), "no token has the unk_id 1"),
        (described(SCORES | {"unk_id": -1}), "no token has the unk_id -1"),
        (described(BPE) | {"added_tokens": 3}, "added_tokens must be a list"),
        (described(BPE) | {"added_tokens": ["a"]}, r"added_tokens.0.: the token must be an object"),
        (described(BPE) | {"added_tokens": [{"id": 1}]}, r"added_tokens.0..content must be text, not null"),
        (described(BPE) | {"added_tokens": [{"id": "1", "content": "b"}]}, r"added_tokens.0..id must be an integer"),
        (described(BPE) | {"added_tokens": [{"id": 1 << 40, "content": "a"}]}, "is not below"),
        (described(BPE, pre_tokenizer=[{"type": "ByteLevel"}]), "pre_tokenizer must be an object"),
        (described(BPE, normalizer="NFC"), "normalizer must be an object, not \"NFC\""),
        (described(BPE, decoder=0), "decoder must be an object, not 0"),
        (described(BPE, decoder={"type": {}}), "decoder.type must be text"),
        (described(BPE, pre_tokenizer={"type": "Sequence", "pretokenizers": None}), "pretokenizers must be a list, not null"),
        (described(BPE, pre_tokenizer={"type": "Sequence", "pretokenizers": [3]}), r"pretokenizers.0.: the step must be an object"),
        (described(BPE, decoder={"type": "Replace", "pattern": " ", "content": "_"}), "decoder.pattern must be an object"),
        (described(BPE, decoder={"type": "Replace", "pattern": {"String": 5}, "content": " "}), "decoder.pattern.String must be text"),
        (described(BPE, decoder={"type": "Replace", "pattern": {"String": " "}}), "decoder.content must be text"),
        (described(BPE, decoder={"type": "Sequence", "decoders": [{"type": "Metaspace"}]}), r"decoder.decoders.0..replacement must be text"),
    ],
)  # fmt: skip
def test_a_description_with_a_value_of_another_type_is_named(content, reason):
    with pytest.raises(DataError, match=f"t: .*{reason}.*save the tokenizer again"):
        vocabulary_in(content, Path("t"))


def test_an_added_token_may_take_the_id_of_another():
    """Odd, but readable: those who use it refuse it."""
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
    with pytest.raises(CheckpointError, match="not a list of ids below 2"):
        read_id_map(path, 2)
    path.write_text(json.dumps({"format": "other"}))
    with pytest.raises(CheckpointError, match="format is not 'megatron_ko-id-map-1'"):
        read_id_map(path, 3)
