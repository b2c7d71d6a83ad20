"""Inputs: bad records are set aside with their bytes, and the run goes on."""

import gzip
import json
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest

from preprocessing.files_found import Unit, expand_braces, find_files, standard_library
from preprocessing.records import BadRecord, raw_bytes, read_unit
from preprocessing.schema import JsonlInput, StdlibInput, TextInput

GOOD = '{"id": "a", "text": "안녕", "lang": "ko"}'.encode()
LINES = [
    (b"\xef\xbb\xbf" + GOOD, None),
    (b'{"id": "b", "text": "cut', "not JSON"),
    ('{"id": "c", "text": "깨진 '.encode() + b'\xff\xfe", "lang": "ko"}', "not UTF-8"),
    (b'{"id": "d", "lang": "ko"}', "'text' is missing"),
    (b'{"id": "e", "text": 5, "lang": "ko"}', "not text but int"),
    (b"[1, 2]", "not a JSON object"),
    (b'{"text": "x", "lang": "fr"}', "'fr' is none of"),
    (b'{"text": "\\ud800", "lang": "en"}', "not JSON"),
    (b"   ", None),
    (b'{"text": "last", "lang": "en"}', None),
]


def unit(path, name="in"):
    return Unit(name, name, (path,), (str(path),))


def read(path, item):
    bad = []
    rows = [row for batch in read_unit(unit(path), item, bad.append, 1) for row in batch.to_pylist()]
    return rows, bad


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_every_bad_line_is_named_and_its_bytes_come_back(tmp_path, suffix):
    path = tmp_path / f"x.jsonl{suffix}"
    data = b"\n".join(line for line, _ in LINES)
    packed = {"": data, ".gz": gzip.compress(data), ".zst": bytes(pa.compress(data, "zstd", asbytes=True))}
    path.write_bytes(packed[suffix])
    rows, bad = read(path, JsonlInput(type="jsonl", paths=["x"]))
    assert [row["text"] for row in rows] == ["안녕", "last"]
    assert rows[1]["id"] == f"{path}:10"
    expected = [(i + 1, cause, line) for i, (line, cause) in enumerate(LINES) if cause]
    assert len(bad) == len(expected)
    for found, (line, cause, raw) in zip(bad, expected):
        entry = json.loads(found.to_line())
        assert entry["line"] == line
        assert cause in entry["cause"]
        assert raw_bytes(entry["raw"]) == raw


def test_any_bytes_come_back_from_quarantine():
    raw = bytes(range(256)) + "한글 \\x41 \\\\".encode()
    assert raw_bytes(json.loads(BadRecord("f", 1, "c", raw).to_line())["raw"]) == raw


def test_a_damaged_stream_is_one_bad_record(tmp_path):
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress((GOOD + b"\n") * 50_000)[:-2000])
    rows, bad = read(path, JsonlInput(type="jsonl", paths=["x"]))
    assert len(bad) == 1
    assert rows
    assert "damaged" in bad[0].cause


def test_templates_join_fields_in_a_direction_chosen_by_the_id(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(
        "".join(json.dumps({"id": i, "ko": f"한{i}", "en": f"{{ko}}{i}"}) + "\n" for i in range(40)), "utf-8"
    )
    item = JsonlInput(type="jsonl", paths=["x"], lang="mixed", templates=["{ko}\n{en}", "{en}\n{ko}"])
    texts = [row["text"] for row in read(path, item)[0]]
    assert texts == [row["text"] for row in read(path, item)[0]]
    first = sum(text.startswith("한") for text in texts)
    assert 5 < first < 35
    assert set(texts[7].split("\n")) == {"한7", "{ko}7"}


def test_plain_files_are_documents_and_undecodable_ones_are_set_aside(tmp_path):
    (tmp_path / "a.py").write_bytes("# -*- coding: euc-kr -*-\n# 한글\n".encode("euc-kr"))
    (tmp_path / "b.py").write_bytes(b"x = '\xff'\n")
    (tmp_path / "c.txt").write_bytes("\ufeff글".encode())
    bad = []
    for name in "a.py", "b.py", "c.txt":
        item = TextInput(type="text", paths=["x"], lang="code")
        rows = [
            row
            for batch in read_unit(unit(tmp_path / name), item, bad.append, 1)
            for row in batch.to_pylist()
        ]
        expected = {"a.py": ["# -*- coding: euc-kr -*-\n# 한글\n"], "b.py": [], "c.txt": ["글"]}[name]
        assert [row["text"] for row in rows] == expected
    assert [Path(b.file).name for b in bad] == ["b.py"]


def test_patterns(tmp_path):
    for name in "a.txt", "b.md", "sub/c.txt", "d.bin":
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert expand_braces("a.{b,c}{d,e}") == ["a.bd", "a.be", "a.cd", "a.ce"]
    found, missing = find_files([f"{tmp_path}/**/*.{{txt,md}}", f"{tmp_path}/*.csv", f"{tmp_path}/a.txt"])
    assert [f.name for f in found] == ["a.txt", "b.md", "c.txt"]
    assert missing == [f"{tmp_path}/*.csv"]


def test_standard_library_is_chosen_by_the_seed_and_holds_no_tests():
    first = standard_library(300_000, 1)
    assert first == standard_library(300_000, 1) != standard_library(300_000, 2)
    assert 200_000 < sum(f.stat().st_size for f in first) <= 300_000
    assert not [
        f
        for f in standard_library(1 << 30, 1)
        if {"test", "tests", "site-packages", "idlelib"} & set(f.parts)
    ]
    item = StdlibInput(type="python_stdlib")
    batch = next(read_unit(Unit("p", "p", tuple(first), tuple(map(str, first))), item, print, 1))
    assert set(batch["lang"].to_pylist()) == {"code"}


def test_help_is_light():
    code = (
        "import sys; from preprocessing.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "bad = {'torch', 'megatron.core', 'transformers', 'pyarrow', 'numba', 'numpy', 'sentencepiece'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    import sys

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name in (
        "inputs.NAME.templates",
        "domains.NAME.share",
        "clean.ko.min_hangul_ratio",
        "tokenizer.vocab_size",
    ):
        assert name in shown
