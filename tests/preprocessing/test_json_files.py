"""JSON files with records inside of them, in the layouts of Korean corpora, and lists inside of records."""

import gzip
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from preprocessing.config.inputs import JsonInput, JsonlInput, ParquetInput
from tests.preprocessing.units import read, units_of

NEWSPAPER = {
    "id": "NPRW1900000001",
    "metadata": {"title": "국립국어원 신문 말뭉치"},
    "document": [
        {
            "id": f"NPRW1900000001.{n}",
            "metadata": {"title": f"제목 {n}", "topic": "사회"},
            "paragraph": [{"id": f"{n}.{p}", "form": f"문단 {n}의 {p}."} for p in (1, 2)],
        }
        for n in (1, 2)
    ],
}
MESSENGER = {"document": [{"id": "M1", "utterance": [{"form": "안녕", "speaker_id": 1}, {"form": "응"}]}]}
SUMMARIES = {
    "documents": [{"id": "1", "text": [[{"sentence": "하나."}, {"sentence": "둘."}], [{"sentence": "셋."}]]}]
}
WEB = {"SJML": {"header": {"title": "웹"}, "text": [{"title": "가", "content": "나"}]}}
QUESTIONS = {"data": [{"title": "가", "paragraphs": [{"context": "나"}, {"context": "다"}]}]}


def read_json(tmp_path, content: Any, name: str = "x.json", **options: Any):
    path = tmp_path / name
    path.write_bytes(
        content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
    )
    return read(path, JsonInput(type="json", paths=["x"], **{"lang": "ko"} | options))


@pytest.mark.parametrize(
    ("content", "options", "texts"),
    [
        (NEWSPAPER, {"records": "document[]", "text_field": "paragraph[].form"},
         ["문단 1의 1.\n문단 1의 2.", "문단 2의 1.\n문단 2의 2."]),
        (NEWSPAPER, {"records": "document[]", "templates": ["{metadata.title}\n\n{paragraph[].form}"]},
         ["제목 1\n\n문단 1의 1.\n문단 1의 2.", "제목 2\n\n문단 2의 1.\n문단 2의 2."]),
        (MESSENGER, {"records": "document[]", "text_field": "utterance[].form"}, ["안녕\n응"]),
        (SUMMARIES, {"records": "documents[]", "text_field": "text[][].sentence"}, ["하나. 둘.\n셋."]),
        (SUMMARIES, {"records": "documents[]", "text_field": "text[][].sentence", "list_separators": ["|", "+"]},
         ["하나.+둘.|셋."]),
        (WEB, {"records": "SJML.text[]", "text_field": "content"}, ["나"]),
        (QUESTIONS, {"records": "data[].paragraphs[]", "text_field": "context"}, ["나", "다"]),
        (QUESTIONS, {"records": "data[]", "text_field": "paragraphs[].context"}, ["나\n다"]),
        ([[{"text": "가"}], [{"text": "나"}]], {"records": "[][]"}, ["가", "나"]),
        ([{"text": "가"}, {"text": "나"}], {}, ["가", "나"]),
        ([{"text": "가"}, {"text": "나"}], {"records": "[]"}, ["가", "나"]),
        ({"text": "가"}, {}, ["가"]),
        ({"a": [None, "가", None, "나"]}, {"text_field": "a[]"}, ["가\n나"]),
        ({"a": []}, {"text_field": "a[]"}, [""]),
        ({"a.b[]": "가"}, {"text_field": "a.b[]"}, ["가"]),
        ([], {}, []),
    ],
)  # fmt: skip
def test_the_records_of_a_file(tmp_path, content, options, texts):
    rows, bad = read_json(tmp_path, content, **options)
    assert [row["text"] for row in rows] == texts and not bad


def test_ids_and_meta_of_records(tmp_path):
    options = {
        "records": "document[]",
        "text_field": "paragraph[].form",
        "meta_fields": ["metadata.topic", "none"],
    }
    rows, _ = read_json(tmp_path, NEWSPAPER, **options)
    assert [row["id"] for row in rows] == ["NPRW1900000001.1", "NPRW1900000001.2"]
    assert json.loads(rows[1]["meta"]) == {
        "file": str(tmp_path / "x.json"),
        "line": 2,
        "metadata.topic": "사회",
    }
    rows, _ = read_json(tmp_path, WEB, records="SJML.text[]", text_field="content")
    assert rows[0]["id"] == f"{tmp_path / 'x.json'}:1"


