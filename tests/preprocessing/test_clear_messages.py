"""Mistakes of users in the input are one clear message each: formats, encodings, columns, folders, shared files."""

import datetime
import errno
import glob
import gzip
import json
import os
import sys
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from megatron_ko.config.loading import Loaded
from megatron_ko.errors import DataError
from megatron_ko.formats.tokenizer_folder import fingerprint_hf_folder, read_tokenizer_folder
from preprocessing.config.inputs import HtmlInput, JsonlInput, ParquetInput, SourceTreeInput, TextInput
from preprocessing.readers.file_patterns import expand_braces, find_files
from preprocessing.readers.file_ranges import Range
from preprocessing.readers.input_units import find_units
from preprocessing.readers.reading import read_unit
from preprocessing.running.markers import Marker, error_of_removed_output
from preprocessing.tokenizers import proof
from tests.preprocessing.units import read, unit

RECORDS = [{"text": f"글 {number}", "lang": "ko"} for number in range(4)]
JSONL = JsonlInput(type="jsonl", paths=["x"], lang="ko")
TEXT = TextInput(type="text", paths=["x"], lang="ko")
KOREAN = "한국어로 쓴 글입니다. 똠방각하와 펲시"


def write(folder, name, data):
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return folder / name


def rules_of(bad):
    return [(one.line, one.rule) for one in bad]


# --- JSON that is not JSON lines -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2),
        "\ufeff \n" + json.dumps(RECORDS, indent=1),
        "[\n" + ",\n".join(map(json.dumps, RECORDS)) + "\n]\n",
        "[" + ",\n".join(map(json.dumps, RECORDS)) + "]",
        "[\r\n" + json.dumps(RECORDS[0]) + "\r\n]\r\n",
        "[{",  # a download that was cut off
    ],
)
def test_a_json_array_is_one_message(tmp_path, text):
    rows, bad = read(write(tmp_path, "x.jsonl", text), JSONL)
    assert not rows and rules_of(bad) == [(0, "json-array")]


