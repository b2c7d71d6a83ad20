"""Lines read in columns against the same lines read one by one with orjson and plain Python."""

import json

import numpy as np
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from preprocessing import documents
from preprocessing.config.inputs import JsonlInput
from preprocessing.kernels.feeds import find_feeds
from preprocessing.kernels.utf8 import is_utf8
from preprocessing.readers import batches, json_lines
from preprocessing.readers.json_columns import JsonColumns, has_simple_fields
from tests.preprocessing.units import read

VALUES = st.one_of(
    st.text(max_size=8), st.just("가" * 340), st.just("a" * 990), st.none(), st.booleans(), st.integers(), st.floats(), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["text", "a"]), st.text(max_size=2), max_size=2),
)  # fmt: skip
RECORDS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(["id", "text", "lang", "n", "한"]), VALUES),
        st.sampled_from(["ko", "en", "xx"]),
        st.booleans(),
        st.sampled_from([(",", ":"), (" ,\t", " : ")]),
    ),
    max_size=6,
)
ODD = [
    b'{"text":"a","lang":"ko","id":"1","n":%s}' % value
    for value in (
        b"1", b"-0", b"0.5", b"123456789012345", b"1234567890123456789012", b"1e5", b"01", b"1.", b".5", b"-", b"NaN", b"tru", b"true",
        b"nulll", b"[1,]", b'"\\x"', b'"\\u12g4"', b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\\ude00"', b'"\t"', b'"\xff"', b'"\xed\xa0\x80"',
        b'"', b"", b'{"text":"b"}',
    )
] + [
    b"", b" \r", b"{}", b"[]", b"null", b'{"text":"a"', b'{"text":"a","lang":"ko","id":"1"}}', b'{"text":"a","lang":"ko","id":"1",}',
    b'{"text":"a" "lang":"ko","id":"1"}', b'{"text":"a","text":"b","lang":"ko","id":"1"}', b'{"text":"a","t\\u0065xt":"b","lang":"ko","id":"1"}',
    b'{"text":"a","lang":"ko","id":""}', b'{"text":"\\u0000\\/\\b\\f\\n\\r\\t\\"\\\\","lang":"ko","id":"1"} \t\r', b'\xef\xbb\xbf{"text":"a","lang":"ko"}',
]  # fmt: skip
ODD += [
    b'{"id":%s,"text":"a","lang":"ko"}' % value
    for value in (b"0", b"-0", b"-12", b"1.0", b"-0.5", b"123456789012345678", b"1e2", b"true", b"false", b"null", b"[1]", b'""', b'"-0"', b"-", b"01")
] + [b'{"id":1,"text":"a","lang":"ko","id":2}', b'{"id":null,"text":"a","lang":"ko","id":"2"}', b'{"lang":"ko","text":"a"}']  # fmt: skip


