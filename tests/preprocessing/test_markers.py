"""Keys cover versions and the content of files read, never code; markers are valid while their outputs exist."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from megatron_ko.formats.checksums import hash_file
from preprocessing.cli import main
from preprocessing.running.context import Context, Task
from preprocessing.running.markers import Marker, key_of
from preprocessing.running.tasks import Outcome
from preprocessing.steps import clean, order
from tests.preprocessing.corpus import steps_run, write_config
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
    assert marker.contents() == {path.name: (1, hash_file(path)) for path in first}


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


def rerun(config, out):
    """Runs again; returns the steps that ran, without ``validate``, which always does."""
    names = steps_run(out, lambda: main(["run", str(config), "--workers", "1"]))
    return [name for name in names if name != "validate"]


def test_a_raised_version_runs_its_step_and_no_later_one_while_the_bytes_are_the_same(done, monkeypatch):
    times = {path: path.stat().st_mtime_ns for path in (done[1] / "steps").rglob("*")}
    monkeypatch.setattr(clean, "VERSION", clean.VERSION + 1)
    assert rerun(*done) == ["clean"]
    rewritten = {path for path, time in times.items() if path.is_file() and path.stat().st_mtime_ns != time}
    others = {str(path.relative_to(done[1] / "steps")).split("/")[0] for path in rewritten}
    assert others == {"clean", "clean.json", "input_hashes.json"}
    assert done[1] / "steps" / "clean" / "ko-00000.parquet" in rewritten
    monkeypatch.undo()
    assert rerun(*done) == ["clean"]


def test_other_code_alone_runs_nothing(done, monkeypatch):
    """Another function of the same name, which is what an edited module is."""

    def edited(context, number, real=clean.clean_unit):
        renamed = context
        return real(renamed, number)

    monkeypatch.setattr(clean, "clean_unit", edited)
    assert rerun(*done) == []


def test_steps_that_read_changed_bytes_run_again(done, monkeypatch):
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
    assert rerun(*done)[:2] == ["clean", "measure"]
    after = {name: (steps / "measure" / f"{name}.parquet").stat().st_mtime_ns for name in before}
    assert {name for name in before if before[name] != after[name]} == {"ko-00000"}
    monkeypatch.undo()
    rerun(*done)


def test_steps_with_markers_of_another_format_run_again_once(done):
    for path in (done[1] / "steps").rglob("*.json"):
        data = json.loads(path.read_text())
        if "key" in data:
            data = {"key": "0" * 64, "outputs": {name: size for name, (size, _) in data["outputs"].items()}}
            path.write_text(json.dumps({**data, "summary": {}}))
    assert Marker(done[1], "clean").is_of_other_format()
    names = rerun(*done)
    assert names[0] == "clean" and names[-1] == "encode"
    assert rerun(*done) == []


def test_deduplication_depends_on_the_order_of_the_inputs(done, tmp_path):
    """Steps after ``clean`` depend on the order of the units, even if the bytes of each unit stay the same."""
    config = tmp_path / "data.yaml"
    lines = done[0].read_text().splitlines(keepends=True)
    first, second = (
        next(n for n, line in enumerate(lines) if line.startswith(f"  {name}:")) for name in ("ko", "en")
    )
    lines[first], lines[second] = lines[second], lines[first]
    config.write_text("".join(lines))
    assert "deduplicate" in rerun(config, done[1])
    rerun(*done)
