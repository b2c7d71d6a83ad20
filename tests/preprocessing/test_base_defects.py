"""Reading bases, their defects, and bytes that occur in Hangul only."""

import io
import json
import shutil
from pathlib import Path

import pytest
import sentencepiece

from megatron_ko.formats.byte_alphabet import LETTERS, bytes_of
from megatron_ko.formats.sentencepiece_model import read_model, with_pieces
from megatron_ko.formats.tokenizer_folder import Tokenizer
from megatron_ko.formats.vocabulary import (
    BYTE,
    CONTROL,
    NORMAL,
    UNUSED,
    Piece,
)
from preprocessing.tokenizers.appending import append
from preprocessing.tokenizers.bases import read_base
from preprocessing.tokenizers.hangul import HANGUL, only_in_hangul
from tests.preprocessing.refusals import refuses
from tests.preprocessing.tiny_bases import ENGLISH, other_model, write_base


def changed(folder: Path, target: Path, change) -> Path:
    data = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    change(data["model"])
    target.mkdir()
    (target / "tokenizer.json").write_text(json.dumps(data), encoding="utf-8")
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        shutil.copy(folder / name, target)
    return target


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory):
    folder = tmp_path_factory.mktemp("byte_level") / "base"
    return write_base("byte_bpe", folder)


def test_defects_of_a_byte_level_base(byte_level, tmp_path):
    def duplicate(model):
        model["vocab"]["zzzz"] = 400

    def gap(model):
        model["vocab"]["zzzz"] = 900

    def missing(model):
        model["merges"].append(["q", "qqqq"])

    def no_byte(model):
        del model["vocab"][LETTERS[0]]

    for change, rule, values in (
        (duplicate, "duplicate-ids", ["'400'"]),
        (missing, "merges-of-missing-pieces", ["'q qqqq'"]),
        (gap, "id-gaps", ["200 ids", "'700', '701'"]),
        (no_byte, "missing-bytes", ["'0x0'"]),
    ):
        with refuses(rule, *values):
            read_base(changed(byte_level, tmp_path / change.__name__, change)).check()
    defects = read_base(tmp_path / "gap", allow_unreachable=True).defects
    (warning,) = (defect for defect in defects if not defect.fatal)
    assert warning.rule == "unreachable-pieces" and "'zzzz'" in warning.message


def test_roles_without_a_map_are_special_unless_text_is_encoded_to_them(byte_level, tmp_path):
    """transformers 5 writes roles into tokenizer_config.json alone; a role may belong to an ordinary piece."""
    folder = changed(byte_level, tmp_path / "five", lambda model: None)
    (folder / "special_tokens_map.json").unlink()
    roles = {
        "bos_token": {"content": "<s>"},
        "eos_token": "</s>",
        "pad_token": "!",
        "extra_special_tokens": ["<pad>"],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps({**roles, "add_bos_token": True}), "utf-8")
    base = read_base(folder)
    assert base.check() == [] and base.special == {"<s>", "</s>", "<pad>"}
    assert "!" in base.vocabulary.ids and "<s>" not in base.vocabulary.ids


