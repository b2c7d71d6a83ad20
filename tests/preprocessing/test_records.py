"""Inputs: bad records are quarantined with their bytes, and the run continues."""

import bz2
import gzip
import json
import lzma
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from megatron_ko.errors import DataError
from preprocessing.config.inputs import JsonlInput, SourceTreeInput, StdlibInput, TextInput
from preprocessing.readers.input_units import Unit, expand_braces, find_files, standard_library
from preprocessing.readers.reading import BadRecord, raw_bytes, read_unit
from tests.preprocessing.units import read, unit, units_of

GOOD = '{"id": "a", "text": "안녕", "lang": "ko"}'.encode()
LINES = [
    (b"\xef\xbb\xbf" + GOOD, None),
    (b'{"id": "b", "text": "cut', "not-json"),
    ('{"id": "c", "text": "깨진 '.encode() + b'\xff\xfe", "lang": "ko"}', "not-utf8"),
    (b'{"id": "d", "lang": "ko"}', "missing-field"),
    (b'{"id": "e", "text": 5, "lang": "ko"}', "not-text"),
    (b"[1, 2]", "not-an-object"),
    (b'{"text": "x", "lang": "fr"}', "unknown-language"),
    (b'{"text": "\\ud800", "lang": "en"}', "not-json"),
    (b"   ", None),
    (b'{"text": "last", "lang": "en"}', None),
]


PACKED = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": lambda data: bytes(pa.compress(data, "zstd", asbytes=True)),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


@pytest.mark.parametrize("suffix", PACKED)
def test_every_bad_line_is_reported_with_its_bytes(tmp_path, suffix):
    path = tmp_path / f"x.jsonl{suffix}"
    data = b"\n".join(line for line, _ in LINES)
    path.write_bytes(PACKED[suffix](data))
    rows, bad = read(path, JsonlInput(type="jsonl", paths=["x"]))
    assert [row["text"] for row in rows] == ["안녕", "last"]
    assert rows[1]["id"] == f"{path}:10"
    expected = [(i + 1, rule, line) for i, (line, rule) in enumerate(LINES) if rule]
    entries = [json.loads(one.to_line()) for one in bad]
    assert [(e["line"], one.rule, raw_bytes(e["raw"])) for e, one in zip(entries, bad)] == expected
    assert [e["cause"] for e in entries] == [one.cause for one in bad]
    assert "'text'" in bad[2].cause and "a number" in bad[3].cause and "'fr'" in bad[5].cause