def one_by_one(path, item, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(json_lines, "has_simple_fields", lambda item: False)
        return read(path, item)


@settings(max_examples=150, deadline=None)
@given(
    RECORDS, st.lists(st.sampled_from(ODD), max_size=4), st.sampled_from(["record", "detect"]), st.randoms()
)
def test_lines_in_columns_equal_lines_one_by_one(tmp_path_factory, records, odd, lang, random):
    lines = [
        json.dumps({"lang": own, **record}, ensure_ascii=ascii_only, separators=separators).encode("utf-8", "surrogatepass")
        for record, own, ascii_only, separators in records
    ]  # fmt: skip
    lines += odd
    random.shuffle(lines)
    path = tmp_path_factory.getbasetemp() / "lines.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    item = JsonlInput(type="jsonl", paths=["x"], lang=lang, max_record_bytes=1024)
    with pytest.MonkeyPatch.context() as patched:
        expected = one_by_one(path, item, patched)
    assert read(path, item) == expected


@pytest.mark.parametrize("line", ODD)
def test_simple_lines_equal_the_result_of_a_parser(line):
    item = JsonlInput(type="jsonl", paths=["x"], lang="detect")
    block = columns(item).read(line + b"\n", 1)
    if block is not None and block.simple[0]:
        assert tuple(block.documents.to_pylist()[0].values()) == fields_of(item).row(orjson.loads(line), 1)


def columns(item):
    return JsonColumns(item, fields_of(item), 1 << 20)


def fields_of(item):
    return json_lines.Fields(item, "s", "x", 1, 1 << 20)


def test_an_identity_may_be_missing_or_a_number():
    item = JsonlInput(type="jsonl", paths=["x"], lang="ko")
    lines = [
        b'{"text":"a"}',
        b'{"id":-7,"text":"b"}',
        b'{"text":"c","id":""}',
        b'{"id":null,"text":"d"}',
        b'{"id":1.5,"text":"e"}',
    ]
    block = columns(item).read(b"\n".join(lines) + b"\n", 3)
    assert block is not None and block.simple.all()
    assert block.documents["id"].to_pylist() == ["x:3", "-7", "x:5", "x:6", "x:7"]


def test_ordinary_records_are_simple():
    item = JsonlInput(type="jsonl", paths=["x"])
    texts = ['두루미가 "철원"에\n\\ 왔다 😀', "", "\x00/"]
    records = [
        {"n": 1.5, "id": f"{i}", "text": text, "lang": "ko", "b": None, "u": "x"}
        for i, text in enumerate(texts)
    ]
    lines = [json.dumps(record, ensure_ascii=i % 2 == 0) for i, record in enumerate(records * 2)]
    block = columns(item).read("".join(f" {line}\r\n" for line in lines).encode(), 7)
    assert block is not None and block.simple.all()
    assert block.documents["text"].to_pylist() == texts * 2
    assert json.loads(block.documents["meta"][5].as_py()) == {"file": "x", "line": 12}


@pytest.mark.parametrize(
    "option", [{"templates": ["{a}"]}, {"meta_fields": ["url"]}, {"text_field": "a.b"}, {"id_field": "text"}]
)
def test_inputs_with_more_than_three_fields_are_read_one_by_one(option):
    assert not has_simple_fields(JsonlInput(type="jsonl", paths=["x"], **option))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=4), st.text(max_size=3).map(str.encode)), max_size=5).map(b"".join)
)
@example(b"\xed\x9f\xbf")
@example(b"\xed\xa0\x80")
@example(b"\xf4\x8f\xbf\xbf")
@example(b"\xf4\x90\x80\x80")
@example(b"\xe0\x9f\xbf")
@example(b"\xf0\x8f\xbf\xbf")
@example(b"\xc1\xbf")
@example(b"\xec\x95")
def test_utf_8_is_valid_when_python_decodes_it(data):
    try:
        data.decode("utf-8")
        valid = True
    except UnicodeDecodeError:
        valid = False
    assert is_utf8(np.frombuffer(data + b"\n", np.uint8)) == valid
    assert is_utf8(np.frombuffer("가\n".encode() + data + "\n가\n".encode(), np.uint8)) == valid


@pytest.mark.parametrize("rows, size", [(3, 1 << 20), (100, 40), (2, 15)])
def test_batches_of_columns_equal_batches_of_rows(tmp_path, monkeypatch, rows, size):
    monkeypatch.setattr(batches, "BATCH_ROWS", rows)
    monkeypatch.setattr(batches, "BATCH_BYTES", size)
    path = tmp_path / "x.jsonl"
    texts = ["가나다", "abc", "", "가" * 20, "x" * 50, "라", "mn", "가나"]
    path.write_text(
        "".join(
            json.dumps({"id": f"{i}", "text": t, "n": [] if i % 3 == 0 else 1}) + "\n"
            for i, t in enumerate(texts)
        )
    )
    item = JsonlInput(type="jsonl", paths=["x"], lang="ko")
    sizes = [batch.num_rows for batch in batches_of(path, item)]
    with monkeypatch.context() as patched:
        patched.setattr(json_lines, "has_simple_fields", lambda item: False)
        assert sizes == [batch.num_rows for batch in batches_of(path, item)]
    assert sum(sizes) == len(texts) and len(sizes) > 1


def batches_of(path, item):
    from preprocessing.readers.reading import read_unit
    from tests.preprocessing.units import unit

    read_batches = list(read_unit(unit(path), item, pytest.fail, 1))
    assert all(batch.schema == documents.DOCUMENT for batch in read_batches)
    return read_batches


@settings(deadline=None)
@given(st.lists(st.binary(max_size=90), max_size=5))
def test_feeds_are_found_at_any_distance(lines):
    block = b"\n".join(lines)
    found = find_feeds(np.frombuffer(block, np.uint8)) if block else []
    assert list(found) == [n for n, byte in enumerate(block) if byte == 10]
