"""Data folders that are damaged, do not fit themselves, lie, or want to lead somewhere else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from megatron_ko.errors import DataError
from megatron_ko.formats.manifest import check_tokens, read_manifest
from tests.tiny_data import write_index, write_tiny_data

VOCAB = 1001


@pytest.fixture(scope="module")
def intact(tmp_path_factory) -> Path:
    return write_tiny_data(tmp_path_factory.mktemp("intact"), VOCAB).parent


@pytest.fixture
def folder(intact, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(intact, tmp_path / "data"))


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edits the manifest in place."""
    path = folder / "manifest.json"
    data = json.loads(path.read_text())
    edit(data)
    path.write_text(json.dumps(data))


def message(folder: Path, check: Callable = read_manifest) -> str:
    with pytest.raises(DataError) as caught:
        check(folder / "manifest.json")
    return str(caught.value)


def read_and_scan(path: Path, **limits: int) -> None:
    check_tokens(read_manifest(path), **limits)


def rewrite_tokens(folder: Path, name: str, dtype: str, edit: Callable[[np.ndarray], object]) -> None:
    """Changes ids in ``.bin`` and leaves manifest and index as they are."""
    path = folder / "tokens" / f"{name}.bin"
    tokens = np.fromfile(path, dtype)
    edit(tokens)
    tokens.tofile(path)


# --- a whole folder --------------------------------------------------------------------------------------


def test_a_whole_folder_is_read_and_its_paths_are_found(folder):
    manifest = read_manifest(str(folder / "manifest.json"))
    check_tokens(manifest)
    assert manifest.tokenizer_folder == folder / "tokenizer"
    assert (manifest.vocab_size, manifest.eod_id) == (VOCAB, 2)
    assert manifest.mixture == {"ko": 0.4, "en": 0.3, "code": 0.3}
    assert sorted(manifest.of_split("train")) == sorted(manifest.of_split("valid")) == ["code", "en", "ko"]
    korean = manifest.of_split("train")["ko"]
    assert korean.prefix == folder / "tokens" / "ko_train"
    assert korean.tokens * 2 == korean.pairs[0].bin_bytes == Path(f"{korean.prefix}.bin").stat().st_size
    assert korean.documents == 60


def test_the_folder_may_be_moved_and_named_from_anywhere(folder, tmp_path, monkeypatch):
    folder.rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path / "moved")
    check_tokens(read_manifest("manifest.json"))
    monkeypatch.setenv("HOME", str(tmp_path))
    check_tokens(read_manifest("~/moved/manifest.json"))


def test_megatron_core_reads_the_same_documents(folder):
    """The tiny data are what training reads: lengths and ids as megatron-core's reader finds them."""
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    dataset = IndexedDataset(str(folder / "tokens" / "ko_train"))
    flat = np.fromfile(folder / "tokens" / "ko_train.bin", np.uint16)
    assert len(dataset) == 60
    assert np.array_equal(np.concatenate([dataset[i] for i in range(60)]), flat)
    assert all(dataset[i][-1] == 2 and 20 < len(dataset[i]) <= 200 for i in range(60))


def test_sets_of_four_byte_tokens_are_read(folder):
    edit_dtype(folder, "int32", 4, 4)
    check_tokens(read_manifest(folder / "manifest.json"))


def edit_dtype(folder: Path, dtype: str, code: int, width: int) -> None:
    """Rewrites the set ko/train with another type of token."""
    prefix = folder / "tokens" / "ko_train"
    index = prefix.with_suffix(".idx").read_bytes()
    lengths = np.frombuffer(index, np.int32, 60, 34).tolist()
    np.fromfile(f"{prefix}.bin", np.uint16).astype(dtype).tofile(f"{prefix}.bin")
    write_index(Path(f"{prefix}.idx"), lengths, code=code, width=width)
    change(folder, lambda data: data["sets"][0].update(dtype=dtype, bin_bytes=sum(lengths) * width))


# --- damaged ---------------------------------------------------------------------------------------------


def test_a_missing_or_unreadable_manifest_is_named(folder):
    assert message(folder / "nowhere").endswith("cannot be read (No such file or directory); check the path")
    (folder / "manifest.json").write_text("{")
    assert "manifest.json: not valid JSON" in message(folder)
    with pytest.raises(DataError, match="Is a directory"):
        read_manifest(folder)


@pytest.mark.parametrize("content", [[], None, "x", {}, {"format": "megatron_ko-data-2"}])
def test_another_format_is_refused(folder, content):
    (folder / "manifest.json").write_text(json.dumps(content))
    assert (
        "format is not 'megatron_ko-data-1'; write it again with 'python -m preprocessing encode'"
        in message(folder)
    )


