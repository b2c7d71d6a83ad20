"""Data folders that are damaged, contradict themselves, or point outside their folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from megatron_ko.errors import DataError, Problem
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


def problems_of(folder: Path, check: Callable = read_manifest) -> list[Problem]:
    with pytest.raises(DataError) as caught:
        check(folder / "manifest.json")
    return caught.value.problems


def problem_of(folder: Path, check: Callable = read_manifest) -> Problem:
    """The only problem."""
    (problem,) = problems_of(folder, check)
    return problem


def assert_problem(problem: Problem, rule: str, file: str, *values: str) -> None:
    assert (problem.rule, Path(problem.where).name) == (rule, file)
    assert all(value in problem.message for value in values)


def read_and_scan(path: Path, **limits: int) -> None:
    check_tokens(read_manifest(path), **limits)


def rewrite_tokens(folder: Path, name: str, dtype: str, edit: Callable[[np.ndarray], object]) -> None:
    """Changes ids in ``.bin`` and leaves manifest and index as they are."""
    path = folder / "tokens" / f"{name}.bin"
    tokens = np.fromfile(path, dtype)
    edit(tokens)
    tokens.tofile(path)


# --- an intact folder ------------------------------------------------------------------------------------


def test_an_intact_folder_is_read_with_its_paths(folder):
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
    problem = problem_of(folder / "nowhere")
    assert problem.rule == "unreadable-file" and "nowhere/manifest.json" in problem.message
    (folder / "manifest.json").write_text("{")
    problem = problem_of(folder)
    assert problem.rule == "invalid-json" and "manifest.json" in problem.message
    with pytest.raises(DataError) as caught:
        read_manifest(folder)
    assert caught.value.rule == "is-a-folder" and str(folder / "manifest.json") in str(caught.value)


@pytest.mark.parametrize("content", [[], None, "x", {}, {"format": "megatron_ko-data-2"}])
def test_another_format_is_refused(folder, content):
    (folder / "manifest.json").write_text(json.dumps(content))
    problem = problem_of(folder)
    assert problem.rule == "unknown-format" and "megatron_ko-data-1" in problem.message


@pytest.mark.parametrize(
    "edit, path, rule",
    [
        (lambda data: data.pop("tokenizer"), "tokenizer", "missing"),
        (lambda data: data.pop("sets"), "sets", "missing"),
        (lambda data: data["sets"][1].pop("max_id"), "sets.1.max_id", "missing"),
        (lambda data: data["sets"][0].update(tokens="100"), "sets.0.tokens", "int-type"),
        (lambda data: data["sets"][0].update(tokens=-1), "sets.0.tokens", "greater-than-equal"),
        (lambda data: data["sets"][0].update(dtype="int8"), "sets.0.dtype", "literal-error"),
        (lambda data: data["sets"][0].update(split="test"), "sets.0.split", "literal-error"),
        (lambda data: data["tokenizer"].update(vocab_size="1001"), "tokenizer.vocab_size", "int-type"),
        (lambda data: data["tokenizer"].update(vocab_size=0), "tokenizer.vocab_size", "greater-than"),
        (lambda data: data["tokenizer"].update(fingerprint=None), "tokenizer.fingerprint", "string-type"),
        (lambda data: data.update(sets={"ko": 1}), "sets", "tuple-type"),
        (lambda data: data["mixture"].update(ko=0), "mixture.ko", "greater-than"),
        (lambda data: data["tokenizer"].update(eod_id=VOCAB), "tokenizer.eod_id", "id-outside-vocabulary"),
        (lambda data: data["mixture"].update(ko=0.5), "mixture", "mixture-sum"),
        (lambda data: data["mixture"].pop("ko"), "mixture", "mixture-names"),
        (lambda data: data.update(sets=data["sets"] + data["sets"][:1]), "sets", "duplicate-set"),
        (lambda data: data.update(sets=[], mixture={}), "sets", "no-training-set"),
        (lambda data: data.update(sets=data["sets"][3:], mixture={}), "sets", "no-training-set"),
    ],
)  # fmt: skip
def test_a_wrong_manifest_is_reported_with_its_field_and_rule(folder, edit, path, rule):
    change(folder, edit)
    problem = problem_of(folder)
    assert (problem.where, problem.path, problem.rule) == (str(folder / "manifest.json"), path, rule)


def test_several_problems_are_reported_with_their_values(folder):
    change(folder, lambda data: data["mixture"].update(ko=0.5))
    change(folder, lambda data: data["tokenizer"].update(eod_id=VOCAB))
    mixture, eod = problems_of(folder)
    assert "1.1" in mixture.message
    assert str(VOCAB) in eod.message


@pytest.mark.parametrize(
    "outside", ["/etc/passwd", "../elsewhere", "tokens/../../elsewhere", "../data/tokens/ko_train"]
)
def test_paths_outside_the_folder_are_refused(folder, outside):
    change(folder, lambda data: data["sets"][0].update(prefix=outside))
    problem = problem_of(folder)
    assert (problem.path, problem.rule) == ("sets.0.prefix", "outside-folder")
    assert outside in problem.message


def test_the_tokenizer_cannot_be_outside_either(folder):
    change(folder, lambda data: data["tokenizer"].update(folder=str(folder / "tokenizer")))
    problem = problem_of(folder)
    assert (problem.path, problem.rule) == ("tokenizer.folder", "outside-folder")


@pytest.mark.parametrize("suffix", ["bin", "idx"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "longer"])
def test_missing_and_truncated_token_files_are_named(folder, suffix, damage):
    path = folder / "tokens" / f"en_valid.{suffix}"
    if damage == "missing":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(content[:-1] if damage == "truncated" else content + b"\0")
    rule = "missing-file" if damage == "missing" else "wrong-size"
    assert_problem(problem_of(folder), rule, f"en_valid.{suffix}")


def test_every_damaged_file_is_reported_at_once(folder):
    (folder / "tokens" / "ko_train.bin").unlink()
    (folder / "tokens" / "en_train.idx").write_bytes(b"")
    assert [(Path(problem.where).name, problem.rule) for problem in problems_of(folder)] == [
        ("ko_train.bin", "missing-file"),
        ("en_train.idx", "wrong-size"),
    ]


@pytest.mark.parametrize("length", [0, 9, 33])
def test_an_index_shorter_than_its_header_is_refused(folder, length):
    path = folder / "tokens" / "ko_train.idx"
    path.write_bytes(path.read_bytes()[:length])
    change(folder, lambda data: data["sets"][0].update(idx_bytes=length))
    assert_problem(problem_of(folder), "not-an-index", "ko_train.idx")


def test_wrong_magic_is_refused(folder):
    path = folder / "tokens" / "ko_train.idx"
    path.write_bytes(b"XXIDIDX\0\0" + path.read_bytes()[9:])
    assert_problem(problem_of(folder), "not-an-index", "ko_train.idx")


def test_an_index_of_another_dtype_is_refused(folder):
    path = folder / "tokens" / "ko_train.idx"
    content = bytearray(path.read_bytes())
    content[17] = 4  # after magic (9) and version (8): int32
    path.write_bytes(content)
    assert_problem(problem_of(folder), "wrong-dtype", "ko_train.idx", "4", "uint16", "8")


def test_a_manifest_of_another_dtype_is_refused(folder):
    """As int32 the same bytes would be half as many tokens."""
    change(folder, lambda data: data["sets"][0].update(dtype="int32"))
    dtype, count = problems_of(folder)
    assert_problem(dtype, "wrong-dtype", "ko_train.idx", "8", "int32", "4")
    assert_problem(count, "wrong-token-count", "ko_train.bin")


def test_counts_that_do_not_fit_the_files_are_refused(folder):
    change(folder, lambda data: data["sets"][0].update(documents=61))
    assert_problem(problem_of(folder), "wrong-document-count", "ko_train.idx", "60", "61")
    change(folder, lambda data: data["sets"][0].update(documents=60, tokens=7))
    assert_problem(problem_of(folder), "wrong-token-count", "ko_train.bin", "7", "14")


def test_an_index_shorter_than_its_header_announces_is_refused(folder):
    """Otherwise megatron-core would read past the end of the file."""
    path = folder / "tokens" / "ko_train.idx"
    content = bytearray(path.read_bytes())
    content[18:26] = (10**9).to_bytes(8, "little")
    path.write_bytes(content)
    change(folder, lambda data: data["sets"][0].update(documents=10**9))
    assert_problem(problem_of(folder), "wrong-index-size", "ko_train.idx", "1,000,000,000")


def test_an_empty_set_is_refused(folder):
    (folder / "tokens" / "en_train.bin").write_bytes(b"")
    write_index(folder / "tokens" / "en_train.idx", [])
    size = (folder / "tokens" / "en_train.idx").stat().st_size
    nothing = dict(documents=0, tokens=0, text_bytes=0, bin_bytes=0, idx_bytes=size, max_id=-1)
    change(folder, lambda data: data["sets"][1].update(nothing))
    assert_problem(problem_of(folder), "empty-set", "en_train", "en")


def test_a_set_without_text_is_refused_because_bits_per_byte_would_divide_by_it(folder):
    change(folder, lambda data: data["sets"][3].update(text_bytes=0))
    assert_problem(problem_of(folder), "empty-set", "ko_valid")


def test_a_max_id_outside_the_vocabulary_is_refused(folder):
    change(folder, lambda data: data["sets"][0].update(max_id=VOCAB))
    assert_problem(problem_of(folder), "id-outside-vocabulary", "ko_train", "1001")


# --- mistakes that only the token files reveal -----------------------------------------------------------


def test_ids_outside_the_vocabulary_are_found_when_max_id_is_wrong(folder):
    rewrite_tokens(folder, "code_valid", "uint16", lambda tokens: tokens.__setitem__(5, VOCAB))
    read_manifest(folder / "manifest.json")
    problem = problem_of(folder, read_and_scan)
    assert_problem(problem, "id-outside-vocabulary", "code_valid.bin", "1001")


def test_the_largest_id_of_the_vocabulary_is_fine(folder):
    rewrite_tokens(folder, "code_valid", "uint16", lambda tokens: tokens.__setitem__(5, VOCAB - 1))
    read_and_scan(folder / "manifest.json")


def test_negative_ids_are_found(folder):
    edit_dtype(folder, "int32", 4, 4)
    rewrite_tokens(folder, "ko_train", "int32", lambda tokens: tokens.__setitem__(0, -1))
    assert_problem(problem_of(folder, read_and_scan), "id-outside-vocabulary", "ko_train.bin", "-1")


def test_files_above_the_limit_are_not_scanned(folder):
    rewrite_tokens(folder, "code_valid", "uint16", lambda tokens: tokens.__setitem__(5, VOCAB))
    read_and_scan(folder / "manifest.json", eager_bytes=10)


@pytest.mark.parametrize(
    "position",
    [34, 34 + 4 * 59, 34 + 4 * 60, 34 + 4 * 60 + 8],
    ids=["a length", "the last length", "the first offset", "an offset"],
)
def test_an_index_of_other_documents_is_found(folder, position):
    path = folder / "tokens" / "ko_train.idx"
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    assert_problem(
        problem_of(folder, read_and_scan), "documents-do-not-match", "ko_train.idx", "ko_train.bin"
    )


def test_documents_of_negative_length_are_found(folder):
    """Their offsets can still match each other and the .bin."""
    path = folder / "tokens" / "ko_train.idx"
    lengths = np.frombuffer(path.read_bytes(), np.int32, 60, 34).tolist()
    write_index(path, [sum(lengths) + 58, *[-1] * 58, 0])
    assert_problem(
        problem_of(folder, read_and_scan), "documents-do-not-match", "ko_train.idx", "ko_train.bin"
    )
