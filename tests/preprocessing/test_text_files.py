"""Text files of the tokenizer commands: parts are read separately and add up to the whole."""

from __future__ import annotations

import gzip
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from megatron_ko.errors import DataError
from preprocessing.tokenizers.text_files import TEXT, batches_of, documents_of, parts_of
from tests.preprocessing.extension_texts import korean, write_jsonl
from tests.preprocessing.refusals import refuses


def texts_in(parts):
    return [text for part in parts for batch in batches_of(part) for text in batch["text"].to_pylist()]


def test_lines_are_read_once_for_any_cut_of_the_file(tmp_path):
    texts = korean(60)
    path = write_jsonl(tmp_path / "a.jsonl", texts)
    for split in (200, 1000, 4097, 1 << 20):
        parts = parts_of([str(path)], split)
        assert len(parts) == -(-path.stat().st_size // split) or len(parts) == 1
        assert texts_in(parts) == texts


def test_the_line_of_a_bad_record_is_that_of_the_file(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", korean(60))
    lines = path.read_text().split("\n")
    lines[41] = '{"id": "x", "text": 5}'
    path.write_text("\n".join(lines))
    with pytest.raises(DataError) as caught:
        texts_in(parts_of([str(path)], 2000))
    (problem,) = caught.value.problems
    assert (problem.where.split("/")[-1], problem.rule) == ("a.jsonl:42", "bad-record")


def test_frames_of_zstd_and_row_groups_are_parts(tmp_path):
    texts = korean(60)
    raw = write_jsonl(tmp_path / "a.jsonl", texts).read_bytes()
    codec = pa.Codec("zstd")
    frames = [codec.compress(raw[start : start + 3000], asbytes=True) for start in range(0, len(raw), 3000)]
    (tmp_path / "b.jsonl.zst").write_bytes(b"".join(frames))
    pq.write_table(pa.table({"text": texts}), tmp_path / "c.parquet", row_group_size=7)
    for name in ("b.jsonl.zst", "c.parquet"):
        parts = parts_of([str(tmp_path / name)], 1000)
        assert len(parts) > 3
        assert texts_in(parts) == texts


def test_small_files_share_a_part_and_folders_are_searched(tmp_path):
    (tmp_path / "deep").mkdir()
    for number in range(20):
        (tmp_path / "deep" / f"{number:02d}.txt").write_text(f"글 {number}")
    (tmp_path / "deep" / "ignored.dat").write_text("x")
    (tmp_path / "packed.txt.gz").write_bytes(gzip.compress("압축\n".encode()))
    parts = parts_of([str(tmp_path)])
    assert len(parts) == 1
    assert texts_in(parts) == [*(f"글 {number}" for number in range(20)), "압축\n"]


def test_the_folder_of_a_pipeline_is_its_training_text(tmp_path):
    (tmp_path / "clean").mkdir()
    for name in ("web_train-00000", "web_valid-00000"):
        pq.write_table(pa.table({"text": [name], "lang": ["ko"]}), tmp_path / "clean" / f"{name}.parquet")
    assert texts_in(parts_of([str(tmp_path)])) == ["web_train-00000"]


def test_a_long_plain_file_is_cut_at_lines_and_nothing_is_lost(tmp_path, monkeypatch):
    text = "".join(f"{number}번째 줄 {'가' * (number % 50)}\n" for number in range(3000))
    (tmp_path / "a.txt").write_text(text)
    monkeypatch.setattr("preprocessing.tokenizers.text_files.DOCUMENT_BYTES", 5000)
    pieces = texts_in(parts_of([str(tmp_path / "a.txt")], 30_000))
    assert "".join(pieces) == text
    assert all(piece.endswith("\n") and len(piece.encode()) < 40_000 for piece in pieces)


def test_known_languages_are_kept_and_others_detected(tmp_path):
    rows = [
        {"text": "영화가 재미있었다", "lang": "code"},
        {"text": "영화가 재미있었다", "lang": "kor_Hang"},
        {"text": "the cat sat on the mat"},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (batch,) = batches_of(parts_of([str(tmp_path / "a.jsonl")])[0])
    assert batch.schema == TEXT
    assert batch["lang"].to_pylist() == ["code", "ko", "en"]


def test_documents_have_an_identity_and_a_source(tmp_path):
    (tmp_path / "web.jsonl").write_text(
        '{"text": "a"}\n{"text": "b", "id": "k", "source": "wiki", "meta": "{}"}\n'
    )
    (batch,) = documents_of(parts_of([str(tmp_path / "web.jsonl")])[0])
    first, second = batch.to_pylist()
    assert (first["id"], first["source"]) == (f"{tmp_path}/web.jsonl:1", "web")
    assert (second["id"], second["source"], second["meta"]) == ("k", "wiki", "{}")


def test_encodings_of_python_files_and_byte_order_marks(tmp_path):
    (tmp_path / "a.py").write_bytes("# -*- coding: cp949 -*-\n# 한글\n".encode("cp949"))
    (tmp_path / "b.txt").write_bytes("\ufeff한글".encode())
    assert texts_in(parts_of([str(tmp_path)])) == ["# -*- coding: cp949 -*-\n# 한글\n", "한글"]


@pytest.mark.parametrize(
    "name, content, rule, value",
    [
        ("a.jsonl", b"[1]\n", "bad-record", "a.jsonl:1"),
        ("a.jsonl", b'{"text": "x"}\n{"txt": "x"}\n', "bad-record", "a.jsonl:2"),
        ("a.jsonl.zst", b"no zstd", "bad-record", "a.jsonl.zst:"),
        ("a.parquet", b"PAR1 not", None, "a.parquet"),
        ("a.txt", b"ok\n\xff\xfe", "bad-record", "a.txt:2"),
        ("a.txt", b"a\0b", "bad-record", "a.txt:1"),
        ("a.txt", "처음 문장\n다음 문장".encode("cp949"), "bad-record", "cp949"),
        ("a.csv", b"text\nx\n", "unsupported-format", "a.csv"),
    ],
)
def test_bad_files_are_named_with_the_line(tmp_path, name, content, rule, value):
    (tmp_path / name).write_bytes(content)
    with refuses(rule, value):
        texts_in(parts_of([str(tmp_path / name)]))


def test_paths_without_text_are_refused(tmp_path):
    with refuses("no-text", "missing-*.jsonl"):
        parts_of([str(tmp_path / "missing-*.jsonl")])
    with refuses("no-text", str(tmp_path)):
        parts_of([str(tmp_path)])
    (tmp_path / "clean").mkdir()
    with refuses("no-training-text", str(tmp_path)):
        parts_of([str(tmp_path)])


def test_a_link_that_leads_nowhere_is_named(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", korean(3))
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "away.jsonl")
    with pytest.raises(DataError) as caught:
        parts_of([str(tmp_path / "*.jsonl")], 1 << 20)
    assert caught.value.rule == "broken-link"


def test_the_identity_follows_the_file(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", korean(2))
    before = parts_of([str(path)])[0].identity()
    assert parts_of([str(path)])[0].identity() == before
    os.utime(path, ns=(1, 1))
    assert parts_of([str(path)])[0].identity() != before