@pytest.mark.parametrize(
    "edit, where",
    [
        (lambda data: data.pop("tokenizer"), "tokenizer: field required"),
        (lambda data: data.pop("sets"), "sets: field required"),
        (lambda data: data["sets"][1].pop("max_id"), "sets.1.max_id: field required"),
        (lambda data: data["sets"][0].update(tokens="100"), "sets.0.tokens: input should be a valid integer"),
        (lambda data: data["sets"][0].update(tokens=-1), "sets.0.tokens: input should be greater than or equal to 0"),
        (lambda data: data["sets"][0].update(dtype="int8"), "sets.0.dtype: input should be 'uint16' or 'int32'"),
        (lambda data: data["sets"][0].update(split="test"), "sets.0.split: input should be 'train' or 'valid'"),
        (lambda data: data["tokenizer"].update(vocab_size="1001"), "tokenizer.vocab_size: input should be a valid integer"),
        (lambda data: data["tokenizer"].update(vocab_size=0), "tokenizer.vocab_size: input should be greater than 0"),
        (lambda data: data["tokenizer"].update(fingerprint=None), "tokenizer.fingerprint: input should be a valid string"),
        (lambda data: data.update(sets={"ko": 1}), "sets: input should be a valid tuple"),
        (lambda data: data["mixture"].update(ko=0), "mixture.ko: input should be greater than 0"),
        (lambda data: data["tokenizer"].update(eod_id=VOCAB), "tokenizer.eod_id 1001 is beyond the vocabulary of 1001"),
        (lambda data: data["mixture"].update(ko=0.5), "mixture sums to 1.1 and not to 1"),
        (lambda data: data["mixture"].pop("ko"), "mixture names ['code', 'en'] where the training sets are ['code', 'en', 'ko']"),
        (lambda data: data.update(sets=data["sets"] + data["sets"][:1]), "the set 'ko' of split train stands 2 times"),
        (lambda data: data.update(sets=[], mixture={}), "holds no training set"),
        (lambda data: data.update(sets=data["sets"][3:], mixture={}), "holds no training set"),
    ],
)  # fmt: skip
def test_a_manifest_of_the_wrong_form_says_what_is_wrong_and_what_to_do(folder, edit, where):
    change(folder, edit)
    found = message(folder)
    assert f"manifest.json: {where}" in found
    assert found.endswith("write it again with 'python -m preprocessing encode'")


@pytest.mark.parametrize(
    "outside", ["/etc/passwd", "../elsewhere", "tokens/../../elsewhere", "../data/tokens/ko_train"]
)
def test_a_manifest_cannot_lead_out_of_its_folder(folder, outside):
    change(folder, lambda data: data["sets"][0].update(prefix=outside))
    assert (
        "sets.0.prefix: leads out of the data folder; write it relative to the manifest, without '..'"
        in message(folder)
    )


def test_the_tokenizer_cannot_be_outside_either(folder):
    change(folder, lambda data: data["tokenizer"].update(folder=str(folder / "tokenizer")))
    assert "tokenizer.folder: leads out of the data folder" in message(folder)


@pytest.mark.parametrize("suffix", ["bin", "idx"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "longer"])
def test_token_files_that_are_not_whole_are_named(folder, suffix, damage):
    path = folder / "tokens" / f"en_valid.{suffix}"
    if damage == "missing":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(content[:-1] if damage == "truncated" else content + b"\0")
    found = message(folder)
    assert f"en_valid.{suffix}: " in found
    assert ("no such file" if damage == "missing" else "truncated or replaced") in found
    assert "preprocessing encode" in found


def test_every_damaged_file_is_reported_at_once(folder):
    (folder / "tokens" / "ko_train.bin").unlink()
    (folder / "tokens" / "en_train.idx").write_bytes(b"")
    found = message(folder)
    assert found.startswith("2 problems\n")
    assert "ko_train.bin" in found and "en_train.idx" in found


@pytest.mark.parametrize("kept", [0, 9, 33])
def test_an_index_shorter_than_its_header_is_refused(folder, kept):
    path = folder / "tokens" / "ko_train.idx"
    path.write_bytes(path.read_bytes()[:kept])
    change(folder, lambda data: data["sets"][0].update(idx_bytes=kept))
    assert "is not an index of megatron-core" in message(folder)


def test_wrong_magic_is_refused(folder):
    path = folder / "tokens" / "ko_train.idx"
    path.write_bytes(b"XXIDIDX\0\0" + path.read_bytes()[9:])
    assert "is not an index of megatron-core (wrong magic bytes)" in message(folder)