def test_an_array_is_reported_with_the_first_part_only(tmp_path):
    path = write(tmp_path, "x.jsonl", json.dumps(RECORDS * 50, indent=2))
    size = path.stat().st_size
    parts = [Range(0, size // 2), Range(size // 2, size, 60, True)]
    found = []
    for part in parts:
        assert not [*read_unit(unit(path, part=part), JSONL, found.append, 1)]
    assert rules_of(found) == [(0, "json-array")]


def test_an_object_over_several_lines_is_one_message(tmp_path):
    rows, bad = read(write(tmp_path, "x.jsonl", json.dumps(RECORDS[0], indent=2)), JSONL)
    assert not rows and rules_of(bad) == [(0, "json-over-lines")]


@pytest.mark.parametrize(
    ("record", "remedy"),
    [('{"text": "a", "n": NaN}', "null"), ('{"n": [1,-Infinity]}', "null"), ('{"text": "a"}\0', "NUL"), ('{"text": "a"}\r{"text": "b"}', "CR")],
)  # fmt: skip
def test_damage_that_writers_are_known_for_has_a_remedy(tmp_path, record, remedy):
    rows, bad = read(write(tmp_path, "x.jsonl", f"{json.dumps(RECORDS[0])}\n{record}\n"), JSONL)
    assert len(rows) == 1 and rules_of(bad) == [(2, "not-json")] and remedy in bad[0].cause


@pytest.mark.parametrize(
    ("first", "rule"), [("[1, 2]", "not-an-object"), ("[1, 2", "not-json"), ("[]", "not-an-object")]
)
def test_a_bad_first_line_costs_itself_only(tmp_path, first, rule):
    rows, bad = read(write(tmp_path, "x.jsonl", "\n".join([first, *map(json.dumps, RECORDS)])), JSONL)
    assert len(rows) == len(RECORDS) and rules_of(bad) == [(1, rule)]


# --- encodings -------------------------------------------------------------------------------------------


def test_korean_text_in_cp949_is_named(tmp_path):
    path = write(tmp_path, "x.txt", KOREAN.encode("cp949"))
    rows, bad = read(path, TEXT)
    assert not rows and rules_of(bad) == [(1, "is-cp949")] and "cp949" in bad[0].cause
    for encoding in ("cp949", "euc-kr", "auto"):  # programs that say euc-kr write syllables of cp949
        rows, bad = read(path, TextInput(type="text", paths=["x"], lang="ko", encoding=encoding))
        assert [row["text"] for row in rows] == [KOREAN] and not bad
    tree = SourceTreeInput(type="source_tree", roots=["x"], encoding="auto")
    assert [row["text"] for row in read(path, tree)[0]] == [KOREAN]
    rows, bad = read(
        write(tmp_path, "x.jsonl", json.dumps(RECORDS[0], ensure_ascii=False).encode("cp949")), JSONL
    )
    assert not rows and rules_of(bad) == [(1, "is-cp949")]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [KOREAN, f"{KOREAN} and English\n" * 9, "plain English text"])
def test_utf_16_without_a_mark_is_named_with_its_bytes_in_order(tmp_path, encoding, text):
    rows, bad = read(write(tmp_path, "x.txt", text.encode(encoding)), TEXT)
    assert not rows and rules_of(bad) == [(1, "is-utf-16")] and f"encoding: {encoding} " in bad[0].cause
    rows, bad = read(tmp_path / "x.txt", TextInput(type="text", paths=["x"], lang="ko", encoding=encoding))
    assert [row["text"] for row in rows] == [text] and not bad


def test_a_binary_file_is_not_called_utf_16(tmp_path):
    rows, bad = read(write(tmp_path, "x.txt", bytes(range(256)) * 4 + b"\0\0\0\1" * 9), TEXT)
    assert not rows and rules_of(bad) == [(1, "not-decodable")]


def test_other_bytes_are_not_called_cp949(tmp_path):
    auto = TextInput(type="text", paths=["x"], lang="ko", encoding="auto")
    for data in ("日本語の文章です。".encode("shift_jis"), "café".encode("latin-1"), "한글".encode()[:-1]):
        for item in (TEXT, auto):
            rows, bad = read(write(tmp_path, "x.txt", data), item)
            assert not rows and rules_of(bad) == [(1, "not-decodable")]


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1))
def test_detection_reads_both_encodings(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp()
    auto = TextInput(type="text", paths=["x"], lang="ko", encoding="auto")
    assert [row["text"] for row in read(write(folder, "u.txt", text), auto)[0]] == [text]
    read_back = [row["text"] for row in read(write(folder, "c.txt", text.encode("cp949")), auto)[0]]
    try:
        text.encode("cp949").decode("utf-8")  # a few syllables are UTF-8 by chance
    except UnicodeDecodeError:
        assert read_back == [text]


@pytest.mark.parametrize("encoding", ["nope", "base64", "hex", "", "cp949\0"])
def test_an_unknown_encoding_is_refused_while_the_configuration_is_checked(encoding):
    with pytest.raises(ValidationError) as caught:
        TextInput(type="text", lang="ko", paths=["x"], encoding=encoding)
    assert caught.value.errors()[0]["loc"] == ("encoding",)
    with pytest.raises(ValidationError) as caught:
        SourceTreeInput(type="source_tree", roots=["x"], encoding=encoding)
    assert caught.value.errors()[0]["loc"] == ("encoding",)


# --- other formats -----------------------------------------------------------------------------------------

OTHER = {
    "gzip": gzip.compress(b"{}\n" * 9),
    "zstd": pa.compress(b"{}\n" * 9, codec="zstd", asbytes=True),
    "Word": b"PK\3\4\x14\0\6\0\x08\0\0\0!\0\xc3z[Content_Types].xml word/document.xml",
    "ZIP": b"PK\3\4\x14\0\6\0\x08\0\0\0!\0\xc3za.txt",
    "PDF": b"%PDF-1.4\n1 0 obj\n",
    "Hangul": bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 99,
    "PNG": b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
    "Parquet": b"PAR1\x15\x04\x15\0\xff",
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
}


@pytest.mark.parametrize("name", OTHER)
def test_a_file_of_another_format_is_one_message_with_its_name(tmp_path, name):
    html, tree = HtmlInput(type="html", paths=["x"]), SourceTreeInput(type="source_tree", roots=["x"])
    for file, item in (("x.jsonl", JSONL), ("x.txt", TEXT), ("x.html", html), ("x.py", tree)):
        rows, bad = read(write(tmp_path, file, OTHER[name]), item)
        assert not rows and [one.rule for one in bad] == ["other-format"] and name in bad[0].cause


def test_text_about_a_format_is_text(tmp_path):
    for text in (
        "%PDF는 머리글이다",
        "GIF89a와 GIF87a",
        "PAR1 골프",
        "Rar! 압축",
        "PK는 승부차기",
        "BZh91AY",
        "Git LFS version https",
    ):
        rows, bad = read(write(tmp_path, "x.txt", text), TEXT)
        assert [row["text"] for row in rows] == [text] and not bad


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".xz", ".bz2"])
def test_a_wrong_suffix_of_compression_is_named(tmp_path, suffix):
    for data, name in (
        (b'{"text": "a"}\n', "plain text"),
        (OTHER["PDF"], "PDF"),
        (bytes(range(200, 256)), "other bytes"),
    ):
        rows, bad = read(write(tmp_path, f"x.jsonl{suffix}", data), JSONL)
        assert not rows and rules_of(bad) == [(0, "other-format")] and name in bad[0].cause


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_json_lines_in_utf_16_are_one_message(tmp_path, encoding):
    lines = "\n".join(json.dumps(one, ensure_ascii=False) for one in RECORDS)
    path = write(tmp_path, "x.jsonl", lines.encode(encoding))
    size = path.stat().st_size
    for part, count in ((None, 1), (Range(0, size // 2), 1), (Range(size // 2, size, 60, True), 0)):
        rows, bad = read(path, JSONL, part)
        assert not rows and rules_of(bad) == [(0, "is-utf-16")] * count


def test_a_table_of_another_format_is_named(tmp_path):
    item = ParquetInput(type="parquet", paths=["x"], lang="ko")
    pq.write_table(pa.table({"text": ["글"] * 999}), tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    for name, data, rule, word in (
        ("x.parquet", b'{"text": "a"}\n', "other-format", "jsonl"),
        ("x.parquet", b"ARROW1\0\0\xff\xff", "other-format", "Arrow"),
        ("x.parquet", OTHER["gzip"], "other-format", "gzip"),
        ("x.parquet", whole[:-9], "damaged-file", "ends early"),
        ("x.arrow", whole, "other-format", "Parquet"),
    ):
        rows, bad = read(write(tmp_path, name, data), item)
        assert not rows and rules_of(bad) == [(0, rule)] and word in bad[0].cause


def test_paths_that_are_no_files_are_named(tmp_path):
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "away.jsonl")
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    for name, rule in (
        ("link", "broken-link"),
        ("pipe", "no-file"),
        ("folder", "is-folder"),
        ("none", "no-match"),
    ):
        item = JsonlInput(type="jsonl", lang="ko", paths=[str(tmp_path / f"{name}.jsonl")])
        with pytest.raises(DataError) as caught:
            find_units(Loaded(Config(a=item), {}))  # pyright: ignore[reportArgumentType]
        assert caught.value.rule == rule


def test_links_that_lead_nowhere_are_no_empty_matches(tmp_path):
    write(tmp_path, "a.jsonl", b'{"text": "a"}\n')
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "away.jsonl")
    for pattern in ("*.jsonl", "**/*", "{a,b}.jsonl"):
        item = JsonlInput(type="jsonl", lang="ko", paths=[str(tmp_path / pattern)])
        with pytest.raises(DataError) as caught:
            find_units(Loaded(Config(a=item), {}))  # pyright: ignore[reportArgumentType]
        assert caught.value.rule == "broken-link"


# --- empty files -----------------------------------------------------------------------------------------


def test_an_empty_file_is_left_out_on_purpose(tmp_path):
    items = {
        "x.txt": TEXT,
        "__init__.py": SourceTreeInput(type="source_tree", roots=["x"]),
        "x.html": HtmlInput(type="html", paths=["x"]),
        "x.jsonl": JSONL,
    }
    for name, item in items.items():
        rows, bad = read(write(tmp_path, name, b""), item)
        assert not rows and [(one.line, one.rule, one.is_mistake) for one in bad] == [(0, "left-out", False)]
    packed = read(write(tmp_path, "x.jsonl.gz", b""), JSONL)[1]
    assert [(one.rule, one.is_mistake) for one in packed] == [("empty-file", True)]  # a download that failed


# --- columns ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("missing", "settings"), [
    ("contents", {"lang": "ko", "text_field": "contents"}),
    ("lang", {"text_field": "content"}),
    ("ko", {"lang": "ko", "templates": ["{content} {ko}"]}),
])  # fmt: skip
def test_a_missing_column_is_one_message_with_the_true_columns(tmp_path, missing, settings):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"id": ["a", "b"], "content": ["x", "y"], "url": ["u", "v"]}), path)
    rows, bad = read(path, ParquetInput(type="parquet", paths=["x"], **settings))
    assert not rows and rules_of(bad) == [(0, "missing-column")]
    assert missing in bad[0].cause and "id, content, url" in bad[0].cause


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize("values", [[1, 2], [1.5, None], [True, False], [datetime.date(2031, 5, 1)]])
def test_a_column_without_text_is_one_message(tmp_path, suffix, values):
    table, path = pa.table({"text": values, "body": ["x"] * len(values)}), tmp_path / f"x.{suffix}"
    if suffix == "parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    rows, bad = read(path, ParquetInput(type="parquet", paths=["x"], lang="ko"))
    assert not rows and rules_of(bad) == [(0, "not-text")]
    assert "text, body" in bad[0].cause and "text_field" in bad[0].cause


