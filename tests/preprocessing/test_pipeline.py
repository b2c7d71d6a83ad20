"""Whole runs: outputs, skipping, what a change recomputes, kills, errors."""

import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from typing import get_args

import pyarrow.parquet as pq
import pytest

from megatron_ko.config.loading import load
from megatron_ko.errors import UserError
from megatron_ko.formats.manifest import read_manifest
from preprocessing.cli import SECTIONS_OF, SECTIONS_OF_ALL, main
from preprocessing.config.inputs import Input
from preprocessing.config.pipeline import RULES, Config
from preprocessing.documents import Counts
from preprocessing.report.funnel import funnel_of
from preprocessing.running.context import Context
from preprocessing.running.processes import ProcessRunner
from preprocessing.steps import pipeline
from preprocessing.steps.order import StepKeys, steps_of
from tests.preprocessing.corpus import bytes_of, steps_run, write_config


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished run: ``(config, output folder)``."""
    folder = tmp_path_factory.mktemp("done")
    config = write_config(folder, relative=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["run", str(config), "--workers", "1"]) == 0
        yield config, folder / "out"


def test_manifest_holds_what_training_reads(done):
    manifest = read_manifest(done[1] / "manifest.json")
    assert set(manifest.of_split("train")) == set(manifest.of_split("valid")) == {"ko", "en", "code"}
    assert manifest.mixture == pytest.approx({"ko": 0.5, "en": 0.3, "code": 0.2})
    assert manifest.vocab_size == 777
    assert manifest.eod_id == 2
    for tokens in manifest.sets:
        name = f"{tokens.name}_{tokens.split}-00000.parquet"
        texts = pq.read_table(done[1] / "clean" / name)["text"].to_pylist()
        assert tokens.documents == len(texts)
        assert tokens.text_bytes == sum(len(text.encode()) for text in texts)


def test_every_document_is_accounted_for(done):
    funnel = json.loads((done[1] / "funnel.json").read_text())
    sources = {source["name"]: source for source in funnel["sources"]}
    for source in sources.values():
        assert source["documents_in"] == source["documents_out"] + sum(source["dropped"].values())
    assert sources["ko"]["bad_records"] == 3
    assert sources["ko"]["dropped"] == {"too_short": 1, "exact_duplicate": 1}
    assert sources["ko"]["changed"]["squeeze"] == 61
    dropped = [row for p in (done[1] / "dropped").glob("*.parquet") for row in pq.read_table(p).to_pylist()]
    assert len(dropped) == sum(sum(s["dropped"].values()) for s in sources.values())
    assert {row["id"] for row in dropped if row["reason"] == "exact_duplicate"} == {"ko-900", "en-900"}
    ids = [i for p in (done[1] / "clean").glob("*.parquet") for i in pq.read_table(p)["id"].to_pylist()]
    assert len(ids) == len(set(ids)) == sum(entry["documents"] for entry in funnel["domains"])
    quarantined = [json.loads(line) for line in (done[1] / "quarantine.jsonl").read_text().splitlines()]
    assert [entry["line"] for entry in quarantined] == [63, 64, 65]
    assert [step["name"] for step in funnel["steps"]] == ["read", "clean", "filter", "deduplicate", "balance"]
    assert all(len(found) <= 3 for found in funnel["examples"].values())


def test_report_compares_with_a_tokenizer_without_korean(done):
    report = json.loads((done[1] / "tokenizer_report.json").read_text())
    mine, other = report["tokenizers"]["this"], report["tokenizers"]["english_only"]
    assert set(mine) == {"ko", "en", "code"} | ({"mixed"} & set(mine))
    assert mine["ko"]["characters"] == other["ko"]["characters"]
    assert mine["ko"]["tokens"] < 0.8 * other["ko"]["tokens"]


def test_a_rerun_writes_nothing_and_a_change_recomputes_what_depends_on_it(done):
    before = {p: p.stat().st_mtime_ns for p in done[1].rglob("*.parquet")}
    contents = bytes_of(done[1])
    assert main(["run", str(done[0])]) == 0
    assert {p: p.stat().st_mtime_ns for p in done[1].rglob("*.parquet")} == before
    assert bytes_of(done[1]) == contents

    def fresh_steps(*overrides):
        return steps_run(done[1], lambda: main(["run", str(done[0]), *overrides]))

    assert fresh_steps("domains.ko.share=0.6") == ["train-tokenizer", "encode", "validate"]
    assert fresh_steps() == ["train-tokenizer", "encode", "validate"]
    assert bytes_of(done[1]) == contents
    assert fresh_steps("deduplicate.threshold=0.9")[0] == "deduplicate"
    assert fresh_steps("clean.squeeze_to=2")[0] == "clean"
    fresh_steps()
    assert bytes_of(done[1]) == contents


def test_keys_see_what_is_in_a_model_and_what_a_preset_says(tmp_path):
    path, model = write_config(tmp_path, documents=2), tmp_path / "q.bin"

    def keys(content, *overrides):
        model.write_bytes(content)
        score = [
            f"score.quality.q.model={model}",
            "score.quality.q.langs=[ko]",
            "score.quality.q.min_score=0.5",
        ]
        return StepKeys(Context(load(Config, [str(path)], [*score, *overrides], RULES))).own

    first, other = keys(b"one"), keys(b"two")
    assert [name for name in first if first[name] != other[name]] == ["score"]
    assert keys(b"one", "filter.ko.min_characters=30") == first  # the value of the preset
    assert keys(b"one", "filter.ko.min_characters=31")["filter"] != first["filter"]


def test_a_damaged_token_file_is_found(done):
    path = next((done[1] / "tokens").glob("ko_train.bin"))
    good = path.read_bytes()
    try:
        path.write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:])
        assert main(["validate", str(done[0])]) == 2
        problems = problems_of("validate", done[0])
        assert [problem.rule for problem in problems] == ["token-file-changed"]
        assert problems[0].where.endswith("tokens/ko_train.bin")
        path.write_bytes(good[:-2])
        assert main(["validate", str(done[0])]) == 2
    finally:
        path.write_bytes(good)
    assert main(["validate", str(done[0])]) == 0


def test_killed_anywhere_and_run_again_gives_the_same_bytes(done, tmp_path):
    """SIGKILL at random moments of the real command, then to the end."""
    config = write_config(tmp_path, relative=True)
    text = config.read_text().replace(str(tmp_path / "corpus"), str(done[0].parent / "corpus"))
    config.write_text(text)
    command = [sys.executable, "-m", "preprocessing", "run", str(config)]
    random.seed(3)
    for _ in range(4):
        process = subprocess.Popen(
            command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=tmp_path
        )
        time.sleep(random.uniform(0.4, 2.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert subprocess.run(command, check=False, capture_output=True, cwd=tmp_path).returncode == 0
    assert bytes_of(tmp_path / "out") == bytes_of(done[1])


@pytest.mark.parametrize(
    "stop",
    [
        "clean/en-00000",
        "filter-en-00000",
        "quarantine",
        "deduplicate-ko",
        "ko_train-00000",
        "tokenizer.json",
        ".idx",
        "manifest.json",
    ],
)
def test_stopped_before_a_given_file_appears(done, tmp_path, monkeypatch, stop):
    """The rename that would publish a file fails; the next run ends as if nothing had happened."""
    config = write_config(tmp_path, relative=True)
    config.write_text(config.read_text().replace(str(tmp_path / "corpus"), str(done[0].parent / "corpus")))
    monkeypatch.chdir(tmp_path)
    real = os.replace

    def failing(source, target):
        if stop in str(target):
            raise KeyboardInterrupt
        return real(source, target)

    monkeypatch.setattr("megatron_ko.files.os.replace", failing)
    assert main(["run", str(config), "--workers", "1"]) == 75
    assert not (tmp_path / "out" / "manifest.json").exists()
    monkeypatch.setattr("megatron_ko.files.os.replace", real)
    assert main(["run", str(config), "--workers", "1"]) == 0
    assert bytes_of(tmp_path / "out") == bytes_of(done[1])


def problems_of(step, config, *overrides):
    """Problems of the user error that a step raises."""
    with pytest.raises(UserError) as caught:
        pipeline.run(load(Config, [str(config)], list(overrides), RULES), step, ProcessRunner(1))
    return caught.value.problems


@pytest.mark.parametrize(
    ("step", "overrides", "expected"),
    [
        ("run", ["inputs.ko.paths=[nowhere/*.jsonl]"], {("inputs.ko.paths", "no-match")}),
        ("run", ["tokenizer.vocab_size=60000"], {("", "vocab-too-large")}),
        ("run", ["tokenizer.vocab_size=270"], {("", "vocab-too-small")}),
        ("clean", ["tokenizer.vocab_size=10"], {("tokenizer.vocab_size", "vocabulary-size")}),
        ("run", ["tokenizer.vocab_size=65520"], {("tokenizer.vocab_size", "vocabulary-size")}),
        ("run", ["filter.ko.min_characters=100000", "filter.en.min_characters=100000", "filter.mixed.min_characters=100000",
                 "filter.code.min_characters=1000000"], {("", "no-documents")}),
        ("run", ["filter.ko.min_characters=100000"], {("domains.ko", "domain-without-documents")}),
        ("clean", ["inputs={ko: {type: jsonl, paths: [corpus/ko.jsonl], text_field: body}}"], {("", "no-documents")}),
        ("clean", ["inputs.pairs.templates=['{ko']"], {("inputs.pairs.templates.0", "template-fields")}),
        ("run", ["domains.ko.sources=[wiki]", "deduplicate.bands=7"],
         {("domains.ko.sources", "known-sources"), ("deduplicate.bands", "bands-divide-hashes")}),
        ("run", ["domains.en.share=null"], {("domains.en", "complete-shares")}),
        ("encode", ["seed=99"], {("", "step-not-finished")}),
    ],
)  # fmt: skip
def test_mistakes_are_reported(done, tmp_path, step, overrides, expected):
    problems = problems_of(step, done[0], f"output.folder={tmp_path / 'o'}", *overrides)
    assert {(problem.path, problem.rule) for problem in problems} == expected


def test_a_mistake_exits_with_2_and_names_its_place_and_the_first_bad_record(done, tmp_path, capsys):
    overrides = [f"output.folder={tmp_path / 'o'}", "inputs.ko.paths=[nowhere/*.jsonl]"]
    assert main(["run", str(done[0]), *overrides]) == 2
    assert "command line: inputs.ko.paths: " in capsys.readouterr().err
    overrides[1] = "inputs={ko: {type: jsonl, paths: [corpus/ko.jsonl], text_field: body}}"
    assert main(["clean", str(done[0]), *overrides]) == 2
    assert "corpus/ko.jsonl:1: " in capsys.readouterr().err


@pytest.mark.parametrize("options", [["run"], ["run", "--dry-run"]])
def test_a_missing_model_is_reported_before_anything_is_written(done, tmp_path, capsys, options):
    model = "score.perplexity.lm={model: nowhere.npz, langs: [ko], keep_quantiles: [0.0, 0.9]}"
    overrides = [model, f"output.folder={tmp_path / 'out'}"]
    assert main([*options, str(done[0]), *overrides, "--workers", "1"]) == 2
    assert "nowhere.npz: " in capsys.readouterr().err
    assert not (tmp_path / "out" / "clean").exists()


def test_help_of_a_step_explains_the_sections_it_reads(capsys):
    for step, sections in SECTIONS_OF.items():
        with pytest.raises(SystemExit):
            main([step, "--help"])
        shown = capsys.readouterr().out
        read = {
            name for name in Config.__pydantic_fields__ if re.search(rf"^(  )?{name}(\.NAME)?:", shown, re.M)
        }
        assert read == {*SECTIONS_OF_ALL, *sections}


def test_help_of_run_explains_every_field(capsys):
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    shown = capsys.readouterr().out
    assert all(f"\n{name}" in shown or f"\n  {name}: " in shown for name in Config.__pydantic_fields__)
    assert shown.count("inputs.NAME.text_field: ") == 1
    assert shown.count("inputs.NAME.type: ") == len(get_args(get_args(Input)[0]))


def test_bad_records_show_in_the_exit_code(done, capsys):
    """Of the steps that read inputs; all other work is finished."""
    strict = [str(done[0]), "output.allow_bad_records=false"]
    assert main(["run", *strict]) == 3
    assert "quarantine.jsonl" in capsys.readouterr().err
    assert main(["filter", *strict]) == 0
    assert (
        main(["run", *strict, "inputs.ko.paths=[corpus/en.jsonl]", "output.folder=clean_only", "--dry-run"])
        == 0
    )
    assert main(["clean", *strict, "inputs.ko.paths=[corpus/en.jsonl]", "output.folder=clean_only"]) == 0


def test_a_full_disk_is_reported_with_the_folder(done, tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("megatron_ko.files.os.replace", full)
    problem = problems_of("run", done[0], f"output.folder={tmp_path / 'full'}")[0]
    assert problem.rule == "disk-full" and str(tmp_path / "full") in str(problem)


def test_one_process_at_a_time(done):
    import fcntl

    with open(done[1] / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["run", str(done[0])]) == 2


def test_print_config_loads_again(done, capsys, tmp_path):
    assert main(["run", str(done[0]), "--print-config", "seed=7"]) == 0
    shown = capsys.readouterr().out
    (tmp_path / "again.yaml").write_text(shown)
    assert main(["run", str(tmp_path / "again.yaml"), "--print-config"]) == 0
    assert capsys.readouterr().out == shown


def test_a_dry_run_lists_units_and_steps(done, capsys):
    assert main(["run", str(done[0]), "--dry-run"]) == 0
    context = Context(load(Config, [str(done[0])], [], RULES))
    names = [*(unit.name for unit in context.units), *steps_of(context.config)]
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == names


def test_funnel_of_a_source_that_is_dropped_wholly():
    counts = Counts(documents_in=2, bytes_in=10)
    counts.dropped["too_short"] = 2
    funnel = funnel_of(
        {
            "clean": {"sources": {"x": {"langs": ["ko"], "counts": counts.to_json()}}},
            "deduplicate": {"sources": {}},
        }
    )
    assert funnel["sources"][0]["documents_out"] == 0
    assert funnel["steps"][-1] == {"name": "deduplicate", "documents": 0, "bytes": 0}
