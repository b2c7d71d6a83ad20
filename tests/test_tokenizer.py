"""Tokenizer folders: fingerprints, both backends, transformers, and text that looks like control tokens."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_ko.errors import DataError
from megatron_ko.tokenizer import (
    MARKER,
    Tokenizer,
    copy_tokenizer_folder,
    fingerprint_hf_folder,
    fingerprint_of,
    read_tokenizer_folder,
    write_tokenizer_folder,
)
from preprocessing.personal.personal_data import PLACEHOLDERS
from preprocessing.vocabulary.tokenizer_json import (
    HARD_TEXTS,
    SPACE,
    load_sentencepiece,
    prove_equal,
    to_tokenizer_json,
)
from preprocessing.vocabulary.train_tokenizer import SPECIAL_TOKENS, chunks, train
from tests.preprocessing.corpus import EN, KO

CODE = Path(json.__file__).read_text("utf-8") + Path(st.__file__).read_text("utf-8")


def corpus():
    return iter(["\n".join(KO * 3), " ".join(EN * 3), *chunks(CODE)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer")
    model = train(corpus(), 900, 0.9999)
    made = to_tokenizer_json(load_sentencepiece(model), list(PLACEHOLDERS.values()))
    write_tokenizer_folder(path, made, SPECIAL_TOKENS, model)
    return path


def test_same_texts_give_the_same_model():
    assert train(corpus(), 900, 0.9999) == train(corpus(), 900, 0.9999)


def test_special_ids_and_placeholders(folder):
    info = read_tokenizer_folder(folder)
    assert (info.unk_id, info.bos_id, info.eos_id, info.pad_id, info.vocab_size) == (0, 1, 2, 3, 900)
    tokenizer = Tokenizer(folder)
    for placeholder in PLACEHOLDERS.values():
        assert len(tokenizer.encode(placeholder)) == 1
        assert len(tokenizer.encode(f"가{placeholder}나")) == 1 + len(tokenizer.encode("가")) + len(
            tokenizer.encode("나")
        )


def test_newlines_are_learned(folder):
    assert any(
        "\n" in piece
        for piece in json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
        if len(piece) > 1
    )


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(
        st.one_of(
            st.sampled_from("가나다라 \n\tdefx=1234<s>/|▁rrn"), st.characters(exclude_categories=["Cs"])
        ),
        max_size=60,
    )
)
def test_both_backends_give_the_same_ids_and_the_text_back(folder, text):
    plain, fast = Tokenizer(folder), Tokenizer(folder, prefer_json=True)
    ids = plain.encode(text)
    assert fast.encode(text) == ids
    assert plain.decode(ids) == fast.decode(ids) == text.replace(SPACE, " ")
    assert not set(ids) & {0, 1, 2, 3}


def test_proof_notices_a_wrong_conversion(folder):
    processor = load_sentencepiece((folder / "tokenizer.model").read_bytes())
    data = json.loads((folder / "tokenizer.json").read_text())
    assert prove_equal(processor, tokenizers.Tokenizer.from_str(json.dumps(data)), KO + EN) == len(
        HARD_TEXTS
    ) + len(KO + EN)
    data["model"]["merges"] = data["model"]["merges"][::-1]
    with pytest.raises(DataError, match="disagree at token"):
        prove_equal(processor, tokenizers.Tokenizer.from_str(json.dumps(data)), KO + EN)


def test_batches_are_the_single_encodings(folder):
    for tokenizer in (Tokenizer(folder), Tokenizer(folder, prefer_json=True)):
        texts = ["가나다", "", "x = 1\n", "</s>"]
        ids, offsets = tokenizer.encode_batch(texts)
        assert [ids[a:b].tolist() for a, b in zip(offsets, offsets[1:])] == [
            tokenizer.encode(t) for t in texts
        ]
        assert tokenizer.encode_batch([])[1].tolist() == [0]


def test_control_ids_decode_to_nothing(folder):
    for tokenizer in (Tokenizer(folder), Tokenizer(folder, prefer_json=True)):
        assert tokenizer.decode([1, *tokenizer.encode(" 가 </s>"), 2, 3, 0]) == " 가 </s>"


def test_transformers_loads_the_same_tokenizer(folder, tmp_path):
    """In a subprocess: transformers takes seconds to import. Raw text never becomes a control id there either."""
    texts = [*HARD_TEXTS, *KO, *EN, CODE[:3000]]
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    script = (
        "import json, sys\nfrom transformers import AutoTokenizer\n"
        "t = AutoTokenizer.from_pretrained(sys.argv[1])\ntexts = json.load(open(sys.argv[2]))\n"
        "ids = [t(x, add_special_tokens=False)['input_ids'] for x in texts]\n"
        "plain = [t(x)['input_ids'] for x in texts]\nassert ids == plain\n"
        "t.save_pretrained(sys.argv[3])\n"
        "print(json.dumps([type(t).__name__, t.eos_token_id, t.bos_token_id, t.pad_token_id, len(t), ids, [t.decode(i) for i in ids],"
        "t.decode([5, 2], skip_special_tokens=True) == t.decode([5])]))\n"
    )
    command = [sys.executable, "-c", script, folder, tmp_path / "texts.json", tmp_path / "saved"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    _, eos, bos, pad, size, ids, decoded, skipped = json.loads(done.stdout.splitlines()[-1])
    assert (eos, bos, pad, size, skipped) == (2, 1, 3, 900, True)
    plain = Tokenizer(folder)
    assert ids == [plain.encode(text) for text in texts]
    assert decoded == [text.replace(SPACE, " ") for text in texts]
    assert fingerprint_hf_folder(tmp_path / "saved").fingerprint == plain.info.fingerprint


def test_fingerprint_by_its_definition_and_from_a_plain_folder(folder):
    info = read_tokenizer_folder(folder)
    vocab = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    pieces = sorted(vocab, key=vocab.get)
    import hashlib

    compact = (
        json.dumps(pieces, ensure_ascii=False, separators=(",", ":"))
        + '{"bos_id":1,"eos_id":2,"pad_id":3,"unk_id":0}'
    )
    assert info.fingerprint == "sha256:" + hashlib.sha256(compact.encode()).hexdigest()
    plain = fingerprint_hf_folder(folder)
    assert (plain.fingerprint, plain.vocab_size, plain.special_ids) == (
        info.fingerprint,
        900,
        info.special_ids,
    )
    assert fingerprint_of(pieces, {**info.special_ids, "pad_id": None}) != info.fingerprint


def test_copies_are_equal_and_unfinished_folders_are_refused(folder, tmp_path):
    assert (
        copy_tokenizer_folder(folder, tmp_path / "copy").fingerprint
        == read_tokenizer_folder(folder).fingerprint
    )
    (tmp_path / "copy" / MARKER).unlink()
    with pytest.raises(DataError, match="train-tokenizer"):
        read_tokenizer_folder(tmp_path / "copy")
    with pytest.raises(DataError, match="no such tokenizer folder"):
        read_tokenizer_folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"has no tokenizer\.json"):
        fingerprint_hf_folder(tmp_path)
    assert Tokenizer(tmp_path / "copy").encode("가") == Tokenizer(folder).encode(
        "가"
    )  # a plain Hugging Face folder


def test_vocabulary_that_does_not_fit_says_what_would():
    with pytest.raises(DataError, match=r"largest possible size is (\d+)") as error:
        train(iter(KO), 50_000, 0.9999)
    largest = int(str(error.value).split("largest possible size is ")[1].split(";")[0])
    assert load_sentencepiece(train(iter(KO), largest, 0.9999)).get_piece_size() == largest
    with pytest.raises(DataError, match="too small"):
        train(iter(KO), 270, 0.9999)
    with pytest.raises(DataError, match="no text"):
        train(iter([]), 300, 0.9999)


def test_chunks_lose_nothing():
    text = "줄 하나\n" * 50 + "긴" * 100 + "\n끝"
    parts = list(chunks(text, 40))
    assert "".join(parts) == text
    assert max(map(len, parts)) <= 40
    assert parts[0].endswith("\n")