@pytest.mark.parametrize(
    ("value", "remedy"),
    [(3, "set text_field"), ({"ko": "글"}, "text.NAME"), (["글"], "text[]"), (None, "null")],
)
def test_a_value_that_is_no_text_has_a_remedy(tmp_path, value, remedy):
    rows, bad = read(write(tmp_path, "x.jsonl", json.dumps({"text": value}) + "\n"), JSONL)
    assert not rows and rules_of(bad) == [(1, "not-text")] and remedy in bad[0].cause


# --- patterns --------------------------------------------------------------------------------------------


def test_an_unreadable_folder_below_a_pattern_is_refused(tmp_path, monkeypatch):
    """Patched, because permissions do not bind the user root, who may run the tests."""
    for name in ("a", "b/c"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x.jsonl").write_text("{}")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("c"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert len(find_files([f"{tmp_path}/*/*.jsonl"])[0]) == 1
    for pattern in ("**/*.jsonl", "b/*/*.jsonl", "{a,b}/**"):
        with pytest.raises(DataError) as caught:
            find_files([f"{tmp_path}/{pattern}"])
        assert caught.value.rule == "unreadable-folder" and str(tmp_path / "b" / "c") in str(caught.value)


PARTS = st.sampled_from(["**", "*", "a", "b", ".h", "*.txt", "[ab]", "?", ".*", "{a,b}", "{*.txt,.h}"])


@settings(max_examples=300, deadline=None)
@given(parts=st.lists(PARTS, min_size=1, max_size=4))
def test_patterns_match_as_in_glob(tmp_path_factory, parts):
    root = tmp_path_factory.getbasetemp() / "patterns"
    for name in (
        "a/a/one.txt",
        "a/b/.h/two.txt",
        "b/three.txt",
        ".h/a/four.txt",
        "five.txt",
        "b/.six.txt",
        "b/a/b/7.txt",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    pattern = f"{root}/{'/'.join(parts)}"
    matches = {Path(p) for one in expand_braces(pattern) for p in glob.glob(one, recursive=True)}
    expected = sorted(path for path in matches if path.exists())  # glob invents "b/b/" for "b/b/**"
    assert find_files([pattern], Path.exists)[0] == expected


@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_composed_and_decomposed_names_match_in_one_order(tmp_path, typed):
    """As macOS and other systems write them; the file systems of the tests keep both."""
    folder = tmp_path / unicodedata.normalize("NFD", "가")
    folder.mkdir()
    for name, form in (("나", "NFD"), ("다", "NFC"), ("라", "NFD"), ("é", "NFD")):
        (folder / unicodedata.normalize(form, f"{name}.txt")).touch()
    for pattern, expected in (
        ("*/[나-라].txt", "나다라"),
        ("가/?.txt", "é나다라"),
        ("가/라.txt", "라"),
        ("{가,나}/나*", "나"),
    ):
        found = find_files([f"{tmp_path}/{unicodedata.normalize(typed, pattern)}"])[0]
        assert "".join(unicodedata.normalize("NFC", path.stem) for path in found) == expected
        assert all(path.exists() for path in found)


