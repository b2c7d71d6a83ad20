"""Keys: of versions and of the content of what is read, never of code; markers count while their outputs are there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from preprocessing.cli import main
from preprocessing.running.context import Context, Task
from preprocessing.running.markers import Marker, content_of, key_of
from preprocessing.running.tasks import Outcome
from preprocessing.steps import clean, order
from tests.preprocessing.corpus import write_config
from tests.preprocessing.finished_steps import context_of


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_content_is_of_names_and_bytes_and_not_of_the_key(tmp_path):
    first = [written(tmp_path, "a", "1"), written(tmp_path, "b", "2")]
    marker = Marker(tmp_path, "step/unit")
    marker.write("key", first, {"n": 1})
    content = marker.content()
    marker.write("other", first[::-1], {"n": 2})
    assert marker.content() == content and marker.key() == "other"
    written(tmp_path, "b", "3")
    marker.write("key", first, {"n": 1})
    assert marker.content() != content
    assert marker.contents() == {path.name: (1, content_of(path)) for path in first}


def test_a_marker_counts_while_its_outputs_have_their_sizes(tmp_path):
    path = written(tmp_path, "a", "1")
    marker = Marker(tmp_path, "step/unit")
    marker.write("key", [path], {"n": 1})
    assert marker.read() == marker.read("key") == {"n": 1}
    assert marker.read("other") is None
    path.write_text("22")
    assert marker.read("key") is None
    path.unlink()
    assert marker.read("key") is None


@pytest.mark.parametrize(
    "text", ['{"key": "key", "outputs": {"a": 1}, "summary": {}}', "[]", "{", '{"format": 9}', ""]
)
def test_a_marker_of_another_format_is_not_finished(tmp_path, text):
    written(tmp_path, "a", "1")
    (tmp_path / "steps").mkdir()
    marker = Marker(tmp_path, "clean")
    assert not marker.is_of_other_format()
    marker.path.write_text(text)
    assert marker.read() is marker.read("key") is marker.key() is marker.content() is None
    assert marker.outputs() == [] and marker.shared_summary() is None
    assert marker.is_of_other_format()


def test_a_step_gives_what_it_shares_of_its_summary_and_no_more(tmp_path):
    context = context_of(tmp_path, {"a": []}, {})

    def content(summary):
        context.finish_step("balance", "key", Outcome([], summary, shared=("shards",)))
        return Marker(tmp_path, "balance").content()

    first = content({"shards": [1], "examples": "x"})
    assert context.summary_of("balance") == {"shards": [1]}
    assert content({"shards": [1], "examples": "y"}) == first
    assert content({"shards": [2], "examples": "y"}) != first


def test_the_order_of_units_is_part_of_the_content_of_a_step(tmp_path):
    """Of equal documents the first stays, and the corpus is in the order of the inputs."""

    def content(*names):
        context = context_of(tmp_path, {"a": []}, {})
        for name in names:
            Marker(tmp_path, f"clean/{name}").write(_key(name), [written(tmp_path, name, name)], {})
        context.finish("clean", [Task(name, _never, depends=name) for name in names], 1)
        context.finish_step("clean", "key", Outcome([], {}))
        return Marker(tmp_path, "clean").content()

    assert content("x", "y") == content("x", "y") != content("y", "x")


def _never(context: Context) -> Outcome:
    raise AssertionError("it is finished")


def _key(name: str) -> str:
    return key_of("clean", 1, name, name)


def test_every_step_has_a_version():
    for name in order.STEPS:
        version = order.module_of(name).VERSION
        assert isinstance(version, int) and version >= 1


# --- a whole run ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """``(config, output folder)`` of a finished run."""
    folder = tmp_path_factory.mktemp("keys")
    config = write_config(folder, documents=20)
    config.write_text(config.read_text().replace("vocab_size: 777", "vocab_size: 500, english_only: false"))
    assert main(["run", str(config), "--workers", "1"]) == 0
    return config, folder / "out"


def ran(config, capsys, *overrides):
    """Steps that were run, without ``validate``, which costs nothing here."""
    capsys.readouterr()
    assert main(["run", str(config), "--workers", "1", *overrides]) == 0
    return [name for name in re.findall(r"([\w-]+): done in", capsys.readouterr().err) if name != "validate"]


def test_a_raised_version_runs_its_step_and_no_later_one_while_the_bytes_are_the_same(
    done, capsys, monkeypatch
):
    times = {path: path.stat().st_mtime_ns for path in (done[1] / "steps").rglob("*")}
    monkeypatch.setattr(clean, "VERSION", clean.VERSION + 1)
    assert ran(done[0], capsys) == ["clean"]
    rewritten = {path for path, time in times.items() if path.is_file() and path.stat().st_mtime_ns != time}
    others = {str(path.relative_to(done[1] / "steps")).split("/")[0] for path in rewritten}
    assert others == {"clean", "clean.json", "input_hashes.json"}
    assert done[1] / "steps" / "clean" / "ko-00000.parquet" in rewritten
    monkeypatch.undo()
    assert ran(done[0], capsys) == ["clean"]


def test_other_code_alone_runs_nothing(done, capsys, monkeypatch):
    """Another function of the same name, which is what an edited module is."""

    def edited(context, number, real=clean.clean_unit):
        renamed = context
        return real(renamed, number)

    monkeypatch.setattr(clean, "clean_unit", edited)
    assert ran(done[0], capsys) == []


def test_a_step_that_writes_other_bytes_makes_what_reads_them_run(done, capsys, monkeypatch):
    def louder(context, number, real=clean.clean_unit):
        outcome = real(context, number)
        if context.units[number].name.startswith("ko"):
            aside = outcome.outputs[2]  # bad records
            aside.write_text(aside.read_text() + json.dumps({"file": "x", "line": 1, "cause": "y"}) + "\n")
        return outcome

    monkeypatch.setattr(clean, "VERSION", clean.VERSION + 1)
    monkeypatch.setattr(clean, "clean_unit", louder)
    steps = done[1] / "steps"
    before = {
        name: (steps / "measure" / f"{name}.parquet").stat().st_mtime_ns for name in ("ko-00000", "en-00000")
    }
    assert ran(done[0], capsys)[:2] == ["clean", "measure"]
    after = {name: (steps / "measure" / f"{name}.parquet").stat().st_mtime_ns for name in before}
    assert {name for name in before if before[name] != after[name]} == {"ko-00000"}
    monkeypatch.undo()
    ran(done[0], capsys)


def test_markers_of_another_format_are_done_again_once_and_said(done, capsys):
    for path in (done[1] / "steps").rglob("*.json"):
        data = json.loads(path.read_text())
        if "key" in data:
            data = {"key": "0" * 64, "outputs": {name: size for name, (size, _) in data["outputs"].items()}}
            path.write_text(json.dumps({**data, "summary": {}}))
    capsys.readouterr()
    assert main(["run", str(done[0]), "--dry-run"]) == 0
    assert "measure: would run" in capsys.readouterr().out
    assert main(["run", str(done[0]), "--workers", "1"]) == 0
    said = capsys.readouterr().err
    assert "clean: was finished by another version of the program" in said
    assert "encode: done in" in said
    assert ran(done[0], capsys) == []


def test_the_first_of_equal_documents_stays_also_when_inputs_change_places(done, capsys, tmp_path):
    """Steps after ``clean`` see the order of the units, though each unit has the bytes it had."""
    config = tmp_path / "data.yaml"
    lines = done[0].read_text().splitlines(keepends=True)
    first, second = (
        next(n for n, line in enumerate(lines) if line.startswith(f"  {name}:")) for name in ("ko", "en")
    )
    lines[first], lines[second] = lines[second], lines[first]
    config.write_text("".join(lines))
    assert "deduplicate" in ran(config, capsys)
    ran(done[0], capsys)
