"""Text files, source trees, HTML pages, web archives."""

import gzip
import json
import os
import zlib

import pytest
from pydantic import ValidationError

from megatron_ko.errors import DataError
from preprocessing.config.inputs import HtmlInput, SourceTreeInput, TextInput, WarcInput
from preprocessing.readers import input_hashes
from preprocessing.readers.bad_records import RecordError
from preprocessing.readers.source_trees import find_license_file, find_tree_files
from preprocessing.readers.web_pages import convert_page, decode_page
from tests.preprocessing.units import read, read_units, units_of

PAGE = """<!DOCTYPE html><html><head><title>봄 나물 &amp; 밥</title>{meta}<script>var x = 1;</script></head><body>
<nav><ul><li><a href="/">첫 화면</a></li><li><a href="/b">게시판</a></li></ul></nav>
<main><article><h1>봄 나물</h1><p>냉이는 이른 봄에 캐서 된장국에 넣으면 향이 좋다. 뿌리째 캐어 흙을 깨끗이 씻는다.</p>
<p>달래는 간장에 무쳐 밥에 비벼 먹는다. 어린 잎은 생으로 먹고, 굵은 것은 전으로 부친다.</p>
<ul><li>냉이</li><li>달래</li></ul></article></main><footer>Copyright</footer></body></html>"""


def test_unreadable_inputs_are_errors(tmp_path, monkeypatch):
    """Patched, because permissions do not bind the user root, who may run the tests."""
    (tmp_path / "a.py").write_text("x = 1\n")

    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", refuse)
        with pytest.raises(DataError) as caught:
            find_tree_files(tmp_path, SourceTreeInput(type="source_tree", roots=[str(tmp_path)]))
    assert caught.value.rule == "unreadable-folder"
    assert str(tmp_path) in str(caught.value) and "leave_out" in str(caught.value)
    monkeypatch.setattr(input_hashes, "open", refuse, raising=False)
    with pytest.raises(DataError) as caught:
        input_hashes.InputHashes().of(tmp_path / "a.py")
    assert caught.value.rule == "unreadable-file" and str(tmp_path / "a.py") in str(caught.value)


def test_source_trees_record_path_root_and_the_nearest_license(tmp_path):
    files = {
        "repo/LICENSE": "top", "repo/NOTICE": "n", "repo/src/main.py": "print(1)\n", "repo/src/lib/COPYING.txt": "inner",
        "repo/src/lib/a.c": "int a;\n", "repo/README": "none", "repo/.git/x.py": "hidden", "repo/node_modules/y.js": "left",
        "repo/Makefile": "all:\n", "repo/bin.dat": "no source", "bare/a.go": "package a\n",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "repo/link.py").symlink_to(tmp_path / "repo/src/main.py")
    (tmp_path / "repo/loop").symlink_to(tmp_path / "repo")
    item = SourceTreeInput(type="source_tree", roots=[f"{tmp_path}/{{repo,bare}}"], source="git")
    units = units_of(item)
    rows, bad = read_units(units, item)
    root = str(tmp_path / "repo")
    assert [u.name for u in units] == ["in-00000-files", "in-00001-files"]
    assert [str(path.relative_to(root)) for path in units[1].watched] == ["LICENSE", "src/lib/COPYING.txt"]
    metas = [json.loads(row["meta"]) for row in rows]
    assert not bad
    names = ["bare/a.go", "repo/Makefile", "repo/src/lib/a.c", "repo/src/main.py"]
    assert [row["id"] for row in rows] == [f"{tmp_path}/{name}" for name in names]
    assert [meta.get("license_file") for meta in metas] == [None, "LICENSE", "src/lib/COPYING.txt", "LICENSE"]
    assert metas[2] == {
        "file": f"{root}/src/lib/a.c", "path": "src/lib/a.c", "root": root, "license_file": "src/lib/COPYING.txt"
    }  # fmt: skip
    assert {row["lang"] for row in rows} == {"code"}
    (tmp_path / "bare/README.md").write_text("# 설명\n")
    rows, _ = read_units(units_of(item), item)
    assert {row["id"].rsplit("/")[-1]: row["lang"] for row in rows}.items() >= {
        ("README.md", ""),
        ("a.go", "code"),
    }
    assert find_license_file(tmp_path / "bare", "a.go") is None
    only = SourceTreeInput(type="source_tree", roots=[root], suffixes=[".c"], max_record_bytes=1024)
    (tmp_path / "repo/big.c").write_text("x" * 1025)
    rows, bad = read_units(units_of(only), only)
    assert [json.loads(row["meta"])["path"] for row in rows] == ["src/lib/a.c"]
    assert [(b.file, b.size, b.rule) for b in bad] == [(f"{root}/big.c", 1025, "too-long")]


