"""What a run reports at the terminal: causes of bad records, tables, empty domains; and which commands take which path."""

import json
import shutil

import pytest

from megatron_ko.errors import ConfigError
from megatron_ko.tables import width_of
from preprocessing.cli import main
from preprocessing.report import quarantine
from preprocessing.report.funnel import to_table
from preprocessing.report.quarantine import SHOWN_CAUSES, describe_mistakes
from tests.preprocessing.corpus import write_corpus
from tests.preprocessing.refusals import refuses_command

CONFIG = """\
output: {folder: out}
inputs:
  news: {type: jsonl, paths: ["in/*.jsonl"], lang: ko}
domains:
  news: {sources: [news], share: 1.0}
tokenizer: {vocab_size: 300}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run over good documents, bad records and two files of other formats."""
    folder = tmp_path_factory.mktemp("messages")
    write_corpus(folder / "corpus")
    (folder / "in").mkdir()
    shutil.copy(folder / "corpus" / "ko.jsonl", folder / "in" / "a.jsonl")
    with open(folder / "in" / "a.jsonl", "a", encoding="utf-8") as file:
        file.write("".join(json.dumps({"body": number}) + "\n" for number in range(5)) + '{"text": 7}\n')
    (folder / "in" / "b.jsonl").write_text(json.dumps([{"text": "가"}] * 3))
    (folder / "in" / "c.jsonl").write_bytes(b"%PDF-1.4\n1 0 obj\n")
    (folder / "config.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["run", "config.yaml", "--until", "filter", "--workers", "1"]) == 3
    return folder


@pytest.fixture
def folder(made, monkeypatch):
    monkeypatch.chdir(made)
    return made


# --- bad records -------------------------------------------------------------------------------------------


def test_the_terminal_names_the_causes_of_bad_records(folder, capsys):
    assert main(["run", "config.yaml", "--until", "filter", "--workers", "1"]) == 3
    first, *causes = capsys.readouterr().err.split("could not be read")[1].splitlines()
    assert "out/quarantine.jsonl" in first
    shown = " ".join("\n".join(causes).split()).removeprefix("- ").split(" - ")
    assert len(shown) == SHOWN_CAUSES
    for cause, words in zip(
        shown, (("1 whole file", "in/b.jsonl: "), ("1 whole file", "PDF"), ("5 records", "a.jsonl:66: "))
    ):
        assert all(word in cause for word in words)


def test_a_field_that_no_record_has_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    records = [
        {"text": '이름은 {"titel": 1} 이라고 씁니다.', "url": "u", "m": {"t": None}},
        {"text": "둘째 기록", "late": 1},
    ]
    for name, record in zip("ab", records):
        (tmp_path / "in" / f"{name}.jsonl").write_text(json.dumps(record, ensure_ascii=False) + "\n")
    (tmp_path / "in" / "empty.jsonl").write_text("")
    (tmp_path / "config.yaml").write_text(CONFIG)
    for fields, missing in (("url, late, m.t", []), ("titel, url, text.x", ["titel", "text.x"])):
        main(["clean", "config.yaml", f"inputs.news.meta_fields=[{fields}]", "--workers", "1"])
        warnings = [line for line in capsys.readouterr().err.splitlines() if "meta_fields" in line]
        assert len(warnings) == bool(missing) and all(name in warnings[0] for name in missing)
        assert not any("url" in warning for warning in warnings)


def test_whole_files_are_told_from_records_and_what_is_left_out_from_mistakes(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    entries = [
        *(("x.jsonl", n, f"field 'text' is missing; fields: {n}") for n in range(1, 6)),
        *(("y.jsonl", n, "원인이 아주 길다 " * 30) for n in range(1, 5)),
        ("z.jsonl", 0, "this is a PDF document"),
        ("z.jsonl", 0, "left out on purpose: 9 redirects"),
        *(("x.jsonl", n, "not JSON") for n in (7, 8)),
    ]
    path = tmp_path / "quarantine.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        for name, line, cause in entries:
            entry = {"file": name, "line": line, "cause": cause, "raw": ""}
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
    first, *lines = describe_mistakes(path, 12).splitlines()
    assert first.startswith("11 records and 1 whole file ") and str(path) in first
    assert [line.split()[1:3] for line in lines if line.startswith("  - ")] == [
        ["1", "whole"], ["5", "records,"], ["4", "records,"],
    ]  # fmt: skip
    assert max(map(width_of, lines)) <= 60 and "1 more" in lines[-1] and "purpose" not in "".join(lines)
    monkeypatch.setattr(quarantine, "READ_ENTRIES", 7)
    assert [line.split()[1:3] for line in describe_mistakes(path, 12).splitlines() if line.startswith("  - ")] == [
        ["5", "records,"], ["2", "records,"],
    ]  # fmt: skip


def test_bad_records_come_before_rules_that_drop_the_few_others(folder, capsys):
    bad = ["inputs.news.paths=[bad.jsonl]", "output.folder=few", "--workers", "1"]
    short, lost = json.dumps({"text": "짧다"}), json.dumps({"body": 1})
    (folder / "bad.jsonl").write_text(f"{short}\n" + f"{lost}\n" * 9, encoding="utf-8")
    assert main(["run", "config.yaml", *bad]) == 2
    message = capsys.readouterr().err.partition("data error: ")[2]
    assert "9 records" in message.splitlines()[0] and "bad.jsonl:2: " in message
    assert "1 document" in message.splitlines()[-1]
    (folder / "bad.jsonl").write_text(f"{short}\n" * 9 + f"{lost}\n", encoding="utf-8")
    assert main(["run", "config.yaml", *bad]) == 2
    assert "9 documents" in capsys.readouterr().err.partition("data error: ")[2].splitlines()[0]


# --- tables and domains ------------------------------------------------------------------------------------


def test_a_table_without_rows_is_left_out(folder):
    funnel = json.loads((folder / "out" / "funnel.json").read_text(encoding="utf-8"))
    assert "domain" not in to_table(funnel, {}, {})
    domain = {"name": "news", "split": "train", "documents": 1, "bytes": 9, "tokens": None}
    assert "domain" in to_table({**funnel, "domains": [domain]}, {}, {})


def test_a_domain_in_languages_that_no_document_has_names_those_that_there_are(folder):
    domains = "domains={ko: {share: 0.5}, en: {langs: [en, code], share: 0.5}}"
    run = ["run", "config.yaml", domains, "--until", "balance", "--workers", "1"]
    refuses_command(run, "langs-without-documents", "domains.en", "en, code", "in: ko;")


# --- folders and configurations ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [["explain", "--reason", "list"], ["calibrate"], ["report", "--out", "page.html"]]
)
def test_commands_about_a_run_take_its_folder(folder, capsys, command):
    name, *options = command
    assert main([name, "config.yaml", *options]) == 0
    expected = capsys.readouterr().out
    assert main([name, "out", *options]) == 0
    assert capsys.readouterr().out == expected


def test_explain_takes_a_folder_that_was_moved(folder, tmp_path, capsys):
    moved = shutil.copytree(folder / "out", tmp_path / "moved")
    assert main(["explain", str(moved), "--reason", "list"]) == 0
    shutil.rmtree(moved / "dropped")
    assert "too_short" in capsys.readouterr().out
    assert main(["explain", str(moved), "--reason", "list"]) == 0
    assert "too_short" not in capsys.readouterr().out


def test_a_run_whose_last_step_fails_has_a_report(folder):
    refuses_command(["run", "config.yaml", "output.folder=failed", "tokenizer.vocab_size=60000"], None)
    assert main(["report", "failed"]) == 0
    assert len(json.loads((folder / "failed" / "funnel.json").read_text())["steps"]) > 2


def test_diff_takes_the_configuration(folder, capsys):
    assert main(["diff", "config.yaml", "--out", "a.html"]) == 0
    assert main(["diff", "out", "--out", "b.html"]) == 0
    assert (folder / "a.html").read_bytes() == (folder / "b.html").read_bytes()


def test_other_folders_and_configurations_name_what_to_give(folder):
    refuses_command(["report", "~no-such-user/x.yaml"], "invalid-yaml", error=ConfigError)
    refuses_command(["run", "."], "is-folder", "config.yaml", error=ConfigError)
    refuses_command(["run", "out"], "is-folder", error=ConfigError)
    for command in (["explain", ".", "--reason", "list"], ["report", "."], ["diff", "."]):
        refuses_command(command, "not-a-run", "config.yaml")
    (folder / "other.yaml").write_text(CONFIG.replace("folder: out", "folder: nowhere"))
    refuses_command(["diff", "other.yaml"], "missing-run", "nowhere", "other.yaml")