def test_any_bytes_survive_quarantine():
    raw = bytes(range(256)) + "한글 \\x41 \\\\".encode()
    assert raw_bytes(json.loads(BadRecord("f", 1, "c", raw).to_line())["raw"]) == raw


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".bz2", ".xz"])
def test_a_truncated_stream_yields_every_whole_line_and_one_bad_record(tmp_path, suffix):
    lines = [
        json.dumps({"id": f"n{i}", "text": f"글 {i * 7919 % 9973}", "lang": "ko"}).encode()
        for i in range(45_000)
    ]
    packed = PACKED[suffix](b"\n".join(lines))
    path = tmp_path / f"x.jsonl{suffix}"
    path.write_bytes(packed[: len(packed) * 2 // 3])
    rows, bad = read(path, JsonlInput(type="jsonl", paths=["x"]))
    assert [row["id"] for row in rows] == [f"n{i}" for i in range(len(rows))]
    assert [(one.line, one.rule) for one in bad] == [(len(rows) + 1, "damaged-file")]
    # all readable bytes are used: the beginning of the next line follows the whole lines
    assert lines[len(rows)].startswith(bad[0].raw)
    read_bytes = sum(len(line) + 1 for line in lines[: len(rows)]) + len(bad[0].raw)
    assert read_bytes > 0.3 * sum(map(len, lines))


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_bytes_after_the_last_stream_lose_nothing(tmp_path, suffix):
    path = tmp_path / f"x.jsonl{suffix}"
    path.write_bytes(PACKED[suffix](GOOD + b"\n") * 3 + b"garbage")
    rows, bad = read(path, JsonlInput(type="jsonl", paths=["x"]))
    assert len(rows) == 3 and len(bad) == 1


def test_a_file_of_several_streams_is_one_file(tmp_path):
    for suffix, pack in PACKED.items():
        path = tmp_path / f"x.jsonl{suffix}"
        path.write_bytes(pack(GOOD + b"\n" + GOOD[:10]) + pack(GOOD[10:] + b"\n"))
        rows, bad = read(path, JsonlInput(type="jsonl", paths=["x"]))
        assert len(rows) == 2 and not bad, suffix


@pytest.mark.parametrize("length", [1023, 1024, 1025, 5_000_000])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_long_lines_are_quarantined_with_their_length(tmp_path, length, end):
    empty = json.dumps({"text": "", "lang": "en"})
    long = json.dumps({"text": "x" * (length - len(empty)), "lang": "en"}).encode()
    path = tmp_path / "x.jsonl"
    path.write_bytes(GOOD + b"\n" + long + end)
    rows, bad = read(path, JsonlInput(type="jsonl", paths=["x"], max_record_bytes=1024))
    if length <= 1024:
        assert len(rows) == 2 and not bad
        return
    assert len(rows) == 1
    entry = json.loads(bad[0].to_line())
    assert (entry["line"], bad[0].rule, bad[0].size) == (2, "too-long", length)
    assert f"{length:,}" in entry["cause"] and "1,024" in entry["cause"]
    assert raw_bytes(entry["raw"]) == long[: 1 << 20]
    assert entry.get("raw_bytes") == (length if length > 1 << 20 else None)


def test_nested_fields_and_fields_copied_to_meta(tmp_path):
    path = tmp_path / "x.jsonl"
    records = [
        {"doc": {"body": "하나", "key": 7}, "url": "http://a", "n": None},
        {"doc.body": "둘", "doc": {"body": "셋"}},
        {"doc": "text"},
        {"doc": {"body": None}},
    ]
    path.write_text("\r\n".join(json.dumps(r) for r in records), "utf-8")
    item = JsonlInput(
        type="jsonl",
        paths=["x"],
        lang="ko",
        text_field="doc.body",
        id_field="doc.key",
        meta_fields=["url", "n"],
    )
    rows, bad = read(path, item)
    assert [(row["id"], row["text"]) for row in rows] == [("7", "하나"), (f"{path}:2", "둘")]
    assert json.loads(rows[0]["meta"]) == {"file": str(path), "line": 1, "url": "http://a", "n": None}
    assert json.loads(rows[1]["meta"]) == {"file": str(path), "line": 2}
    assert [(one.line, one.rule) for one in bad] == [(3, "missing-field"), (4, "not-text")]
    assert all("'doc.body'" in one.cause for one in bad) and "null" in bad[1].cause


def test_a_duplicate_field_is_refused_and_its_name_in_a_text_is_not(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(
        '{"text": "a", "text": "b", "lang": "en"}\n'
        '{"text": "the key \\"text\\" and \\"lang\\"", "lang": "en", "x": 1, "x": 2}\n'
        '{"text": "c", "other": {"text": "d"}, "lang": "en"}\n'
    )
    rows, bad = read(path, JsonlInput(type="jsonl", paths=["x"]))
    assert [row["text"] for row in rows] == ['the key "text" and "lang"', "c"]
    assert [(one.line, one.rule) for one in bad] == [(1, "duplicate-field")] and "'text'" in bad[0].cause


def test_an_unknown_language_stays_empty_for_detection(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(GOOD)
    assert read(path, JsonlInput(type="jsonl", paths=["x"], lang="detect"))[0][0]["lang"] == ""


def test_the_id_chooses_the_template(tmp_path):
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


def test_plain_files_are_documents_and_undecodable_ones_are_quarantined(tmp_path):
    (tmp_path / "a.py").write_bytes("# -*- coding: euc-kr -*-\n# 한글\n".encode("euc-kr"))
    (tmp_path / "b.py").write_bytes(b"x = '\xff'\n")
    (tmp_path / "c.txt").write_bytes("\ufeff글".encode())
    (tmp_path / "d.txt").write_bytes("글".encode("utf-16"))
    (tmp_path / "e.txt").write_bytes(b"a\0b")
    (tmp_path / "f.txt").write_bytes(b"")
    bad = []
    for name in "a.py", "b.py", "c.txt", "d.txt", "e.txt", "f.txt":
        item = TextInput(type="text", paths=["x"], lang="code")
        rows = [
            row
            for batch in read_unit(unit(tmp_path / name), item, bad.append, 1)
            for row in batch.to_pylist()
        ]
        expected = {"a.py": ["# -*- coding: euc-kr -*-\n# 한글\n"], "c.txt": ["글"], "d.txt": ["글"]}.get(
            name, []
        )
        assert [row["text"] for row in rows] == expected
    assert [(Path(b.file).name, b.rule) for b in bad] == [
        ("b.py", "not-decodable"),
        ("e.txt", "contains-nul"),
        ("f.txt", "left-out"),
    ]


def test_patterns(tmp_path):
    for name in "a.txt", "b.md", "sub/c.txt", "d.bin":
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert expand_braces("a.{b,c}{d,e}") == ["a.bd", "a.be", "a.cd", "a.ce"]
    files, missing = find_files([f"{tmp_path}/**/*.{{txt,md}}", f"{tmp_path}/*.csv", f"{tmp_path}/a.txt"])
    assert [f.name for f in files] == ["a.txt", "b.md", "c.txt"]
    assert missing == [f"{tmp_path}/*.csv"]


def test_the_standard_library_is_chosen_by_the_seed_and_contains_no_tests():
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
        "import sys; from preprocessing.cli import STEPS, main\n"
        "for words in (['--help'], *([name, '--help'] for name in STEPS)):\n"
        "    try: main(words)\n"
        "    except SystemExit as stop: assert not stop.code, words\n"
        "bad = {'torch', 'megatron.core', 'transformers', 'pyarrow', 'numba', 'numpy', 'sentencepiece'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name in (
        "inputs.NAME.templates",
        "domains.NAME.share",
        "filter.ko.min_hangul_ratio",
        "tokenizer.vocab_size",
    ):
        assert name in out


def test_every_pattern_without_a_match_is_reported(tmp_path):
    patterns = [f"{tmp_path}/a*", f"{tmp_path}/b*"]
    with pytest.raises(DataError) as caught:
        units_of(JsonlInput(type="jsonl", paths=patterns))
    problems = caught.value.problems
    assert [(p.path, p.rule) for p in problems] == [("inputs.in.paths", "no-match")] * 2
    assert all(repr(pattern) in p.message for pattern, p in zip(patterns, problems))
    with pytest.raises(DataError) as caught:
        units_of(JsonlInput(type="jsonl", paths=[f"{tmp_path}/"]))
    assert [(p.path, p.rule) for p in caught.value.problems] == [("inputs.in.paths", "is-folder")]
    with pytest.raises(DataError) as caught:
        units_of(SourceTreeInput(type="source_tree", roots=patterns[:1]))
    assert [(p.path, p.rule) for p in caught.value.problems] == [("inputs.in.roots", "no-match")]
