"""Files of other types than an input reads are named, with the type that reads them."""

import pytest

from megatron_ko.errors import DataError
from megatron_ko.program.init import main as init
from preprocessing.config.inputs import JsonlInput, TextInput
from preprocessing.readers.other_files import describe_other_files, type_of
from tests.preprocessing.units import read, units_of

NAMES = ("a.txt", "b.CSV", "deep/c.tsv.gz", "deep/d.tsv", "deep/e.zip", "f.hwp", "g.png", ".h")


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        path = tmp_path / "text" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "text"


def test_files_are_counted_by_suffix_with_what_reads_them(folder):
    described = describe_other_files(folder, read=(".txt",)).split(", ")
    assert described[0].split()[:2] == ["2", ".tsv"] and "type: csv" in described[0]
    assert sorted(one.split()[1] for one in described) == [".csv", ".hwp", ".tsv", ".zip"]
    assert describe_other_files(folder / "none") == ""
    assert [type_of(name) for name in NAMES] == ["text", "csv", "csv", "csv", "", "", "", ""]


def test_a_pattern_without_a_match_names_what_is_there(folder):
    with pytest.raises(DataError) as caught:
        units_of(TextInput(type="text", paths=[f"{folder}/**/*.md"], lang="ko"))
    assert all(name in str(caught.value) for name in (".tsv", "type: csv", ".zip", ".hwp"))


def test_a_text_input_warns_of_records(folder, caplog):
    units_of(TextInput(type="text", paths=[f"{folder}/**/*"], lang="ko"))
    (warning,) = caplog.messages
    assert "3 files" in warning and "type: csv" in warning
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
    assert init([str(tmp_path / "job"), "--text", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert ".tsv (type: csv)" in shown and ".txt" not in shown