def test_other_tokenizers_are_refused(tmp_path, byte_level):
    with refuses("missing-file", "nothing"):
        read_base(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with refuses("no-tokenizer", "empty", "tokenizer.model", "tokenizer.json"):
        read_base(tmp_path / "empty")
    with refuses("not-bpe", "WordPiece"):
        read_base(changed(byte_level, tmp_path / "other", lambda model: model.update(type="WordPiece")))
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(ENGLISH[0].split(". ")), model_writer=out, model_type="unigram", vocab_size=60,
        hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    (tmp_path / "unigram.model").write_bytes(out.getvalue())
    with refuses("not-bpe", "unigram"):
        read_base(tmp_path / "unigram.model")


def test_bytes_of_hangul_only_against_all_characters():
    others = [
        chr(code)
        for code in range(0x80, 0x30000)
        if not 0xD800 <= code < 0xE000 and not HANGUL.match(chr(code))
    ]
    inside = set()
    for character in others:
        content = character.encode()
        inside |= {content[i:j] for i in range(len(content)) for j in range(i + 1, len(content) + 1)}
    for character in ("가", "힣", "ㅋ", "ᄀ", "뷁"):
        content = character.encode()
        for i in range(3):
            for j in range(i + 1, 4):
                if only_in_hangul(content[i:j]):
                    assert content[i:j] not in inside, (character, content[i:j])
        assert only_in_hangul(b" " + content)
    assert only_in_hangul("세".encode()[:1]) and only_in_hangul("가".encode()[:2])
    assert not only_in_hangul("가".encode()[:1]) and not only_in_hangul("가".encode()[1:])


def test_letters_of_bytes():
    assert len(set(LETTERS)) == 256
    assert bytes_of("".join(LETTERS)) == bytes(range(256))
    assert LETTERS[ord(" ")] == "Ġ" and LETTERS[ord("\n")] == "Ċ" and LETTERS[ord("A")] == "A"
    assert bytes_of("가") is None


# --- SentencePiece ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model():
    return other_model()


def defective(model, place, change):
    """The model with its list of pieces changed."""
    pieces = list(read_model(model, place).vocabulary.pieces)
    change(pieces)
    place.write_bytes(with_pieces(model, pieces))
    return place


def test_a_model_written_again_is_the_same_to_sentencepiece(model, tmp_path):
    again = with_pieces(model, read_model(model, tmp_path).vocabulary.pieces)
    first, second = (sentencepiece.SentencePieceProcessor(model_proto=one) for one in (model, again))
    for text in ENGLISH:
        assert first.encode(text) == second.encode(text)


def normal(text, score):
    return Piece(text, score, NORMAL)


@pytest.mark.parametrize(
    "change, rule, value",
    [
        (lambda pieces: pieces.append(pieces[400]), "duplicate-pieces", "1 "),
        (lambda pieces: pieces.append(Piece("zzz", -9e4, UNUSED)), "unused-pieces", "'zzz'"),
        (lambda pieces: pieces.pop([p.kind for p in pieces].index(BYTE)), "missing-bytes", "1 of the 256"),
        (lambda pieces: pieces.append(normal("e§", -9e4)), "characters-without-piece", "'e§'"),
        (lambda pieces: pieces.extend([normal("qx", -9e4), normal("xq", -9e4)]), "tied-scores", "'qx'"),
        (lambda pieces: pieces.extend(normal("q" * n, -9e4 - n) for n in range(20, 70)), "unreachable-pieces", "--allow-unreachable"),
    ],
)  # fmt: skip
def test_defects_of_a_sentencepiece_base_are_refused(model, tmp_path, change, rule, value):
    pieces = [piece.text for piece in read_model(model, tmp_path).vocabulary.pieces]
    assert "§" not in pieces and {"q", "x", "e"} <= set(pieces)
    base = read_base(defective(model, tmp_path / "bad.model", change))
    with refuses(rule, "bad.model", value):
        append(base, ["가"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unreachable_pieces_are_accepted_on_request(model, tmp_path):
    place = defective(model, tmp_path / "one.model", lambda pieces: pieces.append(normal("qqqq", -9e4)))
    with refuses("unreachable-pieces", "--allow-unreachable", "'qqqq'"):
        read_base(place).check()
    base = read_base(place, allow_unreachable=True)
    (warning,) = base.check()
    assert "'qqqq'" in warning
    processor = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "one.model"))
    assert processor.piece_to_id("qqqq") not in processor.encode("qqqq")


def test_a_base_without_bytes_is_extended_and_warned_about(tmp_path):
    (tmp_path / "b.model").write_bytes(other_model(byte_fallback=False, vocab_size=400))
    base = read_base(tmp_path / "b.model")
    assert [defect.rule for defect in base.defects] == ["no-byte-pieces"] and len(base.check()) == 1
    appended = append(base, ["두루미"], tmp_path / "out")
    for text in ("두루미 漢字漢 x", "漢", "a漢字b"):
        ids = Tokenizer(tmp_path / "out").encode(text)
        assert ids == Tokenizer(tmp_path / "out", prefer_json=True).encode(text)
    assert appended.ids["두루미"] in Tokenizer(tmp_path / "out").encode("漢두루미")


def hugging_face_folder(model, place, change=None):
    """A folder as saved for a Llama: its model, and ``tokenizer.json`` with added tokens and a template."""
    place.mkdir()
    (place / "tokenizer.model").write_bytes(model)
    pieces = read_model(model, place).vocabulary.pieces
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    added = [{"id": n, "content": pieces[n].text, **flags, "special": True} for n in range(3)]
    added.append({"id": len(pieces), "content": "<pad>", **flags, "special": True})
    template = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
    }
    content = {
        "version": "1.0", "added_tokens": added, "normalizer": None, "pre_tokenizer": None, "post_processor": template,
        "decoder": None, "model": {"type": "BPE", "vocab": {p.text: n for n, p in enumerate(pieces)}, "merges": []},
    }  # fmt: skip
    if change:
        change(content)
    (place / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    config = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "chat_template": "{{ x }}",
    }
    (place / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    return place


def test_tokens_that_a_folder_adds_to_its_model_keep_their_ids(model, tmp_path):
    base = read_base(hugging_face_folder(model, tmp_path / "hf"))
    assert base.vocabulary.names[600] == "<pad>" and base.size == 601
    appended = append(base, ["두루미"], tmp_path / "out")
    assert min(appended.ids.values()) > 600
    assert appended.info.special_ids == {"bos_id": 1, "eos_id": 2, "pad_id": 600, "unk_id": 0}
    config = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text("utf-8"))
    assert (config["pad_token"], config["chat_template"]) == ("<pad>", "{{ x }}")
    written = json.loads((tmp_path / "out" / "tokenizer.json").read_text("utf-8"))
    assert written["post_processor"]["special_tokens"]["<s>"]["ids"] == [1]
    processor = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "out" / "tokenizer.model"))
    assert processor.is_control(600) and processor.id_to_piece(600) == "<pad>"
    assert read_model(processor.serialized_model_proto(), tmp_path).vocabulary.pieces[600].kind == CONTROL
    assert 600 not in Tokenizer(tmp_path / "out").encode("<pad>")