@pytest.mark.parametrize(
    ("content", "options", "rules"),
    [
        (NEWSPAPER, {"records": "documents[]"}, [(0, "missing-field")]),
        (NEWSPAPER, {"records": "document"}, [(0, "is-a-list")]),
        (NEWSPAPER, {"records": "metadata[]"}, [(0, "not-a-list")]),
        ([1], {"records": "a"}, [(0, "missing-field")]),
        ([{"text": "가"}, 5, "나", None], {}, [(2, "not-an-object"), (3, "not-an-object"), (4, "not-an-object")]),
        ([{"text": ["가"]}, {"text": {}}], {}, [(1, "not-text"), (2, "not-text")]),
        ([{"a": "가"}, {"a": [{"c": "나"}]}, {"a": [{"b": 1}]}, {"a": ["가"]}, {}], {"text_field": "a[].b"},
         [(1, "not-a-list"), (2, "missing-field"), (3, "not-text"), (4, "missing-field"), (5, "missing-field")]),
        ([{"text": "가" * 400}], {"max_record_bytes": 1024}, [(1, "too-long")]),
        ([{"text": "가" * 400}], {"max_file_bytes": 1024}, [(0, "too-long")]),
        ([{"text": "가"}], {"lang": "record"}, [(1, "missing-field")]),
        (b"0", {}, [(1, "not-an-object")]),
        (b"null", {"records": "a[]"}, [(0, "missing-field")]),
        (b'[{"text": "a"}', {}, [(0, "not-json")]),
        (b'{"text": "a"}\n{"text": "b"}\n', {}, [(0, "json-lines")]),
        (b'[{"text": NaN}]', {}, [(0, "not-json")]),
        (b'[{"text": "\\ud800"}]', {}, [(0, "not-json")]),
        (b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", {}, [(0, "not-json")]),
        (b'[{"text": "a", "text": "b"}]', {}, [(0, "duplicate-field")]),
        ('[{"text": "한국어 문장입니다."}]'.encode("cp949"), {}, [(0, "is-cp949")]),
        ('[{"text": "한국어"}]'.encode("utf-16"), {}, [(0, "is-utf-16")]),
        (b"PK\x03\x04 zip", {}, [(0, "other-format")]),
        (b"\xff\xfe\xfd", {}, [(0, "is-utf-16")]),
        (b"", {}, [(0, "empty-file")]),
    ],
)  # fmt: skip
def test_what_is_no_record_is_reported(tmp_path, content, options, rules):
    _, bad = read_json(tmp_path, content, **options)
    assert [(one.line, one.rule) for one in bad] == rules


def test_messages_name_the_setting_that_helps(tmp_path):
    (bad,) = read_json(tmp_path, NEWSPAPER, records="document")[1]
    assert "document[]" in bad.cause
    (bad,) = read_json(tmp_path, NEWSPAPER, records="documents[]")[1]
    assert "id, metadata, document" in bad.cause and "records" in bad.cause
    (bad,) = read_json(tmp_path, {"paragraph": ["가"]}, text_field="paragraph")[1]
    assert "paragraph[]" in bad.cause
    (bad,) = read_json(tmp_path, {"paragraph": [{"id": 1, "form": "가"}]}, text_field="paragraph")[1]
    assert "paragraph[]" in bad.cause and "id, form" in bad.cause
    (bad,) = read_json(tmp_path, NEWSPAPER, text_field="paragraph[].form")[1]
    assert "records: 'document[]'" in bad.cause
    (bad,) = read_json(tmp_path, WEB, records="SJML.text[]", templates=["{titel}"])[1]
    assert "titel" in bad.cause and "templates" in bad.cause
    (bad,) = read_json(tmp_path, json.dumps([{"text": "한국어 문장"}], ensure_ascii=False).encode("cp949"))[1]
    assert "encoding: cp949" in bad.cause


@pytest.mark.parametrize("encoding", ["cp949", "auto"])
def test_files_in_cp949(tmp_path, encoding):
    content = json.dumps([{"text": "똠방각하는 한국어 문장"}], ensure_ascii=False)
    for raw in (content.encode("cp949"), *([content.encode()] if encoding == "auto" else [])):
        rows, bad = read_json(tmp_path, raw, encoding=encoding)
        assert [row["text"] for row in rows] == ["똠방각하는 한국어 문장"] and not bad


def test_a_word_that_a_field_is_named_like_is_no_second_field(tmp_path):
    rows, bad = read_json(
        tmp_path, [{"text": '그는 "text"라고 썼다.', "kind": "text"}, {"title": "text", "text": "나"}]
    )
    assert len(rows) == 2 and not bad


def test_compressed_and_cut_files(tmp_path):
    packed = gzip.compress(b"\xef\xbb\xbf" + json.dumps(WEB).encode())
    options = {"records": "SJML.text[]", "text_field": "content"}
    assert [row["text"] for row in read_json(tmp_path, packed, "x.json.gz", **options)[0]] == ["나"]
    _, bad = read_json(tmp_path, packed[:-12], "y.json.gz", **options)
    assert [(one.line, one.rule) for one in bad] == [(0, "damaged-file")]


def test_small_files_are_read_by_one_task(tmp_path):
    for n in range(5):
        (tmp_path / f"{n}.json").write_text(json.dumps([{"text": "가" * 100}]), encoding="utf-8")
    item = JsonInput(type="json", paths=[f"{tmp_path}/*.json"], lang="ko", split_bytes=1300)
    assert [len(unit.files) for unit in units_of(item)] == [2, 2, 1]


def test_lists_inside_of_the_records_of_other_formats(tmp_path):
    records = [
        {"text": "무관", "paragraph": [{"form": "가"}, {"form": "나"}]},
        {"paragraph": [{"form": "다"}]},
    ]
    lines, table = tmp_path / "x.jsonl", tmp_path / "x.parquet"
    lines.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(records), table)
    options: dict[str, Any] = {"paths": ["x"], "lang": "ko", "text_field": "paragraph[].form"}
    for path, item in (
        (lines, JsonlInput(type="jsonl", **options)),
        (table, ParquetInput(type="parquet", **options)),
    ):
        rows, bad = read(path, item)
        assert [row["text"] for row in rows] == ["가\n나", "다"] and not bad


@pytest.mark.parametrize("records", ["document[", "document[0]", "a..b", ".a", "a.", "a[]b", "a.[]"])
def test_a_path_that_is_none_is_refused(records):
    with pytest.raises(ValidationError):
        JsonInput(type="json", paths=["x"], records=records)


def test_utf16_is_recognized_by_a_line_feed_far_into_the_file(tmp_path):
    raw = ("나다라마" * 1500 + "\n나\n").encode("utf-16-le")
    path = tmp_path / "x.jsonl"
    path.write_bytes(raw)
    _, bad = read(path, JsonlInput(type="jsonl", paths=["x"], lang="ko"))
    assert [(one.line, one.rule) for one in bad] == [(0, "is-utf-16")]
