"""Text files to a pair without a pipeline: the same bytes for any files, parts and processes."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from preprocessing.cli import main
from preprocessing.tokenizers.text_files import parts_of
from preprocessing.tokens import encode_files
from tests.preprocessing.corpus import EN, KO
from tests.preprocessing.finished_steps import write_sentencepiece
from tests.preprocessing.refusals import refuses, refuses_command
from tests.preprocessing.test_token_files import contents

TEXTS = [f"{KO[i % 12]} {i} {EN[i % 9]}\n</s>" for i in range(300)]


@pytest.fixture(autouse=True)
def light_workers(monkeypatch):
    monkeypatch.setattr(encode_files, "PRELOADED", [])


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer") / "tokenizer"
    write_sentencepiece(folder, TEXTS)
    return folder


@pytest.fixture(scope="module")
def plain(tokenizer):
    import sentencepiece

    return sentencepiece.SentencePieceProcessor(model_file=str(tokenizer / "tokenizer.model"))


def write_lines(path, records):
    path.write_text(
        "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8"
    )
    return path


def encode(*arguments):
    return main(["tokens", "encode", *map(str, arguments)])


def test_a_pair_has_the_bytes_that_megatron_core_writes(tokenizer, plain, tmp_path):
    from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder

    path = write_lines(tmp_path / "a.jsonl", [{"text": text} for text in TEXTS])
    assert encode(path, "--tokenizer", tokenizer, "--out", tmp_path / "ours" / "a", "--workers", 1) == 0
    builder = IndexedDatasetBuilder(
        str(tmp_path / "a.bin"), dtype=DType.optimal_dtype(plain.get_piece_size())
    )
    for text in TEXTS:
        ids = [*plain.encode(text), plain.eos_id()]
        builder.add_document(ids, [len(ids)])
    builder.finalize(str(tmp_path / "a.idx"))
    for kind in (".bin", ".idx"):
        assert (tmp_path / "ours" / f"a{kind}").read_bytes() == (tmp_path / f"a{kind}").read_bytes()
    assert sorted(file.name for file in (tmp_path / "ours").iterdir()) == ["a.bin", "a.idx"]


@pytest.mark.parametrize("workers, size", [(1, 700), (3, 2000)])
def test_any_parts_and_processes_give_the_same_pair(tokenizer, tmp_path, workers, size):
    path = write_lines(tmp_path / "a.jsonl", [{"text": text} for text in TEXTS])
    for name, split, processes in (("one", 1 << 30, 1), ("many", size, workers)):
        parts = parts_of([str(path)], split)
        assert (len(parts) > 5) == (name == "many")
        encode_files.encode_files(parts, tokenizer, tmp_path / name, "text", "auto", True, processes)
    for kind in (".bin", ".idx"):
        assert (tmp_path / f"one{kind}").read_bytes() == (tmp_path / f"many{kind}").read_bytes()


def test_no_more_parts_than_can_be_joined(tmp_path, monkeypatch):
    path = write_lines(tmp_path / "a.jsonl", [{"text": text} for text in TEXTS])
    size = path.stat().st_size
    monkeypatch.setattr(encode_files, "PART_BYTES", size // 20)
    assert 20 <= len(encode_files.parts_to_encode([str(path)])) <= 21
    monkeypatch.setattr(encode_files, "MAX_PARTS", 8)
    assert 4 <= len(encode_files.parts_to_encode([str(path)])) <= 8


def test_all_file_formats_in_their_order(tokenizer, plain, tmp_path):
    lines = write_lines(
        tmp_path / "z.jsonl", [{"body": TEXTS[0]}, {"body": ""}, {"body": TEXTS[1], "text": 5}]
    )
    pq.write_table(pa.table({"body": TEXTS[2:5]}), tmp_path / "a.parquet")
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(json.dumps({"body": TEXTS[5]}).encode()))
    given = [lines, tmp_path / "a.parquet", tmp_path / "b.jsonl.gz"]
    options = [
        "--tokenizer",
        tokenizer,
        "--out",
        tmp_path / "out",
        "--field",
        "body",
        "--no-eod",
        "--workers",
        1,
    ]
    assert encode(*given, *options) == 0
    assert contents(tmp_path / "out") == [plain.encode(text) for text in TEXTS[:6]]


def test_the_engine_may_be_named(tokenizer, plain, tmp_path, caplog):
    path = write_lines(tmp_path / "a.jsonl", [{"text": text} for text in TEXTS[:9]])
    for engine in ("bpe", "sentencepiece", "tokenizers"):
        options = ["--out", tmp_path / engine, "--engine", engine, "--workers", 1]
        assert encode(path, "--tokenizer", tokenizer, *options) == 0
        assert contents(tmp_path / engine) == [[*plain.encode(text), plain.eos_id()] for text in TEXTS[:9]]


def test_a_refused_command_writes_nothing(tokenizer, tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [{"text": "a"}, {"texts": "b"}])
    options = ["--tokenizer", tokenizer, "--out", tmp_path / "out" / "a", "--workers", 1]
    for arguments, rule, value in (
        ([path, *options], "bad-record", "a.jsonl:2"),
        ([tmp_path / "none.jsonl", *options], "no-text", "none.jsonl"),
        ([write_lines(tmp_path / "empty.jsonl", [{"text": ""}]), *options], "empty-pair", "out/a"),
        ([path, *options[:1], tmp_path, *options[2:]], None, str(tmp_path)),
    ):
        refuses_command(["tokens", "encode", *arguments], rule, value)
        assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_an_existing_pair_is_overwritten_only_on_request(tokenizer, tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [{"text": "a"}])
    options = [path, "--tokenizer", tokenizer, "--out", tmp_path / "out", "--workers", 1]
    assert encode(*options) == 0
    before = (tmp_path / "out.bin").stat().st_mtime_ns
    refuses_command(["tokens", "encode", *options], "output-exists", "out.bin")
    assert (tmp_path / "out.bin").stat().st_mtime_ns == before
    write_lines(tmp_path / "a.jsonl", [{"text": "b c"}])
    assert encode(*options, "--overwrite") == 0
    assert (tmp_path / "out.bin").stat().st_mtime_ns > before


def test_leftovers_of_a_killed_run_are_ignored(tokenizer, plain, tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [{"text": "a"}])
    left = tmp_path / ".out.work" / "files"
    left.mkdir(parents=True)
    np.full(8, 9, np.uint16).tofile(left / "000000.bin")
    assert encode(path, "--tokenizer", tokenizer, "--out", tmp_path / "out", "--workers", 1) == 0
    assert contents(tmp_path / "out") == [[*plain.encode("a"), plain.eos_id()]]
    assert not (tmp_path / ".out.work").exists()


def test_two_commands_cannot_write_the_same_pair(tokenizer, tmp_path):
    from megatron_ko.files import locked_folder

    parts = parts_of([str(write_lines(tmp_path / "a.jsonl", [{"text": "a"}]))])
    with locked_folder(tmp_path / ".out.work"), refuses(None, ".out.work"):
        encode_files.encode_files(parts, tokenizer, tmp_path / "out", "text", "auto", True, 1)
