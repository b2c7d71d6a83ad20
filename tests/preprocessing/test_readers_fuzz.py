"""Damaged files of every format: reading never raises, and everything unreadable is reported."""

import bz2
import functools
import gzip
import json
import lzma
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preprocessing.config.inputs import (
    CsvInput,
    HtmlInput,
    HuggingfaceInput,
    JsonInput,
    JsonlInput,
    ParquetInput,
    TextInput,
    WarcInput,
    WikiDumpInput,
)
from tests.preprocessing.test_readers_files import HTML, RECORDS
from tests.preprocessing.test_readers_markup import PAGES, page
from tests.preprocessing.units import read

LINES = [
    json.dumps({"id": i, "text": f"글 {i} " * (i % 7), "lang": "ko", "n": {"a": [i, None, 1e9]}}).encode()
    for i in range(40)
]
JSONL = b"\r\n".join(LINES)
TABLE = pa.table({"text": [f"문서 {i} " * (i % 5) for i in range(60)], "id": list(range(60))})


NESTED = json.dumps(
    {"document": [{"id": f"{i}", "paragraph": [{"form": f"글 {i}"}, {"form": "나"}]} for i in range(20)]}
).encode()
SEPARATED = "".join(["번호,text\r\n", *(f'{i},"글 {i}, ""나""\n다"\r\n' for i in range(30))]).encode()


def zstd(data):
    return bytes(pa.compress(data, "zstd", asbytes=True))


def parquet():
    out = pa.BufferOutputStream()
    pq.write_table(TABLE, out, row_group_size=20, compression="zstd")
    return out.getvalue().to_pybytes()


def arrow():
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=20)
    return out.getvalue().to_pybytes()


def records(**options):
    return JsonlInput(type="jsonl", paths=["x"], max_record_bytes=1024, **options)


DUMP = "".join([*PAGES[:7], page(11, "{| \n| a || b\n|}\n[[x|y]] {{lang|en|z}}")]).encode()
WARC = b"".join(one for one, _ in RECORDS[:9])
# name: (suffix, content, input, documents of the whole file)
FORMATS = {
    "jsonl": (".jsonl", JSONL, records(), 40),
    "jsonl.gz": (".jsonl.gz", gzip.compress(JSONL), records(), 40),
    "jsonl.zst": (".jsonl.zst", zstd(JSONL[:1000]) + zstd(JSONL[1000:]), records(), 40),
    "jsonl.bz2": (".jsonl.bz2", bz2.compress(JSONL), records(), 40),
    "jsonl.xz": (".jsonl.xz", lzma.compress(JSONL), records(), 40),
    "json": (".json", NESTED, JsonInput(type="json", paths=["x"], lang="ko", records="document[]", text_field="paragraph[].form"), 20),
    "json.gz": (".json.gz", gzip.compress(b"[" + b",".join(LINES) + b"]"), JsonInput(type="json", paths=["x"], max_file_bytes=65536), 40),
    "csv": (".csv", SEPARATED, CsvInput(type="csv", paths=["x"], lang="ko", max_record_bytes=1024), 30),
    "tsv": (".tsv", SEPARATED.replace(b",", b"\t"), CsvInput(type="csv", paths=["x"], lang="ko", quote='"', encoding="auto"), 30),
    "csv.gz": (".csv.gz", gzip.compress(SEPARATED), CsvInput(type="csv", paths=["x"], lang="ko"), 30),
    "parquet": (".parquet", parquet(), ParquetInput(type="parquet", paths=["x"], lang="ko"), 60),
    "arrow": (".arrow", arrow(), HuggingfaceInput(type="huggingface", path="x", lang="ko"), 60),
    "dump": (".xml", DUMP, WikiDumpInput(type="wiki_dump", paths=["x"], lang="ko"), 3),
    "dump.bz2": (".xml.bz2", bz2.compress(DUMP), WikiDumpInput(type="wiki_dump", paths=["x"], lang="ko"), 3),
    "warc": (".warc", WARC, WarcInput(type="warc", paths=["x"]), 6),
    "warc.gz": (".warc.gz", gzip.compress(WARC), WarcInput(type="warc", paths=["x"]), 6),
    "html": (".html", HTML, HtmlInput(type="html", paths=["x"]), 1),
    "text": (".txt", "글\n".encode() * 20, TextInput(type="text", paths=["x"], lang="ko"), 1),
    "asciidoc": (".adoc", "= 가\n\n----\nb\n----\n\n|===\n|c\n|===\n".encode(), TextInput(type="text", paths=["x"], lang="ko"), 1),
    "notebook": (".ipynb", b'{"cells":[{"cell_type":"code","source":["a"],"outputs":[{}]},{"source":"b"}],"metadata":{}}', TextInput(type="text", paths=["x"], lang="ko"), 1),
    "namu": (".namu", "== 가 ==\n||나||[[다]]||\n{{{#!wiki a\n라}}}[* 마]\n".encode(), TextInput(type="text", paths=["x"], lang="ko"), 1),
    "org": (".org", "* 가\n#+begin_src c\nb\n#+end_src\n| c |\n:A:\n:END:\n".encode(), TextInput(type="text", paths=["x"], lang="ko"), 1),
    "po": (".po", 'msgid "a"\nmsgstr "가\\n"\n"나"\n'.encode(), TextInput(type="text", paths=["x"], lang="ko"), 1),
    "rst": (".rst", "가\n==\n\n.. note:: a\n\n::\n\n  b\n".encode(), TextInput(type="text", paths=["x"], lang="ko"), 1),
    "tex": (".tex", "\\section{가} $x$ \\begin{align}a\\end{align}".encode(), TextInput(type="text", paths=["x"], lang="ko"), 1),
}  # fmt: skip