def test_a_folder_whose_two_files_differ_is_refused(model, tmp_path):
    def swap(content):
        vocab = content["model"]["vocab"]
        first, second = list(vocab)[400:402]
        vocab[first], vocab[second] = vocab[second], vocab[first]

    def gap(content):
        content["added_tokens"][-1]["id"] = 605

    for name, change, rule, values in (
        ("swap", swap, "files-disagree", ["2 ids", "'400', '401'"]),
        ("gap", gap, "id-gaps", ["5 ids", "'600'"]),
    ):
        with refuses(rule, *values):
            read_base(hugging_face_folder(model, tmp_path / name, change)).check()


@pytest.mark.parametrize("content", [b"", b"\x00", b"no model", b"\x0a\x05ab"])
def test_other_files_are_not_models(tmp_path, content):
    (tmp_path / "bad.model").write_bytes(content)
    with refuses(None, "bad.model"):
        read_base(tmp_path / "bad.model")


@pytest.mark.parametrize(
    "content, value",
    [
        ('{"model": {"type": "BPE", "vocab": {"a": 0, "a": 1}}}', "'a'"),
        ("[]", "tokenizer.json"),
        ("{", "tokenizer.json"),
        ('{"model": {"vocab": {"a": "x"}}, "pre_tokenizer": {"type": "ByteLevel"}}', "tokenizer.json"),
        ('{"model": {"vocab": {"a": 0}, "merges": ["a"]}, "pre_tokenizer": {"type": "ByteLevel"}}', "'a'"),
    ],
)  # fmt: skip
def test_a_damaged_description_is_refused(tmp_path, content, value):
    (tmp_path / "tokenizer.json").write_text(content, "utf-8")
    with refuses(None, value):
        read_base(tmp_path).check()


@pytest.mark.parametrize(
    "change, value",
    [
        ({"model": ["a"]}, "tokenizer.json"), ({"model": None}, "tokenizer.json"),
        ({"model": {"type": "BPE", "vocab": [["a", 0.0]]}}, "model.vocab"),
        ({"model": {"vocab": [["a", 0.0]]}}, "Unigram"),
        ({"model": {"vocab": {"<s>": []}}, "added_tokens": [{"content": "<s>", "id": 0}]}, "tokenizer.json"),
        ({"pre_tokenizer": [{"type": "ByteLevel"}]}, "pre_tokenizer"),
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": None}}, "pretokenizers"),
        ({"added_tokens": {"<s>": 0}}, "added_tokens"),
    ],
)  # fmt: skip
def test_values_of_another_type_in_a_description_are_refused(byte_level, tmp_path, change, value):
    data = json.loads((byte_level / "tokenizer.json").read_text("utf-8"))
    (tmp_path / "tokenizer.json").write_text(json.dumps(data | change), "utf-8")
    with refuses(None, value):
        read_base(tmp_path)


def test_symbols_of_a_model_with_a_dummy_prefix_are_refused(tmp_path):
    (tmp_path / "s.model").write_bytes(other_model(user_defined_symbols=["<|x|>"]))
    with refuses("symbols-and-blanks", "'<|x|>'"):
        append(read_base(tmp_path / "s.model"), ["가"], tmp_path / "out")


def test_a_model_that_normalizes_text_is_refused(tmp_path):
    (tmp_path / "n.model").write_bytes(other_model(normalization_rule_name="nmt_nfkc"))
    with refuses("normalizing-model"):
        append(read_base(tmp_path / "n.model"), ["가"], tmp_path / "out")


def test_a_base_without_an_end_of_document_token_is_refused(tmp_path):
    (tmp_path / "e.model").write_bytes(other_model(eos_id=-1))
    with refuses("no-eos-token", "e.model"):
        append(read_base(tmp_path / "e.model"), ["가"], tmp_path / "out")


def test_a_file_that_tokenizers_cannot_read_is_refused(byte_level, tmp_path):
    folder = changed(byte_level, tmp_path / "odd", lambda model: model.update(fuse_unk="x"))
    with refuses("not-a-tokenizers-file", "odd"):
        append(read_base(folder), ["가"], tmp_path / "out")