def test_links_in_a_cycle_end_and_a_file_is_found_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.txt").touch()
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    assert find_files([f"{tmp_path}/**/*.txt"])[0] == [tmp_path / "a" / "x.txt"]
    spellings = [str(tmp_path / "a" / "x.txt"), f"{tmp_path}/a/../a/x.txt", f"{tmp_path}/a/*.txt"]
    assert find_files(spellings)[0] == [tmp_path / "a" / "x.txt"]


# --- one file in two inputs ------------------------------------------------------------------------------


class Config:
    seed = 1

    def __init__(self, **inputs):
        self.inputs = inputs


def test_a_file_of_two_inputs_has_two_ids_but_one_label(tmp_path):
    path = write(tmp_path, "x.jsonl", '{"id": "p1", "ko": "하나", "en": "one"}\n{"ko": "둘", "en": "two"}\n')
    page = write(tmp_path, "x.txt", "글")
    inputs = {
        name: JsonlInput(type="jsonl", paths=[str(path)], lang=name, text_field=name) for name in ("ko", "en")
    }
    inputs |= {
        name: TextInput(type="text", paths=[str(tmp_path / "*.txt")], lang="ko") for name in ("t", "u")
    }
    rows = [
        row
        for one in find_units(Loaded(Config(**inputs), {}))  # pyright: ignore[reportArgumentType]
        for batch in read_unit(one, inputs[one.input_name], print, 1)
        for row in batch.to_pylist()
    ]
    assert [row["id"] for row in rows] == [
        "p1", f"{path}:2", "en/p1", f"en/{path}:2", str(page), f"u/{page}",
    ]  # fmt: skip
    assert {json.loads(row["meta"])["file"] for row in rows} == {str(path), str(page)}


