"""Rows of separated values: what is quoted, what is not, encodings, and rows that are refused."""

import gzip
import json
from typing import Any

import pytest
from pydantic import ValidationError

from preprocessing.config.inputs import CsvInput
from tests.preprocessing.units import read


def read_csv(tmp_path, content: str | bytes, name: str = "x.csv", **options: Any):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(path, CsvInput(type="csv", paths=["x"], **{"lang": "ko"} | options))


@pytest.mark.parametrize(
    ("content", "options", "texts"),
    [
        ("id,text\n1,가\n2,나\n", {}, ["가", "나"]),
        ("\ufeffid,text\r\n1,가\r\n2,나", {}, ["가", "나"]),
        ('id,text\n1,"가, ""나""\n\n다"\n2,라\n', {}, ['가, "나"\n\n다', "라"]),
        # reviews with single quotes
        ('id\ttext\tlabel\n1\t"가 나\t0\n2\t다"" 라\t1\n', {}, ['"가 나', '다"" 라']),
        ('id\ttext\n1\t"가\t나"\n', {"quote": '"'}, ["가\t나"]),
        ("text;n\n가, 나;1\n", {"delimiter": ";"}, ["가, 나"]),
        ("text;n\n'가; 나';1\n", {"delimiter": ";", "quote": "'"}, ["가; 나"]),
        ("1,가\n2,나\n", {"columns": ["id", "text"]}, ["가", "나"]),
        ("title,body\n가,나\n", {"templates": ["{title}\n\n{body}"]}, ["가\n\n나"]),
        ("text\n\n\n가\n\n", {}, ["가"]),
        (",text\n0,가\n", {}, ["가"]),  # the column without a name that pandas writes
        ("id,text\n1,\n", {}, [""]),
        ("id,text\n", {}, []),
        ("text\n가\x0c나\n", {}, ["가\x0c나"]),
        ("text\n가\u2028나\n", {}, ["가\u2028나"]),
        ("sep=;\r\ntext;n\r\n가, 나;1\r\n", {}, ["가, 나"]),
        ("id, text\n1, 가\n", {}, [" 가"]),
        ("id\ttext\n1\t가\r나\n2\t\n", {}, ["가\r나", ""]),
        ("id,text\n1,가\n", {"columns": ["id", "text"]}, ["가"]),
    ],
)
def test_the_rows_of_a_file(tmp_path, content, options, texts):
    rows, bad = read_csv(tmp_path, content, **options)
    assert [row["text"] for row in rows] == texts and not bad


def test_encodings(tmp_path):
    text = "번호,text\n1,한국어 문장\n2,똠방각하\n"
    for options in ({"encoding": "cp949"}, {"encoding": "euc-kr"}, {"encoding": "auto"}):
        rows, bad = read_csv(tmp_path, text.encode("cp949"), **options)
        assert [row["text"] for row in rows] == ["한국어 문장", "똠방각하"] and not bad
    assert len(read_csv(tmp_path, text, encoding="auto")[0]) == 2
    for raw, rule in ((text.encode("cp949"), "is-cp949"), (text.encode("utf-16"), "is-utf-16")):
        rows, bad = read_csv(tmp_path, raw)
        assert not rows and [(one.line, one.rule) for one in bad] == [(0, rule)]


def test_ids_lines_and_meta(tmp_path):
    rows, _ = read_csv(tmp_path, 'key,text,url\n,"가\n나",u1\nb,다,u2\n', id_field="key", meta_fields=["url"])
    assert [row["id"] for row in rows] == [f"{tmp_path / 'x.csv'}:2", "b"]
    assert json.loads(rows[1]["meta"]) == {"file": str(tmp_path / "x.csv"), "line": 4, "url": "u2"}