def test_an_index_of_another_dtype_is_refused(folder):
    path = folder / "tokens" / "ko_train.idx"
    content = bytearray(path.read_bytes())
    content[17] = 4  # after magic (9) and version (8): int32
    path.write_bytes(content)
    assert "dtype code 4 is not the 8 of uint16" in message(folder)


def test_a_manifest_of_another_dtype_is_refused(folder):
    """The same bytes as int32 would be half as many tokens."""
    change(folder, lambda data: data["sets"][0].update(dtype="int32"))
    found = message(folder)
    assert "dtype code 8 is not the 4 of int32" in found
    assert "tokens of 4" in found


def test_counts_that_do_not_fit_the_files_are_refused(folder):
    change(folder, lambda data: data["sets"][0].update(documents=61))
    assert "60 sequences where the manifest says 61 documents" in message(folder)
    change(folder, lambda data: data["sets"][0].update(documents=60, tokens=7))
    assert "bytes are not 7 tokens of 2" in message(folder)


def test_an_index_whose_header_promises_more_than_it_holds_is_refused(folder):
    """Or megatron-core would read behind the end of the file."""
    path = folder / "tokens" / "ko_train.idx"
    content = bytearray(path.read_bytes())
    content[18:26] = (10**9).to_bytes(8, "little")
    path.write_bytes(content)
    change(folder, lambda data: data["sets"][0].update(documents=10**9))
    assert "bytes cannot hold 1,000,000,000 sequences" in message(folder)


def test_an_empty_set_is_refused(folder):
    (folder / "tokens" / "en_train.bin").write_bytes(b"")
    write_index(folder / "tokens" / "en_train.idx", [])
    size = (folder / "tokens" / "en_train.idx").stat().st_size
    nothing = dict(documents=0, tokens=0, text_bytes=0, bin_bytes=0, idx_bytes=size, max_id=-1)
    change(folder, lambda data: data["sets"][1].update(nothing))
    assert "en_train: holds no text; the corpus of 'en' is empty, leave it out or fill it" in message(folder)


def test_a_set_without_text_is_refused_because_bits_per_byte_would_divide_by_it(folder):
    change(folder, lambda data: data["sets"][3].update(text_bytes=0))
    assert "ko_valid: holds no text" in message(folder)


def test_ids_beyond_the_vocabulary_are_refused_by_what_the_manifest_says(folder):
    change(folder, lambda data: data["sets"][0].update(max_id=VOCAB))
    assert (
        "token id 1001 is beyond the vocabulary of 1001; encode it with the tokenizer of the manifest"
        in message(folder)
    )


# --- lies that only the token files show -----------------------------------------------------------------


def test_ids_beyond_the_vocabulary_are_found_when_the_manifest_lies(folder):
    rewrite_tokens(folder, "code_valid", "uint16", lambda tokens: tokens.__setitem__(5, VOCAB))
    read_manifest(folder / "manifest.json")
    assert "code_valid.bin: token id 1001 is beyond the vocabulary of 1001" in message(folder, read_and_scan)


def test_the_largest_id_of_the_vocabulary_is_fine(folder):
    rewrite_tokens(folder, "code_valid", "uint16", lambda tokens: tokens.__setitem__(5, VOCAB - 1))
    read_and_scan(folder / "manifest.json")


def test_negative_ids_are_found(folder):
    edit_dtype(folder, "int32", 4, 4)
    rewrite_tokens(folder, "ko_train", "int32", lambda tokens: tokens.__setitem__(0, -1))
    assert "ko_train.bin: token id -1 is beyond the vocabulary" in message(folder, read_and_scan)


def test_files_above_the_limit_are_not_scanned(folder):
    rewrite_tokens(folder, "code_valid", "uint16", lambda tokens: tokens.__setitem__(5, VOCAB))
    read_and_scan(folder / "manifest.json", eager_bytes=10)


@pytest.mark.parametrize(
    "place",
    [34, 34 + 4 * 59, 34 + 4 * 60, 34 + 4 * 60 + 8],
    ids=["a length", "the last length", "the first offset", "an offset"],
)
def test_an_index_of_other_documents_is_found(folder, place):
    path = folder / "tokens" / "ko_train.idx"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert "ko_train.idx: its documents are not those of the .bin" in message(folder, read_and_scan)


def test_documents_of_negative_length_are_found(folder):
    """Their offsets can still fit each other and the .bin."""
    path = folder / "tokens" / "ko_train.idx"
    lengths = np.frombuffer(path.read_bytes(), np.int32, 60, 34).tolist()
    write_index(path, [sum(lengths) + 58, *[-1] * 58, 0])
    assert "ko_train.idx: its documents are not those of the .bin" in message(folder, read_and_scan)