CHANGE = st.tuples(
    st.sampled_from(("set", "cut", "insert", "end", "repeat", "flip")),
    st.floats(0, 1),
    st.floats(0, 1),
    st.binary(max_size=8),
)


def damage(data, changes):
    """The content with bytes overwritten, removed, added, repeated, or the end cut off."""
    for change, where, size, put in changes:
        at = int(where * len(data))
        length = max(1, int(size * size * size * len(data)))
        if change == "set":
            data = data[:at] + put + data[at + len(put) :]
        elif change == "cut":
            data = data[:at] + data[at + length :]
        elif change == "insert":
            data = data[:at] + put + data[at:]
        elif change == "end":
            data = data[:at]
        elif change == "repeat":
            data = data[:at] + data[at : at + length] + data[at:]
        elif data:
            at = min(at, len(data) - 1)
            data = data[:at] + bytes([data[at] ^ 1 << length % 8]) + data[at + 1 :]
    return data


@functools.cache
def folder(base):
    path = Path(base) / "fuzz"
    path.mkdir(exist_ok=True)
    return path


def check(base, name, data):
    suffix, whole, item, documents = FORMATS[name]
    if isinstance(item, (WarcInput, HtmlInput)):
        pytest.importorskip("resiliparse")
    path = folder(base) / f"x{suffix}"
    path.write_bytes(data)
    rows, bad = read(path, item)
    for one in bad:
        assert one.cause and one.rule and json.loads(one.to_line())["cause"] == one.cause
    for row in rows:
        row["text"].encode("utf-8")
        assert json.loads(row["meta"])["file"]
    if name == "jsonl" and not any(one.line == 0 for one in bad):  # as another format
        lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        assert len(rows) + len(bad) == sum(bool(line.strip()) for line in lines) or not data
        assert len({json.loads(row["meta"])["line"] for row in rows} | {b.line for b in bad}) == len(
            rows
        ) + len(bad)
    # damage may turn a tag into anything, and a table may end with any row
    elif name not in ("dump", "dump.bz2", "warc", "warc.gz", "json", "csv", "tsv"):
        assert len(rows) >= documents or bad or len(data) > len(whole)
    else:
        assert rows or bad or data.count(b"\n") < 2


def fuzz(examples):
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.function_scoped_fixture,
        ],
    )


@pytest.mark.parametrize("name", FORMATS)
def test_the_whole_file_is_read(tmp_path_factory, name):
    suffix, whole, item, documents = FORMATS[name]
    if isinstance(item, (WarcInput, HtmlInput)):
        pytest.importorskip("resiliparse")
    path = folder(tmp_path_factory.getbasetemp()) / f"whole{suffix}"
    path.write_bytes(whole)
    assert len(read(path, item)[0]) == documents


@pytest.mark.parametrize("name", FORMATS)
@fuzz(100)
@given(changes=st.lists(CHANGE, min_size=1, max_size=4))
def test_damaged_files(tmp_path_factory, name, changes):
    check(tmp_path_factory.getbasetemp(), name, damage(FORMATS[name][1], changes))


@pytest.mark.parametrize("name", FORMATS)
@fuzz(50)
@given(data=st.binary(max_size=300))
def test_random_bytes(tmp_path_factory, name, data):
    check(tmp_path_factory.getbasetemp(), name, data)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
@fuzz(7000)
@given(changes=st.lists(CHANGE, min_size=1, max_size=8))
def test_many_damaged_files(tmp_path_factory, name, changes):
    check(tmp_path_factory.getbasetemp(), name, damage(FORMATS[name][1], changes))
