"""Tokenizer folders of all three kinds: fingerprints, readers, transformers, text that looks like special tokens."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_ko.errors import DataError
from megatron_ko.formats.tokenizer_folder import (
    MARKER,
    Tokenizer,
    copy_tokenizer_folder,
    fingerprint_hf_folder,
    read_tokenizer_folder,
)
from preprocessing.config.tokens import TokenizerConfig
from preprocessing.pii.masking import PLACEHOLDERS
from preprocessing.steps.train_tokenizer import write_folder
from preprocessing.tokenizers.hard_texts import HARD_TEXTS
from tests.preprocessing.corpus import EN, KO

CODE = Path(json.__file__).read_text("utf-8") + Path(st.__file__).read_text("utf-8")
KINDS = ("bpe", "unigram", "byte_bpe")
CONTROL = ["<|fim_prefix|>", "<|reserved_0|>", "<|reserved_1|>"]


def corpus():
    return iter(["\n".join(KO * 3), " ".join(EN * 3), CODE])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizers")
    for kind in KINDS:
        config = TokenizerConfig(
            type=kind, vocab_size=900, special_tokens=CONTROL[:1], reserved_tokens=2, symbols=["@@같이@@"]
        )
        write_folder(path / kind, corpus(), config)
    return path


@pytest.fixture(scope="module", params=KINDS)
def folder(request, folders):
    return folders / request.param


@pytest.fixture(scope="module")
def bpe(folders):
    return folders / "bpe"


def test_special_ids_and_symbols(folder):
    info = read_tokenizer_folder(folder)
    if folder.name == "byte_bpe":
        assert (info.unk_id, info.bos_id, info.eos_id, info.pad_id, info.vocab_size) == (None, 0, 1, 2, 900)
        assert not (folder / "tokenizer.model").exists()
    else:
        assert (info.unk_id, info.bos_id, info.eos_id, info.pad_id, info.vocab_size) == (0, 1, 2, 3, 900)
    for tokenizer in (Tokenizer(folder), Tokenizer(folder, prefer_json=True)):
        for symbol in (*PLACEHOLDERS.values(), "@@같이@@"):
            assert len(tokenizer.encode(symbol)) == 1
            around = [tokenizer.encode(part) for part in ("가", symbol, "나")]
            assert tokenizer.encode(f"가{symbol}나") == [number for part in around for number in part]


def test_newlines_indentation_and_tabs_are_learned(folder):
    with_tabs = write_folder(
        folder.parent / f"{folder.name}_tabs",
        iter(["\tif x:\n\t\t\t\treturn y\n" * 400, *corpus()]),
        TokenizerConfig(type=folder.name, vocab_size=900),
    )
    surfaces = Tokenizer(with_tabs.folder).surfaces()
    assert any("\n" in surface for surface in surfaces if len(surface) > 1)
    assert any(surface.startswith("    ") for surface in surfaces)
    assert any("\t\t" in surface for surface in surfaces)
    assert not any("\v" in surface for surface in surfaces if len(surface) > 1)


ANY_TEXT = st.text(
    st.one_of(
        st.sampled_from("가나다라 \n\r\t\0defx=1234<s>/|▁\ufdd1rn@같이"),
        st.characters(exclude_categories=["Cs"]),
        st.characters(min_codepoint=0x1100, max_codepoint=0x11FF),
        st.sampled_from(["漢", "👨‍👩‍👧", "\u200d", "\ufe0f", "🇰🇷", "</s>", "<0x41>", *CONTROL]).flatmap(
            lambda text: st.sampled_from(text)
        ),
    ),
    max_size=60,
)


@settings(max_examples=400, deadline=None)
@given(text=ANY_TEXT)
def test_all_readers_give_the_same_ids_and_any_text_back(folders, text):
    for kind in KINDS:
        plain, fast = Tokenizer(folders / kind), Tokenizer(folders / kind, prefer_json=True)
        ids = plain.encode(text)
        assert fast.encode(text) == ids
        assert plain.decode(ids) == fast.decode(ids) == text
        special = set(plain.info.special_ids.values())
        assert not special & set(ids)


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
        info = tokenizer.info
        ids = [info.bos_id, *tokenizer.encode(" 가 </s>"), info.eos_id, info.pad_id]
        assert tokenizer.decode(ids) == " 가 </s>"


def test_transformers_loads_the_same_tokenizer(folder, tmp_path):
    """In a subprocess: transformers takes seconds to import. Special tokens are known, and text is never encoded to one."""
    texts = [*HARD_TEXTS, *CONTROL, *KO, *EN, CODE[:3000]]
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    script = (
        "import json, sys\nsys.modules['torch'] = None\nfrom transformers import AutoTokenizer\n"
        "t = AutoTokenizer.from_pretrained(sys.argv[1])\ntexts = json.load(open(sys.argv[2]))\n"
        "ids = [t(x, add_special_tokens=False)['input_ids'] for x in texts]\n"
        "plain = [t(x)['input_ids'] for x in texts]\nassert ids == plain\n"
        "t.save_pretrained(sys.argv[3])\n"
        "named = t.convert_tokens_to_ids(['</s>', *sys.argv[4:]])\n"
        "print(json.dumps([t.eos_token_id, t.bos_token_id, t.pad_token_id, len(t), ids, [t.decode(i) for i in ids],"
        "t.decode([270, *named], skip_special_tokens=True) == t.decode([270]), named,"
        "t('가' + sys.argv[4], split_special_tokens=False)['input_ids'][-1]]))\n"
    )
    command = [
        sys.executable,
        "-c",
        script,
        str(folder),
        str(tmp_path / "texts.json"),
        str(tmp_path / "saved"),
    ]
    done = subprocess.run([*command, *CONTROL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    eos, bos, pad, size, ids, decoded, skipped, named, asked = json.loads(done.stdout.splitlines()[-1])
    plain = Tokenizer(folder)
    assert (eos, bos, pad, size) == (plain.info.eos_id, plain.info.bos_id, plain.info.pad_id, 900)
    assert ids == [plain.encode(text) for text in texts]
    assert decoded == texts
    assert skipped
    assert asked == named[1]  # who wants a special token asks for it
    vocab = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    pieces = list(vocab) if isinstance(vocab, dict) else [piece for piece, _ in vocab]
    assert named == [pieces.index(token) for token in ("</s>", *CONTROL)]
    assert fingerprint_hf_folder(tmp_path / "saved").fingerprint == plain.info.fingerprint


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def test_fingerprint_by_its_definition_and_from_a_plain_folder(bpe):
    info = read_tokenizer_folder(bpe)
    data = json.loads((bpe / "tokenizer.json").read_text())
    pieces = sorted(data["model"]["vocab"], key=data["model"]["vocab"].get)
    rules = {
        "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True},
        "merges": data["model"]["merges"],
        "scores": [],
        "normalizer": data["normalizer"],
        "pre_tokenizer": None,
        "symbols": [{"id": token["id"], "content": token["content"]} for token in data["added_tokens"]],
    }
    content = compact(pieces) + '{"bos_id":1,"eos_id":2,"pad_id":3,"unk_id":0}' + compact(rules)
    assert info.fingerprint == "sha256-2:" + hashlib.sha256(content.encode()).hexdigest()
    plain = fingerprint_hf_folder(bpe)
    assert (plain.fingerprint, plain.vocab_size, plain.special_ids) == (
        info.fingerprint,
        900,
        info.special_ids,
    )


def test_the_fingerprint_changes_with_the_ids_only(folder, tmp_path):
    copy_tokenizer_folder(folder, tmp_path)
    right = fingerprint_hf_folder(folder).fingerprint

    def changed(change):
        data = json.loads((folder / "tokenizer.json").read_text())
        change(data)
        (tmp_path / "tokenizer.json").write_text(json.dumps(data))
        return fingerprint_hf_folder(tmp_path).fingerprint

    def swap(data):
        entries = data["model"].get("merges") or data["model"]["vocab"]
        if data["model"]["type"] == "Unigram":
            entries[-1][1] -= 1
        else:
            entries[0], entries[-1] = entries[-1], entries[0]

    def as_older_files(data):
        if "merges" in data["model"]:
            data["model"]["merges"] = [" ".join(pair) for pair in data["model"]["merges"]]
        data["model"].update(dropout=None, ignore_merges=False)
        data["decoder"] = None
        special = {"id": 1, "content": "</s>" if folder.name == "byte_bpe" else "<s>", "special": True}
        data["added_tokens"] = [special, *data["added_tokens"][::-1]]

    assert changed(lambda data: None) == changed(as_older_files) == right
    assert changed(swap) != right
    assert changed(lambda data: data.update(normalizer={"type": "NFKC"})) != right
    assert changed(lambda data: data.update(pre_tokenizer={"type": "Whitespace"})) != right
    if folder.name != "unigram":  # its symbols are pieces with a score
        assert changed(lambda data: data["added_tokens"].pop()) != right


def test_folders_of_the_first_format_are_read(bpe, tmp_path):
    copy_tokenizer_folder(bpe, tmp_path)
    vocab = json.loads((bpe / "tokenizer.json").read_text())["model"]["vocab"]
    content = compact(sorted(vocab, key=vocab.get)) + '{"bos_id":1,"eos_id":2,"pad_id":3,"unk_id":0}'
    old = "sha256:" + hashlib.sha256(content.encode()).hexdigest()
    marker = {
        **json.loads((tmp_path / MARKER).read_text()),
        "format": "megatron_ko-tokenizer-1",
        "fingerprint": old,
    }
    (tmp_path / MARKER).write_text(json.dumps(marker))
    assert read_tokenizer_folder(tmp_path).fingerprint == old
    assert fingerprint_hf_folder(tmp_path, like=old).fingerprint == old
    assert fingerprint_hf_folder(tmp_path).fingerprint == read_tokenizer_folder(bpe).fingerprint


def test_copies_are_equal_and_unfinished_folders_are_refused(folder, tmp_path):
    assert (
        copy_tokenizer_folder(folder, tmp_path / "copy").fingerprint
        == read_tokenizer_folder(folder).fingerprint
    )
    (tmp_path / "copy" / MARKER).unlink()
    with pytest.raises(DataError) as caught:
        read_tokenizer_folder(tmp_path / "copy")
    assert caught.value.rule == "incomplete-tokenizer"
    with pytest.raises(DataError) as caught:
        read_tokenizer_folder(tmp_path / "nowhere")
    assert caught.value.rule == "missing-tokenizer"
    with pytest.raises(DataError) as caught:
        fingerprint_hf_folder(tmp_path)
    assert caught.value.rule == "missing-file"
    # a plain Hugging Face folder
    assert Tokenizer(tmp_path / "copy").encode("가") == Tokenizer(folder).encode("가")


@pytest.mark.parametrize(
    "change, rule, value",
    [
        (lambda data: data["model"]["vocab"].update(far=10**12), "id-too-large", "1000000000000"),
        (lambda data: data["model"]["vocab"].update(below=-1), "no-vocabulary", ""),
        (lambda data: data["model"]["vocab"].update(text="7"), "no-vocabulary", ""),
        (lambda data: data["added_tokens"].append({"content": "<x>", "id": 1.5}), "wrong-type", "1.5"),
        (lambda data: data["model"].update(merges=[5]), "wrong-type", "5"),
        (lambda data: data["model"]["vocab"].update({"\ud800": 900}), "invalid-text", ""),
    ],
)
def test_a_damaged_description_has_no_fingerprint(bpe, tmp_path, change, rule, value):
    data = json.loads((bpe / "tokenizer.json").read_text())
    change(data)
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    with pytest.raises(DataError) as caught:
        fingerprint_hf_folder(tmp_path)
    assert caught.value.rule == rule
    assert "tokenizer.json" in str(caught.value) and value in str(caught.value)


def test_damaged_names_of_special_tokens_are_reported(bpe, tmp_path):
    copy_tokenizer_folder(bpe, tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": ["<s>"], "eos_token": 3}')
    assert fingerprint_hf_folder(tmp_path).eos_id == 2  # of special_tokens_map.json
    (tmp_path / "tokenizer_config.json").write_text("[]")
    with pytest.raises(DataError) as caught:
        fingerprint_hf_folder(tmp_path)
    assert caught.value.rule == "not-an-object" and "tokenizer_config.json" in str(caught.value)