@pytest.mark.parametrize(
    ("content", "options", "rules", "texts"),
    [
        ("id,text\n1,가,나\n2,다\n3\n", {}, [(2, "wrong-columns"), (4, "wrong-columns")], ["다"]),
        ('text\n"가" 나\n다\n', {}, [(2, "wrong-quote")], ["다"]),
        ('text\n다\n"가\n나\n', {}, [(3, "wrong-quote")], ["다"]),
        ("text,n\n가\r나,1\n다,2\n", {}, [(2, "wrong-quote")], ["다"]),
        (b"text\n\xff\xfe\xfd\n" + "다\n".encode(), {}, [(2, "not-decodable")], ["다"]),
        (b"text,n\n\xb0\xa1\xff,1\n" + "다,2\n".encode(), {}, [(2, "not-decodable")], ["다"]),
        (b'text\n"a\n\xff\n"\nb\n', {}, [(2, "not-decodable")], ["b"]),
        (b"text\na\0b\nc\n", {}, [(2, "contains-nul")], ["c"]),
        ("body\n가\n", {}, [(0, "missing-column")], []),
        ('{"text": "가"}\n', {}, [(0, "other-format")], []),
        ("text,n\r가,1\r나,2\r", {}, [(0, "other-lines")], []),
        ("text,text\n가,나\n", {}, [(0, "duplicate-field")], []),
        ("text\n가\n", {"lang": "record"}, [(0, "missing-column")], []),
        ("text,lang\n가,ko\n나,kr\n", {"lang": "record"}, [(3, "unknown-language")], ["가"]),
        (f"text\n{'가' * 400}\n나\n", {"max_record_bytes": 1024}, [(2, "too-long")], ["나"]),
        (
            'text\n"' + ("가" * 300 + "\n") * 3 + '"\n나\n',
            {"max_record_bytes": 1024},
            [(2, "too-long")],
            ["나"],
        ),
        ("", {}, [(0, "empty-file")], []),
        (b"PK\x03\x04 zip", {}, [(0, "other-format")], []),
    ],
)
def test_rows_that_are_refused(tmp_path, content, options, rules, texts):
    rows, bad = read_csv(tmp_path, content, **options)
    assert [row["text"] for row in rows] == texts
    assert [(one.line, one.rule) for one in bad] == rules


@pytest.mark.parametrize(
    ("content", "options", "setting"),
    [
        ("번호;text\n1;가\n", {}, 'delimiter: ";"'),
        ("번호|text\n1|가\n", {}, 'delimiter: "|"'),
        ("번호\ttext\n1\t가\n", {"delimiter": ","}, 'delimiter: "\\t"'),
        ("1,가나다\n2,라마바\n", {}, "set columns"),
        ('text\tn\n"가\n나"\t1\n', {}, "quote: '\"'"),
        ('text\n"가" 나\n', {}, "quote: none"),
        ("제목,본문\n가,나\n", {"templates": ["{제목}{내용}"]}, "templates"),
    ],
)
def test_messages_name_the_setting_that_helps(tmp_path, content, options, setting):
    _, bad = read_csv(tmp_path, content, **options)
    assert setting in bad[0].cause


def test_a_first_row_that_is_no_header_is_shown_in_short(tmp_path):
    (bad,) = read_csv(tmp_path, f'"{"가" * 500}\n나",다\n')[1]
    assert "\n" not in bad.cause and len(bad.cause) < 400


def test_quarantine_has_the_bytes_of_all_lines_of_a_row(tmp_path):
    _, bad = read_csv(tmp_path, b'a,text\n1,"x\ny",z\n2,w\n')
    assert [(one.line, one.raw) for one in bad] == [(2, b'1,"x\ny",z')]


def test_compressed_and_cut_files(tmp_path):
    packed = gzip.compress("text\n가\n".encode())
    assert [row["text"] for row in read_csv(tmp_path, packed, "x.csv.gz")[0]] == ["가"]
    bad = read_csv(tmp_path, packed[:-12], "y.csv.gz")[1]
    assert "damaged-file" in [one.rule for one in bad]


@pytest.mark.parametrize(
    "options", [{"delimiter": "::"}, {"delimiter": ""}, {"quote": "x"}, {"encoding": "nope"}]
)
def test_settings_that_are_refused(options):
    with pytest.raises(ValidationError):
        CsvInput(type="csv", paths=["x"], lang="ko", **options)
