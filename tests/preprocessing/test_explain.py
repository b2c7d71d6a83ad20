"""Answers of ``explain`` about documents, reasons and other thresholds agree with a run."""

import json
import subprocess
import sys

import pytest

from megatron_ko.errors import ConfigError, DataError
from megatron_ko.tables import width_of
from preprocessing.cli import main
from preprocessing.commands import explain
from tests.preprocessing.corpus import bytes_of, write_config
from tests.preprocessing.refusals import refuses_command


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained")
    config = str(write_config(folder))
    assert main(["run", config, "--workers", "1"]) == 0
    return config, folder / "out"


def output(capsys, *arguments):
    capsys.readouterr()
    assert main(["explain", *arguments]) == 0
    return capsys.readouterr().out


def test_a_kept_document_with_its_numbers(done, capsys):
    out = output(capsys, done[0], "--id", "ko-003")
    assert "source ko, language ko" in out
    assert "hangul_ratio" in out
    assert ">= 0.2" in out
    assert "filter: kept" in out
    assert "deduplicate: kept, cluster of 1" in out
    assert "fails" not in out


def test_a_dropped_document_names_the_rule_and_a_duplicate_its_survivor(done, capsys):
    out = output(capsys, done[0], "--id", "short")
    assert [line.split() for line in out.splitlines() if line.startswith("fails")] == [
        ["fails", "too_short", "2", ">=", "30"]
    ]
    assert "filter: dropped, too_short" in out
    assert ["too_short", "filter.ko.min_characters"] in [line.split() for line in out.splitlines()]
    out = output(capsys, done[0], "--id", "ko-900")
    fate = out.splitlines()[-1]
    assert (
        fate.startswith("deduplicate:") and "exact_duplicate" in fate and "ko-000" in fate and "1.000" in fate
    )
    assert max(map(width_of, out.splitlines())) <= 80


def test_reasons_are_listed_and_shown(done, capsys):
    counts = [line.split() for line in output(capsys, done[0], "--reason", "list").splitlines()]
    assert ["deduplicate", "exact_duplicate", "2"] in counts
    assert [row[3:] for row in counts if row[1] == "too_short"] == [["filter.LANG.min_characters"]]
    rows = [
        json.loads(line) for line in output(capsys, done[0], "--reason", "too_short", "--json").splitlines()
    ]
    short = sorted((row["source"], row["text"]) for row in rows if row["source"] != "python")
    assert short == [("en", "짧다"), ("ko", "짧다")]
    only = output(capsys, done[0], "--reason", "too_short", "--json", "--source", "en").splitlines()
    assert [json.loads(line)["source"] for line in only] == ["en"]
    assert len(output(capsys, done[0], "--reason", "too_short", "--json", "--limit", "1").splitlines()) == 1


@pytest.mark.parametrize(
    "change",
    [["filter.ko.min_characters=245"], ["filter.en.max_symbol_ratio=0.001", "filter.ko.min_characters=off"]],
)
def test_what_if_agrees_with_a_run(done, capsys, tmp_path, change):
    before = bytes_of(done[1])
    out = output(capsys, done[0], *(part for value in change for part in ("--what-if", value)))
    assert bytes_of(done[1]) == before
    assert max(map(width_of, out.splitlines())) <= 80
    kept = {
        line.split()[0]: int(line.split()[3])
        for line in out.splitlines()
        if line.startswith(("ko ", "en ", "pairs"))
    }
    for step in ("clean", "measure", "filter"):
        assert main([step, done[0], *change, f"output.folder={tmp_path}", "--workers", "1"]) == 0
    funnel = json.loads((tmp_path / "funnel.json").read_text())
    assert {s["name"]: s["documents_out"] for s in funnel["sources"] if s["name"] != "python"} == kept


@pytest.mark.parametrize(
    ("arguments", "error", "rule", "values"),
    [
        (["--what-if", "clean.squeeze_to=2"], ConfigError, "not-a-threshold", ["clean"]),
        (["--what-if", "decontaminate.ngram_ko=40"], ConfigError, "not-a-threshold", ["decontaminate"]),
        (["--what-if", "filter.ko.min_charcters=2"], ConfigError, None, ["'min_characters'"]),
        (["--id", "nobody"], DataError, "unknown-document", ["'nobody'", "quarantine.jsonl"]),
        (["--reason", "list", "--source", "nosuch"], DataError, "unknown-source", ["nosuch", "python"]),
        (["--reason", "spam"], DataError, "unknown-reason", ["'spam'", "exact_duplicate, too_short"]),
    ],
)
def test_mistakes_are_explained(done, arguments, error, rule, values):
    refuses_command(["explain", done[0], *arguments], rule, *values, error=error)


def test_an_unfinished_run_is_refused(done, tmp_path):
    refuses_command(["explain", done[0], f"output.folder={tmp_path}", "--id", "ko-003"], None, "'measure'")


def test_answers_about_another_configuration_warn(done, monkeypatch):
    warnings = []
    monkeypatch.setattr(explain.log, "warning", lambda *arguments: warnings.append(arguments))
    assert main(["explain", done[0], "--reason", "list"]) == 0
    assert not warnings
    assert main(["explain", done[0], "filter.ko.min_characters=40", "--reason", "list"]) == 0
    assert len(warnings) == 1


def test_what_if_of_one_source_counts_no_other(done, capsys):
    out = output(capsys, done[0], "--what-if", "filter.ko.min_characters=off", "--source", "ko")
    lines = out.splitlines()
    sources = lines[: lines.index("")]
    assert [line.split()[0] for line in sources if line.endswith("%")] == ["ko"]


def test_a_document_with_its_overlap_with_evaluation_sets(done, capsys, tmp_path):
    path = tmp_path / "set.txt"
    path.write_text("no document of this little corpus holds these very words in a row, not even one")
    sets = [
        f"decontaminate.sets.s.paths=[{path}]",
        "decontaminate.sets.s.format=txt",
        f"output.folder={tmp_path}/o",
    ]
    for step in ("clean", "measure", "decontaminate", "filter"):
        assert main([step, done[0], *sets]) in (0, 3)
    row = next(
        line
        for line in output(capsys, done[0], *sets, "--id", "ko-003").splitlines()
        if "contaminated" in line
    )
    assert row.split() == ["contaminated", "0", "drops", ">=", "1"]


def test_a_closed_pipe_is_not_an_error(done):
    command = [sys.executable, "-m", "preprocessing", "explain", done[0], "--id", "ko-003"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        started.stdout.close()
        assert started.stderr.read() == ""
        assert started.wait(60) == 0