def test_names_that_are_not_utf_8_are_escaped(tmp_path):
    name = os.fsdecode("가나.py".encode("cp949"))
    (tmp_path / name).write_text("x = 1\n")
    (tmp_path / os.fsdecode(b"\xff.txt")).write_bytes(b"\xff")
    item = SourceTreeInput(type="source_tree", roots=[str(tmp_path)], suffixes=[".py", ".txt"], source="git")
    rows, bad = read_units(units_of(item), item)
    escaped = "\\xb0\\xa1\\xb3\\xaa.py"
    assert rows[0]["id"] == f"{tmp_path}/{escaped}"
    assert json.loads(rows[0]["meta"])["path"] == escaped
    assert json.loads(bad[0].to_line())["file"] == f"{tmp_path}/\\xff.txt"


def test_the_encoding_of_text_files_is_configured(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("똠방각하의 글".encode("cp949"))
    item = TextInput(type="text", paths=["x"], lang="ko")
    assert [one.rule for one in read(path, item)[1]] == ["is-cp949"]
    item = TextInput(type="text", paths=["x"], lang="ko", encoding="cp949")
    assert read(path, item)[0][0]["text"] == "똠방각하의 글"
    with pytest.raises(ValidationError):
        TextInput(type="text", paths=["x"], lang="ko", encoding="no such")


def test_the_suffix_of_a_text_file_determines_its_markup(tmp_path):
    (tmp_path / "a.tex").write_text("\\section{하나}\n글 % 주석\n")
    (tmp_path / "a.rst").write_text("하나\n====\n\n글::\n\n  code\n")
    auto = TextInput(type="text", paths=["x"], lang="ko")
    off = TextInput(type="text", paths=["x"], lang="ko", markup="none")
    assert read(tmp_path / "a.tex", auto)[0][0]["text"] == "## 하나\n\n글"
    (tmp_path / "b.rst.txt").write_bytes((tmp_path / "a.rst").read_bytes())
    for name in ("a.rst", "b.rst.txt"):
        assert read(tmp_path / name, auto)[0][0]["text"] == "# 하나\n\n글:\n\n```\ncode\n```"
    assert "% 주석" in read(tmp_path / "a.tex", off)[0][0]["text"]


@pytest.mark.parametrize("extractor", ["blocks", "resiliparse", "trafilatura"])
def test_the_main_content_of_a_page_is_kept(extractor):
    pytest.importorskip("resiliparse" if extractor == "blocks" else extractor)
    text, title = convert_page(PAGE.format(meta="").encode(), None, extractor)
    assert title == "봄 나물 & 밥"
    assert "냉이는 이른 봄에" in text and "# 봄 나물" in text
    assert "게시판" not in text and "var x" not in text and "Copyright" not in text
    whole, _ = convert_page(PAGE.format(meta="").encode(), None, None)
    assert "게시판" in whole and "var x" not in whole


@pytest.mark.parametrize(
    "encoded, charset, meta",
    [
        ("cp949", "euc-kr", ""),
        ("cp949", None, '<meta charset="EUC-KR">'),
        ("cp949", None, '<meta http-equiv="Content-Type" content="text/html; charset=ks_c_5601-1987">'),
        ("utf-8", "euc-kr", ""),
        ("utf-8", None, '<meta charset="iso-8859-1">'),
        ("cp949", "iso-8859-1", ""),
        ("cp1252", "iso-8859-1", ""),
        ("utf-8-sig", None, ""),
        ("utf-16", None, ""),
        ("iso2022_kr", "iso-2022-kr", ""),
        ("cp949", "no such charset", '<meta charset="windows-949">'),
    ],
)
def test_character_sets(encoded, charset, meta):
    page = PAGE.format(meta=meta) + "똠방각하" * (encoded != "iso2022_kr")
    if encoded == "cp1252":
        page = "<p>Déjà vu, naïve cafés à la crème — “où”</p>"
    assert decode_page(page.encode(encoded), charset) == page


def test_an_undeclared_character_set_is_detected():
    pytest.importorskip("resiliparse")
    page = PAGE.format(meta="")
    assert decode_page(page.encode("cp949"), None) == page


def test_a_few_broken_characters_are_replaced_and_many_refused():
    page = PAGE.format(meta="") * 20
    raw = page.encode("cp949") + b"\xff"
    assert decode_page(raw, "euc-kr").count("\ufffd") == 1
    with pytest.raises(RecordError) as caught:
        decode_page(b"\x81\x00" * 500 + b"\xff" * 100, "euc-kr")
    assert caught.value.rule == "not-decodable" and "cp949" in str(caught.value)


def test_html_files(tmp_path):
    pytest.importorskip("resiliparse")
    path = tmp_path / "a.html"
    path.write_text(PAGE.format(meta=""), "utf-8")
    rows, _ = read(path, HtmlInput(type="html", paths=["x"]))
    assert rows[0]["lang"] == "" and json.loads(rows[0]["meta"])["title"] == "봄 나물 & 밥"
    numbers = "<p>5.97×10<sup>24</sup>kg 의 <ruby>地球<rt>지구</rt></ruby>는 O(n<sup>2</sup>)</p>"
    path.write_text(PAGE.format(meta="").replace("<ul>", numbers + "<ul>"), "utf-8")
    assert (
        "5.97×10^24kg 의 地球(지구)는 O(n^2)" in read(path, HtmlInput(type="html", paths=["x"]))[0][0]["text"]
    )
    path.write_text("<html><body></body></html>", "utf-8")
    assert [one.rule for one in read(path, HtmlInput(type="html", paths=["x"]))[1]] == ["no-text"]


# --- web archives ----------------------------------------------------------------------------------------


def record(body, *, kind="response", uri="http://x.kr/", content="text/html", status=200, http="", number=1):
    payload = f"HTTP/1.1 {status} OK\r\nContent-Type: {content}\r\n{http}\r\n".encode() + body
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {uri}\r\nWARC-Date: 2024-03-15T00:00:00Z\r\n"
        f"WARC-Record-ID: <urn:uuid:{number}>\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload + b"\r\n\r\n"


def chunked(data, size=50):
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


HTML = PAGE.format(meta="").encode()
RECORDS = [
    (record(b"", kind="warcinfo"), None),
    (record(HTML, number=2), True),
    (record(HTML, status=404), None),
    (record(b"%PDF", content="application/pdf"), None),
    (record(chunked(HTML), http="Transfer-Encoding: chunked\r\n", number=5), True),
    (record(gzip.compress(HTML), http="Content-Encoding: gzip\r\n", number=6), True),
    (record(zlib.compress(HTML), http="Content-Encoding: deflate\r\n", number=7), True),
    (record(HTML, http="Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", number=8), True),
    (record(PAGE.format(meta="").encode("cp949"), content="text/html; charset=EUC-KR", number=9), True),
    (record(b"<html></html>"), False),
    (record(b"\x1f\x8bbroken", http="Content-Encoding: gzip\r\n"), False),
    (record(b"<p>" + b"x" * 20_000), False),
]


@pytest.mark.parametrize("packed", [False, True])
def test_pages_of_a_web_archive(tmp_path, packed):
    pytest.importorskip("resiliparse")
    path = tmp_path / ("x.warc.gz" if packed else "x.warc")
    members = [gzip.compress(one) if packed else one for one, _ in RECORDS]
    path.write_bytes(b"".join(members))
    item = WarcInput(type="warc", paths=["x"], max_record_bytes=16_000)
    rows, bad = read(path, item)
    wanted = [i + 1 for i, (_, good) in enumerate(RECORDS) if good]
    assert [row["id"] for row in rows] == [f"urn:uuid:{i}" for i in wanted]
    assert {row["text"] for row in rows} == {rows[0]["text"]} and "냉이" in rows[0]["text"]
    assert json.loads(rows[0]["meta"]) == {
        "file": str(path), "line": 2, "url": "http://x.kr/", "date": "2024-03-15T00:00:00Z", "title": "봄 나물 & 밥"
    }  # fmt: skip
    assert [(b.line, b.rule) for b in bad] == [
        (10, "no-text"),
        (11, "damaged-encoding"),
        (12, "too-long"),
        (0, "left-out"),
    ]
    assert "16,000" in bad[2].cause
    assert [b.is_mistake for b in bad] == [True, True, True, False]
    assert all(value in bad[3].cause for value in ("warcinfo", "HTML", "404"))


def test_after_damage_reading_continues_at_the_next_record(tmp_path):
    pytest.importorskip("resiliparse")
    path = tmp_path / "x.warc"
    wrong = record(HTML).replace(b"Content-Length: ", b"Content-Length: x")
    path.write_bytes(
        b"garbage\n" * 3 + record(HTML, number=1) + wrong + record(HTML, number=2) + record(HTML)[:-500]
    )
    rows, bad = read(path, WarcInput(type="warc", paths=["x"]))
    assert [row["id"] for row in rows] == ["urn:uuid:1", "urn:uuid:2"]
    assert [b.rule for b in bad] == ["no-record", "wrong-length", "truncated-record"]
    assert "byte 0" in bad[0].cause and "24 bytes" in bad[0].cause
