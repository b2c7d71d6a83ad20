"""Files of other types than an input reads are named, with the type that reads them."""

import re

import pytest

from megatron_ko.config.loading import load
from megatron_ko.errors import ConfigError, DataError
from megatron_ko.program import init
from preprocessing.config.inputs import JsonlInput, TextInput
from preprocessing.config.pipeline import RULES, Config
from preprocessing.readers.other_files import describe_other_files, type_of
from tests.preprocessing.units import read, units_of

NAMES = (
    "a.txt", "b.CSV", "deep/c.tsv.gz", "deep/d.tsv", "i.tsv", "deep/e.zip", "f.hwp", "g.png", ".h",
    "글.TXT", "글", "deep/j.txt.gz", "k.gz",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        path = tmp_path / "text" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "text"


def test_files_are_counted_by_suffix_with_what_reads_them(folder):
    described = describe_other_files(folder, read=(".txt",))
    assert described.startswith("2 .tsv (type: csv), ")
    counted = re.findall(r"(\d) (without|\.\S+).*?\((type: \w+|\w+)", described)
    assert sorted(counted) == sorted([
        ("2", ".tsv", "type: csv"), ("1", ".tsv.gz", "type: csv"), ("1", ".CSV", "type: csv"), ("1", ".zip", "unpack"),
        ("1", ".hwp", "convert"), ("1", ".TXT", "type: text"), ("1", ".txt.gz", "type: text"), ("1", "without", "type: text"),
    ])  # fmt: skip
    assert describe_other_files(folder / "none") == ""
    types = ["text", *["csv"] * 4, *[""] * 4, "text", "", "text", ""]
    assert [type_of(name) for name in NAMES] == types


def test_a_pattern_without_a_match_names_what_is_there(folder):
    with pytest.raises(DataError) as caught:
        units_of(TextInput(type="text", paths=[f"{folder}/**/*.md"], lang="ko"))
    assert all(name in str(caught.value) for name in (".tsv", "type: csv", ".zip", ".hwp"))


def test_a_text_input_warns_of_records(folder, caplog):
    units_of(TextInput(type="text", paths=[f"{folder}/**/*"], lang="ko"))
    (warning,) = caplog.messages
    assert "4 files" in warning and "type: csv" in warning
    caplog.clear()
    units_of(TextInput(type="text", paths=[f"{folder}/**/*"], lang="code"))
    assert not caplog.messages


def test_separated_values_as_json_lines_are_one_bad_record(tmp_path):
    item = JsonlInput(type="jsonl", paths=["x"], lang="ko")
    (tmp_path / "x.tsv").write_text("text\tn\n가\t1\n나\t2\n", encoding="utf-8")
    (bad,) = read(tmp_path / "x.tsv", item)[1]
    assert (bad.line, bad.rule) == (0, "other-format") and "type: csv" in bad.cause
    (tmp_path / "y.csv").write_text('{"text": "가"}\n', encoding="utf-8")
    rows, bad = read(tmp_path / "y.csv", item)
    assert len(rows) == 1 and not bad


def test_init_names_what_its_configuration_does_not_read(folder, tmp_path, capsys):
    assert init.main([str(tmp_path / "job"), "--text", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (".tsv (type: csv)", "1 .TXT", "1 .txt.gz", "without a suffix"))
    assert ".txt (" not in shown


@pytest.mark.parametrize("option", ["--text", "--code"])
def test_init_refuses_a_file_in_place_of_a_folder(folder, tmp_path, option):
    given = [str(tmp_path / "job"), "--text", str(folder), option, str(folder / "a.txt")]
    with pytest.raises(ConfigError) as caught:
        init._main(init.parser().parse(given))
    assert caught.value.rule == "not-a-folder" and str(folder / "a.txt") in str(caught.value)
    assert not (tmp_path / "job").exists()


def test_the_inputs_in_the_comments_of_init_are_valid(folder, tmp_path):
    assert init.main([str(tmp_path / "job"), "--text", str(folder), "--code", "code"]) == 0
    path = tmp_path / "job" / "data.yaml"
    path.write_text(re.sub(r"^# (?=  )", "", path.read_text(encoding="utf-8"), flags=re.M), encoding="utf-8")
    config = load(Config, [str(path)], [], RULES).config
    assert {name: item.type for name, item in config.inputs.items()} == {
        "text": "text", "tables": "csv", "arrays": "json", "code": "text",
    }  # fmt: skip
    tables = vars(config.inputs["tables"])
    assert tables["paths"] == [f"{folder}/**/*.{{csv,tsv}}"] and tables["source"] == "text"