# --- output folders --------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [
    lambda path: FileNotFoundError(errno.ENOENT, "No such file", str(path)),
    lambda path: FileNotFoundError(str(path)),
    lambda path: FileNotFoundError(f"[Errno 2] Failed to open local file '{path}'. Detail: none"),
])  # fmt: skip
def test_a_removed_output_names_the_marker_to_remove(tmp_path, error):
    output = tmp_path / "steps" / "clean" / "a-00000.parquet"
    output.parent.mkdir(parents=True)
    output.touch()
    Marker(tmp_path, "clean/a-00000").write("key", [output], {})
    output.unlink()
    problem = error_of_removed_output(error(output))
    assert problem is not None and problem.rule == "removed-output"
    assert str(output) in str(problem) and str(tmp_path / "steps" / "clean.json") in str(problem)
    assert error_of_removed_output(error(tmp_path / "other")) is None


def test_a_tokenizer_file_is_not_a_folder(tmp_path):
    file = write(tmp_path, "tokenizer.json", "{}")
    for function in (read_tokenizer_folder, fingerprint_hf_folder):
        with pytest.raises(DataError) as caught:
            function(file)
        assert caught.value.rule == "not-a-folder" and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    "last_line", ["OSError: [Errno 28] No space left on device", "Exception: No space left (os error 28)"]
)
def test_a_full_disk_in_the_proof_is_an_error_of_the_system(tmp_path, last_line):
    write(tmp_path, "expected.ids", b"")
    program = write(tmp_path, "python", f"#!{sys.executable}\nimport sys\nsys.exit({last_line!r})\n")
    program.chmod(0o755)
    with pytest.raises(OSError, match=str(errno.ENOSPC)) as caught:
        proof._run_transformers(tmp_path, tmp_path, str(program), ours=True)
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(tmp_path)
